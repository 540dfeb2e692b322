//! Items per second, as real processes keep to them: one run alone, several at once, and where few rows match.

use crate::support::job::{Job, full};
use crate::support::servers::Kind;
use crate::support::shop::Size;
use serde_json::json;
use std::time::{Duration, Instant};

/// A shop of bare orders.
fn shop(orders: i64, closed: i64) -> Size {
    Size { orders, closed, items: 0, discounts: 0 }
}

/// Moved in a second by `runs` at once, from the first commit that can be seen to the last one before `time` is over.
fn observed(job: &Job, runs: usize, time: Duration) -> f64 {
    let seconds = format!("{}s", time.as_secs() + 5);
    let arguments = ["--json", "run", &job.name, "--until-done", "--time-limit", &seconds];
    let mut running: Vec<_> = (0..runs).map(|_| job.cli().spawn(&arguments)).collect();
    let (mut there, mut seen, mut first, mut last) = (false, 0, None, None);
    let patience = Instant::now() + Duration::from_mins(1) + time;
    while first.is_none_or(|(at, _): (Instant, i64)| at.elapsed() < time) && Instant::now() < patience {
        std::thread::sleep(Duration::from_millis(15));
        // The table is made by the first run.
        there = there || job.database.try_execute("SELECT COUNT(*) FROM order_history");
        let count = if there { job.database.number("SELECT COUNT(*) FROM order_history") } else { 0 };
        if count != seen {
            seen = count;
            last = Some((Instant::now(), count));
            first = first.or(last);
        }
    }
    for run in &mut running {
        run.signal("TERM");
    }
    for run in running {
        let finished = run.wait();
        assert!(matches!(finished.code, Some(0 | 4 | 143)), "{finished:?}");
    }
    let ((from, before), (to, after)) = first.zip(last).expect("something was moved");
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let moved = (after - before) as f64;
    moved / (to - from).as_secs_f64()
}

/// Within 2 % over a minute; a shorter time is judged less strictly, for the machine's own hiccups weigh more in it.
fn fifty_a_second(kind: Kind, runs: usize) {
    let (time, off) = if full() { (Duration::from_mins(1), 0.02) } else { (Duration::from_secs(8), 0.10) };
    let orders = i64::try_from(time.as_secs()).unwrap() * 75;
    let job = Job::shop(kind, shop(orders, orders), &format!("items_per_second = 50\nshards = {runs}"));
    let rate = observed(&job, runs, time);
    println!("{kind:?}, {runs} at once: {rate:.2} items/s");
    assert!((rate / 50.0 - 1.0).abs() <= off, "{rate}");
}

#[test]
fn one_run_keeps_to_fifty_a_second() {
    fifty_a_second(Kind::MariaDb, 1);
}

#[test]
fn three_runs_at_once_keep_to_fifty_a_second_together() {
    fifty_a_second(Kind::Postgres, 3);
}

#[test]
fn rows_that_do_not_match_cost_nothing_of_the_rate() {
    let job = Job::shop(Kind::Sqlite, shop(6000, 80), "items_per_second = 20\nsettle = \"0s\"");
    let rate = observed(&job, 1, Duration::from_secs(3));
    assert!((10.0..24.0).contains(&rate), "one key in seventy-five is an item: {rate} items/s");
    job.run_to_the_end();
    job.assert_complete();
}

#[test]
fn a_run_says_that_the_rate_ended_it_and_a_new_limit_counts_from_the_next_one() {
    let mut job = Job::shop(Kind::Sqlite, shop(60, 60), "items_per_second = 1");
    // A run is at work half a second after it began. Its last slot then lies half a second before its end, and the next as far beyond.
    let reply = job.run_once("4500ms").expect(0).reply();
    assert_eq!((&reply["outcome"], &reply["stopped_by"]), (&json!("more"), &json!("rate")), "{reply}");
    assert_eq!(reply["shards"][0]["batch"], json!({"size": 1, "bound_by": "rate"}), "{reply}");
    let moved = reply["moved"].as_u64().unwrap();
    assert!((1..=5).contains(&moved), "{reply}");

    job.define(&crate::support::shop::migration("items_per_second = 100000\nsettle = \"0s\""));
    job.run_to_the_end();
    job.assert_complete();
}

/// An item that is worth minutes is waited for: nobody is asked in vain all the while.
#[test]
fn what_plays_the_schedule_waits_while_a_rate_is_in_debt() {
    let job = Job::shop(Kind::Sqlite, shop(60, 60), "bytes_per_second = \"1 KB\"");
    job.database.execute("UPDATE orders SET remark = hex(zeroblob(100000)) WHERE id = (SELECT MIN(id) FROM orders)");
    let mut running = job.cli().spawn(&["--json", "run", &job.name, "--until-done", "--time-limit", "2s"]);
    std::thread::sleep(Duration::from_secs(8));
    running.signal("TERM");
    let replies = running.wait().expect(143).replies();
    let first = replies.iter().position(|reply| reply["batches"] == 0).expect("a run in debt");
    assert!(replies[..first].iter().any(|reply| reply["bytes"].as_u64() > Some(100_000)), "{replies:?}");
    let in_vain = &replies[first..];
    assert!(in_vain.iter().all(|reply| reply["batches"] == 0), "{in_vain:?}");
    assert!((2..=20).contains(&in_vain.len()), "{} in eight seconds", in_vain.len());
}

/// Bytes are known when they are written; what was too much is waited for.
#[test]
fn bytes_are_counted_too() {
    let job = Job::shop(Kind::Sqlite, shop(400, 400), "bytes_per_second = \"8 KB\"");
    let reply = job.run_once("6s").expect(0).reply();
    assert_eq!(reply["stopped_by"], "rate", "{reply}");
    let bytes = reply["bytes"].as_u64().unwrap();
    assert!((3 * 8192..=9 * 8192).contains(&bytes), "{reply}");
}
