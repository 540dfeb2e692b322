//! The whole program archives orders with their line items, killed with -9 again and again: nothing is lost, doubled, torn
//! apart or counted wrong.

use super::stage::{KINDS, Kind};
use crate::support::database::{Database, TextRow};
use crate::support::job::Job;
use crate::support::{servers, tpch};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::time::Duration;

const LIMITS: &str = "[limits]\nsettle = \"0s\"\nlease = \"1s\"\nmax_batch = 150\nmax_attempts = 1000\n";
const LINES: &str = "l_orderkey, l_linenumber, l_quantity, l_extendedprice, l_shipdate, l_comment";
const ORDERS: &str = "o_orderkey, o_custkey, o_orderstatus, o_totalprice, o_orderdate, o_comment";

fn rows(database: &Database, columns: &str, rest: &str, key: &str) -> Vec<TextRow> {
    let text = if database.is_mariadb() { "CHAR" } else { "TEXT" };
    let columns: Vec<String> = columns.split(", ").map(|name| format!("CAST({name} AS {text})")).collect();
    database.rows(&format!("SELECT {} FROM {rest} ORDER BY {key}", columns.join(", ")))
}

#[test]
fn nothing_is_torn_apart_by_kills() {
    let seed = std::env::var("MILKRUN_SEED").map_or_else(|_| rand::rng().random(), |seed| seed.parse().unwrap());
    println!("MILKRUN_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    for kind in KINDS {
        let mut job = Job::new(match kind {
            Kind::MariaDb => servers::Kind::MariaDb,
            Kind::Postgres => servers::Kind::Postgres,
            Kind::Sqlite => servers::Kind::Sqlite,
        });
        job.set("MILKRUN_LEDGER", "sqlite://ledger.db");
        job.set("MILKRUN_LEASE_MARGIN", "0s");
        tpch::load(&job.database, 0.01);
        job.define(&format!("{}\n{LIMITS}", include_str!("../../../examples/archive/shop-archive.toml")));
        let mut kills = 0;
        while kills < 5 {
            let mut running = job.cli().spawn(&["--json", "run", &job.name, "--time-limit", "20s"]);
            std::thread::sleep(Duration::from_millis(random.random_range(50..350)));
            if !running.signal("KILL") {
                let finished = running.wait();
                assert!(matches!(finished.code, Some(0 | 4)), "{kind:?}: {finished:?}");
                if finished.reply()["outcome"] == "complete" {
                    break;
                }
                // The lease of the one that was killed has to run out.
                std::thread::sleep(Duration::from_millis(250));
                continue;
            }
            running.wait();
            kills += 1;
            // An item is there with all its rows or not at all.
            if tables(&job.database) {
                let torn = "SELECT COUNT(*) FROM orders JOIN lineitem ON lineitem.l_orderkey = orders.o_orderkey \
                            LEFT JOIN order_archive a ON a.o_orderkey = orders.o_orderkey \
                            LEFT JOIN lineitem_archive l ON l.l_orderkey = lineitem.l_orderkey AND l.l_linenumber = lineitem.l_linenumber \
                            WHERE (a.o_orderkey IS NULL) <> (l.l_orderkey IS NULL)";
                assert_eq!(job.database.number(torn), 0, "{kind:?}");
            }
        }
        assert!(kills > 0, "{kind:?}: it was over before the first kill");
        println!("{kind:?}: {kills} kills");
        job.run_to_the_end();
        let closed = "WHERE o_orderstatus = 'F'";
        let orders = rows(&job.database, ORDERS, &format!("orders t {closed}"), "t.o_orderkey");
        assert!(orders == rows(&job.database, ORDERS, "order_archive t", "t.o_orderkey"), "{kind:?}");
        let of = format!("lineitem t WHERE l_orderkey IN (SELECT o_orderkey FROM orders {closed})");
        let key = "t.l_orderkey, t.l_linenumber";
        assert!(
            rows(&job.database, LINES, &of, key) == rows(&job.database, LINES, "lineitem_archive t", key),
            "{kind:?}"
        );
        let status = job.status();
        let progress = ["moved", "skipped", "conflicts", "failed"].map(|name| status["progress"][name].as_u64());
        assert_eq!(progress, [Some(orders.len() as u64), Some(0), Some(0), Some(0)], "{kind:?}: {status}");
        let verified = job.reply(&["verify", &job.name]);
        assert_eq!(verified["equal"], orders.len(), "{kind:?}: {verified}");
    }
}

/// Whether both targets are there by now.
fn tables(database: &Database) -> bool {
    let catalog = if database.is_sqlite() {
        "sqlite_master WHERE name"
    } else if database.is_mariadb() {
        "information_schema.tables WHERE table_schema = DATABASE() AND table_name"
    } else {
        "information_schema.tables WHERE table_name"
    };
    database.number(&format!("SELECT COUNT(*) FROM {catalog} IN ('order_archive', 'lineitem_archive')")) == 2
}
