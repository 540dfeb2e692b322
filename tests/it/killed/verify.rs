//! `verify` killed: the command line with -9 in the middle of its work, until it comes to its end, one that only looks and one that
//! mends. Each item is counted once, and what was wrong is written once.
//!
//! One that mends is killed where it matters: the target has committed, and the ledger has not. What it has mended is in order when
//! the next one looks, and counts as `equal`: exactly so many are lacking in `missing`, `different` and `repaired`.

use super::Kinds;
use crate::support::database::Database;
use crate::support::history;
use crate::support::job::{Job, full};
use crate::support::servers::Kind;
use crate::support::shop::Size;
use crate::support::slow::Slow;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use std::time::{Duration, Instant};

const SHOP: Size = Size { orders: 360, closed: 180, items: 2, discounts: 1 };

/// Sixty chunks of the source, and each is killed after a few.
const LIMITS: &str = "settle = \"0s\"\nlease = \"1s\"\nmax_batch = 6";
const CHUNKS: std::ops::Range<i64> = 5..16;

/// Each thing that is said to the databases takes this much longer.
const DELAY: Duration = Duration::from_millis(4);

#[test]
fn one_that_looks_counts_each_item_once_on_mariadb() {
    kill((Kind::MariaDb, Kind::MariaDb), false);
}

#[test]
fn one_that_looks_counts_each_item_once_from_postgres_to_mariadb() {
    kill((Kind::Postgres, Kind::MariaDb), false);
}

#[test]
fn one_that_mends_writes_each_item_once_on_postgres() {
    kill((Kind::Postgres, Kind::Postgres), true);
}

#[test]
fn one_that_mends_writes_each_item_once_from_mariadb_to_postgres() {
    kill((Kind::MariaDb, Kind::Postgres), true);
}

