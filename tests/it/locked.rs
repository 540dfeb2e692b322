//! Locked: somebody else's transaction holds a row of the target, or its file. Runs end in their time with everything before it moved, no
//! number of them blames the row, and once it is free they go on.

use crate::purged::Purge;
use crate::support::database::Database;
use crate::support::job::Job;
use crate::support::servers::Kind;
use crate::support::shop::{Size, create_history};
use serde_json::json;
use std::time::Duration;

const SHOP: Size = Size { orders: 150, closed: 60, items: 1, discounts: 0 };
const CLOSED: &str = "status IN ('uncollected', 'cancelled', 'dispensed')";
const BEFORE: i64 = 25;
const LIMITS: &str = "settle = \"0s\"";

#[test]
fn a_row_that_stays_locked_on_mariadb_keeps_only_what_comes_after_it_waiting() {
    within(Kind::MariaDb);
}

#[test]
fn a_row_that_stays_locked_on_postgres_keeps_only_what_comes_after_it_waiting() {
    within(Kind::Postgres);
}

#[test]
fn a_row_that_stays_locked_in_another_database_keeps_only_what_comes_after_it_waiting() {
    for (source, target) in [(Kind::MariaDb, Kind::Postgres), (Kind::Postgres, Kind::MariaDb)] {
        let mut job = Job::between(source, target, SHOP, LIMITS);
        job.set("RUST_LOG", "info");
        wait_for_a_lock(&job, 1);
        job.run_to_the_end();
        job.assert_complete();
    }
}

#[test]
fn where_rows_are_deleted_those_behind_a_lock_stay_until_it_is_gone() {
    for (kind, keys) in [(Kind::MariaDb, false), (Kind::Postgres, true)] {
        let mut purge = Purge::new((kind, keys), SHOP, LIMITS);
        purge.job.set("RUST_LOG", "info");
        create_history(&purge.job.database);
        wait_for_a_lock(&purge.job, 1);
        let left = purge.job.database.number(&format!("SELECT COUNT(*) FROM orders WHERE {CLOSED}"));
        assert_eq!(left, SHOP.closed - BEFORE, "{kind:?}");
        purge.job.run_to_the_end();
        purge.assert_done(0);
    }
}

/// Where the target has yet to be created, nothing has moved before it: that is waited for too.
#[test]
fn a_file_that_somebody_holds_before_there_is_a_target_is_waited_for() {
    let job = Job::shop(Kind::Sqlite, SHOP, LIMITS);
    let held = "somebody else holds the database file";
    job.database.execute("BEGIN IMMEDIATE");
    let refused = job.run_once("2s").expect(1);
    let waited = |line: &str| line.contains(held) && line.contains("; trying again");
    assert!(refused.stderr.lines().any(waited), "{refused:?}");
    let reply = refused.reply();
    let message = reply["errorMessage"].as_str().unwrap();
    assert!(reply["errorType"] == "Database" && message.contains(held), "{reply}");
    assert!(message.ends_with("; nothing is lost, the next run goes on by itself"), "{message}");
    // Held for a part of a run only: longer than one attempt waits, which nobody can see from outside.
    let mut running = job.cli().spawn(&["--json", "run", &job.name, "--time-limit", "5s"]);
    std::thread::sleep(Duration::from_millis(1500));
    assert!(running.is_running());
    job.database.execute("ROLLBACK");
    running.wait().expect(0);
    job.run_to_the_end();
    job.assert_complete();
}

fn within(kind: Kind) {
    let mut job = Job::shop(kind, SHOP, LIMITS);
    job.set("RUST_LOG", "info");
    job.reply(&["run", &job.name, "--max-items", "1"]);
    job.reply(&["reset", &job.name, "--confirm", &job.name]);
    job.database.execute("DELETE FROM order_history");
    // Long enough for a lock to be waited for again and again once the row is alone.
    wait_for_a_lock(&job, 5);
    job.run_to_the_end();
    job.assert_complete();
}

/// Holds the lock while runs come and go, until so many of them have ended at the row.
fn wait_for_a_lock(job: &Job, wanted: u32) {
    let (target, url) = (job.history(), job.history().url());
    let key = job.database.number(&format!("SELECT id FROM orders WHERE {CLOSED} ORDER BY id LIMIT 1 OFFSET {BEFORE}"));
    let other = Database::connect(target.url());
    let moment = "'2024-05-06 07:08:09.000000'";
    other.execute("BEGIN");
    other.execute(&format!(
        "INSERT INTO order_history (order_id, status, document, digest, migrated_at, run, definition)
         VALUES ({key}, 'cancelled', '{{}}', 'd', {moment}, 'r', 'd')"
    ));
    let mut runs = 0;
    let mut at_the_row = 0;
    let met = format!("waited too long for a lock (error {})", if target.is_mariadb() { "1205" } else { "55P03" });
    while at_the_row < wanted {
        let finished = job.run_once("3s").expect(0);
        let reply = finished.reply();
        let told = |line: &str| line.contains(&met) && line.contains("class=Locked");
        assert!(finished.stderr.lines().any(told), "{url}: {finished:?}");
        assert_eq!((&reply["outcome"], &reply["stopped_by"]), (&json!("more"), &json!("time")), "{url}: {reply}");
        assert!(reply["elapsed_ms"].as_u64() < Some(3000), "{url}: {reply}");
        runs += 1;
        at_the_row += u32::from(target.number("SELECT COUNT(*) FROM order_history") == BEFORE);
        assert!(runs < 20, "{url}: what comes before the row does not move: {reply}");
    }
    println!("{url}: {runs} runs");
    other.execute("ROLLBACK");
}
