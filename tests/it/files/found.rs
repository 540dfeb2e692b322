//! What a killed run has stored is found by the next one, and held against what that run had sent.

use super::{LIMIT, NEW, Stage, bytes_of, good};
use crate::support::s3::Make;
use crate::support::servers::Kind;
use aws_sdk_s3::primitives::ByteStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

#[test]
fn an_object_of_a_killed_run_that_holds_other_bytes_is_not_taken_for_the_file() {
    let stalls = Arc::new(AtomicBool::new(true));
    let stalled = stalls.clone();
    let mut stage = Stage::new(Kind::Sqlite, Make::Ministack, move |asked, stream| {
        while asked.path == "/last.png" && stalled.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(20));
        }
        good(asked, stream)
    });
    let limits = "lease = \"1s\"\nmax_attempts = 1000";
    stage.define("photos/{id}/{name}", "[[source.files]]\ncolumn = \"document\"", "", "", limits);
    stage.job.set("MILKRUN_LEASE_MARGIN", "-5s");
    let paths = ["/sound.png", "/damaged.png", "/last.png"];
    for (id, path) in (1..).zip(paths) {
        let url = stage.server.url(path);
        stage.job.database.execute(&format!("INSERT INTO profiles (id, document) VALUES ({id}, '{url}')"));
    }
    let (sound, damaged) = ("photos/1/sound.png", "photos/2/damaged.png");
    let mut running = stage.job.cli().spawn(&["--json", "run", "photos", "--time-limit", "60s"]);
    let since = Instant::now();
    while [sound, damaged].iter().any(|key| stage.object(key).is_none()) {
        assert!(running.is_running() && since.elapsed() < Duration::from_secs(20), "they are not there");
        std::thread::sleep(Duration::from_millis(20));
    }
    running.signal("KILL");
    running.wait();
    // As many bytes, with its marks, on a server that has no checksum of the kind that milkrun knows.
    let head = stage.runtime.block_on(stage.s3.head(&stage.bucket, damaged, LIMIT)).unwrap().unwrap();
    let body = ByteStream::from(vec![b'x'; bytes_of("/damaged.png").len()]);
    let put = stage.client.put_object().bucket(&stage.bucket).key(damaged).set_metadata(Some(head.metadata)).body(body);
    stage.runtime.block_on(put.send()).unwrap();
    stalls.store(false, Ordering::SeqCst);
    let reply = stage.run();
    assert_eq!((&reply["outcome"], &reply["progress"]["moved"]), (&"complete".into(), &2.into()), "{reply}");
    assert_eq!(stage.job.status()["dead"], serde_json::json!({"unstable": 1}));
    let now: Vec<_> = stage.rows().into_iter().map(|row| row[1].clone().unwrap()).collect();
    assert_eq!(now[1], stage.server.url("/damaged.png"), "the row stays as it was");
    assert_eq!([&now[0], &now[2]], [&format!("{NEW}{sound}"), &format!("{NEW}photos/3/last.png")]);
    let times = |path: &str| stage.server.asked().iter().filter(|asked| asked.path == path).count();
    assert_eq!(times("/sound.png"), 1, "what is sound is not fetched again");
}
