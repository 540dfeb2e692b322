//! A file larger than one run: it goes on in the next one, part by part, also where runs are killed in the middle.

use super::{NEW, Stage};
use crate::support::file_server::FileServer;
use crate::support::http_exchange::Request;
use crate::support::job::full;
use crate::support::s3::{MAKES, Make, gigabytes, give_back};
use crate::support::servers::Kind;
use milkrun::s3::Crc64;
use std::io::Write as _;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes of the file.
const LENGTH: usize = 60 << 20;
/// What its server gives in a tenth of a second.
const TENTH: usize = 900_000;

fn film() -> Vec<u8> {
    b"\x89PNG".iter().copied().chain((0..u32::try_from(LENGTH / 4).unwrap() - 1).flat_map(u32::to_le_bytes)).collect()
}

/// A slow server that gives out the rest of a file, if it is still the same.
fn slowly(asked: &Request, stream: &mut TcpStream, whole: &[u8]) -> std::io::Result<bool> {
    let range = asked.header("Range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    let from: usize = range.filter(|_| asked.header("If-Range") == Some("\"v1\"")).unwrap_or(0);
    let rest = &whole[from..];
    let status = if from > 0 { "206 Partial Content" } else { "200 OK" };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: image/png\r\nETag: \"v1\"\r\nContent-Length: {}\r\n",
        rest.len()
    )?;
    if from > 0 {
        write!(stream, "Content-Range: bytes {from}-{}/{}\r\n", whole.len() - 1, whole.len())?;
    }
    stream.write_all(b"\r\n")?;
    for some in rest.chunks(TENTH) {
        stream.write_all(some)?;
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(true)
}

/// The first bytes that were asked for, in their order.
fn asked_from(server: &FileServer) -> Vec<u64> {
    let from = |asked: Request| -> Option<u64> {
        asked.header("Range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
    };
    server.asked().into_iter().map(|asked| from(asked).unwrap_or(0)).collect()
}

fn stage(make: Make, limits: &str) -> Stage {
    let whole = Arc::new(film());
    let mut stage = Stage::new(Kind::Sqlite, make, move |asked, stream| slowly(asked, stream, &whole));
    stage.define("films/{id}/{name}", "[[source.files]]\ncolumn = \"document\"", "", "", limits);
    let url = stage.server.url("/film.png");
    stage.job.database.execute(&format!("INSERT INTO profiles (id, document) VALUES (1, '{url}')"));
    stage
}

#[test]
fn a_file_that_is_larger_than_a_run_arrives_over_several() {
    for make in MAKES {
        let stage = stage(make, "max_attempts = 1000");
        let mut runs = 0;
        loop {
            let finished = stage.job.call(&["run", "photos", "--time-limit", "5s", "--memory-limit", "128MB"]);
            let reply = finished.reply();
            runs += 1;
            assert_eq!(
                reply["failed"],
                0,
                "{:#} {:?}",
                stage.job.reply(&["failed", "photos"]),
                asked_from(&stage.server)
            );
            assert!(reply["peak_memory_mb"].as_u64().unwrap() < 120, "{reply}");
            if reply["outcome"] == "complete" {
                break;
            }
            assert!(runs < 30, "{make:?}: {reply}, asked from {:?}", asked_from(&stage.server));
        }
        assert!(runs > 2, "{runs}");
        let url = stage.rows()[0][1].clone().unwrap();
        assert_eq!(stage.object(url.strip_prefix(NEW).unwrap()), Some(film()), "{make:?}");
        let from = asked_from(&stage.server);
        // One that a busy machine gave no time for a part begins where the one before did.
        assert!(from.windows(2).all(|pair| pair[0] <= pair[1]), "none begins before the one before it: {from:?}");
        assert!(from.iter().collect::<std::collections::BTreeSet<_>>().len() > 1, "they go on: {from:?}");
        assert_eq!(stage.open_uploads(), [], "{make:?}");
        let status = stage.job.status();
        assert_eq!((&status["progress"]["moved"], &status["dead"]), (&1.into(), &serde_json::json!({})), "{status}");
    }
}

#[test]
fn no_upload_is_left_open_whose_rest_comes_packed() {
    let whole = Arc::new(film());
    let mut stage = Stage::new(Kind::Sqlite, Make::Ministack, move |asked, stream| {
        let range =
            asked.header("Range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
        let Some(from): Option<usize> = range else { return slowly(asked, stream, &whole) };
        write!(
            stream,
            "HTTP/1.1 206 Partial Content\r\nContent-Type: image/png\r\nContent-Encoding: gzip\r\nETag: \"v1\"\r\nContent-Length: {}\r\n\
             Content-Range: bytes {from}-{}/{LENGTH}\r\n\r\n",
            LENGTH - from,
            LENGTH - 1
        )?;
        Ok(false)
    });
    stage.define("films/{id}/{name}", "[[source.files]]\ncolumn = \"document\"", "", "", "max_attempts = 1000");
    let url = stage.server.url("/film.png");
    stage.job.database.execute(&format!("INSERT INTO profiles (id, document) VALUES (1, '{url}')"));
    let run = || stage.job.call(&["run", "photos", "--time-limit", "5s", "--memory-limit", "128MB"]);
    run();
    assert_eq!(stage.open_uploads().len(), 1, "it goes on in the next run");
    run();
    assert_eq!(stage.job.status()["dead"], serde_json::json!({"wrong_type": 1}));
    assert_eq!(stage.open_uploads(), []);
}

/// A server of a file that no memory holds: blocks that are alike but for their numbers. It gives out the rest of it, too.
fn endless(asked: &Request, stream: &mut TcpStream, length: u64) -> std::io::Result<bool> {
    let range = asked.header("Range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    let from: u64 = range.filter(|_| asked.header("If-Range") == Some("\"v1\"")).unwrap_or(0);
    let status = if from > 0 { "206 Partial Content" } else { "200 OK" };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: image/png\r\nETag: \"v1\"\r\nContent-Length: {}\r\n",
        length - from
    );
    let range =
        if from > 0 { format!("Content-Range: bytes {from}-{}/{length}\r\n", length - 1) } else { String::new() };
    write!(stream, "{head}{range}\r\n")?;
    let mut skipped = usize::try_from(from % BLOCK as u64).unwrap();
    for number in from / BLOCK as u64..length / BLOCK as u64 {
        stream.write_all(&block(number)[skipped..])?;
        skipped = 0;
    }
    Ok(true)
}

