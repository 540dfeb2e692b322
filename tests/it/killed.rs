//! Killed: `bootstrap` under the emulator and the command line, each with -9 at random moments over the whole job, on MariaDB and on
//! PostgreSQL. Afterwards history equals that of one undisturbed run, and the counters agree.
//!
//! A victim is stopped before it is killed, so that the database can be asked in peace whether it was inside a batch's transaction.

mod verify;

use crate::chaos::soaking;
use crate::support::child::signal;
use crate::support::database::{Database, TextRow};
use crate::support::job::{Job, full};
use crate::support::servers::Kind;
use crate::support::shop::Size;
use crate::support::slow::Slow;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// A round is one such job from its start to its end; there are as many as the kills need.
const SHOP: Size = Size { orders: 1500, closed: 700, items: 3, discounts: 2 };

/// Between two databases a batch takes three times as many round trips.
const SHOP_ACROSS: Size = Size { orders: 600, closed: 280, items: 3, discounts: 2 };

/// So many runs may come to nothing, one after the other: most of them are killed, and a killed one's lease has to run out.
const IN_VAIN: u32 = 60;

/// Small batches, so that there are many moments to be killed at, and never so unlucky a batch that it is given up for killing.
const LIMITS: &str = "settle = \"0s\"\nlease = \"1s\"\nmax_batch = 15\nmax_attempts = 1000";

/// Each thing that is said to the database takes this much longer.
const DELAY: Duration = Duration::from_millis(10);

/// A run's time.
const RUN: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug)]
enum Victim {
    Lambda,
    CommandLine,
}

/// The same in four shards, of which each run takes two at a time.
const SHARDED: &str = "settle = \"0s\"\nlease = \"1s\"\nmax_batch = 15\nmax_attempts = 1000\nshards = 4\nlanes = 2";

#[test]
fn the_lambda_is_killed_on_mariadb() {
    kill((Kind::MariaDb, Kind::MariaDb), Victim::Lambda, LIMITS);
}

#[test]
fn the_lambda_is_killed_in_several_shards() {
    kill((Kind::MariaDb, Kind::MariaDb), Victim::Lambda, SHARDED);
}

#[test]
fn the_lambda_is_killed_on_postgres() {
    kill((Kind::Postgres, Kind::Postgres), Victim::Lambda, LIMITS);
}

#[test]
fn the_command_line_is_killed_on_mariadb() {
    kill((Kind::MariaDb, Kind::MariaDb), Victim::CommandLine, LIMITS);
}

#[test]
fn the_command_line_is_killed_on_postgres() {
    kill((Kind::Postgres, Kind::Postgres), Victim::CommandLine, LIMITS);
}

#[test]
fn the_command_line_is_killed_from_mariadb_to_postgres() {
    kill((Kind::MariaDb, Kind::Postgres), Victim::CommandLine, LIMITS);
}

#[test]
fn the_lambda_is_killed_from_postgres_to_mariadb() {
    kill((Kind::Postgres, Kind::MariaDb), Victim::Lambda, LIMITS);
}

/// Where the orders are, and where their history goes.
type Kinds = (Kind, Kind);

#[derive(Debug, Default)]
struct Count {
    kills: u32,
    inside: u32,
}

