//! Every failpoint × {abort, panic, overrun} on the real command line and on the real `bootstrap` under the Lambda emulator:
//! afterwards another run completes the job, and it is exact.

use crate::chaos::report;
use crate::purged::Purge;
use crate::support::job::Job;
use crate::support::refusing::{closed, cure, letters, refuse, spoil};
use crate::support::servers::Kind;
use crate::support::shop::Size;
use milkrun::engine::failpoint::{ALL, Point};
use serde_json::json;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const SHOP: Size = Size { orders: 120, closed: 60, items: 2, discounts: 1 };
const LIMITS: &str = "settle = \"0s\"\nlease = \"1s\"\nmax_batch = 25\nmax_attempts = 1000";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    /// From SQLite, with the ledger in a file.
    CommandLine,
    /// On PostgreSQL, with the ledger in DynamoDB Local.
    Lambda,
}

const ORDERS: [&str; 3] = ["abort", "panic", "overrun 4500"];

#[test]
fn every_failpoint_in_the_code_is_exercised_and_costs_nothing_on_the_command_line() {
    exercise_all(Victim::CommandLine);
}

#[test]
fn every_failpoint_in_the_code_is_exercised_and_costs_nothing_in_the_function() {
    exercise_all(Victim::Lambda);
}

fn exercise_all(victim: Victim) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(case) = Some(next.fetch_add(1, Ordering::SeqCst)).filter(|&it| it < ALL.len() * 3) {
                    exercise(victim, ALL[case / 3], ORDERS[case % 3]);
                }
            });
        }
    });
    report("failpoints", &[("faults", (ALL.len() * ORDERS.len()) as u64), ("points", ALL.len() as u64)]);
}

fn job(victim: Victim) -> Job {
    let mut job = match victim {
        Victim::CommandLine => Job::shop(Kind::Sqlite, SHOP, LIMITS),
        Victim::Lambda => Job::new(Kind::Postgres).with_shop(SHOP, LIMITS),
    };
    job.set("MILKRUN_LEASE_MARGIN", "0s");
    job
}

fn exercise(victim: Victim, point: Point, order: &str) {
    if point == Point::TargetCommitted {
        between_two_commits(victim, order);
        return;
    }
    let mut job = job(victim);
    // Dead letters: one is made on the way, or was made before and is moved on the way.
    let recording = matches!(point, Point::LettersMarked | Point::LettersRecorded);
    let retrying = matches!(point, Point::LettersCounted | Point::LettersDeleted);
    let mut bad = Vec::new();
    if recording || retrying {
        refuse(&job);
        bad = closed(&job, &[30, 31, 47]);
        spoil(&job, &bad);
    }
    if retrying {
        to_the_end(&job, &bad);
        cure(&job, &bad);
        assert_eq!(job.reply(&["retry", &job.name])["retried"], 3);
        bad.clear();
    }
    // In the middle of the job, where a place is passed more than once.
    let often =
        matches!(point, Point::EffectsBegun | Point::EffectsCommitted | Point::BeforeCommit | Point::AfterCommit);
    let first = if often { "1*off->" } else { "" };
    break_it(&mut job, victim, point, order, first);
    if recording {
        to_the_end(&job, &bad);
        cure(&job, &bad);
        assert_eq!(job.reply(&["retry", &job.name])["retried"], 3, "{point:?} {order}");
    }
    job.run_to_the_end();
    job.assert_complete();
    assert_eq!(letters(&job), [], "{point:?} {order}");
}

/// In a purge into another database.
fn between_two_commits(victim: Victim, order: &str) {
    let mut purge = match victim {
        Victim::CommandLine => {
            let mut purge = Purge::between((Kind::MariaDb, false), Kind::Postgres, SHOP, LIMITS);
            purge.job.set("MILKRUN_LEDGER", "sqlite://ledger.db");
            purge
        }
        Victim::Lambda => Purge::between((Kind::Postgres, true), Kind::MariaDb, SHOP, LIMITS),
    };
    break_it(&mut purge.job, victim, Point::TargetCommitted, order, "1*off->");
    purge.job.run_to_the_end();
    purge.assert_done(0);
}

