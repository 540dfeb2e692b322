//! Rows copied column by column within one MariaDB, and copied and purged, beside pt-archiver at its fastest: bulk inserts by
//! LOAD DATA, bulk deletes.

use super::contest::{Measure, Promise, Side, contest};
use super::ready::{afresh, make_durable, version};
use super::timed::{Took, milkrun, timed};
use crate::support::job::Job;
use crate::support::servers::Kind;
use crate::support::tpch;
use std::cell::RefCell;
use std::process::Command;

const SCALE: f64 = 0.1;
const CLOSED: &str = "o_orderstatus = 'F'";
const COLUMNS: [&str; 9] = [
    "o_orderkey",
    "o_custkey",
    "o_orderstatus",
    "o_totalprice",
    "o_orderdate",
    "o_orderpriority",
    "o_clerk",
    "o_shippriority",
    "o_comment",
];

/// Three lanes, so that two cores have work while one of them waits for the disk, and larger batches: limits that a user sets who
/// is in a hurry.
const THREE_LANES: &str = "shards = 6\nlanes = 3\nmax_batch = 20000\n";

fn migration(after: &str, limits: &str) -> String {
    let columns = COLUMNS.map(|name| format!("{name} = \"{name}\"\n")).concat();
    format!(
        "name = \"orders-archive\"\nkind = \"rows\"\n[source]\ndatabase = \"$SHOP_DATABASE_URL\"\ntable = \"orders\"\n\
         key = [\"o_orderkey\"]\nwhere = \"{CLOSED}\"\n[target]\ndatabase = \"$SHOP_DATABASE_URL\"\ntable = \"orders_archive\"\n\
         key = [\"o_orderkey\"]\nafter = \"{after}\"\n[target.columns]\n{columns}[limits]\nsettle = \"0s\"\n{limits}"
    )
}

/// The shop, an empty archive of the same shape, and what the shop was before.
fn shop(after: &str) -> Job {
    let mut job = Job::new(Kind::MariaDb);
    tpch::load(&job.database, SCALE);
    make_durable(&job.database);
    // LOAD DATA LOCAL is what makes its bulk inserts quick.
    job.database.execute("SET GLOBAL local_infile = 1; CREATE TABLE orders_archive LIKE orders");
    // Orders alone are narrow: with four times as many a round takes seconds, on both sides.
    for beyond in [600_000, 1_200_000] {
        let others = COLUMNS[1..].join(", ");
        job.database.execute(&format!(
            "INSERT INTO orders (o_orderkey, {others}) SELECT o_orderkey + {beyond}, {others} FROM orders"
        ));
    }
    tpch::analyze(&job.database, &["orders"]);
    job.database.execute("CREATE TABLE orders_before LIKE orders; INSERT INTO orders_before SELECT * FROM orders");
    job.define(&migration(after, ""));
    job
}

fn pt_archiver(job: &Job, keep: bool) -> Took {
    let address = job.database.url().trim_start_matches("mysql://root@127.0.0.1:");
    let (port, database) = address.split_once('/').expect("a URL with a database");
    let place = |table| format!("h=127.0.0.1,P={port},u=root,D={database},t={table},L=1");
    let mut command = Command::new("pt-archiver");
    command.args(["--source", &place("orders"), "--dest", &place("orders_archive")]);
    command.args(["--where", CLOSED, "--limit", "10000", "--commit-each", "--bulk-insert", "--no-check-charset"]);
    command.arg(if keep { "--no-delete" } else { "--bulk-delete" });
    // It spares the last row unless it is told not to.
    command.args(["--no-version-check", "--nosafe-auto-increment"]);
    timed(&command, job).0
}

/// Rows copied, the source kept.
pub(crate) fn copy() -> bool {
    beside_pt_archiver("Copy of columns", true, 3.0)
}

/// Rows copied, and then deleted from the source.
pub(crate) fn purge() -> bool {
    beside_pt_archiver("Copy and purge", false, 2.0)
}

fn beside_pt_archiver(title: &str, keep: bool, least: f64) -> bool {
    let after = if keep { "keep" } else { "delete" };
    let job = shop(after);
    let title = format!("{title}, {}", version(&job.database));
    let closed = job.database.number(&format!("SELECT COUNT(*) FROM orders WHERE {CLOSED}"));
    let job = RefCell::new(job);
    let side = |work: &dyn Fn(&Job) -> Took| {
        let job = job.borrow();
        afresh(&job, &["orders_archive"]);
        if !keep {
            job.database.execute("TRUNCATE TABLE orders; INSERT INTO orders SELECT * FROM orders_before");
            tpch::analyze(&job.database, &["orders"]);
        }
        let took = work(&job);
        assert_eq!(job.database.number("SELECT COUNT(*) FROM orders_archive"), closed);
        let left = job.database.number(&format!("SELECT COUNT(*) FROM orders WHERE {CLOSED}"));
        assert_eq!(left, if keep { closed } else { 0 });
        took
    };
    let ours = |limits: &str| {
        job.borrow_mut().define(&migration(after, limits));
        side(&|job| milkrun(job, closed))
    };
    let sides = vec![
        Side::new("milkrun", || ours("")),
        Side::new("milkrun in three lanes", || ours(THREE_LANES)),
        Side::new("pt-archiver", || side(&|job| pt_archiver(job, keep))),
    ];
    contest(
        &title,
        closed,
        "rows",
        sides,
        &[Promise { of: "milkrun in three lanes", over: "pt-archiver", least, measure: Measure::Rate }],
    )
}
