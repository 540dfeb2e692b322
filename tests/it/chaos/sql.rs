//! Whole jobs over a connection that breaks: before a statement, after it, before a COMMIT arrives, and after the server has
//! acknowledged one but before the client hears of it; and over sessions that an administrator ends.

use super::{report, seed, soaking};
use crate::support::database::Database;
use crate::support::job::Job;
use crate::support::servers::Kind;
use crate::support::severed::Severed;
use crate::support::shop::Size;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

const SHOP: Size = Size { orders: 1200, closed: 600, items: 2, discounts: 1 };
const LIMITS: &str = "settle = \"0s\"\nlease = \"2s\"\nmax_batch = 15\nmax_attempts = 1000";

#[test]
fn a_connection_that_breaks_costs_nothing_on_mariadb() {
    over_broken_connections(Kind::MariaDb);
}

#[test]
fn a_connection_that_breaks_costs_nothing_on_postgres() {
    over_broken_connections(Kind::Postgres);
}

fn over_broken_connections(kind: Kind) {
    let (seed, _) = seed();
    println!("{kind:?}: MILKRUN_SEED={seed}");
    let (mut faults, mut unanswered) = (0, 0);
    for round in 0..if soaking() { 6 } else { 1 } {
        let mut job = Job::shop(kind, SHOP, LIMITS);
        let direct = job.database.url().to_owned();
        let (severed, url) = Severed::before(&direct, seed.wrapping_add(round), 15, 25);
        job.set("SHOP_DATABASE_URL", &url);
        let watch = Database::connect(&direct);
        let (over, ended) = (AtomicBool::new(false), AtomicU64::new(0));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::SeqCst) {
                    std::thread::sleep(Duration::from_millis(170));
                    ended.fetch_add(end_sessions(&watch), Ordering::SeqCst);
                }
            });
            let complete = (0..100).any(|_| {
                let finished = job.run_once("4s");
                assert!(matches!(finished.code, Some(0 | 1)), "MILKRUN_SEED={seed}: {finished:?}");
                let reply = finished.reply();
                let known = finished.code != Some(1) || reply["errorType"] == "Database";
                assert!(known, "MILKRUN_SEED={seed}: {finished:?}");
                reply["outcome"] == "complete"
            });
            over.store(true, Ordering::SeqCst);
            assert!(complete, "MILKRUN_SEED={seed}: no end in 100 runs: {}", job.status());
        });
        job.set("SHOP_DATABASE_URL", &direct);
        job.assert_complete();
        let (cut, ended) = (severed.count(), ended.load(Ordering::SeqCst));
        println!("{kind:?}: {cut:?}, {ended} sessions ended");
        faults += cut.before + cut.after + cut.commits_lost + cut.commits_unanswered + ended;
        unanswered += cut.commits_unanswered;
        assert!(cut.commits_lost + cut.commits_unanswered > 0, "{cut:?}: no commit was cut");
    }
    assert!(faults >= 10 && unanswered > 0, "{faults} faults, {unanswered} commits unanswered: too few");
    report("sql", &[("faults", faults), ("unanswered", unanswered)]);
}

/// Ends every other session of this database, as an administrator would; how many there were.
fn end_sessions(watch: &Database) -> u64 {
    if !watch.is_mariadb() {
        let ended = watch.number(
            "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'",
        );
        return u64::try_from(ended).unwrap();
    }
    let busy = watch.rows(
        "SELECT id FROM information_schema.processlist
         WHERE db = DATABASE() AND id <> CONNECTION_ID() AND command <> 'Sleep'",
    );
    let ids = busy.iter().filter_map(|row| row[0].as_deref());
    // One that is over by itself cannot be ended any more.
    u64::try_from(ids.filter(|id| watch.try_execute(&format!("KILL {id}"))).count()).unwrap()
}