const BLOCK: usize = 1 << 20;

fn block(number: u64) -> Vec<u8> {
    let mut block = vec![b'x'; BLOCK];
    block[..8].copy_from_slice(&number.to_be_bytes());
    block
}

/// 20 GB by a function of 128 MB and 30 s, one of whose runs is killed.
#[test]
fn a_file_larger_than_any_memory_arrives_over_several_runs() {
    let _room = gigabytes();
    let (length, time) = if full() { (20_u64 << 30, "30s") } else { (256 << 20, "3s") };
    let mut stage = Stage::new(Kind::Sqlite, Make::SeaweedFs, move |asked, stream| endless(asked, stream, length));
    stage.define(
        "films/{id}/{name}",
        "[[source.files]]\ncolumn = \"document\"",
        "max_bytes = \"30 GB\"",
        "",
        "lease = \"1s\"\nmax_attempts = 1000",
    );
    stage.job.set("MILKRUN_LEASE_MARGIN", "-5s");
    // It says so when it begins a file anew.
    stage.job.set("RUST_LOG", "info");
    let url = stage.server.url("/film.png");
    stage.job.database.execute(&format!("INSERT INTO profiles (id, document) VALUES (1, '{url}')"));
    let arguments = ["--json", "run", "photos", "--time-limit", time, "--memory-limit", "128MB"];
    let mut running = stage.job.cli().spawn(&arguments);
    // Two parts: the first of them is written down for certain.
    let since = Instant::now();
    while running.is_running() && stage.most_parts() < if full() { 100 } else { 2 } {
        assert!(since.elapsed() < Duration::from_mins(1), "no part for a minute");
        std::thread::sleep(Duration::from_millis(20));
    }
    running.signal("KILL");
    running.wait();
    let (mut runs, mut peak) = (0, 0);
    loop {
        let finished = stage.job.call(&arguments[1..]);
        assert!(!finished.stderr.contains("anew"), "{finished:?}, asked from {:?}", asked_from(&stage.server));
        let reply = finished.reply();
        (runs, peak) = (runs + 1, peak.max(reply["peak_memory_mb"].as_u64().unwrap()));
        if reply["outcome"] == "complete" {
            break;
        }
        assert!(runs < 200, "{reply}, asked from {:?}", asked_from(&stage.server));
    }
    let from = asked_from(&stage.server);
    println!("{length} bytes in {runs} runs and a killed one, {peak} MiB, begun at {from:?}");
    assert!(peak < 120, "{peak} MiB");
    assert!(from.len() > 1 && from.windows(2).all(|pair| pair[0] <= pair[1]), "none begins before: {from:?}");
    assert!(from.last() > Some(&0), "they go on: {from:?}");
    assert_eq!(stage.open_uploads(), []);
    let url = stage.rows()[0][1].clone().unwrap();
    let key = url.strip_prefix(NEW).unwrap();
    let mut crc = Crc64::default();
    (0..length / BLOCK as u64).for_each(|number| crc.update(&block(number)));
    let head = stage.runtime.block_on(stage.s3.head(&stage.bucket, key, super::LIMIT)).unwrap().unwrap();
    // What this server keeps of parts is the checksum of the whole.
    assert_eq!((head.bytes, head.checksum), (length, Some(crc.finish())));
    stage.runtime.block_on(give_back(&stage.client, &stage.bucket, key));
}

#[test]
fn a_run_that_is_killed_in_the_middle_of_a_file_is_gone_on_with_at_its_last_part() {
    let mut stage = stage(Make::SeaweedFs, "lease = \"1s\"\nmax_attempts = 1000");
    stage.job.set("MILKRUN_LEASE_MARGIN", "-5s");
    for _ in 0..3 {
        let mut running = stage.job.cli().spawn(&["run", "photos", "--time-limit", "60s", "--memory-limit", "128MB"]);
        // Two more parts: the first of them is written down for certain.
        let (before, since) = (stage.most_parts(), Instant::now());
        while running.is_running() && stage.most_parts() < before + 2 && since.elapsed() < Duration::from_mins(1) {
            std::thread::sleep(Duration::from_millis(50));
        }
        running.signal("KILL");
        running.wait();
    }
    let reply = stage.run();
    assert_eq!((&reply["outcome"], &reply["progress"]["moved"]), (&"complete".into(), &1.into()), "{reply}");
    let url = stage.rows()[0][1].clone().unwrap();
    assert_eq!(stage.object(url.strip_prefix(NEW).unwrap()), Some(film()));
    let from = asked_from(&stage.server);
    // On a busy machine a kill may come after the end.
    assert!(from.len() >= 2 && from.last() > Some(&(10 << 20)), "{from:?}");
    assert!(from.windows(2).all(|pair| pair[0] <= pair[1]), "{from:?}");
    assert_eq!(stage.open_uploads(), []);
}
