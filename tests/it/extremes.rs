//! Extremes of the engine: a pause while a pass is being opened, keys so long that few of them fit a record of the ledger,
//! thousands of conflicts at once.

use crate::support::child::signal;
use crate::support::database::Database;
use crate::support::job::Job;
use crate::support::servers::Kind;
use crate::support::shop::Size;
use crate::support::slow::Slow;
use serde_json::json;
use std::time::{Duration, Instant};

#[test]
fn a_pause_that_arrives_while_a_pass_is_being_opened_is_heeded() {
    let job = Job::shop(Kind::Sqlite, Size { orders: 70, closed: 30, items: 1, discounts: 1 }, "settle = \"0s\"");
    // Nobody else can read the database meanwhile, so that the run gets stuck before its pass.
    job.database.execute("BEGIN EXCLUSIVE");
    let mut running = job.cli().spawn(&["--json", "run", &job.name, "--time-limit", "20s"]);
    std::thread::sleep(Duration::from_millis(700));
    assert!(running.is_running());
    job.reply(&["pause", &job.name, "--reason", "not yet", "--by", "ann"]);
    job.database.execute("ROLLBACK");
    let paused = running.wait().expect(4).reply();
    assert_eq!(
        (&paused["outcome"], &paused["stopped_by"], &paused["reason"]),
        (&json!("paused"), &json!("pause"), &json!("not yet")),
        "{paused}"
    );
    let status = job.status();
    assert_eq!((&status["state"], &status["pass"], &status["leases"]), (&json!("paused"), &json!(0), &json!([])));
    assert_eq!(status["progress"]["moved"], 0, "{status}");
    job.reply(&["resume", &job.name]);
    job.run_to_the_end();
    job.assert_complete();
}

/// A table of `rows` rows with these key columns, a migration of the closed ones, and the first pass over half of it.
fn wide(key: &str, columns: &str, values: &str, targets: &str, rows: u32) -> Job {
    let mut job = Job::new(Kind::Sqlite);
    job.set("MILKRUN_LEDGER", "sqlite://ledger.db");
    job.database.execute(&format!(
        "CREATE TABLE orders ({columns}, status TEXT NOT NULL, PRIMARY KEY ({key}));
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
         INSERT INTO orders SELECT {values}, CASE WHEN i = {rows} THEN 'closed' ELSE 'open' END FROM n"
    ));
    let list = |names: &str| names.split(", ").map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    job.define(&format!(
        r#"
        name = "wide"
        kind = "rows"
        source = {{ database = "$SHOP_DATABASE_URL", table = "orders", key = [{}], where = "status = 'closed'" }}
        limits = {{ settle = "0s", lease = "1s" }}
        [target]
        database = "$SHOP_DATABASE_URL"
        table = "order_history"
        key = [{}]
        create = true
        columns = {{ {targets}, document = "$document" }}
        "#,
        list(key),
        list(key)
    ));
    job.set("MILKRUN_LEASE_MARGIN", "0s");
    // The last one, which ends the first pass; all others close behind it.
    assert_eq!(job.reply(&["run", "wide", "--max-items", "1"])["moved"], 1);
    job.database.execute("UPDATE orders SET status = 'closed'");
    job
}

#[test]
fn a_sweep_that_finds_very_long_keys_announces_no_more_than_a_record_holds() {
    // 300 keys of 3,000 characters, each of which is two in JSON.
    let job = wide(
        "id",
        "id TEXT NOT NULL",
        "printf('%s%06d', replace(hex(zeroblob(1497)), '0', '\"'), i)",
        "id = \"id\"",
        300,
    );
    end_all(job, 300);
}

#[test]
fn a_sweep_that_finds_keys_of_many_parts_announces_no_more_than_a_record_holds() {
    let names: Vec<String> = (1..=24).map(|place| format!("k{place}")).collect();
    let key = names.join(", ");
    let columns = names.iter().map(|name| format!("{name} INTEGER NOT NULL")).collect::<Vec<_>>().join(", ");
    let values = names.iter().map(|name| if name == "k24" { "i" } else { "1" }).collect::<Vec<_>>().join(", ");
    let targets = names.iter().map(|name| format!("{name} = \"{name}\"")).collect::<Vec<_>>().join(", ");
    end_all(wide(&key, &columns, &values, &targets, 3000), 3000);
}

