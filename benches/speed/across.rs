//! Rows copied column by column from one database to another: MariaDB into PostgreSQL beside pgloader, PostgreSQL into PostgreSQL
//! beside COPY piped to COPY. 600,572 line items of 16 columns.

use super::contest::{Measure, Promise, Side, contest};
use super::ready::{afresh, make_durable, version};
use super::timed::{Took, milkrun, timed};
use crate::support::database::Database;
use crate::support::job::Job;
use crate::support::servers::{self, Kind};
use crate::support::tpch;
use std::cell::RefCell;
use std::process::Command;

const SCALE: f64 = 0.1;
/// Two lanes, and batches as large as pgloader is given: limits that a user sets who has two cores and is in a hurry.
const TWO_LANES: &str = "shards = 2\nlanes = 2\nmax_batch = 25000\n";
/// The same, and larger batches where a row costs both servers so little that what is between two batches counts.
const LARGE_BATCHES: &str = "shards = 2\nlanes = 2\nmax_batch = 100000\n";

fn migration(limits: &str) -> String {
    let columns = tpch::ITEM.map(|name| format!("{name} = \"{name}\"\n")).concat();
    format!(
        "name = \"items-archive\"\nkind = \"rows\"\n[source]\ndatabase = \"$SHOP_DATABASE_URL\"\ntable = \"lineitem\"\n\
         key = [\"l_orderkey\", \"l_linenumber\"]\n[target]\ndatabase = \"$ARCHIVE_DATABASE_URL\"\ntable = \"items_archive\"\n\
         key = [\"l_orderkey\", \"l_linenumber\"]\ncreate = true\n[target.columns]\n{columns}[limits]\nsettle = \"0s\"\n{limits}"
    )
}

/// A source of one kind, and an empty database of PostgreSQL for the target.
fn jobs(kind: Kind) -> (RefCell<Job>, Database, i64) {
    let mut job = Job::new(kind);
    tpch::load(&job.database, SCALE);
    make_durable(&job.database);
    let url = servers::fresh_database(Kind::Postgres, job.folder());
    let target = Database::connect(&url);
    make_durable(&target);
    job.set("ARCHIVE_DATABASE_URL", &url);
    job.define(&migration(""));
    let items = job.database.number("SELECT COUNT(*) FROM lineitem");
    (RefCell::new(job), target, items)
}

/// milkrun's sides, into an empty table.
fn ours<'a>(job: &'a RefCell<Job>, target: &'a Database, items: i64, lanes: &'static str) -> [Side<'a>; 2] {
    let side = move |limits: &str| {
        job.borrow_mut().define(&migration(limits));
        let job = job.borrow();
        afresh(&job, &[]);
        target.try_execute("TRUNCATE TABLE items_archive");
        target.execute("CHECKPOINT");
        let took = milkrun(&job, items);
        assert_eq!(target.number("SELECT COUNT(*) FROM items_archive"), items);
        took
    };
    [Side::new("milkrun", move || side("")), Side::new("milkrun in two lanes", move || side(lanes))]
}

/// MariaDB into PostgreSQL, and PostgreSQL into PostgreSQL.
pub(crate) fn compare() -> bool {
    let loaded = beside_pgloader();
    beside_copy() && loaded
}

fn beside_pgloader() -> bool {
    let (job, target, items) = jobs(Kind::MariaDb);
    let theirs = || {
        target.execute("DROP SCHEMA IF EXISTS loaded CASCADE; CREATE SCHEMA loaded; CHECKPOINT");
        let job = job.borrow();
        let script = job.folder().join("items.load");
        let from = job.database.url();
        let schema = from.rsplit('/').next().expect("a URL with a database");
        std::fs::write(
            &script,
            format!(
                "LOAD DATABASE FROM {from} INTO {}\nWITH workers = 2, concurrency = 1, batch rows = 25000, prefetch rows = 25000\n\
                 INCLUDING ONLY TABLE NAMES MATCHING 'lineitem'\nALTER SCHEMA '{schema}' RENAME TO 'loaded';\n",
                target.url()
            ),
        )
        .expect("a file");
        let mut command = Command::new("pgloader");
        command.arg("--root-dir").arg(job.folder().join("pgloader")).arg(&script);
        let took: Took = timed(&command, &job).0;
        assert_eq!(target.number("SELECT COUNT(*) FROM loaded.lineitem"), items);
        took
    };
    let title = format!("{} to {}", version(&job.borrow().database), version(&target));
    let [one, two] = ours(&job, &target, items, TWO_LANES);
    let sides = vec![one, two, Side::new("pgloader", theirs)];
    contest(
        &title,
        items,
        "rows",
        sides,
        &[Promise { of: "milkrun in two lanes", over: "pgloader", least: 1.5, measure: Measure::Rate }],
    )
}

fn beside_copy() -> bool {
    let (job, target, items) = jobs(Kind::Postgres);
    let theirs = || {
        target.execute(
            "CREATE TABLE IF NOT EXISTS items_piped (l_orderkey BIGINT NOT NULL, l_linenumber INTEGER NOT NULL, l_partkey BIGINT NOT NULL,
             l_suppkey BIGINT NOT NULL, l_quantity BIGINT NOT NULL, l_extendedprice DECIMAL(15,2) NOT NULL,
             l_discount DECIMAL(15,2) NOT NULL, l_tax DECIMAL(15,2) NOT NULL, l_returnflag CHAR(1) NOT NULL,
             l_linestatus CHAR(1) NOT NULL, l_shipdate DATE NOT NULL, l_commitdate DATE NOT NULL,
             l_receiptdate DATE NOT NULL, l_shipinstruct VARCHAR(25) NOT NULL, l_shipmode VARCHAR(10) NOT NULL,
             l_comment VARCHAR(44) NOT NULL, PRIMARY KEY (l_orderkey, l_linenumber))",
        );
        let job = job.borrow();
        target.execute("TRUNCATE TABLE items_piped");
        target.execute("CHECKPOINT");
        let mut command = Command::new("bash");
        let pipe = "set -o pipefail; psql -qX \"$0\" -c 'COPY lineitem TO STDOUT' | psql -qX \"$1\" -c 'COPY items_piped FROM STDIN'";
        command.args(["-c", pipe, job.database.url(), target.url()]);
        let took: Took = timed(&command, &job).0;
        assert_eq!(target.number("SELECT COUNT(*) FROM items_piped"), items);
        took
    };
    let title = format!("{} to {}", version(&job.borrow().database), version(&target));
    let [one, two] = ours(&job, &target, items, LARGE_BATCHES);
    let sides = vec![one, two, Side::new("COPY piped to COPY", theirs)];
    contest(
        &title,
        items,
        "rows",
        sides,
        &[Promise { of: "milkrun in two lanes", over: "COPY piped to COPY", least: 0.8, measure: Measure::Rate }],
    )
}
