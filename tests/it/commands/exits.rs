//! The exit status, row by row, and signals.

use super::{LONG, ONE_BY_ONE, SMALL, replies::assert_run};
use crate::support::cli::Running;
use crate::support::file_server::FileServer;
use crate::support::job::Job;
use crate::support::servers::Kind;
use serde_json::json;
use std::time::{Duration, Instant};

/// Waits until the run has moved something; it has most of its way before it.
pub(super) fn under_way(job: &Job, running: &mut Running) {
    let since = Instant::now();
    while job.status()["progress"]["moved"].as_u64().unwrap() < 3 {
        assert!(running.is_running() && since.elapsed() < Duration::from_secs(20), "it ended, or never began");
    }
    assert!(running.is_running());
}

#[test]
fn a_signal_stops_at_the_next_batch_and_releases_the_lease() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let job = Job::shop(Kind::Sqlite, LONG, ONE_BY_ONE);
        let mut running = job.cli().spawn(&["--json", "run", &job.name, "--until-done"]);
        under_way(&job, &mut running);
        let held = &job.status()["leases"][0];
        assert_eq!((&held["shard"], held["owner"].is_string()), (&json!("0000"), true), "{held}");
        let asked = Instant::now();
        assert!(running.signal(signal));
        let reply = running.wait().expect(code).reply();
        assert!(asked.elapsed() < Duration::from_secs(3));
        assert_run(&reply);
        assert_eq!((&reply["outcome"], &reply["stopped_by"]), (&json!("more"), &json!("signal")));
        assert_eq!(job.status()["leases"], json!([]));
        // Nothing was lost, and the next run need not wait.
        let next = job.reply(&["run", &job.name, "--max-items", "5"]);
        assert_eq!((&next["outcome"], &next["moved"]), (&json!("more"), &json!(5)));
        let moved = reply["moved"].as_u64().unwrap() + 5;
        assert_eq!(job.database.number("SELECT COUNT(*) FROM order_history"), i64::try_from(moved).unwrap());
        assert_eq!(next["progress"]["moved"], moved);
    }
}

