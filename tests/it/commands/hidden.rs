//! `log_keys = false`: keys of rows appear nowhere, but stay recognisable.

use crate::support::job::Job;
use crate::support::servers::Kind;
use crate::support::shop::{self, Size};

const KEY: &str = "4711081547110815";

/// An order whose key nobody may see: the only closed one of the shop.
fn secretive() -> Job {
    let job = Job::shop(
        Kind::Sqlite,
        Size { orders: 0, closed: 0, items: 0, discounts: 0 },
        "settle = \"0s\"\nlog_keys = false",
    );
    job.database
        .execute(&format!("INSERT INTO orders VALUES ({KEY}, 'cancelled', 'Ann', 1.5, NULL, NULL, '2024-01-01')"));
    job
}

/// Runs a command in both forms; neither may show the key.
#[track_caller]
fn silent(job: &Job, arguments: &[&str], code: i32) -> serde_json::Value {
    let people = job.cli().run(arguments).expect(code);
    let machines = job.call(arguments).expect(code);
    for text in [&people.stdout, &people.stderr, &machines.stdout, &machines.stderr] {
        assert!(!text.contains(KEY), "{arguments:?}: {text}");
    }
    machines.reply()
}

#[test]
fn keys_are_hashed_in_replies_and_dead_letters() {
    let job = secretive();
    // The target holds something else under the key.
    let run = silent(&job, &["run", &job.name], 0);
    assert_eq!(run["outcome"], "complete");
    job.database.execute("UPDATE order_history SET document = '{}', digest = 'x'");
    let found = silent(&job, &["verify", &job.name], 3);
    assert!(found["examples"][0]["key"][0].as_str().unwrap().starts_with("sha256:"), "{found}");
    silent(&job, &["reset", &job.name, "--confirm", &job.name], 0);
    let run = job.call(&["run", &job.name]).expect(3).reply();
    assert!(run["shards"][0]["cursor"][0].as_str().unwrap().starts_with("sha256:"), "{run}");
    let failed = silent(&job, &["failed", &job.name], 0);
    // One and the same key is one and the same digest.
    assert_eq!(failed["items"][0]["key"], found["examples"][0]["key"]);
    silent(&job, &["status", &job.name], 0);
}

#[test]
fn keys_are_hashed_where_the_breaker_and_status_name_an_item() {
    for shown in [false, true] {
        let mut job = Job::shop(Kind::Sqlite, Size { orders: 99, closed: 99, items: 0, discounts: 0 }, "");
        let limits = format!("settle = \"0s\"\nmax_item = \"1 KB\"\nstop_when_failed = \"0%\"\nlog_keys = {shown}");
        job.define(&shop::migration(&limits));
        job.database.execute(&format!(
            "INSERT INTO orders VALUES ({KEY}, 'cancelled', 'Ann', 1.5, NULL, '{}', '2024-01-01')",
            "long ".repeat(400)
        ));
        let finished = job.call(&["run", &job.name]).expect(4);
        let run = finished.reply();
        assert_eq!(run["stopped_by"], "breaker", "{run}");
        assert_eq!(run["reason"].as_str().unwrap().contains("sha256:"), !shown, "{run}");
        assert_eq!(finished.stderr.contains(KEY) || finished.stdout.contains(KEY), shown, "{finished:?}");
        let status = job.call(&["status", &job.name]).expect(0);
        assert_eq!(status.stdout.contains(KEY), shown, "{status:?}");
        assert_eq!(status.reply()["dead"], serde_json::json!({"too_large": 1}));
        // Whoever knows the key can name it.
        let key = format!("[\"{KEY}\"]");
        assert_eq!(job.reply(&["retry", &job.name, "--key", &key])["retried"], 1);
    }
}
