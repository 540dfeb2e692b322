//! Killed with -9, most often after the database has committed and before the ledger has: those rows are gone, and are counted
//! all the same.

use super::{Purge, migration};
use crate::support::job::{Job, full};
use crate::support::servers::Kind;
use crate::support::shop::Size;
use crate::support::slow::Slow;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::time::{Duration, Instant};

const SHOP: Size = Size { orders: 200, closed: 100, items: 3, discounts: 1 };
const LIMITS: &str = "settle = \"0s\"\nlease = \"1s\"\nmax_batch = 25\nmax_attempts = 1000";
const LEDGER: &str = "AWS_ENDPOINT_URL_DYNAMODB";

#[test]
fn rows_that_a_killed_run_has_deleted_are_counted_on_mariadb() {
    killed((Kind::MariaDb, false));
}

#[test]
fn rows_that_a_killed_run_has_deleted_are_counted_on_mariadb_with_foreign_keys() {
    killed((Kind::MariaDb, true));
}

#[test]
fn rows_that_a_killed_run_has_deleted_are_counted_on_postgres() {
    killed((Kind::Postgres, true));
}

fn killed(kind: (Kind, bool)) {
    let seed = std::env::var("MILKRUN_SEED").map_or_else(|_| rand::rng().random(), |seed| seed.parse().unwrap());
    println!("{kind:?}: MILKRUN_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut job = Job::new(kind.0).with_shop(SHOP, LIMITS);
    job.define(&migration(LIMITS, "delete"));
    let mut purge = Purge::of(job, kind.1);
    // The kill has to come between the database's commit and the ledger's, also on a busy machine: so the ledger is late.
    let direct = purge.job.variable(LEDGER).to_owned();
    let server = direct.strip_prefix("http://").unwrap().parse().unwrap();
    let slow = Slow::start(server, Duration::from_millis(150));
    purge.job.set(LEDGER, &slow.url());
    let orders = |purge: &Purge| purge.job.database.number("SELECT COUNT(*) FROM orders");
    let all = orders(&purge);
    let (mut kills, mut uncounted) = (0, 0);
    let wanted = if full() { 8 } else { 2 };
    // Chance may take a few more of them.
    for _ in 0..10 * wanted {
        let (before, at_once) = (orders(&purge), random.random_bool(0.8));
        let moment = Duration::from_millis(random.random_range(100..1500));
        let mut running = purge.job.cli().spawn(&["--json", "run", &purge.job.name, "--time-limit", "8s"]);
        let since = Instant::now();
        while running.is_running() && since.elapsed() < Duration::from_secs(9) {
            if at_once && orders(&purge) < before || !at_once && since.elapsed() > moment {
                kills += u32::from(running.signal("KILL"));
                break;
            }
        }
        running.wait();
        let progress = &purge.job.status()["progress"];
        let counted = progress["moved"].as_i64().unwrap_or(0);
        let deleted = all - orders(&purge);
        assert!(counted <= deleted, "{progress}");
        uncounted += u32::from(counted < deleted);
        if deleted == SHOP.closed || uncounted == wanted {
            break;
        }
        std::thread::sleep(Duration::from_millis(1100));
    }
    println!("{kind:?}: {kills} kills, {uncounted} of them with rows that were gone and not counted yet");
    assert!(uncounted > 0, "{kills} kills, and none came in time");
    drop(slow);
    purge.job.set(LEDGER, &direct);
    std::thread::sleep(Duration::from_millis(1100));
    purge.job.run_to_the_end();
    purge.assert_done(0);
}
