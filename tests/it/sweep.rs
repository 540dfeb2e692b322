//! Sweeps: what closes, or is inserted, behind the cursor while the job is under way is in history at its end.

use crate::support::database::Database;
use crate::support::job::Job;
use crate::support::servers::Kind;
use crate::support::shop::Size;
use crate::support::slow::Slow;
use serde_json::json;
use std::time::{Duration, Instant};

const KINDS: [Kind; 3] = [Kind::MariaDb, Kind::Postgres, Kind::Sqlite];
const SHOP: Size = Size { orders: 200, closed: 80, items: 2, discounts: 1 };
const CLOSED: &str = "status IN ('uncollected', 'cancelled', 'dispensed')";

/// Closes `many` open orders up to a key, the first ones; their keys.
pub(crate) fn close(database: &Database, upto: i64, many: u32) -> Vec<String> {
    let open =
        database.rows(&format!("SELECT id FROM orders WHERE NOT {CLOSED} AND id <= {upto} ORDER BY id LIMIT {many}"));
    let keys: Vec<String> = open.into_iter().filter_map(|mut row| row.remove(0)).collect();
    assert_eq!(keys.len(), usize::try_from(many).unwrap(), "the test wants open orders");
    database.execute(&format!("UPDATE orders SET status = 'cancelled' WHERE id IN ({})", keys.join(",")));
    keys
}

pub(crate) fn insert(database: &Database, id: i64) {
    let moment = "'2024-05-06 07:08:09.000000'";
    database.execute(&format!("INSERT INTO orders (id, status, customer, total, card_number, remark, placed_at) VALUES ({id}, 'dispensed', 'late', 1.25, NULL, NULL, {moment})"));
}

fn cursor(reply: &serde_json::Value) -> i64 {
    reply["shards"][0]["cursor"][0].as_str().unwrap().parse().unwrap()
}

#[test]
fn what_closes_behind_the_cursor_is_found() {
    for kind in KINDS {
        let job = Job::shop(kind, SHOP, "settle = \"0s\"\nmax_batch = 16");
        let first = job.reply(&["run", &job.name, "--max-items", "40"]);
        let behind = cursor(&first);
        close(&job.database, behind, 7);
        // Keys have gaps: one behind the cursor, one before the first, one beyond the frozen end.
        let gap =
            (1..behind).find(|id| job.database.number(&format!("SELECT COUNT(*) FROM orders WHERE id = {id}")) == 0);
        insert(&job.database, gap.unwrap());
        insert(&job.database, -5);
        insert(&job.database, 1_000_000);
        job.database.execute("INSERT INTO order_items VALUES (900000, -5, 'SKU-LATE', 1, 0.5)");
        let last = job.run_to_the_end();
        // The first sweep found ten; the last one nothing any more.
        assert_eq!(
            (&last["progress"]["moved"], &last["progress"]["left"]),
            (&json!(90), &json!(0)),
            "{kind:?}: {last}"
        );
        assert_eq!(job.status()["pass"], 3, "{kind:?}");
        job.assert_complete();
    }
}

#[test]
fn a_sweep_that_stops_midway_goes_on_where_it_was() {
    for kind in KINDS {
        let job = Job::shop(kind, SHOP, "settle = \"0s\"");
        let first = job.reply(&["run", &job.name, "--max-items", "70"]);
        close(&job.database, cursor(&first), 20);
        let mut runs = 0;
        loop {
            let reply = job.reply(&["run", &job.name, "--max-items", "3"]);
            assert!(reply["moved"].as_u64().unwrap() <= 3, "{kind:?}: {reply}");
            runs += 1;
            if reply["outcome"] == "complete" {
                break;
            }
            assert!(runs < 60, "{kind:?}: no end: {reply}");
        }
        assert!(runs > 10, "{kind:?}: {runs}");
        assert_eq!(job.status()["progress"]["moved"], 100, "{kind:?}");
        job.assert_complete();
    }
}

