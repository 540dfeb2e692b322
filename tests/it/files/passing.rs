//! Large files beside one another, passed on while they come: killed, and on connections that break.

use super::{NEW, Stage};
use crate::support::http_exchange::Request;
use crate::support::job::full;
use crate::support::lossy_proxy::LossyProxy;
use crate::support::s3::{MAKES, Make};
use crate::support::servers::Kind;
use milkrun::s3::Checksum;
use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

const FILES: usize = 8;
/// Four parts and a little more, in a small function.
const LENGTH: usize = (20 << 20) + 1234;

/// What is at a path: no two places of it are alike, and no two files.
fn film(path: &str) -> Vec<u8> {
    let seed = u32::from(path.bytes().fold(7_u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte)));
    let words = (0..u32::try_from(LENGTH / 4 + 1).unwrap()).flat_map(|place| (place ^ seed << 24).to_le_bytes());
    b"\x89PNG".iter().copied().chain(words).take(LENGTH).collect()
}

/// A server that takes its time, and gives out the rest of a file.
fn slowly(asked: &Request, stream: &mut TcpStream) -> std::io::Result<bool> {
    let whole = film(&asked.path);
    let range = asked.header("Range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    let from: usize = range.filter(|_| asked.header("If-Range") == Some("\"v1\"")).unwrap_or(0);
    let status = if from > 0 { "206 Partial Content" } else { "200 OK" };
    let length = whole.len() - from;
    write!(stream, "HTTP/1.1 {status}\r\nContent-Type: image/png\r\nETag: \"v1\"\r\nContent-Length: {length}\r\n")?;
    if from > 0 {
        write!(stream, "Content-Range: bytes {from}-{}/{}\r\n", whole.len() - 1, whole.len())?;
    }
    stream.write_all(b"\r\n")?;
    for some in whole[from..].chunks(512 << 10) {
        stream.write_all(some)?;
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(true)
}

fn stage(make: Make, s3: impl FnOnce(&str) -> String) -> Stage {
    let mut stage = Stage::new(Kind::Sqlite, make, slowly);
    stage.endpoint = s3(&stage.endpoint);
    let http = format!("concurrency = {FILES}\nper_host = {FILES}");
    let limits = "lease = \"1s\"\nmax_attempts = 1000\nstop_when_failed = \"100%\"";
    stage.define("films/{id}/{name}", "[[source.files]]\ncolumn = \"document\"", &http, "", limits);
    stage.job.set("MILKRUN_LEASE_MARGIN", "-5s");
    for id in 1..=FILES {
        let url = stage.server.url(&format!("/{id}.png"));
        stage.job.database.execute(&format!("INSERT INTO profiles (id, document) VALUES ({id}, '{url}')"));
    }
    stage
}

fn assert_all_arrived(stage: &Stage) {
    for (row, id) in stage.rows().iter().zip(1..) {
        let key = row[1].as_deref().and_then(|url| url.strip_prefix(NEW)).unwrap_or_else(|| panic!("{row:?}"));
        let expected = Checksum::of(&film(&format!("/{id}.png")));
        assert!(stage.object(key).is_some_and(|bytes| Checksum::of(&bytes) == expected), "{key}");
    }
}

#[test]
fn runs_that_are_killed_among_many_large_files_are_gone_on_with() {
    for make in MAKES {
        let stage = stage(make, str::to_owned);
        for kill in 0..if full() { 12 } else { 3 } {
            let arguments = ["--json", "run", "photos", "--time-limit", "60s", "--memory-limit", "64MB"];
            let mut running = stage.job.cli().spawn(&arguments);
            // Once there are two more parts of one the first of them is written down for certain.
            let before = stage.most_parts();
            while running.is_running() && stage.most_parts() < (before + 2).min(4) {
                std::thread::sleep(Duration::from_millis(50));
            }
            std::thread::sleep(Duration::from_millis(150 * (kill % 4)));
            running.signal("KILL");
            running.wait();
        }
        let reply = stage.run();
        assert_eq!((&reply["outcome"], &reply["progress"]["moved"]), (&"complete".into(), &FILES.into()), "{reply}");
        assert_all_arrived(&stage);
        assert_eq!(stage.open_uploads(), []);
        let resumed = stage.server.asked().iter().filter(|asked| asked.header("Range").is_some()).count();
        println!("{make:?}: {resumed} of {} requests were for the rest of a file", stage.server.asked().len());
        assert!(resumed > 0, "nothing was gone on with");
    }
}

#[test]
fn connections_to_s3_that_break_within_parts_cost_no_file() {
    for (seed, make) in (1..).zip(MAKES) {
        let mut proxy = None;
        let mut stage = stage(make, |endpoint| {
            let server = endpoint.trim_start_matches("http://").parse().unwrap();
            let lossy = proxy.insert(LossyProxy::before(server, seed, 75, 12 << 20));
            format!("http://{}", lossy.address)
        });
        let mut reply = serde_json::Value::Null;
        for _ in 0..30 {
            let arguments = ["run", "photos", "--time-limit", "20s", "--memory-limit", "64MB"];
            reply = stage.job.call(&arguments).reply();
            if reply["outcome"] == "complete" {
                break;
            }
        }
        assert_eq!((&reply["outcome"], &reply["progress"]["moved"]), (&"complete".into(), &FILES.into()), "{reply}");
        let cut = proxy.take().map_or(0, |proxy| proxy.cut());
        // To give an upload up takes a connection, too.
        println!("{make:?}: {cut} connections were cut, left open: {:?}", stage.open_uploads());
        assert!(cut > 0);
        stage.job.set("MILKRUN_LEASE_MARGIN", "0s");
        assert_all_arrived(&stage);
    }
}
