//! One matching row far behind millions that do not match: runs of three seconds get there, each statement bounded.

use crate::support::database::Database;
use crate::support::job::{Job, full};
use crate::support::servers::Kind;
use crate::support::tpch::analyze;
use serde_json::json;

const MIGRATION: &str = r#"name = "rare"
kind = "rows"
[source]
database = "$SHOP_DATABASE_URL"
table = "events"
key = ["id"]
where = "state = 'closed'"
[target]
database = "$SHOP_DATABASE_URL"
table = "event_history"
key = ["event_id"]
create = true
[target.columns]
event_id = "id"
document = "$document"
[limits]
settle = "0s"
"#;

/// So many rows, of which the last but two matches.
fn fill(database: &Database, rows: u64) {
    database.execute("CREATE TABLE events (id BIGINT PRIMARY KEY, state VARCHAR(10) NOT NULL, note VARCHAR(40) NOT NULL) ENGINE=InnoDB");
    for first in (1..=rows).step_by(1_000_000) {
        let last = rows.min(first + 999_999);
        database.execute(&format!("INSERT INTO events SELECT seq * 3, 'open', MD5(seq) FROM seq_{first}_to_{last}"));
    }
    database.execute(&format!("UPDATE events SET state = 'closed' WHERE id = {}", (rows - 2) * 3));
    analyze(database, &["events"]);
}

#[test]
fn one_matching_row_among_very_many_is_reached_by_short_runs() {
    let rows = if full() { 10_000_000 } else { 200_000 };
    let mut job = Job::new(Kind::MariaDb);
    fill(&job.database, rows);
    job.define(MIGRATION);
    let emulator = job.lambda(3, 1024);
    let mut runs = 0;
    let last = loop {
        let invoked = emulator.invoke(&job.event());
        assert!(!invoked.timed_out(), "{invoked:?}\n{}", emulator.log());
        let reply = invoked.reply();
        runs += 1;
        if reply["outcome"] == "complete" {
            break reply;
        }
        assert_eq!(reply["outcome"], "more", "{reply}");
        assert!(runs < 1000, "no end: {reply}");
    };
    println!("{rows} rows in {runs} runs");
    let progress = ["moved", "skipped", "conflicts", "failed"].map(|name| last["progress"][name].clone());
    assert_eq!(progress, [json!(1), json!(0), json!(0), json!(0)], "{last}");
    assert_eq!(job.database.number("SELECT COUNT(*) FROM event_history"), 1);
    assert_eq!(job.database.number("SELECT event_id FROM event_history"), i64::try_from((rows - 2) * 3).unwrap());
}
