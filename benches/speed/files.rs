//! Files from an HTTP server on this machine into an S3 on this machine: beside `rclone copyurl` with a list and beside a script for
//! Node.js of the usual kind, which streams five at a time. milkrun's side also reads each object's checksum back, keeps a journal and
//! changes the rows; neither of the others knows rows.

use super::contest::{Measure, Promise, Side, contest};
use super::timed::{Took, milkrun, timed};
use crate::support::file_server::{FileServer, answer};
use crate::support::job::Job;
use crate::support::s3::{Make, bucket};
use crate::support::servers::Kind;
use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

/// How many files, and how long each is. Six rounds of three sides put 3.6 GB and 5.4 GB onto the disk.
const SMALL: (usize, usize) = (2000, 100 << 10);
const LARGE: (usize, usize) = (6, 50 << 20);
/// Transfers at once, of milkrun and of rclone.
const AT_ONCE: usize = 32;

/// Small files and large ones.
pub(crate) fn compare() -> bool {
    let small = [
        Promise { of: "milkrun", over: "rclone copyurl", least: 1.5, measure: Measure::Rate },
        Promise { of: "milkrun", over: "a script", least: 3.0, measure: Measure::Rate },
        Promise { of: "milkrun", over: "rclone copyurl", least: 2.0, measure: Measure::Processor },
        Promise { of: "milkrun", over: "a script", least: 2.0, measure: Measure::Processor },
    ];
    let large = [
        Promise { of: "milkrun", over: "rclone copyurl", least: 1.0, measure: Measure::Rate },
        Promise { of: "milkrun", over: "a script", least: 1.0, measure: Measure::Rate },
    ];
    let kept = contest_of("Files of 100 KB", SMALL, &small);
    contest_of("Files of 50 MB", LARGE, &large) && kept
}

fn contest_of(title: &str, (count, length): (usize, usize), promises: &[Promise]) -> bool {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let (_, config, bucket) = runtime.block_on(bucket(Make::SeaweedFs));
    let endpoint = config.endpoint_url().expect("an endpoint").to_owned();
    let body = body(length);
    let server = FileServer::start(move |_, stream| answer(stream, "200 OK", "Content-Type: image/png\r\n", &body));
    let mut job = Job::new(Kind::MariaDb);
    job.set("AWS_ENDPOINT_URL_S3", &endpoint);
    let database = &job.database;
    database.execute("CREATE TABLE profiles (id BIGINT PRIMARY KEY, old VARCHAR(200), url VARCHAR(200))");
    let mut rows = String::new();
    for id in 1..=count {
        let url = server.url(&format!("/{id}.png"));
        let _ = write!(rows, "{}({id}, '{url}', '{url}')", if id == 1 { "" } else { ", " });
    }
    database.execute(&format!("INSERT INTO profiles VALUES {rows}"));
    // Each begins in a folder of its own: nothing is there yet.
    let (job, round) = (RefCell::new(job), Cell::new(0));
    let fresh = || {
        round.set(round.get() + 1);
        format!("round{}", round.get())
    };
    let items = i64::try_from(count).expect("few");
    let ours = || {
        let migration = migration(&bucket, &fresh(), &server.address.to_string());
        job.borrow_mut().define(&migration);
        let job = job.borrow();
        job.database.execute("UPDATE profiles SET url = old");
        job.cli().run(&["--json", "reset", &job.name, "--confirm", &job.name]).expect(0);
        let took = milkrun(&job, items);
        assert_eq!(job.database.number("SELECT COUNT(*) FROM profiles WHERE url <> old"), items);
        took
    };
    let rclone = || {
        let (job, folder) = (job.borrow(), fresh());
        let list = job.folder().join("urls.csv");
        let lines: Vec<String> =
            (1..=count).map(|id| format!("{},{id}.png", server.url(&format!("/{id}.png")))).collect();
        std::fs::write(&list, lines.join("\n")).expect("a file");
        let mut command = Command::new(tool("rclone/bin/rclone"));
        command.args(["copyurl", "--urls"]).arg(&list).arg(format!("milkrun:{bucket}/{folder}"));
        // As fast as it goes: no question whether something is there, none after what was sent.
        command.args([
            "--transfers",
            &AT_ONCE.to_string(),
            "--s3-no-check-bucket",
            "--s3-no-head",
            "--no-clobber=false",
        ]);
        for (name, value) in [
            ("TYPE", "s3"),
            ("PROVIDER", "SeaweedFS"),
            ("ACCESS_KEY_ID", "test"),
            ("SECRET_ACCESS_KEY", "test"),
            ("ENDPOINT", endpoint.as_str()),
            ("FORCE_PATH_STYLE", "true"),
        ] {
            command.env(format!("RCLONE_CONFIG_MILKRUN_{name}"), value);
        }
        timed(&command, &job).0
    };
    let script = || {
        let (job, folder) = (job.borrow(), fresh());
        let list = job.folder().join("urls.json");
        let files = (1..=count).map(
            |id| serde_json::json!({"url": server.url(&format!("/{id}.png")), "key": format!("{folder}/{id}.png")}),
        );
        std::fs::write(&list, files.collect::<serde_json::Value>().to_string()).expect("a file");
        let mut command = Command::new("node");
        command.arg(tool("node-bench/copy.mjs")).arg(&list).args([&bucket, &endpoint]);
        command.envs([
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_REGION", "eu-central-1"),
        ]);
        let took: Took = timed(&command, &job).0;
        took
    };
    let sides = vec![Side::new("milkrun", ours), Side::new("rclone copyurl", rclone), Side::new("a script", script)];
    contest(title, items, "files", sides, promises)
}

/// The folder is no prefix: what a migration notes once in its life, such as when it began its first upload, it notes in the round that
/// does not count.
fn migration(bucket: &str, folder: &str, address: &str) -> String {
    format!(
        "name = \"photos\"\nkind = \"files\"\n[source]\ndatabase = \"$SHOP_DATABASE_URL\"\ntable = \"profiles\"\nkey = [\"id\"]\n\
         [[source.files]]\ncolumn = \"url\"\n[source.http]\nallow_hosts = [\"127.0.0.1\"]\nallow_addresses = [\"{address}\"]\n\
         concurrency = {AT_ONCE}\nper_host = {AT_ONCE}\n[target]\nbucket = \"{bucket}\"\nkey = \"{folder}/{{id}}-{{name}}\"\n\
         url = \"https://files.example.com/{{key}}\"\n[limits]\nsettle = \"0s\"\n"
    )
}

/// A picture as far as anybody looks, and bytes that nothing makes smaller.
pub(crate) fn body(length: usize) -> Vec<u8> {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let random = std::iter::repeat_with(|| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed.to_le_bytes()
    });
    b"\x89PNG\r\n\x1a\n".iter().copied().chain(random.flatten()).take(length).collect()
}

/// What `scripts/setup.sh bench` has put there.
pub(crate) fn tool(name: &str) -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/milkrun");
    std::env::var_os("MILKRUN_TOOLS").map_or_else(home, PathBuf::from).join(name)
}