#[test]
fn after_max_sweeps_it_is_complete_and_says_what_was_left() {
    let job = Job::shop(Kind::Sqlite, Size { orders: 400, ..SHOP }, "settle = \"2s\"\nmax_sweeps = 2");
    let bound = job.database.number("SELECT MAX(id) FROM orders");
    let mut replies = Vec::new();
    loop {
        let reply = job.reply(&["run", &job.name]);
        let complete = reply["outcome"] == "complete";
        if reply["moved"].as_u64().unwrap() > 0 {
            replies.push(reply);
            close(&job.database, bound, 4);
        }
        if complete {
            break;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    let left: Vec<_> = replies.iter().map(|reply| reply["progress"]["left"].as_u64().unwrap()).collect();
    assert_eq!(left, [0, 4, 4], "{replies:?}");
    let status = job.status();
    assert_eq!((&status["state"], &status["progress"]["moved"]), (&json!("complete"), &json!(88)));
    assert_eq!(job.database.number("SELECT COUNT(*) FROM order_history"), 88);
    // The four that closed after the last sweep: verify sees them, the migration is over.
    let verified = job.call(&["verify", &job.name]).expect(3).reply();
    assert_eq!((&verified["equal"], &verified["missing"]), (&json!(88), &json!(4)), "{verified}");
}

#[test]
fn what_is_there_before_is_compared_and_counted_once() {
    for kind in KINDS {
        let job = Job::shop(kind, SHOP, "settle = \"0s\"");
        // A first life leaves history behind: some of it as it was, some changed, some gone.
        job.run_to_the_end();
        job.reply(&["reset", &job.name, "--confirm", &job.name]);
        let keys = job.database.rows("SELECT order_id FROM order_history ORDER BY order_id");
        let keys: Vec<String> = keys.into_iter().filter_map(|mut row| row.remove(0)).collect();
        job.database
            .execute(&format!("UPDATE order_history SET status = 'new' WHERE order_id IN ({})", keys[3..5].join(",")));
        job.database.execute(&format!("UPDATE order_history SET document = '{{}}' WHERE order_id = {}", keys[70]));
        job.database.execute(&format!("DELETE FROM order_history WHERE order_id IN ({})", keys[10..21].join(",")));
        let half = job.reply(&["run", &job.name, "--max-items", "2"]);
        assert_eq!((&half["skipped"], &half["moved"]), (&json!(2), &json!(0)), "{kind:?}: {half}");
        close(&job.database, cursor(&half).max(40), 2);
        let last = job.call(&["run", &job.name, "--until-done"]).expect(3).reply();
        let counts = ["moved", "skipped", "conflicts", "failed"].map(|name| last["progress"][name].as_u64().unwrap());
        assert_eq!(counts, [13, 66, 3, 0], "{kind:?}: {last}");
        let failed = job.reply(&["failed", &job.name]);
        let named: Vec<_> =
            failed["items"].as_array().unwrap().iter().map(|item| item["key"][0].as_str().unwrap()).collect();
        let mut wanted = [&keys[3], &keys[4], &keys[70]].map(String::as_str);
        wanted.sort_unstable();
        let mut sorted = named.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, wanted, "{kind:?}");
        for item in failed["items"].as_array().unwrap() {
            let message = item["message"].as_str().unwrap();
            assert!(message.contains(" in `status`;") || message.contains(" in `document`;"), "{kind:?}: {message}");
            assert_eq!(message.split(|c: char| !c.is_ascii_hexdigit()).filter(|word| word.len() == 64).count(), 2);
        }
        // What was there is never touched.
        assert_eq!(job.database.number("SELECT COUNT(*) FROM order_history WHERE status = 'new'"), 2, "{kind:?}");
    }
}

#[test]
fn a_sweep_killed_in_its_write_counts_what_it_had_moved() {
    for kind in [Kind::MariaDb, Kind::Postgres] {
        let mut job = Job::shop(kind, SHOP, "settle = \"0s\"\nlease = \"1s\"");
        job.set("MILKRUN_LEASE_MARGIN", "0s");
        // Stop when the first pass is over, then let a sweep find thirty, over a slow line.
        let first = job.reply(&["run", &job.name, "--max-items", "80"]);
        close(&job.database, cursor(&first), 30);
        let (slow, url) = Slow::before(job.database.url(), Duration::from_millis(60));
        let direct = job.database.url().to_owned();
        job.set("SHOP_DATABASE_URL", &url);
        // Killed as soon as what the sweep wrote is there, which is before it is counted; or inside the transaction.
        let mut inside = 0;
        for _ in 0..3 {
            let before = job.database.number("SELECT COUNT(*) FROM order_history");
            let mut running = job.cli().spawn(&["--json", "run", &job.name, "--time-limit", "8s"]);
            let since = Instant::now();
            while running.is_running() && since.elapsed() < Duration::from_secs(9) {
                if job.database.number("SELECT COUNT(*) FROM order_history") > before {
                    inside += u32::from(running.signal("KILL"));
                    break;
                }
            }
            running.wait();
            std::thread::sleep(Duration::from_millis(1100));
        }
        assert!(inside > 0, "{kind:?}: no kill came in time");
        drop(slow);
        job.set("SHOP_DATABASE_URL", &direct);
        let last = job.run_to_the_end();
        assert_eq!(
            (&last["progress"]["moved"], &last["progress"]["skipped"]),
            (&json!(110), &json!(0)),
            "{kind:?}: {last}"
        );
        job.assert_complete();
    }
}