fn kill(kind: Kinds, victim: Victim, limits: &str) {
    let seed = std::env::var("MILKRUN_SEED").map_or_else(|_| rand::rng().random(), |seed| seed.parse().unwrap());
    println!("{victim:?} on {kind:?}: MILKRUN_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let undisturbed = undisturbed(kind);
    let wanted = match (full(), soaking()) {
        (true, _) => 100,
        (_, true) => 50,
        _ => 10,
    };
    let wanted = if kind.0 == kind.1 { wanted } else { wanted / 3 };
    let mut count = Count::default();
    let mut jobs = 0;
    // Whole jobs, until there are enough kills and enough of them were inside a batch; chance may take a few more of them.
    while count.kills < wanted || (count.inside * 2 < count.kills && (jobs < 4 || count.kills < 4 * wanted)) {
        let before = count.kills;
        jobs += 1;
        round((kind, limits), victim, &undisturbed, &mut random, &mut count);
        assert!(count.kills > before, "a job came to its end without a kill: it is too short");
    }
    println!("{victim:?} on {kind:?}: {} kills, {} inside a batch, 0 violations", count.kills, count.inside);
    crate::chaos::report("killed", &[("kills", count.kills.into()), ("inside", count.inside.into())]);
    assert!(count.inside * 2 >= count.kills, "{count:?}: too few between a batch's first statement and its commit");
}

fn job((kind, target): Kinds, limits: &str) -> Job {
    let mut job = if kind == target {
        Job::new(kind).with_shop(SHOP, limits)
    } else {
        Job::between(kind, target, SHOP_ACROSS, limits)
    };
    job.set("MILKRUN_LEASE_MARGIN", "0s");
    job
}

fn undisturbed(kind: Kinds) -> Vec<TextRow> {
    let job = job(kind, LIMITS);
    job.run_to_the_end();
    job.assert_complete();
    job.fingerprint("status")
}

/// One job, killed at a random moment of each of its runs until one of them completes it.
fn round(
    (kind, limits): (Kinds, &str),
    victim: Victim,
    undisturbed: &[TextRow],
    random: &mut StdRng,
    count: &mut Count,
) {
    let mut job = job(kind, limits);
    let (_slow, url) = Slow::before(job.database.url(), DELAY);
    job.set("SHOP_DATABASE_URL", &url);
    let (_slow_too, url) = Slow::before(job.history().url(), DELAY);
    job.set("HISTORY_DATABASE_URL", &url);
    // One that only looks, so that a killer can ask while the test reads.
    let watch = Database::connect(job.history().url());
    let emulator = matches!(victim, Victim::Lambda).then(|| job.lambda(RUN.as_secs(), 1024));
    let (mut last, mut in_vain) = (serde_json::Value::Null, 0);
    for _ in 0..200 {
        let killer = Killer {
            moment: random.random_range(Duration::ZERO..RUN),
            inside: random.random_bool(0.8),
            seed: random.random(),
        };
        let (running, over) = channel::<()>();
        let (reply, done) = match &emulator {
            Some(emulator) => std::thread::scope(|scope| {
                let watch = &watch;
                let killer = scope.spawn(move || killer.strike(&|| emulator.bootstrap_pid(), watch, &over));
                let invoked = emulator.invoke(&job.event());
                drop(running);
                let done = killer.join().unwrap();
                assert!(done.touched || invoked.reply_if_any().is_some(), "{invoked:?}\n{}", emulator.log());
                (invoked.reply_if_any(), done)
            }),
            None => std::thread::scope(|scope| {
                let process = job.cli().spawn(&["--json", "run", &job.name, "--time-limit", "2s"]);
                let (pid, watch) = (process.pid(), &watch);
                let killer = scope.spawn(move || killer.strike(&|| Some(pid), watch, &over));
                let finished = process.wait();
                drop(running);
                let done = killer.join().unwrap();
                assert!(done.touched || matches!(finished.code, Some(0 | 4)), "{finished:?}");
                (finished.code.and_then(|_| finished.replies().pop()), done)
            }),
        };
        if let Some(inside) = done.killed {
            count.kills += 1;
            count.inside += u32::from(inside);
        }
        // One that was stopped for a while may come too late for anything: that is an error of its own, and no loss.
        let reply = reply.filter(|reply| !done_late(reply));
        match reply.as_ref().map(|reply| reply["outcome"].as_str().unwrap_or_default()) {
            Some("complete") => {
                job.assert_complete();
                assert!(
                    job.fingerprint("status") == undisturbed,
                    "the history differs from that of an undisturbed run"
                );
                return;
            }
            Some("more") => {}
            // The lease of the one that was killed has to run out.
            Some("busy") | None => std::thread::sleep(Duration::from_millis(250)),
            Some(_) => panic!("{reply:?}"),
        }
        let status = job.status();
        let now = serde_json::json!([status["progress"]["moved"], status["shards"]]);
        in_vain = if now == last { in_vain + 1 } else { 0 };
        assert!(in_vain < IN_VAIN, "{IN_VAIN} runs without a step: {status}");
        last = now;
    }
    panic!("no end in 200 runs: {}", job.status());
}

/// A run that lost its time to having been stopped, and says so.
fn done_late(reply: &serde_json::Value) -> bool {
    matches!(reply["errorType"].as_str(), Some("Ledger" | "Database"))
}

/// When and how a run is killed.
#[derive(Debug)]
struct Killer {
    moment: Duration,
    /// Waits for a moment inside a batch's transaction; otherwise any moment is right.
    inside: bool,
    seed: u64,
}

/// What a killer has done.
#[derive(Debug, Default)]
struct Done {
    /// It has stopped the victim at least once, which may have cost it its time.
    touched: bool,
    /// It has killed the victim, and whether that was inside a batch's transaction.
    killed: Option<bool>,
}

impl Killer {
    /// Kills at its moment, unless the run is over by then.
    fn strike(self, victim: &dyn Fn() -> Option<u32>, watch: &Database, over: &Receiver<()>) -> Done {
        let mut random = StdRng::seed_from_u64(self.seed);
        let mut done = Done::default();
        let mut wait = self.moment;
        for attempt in 1.. {
            if over.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
                break;
            }
            let Some(pid) = victim() else { break };
            if !signal(pid, "STOP") {
                break;
            }
            done.touched = true;
            // What the database says of transactions is up to a tenth of a second old.
            let is_over = over.recv_timeout(Duration::from_millis(120)) != Err(RecvTimeoutError::Timeout);
            let inside = !is_over && open_transactions(watch) > 0;
            if !is_over && (inside || !self.inside || attempt == 20) {
                done.killed = signal(pid, "KILL").then_some(inside);
                break;
            }
            signal(pid, "CONT");
            if is_over {
                break;
            }
            wait = Duration::from_millis(random.random_range(1..40));
        }
        done
    }
}

/// How many transactions others have open in this database.
pub(crate) fn open_transactions(watch: &Database) -> i64 {
    watch.number(if watch.is_mariadb() {
        "SELECT COUNT(*) FROM information_schema.innodb_trx AS t JOIN information_schema.processlist AS p
         ON p.id = t.trx_mysql_thread_id
         WHERE p.db = DATABASE() AND p.id <> CONNECTION_ID() AND t.trx_autocommit_non_locking = 0"
    } else {
        "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
         AND (state = 'idle in transaction' OR backend_xid IS NOT NULL)"
    })
}
