//! `log_keys = false`: keys of rows appear nowhere, but stay recognisable.

use crate::support::job::Job;
use crate::support::servers::Kind;
use crate::support::shop::Size;

const KEY: &str = "4711081547110815";

/// An order whose key nobody may see: the only closed one of the shop.
fn secretive(limits: &str) -> Job {
    let job = Job::shop(
        Kind::Sqlite,
        Size { orders: 0, closed: 0, items: 0, discounts: 0 },
        &format!("settle = \"0s\"\nlog_keys = false\n{limits}"),
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
    let job = secretive("");
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
fn keys_are_hashed_in_the_reasons_of_a_pause() {
    let job = secretive("max_item = \"1 KB\"");
    job.database.execute(&format!("UPDATE orders SET remark = '{}'", "long ".repeat(400)));
    let run = silent(&job, &["run", &job.name], 4);
    assert!(run["reason"].as_str().unwrap().contains("sha256:"), "{run}");
    silent(&job, &["status", &job.name], 0);
    let shown = Job::shop(Kind::Sqlite, Size { orders: 0, closed: 0, items: 0, discounts: 0 }, "max_item = \"1 KB\"");
    shown.database.execute(&format!(
        "INSERT INTO orders VALUES ({KEY}, 'cancelled', 'Ann', 1.5, NULL, '{}', '2024-01-01')",
        "long ".repeat(400)
    ));
    let run = shown.call(&["run", &shown.name]).expect(4).reply();
    assert!(run["reason"].as_str().unwrap().contains(KEY), "{run}");
}
