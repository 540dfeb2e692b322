//! `[throttle]`: nothing moves while a query answers too much, while a replica is too far behind, or while neither can be asked;
//! and it goes on by itself.

use crate::support::database::Database;
use crate::support::job::Job;
use crate::support::mariadb::replicating_mariadb;
use crate::support::postgres::replicating_postgres;
use crate::support::servers::Kind;
use crate::support::shop::{self, Size};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const SHOP: Size = Size { orders: 60, closed: 40, items: 1, discounts: 0 };

/// A shop whose migration has this throttle, in short batches and without a wait for the sweep.
fn throttled(kind: Kind, throttle: &str) -> Job {
    let mut job = Job::shop(kind, SHOP, "");
    job.database.execute("CREATE TABLE job_queue (jobs INTEGER)");
    job.database.execute("INSERT INTO job_queue (jobs) VALUES (9)");
    define(&mut job, throttle);
    job
}

fn define(job: &mut Job, throttle: &str) {
    job.define(&shop::migration(&format!("settle = \"0s\"\nmax_batch = 10\n[throttle]\n{throttle}")));
}

const QUEUE: &str = "query = \"SELECT SUM(jobs) FROM job_queue\"\nabove = 5";

/// A run that moves nothing, says so, and why; `status` says it too.
#[track_caller]
fn assert_throttled(job: &Job, why: &str) {
    let reply = job.run_once("2s").expect(0).reply();
    assert_eq!((&reply["outcome"], &reply["stopped_by"]), (&json!("more"), &json!("rate")), "{reply}");
    assert_eq!((&reply["moved"], &reply["batches"]), (&json!(0), &json!(0)), "{reply}");
    assert!(reply["reason"].as_str().unwrap().contains(why), "{reply}");
    let status = job.status();
    assert_eq!((&status["state"], &status["reason"]), (&json!("moving"), &reply["reason"]), "{status}");
    assert!(status["throttled"]["since"].is_string() && status["last_run"]["reason"] == reply["reason"], "{status}");
}

#[test]
fn a_query_above_its_limit_holds_everything_and_lets_go_by_itself() {
    for kind in [Kind::MariaDb, Kind::Postgres, Kind::Sqlite] {
        let job = throttled(kind, QUEUE);
        assert_throttled(&job, "`throttle.query` answers 9, above 5");
        let warnings = job.reply(&["plan", &job.name])["warnings"].to_string();
        assert!(warnings.contains("a run would wait now: `throttle.query` answers 9"), "{warnings}");

        // A run that is under way sees that it may go on, and goes on.
        let running = job.cli().spawn(&["--json", "run", &job.name, "--time-limit", "60s"]);
        std::thread::sleep(Duration::from_millis(500));
        job.database.execute("UPDATE job_queue SET jobs = 5");
        let reply = running.wait().expect(0).reply();
        assert_eq!((&reply["outcome"], &reply["moved"]), (&json!("complete"), &json!(40)), "{kind:?}: {reply}");
        assert!(reply.get("reason").is_none(), "{reply}");
        job.assert_complete();
        let status = job.status();
        assert!(status["reason"].is_null() && status.get("throttled").is_none(), "{status}");
    }
}

#[test]
fn a_run_stops_within_a_batch_once_the_limit_is_passed() {
    let mut job = throttled(Kind::Postgres, QUEUE);
    job.database.execute("UPDATE job_queue SET jobs = 0");
    job.define(&shop::migration(&format!("items_per_second = 10\n[throttle]\n{QUEUE}")));
    let running = job.cli().spawn(&["--json", "run", &job.name, "--time-limit", "7s"]);
    let since = Instant::now();
    let moved = || job.status()["progress"]["moved"].as_u64().unwrap();
    while moved() == 0 && since.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(50));
    }
    job.database.execute("UPDATE job_queue SET jobs = 6");
    let before = moved();
    let reply = running.wait().expect(0).reply();
    // The batch that was under way, of five, and none after it; on a slow machine, where a look is good for longer, perhaps one.
    let after = reply["moved"].as_u64().unwrap();
    assert!(before > 0 && after <= before + 10, "{before}, {reply}");
    assert_eq!(reply["stopped_by"], "rate", "{reply}");
}

