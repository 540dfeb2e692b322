//! Memory: large files at once are passed on while they come, and many files take no more than some.

use super::{NEW, Stage};
use crate::support::child::peak_memory_kib;
use crate::support::file_server::answer;
use crate::support::job::full;
use crate::support::s3::Make;
use crate::support::servers::Kind;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const AT_ONCE: usize = 64;

#[test]
fn many_large_files_at_once_fit_into_little_memory() {
    // More than what the sockets of a loopback hold of themselves, and less than the whole.
    const GATE: usize = 14 << 20;
    let length: usize = if full() { 100 << 20 } else { 20 << 20 };
    let half_way = Arc::new(Mutex::new(BTreeSet::new()));
    let (arrived, early) = (half_way.clone(), Arc::new(AtomicUsize::new(0)));
    let too_early = early.clone();
    // From there on they trickle until all are half way: whoever holds one back until another is over waits for long.
    let mut stage = Stage::new(Kind::Sqlite, Make::SeaweedFs, move |asked, stream| {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nETag: \"v1\"\r\n";
        write!(stream, "{head}Content-Length: {length}\r\n\r\n")?;
        let (piece, mut sent) = (vec![7; 256 << 10], 0);
        while sent < length {
            let mut size = piece.len();
            if sent >= GATE {
                let mut arrived = arrived.lock().unwrap();
                arrived.insert(asked.path.clone());
                if arrived.len() < AT_ONCE {
                    drop(arrived);
                    std::thread::sleep(Duration::from_millis(300));
                    size = 16 << 10;
                }
            }
            let size = size.min(length - sent);
            stream.write_all(&piece[..size])?;
            sent += size;
        }
        too_early.fetch_add(usize::from(arrived.lock().unwrap().len() < AT_ONCE), Ordering::SeqCst);
        Ok(true)
    });
    let http = format!("concurrency = {AT_ONCE}\nper_host = {AT_ONCE}");
    stage.define("films/{id}/{name}", "[[source.files]]\ncolumn = \"document\"", &http, "", "max_attempts = 1000");
    for id in 1..=AT_ONCE {
        let url = stage.server.url(&format!("/{id}.png"));
        stage.job.database.execute(&format!("INSERT INTO profiles (id, document) VALUES ({id}, '{url}')"));
    }
    let arguments = ["run", "photos", "--until-done", "--time-limit", "300s", "--memory-limit", "128MB"];
    let since = Instant::now();
    let replies = stage.job.call(&arguments).expect(0).replies();
    let peak = replies.iter().map(|reply| reply["peak_memory_mb"].as_u64().unwrap()).max().unwrap();
    let last = replies.last().unwrap();
    println!("{} files of {length} bytes, {peak} MiB, {:?}", last["progress"]["moved"], since.elapsed());
    assert_eq!(stage.server.asked().len(), AT_ONCE, "each is asked for once: none of them was waited for in vain");
    assert_eq!((&last["outcome"], &last["progress"]["moved"]), (&"complete".into(), &AT_ONCE.into()), "{last}");
    assert_eq!(early.load(Ordering::SeqCst), 0, "none is over before all are half way: so many are under way at once");
    assert!(peak < 96, "{peak} MiB");
    assert_eq!(stage.open_uploads(), []);
    let url = stage.rows()[AT_ONCE / 2][1].clone().unwrap();
    let head = stage.runtime.block_on(stage.s3.head(&stage.bucket, url.strip_prefix(NEW).unwrap(), super::LIMIT));
    assert_eq!(head.unwrap().unwrap().bytes, length as u64);
}

#[test]
fn many_files_take_no_more_memory_than_some() {
    let (some, many) = if full() { (1000, 100_000) } else { (300, 3000) };
    let peak = |count: usize| {
        let mut stage = Stage::new(Kind::MariaDb, Make::SeaweedFs, |_, stream| {
            answer(stream, "200 OK", "Content-Type: image/png\r\n", &[7; 2000])
        });
        stage.define(
            "photos/{id}/{name}",
            "[[source.files]]\ncolumn = \"document\"",
            "concurrency = 32\nper_host = 32",
            "",
            "",
        );
        let values: Vec<String> =
            (1..=count).map(|id| format!("({id}, '{}')", stage.server.url(&format!("/{id}.png")))).collect();
        for some in values.chunks(5000) {
            stage.job.database.execute(&format!("INSERT INTO profiles (id, document) VALUES {}", some.join(", ")));
        }
        let replies = stage.job.call(&["run", "photos", "--until-done", "--time-limit", "60s"]).expect(0).replies();
        let last: &Value = replies.last().unwrap();
        assert_eq!((&last["outcome"], &last["progress"]["moved"]), (&"complete".into(), &count.into()), "{last}");
        replies.iter().map(|reply| reply["peak_memory_mb"].as_u64().unwrap()).max().unwrap()
    };
    let (few, lots) = (peak(some), peak(many));
    println!("{some} files: {few} MiB, {many} files: {lots} MiB");
    assert!(lots <= few + 6, "{few} and {lots} MiB");
}

