//! Connections that break off where a file has not ended: half of one is never taken for the whole.

use super::{Stage, bytes_of, good};
use crate::support::file_server::answer;
use crate::support::http_exchange::Request;
use crate::support::s3::Make;
use crate::support::servers::Kind;
use std::collections::HashMap;
use std::io::Write as _;
use std::net::TcpStream;
use std::sync::Mutex;

/// What a server sends of a file the first time that it is asked for it: whoever takes that for all has lost the rest.
fn cut_once(asked: &Request, stream: &mut TcpStream, calls: u32) -> std::io::Result<bool> {
    let (whole, half) = (bytes_of(&asked.path), bytes_of(&asked.path).len() / 2);
    let head = "Content-Type: image/png\r\nETag: \"v1\"\r\n";
    match asked.path.as_str() {
        // Neither a length nor chunks: the end of the connection is that of the file.
        "/cut.png" => {
            write!(stream, "HTTP/1.1 200 OK\r\n{head}\r\n")?;
            stream.write_all(if calls == 0 { &whole[..half] } else { &whole })?;
        }
        "/never-the-same.png" => {
            write!(stream, "HTTP/1.1 200 OK\r\n{head}\r\n")?;
            stream.write_all(&whole[..half + usize::try_from(calls % 7).unwrap()])?;
        }
        // A piece of what is left, without the length of the whole.
        "/piece.png" if calls == 1 => {
            let piece = &whole[half..half + 10];
            let range = format!("Content-Range: bytes {half}-{}/*\r\n", half + 9);
            answer(stream, "206 Partial Content", &format!("{head}{range}"), piece)?;
        }
        // The whole is said to be longer than it was.
        "/longer.png" if calls == 1 => {
            let range = format!("Content-Range: bytes {half}-{}/{}\r\n", whole.len(), whole.len() + 1);
            answer(stream, "206 Partial Content", &format!("{head}{range}"), &[&whole[half..], &b"x"[..]].concat())?;
        }
        _ if calls == 0 => {
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{head}\r\n", whole.len())?;
            stream.write_all(&whole[..half])?;
        }
        _ => return good(asked, stream),
    }
    Ok(false)
}

#[test]
fn half_a_file_is_never_taken_for_the_whole() {
    let calls = Mutex::new(HashMap::<String, u32>::new());
    let mut stage = Stage::new(Kind::Sqlite, Make::Ministack, move |asked, stream| {
        let before = {
            let mut calls = calls.lock().unwrap();
            let calls = calls.entry(asked.path.clone()).or_default();
            *calls += 1;
            *calls - 1
        };
        cut_once(asked, stream, before)
    });
    stage.define("photos/{id}/{name}", "[[source.files]]\ncolumn = \"document\"", "", "", "");
    let paths = ["/cut.png", "/piece.png", "/longer.png", "/never-the-same.png"];
    for (id, path) in (1..).zip(paths) {
        let url = stage.server.url(path);
        stage.job.database.execute(&format!("INSERT INTO profiles (id, document) VALUES ({id}, '{url}')"));
    }
    let reply = stage.run();
    assert_eq!((&reply["outcome"], &reply["progress"]["moved"]), (&"complete".into(), &3.into()), "{reply}");
    for (id, path) in (1..).zip(&paths[..3]) {
        assert_eq!(stage.object(&format!("photos/{id}{path}")), Some(bytes_of(path)), "{path}");
    }
    let failed = stage.job.reply(&["failed", "photos"]);
    assert_eq!(
        (&failed["items"][0]["key"], &failed["items"][0]["class"]),
        (&serde_json::json!(["4"]), &"server".into())
    );
    assert_eq!(stage.rows()[3][1], Some(stage.server.url("/never-the-same.png")));
}