/// The sweep moves the rest, killed a few times on the way; no record came near the limit of the store.
fn end_all(mut job: Job, rows: i64) {
    let ledger = Database::connect(&format!("sqlite://{}/ledger.db", job.folder().display()));
    for _ in 0..3 {
        let before = job.database.number("SELECT COUNT(*) FROM order_history");
        let mut running = job.cli().spawn(&["--json", "run", "wide"]);
        let since = Instant::now();
        while running.is_running() && since.elapsed() < Duration::from_secs(20) {
            if job.database.number("SELECT COUNT(*) FROM order_history") > before {
                signal(running.pid(), "KILL");
                break;
            }
        }
        running.wait();
        std::thread::sleep(Duration::from_millis(1100));
    }
    let last = job.run_to_the_end();
    assert_eq!(
        (&last["progress"]["moved"], &last["progress"]["skipped"]),
        (&json!(rows), &json!(0)),
        "{:.2000}",
        last.to_string()
    );
    assert_eq!(job.database.number("SELECT COUNT(*) FROM order_history"), rows);
    let verified = job.reply(&["verify", "wide"]);
    assert_eq!((&verified["outcome"], &verified["equal"]), (&json!("complete"), &json!(rows)));
    // In many batches, each with examples of its own.
    job.set("MILKRUN_MIGRATIONS", "small");
    std::fs::create_dir(job.folder().join("small")).unwrap();
    let definition = std::fs::read_to_string(job.folder().join("migrations/wide.toml")).unwrap();
    let small = definition.replace("lease = \"1s\"", "max_batch = 12");
    assert_ne!(small, definition);
    std::fs::write(job.folder().join("small/wide.toml"), small).unwrap();
    job.database.execute("DELETE FROM order_history");
    let verified = job.call(&["verify", "wide"]).expect(3).reply();
    assert_eq!((&verified["outcome"], &verified["missing"]), (&json!("complete"), &json!(rows)));
    assert!(verified["examples"].as_array().unwrap().len() > 3, "{verified}");
    assert!(ledger.number("SELECT MAX(length(CAST(body AS BLOB))) FROM ledger") < 102_400);
}

#[test]
fn thousands_of_conflicts_in_one_batch_are_all_recorded_by_runs_that_end_in_their_time() {
    let mut job = Job::new(Kind::Sqlite);
    // So many rows that do not match that batches have grown, before the ones that all conflict.
    job.database.execute(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, status TEXT NOT NULL);
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 206000)
         INSERT INTO orders SELECT i, CASE WHEN i > 200000 THEN 'closed' ELSE 'open' END FROM n;
         CREATE TABLE order_history (order_id INTEGER PRIMARY KEY, document TEXT NOT NULL);
         INSERT INTO order_history SELECT id, '{}' FROM orders WHERE status = 'closed'",
    );
    job.define(
        r#"
        name = "conflicting"
        kind = "rows"
        source = { database = "$SHOP_DATABASE_URL", table = "orders", key = ["id"], where = "status = 'closed'" }
        limits = { settle = "0s", stop_when_failed = "100%" }
        [target]
        database = "$SHOP_DATABASE_URL"
        table = "order_history"
        key = ["order_id"]
        columns = { order_id = "id", document = "$document" }
        "#,
    );
    // Each write of the ledger takes its time.
    let endpoint = crate::support::servers::fresh_ledger().0;
    let address = endpoint.trim_start_matches("http://").parse().unwrap();
    let slow = Slow::start(address, Duration::from_millis(10));
    job.set("AWS_ENDPOINT_URL_DYNAMODB", &slow.url());
    let emulator = job.lambda(3, 1024);
    let mut runs = 0;
    let mut stuck = 0;
    let last = loop {
        let before = job_conflicts(&job);
        let invoked = emulator.invoke(&job.event());
        assert!(!invoked.timed_out(), "run {runs}: {}", emulator.log());
        let reply = invoked.reply();
        println!("{} {} {} {}", reply["outcome"], reply["stopped_by"], reply["conflicts"], reply["shards"][0]["batch"]);
        runs += 1;
        stuck = if job_conflicts(&job) > before { 0 } else { stuck + 1 };
        assert!(stuck < 8 && runs < 60, "no progress: {reply}\n{}", emulator.log());
        if reply["outcome"] != "more" {
            break reply;
        }
    };
    assert_eq!((&last["outcome"], &last["progress"]["conflicts"]), (&json!("complete"), &json!(6000)), "{last}");
    assert_eq!((&last["progress"]["moved"], &last["progress"]["skipped"]), (&json!(0), &json!(0)), "{last}");
    slow.set_delay(Duration::ZERO);
    assert_eq!(job.status()["dead"], json!({"conflict": 6000}));
}

fn job_conflicts(job: &Job) -> u64 {
    job.status()["progress"]["conflicts"].as_u64().unwrap()
}