fn kill(kinds: Kinds, mends: bool) {
    let seed = std::env::var("MILKRUN_SEED").map_or_else(|_| rand::rng().random(), |seed| seed.parse().unwrap());
    println!("verify of {kinds:?}, mends={mends}: MILKRUN_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let kills: u32 = (0..if full() { 8 } else { 1 }).map(|_| round(kinds, mends, &mut random)).sum();
    println!("verify of {kinds:?}, mends={mends}: {kills} kills, 0 violations");
    crate::chaos::report("verify", &[("kills", kills.into())]);
}

/// A job that is done, with a target that somebody has meddled with, and how it is looked at.
struct Case {
    job: Job,
    ledger: Database,
    found: Found,
}

/// What there is to be found.
#[derive(Clone, Copy, Debug)]
struct Found {
    checked: i64,
    missing: i64,
    different: i64,
    extra: i64,
}

/// One verification, killed until it comes to its end; how often that was.
fn round((kind, target): Kinds, mends: bool, random: &mut StdRng) -> u32 {
    let mut case = Case::new((kind, target));
    let (_slow, url) = Slow::before(case.job.database.url(), DELAY);
    case.job.set("SHOP_DATABASE_URL", &url);
    let (_slow_too, url) = Slow::before(case.job.history().url(), DELAY);
    case.job.set("HISTORY_DATABASE_URL", &url);
    let (mut kills, mut seen) = (0, 0);
    let counts = loop {
        let finished = case.run_and_kill(mends, random.random_range(CHUNKS));
        if let Some(last) = finished {
            break last;
        }
        kills += 1;
        std::thread::sleep(Duration::from_millis(1100));
        let Some(tally) = case.tally() else { continue };
        // It goes on where the one before was killed: what is counted stays counted.
        let checked = count(&tally, "checked");
        assert!(checked >= seen, "{seen} before, now {tally}");
        seen = checked;
        if tally["complete"] == true {
            break tally;
        }
    };
    case.assert_counted(&counts, mends, kills);
    kills
}

impl Case {
    fn new((kind, target): Kinds) -> Self {
        let mut job =
            if kind == target { Job::shop(kind, SHOP, LIMITS) } else { Job::between(kind, target, SHOP, LIMITS) };
        job.set("MILKRUN_LEDGER", "sqlite://ledger.db");
        job.set("MILKRUN_LEASE_MARGIN", "0s");
        job.run_to_the_end();
        let found = meddle(&job);
        note_writes(job.history());
        let ledger = Database::connect(&format!("sqlite://{}/ledger.db", job.folder().display()));
        Self { job, ledger, found }
    }

    /// Starts one and kills it once it has gone on by so many chunks; `None`: it was killed. Otherwise its last reply.
    fn run_and_kill(&self, mends: bool, chunks: i64) -> Option<Value> {
        let seq = || self.ledger.number("SELECT COALESCE(MAX(seq), 0) FROM ledger WHERE item = 'verify#0000'");
        let (wanted, unseen) = (seq() + chunks, self.unseen());
        let arguments = ["--json", "verify", &self.job.name, "--overwrite"];
        let mut running = self.job.cli().spawn(&arguments[..if mends { 4 } else { 3 }]);
        while running.is_running() && seq() < wanted {
            std::thread::sleep(Duration::from_millis(2));
        }
        if mends {
            // From here on nothing is counted any more. A chunk in which nothing is wrong writes nothing.
            self.ledger.execute("BEGIN IMMEDIATE");
            let since = Instant::now();
            while running.is_running() && self.unseen() == unseen && since.elapsed() < Duration::from_millis(500) {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        running.signal("KILL");
        let finished = running.wait();
        if mends {
            self.ledger.execute("ROLLBACK");
        }
        // Orders that match no more, and whose targets nobody deletes, need a person.
        finished.code.map(|_| finished.expect(3).reply())
    }

    /// What the ledger says that was found so far.
    fn tally(&self) -> Option<Value> {
        let rows = self.ledger.rows("SELECT json_extract(body, '$.tally') FROM ledger WHERE item = 'verify#0000'");
        let tally = rows.into_iter().next()?.remove(0)?;
        Some(serde_json::from_str(&tally).unwrap())
    }

    /// How many were written by those that were killed before they could count them.
    fn unseen(&self) -> i64 {
        self.written() - self.tally().map_or(0, |tally| count(&tally, "repaired"))
    }

    /// Rows of the target that were written since it was meddled with.
    fn written(&self) -> i64 {
        self.job.history().number("SELECT COUNT(*) FROM written")
    }

    fn assert_counted(&self, counts: &Value, mends: bool, kills: u32) {
        let Found { checked, missing, different, extra } = self.found;
        let of = |names: &[&str]| names.iter().map(|name| count(counts, name)).sum::<i64>();
        assert!(kills >= 3, "{kills} kills: too few for this to mean anything");
        assert_eq!((of(&["checked"]), of(&["extra"])), (checked, extra), "{counts}");
        let wrong = missing + different;
        let unseen = if mends { self.unseen() } else { 0 };
        assert!(!mends || unseen > 0, "none was killed between the two commits: {counts}");
        assert_eq!(of(&["missing", "different"]), wrong - unseen, "{counts}");
        assert_eq!(of(&["equal"]), checked - wrong + unseen, "{counts}");
        assert_eq!(of(&["repaired"]), if mends { wrong - unseen } else { 0 }, "{counts}");
        if !mends {
            assert_eq!((of(&["missing"]), self.written()), (missing, 0), "{counts}");
            return;
        }
        assert!(of(&["missing"]) <= missing && of(&["different"]) <= different, "{counts}");
        let rows = self.job.history().number("SELECT COUNT(DISTINCT order_id) FROM written");
        assert_eq!((self.written(), rows), (wrong, wrong), "each once, and no other");
        self.assert_mended(checked, extra);
    }

    /// By the next verification, and by this harness's own comparison.
    fn assert_mended(&self, checked: i64, extra: i64) {
        let again = self.job.call(&["verify", &self.job.name]).expect(3).reply();
        let names = ["checked", "equal", "missing", "different", "extra", "repaired"];
        assert_eq!(names.map(|name| count(&again, name)), [checked, checked, 0, 0, extra, 0], "{again}");
        let expected = history::expected(&self.job.database, self.job.source.as_ref().unwrap());
        let mut actual = history::actual(self.job.history(), "order_history", "order_id");
        actual.retain(|(key, _)| expected.contains_key(key));
        history::assert_equal(&expected, actual);
    }
}

fn count(value: &Value, name: &str) -> i64 {
    value[name].as_i64().unwrap_or_else(|| panic!("no `{name}`: {value}"))
}

/// Takes a fourth of the targets away, changes another fourth, and opens a few orders again.
fn meddle(job: &Job) -> Found {
    let rows = job.history().rows("SELECT order_id FROM order_history ORDER BY order_id");
    let keys: Vec<String> = rows.into_iter().filter_map(|mut row| row.remove(0)).collect();
    let every = |step: usize, from: usize| keys.iter().skip(from).step_by(step).cloned().collect::<Vec<_>>();
    let (gone, changed, reopened) = (every(4, 0), every(4, 2), every(40, 1));
    job.history().execute(&format!("DELETE FROM order_history WHERE order_id IN ({})", gone.join(", ")));
    job.history()
        .execute(&format!("UPDATE order_history SET document = '{{}}' WHERE order_id IN ({})", changed.join(", ")));
    job.database.execute(&format!("UPDATE orders SET status = 'paid' WHERE id IN ({})", reopened.join(", ")));
    let [all, missing, different, extra] =
        [&keys, &gone, &changed, &reopened].map(|keys| i64::try_from(keys.len()).unwrap());
    Found { checked: all - extra, missing, different, extra }
}

/// From now on each write of a target is noted in the transaction that does it.
fn note_writes(history: &Database) {
    history.execute("CREATE TABLE written (order_id BIGINT NOT NULL)");
    if history.is_mariadb() {
        for event in ["INSERT", "UPDATE"] {
            history.execute(&format!(
                "CREATE TRIGGER noted_{event} AFTER {event} ON order_history FOR EACH ROW
                 INSERT INTO written VALUES (NEW.order_id)"
            ));
        }
        return;
    }
    history.execute(
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
         INSERT INTO written VALUES (NEW.order_id); RETURN NULL; END $$;
         CREATE TRIGGER noted AFTER INSERT OR UPDATE ON order_history FOR EACH ROW EXECUTE FUNCTION note()",
    );
}
