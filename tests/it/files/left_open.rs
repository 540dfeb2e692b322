//! Uploads that are open of a file's key: somebody else's stays, and what a killed run has left goes.

use super::{LIMIT, NEW, Stage};
use crate::support::s3::MAKES;
use crate::support::servers::Kind;
use milkrun::s3::Object;
use std::io::Write as _;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const LENGTH: usize = 20 << 20;
/// More than one part: an upload is begun once that is here.
const FIRST: usize = 12 << 20;
const KEY: &str = "films/1/film.png";

fn film() -> Vec<u8> {
    b"\x89PNG".iter().copied().chain((0_u32..).flat_map(u32::to_le_bytes)).take(LENGTH).collect()
}

/// A server that gives the rest of a file only once it is told to. It names no tag: what a run has begun no other one can go on with.
fn give(stream: &mut TcpStream, whole: &[u8], stalls: &AtomicBool) -> std::io::Result<bool> {
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: {}\r\n\r\n", whole.len())?;
    stream.write_all(&whole[..FIRST])?;
    while stalls.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(20));
    }
    stream.write_all(&whole[FIRST..])?;
    Ok(true)
}

fn ids(stage: &Stage) -> Vec<String> {
    stage.open_uploads().into_iter().map(|open| open.id).collect()
}

#[test]
fn an_upload_that_somebody_else_had_begun_stays_and_that_of_a_killed_run_goes() {
    for make in MAKES {
        let (whole, stalls) = (Arc::new(film()), Arc::new(AtomicBool::new(true)));
        let (body, stalled) = (whole.clone(), stalls.clone());
        let mut stage = Stage::new(Kind::Sqlite, make, move |_, stream| give(stream, &body, &stalled));
        let limits = "lease = \"1s\"\nmax_attempts = 1000";
        stage.define("films/{id}/{name}", "[[source.files]]\ncolumn = \"document\"", "", "", limits);
        stage.job.set("MILKRUN_LEASE_MARGIN", "-5s");
        let url = stage.server.url("/film.png");
        stage.job.database.execute(&format!("INSERT INTO profiles (id, document) VALUES (1, '{url}')"));
        let object = Object { bucket: stage.bucket.clone(), key: KEY.to_owned(), ..Object::default() };
        let theirs = stage.runtime.block_on(stage.s3.begin_upload(&object, false, LIMIT)).unwrap().id;
        let mut running = stage.job.cli().spawn(&["--json", "run", "photos", "--time-limit", "60s"]);
        let since = Instant::now();
        while running.is_running() && ids(&stage).len() < 2 && since.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(20));
        }
        running.signal("KILL");
        running.wait();
        let open = ids(&stage);
        assert!(open.len() == 2 && open.contains(&theirs), "{make:?}: {open:?}, theirs is {theirs}");
        stalls.store(false, Ordering::SeqCst);
        let reply = stage.run();
        assert_eq!((&reply["outcome"], &reply["progress"]["moved"]), (&"complete".into(), &1.into()), "{reply}");
        assert_eq!(stage.rows()[0][1].as_deref(), Some(format!("{NEW}{KEY}").as_str()));
        assert!(stage.object(KEY).is_some_and(|bytes| bytes == *whole), "{make:?}");
        assert_eq!(ids(&stage), [theirs], "{make:?}");
    }
}
