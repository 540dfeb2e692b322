//! Whole jobs over connections that break: before a statement, after it, before a COMMIT arrives, and after the server has
//! acknowledged one but before the client hears of it; and over sessions that an administrator ends. Within a database and between
//! two, and where what was moved is deleted.

use super::{report, seed, soaking};
use crate::purged::Purge;
use crate::support::database::Database;
use crate::support::job::Job;
use crate::support::servers::Kind;
use crate::support::severed::{Count, Severed};
use crate::support::shop::Size;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

const SHOP: Size = Size { orders: 1200, closed: 600, items: 2, discounts: 1 };
/// For what takes more statements a batch.
const SMALLER: Size = Size { orders: 600, closed: 300, items: 2, discounts: 1 };
const LIMITS: &str = "settle = \"0s\"\nlease = \"2s\"\nmax_batch = 15\nmax_attempts = 1000";

#[test]
fn a_connection_that_breaks_costs_nothing_on_mariadb() {
    over_broken_connections(Case::Within(Kind::MariaDb));
}

#[test]
fn a_connection_that_breaks_costs_nothing_on_postgres() {
    over_broken_connections(Case::Within(Kind::Postgres));
}

#[test]
fn a_connection_that_breaks_costs_nothing_from_mariadb_to_postgres() {
    over_broken_connections(Case::Between(Kind::MariaDb, Kind::Postgres));
}

#[test]
fn a_connection_that_breaks_costs_nothing_from_postgres_to_mariadb() {
    over_broken_connections(Case::Between(Kind::Postgres, Kind::MariaDb));
}

#[test]
fn a_connection_that_breaks_costs_nothing_where_rows_are_deleted_on_mariadb() {
    over_broken_connections(Case::Purge(Kind::MariaDb, false));
}

#[test]
fn a_connection_that_breaks_costs_nothing_where_rows_are_deleted_on_postgres() {
    over_broken_connections(Case::Purge(Kind::Postgres, true));
}

#[test]
fn a_connection_that_breaks_costs_nothing_where_rows_are_deleted_from_mariadb_to_postgres() {
    over_broken_connections(Case::PurgeBetween(Kind::MariaDb, Kind::Postgres));
}

#[derive(Clone, Copy, Debug)]
enum Case {
    Within(Kind),
    Between(Kind, Kind),
    /// With `after = "delete"`, and whether there are foreign keys.
    Purge(Kind, bool),
    /// The same into another database, with foreign keys.
    PurgeBetween(Kind, Kind),
}

impl Case {
    fn work(self) -> Work {
        match self {
            Self::Within(kind) => Work::Keep(Job::shop(kind, SHOP, LIMITS)),
            Self::Between(source, target) => {
                let mut job = Job::between(source, target, SMALLER, LIMITS);
                job.set("MILKRUN_LEDGER", "sqlite://ledger.db");
                Work::Keep(job)
            }
            Self::Purge(kind, keys) => Work::Purge(Purge::new((kind, keys), SMALLER, LIMITS)),
            Self::PurgeBetween(source, target) => {
                let mut purge = Purge::between((source, true), target, SMALLER, LIMITS);
                purge.job.set("MILKRUN_LEDGER", "sqlite://ledger.db");
                Work::Purge(purge)
            }
        }
    }

    /// Of a thousand flights so many are cut, and of a hundred commits.
    fn rates(self) -> (u64, u64) {
        match self {
            Self::Within(_) => (15, 25),
            // Each batch has two commits, and about twice the statements.
            Self::PurgeBetween(..) => (15, 30),
            Self::Between(..) | Self::Purge(..) => (20, 40),
        }
    }

    fn rounds(self) -> u64 {
        match (self, soaking()) {
            (_, false) => 1,
            (Self::Within(_), true) => 6,
            (_, true) => 2,
        }
    }
}

/// A job, and what has to come of it.
enum Work {
    Keep(Job),
    Purge(Purge),
}

impl Work {
    fn job(&mut self) -> &mut Job {
        match self {
            Self::Keep(job) | Self::Purge(Purge { job, .. }) => job,
        }
    }

    #[track_caller]
    fn assert_exact(&self) {
        match self {
            Self::Keep(job) => job.assert_complete(),
            Self::Purge(purge) => purge.assert_done(0),
        }
    }
}

/// The databases, each with the variable that leads there.
fn places(job: &Job) -> Vec<(&'static str, String)> {
    let mut places = vec![("SHOP_DATABASE_URL", job.database.url().to_owned())];
    places.extend(job.other.as_ref().map(|other| ("HISTORY_DATABASE_URL", other.url().to_owned())));
    places
}

fn over_broken_connections(case: Case) {
    let (seed, _) = seed();
    println!("{case:?}: MILKRUN_SEED={seed}");
    let (mut faults, mut unanswered) = (0, 0);
    for round in 0..case.rounds() {
        let mut work = case.work();
        let places = places(work.job());
        let mut severed = Vec::new();
        for (place, (variable, direct)) in (0..).zip(&places) {
            let ((flights, commits), seed) = (case.rates(), seed.wrapping_add(round + 1000 * place));
            let (proxy, url) = Severed::before(direct, seed, flights, commits);
            work.job().set(variable, &url);
            severed.push(proxy);
        }
        let ended = run_to_the_end(work.job(), &places, seed);
        for (variable, direct) in &places {
            work.job().set(variable, direct);
        }
        work.assert_exact();
        let cuts: Vec<_> = severed.iter().map(Severed::count).collect();
        println!("{case:?}: {cuts:?}, {ended} sessions ended");
        let sum = |of: fn(&Count) -> u64| cuts.iter().map(of).sum::<u64>();
        let (statements, commits) = (sum(|it| it.before + it.after), sum(|it| it.commits_lost + it.commits_unanswered));
        assert!(statements > 0 && commits > 0, "{cuts:?}: no statement was cut, or no commit");
        faults += ended + statements + commits;
        unanswered += sum(|it| it.commits_unanswered);
    }
    assert!(faults >= 10 && unanswered > 0, "{faults} faults, {unanswered} commits unanswered: too few");
    report("sql", &[("faults", faults), ("unanswered", unanswered)]);
}

/// Runs until complete, while an administrator ends sessions; how many.
fn run_to_the_end(job: &Job, places: &[(&'static str, String)], seed: u64) -> u64 {
    let watches: Vec<Database> = places.iter().map(|(_, direct)| Database::connect(direct)).collect();
    let (over, ended) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(170));
                ended.fetch_add(watches.iter().map(end_sessions).sum(), Ordering::SeqCst);
            }
        });
        // Also if what is asserted does not hold: or nobody would ever hear of it.
        let at_last = AtLast(&over);
        let complete = (0..100).any(|_| {
            let finished = job.run_once("4s");
            assert!(matches!(finished.code, Some(0 | 1)), "MILKRUN_SEED={seed}: {finished:?}");
            let reply = finished.reply();
            let known = finished.code != Some(1) || reply["errorType"] == "Database";
            assert!(known, "MILKRUN_SEED={seed}: {finished:?}");
            reply["outcome"] == "complete"
        });
        drop(at_last);
        assert!(complete, "MILKRUN_SEED={seed}: no end in 100 runs: {}", job.status());
    });
    ended.load(Ordering::SeqCst)
}

/// Tells the administrator to stop.
struct AtLast<'a>(&'a AtomicBool);

impl Drop for AtLast<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
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
