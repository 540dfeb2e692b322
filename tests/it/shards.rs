//! Shards and lanes: a job in several pieces is the same job. One run works on several, several runs share them, and whoever is
//! killed is replaced.

use crate::support::child::signal;
use crate::support::database::Database;
use crate::support::job::{Job, full};
use crate::support::servers::Kind;
use crate::support::shop::Size;
use crate::support::slow::Slow;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

const SHOP: Size = Size { orders: 1200, closed: 500, items: 2, discounts: 1 };

fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|one| one["shard"].as_str().unwrap()).collect()
}

fn sum(list: &Value, field: &str) -> u64 {
    list.as_array().unwrap().iter().map(|one| one[field].as_u64().unwrap()).sum()
}

fn by_shards_and_lanes(kind: Kind) {
    let job = Job::shop(kind, SHOP, "settle = \"0s\"\nmax_batch = 50\nshards = 4\nlanes = 2");
    let first = job.reply(&["run", &job.name, "--max-items", "40"]);
    assert_eq!(
        (&first["moved"], &first["stopped_by"], &first["outcome"]),
        (&json!(40), &json!("items"), &json!("more"))
    );
    assert_eq!((names(&first["shards"]), sum(&first["shards"], "moved")), (vec!["0000", "0001"], 40), "{first}");
    let at: Vec<i64> =
        (0..2).map(|place| first["shards"][place]["cursor"][0].as_str().unwrap().parse().unwrap()).collect();
    assert!(at[0] < at[1], "{first}");
    assert_eq!(first["progress"]["moved"], 40);
    let status = job.status();
    assert_eq!((names(&status["shards"]), &status["leases"]), (vec!["0000", "0001"], &json!([])), "{status}");

    // One shard alone, then the rest, whose shards follow each other.
    let alone = job.reply(&["run", &job.name, "--shard", "0003"]);
    assert_eq!((names(&alone["shards"]), &alone["outcome"]), (vec!["0003"], &json!("more")), "{alone}");
    assert_eq!(alone["progress"]["moved"], 40 + alone["moved"].as_u64().unwrap());
    let verified = job.reply(&["verify", &job.name]);
    // What lies behind the first shard is not whole yet.
    assert!(verified["missing"] == 0 && verified["checked"].as_u64().unwrap() < 41, "{verified}");
    let last = job.run_to_the_end();
    assert_eq!(
        (names(&last["shards"]), &last["progress"]["moved"]),
        (vec!["0000", "0001", "0002", "0003"], &json!(500))
    );
    assert_eq!(sum(&last["shards"], "moved"), 500 - 40 - alone["moved"].as_u64().unwrap(), "{last}");
    assert!(last["shards"].as_array().unwrap().iter().all(|shard| shard["stopped_by"] == "end"), "{last}");
    job.assert_complete();
    // No shard holds much more than a quarter.
    let ends = job.status()["shards"].as_array().unwrap().clone();
    let mut from = 0;
    for shard in ends {
        let to: i64 = shard["cursor"][0].as_str().unwrap().parse().unwrap();
        let keys = job.database.number(&format!("SELECT COUNT(*) FROM orders WHERE id > {from} AND id <= {to}"));
        assert!((200..=400).contains(&keys), "{keys} up to {to}");
        from = to;
    }
}

#[test]
fn a_job_in_four_shards_is_the_same_job_on_sqlite() {
    by_shards_and_lanes(Kind::Sqlite);
}

#[test]
fn a_job_in_four_shards_is_the_same_job_on_mariadb() {
    by_shards_and_lanes(Kind::MariaDb);
}

#[test]
fn a_job_in_four_shards_is_the_same_job_on_postgres() {
    by_shards_and_lanes(Kind::Postgres);
}

#[test]
fn tables_that_are_tiny_or_empty_have_fewer_shards() {
    for (orders, shards) in [(0, 1), (15, 1), (25, 2)] {
        let size = Size { orders, closed: orders / 2, items: 1, discounts: 0 };
        let job = Job::shop(Kind::Sqlite, size, "settle = \"0s\"\nshards = 4\nlanes = 4");
        let reply = job.run_to_the_end();
        assert_eq!(names(&reply["shards"]).len(), shards, "{orders}: {reply}");
        // One that the cut has not come to has nothing to do.
        let none = job.reply(&["run", &job.name, "--shard", "0003"]);
        assert_eq!(none["outcome"], "complete", "{none}");
    }
}

