//! The batch size finds itself on a real server: it grows to what the limits allow within six batches, a cold start does not learn it
//! again, it follows a server that turns slow, and what was killed is followed by a quarter of it.
//!
//! By sizes alone, which a trigger in the ledger's file notes at each commit: this test measures no time.

use crate::support::database::Database;
use crate::support::job::Job;
use crate::support::servers::Kind;
use crate::support::shop::{self, Size};
use std::time::{Duration, Instant};

const SHOP: Size = Size { orders: 33_000, closed: 33_000, items: 0, discounts: 0 };

/// What a batch of `MOST` takes is far below this, on a busy machine too: growth alone bounds it.
const PATIENT: &str = "settle = \"0s\"\nlease = \"1s\"\nbatch_time = \"2s\"\nmax_batch = 4500";
const MOST: i64 = 4500;

/// By these limits a row that takes a millisecond or more leaves no room for that many.
const HASTY: &str = "settle = \"0s\"\nlease = \"1s\"\nbatch_time = \"300ms\"\nmax_batch = 4500";

#[test]
fn batches_grow_to_their_size_keep_it_and_follow_the_server() {
    let mut job = Job::shop(Kind::MariaDb, SHOP, PATIENT);
    job.set("MILKRUN_LEASE_MARGIN", "0s");
    let ledger = noting(&job);

    let grown = run(&job, &ledger, 14_000);
    assert_eq!(grown[0], 1000, "{grown:?}");
    assert_grows_slowly(&grown);
    assert_eq!(grown[5], MOST, "{grown:?}");
    // Another process goes on where that one was.
    assert_eq!(run(&job, &ledger, MOST), [MOST]);

    job.database.execute("CREATE TRIGGER slow BEFORE INSERT ON order_history FOR EACH ROW SET @slept = SLEEP(0.001)");
    job.define(&shop::migration(HASTY));
    // The second batch was read by the time that the first one was over.
    let slow = run(&job, &ledger, 10_500);
    assert!(slow[2] * 3 <= slow[0], "it does not follow: {slow:?}");
    assert!(slow[2] * 100 >= slow[0], "it has overreacted: {slow:?}");

    let announced = killed_within_a_batch(&job, &ledger);
    std::thread::sleep(Duration::from_millis(1100));
    // Not to the end of what was announced, where a batch is cut.
    let careful = run(&job, &ledger, announced * 7 / 10);
    assert!(careful[0] <= announced / 4 && careful[0] * 8 >= announced, "{announced} was killed: {careful:?}");
    assert_grows_slowly(&careful);
    println!("{grown:?}, slow {slow:?}, {announced} killed, {careful:?}");

    job.database.execute("DROP TRIGGER slow");
    job.define(&shop::migration(PATIENT));
    job.run_to_the_end();
    job.assert_complete();
}

/// The job's ledger, which notes what was looked at by each commit.
fn noting(job: &Job) -> Database {
    // The first command makes the file.
    job.status();
    let ledger = Database::connect(&format!("sqlite://{}/ledger.db", job.folder().display()));
    ledger.execute(
        "CREATE TABLE commits (scanned INTEGER NOT NULL);
         CREATE TRIGGER noted AFTER INSERT ON ledger WHEN NEW.item = 'move#0000' BEGIN
         INSERT INTO commits SELECT json_extract(NEW.body, '$.counters.scanned'); END",
    );
    ledger
}

fn scanned(ledger: &Database) -> i64 {
    ledger.number("SELECT COALESCE(MAX(scanned), 0) FROM commits")
}

/// Moves so many items; the sizes of the batches.
fn run(job: &Job, ledger: &Database, items: i64) -> Vec<i64> {
    let mut before = scanned(ledger);
    let reply = job.reply(&["run", &job.name, "--max-items", &items.to_string(), "--time-limit", "60s"]);
    assert_eq!(reply["stopped_by"], "items", "{reply}");
    let query = format!("SELECT DISTINCT scanned FROM commits WHERE scanned > {before} ORDER BY scanned");
    let commits = ledger.rows(&query).into_iter().filter_map(|mut row| row.remove(0)?.parse().ok());
    commits.map(|scanned: i64| scanned - std::mem::replace(&mut before, scanned)).collect()
}

#[track_caller]
fn assert_grows_slowly(sizes: &[i64]) {
    assert!(sizes.windows(2).all(|pair| pair[1] <= pair[0] * 3 / 2 + 1), "{sizes:?}");
}

/// Kills a run, as for memory, once it has committed a batch and is at work on the next one; how large that was to be.
fn killed_within_a_batch(job: &Job, ledger: &Database) -> i64 {
    let before = scanned(ledger);
    let mut running = job.cli().spawn(&["--json", "run", &job.name]);
    let since = Instant::now();
    while scanned(ledger) == before {
        assert!(since.elapsed() < Duration::from_secs(30), "it does not commit");
        std::thread::sleep(Duration::from_millis(2));
    }
    running.signal("KILL");
    let finished = running.wait();
    assert_eq!(finished.code, None, "{finished:?}");
    ledger.number("SELECT json_extract(body, '$.announced.size') FROM ledger WHERE item = 'move#0000'")
}
