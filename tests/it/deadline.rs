//! Deadline: whatever the database does, a run ends by itself before the platform ends it, and uses the time that it has.

use crate::support::job::{Job, full};
use crate::support::servers::Kind;
use crate::support::shop::{self, Size};
use crate::support::slow::Slow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const TIMEOUT_S: u64 = 3;
const TIMEOUT_MS: f64 = 3000.0;
const INVOCATIONS: usize = 50;

#[test]
fn fifty_runs_on_a_slow_mariadb_end_by_themselves() {
    slow(Kind::MariaDb, INVOCATIONS);
}

/// Fifty with `MILKRUN_FULL`.
#[test]
fn runs_on_a_slow_postgres_end_by_themselves() {
    slow(Kind::Postgres, if full() { INVOCATIONS } else { 15 });
}

fn slow(kind: Kind, invocations: usize) {
    let mut job = Job::new(kind);
    // More than fifty such runs can do.
    shop::load(&job.database, Size { orders: 60_000, closed: 30_000, items: 1, discounts: 0 });
    job.define(&shop::migration("settle = \"0s\"\nmax_batch = 60"));
    let (slow, url) = Slow::before(job.database.url(), Duration::from_millis(20));
    job.set("SHOP_DATABASE_URL", &url);
    let emulator = job.lambda(TIMEOUT_S, 1024);
    let mut used = Vec::new();
    for turn in 0..invocations {
        let invoked = emulator.invoke(&job.event());
        assert!(!invoked.timed_out(), "invocation {turn}: {}", emulator.log());
        let reply = invoked.reply();
        assert_eq!(reply["outcome"], "more", "invocation {turn}: {reply}");
        assert_eq!(reply["stopped_by"], "time", "invocation {turn}: {reply}");
        // The first is cold.
        if turn > 0 {
            used.push(reply["batch_ms"].as_f64().unwrap() / TIMEOUT_MS);
        }
    }
    assert!(!emulator.log().contains("Task timed out"), "{}", emulator.log());
    assert!(slow.flights() > invocations as u64, "nothing went through the proxy that slows");
    used.sort_by(f64::total_cmp);
    let median = used[used.len() / 2];
    println!("{kind:?}: batches took {median:.2} of the timeout in the median, {:.2} at least", used[0]);
    assert!(median >= 0.7, "{used:?}");
}

#[test]
fn a_database_that_falls_silent_holds_no_run_beyond_its_time() {
    for kind in [Kind::MariaDb, Kind::Postgres] {
        let mut job = Job::new(kind);
        shop::load(&job.database, Size { orders: 6000, closed: 3000, items: 1, discounts: 0 });
        job.define(&shop::migration("settle = \"0s\"\nmax_batch = 20\nlease = \"1s\""));
        let (slow, url) = Slow::before(job.database.url(), Duration::from_millis(5));
        job.set("SHOP_DATABASE_URL", &url);
        let emulator = job.lambda(TIMEOUT_S, 1024);
        // Once batches are under way, nothing comes through any more for longer than a run. On a busy machine a run may be over
        // before that: it is the next one then.
        let silenced = || {
            let (before, over) = (slow.flights(), AtomicBool::new(false));
            std::thread::scope(|scope| {
                let silence = scope.spawn(|| {
                    while slow.flights() < before + 200 && !over.load(Ordering::SeqCst) {
                        std::thread::sleep(Duration::from_millis(1));
                    }
                    let came = !over.load(Ordering::SeqCst);
                    if came {
                        slow.set_delay(Duration::from_secs(20));
                    }
                    came
                });
                let invoked = emulator.invoke(&job.event());
                over.store(true, Ordering::SeqCst);
                silence.join().expect("no panic").then_some(invoked)
            })
        };
        let invoked = (0..10).find_map(|_| silenced()).expect("no run got as far as the silence");
        assert!(!invoked.timed_out(), "{kind:?}: {}", emulator.log());
        let reply = invoked.reply();
        assert_eq!(reply["outcome"], "more", "{kind:?}: {reply}");
        assert!(reply["moved"].as_u64() > Some(0), "{kind:?}: it was silent from the start: {reply}");
        // Back again: the next runs go on, and nothing is lost or counted twice.
        slow.set_delay(Duration::ZERO);
        slow.drop_connections();
        job.run_to_the_end();
        job.source = Some(shop::closed(&job.database));
        job.assert_complete();
    }
}

#[test]
fn one_matching_row_in_many_is_found_in_short_runs() {
    let rows = if full() { 10_000_000 } else { 200_000 };
    for kind in [Kind::MariaDb, Kind::Postgres] {
        let mut job = Job::new(kind);
        let numbers = if kind == Kind::MariaDb {
            format!("SELECT seq, IF(seq = {rows} / 4 * 3, 'closed', 'open') FROM seq_1_to_{rows}")
        } else {
            format!(
                "SELECT n, CASE WHEN n = {rows} / 4 * 3 THEN 'closed' ELSE 'open' END FROM generate_series(1, {rows}) AS n"
            )
        };
        job.database.execute("CREATE TABLE orders (id BIGINT PRIMARY KEY, status VARCHAR(20) NOT NULL)");
        job.database.execute(&format!("INSERT INTO orders {numbers}"));
        job.define(
            r#"
            name = "sparse"
            kind = "rows"
            source = { database = "$SHOP_DATABASE_URL", table = "orders", key = ["id"], where = "status = 'closed'" }
            limits = { settle = "0s" }
            [target]
            database = "$SHOP_DATABASE_URL"
            table = "order_history"
            key = ["order_id"]
            create = true
            columns = { order_id = "id", document = "$document" }
            "#,
        );
        let emulator = job.lambda(TIMEOUT_S, 1024);
        let mut runs = 0;
        loop {
            runs += 1;
            let invoked = emulator.invoke(&job.event());
            assert!(!invoked.timed_out(), "run {runs}: {}", emulator.log());
            let reply = invoked.reply();
            if reply["outcome"] == "complete" {
                assert_eq!(reply["progress"]["moved"], 1, "{reply}");
                break;
            }
            assert_eq!(reply["outcome"], "more", "run {runs}: {reply}");
            assert!(runs < 200, "no end: {reply}");
        }
        println!("{kind:?}: 1 of {rows} found in {runs} runs");
        assert_eq!(job.database.number("SELECT order_id FROM order_history"), rows / 4 * 3);
    }
}
