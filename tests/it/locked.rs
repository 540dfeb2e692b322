//! Locked: somebody else's transaction holds a row of the target. Runs end in their time with everything before it moved, no
//! number of them blames the row, and once it is free they go on.

use crate::support::database::Database;
use crate::support::job::Job;
use crate::support::servers::Kind;
use crate::support::shop::Size;
use serde_json::json;

const SHOP: Size = Size { orders: 150, closed: 60, items: 1, discounts: 0 };
const CLOSED: &str = "status IN ('uncollected', 'cancelled', 'dispensed')";
const BEFORE: i64 = 25;

#[test]
fn a_row_that_stays_locked_on_mariadb_keeps_only_what_comes_after_it_waiting() {
    wait_for_a_lock(Kind::MariaDb);
}

#[test]
fn a_row_that_stays_locked_on_postgres_keeps_only_what_comes_after_it_waiting() {
    wait_for_a_lock(Kind::Postgres);
}

fn wait_for_a_lock(kind: Kind) {
    let mut job = Job::shop(kind, SHOP, "settle = \"0s\"");
    job.set("RUST_LOG", "info");
    job.reply(&["run", &job.name, "--max-items", "1"]);
    job.reply(&["reset", &job.name, "--confirm", &job.name]);
    job.database.execute("DELETE FROM order_history");
    let key = job.database.number(&format!("SELECT id FROM orders WHERE {CLOSED} ORDER BY id LIMIT 1 OFFSET {BEFORE}"));
    let other = Database::connect(job.database.url());
    let moment = "'2024-05-06 07:08:09.000000'";
    other.execute("BEGIN");
    other.execute(&format!(
        "INSERT INTO order_history (order_id, status, document, digest, migrated_at, run, definition)
         VALUES ({key}, 'cancelled', '{{}}', 'd', {moment}, 'r', 'd')"
    ));
    let mut runs = 0;
    let mut at_the_row = 0;
    let met = format!("waited too long for a lock (error {})", if kind == Kind::MariaDb { "1205" } else { "55P03" });
    // Long enough for a lock to be waited for again and again once the row is alone.
    while at_the_row < 5 {
        let finished = job.run_once("3s").expect(0);
        let reply = finished.reply();
        let told = |line: &str| line.contains(&met) && line.contains("class=Locked");
        assert!(finished.stderr.lines().any(told), "{kind:?}: {finished:?}");
        assert_eq!((&reply["outcome"], &reply["stopped_by"]), (&json!("more"), &json!("time")), "{kind:?}: {reply}");
        assert!(reply["elapsed_ms"].as_u64() < Some(3000), "{kind:?}: {reply}");
        runs += 1;
        at_the_row += u32::from(job.database.number("SELECT COUNT(*) FROM order_history") == BEFORE);
        assert!(runs < 20, "{kind:?}: what comes before the row does not move: {reply}");
    }
    println!("{kind:?}: {runs} runs");
    other.execute("ROLLBACK");
    job.run_to_the_end();
    job.assert_complete();
}