fn break_it(job: &mut Job, victim: Victim, point: Point, order: &str, first: &str) {
    job.set("FAILPOINTS", &format!("{point:?}={first}1*return({order})"));
    match victim {
        Victim::CommandLine => break_the_command_line(job, point, order),
        Victim::Lambda => break_the_function(job, point, order),
    }
    job.set("FAILPOINTS", "");
}

/// Runs until everything but the bad ones has arrived, and these are dead letters, once each.
fn to_the_end(job: &Job, bad: &[i64]) {
    let finished = job.call(&["run", &job.name, "--until-done"]).expect(3);
    let last = finished.reply();
    let counted = ["moved", "skipped", "conflicts", "failed"].map(|name| last["progress"][name].as_u64().unwrap());
    let failed = bad.len() as u64;
    assert_eq!((&last["outcome"], counted), (&json!("complete"), [60 - failed, 0, 0, failed]), "{finished:?}");
    assert_eq!(letters(job).iter().map(|letter| letter.0).collect::<Vec<_>>(), bad);
}

fn break_the_command_line(job: &Job, point: Point, order: &str) {
    let started = Instant::now();
    let victim = job.run_once("3s");
    match order {
        "abort" => assert_eq!(victim.code, None, "{point:?} {order}: {victim:?}"),
        "panic" => {
            assert_eq!(victim.code, Some(1), "{point:?} {order}: {victim:?}");
            assert!(victim.stderr.contains(&format!("ordered at {point:?}")), "{victim:?}");
        }
        // It may have been abandoned within the batch, which has its own time.
        _ => assert!(started.elapsed().as_millis() > 1500, "{point:?} {order}: {victim:?}"),
    }
}

fn break_the_function(job: &Job, point: Point, order: &str) {
    let emulator = job.lambda(3, 1024);
    let victim = emulator.invoke(&job.event());
    match order {
        "abort" => {
            let ended = victim.reply_if_any().is_none() && !victim.timed_out();
            assert!(ended, "{point:?} {order}: {victim:?}\n{}", emulator.log());
        }
        "panic" => {
            // A bug of ours, which is told as one, and without its text.
            let told = victim.body.contains(r#""errorType":"Internal""#) && !victim.body.contains("ordered at");
            assert!(told, "{point:?} {order}: {victim:?}\n{}", emulator.log());
            assert!(!emulator.log().contains("ordered at"), "{}", emulator.log());
            // The process lives on, and takes the next invocation.
            std::thread::sleep(Duration::from_millis(1100));
            let process = emulator.bootstrap_pid();
            let next = emulator.invoke(&job.event()).reply();
            let goes_on = ["more", "complete", "idle"].iter().any(|outcome| next["outcome"] == *outcome);
            assert!(goes_on, "{point:?} {order}: {next}");
            assert!(process.is_some() && emulator.bootstrap_pid() == process, "{}", emulator.log());
        }
        // It has ended by itself, or was ended at its timeout.
        _ => assert!(victim.took.as_millis() > 1500, "{point:?} {order}: {victim:?}"),
    }
}

#[test]
fn every_failpoint_stands_in_the_code_once_or_more_and_no_other() {
    let mut found = reached(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let mut exercised: Vec<String> = ALL.iter().map(|point| format!("{point:?}")).collect();
    found.sort();
    found.dedup();
    exercised.sort();
    assert_eq!(found, exercised);
}

/// The names of the points that the code in a folder comes to.
fn reached(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(reached(&path));
        } else {
            let text = fs::read_to_string(path).unwrap();
            found.extend(text.split("reach(Point::").skip(1).map(|rest| rest.split(')').next().unwrap().to_owned()));
        }
    }
    found
}