#[test]
fn large_rows_fit_into_little_memory_and_one_above_max_item_is_not_read() {
    let mut stage = Stage::new(Kind::Sqlite, Make::Ministack, |_, stream| {
        answer(stream, "200 OK", "Content-Type: image/png\r\n", &[7; 20])
    });
    stage.define_usual("max_item = \"1 MB\"");
    let insert = |id: usize, bytes: usize| {
        let url = stage.server.url(&format!("/{id}.png"));
        stage.job.database.execute(&format!(
            "INSERT INTO profiles (id, photos) VALUES ({id}, '[{{\"original\": \"{url}\", \"about\": \"{}\"}}]')",
            "x".repeat(bytes)
        ));
    };
    // By the small ones a batch may have many.
    for id in 1..=200 {
        insert(id, if id > 100 { 600_000 } else { 10 });
    }
    insert(201, 2 << 20);
    let replies = stage.job.call(&["run", "photos", "--until-done", "--memory-limit", "128MB"]).expect(3).replies();
    let last = replies.last().unwrap();
    let counted = (&last["outcome"], &last["progress"]["moved"], &last["progress"]["failed"]);
    assert_eq!(counted, (&"complete".into(), &200.into(), &1.into()), "{last}");
    assert_eq!(stage.job.status()["dead"], serde_json::json!({"too_large": 1}));
    let peak = replies.iter().map(|reply| reply["peak_memory_mb"].as_u64().unwrap()).max().unwrap();
    println!("rows of 600 KB: {peak} MiB");
    assert!(peak < 110, "{peak} MiB");
    let verified = stage.job.call(&["verify", "photos"]).expect(3).reply();
    assert_eq!((&verified["equal"], &verified["missing"]), (&200.into(), &1.into()), "{verified}");
}

#[test]
fn a_row_that_no_statement_could_change_is_set_aside_before_its_files_are_fetched() {
    let mut stage = Stage::new(Kind::MariaDb, Make::Ministack, |_, stream| {
        answer(stream, "200 OK", "Content-Type: image/png\r\n", &[7; 20])
    });
    stage.define_usual("max_item = \"64 MB\"");
    // As it was and as it will be it would take more than the 16 MB that MariaDB lets a statement have.
    for (id, bytes) in [(1, 10), (2, 9_000_000)] {
        let url = stage.server.url(&format!("/{id}.png"));
        stage.job.database.execute(&format!(
            "INSERT INTO profiles (id, photos) VALUES ({id}, CONCAT('[{{\"original\": \"{url}\", \"about\": \"', REPEAT('x', {bytes}), '\"}}]'))"
        ));
    }
    let reply = stage.job.call(&["run", "photos", "--until-done"]).expect(3).reply();
    assert_eq!((&reply["outcome"], &reply["progress"]["moved"]), (&"complete".into(), &1.into()), "{reply}");
    assert_eq!(stage.job.status()["dead"], serde_json::json!({"too_large": 1}));
    let asked = stage.server.asked();
    assert!(asked.iter().all(|request| request.path == "/1.png"), "{asked:?}");
}

#[test]
fn rows_that_have_grown_since_they_were_moved_are_looked_at_a_few_at_a_time() {
    const ROWS: usize = 300;
    let mut stage = Stage::new(Kind::Sqlite, Make::Ministack, |_, stream| {
        answer(stream, "200 OK", "Content-Type: image/png\r\n", &[7; 20])
    });
    stage.define_usual("");
    let row = |id| {
        let url = stage.server.url(&format!("/{id}.png"));
        format!("({id}, '[{{\"original\": \"{url}\", \"about\": \"xyz\"}}]')")
    };
    let rows = (1..=ROWS).map(row).collect::<Vec<_>>().join(", ");
    stage.job.database.execute(&format!("INSERT INTO profiles (id, photos) VALUES {rows}"));
    stage.job.call(&["run", "photos", "--until-done"]).expect(0);
    // To 1 MB each.
    stage.job.database.execute("UPDATE profiles SET photos = replace(photos, 'xyz', hex(zeroblob(500000)))");
    for (command, counted) in [("verify", "equal"), ("rollback", "changed")] {
        let mut running = stage.job.cli().spawn(&["--json", "--memory-limit", "128MB", command, "photos"]);
        let mut peak = 0;
        while running.is_running() {
            peak = peak_memory_kib(running.pid()).unwrap_or(peak);
            std::thread::sleep(Duration::from_millis(2));
        }
        let reply = running.wait().reply();
        println!("{command}: {} MiB", peak >> 10);
        assert_eq!(reply[counted], ROWS, "{reply}");
        assert!(peak >> 10 < 110, "{command}: {} MiB", peak >> 10);
    }
}
