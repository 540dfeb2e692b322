//! A hostile file server: each of its tricks is a dead letter with its class, the run goes on, and memory stays flat.

use super::{NEW, Stage, bytes_of, good};
use crate::support::file_server::answer;
use crate::support::http_exchange::Request;
use crate::support::s3::Make;
use crate::support::servers::Kind;
use std::io::Write as _;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

/// A path, and the class of the letter that it makes.
const TRICKS: [(&str, &str); 18] = [
    ("/redirect-to-loopback", "blocked"),
    ("/redirect-to-metadata", "blocked"),
    ("/redirect-to-file", "blocked"),
    ("/redirect-for-ever", "server"),
    ("/endless", "too_large"),
    ("/one-byte-a-second", "timeout"),
    ("/too-short", "server"),
    ("/truncated-chunk", "server"),
    ("/bomb.png", "wrong_type"),
    ("/page.png", "wrong_type"),
    ("/page-that-says-picture.png", "wrong_type"),
    ("/text.txt", "wrong_type"),
    ("/large-head", "server"),
    ("/gone", "gone"),
    ("/forbidden", "forbidden"),
    ("/broken", "server"),
    ("/wrong-md5", "mismatch"),
    ("/no-type", "wrong_type"),
];

fn hostile(asked: &Request, stream: &mut TcpStream) -> std::io::Result<bool> {
    let redirect = |stream: &mut TcpStream, to: &str| answer(stream, "302 Found", &format!("Location: {to}\r\n"), b"");
    match asked.path.as_str() {
        "/redirect-to-loopback" => redirect(stream, "http://127.0.0.1:1/x"),
        "/redirect-to-metadata" => redirect(stream, "http://169.254.169.254/latest/meta-data/"),
        "/redirect-to-file" => redirect(stream, "file:///proc/self/environ"),
        "/redirect-for-ever" => redirect(stream, "/redirect-for-ever"),
        "/endless" => {
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n")?;
            loop {
                stream.write_all(b"10000\r\n")?;
                stream.write_all(&vec![b'x'; 0x10000])?;
                stream.write_all(b"\r\n")?;
            }
        }
        "/one-byte-a-second" => {
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 1000000\r\n\r\n")?;
            loop {
                stream.write_all(b"x")?;
                std::thread::sleep(Duration::from_secs(1));
            }
        }
        "/too-short" => {
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 1000\r\n\r\nshort")?;
            Ok(false)
        }
        "/truncated-chunk" => {
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n100\r\nabc"
            )?;
            Ok(false)
        }
        "/bomb.png" => {
            let head = "Content-Type: image/png\r\nContent-Encoding: gzip\r\n";
            answer(stream, "200 OK", head, b"\x1f\x8b\x08 pretend that it is four gigabytes")
        }
        "/page.png" => answer(stream, "200 OK", "Content-Type: text/html\r\n", b"<html>Not found</html>"),
        "/page-that-says-picture.png" => {
            answer(stream, "200 OK", "Content-Type: image/png\r\n", b"\n<!DOCTYPE html><title>Login</title>")
        }
        "/text.txt" => answer(stream, "200 OK", "Content-Type: text/plain\r\n", b"text"),
        "/large-head" => {
            let head = format!("Content-Type: image/png\r\nX-Large: {}\r\n", "x".repeat(1 << 20));
            answer(stream, "200 OK", &head, b"x")
        }
        "/gone" => answer(stream, "404 Not Found", "", b"gone"),
        "/forbidden" => answer(stream, "403 Forbidden", "", b"no"),
        "/broken" => answer(stream, "501 Not Implemented", "", b"no"),
        "/wrong-md5" => {
            let head = "Content-Type: image/png\r\nContent-MD5: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
            answer(stream, "200 OK", head, b"\x89PNG")
        }
        "/no-type" => answer(stream, "200 OK", "", b"\x89PNG"),
        _ => good(asked, stream),
    }
}