#[test]
fn what_cannot_be_read_says_no() {
    let mut job = throttled(Kind::MariaDb, "query = \"SELECT COUNT(*) FROM no_such_table\"\nabove = 5");
    assert_throttled(&job, "the throttle cannot be read");
    define(&mut job, "query = \"SELECT MAX(jobs) FROM job_queue WHERE jobs < 0\"\nabove = 5");
    assert_throttled(&job, "answered NULL");
    define(&mut job, "query = \"SELECT jobs FROM job_queue WHERE jobs < 0\"\nabove = 5");
    assert_throttled(&job, "answered no rows");
    define(&mut job, "replica = \"$SHOP_DATABASE_URL\"\nmax_lag = \"5s\"");
    assert_throttled(&job, "is no replica of anybody");
    job.set("REPLICA_URL", "mysql://root@127.0.0.1:9/shop");
    define(&mut job, "replica = \"$REPLICA_URL\"\nmax_lag = \"5s\"");
    assert_throttled(&job, "cannot be reached");
    // The query writes nothing, whatever it calls.
    job.database.execute(
        "CREATE FUNCTION meddle() RETURNS INT MODIFIES SQL DATA BEGIN UPDATE job_queue SET jobs = 1; RETURN 0; END",
    );
    define(&mut job, "query = \"SELECT meddle()\"\nabove = 5");
    assert_throttled(&job, "the throttle cannot be read");
    assert_eq!(job.database.number("SELECT jobs FROM job_queue"), 9);

    let job = throttled(Kind::Postgres, "replica = \"$SHOP_DATABASE_URL\"\nmax_lag = \"5s\"");
    assert_throttled(&job, "is no replica of anybody");
    let job = throttled(Kind::Sqlite, "replica = \"$SHOP_DATABASE_URL\"\nmax_lag = \"5s\"");
    let failed = job.run_once("2s").expect(2);
    assert!(failed.stdout.contains("an SQLite file, which has no replicas"), "{failed:?}");
}

/// A primary and its replica, both real.
#[test]
fn a_replica_that_is_behind_holds_everything() {
    let (primary, replica) = (replicating_mariadb(1), replicating_mariadb(2));
    let on_replica = Database::connect(&replica.url("mysql"));
    on_replica.execute(&format!(
        "CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = {}, MASTER_USER = 'root', MASTER_CONNECT_RETRY = 1; START SLAVE",
        primary.port()
    ));
    let mut job = throttled(Kind::Sqlite, "replica = \"$REPLICA_URL\"\nmax_lag = \"5s\"");
    job.set("REPLICA_URL", &replica.url("mysql"));
    on_replica.execute("STOP SLAVE SQL_THREAD");
    assert_throttled(&job, "the replica does not say how far it is behind");

    // It applies everything an hour late from now on, and there is something to apply.
    on_replica.execute("STOP SLAVE; CHANGE MASTER TO MASTER_DELAY = 3600; START SLAVE");
    Database::connect(&primary.url("mysql")).execute("CREATE DATABASE behind");
    std::thread::sleep(Duration::from_secs(7));
    assert_throttled(&job, "s behind, above `max_lag` (5 s)");

    let running = job.cli().spawn(&["--json", "run", &job.name, "--time-limit", "60s"]);
    std::thread::sleep(Duration::from_millis(300));
    on_replica.execute("STOP SLAVE; CHANGE MASTER TO MASTER_DELAY = 0; START SLAVE");
    let reply: Value = running.wait().expect(0).reply();
    assert_eq!((&reply["outcome"], &reply["moved"]), (&json!("complete"), &json!(40)), "{reply}");
    job.assert_complete();
}

