//! Memory: the same ceiling for a table of any length, and an order that is too large is set aside and named, not died of.

use crate::support::job::{Job, full};
use crate::support::servers::Kind;
use crate::support::shop::{self, Size};
use crate::support::tpch;
use serde_json::json;

const MIB: u64 = 1024;
const CEILING: u64 = 64 * MIB;
const DIFFERENCE: u64 = 6 * MIB;

/// Peak resident memory of `bootstrap`, in KiB, over a whole job at this scale of TPC-H.
fn peak(kind: Kind, scale: f64) -> u64 {
    let mut job = Job::new(kind);
    tpch::load(&job.database, scale);
    job.define(&tpch::migration("settle = \"0s\""));
    let closed = job.database.number("SELECT COUNT(*) FROM orders WHERE o_orderstatus = 'F'");
    let emulator = job.lambda(30, 1024);
    let mut peak = 0;
    loop {
        let reply = emulator.invoke(&job.event()).reply();
        peak = peak.max(emulator.peak_memory_kib().expect("it is alive between invocations"));
        if reply["outcome"] == "complete" {
            assert_eq!(reply["progress"]["moved"], closed, "{reply}");
            break;
        }
        assert_eq!(reply["outcome"], "more", "{reply}");
    }
    println!("{kind:?}, scale {scale}: peak {} MiB for {closed} orders", peak / MIB);
    peak
}

fn same_ceiling(kind: Kind) {
    // 15,000 orders; then ten times that, or all 1.5 million.
    let small = peak(kind, 0.01);
    let large = peak(kind, if full() { 1.0 } else { 0.1 });
    assert!(small < CEILING && large < CEILING, "{small} KiB, {large} KiB");
    assert!(large.abs_diff(small) <= DIFFERENCE, "{small} KiB for few, {large} KiB for many");
}

#[test]
fn memory_does_not_grow_with_the_table_on_mariadb() {
    same_ceiling(Kind::MariaDb);
}

#[test]
fn memory_does_not_grow_with_the_table_on_postgres() {
    same_ceiling(Kind::Postgres);
}

/// A shop in which one closed order has far more items than a document may hold; its key.
fn with_a_large_order(kind: Kind) -> (Job, i64) {
    use crate::support::database::Cell::{Int, Number, Text};
    let job = Job::new(kind);
    shop::load(&job.database, Size { orders: 200, closed: 80, items: 2, discounts: 1 });
    let large = job
        .database
        .number("SELECT MIN(id) FROM orders WHERE id > 100 AND status IN ('uncollected', 'cancelled', 'dispensed')");
    let first = 1_000_000;
    let items = (0..4000)
        .map(|item| vec![Int(first + item), Int(large), Text("SKU".to_owned()), Int(1), Number("1.00".to_owned())]);
    job.database.load("order_items", items);
    (job, large)
}

#[test]
fn an_order_above_max_item_is_set_aside_and_named() {
    for kind in [Kind::MariaDb, Kind::Postgres, Kind::Sqlite] {
        let (mut job, large) = with_a_large_order(kind);
        job.define(&shop::migration("settle = \"0s\"\nmax_item = \"100 KB\""));
        let emulator = job.lambda(30, 1024);
        let reply = emulator.invoke(&job.event()).reply();
        let process = emulator.bootstrap_pid();
        assert_eq!(reply["outcome"], "complete", "{kind:?}: {reply}");
        assert_eq!((&reply["moved"], &reply["failed"]), (&json!(79), &json!(1)), "{kind:?}: {reply}");
        let failed = emulator.invoke(&json!({"command": "failed", "migration": job.name})).reply();
        assert_eq!(failed["items"].as_array().map(Vec::len), Some(1), "{kind:?}: {failed}");
        let letter = &failed["items"][0];
        assert_eq!((&letter["key"], &letter["class"]), (&json!([large.to_string()]), &json!("too_large")));
        let message = letter["message"].as_str().unwrap();
        assert!(message.contains("is larger than max_item (102400 bytes)"), "{kind:?}: {message}");
        assert!(process.is_some() && emulator.bootstrap_pid() == process, "{kind:?}: {}", emulator.log());
        // All the others are there, it is not, and it follows once there is room for it.
        assert_eq!(job.database.number("SELECT COUNT(*) FROM order_history"), 79);
        assert_eq!(job.database.number(&format!("SELECT COUNT(*) FROM order_history WHERE order_id = {large}")), 0);
        job.source = Some(shop::closed(&job.database));
        job.define(&shop::migration("settle = \"0s\""));
        job.reply(&["retry", &job.name, "--class", "too_large"]);
        job.run_to_the_end();
        job.assert_complete();
    }
}

#[test]
fn an_order_above_max_item_pauses_the_migration_where_none_may_fail() {
    for kind in [Kind::MariaDb, Kind::Postgres, Kind::Sqlite] {
        let (mut job, large) = with_a_large_order(kind);
        // Far fewer items than a share is judged by, and a batch that holds some of those behind it too.
        let limits = "settle = \"0s\"\nmax_batch = 60\nstop_when_failed = \"0%\"";
        job.define(&shop::migration(&format!("{limits}\nmax_item = \"100 KB\"")));
        let emulator = job.lambda(30, 1024);
        let paused = emulator.invoke(&job.event()).reply();
        assert_eq!((&paused["outcome"], &paused["stopped_by"]), (&json!("paused"), &json!("breaker")), "{paused}");
        let reason = paused["reason"].as_str().unwrap();
        let named = format!("; the last one is [\"{large}\"], too_large: ");
        assert!(reason.starts_with("1 of the ") && reason.contains(&named), "{kind:?}: {reason}");
        assert!(reason.contains("is larger than max_item (102400 bytes)"), "{kind:?}: {reason}");
        assert!(emulator.bootstrap_pid().is_some(), "{kind:?}: {}", emulator.log());
        let status = job.status();
        assert_eq!((&status["state"], &status["reason"]), (&json!("paused"), &json!(reason)), "{kind:?}: {status}");
        let behind = job.database.number("SELECT COUNT(*) FROM order_history");
        assert_eq!(emulator.invoke(&job.event()).reply()["outcome"], "paused");
        assert_eq!(job.database.number("SELECT COUNT(*) FROM order_history"), behind);
        // With room for it everything follows, and nothing was lost.
        job.source = Some(shop::closed(&job.database));
        job.define(&shop::migration(limits));
        job.reply(&["resume", &job.name]);
        job.reply(&["retry", &job.name]);
        job.run_to_the_end();
        job.assert_complete();
    }
}