#[test]
fn every_trick_is_a_dead_letter_with_its_class_and_the_run_goes_on() {
    let mut stage = Stage::new(Kind::Sqlite, Make::Ministack, hostile);
    let target = "content_types = [\"image/*\"]\n[target.columns]\nstate = \"$state\"";
    let column = "[[source.files]]\ncolumn = \"document\"";
    stage.define("photos/{id}/{name}", column, "max_bytes = \"20 MB\"", target, "stop_when_failed = \"100%\"");
    let mut urls: Vec<(String, &str)> = TRICKS.map(|(path, class)| (stage.server.url(path), class)).to_vec();
    let port = stage.server.address.port();
    urls.extend([
        (format!("http://localhost:{port}/a.png"), "blocked"),
        (format!("http://[::ffff:127.0.0.1]:{port}/a.png"), "blocked"),
        ("http://evil.example/a.png".to_owned(), "blocked"),
        ("http://127.0.0.1:1/a.png".to_owned(), "blocked"),
        ("http://user:hunter2@127.0.0.1/a.png".to_owned(), "blocked"),
        ("ftp://127.0.0.1/a.png".to_owned(), "blocked"),
        ("no URL at all".to_owned(), "poison"),
    ]);
    let good = u32::try_from(urls.len()).unwrap();
    // A decimal address is the same address, and this one is allowed.
    let decimal = format!("http://2130706433:{port}/decimal.png");
    for (id, url) in (1..).zip(urls.iter().map(|(url, _)| url).chain([&decimal])) {
        stage.job.database.execute(&format!("INSERT INTO profiles (id, document) VALUES ({id}, '{url}')"));
    }
    for id in 0..20 {
        let url = stage.server.url(&format!("/{id}.png"));
        stage.job.database.execute(&format!("INSERT INTO profiles (id, document) VALUES ({}, '{url}')", 100 + id));
    }
    let finished = stage.job.call(&["run", "photos", "--until-done", "--time-limit", "90s", "--memory-limit", "256MB"]);
    let reply = finished.expect(3).reply();
    assert_eq!(reply["outcome"], "complete", "{reply}");
    let failed = stage.job.reply(&["failed", "photos", "--limit", "1000"]);
    let items = failed["items"].as_array().unwrap();
    for (id, (url, class)) in (1..).zip(&urls) {
        let item = items.iter().find(|item| item["key"][0] == format!("{id}"));
        let item = item.unwrap_or_else(|| panic!("{url} made no letter: {failed:#}"));
        assert_eq!(item["class"], *class, "{url}: {item}");
        let message = item["message"].as_str().unwrap();
        assert!(!message.contains(url.as_str()) && !message.contains("hunter2"), "{message}");
    }
    assert_eq!(items.len(), urls.len(), "{failed:#}");
    assert_eq!(stage.job.status()["progress"]["moved"], 21);
    let key = format!("photos/{}/decimal.png", good + 1);
    assert_eq!(stage.object(&key), Some(bytes_of("/decimal.png")));
    let rows = stage.rows();
    for (row, (url, _)) in rows.iter().zip(&urls) {
        assert_eq!(row[1].as_deref(), Some(url.as_str()), "the row stays as it was");
    }
    let marked = stage.job.database.number("SELECT COUNT(*) FROM profiles WHERE state = 'failed'");
    assert_eq!(usize::try_from(marked).unwrap(), urls.len());
    assert_eq!(stage.open_uploads(), [], "an upload of an endless body was given up");
    let peak = reply["peak_memory_mb"].as_u64().unwrap();
    assert!(peak < 160, "{peak} MB");
}

#[test]
fn a_server_that_wants_to_be_left_alone_for_long_costs_no_file_an_attempt() {
    let patient = Arc::new(AtomicBool::new(false));
    let now = patient.clone();
    let mut stage = Stage::new(Kind::Sqlite, Make::Ministack, move |asked, stream| {
        if now.load(Ordering::SeqCst) {
            return good(asked, stream);
        }
        answer(stream, "429 Too Many Requests", "Retry-After: 12\r\n", b"later")
    });
    stage.define_usual("");
    stage.fill(3);
    let rows = stage.rows();
    let calls = |stage: &Stage| stage.server.asked().len();
    for run in 0..4 {
        let before = calls(&stage);
        let reply = stage.job.call(&["run", "photos", "--time-limit", "2s"]).expect(0).reply();
        assert_eq!((&reply["outcome"], &reply["failed"]), (&"more".into(), &0.into()), "{reply}");
        assert!(run == 0 || calls(&stage) == before, "the next run knows, and leaves it alone");
    }
    patient.store(true, Ordering::SeqCst);
    let reply = stage.run();
    assert_eq!((&reply["outcome"], &reply["progress"]["failed"]), (&"complete".into(), &0.into()), "{reply}");
    let (old, _) = stage.assert_sound(&rows);
    assert_eq!(old, 0);
}

#[test]
fn a_server_that_is_busy_is_waited_for_without_a_dead_letter() {
    let calls = AtomicU32::new(0);
    let mut stage = Stage::new(Kind::Sqlite, Make::Ministack, move |asked, stream| {
        if calls.fetch_add(1, Ordering::SeqCst) % 3 == 1 {
            return answer(stream, "429 Too Many Requests", "", b"later");
        }
        good(asked, stream)
    });
    stage.define("photos/{id}/{name}", "[[source.files]]\ncolumn = \"document\"", "", "", "");
    for id in 1..=60 {
        let url = stage.server.url(&format!("/{id}.png"));
        stage.job.database.execute(&format!("INSERT INTO profiles (id, document) VALUES ({id}, '{url}')"));
    }
    let reply = stage.run();
    assert_eq!((&reply["outcome"], &reply["progress"]["moved"]), (&"complete".into(), &60.into()), "{reply}");
    assert!(stage.rows().iter().all(|row| row[1].as_deref().unwrap().starts_with(NEW)));
    // What it bears is kept for the next run.
    let ledger = rusqlite::Connection::open(stage.job.folder().join("ledger.db")).unwrap();
    let kept = "SELECT body FROM ledger WHERE migration = 'photos' AND item = 'rate#hosts'";
    let kept: String = ledger.query_row(kept, [], |row| row.get(0)).unwrap();
    let kept: serde_json::Value = serde_json::from_str(&kept).unwrap();
    let level = &kept["hosts"][format!("http://{}", stage.server.address)];
    assert!(level["rate"].as_f64().is_some_and(|rate| rate > 0.0), "{kept}");
}
