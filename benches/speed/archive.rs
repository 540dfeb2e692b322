//! Rows copied column by column within one MariaDB, beside pt-archiver at its fastest: bulk inserts by
//! LOAD DATA.

use super::contest::{Promise, Side, contest};
use super::ready::{afresh, make_durable, version};
use super::timed::{Took, milkrun, timed};
use crate::support::job::Job;
use crate::support::servers::Kind;
use crate::support::tpch;
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

fn migration(after: &str) -> String {
    let columns = COLUMNS.map(|name| format!("{name} = \"{name}\"\n")).concat();
    format!(
        "name = \"orders-archive\"\nkind = \"rows\"\n[source]\ndatabase = \"$SHOP_DATABASE_URL\"\ntable = \"orders\"\n\
         key = [\"o_orderkey\"]\nwhere = \"{CLOSED}\"\n[target]\ndatabase = \"$SHOP_DATABASE_URL\"\ntable = \"orders_archive\"\n\
         key = [\"o_orderkey\"]\nafter = \"{after}\"\n[target.columns]\n{columns}[limits]\nsettle = \"0s\"\n"
    )
}

/// The shop, and an empty archive of the same shape.
fn shop(after: &str) -> Job {
    let mut job = Job::new(Kind::MariaDb);
    tpch::load(&job.database, SCALE);
    make_durable(&job.database);
    // LOAD DATA LOCAL is what makes its bulk inserts quick.
    job.database.execute("SET GLOBAL local_infile = 1; CREATE TABLE orders_archive LIKE orders");
    job.define(&migration(after));
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
    // It deletes from the last row on by default only where it may.
    command.args(["--no-version-check", "--nosafe-auto-increment"]);
    timed(&command, job).0
}

/// Rows copied, the source kept.
pub(crate) fn copy() -> bool {
    let job = shop("keep");
    let closed = job.database.number(&format!("SELECT COUNT(*) FROM orders WHERE {CLOSED}"));
    let arrived = || assert_eq!(job.database.number("SELECT COUNT(*) FROM orders_archive"), closed);
    let sides = vec![
        Side::new("milkrun", || {
            afresh(&job, &["orders_archive"]);
            let took = milkrun(&job, closed);
            arrived();
            took
        }),
        Side::new("pt-archiver", || {
            afresh(&job, &["orders_archive"]);
            let took = pt_archiver(&job, true);
            arrived();
            took
        }),
    ];
    let title = format!("Copy of columns, {}", version(&job.database));
    contest(&title, closed, "rows", sides, &[Promise { of: "milkrun", over: "pt-archiver", least: 3.0 }])
}