#[test]
fn a_signal_ends_the_wait_for_settle() {
    let job = Job::shop(Kind::Sqlite, SMALL, "settle = \"1h\"");
    let running = &mut job.cli().spawn(&["--json", "run", &job.name, "--until-done"]);
    let since = Instant::now();
    while job.status()["state"] != "sweeping" {
        assert!(since.elapsed() < Duration::from_secs(20));
    }
    let asked = Instant::now();
    assert!(running.signal("TERM"));
    while running.is_running() {
        assert!(asked.elapsed() < Duration::from_secs(3), "it waits on");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_signal_ends_the_wait_for_a_database_that_says_nothing() {
    let silent = FileServer::start(|_, _| Ok(true));
    let mut job = Job::shop(Kind::Sqlite, SMALL, "");
    job.set("SHOP_DATABASE_URL", &format!("mysql://shop@{}/shop", silent.address));
    let mut running = job.cli().spawn(&["--json", "run", &job.name, "--time-limit", "5m"]);
    while silent.connections() == 0 {
        assert!(running.is_running(), "{:?}", running.wait());
        std::thread::sleep(Duration::from_millis(10));
    }
    let asked = Instant::now();
    assert!(running.signal("TERM"));
    while running.is_running() {
        assert!(asked.elapsed() < Duration::from_secs(10), "it waits on");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(running.wait().expect(143).reply()["errorType"], "Database");
}

#[test]
fn busy_while_somebody_else_holds_the_lease() {
    let job = Job::shop(Kind::Sqlite, LONG, ONE_BY_ONE);
    let mut running = job.cli().spawn(&["--json", "run", &job.name]);
    under_way(&job, &mut running);
    for arguments in [&["run", "orders-history"][..], &["run"]] {
        let busy = job.call(arguments).expect(4).reply();
        assert_run(&busy);
        assert_eq!(busy["outcome"], "busy");
        assert!(busy["until"].is_string(), "{busy}");
        if arguments.len() == 2 {
            assert!(busy["progress"]["moved"].as_u64().unwrap() > 0, "{busy}");
        }
    }
    running.signal("KILL");
    running.wait();
}

#[test]
fn every_row_of_the_table() {
    let mut job = Job::shop(Kind::Sqlite, SMALL, "settle = \"0s\"");
    let name = job.name.clone();
    // 2: arguments, events, files. 1: no database.
    job.call(&["rn"]).expect(2);
    job.call(&["run", "--max-items", "0"]).expect(2);
    job.call(&["run", "nobody"]).expect(2);
    let url = job.database.url().to_owned();
    job.set("SHOP_DATABASE_URL", "mysql://shop@127.0.0.1:1/shop");
    assert_eq!(job.call(&["run", &name, "--time-limit", "1s"]).expect(1).reply()["errorType"], "Database");
    job.set("SHOP_DATABASE_URL", &url);
    // 0: done in part, in whole, and nothing to do. 3: mismatches, conflicts. 4: paused, also with conflicts.
    job.call(&["run", &name, "--max-items", "1"]).expect(0);
    job.call(&["run", &name]).expect(0);
    job.call(&["run"]).expect(0);
    job.call(&["verify", &name]).expect(0);
    job.call(&["plan", &name]).expect(0);
    job.database
        .execute("UPDATE order_history SET document = '{}' WHERE order_id = (SELECT MIN(order_id) FROM order_history)");
    job.call(&["verify", &name]).expect(3);
    job.call(&["reset", &name, "--confirm", &name]).expect(0);
    let conflict = job.call(&["run", &name]).expect(3).reply();
    assert_eq!((&conflict["skipped"], &conflict["conflicts"]), (&json!(29), &json!(1)), "{conflict}");
    job.call(&["pause", &name]).expect(0);
    job.call(&["run", &name]).expect(4);
    job.call(&["verify", &name]).expect(4);
    job.call(&["status", &name]).expect(0);
    job.call(&["failed", &name]).expect(0);
    // Also a bare run that goes on to other things does not forget the conflict that it met.
    job.call(&["reset", &name, "--confirm", &name]).expect(0);
    let replies = job.call(&["run", "--until-done"]).expect(3).replies();
    assert_eq!(replies.last().unwrap()["outcome"], "idle");
}

#[test]
fn until_done_waits_out_settle() {
    let job = Job::shop(Kind::Sqlite, SMALL, "settle = \"2s\"");
    let since = Instant::now();
    let replies = job.cli().run(&["--json", "run", &job.name, "--until-done", "--max-items", "11"]).expect(0).replies();
    assert!(since.elapsed() >= Duration::from_secs(2));
    for reply in &replies {
        assert_run(reply);
        assert!(reply["moved"].as_u64().unwrap() <= 11, "{reply}");
    }
    let moved: u64 = replies.iter().map(|reply| reply["moved"].as_u64().unwrap()).sum();
    assert_eq!((moved, &replies.last().unwrap()["outcome"]), (30, &json!("complete")));
    // While it waits, `until` says when; a single run says so too, and does not wait.
    let waits: Vec<_> = replies.iter().filter(|reply| reply["until"].is_string()).collect();
    assert!((1..=3).contains(&waits.len()) && waits.iter().all(|reply| reply["outcome"] == "more"), "{replies:?}");
    job.assert_complete();
}

#[test]
fn max_items_never_overshoots() {
    for most in [1, 4, 13] {
        let job = Job::shop(Kind::Sqlite, SMALL, "settle = \"0s\"");
        let mut moved = 0;
        for run in 1.. {
            let reply = job.reply(&["run", &job.name, "--max-items", &most.to_string()]);
            let now = reply["moved"].as_i64().unwrap();
            assert!(now <= most, "{reply}");
            moved += now;
            assert_eq!(job.database.number("SELECT COUNT(*) FROM order_history"), moved);
            if reply["outcome"] == "complete" {
                break;
            }
            assert!(now == most || moved == 30, "it stopped too early: {reply}");
            assert!(run < 40);
        }
        assert_eq!(moved, 30);
    }
}

#[test]
fn a_memory_limit_below_the_process_keeps_verify_from_no_end() {
    let job = Job::shop(Kind::Sqlite, SMALL, "settle = \"0s\"\nmax_batch = 25");
    job.run_to_the_end();
    let mut running = job.cli().spawn(&["--json", "verify", &job.name, "--memory-limit", "1MB"]);
    let since = Instant::now();
    while running.is_running() {
        assert!(since.elapsed() < Duration::from_secs(20), "no end");
        std::thread::sleep(Duration::from_millis(20));
    }
    let replies = running.wait().expect(0).replies();
    assert!(replies.len() > 1, "one batch a call: {replies:?}");
    let last = replies.last().unwrap();
    assert_eq!((&last["outcome"], &last["equal"]), (&json!("complete"), &json!(30)), "{last}");
}