/// The same on PostgreSQL: a standby that has stopped to replay, while there is something to replay.
#[test]
fn a_standby_that_is_behind_holds_everything() {
    let (primary, standby) = replicating_postgres();
    let (on_primary, on_standby) =
        (Database::connect(&primary.url("postgres")), Database::connect(&standby.url("postgres")));
    let mut job = throttled(Kind::Sqlite, "replica = \"$REPLICA_URL\"\nmax_lag = \"5s\"");
    job.set("REPLICA_URL", &standby.url("postgres"));
    on_primary.execute("CREATE TABLE written (at timestamptz); INSERT INTO written VALUES (now())");
    while on_standby.rows("SELECT 1 FROM pg_tables WHERE tablename = 'written'").is_empty() {
        std::thread::sleep(Duration::from_millis(50));
    }
    // Long ago, with nothing written since: it is not behind.
    std::thread::sleep(Duration::from_secs(6));
    assert_eq!(job.reply(&["run", &job.name, "--max-items", "10"])["moved"], 10);

    on_standby.execute("SELECT pg_wal_replay_pause()");
    on_primary.execute("INSERT INTO written VALUES (now())");
    // It has to have heard of it.
    while on_standby.number("SELECT CAST(pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() AS int)") == 1 {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_throttled(&job, "s behind, above `max_lag` (5 s)");

    let running = job.cli().spawn(&["--json", "run", &job.name, "--time-limit", "60s"]);
    std::thread::sleep(Duration::from_millis(300));
    on_standby.execute("SELECT pg_wal_replay_resume()");
    let reply: Value = running.wait().expect(0).reply();
    assert_eq!((&reply["outcome"], &reply["moved"]), (&json!("complete"), &json!(30)), "{reply}");
    job.assert_complete();
}

/// The standby falls behind while a run is under way: that stops within a batch, and goes on by itself.
#[test]
fn a_run_stops_within_a_batch_once_the_standby_falls_behind_and_goes_on_by_itself() {
    let (primary, standby) = replicating_postgres();
    let (on_primary, on_standby) =
        (Database::connect(&primary.url("postgres")), Database::connect(&standby.url("postgres")));
    let mut job = throttled(Kind::Sqlite, "replica = \"$REPLICA_URL\"\nmax_lag = \"1s\"");
    job.set("REPLICA_URL", &standby.url("postgres"));
    job.define(&shop::migration(
        "settle = \"0s\"\nitems_per_second = 5\n[throttle]\nreplica = \"$REPLICA_URL\"\nmax_lag = \"1s\"",
    ));
    on_primary.execute("CREATE TABLE written (at timestamptz); INSERT INTO written VALUES (now())");
    while on_standby.rows("SELECT 1 FROM pg_tables WHERE tablename = 'written'").is_empty() {
        std::thread::sleep(Duration::from_millis(50));
    }
    let running = job.cli().spawn(&["--json", "run", &job.name, "--time-limit", "60s"]);
    let moved = || job.status()["progress"]["moved"].as_u64().unwrap();
    let since = Instant::now();
    while moved() == 0 && since.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(50));
    }
    on_standby.execute("SELECT pg_wal_replay_pause()");
    on_primary.execute("INSERT INTO written VALUES (now())");
    while on_standby.number("SELECT CAST(pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() AS int)") == 1 {
        std::thread::sleep(Duration::from_millis(50));
    }
    // Its last transaction is older than a second by now.
    std::thread::sleep(Duration::from_secs(1));
    let before = moved();
    std::thread::sleep(Duration::from_secs(3));
    let after = moved();
    assert!((1..35).contains(&before) && after <= before + 5, "{before}, {after}");
    let status = job.status();
    assert!(status["reason"].as_str().unwrap().contains("s behind, above `max_lag` (1 s)"), "{status}");
    on_standby.execute("SELECT pg_wal_replay_resume()");
    let reply = running.wait().expect(0).reply();
    assert_eq!((&reply["outcome"], &reply["moved"]), (&json!("complete"), &json!(40)), "{reply}");
}
