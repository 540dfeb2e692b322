//! Every failpoint × {abort, panic, overrun} on the real command line: afterwards another run completes the job, and it is exact.

use crate::chaos::report;
use crate::support::job::Job;
use crate::support::servers::Kind;
use crate::support::shop::Size;
use milkrun::engine::failpoint::{ALL, Point};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

const SHOP: Size = Size { orders: 120, closed: 60, items: 2, discounts: 1 };
const LIMITS: &str = "settle = \"0s\"\nlease = \"1s\"\nmax_batch = 25\nmax_attempts = 1000";

fn job() -> Job {
    let mut job = Job::shop(Kind::Sqlite, SHOP, LIMITS);
    job.set("MILKRUN_LEASE_MARGIN", "0s");
    job
}

const ORDERS: [&str; 3] = ["abort", "panic", "overrun 4500"];

#[test]
fn every_failpoint_in_the_code_is_exercised_and_costs_nothing() {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(case) = Some(next.fetch_add(1, Ordering::SeqCst)).filter(|&it| it < ALL.len() * 3) {
                    exercise(ALL[case / 3], ORDERS[case % 3]);
                }
            });
        }
    });
    report("failpoints", &[("faults", (ALL.len() * ORDERS.len()) as u64), ("points", ALL.len() as u64)]);
}

fn exercise(point: Point, order: &str) {
    let mut job = job();
    // In the middle of the job, where a place is passed more than once.
    let often =
        matches!(point, Point::EffectsBegun | Point::EffectsCommitted | Point::BeforeCommit | Point::AfterCommit);
    let first = if often { "1*off->" } else { "" };
    job.set("FAILPOINTS", &format!("{point:?}={first}1*return({order})"));
    let started = Instant::now();
    let victim = job.run_once("3s");
    match order {
        "abort" => assert_eq!(victim.code, None, "{point:?} {order}: {victim:?}"),
        "panic" => {
            assert_eq!(victim.code, Some(101), "{point:?} {order}: {victim:?}");
            assert!(victim.stderr.contains(&format!("ordered at {point:?}")), "{victim:?}");
        }
        // It may have been abandoned within the batch, which has its own time.
        _ => assert!(started.elapsed().as_millis() > 1500, "{point:?} {order}: {victim:?}"),
    }
    job.set("FAILPOINTS", "");
    job.run_to_the_end();
    job.assert_complete();
}

#[test]
fn every_failpoint_stands_in_the_code_once_or_more_and_no_other() {
    let engine = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/engine");
    let files = fs::read_dir(engine).unwrap().map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
    let mut found: Vec<String> = files
        .flat_map(|text| {
            let points = text.split("reach(Point::").skip(1);
            points.map(|rest| rest.split(')').next().unwrap().to_owned()).collect::<Vec<_>>()
        })
        .collect();
    let mut exercised: Vec<String> = ALL.iter().map(|point| format!("{point:?}")).collect();
    found.sort();
    found.dedup();
    exercised.sort();
    assert_eq!(found, exercised);
}