/// Two runs at once share the shards; one is killed, and its shards are finished by others after their leases.
#[test]
fn runs_share_the_shards_and_a_dead_ones_are_taken_over() {
    let mut job =
        Job::shop(Kind::MariaDb, SHOP, "settle = \"0s\"\nmax_batch = 10\nshards = 4\nlanes = 2\nlease = \"2s\"");
    job.set("MILKRUN_LEASE_MARGIN", "0s");
    // The shards are there before anything is slow.
    job.reply(&["run", &job.name, "--max-items", "4"]);
    let (_slow, url) = Slow::before(job.database.url(), Duration::from_millis(20));
    let direct = job.variable("SHOP_DATABASE_URL").to_owned();
    job.set("SHOP_DATABASE_URL", &url);
    let run = ["--json", "run", &job.name, "--time-limit", "60s"];
    let victim = job.cli().spawn(&run);
    let leases = |count: usize| {
        let patience = Instant::now() + Duration::from_secs(30);
        loop {
            let status = job.status();
            let held: BTreeSet<String> = names(&status["leases"]).into_iter().map(str::to_owned).collect();
            if held.len() == count {
                return held;
            }
            assert!(Instant::now() < patience, "{status}");
            std::thread::sleep(Duration::from_millis(30));
        }
    };
    let first = leases(2);
    // It is not told which migration: this one has shards that nobody holds.
    let other = job.cli().spawn(&["--json", "run", "--time-limit", "4s"]);
    let both = leases(4);
    assert!(first.is_subset(&both));
    let owners: BTreeSet<String> =
        job.status()["leases"].as_array().unwrap().iter().map(|lease| lease["owner"].to_string()).collect();
    assert_eq!(owners.len(), 2, "{owners:?}");
    // A third one finds nothing to do, and until when.
    let busy = job.call(&["run", &job.name]);
    let reply = busy.expect(4).reply();
    assert!(reply["outcome"] == "busy" && reply["until"].is_string(), "{reply}");
    let bare = job.call(&["run"]).expect(4).reply();
    assert!(bare["outcome"] == "busy" && bare["migration"].is_null() && bare["until"].is_string(), "{bare}");
    assert!(signal(victim.pid(), "KILL"));
    victim.wait();
    let reply = other.wait().expect(0).reply();
    assert_eq!(names(&reply["shards"]).into_iter().map(str::to_owned).collect::<BTreeSet<_>>(), &both - &first);
    job.set("SHOP_DATABASE_URL", &direct);
    job.run_to_the_end();
    job.assert_complete();
}

/// Eight invocations at once move at least seven times what one does in the same time, where what takes the time is the way to the
/// database.
#[test]
fn eight_at_once_on_eight_shards_are_seven_times_as_fast() {
    let (time, delay) = if full() { ("60s", 200) } else { ("12s", 100) };
    let orders = if full() { 60_000 } else { 24_000 };
    let size = Size { orders, closed: orders, items: 0, discounts: 0 };
    let mut job = Job::shop(Kind::MariaDb, size, "settle = \"0s\"\nmax_batch = 100\nshards = 8");
    // The shards are cut before anything is slow.
    job.reply(&["run", &job.name, "--max-items", "100"]);
    let (_slow, url) = Slow::before(job.database.url(), Duration::from_millis(delay));
    job.set("SHOP_DATABASE_URL", &url);
    let arguments = ["--json", "run", &job.name, "--time-limit", time];
    let moved = |count: usize| {
        let running: Vec<_> = (0..count).map(|_| job.cli().spawn(&arguments)).collect();
        let replies: Vec<Value> = running.into_iter().map(|run| run.wait().expect(0).reply()).collect();
        for reply in &replies {
            assert_eq!((&reply["outcome"], &reply["stopped_by"]), (&json!("more"), &json!("time")), "{reply}");
            assert_eq!(names(&reply["shards"]).len(), 1, "{reply}");
        }
        replies.iter().map(|reply| reply["moved"].as_u64().unwrap()).sum::<u64>()
    };
    let (one, eight) = (moved(1), moved(8));
    println!("one moved {one}, eight at once {eight}");
    assert!(one > 0 && eight >= 7 * one, "one moved {one}, eight at once {eight}");
}

/// A lane that comes to a row which somebody else holds waits for it; the other one moves everything that is its own.
#[test]
fn a_lane_that_has_to_wait_keeps_no_other_from_its_end() {
    let size = Size { orders: 200, closed: 80, items: 1, discounts: 0 };
    let job = Job::shop(Kind::Postgres, size, "settle = \"0s\"\nshards = 2\nlanes = 2");
    job.reply(&["run", &job.name, "--max-items", "1"]);
    job.reply(&["reset", &job.name, "--confirm", &job.name]);
    job.database.execute("DELETE FROM order_history");
    let closed = "status IN ('uncollected', 'cancelled', 'dispensed')";
    let last = job.database.number(&format!("SELECT max(id) FROM orders WHERE {closed}"));
    let other = Database::connect(job.database.url());
    other.execute("BEGIN");
    other.execute(&format!(
        "INSERT INTO order_history (order_id, status, document, digest, migrated_at, run, definition)
         VALUES ({last}, 'cancelled', '{{}}', 'd', now(), 'r', 'd')"
    ));
    let reply = job.run_once("5s").expect(0).reply();
    assert_eq!((&reply["outcome"], &reply["stopped_by"]), (&json!("more"), &json!("time")), "{reply}");
    let (first, second) = (&reply["shards"][0], &reply["shards"][1]);
    assert_eq!((&first["stopped_by"], &second["stopped_by"]), (&json!("end"), &json!("time")), "{reply}");
    let end: i64 = first["cursor"][0].as_str().unwrap().parse().unwrap();
    let before = job.database.number(&format!("SELECT COUNT(*) FROM orders WHERE {closed} AND id <= {end}"));
    assert_eq!(first["moved"], before, "{reply}");
    assert_eq!(reply["moved"], first["moved"].as_i64().unwrap() + second["moved"].as_i64().unwrap(), "{reply}");
    assert!(reply["elapsed_ms"].as_u64() < Some(5000), "{reply}");
    other.execute("ROLLBACK");
    job.run_to_the_end();
    job.assert_complete();
}

/// What is streamed into another database is shared out as well: each lane has sessions with both.
#[test]
fn a_job_in_four_shards_arrives_in_another_database() {
    for (source, target) in [(Kind::MariaDb, Kind::Postgres), (Kind::Sqlite, Kind::MariaDb)] {
        let job = Job::between(source, target, SHOP, "settle = \"0s\"\nmax_batch = 50\nshards = 4\nlanes = 3");
        let reply = job.run_to_the_end();
        assert_eq!(names(&reply["shards"]).len(), 4, "{reply}");
        job.assert_complete();
    }
}
