//! Overlap: five processes at once on one migration, with a lease that anyone may take over at any time. Only fencing is left to
//! keep them apart, and it has to be seen at work.

use crate::support::job::{Job, full};
use crate::support::servers::Kind;
use crate::support::shop::{self, Size};
use crate::support::slow::Slow;
use serde_json::Value;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

const LIMITS: &str = "settle = \"0s\"\nlease = \"1s\"\nmax_batch = 10";

/// The same in four shards, of which each run takes two at a time.
const SHARDED: &str = "settle = \"0s\"\nlease = \"1s\"\nmax_batch = 10\nshards = 4\nlanes = 2";

#[test]
fn five_at_once_on_mariadb() {
    five_at_once(Kind::MariaDb, LIMITS);
}

#[test]
fn five_at_once_on_postgres() {
    five_at_once(Kind::Postgres, LIMITS);
}

#[test]
fn five_at_once_on_four_shards() {
    five_at_once(Kind::Postgres, SHARDED);
}

#[derive(Debug, Default)]
struct Seen {
    runs: AtomicU32,
    /// Runs that ended fenced: by a refused commit, or by a pass that somebody else had opened or closed.
    fenced: AtomicU32,
    /// Refused commits, by their own line in the log.
    refused: AtomicU32,
    complete: AtomicU32,
}

impl Seen {
    fn note(&self, reply: &Value) {
        self.runs.fetch_add(1, Ordering::Relaxed);
        match reply["outcome"].as_str().unwrap_or_default() {
            "fenced" => self.fenced.fetch_add(1, Ordering::Relaxed),
            "complete" => self.complete.fetch_add(1, Ordering::Relaxed),
            "more" | "busy" => 0,
            _ => panic!("{reply}"),
        };
    }
}

/// The line of a refused commit, and of nothing else.
const REFUSED: &str = "commit refused: somebody has taken over";

fn refused(log: &str) -> u32 {
    u32::try_from(log.matches(REFUSED).count()).unwrap()
}

/// The shop that they all work on; the same each time.
fn job(kind: Kind, orders: i64, limits: &str) -> Job {
    let mut job = Job::new(kind);
    shop::load(&job.database, Size { orders, closed: orders / 2, items: 2, discounts: 1 });
    job.source = Some(shop::closed(&job.database));
    job.define(&shop::migration(limits));
    job
}

fn five_at_once(kind: Kind, limits: &str) {
    let (span, orders) = if full() { (60, 12_000) } else { (15, 3_000) };
    let undisturbed = job(kind, orders, LIMITS);
    undisturbed.run_to_the_end();
    undisturbed.assert_complete();
    let mut job = job(kind, orders, limits);
    let direct = job.database.url().to_owned();
    let (_slow, url) = Slow::before(&direct, Duration::from_millis(10));
    job.set("SHOP_DATABASE_URL", &url);
    job.set("MILKRUN_LEASE_MARGIN", "-5s");

    let seen = Seen::default();
    let end = Instant::now() + Duration::from_secs(span);
    std::thread::scope(|scope| {
        let (job, seen) = (&job, &seen);
        for _ in 0..2 {
            scope.spawn(move || {
                let emulator = job.lambda(2, 1024);
                while Instant::now() < end {
                    let invoked = emulator.invoke(&job.event());
                    assert!(!invoked.timed_out(), "{}", emulator.log());
                    seen.note(&invoked.reply());
                }
                seen.refused.fetch_add(refused(&emulator.log()), Ordering::Relaxed);
            });
        }
        for _ in 0..3 {
            scope.spawn(move || {
                while Instant::now() < end {
                    let finished = job.run_once("2s");
                    assert!(matches!(finished.code, Some(0 | 4)), "{finished:?}");
                    seen.note(&finished.reply());
                    seen.refused.fetch_add(refused(&finished.stderr), Ordering::Relaxed);
                }
            });
        }
    });
    println!("{kind:?}: {seen:?} in {span} s");
    let refused = seen.refused.load(Ordering::Relaxed);
    assert!(refused >= 20, "{seen:?}: too few refused commits for this to mean anything");

    job.set("SHOP_DATABASE_URL", &direct);
    job.set("MILKRUN_LEASE_MARGIN", "0s");
    job.define(&shop::migration("settle = \"0s\""));
    job.run_to_the_end();
    job.assert_complete();
    assert!(
        job.fingerprint("status") == undisturbed.fingerprint("status"),
        "the history differs from that of an undisturbed run"
    );
}
