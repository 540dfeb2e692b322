//! Documents within one database: what milkrun's chunks, checkpoints and fencing cost against one single INSERT … SELECT of
//! everything.
//!
//! The statement is what somebody would write by hand who needs no checkpoint, no limit and no second try.

use super::contest::{Measure, Promise, Side, contest};
use super::ready::{afresh, make_durable, settle, version};
use super::timed::{Took, milkrun};
use crate::support::database::Database;
use crate::support::job::Job;
use crate::support::servers::Kind;
use crate::support::tpch;
use std::cell::RefCell;
use std::time::Instant;

const SCALE: f64 = 0.1;
const PROMISED: f64 = 0.9;
/// Of two lanes, where the statement keeps one processor busy and another one is idle.
const PROMISED_OF_TWO: f64 = 1.5;

/// What makes two lanes of it.
const TWO_LANES: &str = "shards = 4\nlanes = 2\n";

const MIGRATION: &str = r#"
name = "shop-history"
kind = "rows"
[source]
database = "$SHOP_DATABASE_URL"
table = "orders"
key = ["o_orderkey"]
where = "o_orderstatus = 'F'"
[[source.related]]
name = "items"
table = "lineitem"
key = ["l_orderkey", "l_linenumber"]
on = { l_orderkey = "o_orderkey" }
[target]
database = "$SHOP_DATABASE_URL"
table = "order_history"
key = ["order_id"]
create = true
[target.columns]
order_id = "o_orderkey"
document = "$document"
migrated_at = "$now"
[limits]
settle = "0s"
"#;

const NATURAL_MARIADB: &str = "
INSERT INTO natural_history (order_id, document, migrated_at)
SELECT o.o_orderkey,
       JSON_OBJECT('o_orderkey', o.o_orderkey, 'o_custkey', o.o_custkey, 'o_orderstatus', o.o_orderstatus,
           'o_totalprice', o.o_totalprice, 'o_orderdate', o.o_orderdate, 'o_orderpriority', o.o_orderpriority,
           'o_clerk', o.o_clerk, 'o_shippriority', o.o_shippriority, 'o_comment', o.o_comment,
           'items', JSON_COMPACT((
               SELECT CONCAT('[', COALESCE(GROUP_CONCAT(JSON_OBJECT('l_orderkey', l.l_orderkey,
                   'l_linenumber', l.l_linenumber, 'l_partkey', l.l_partkey, 'l_suppkey', l.l_suppkey,
                   'l_quantity', l.l_quantity, 'l_extendedprice', l.l_extendedprice, 'l_discount', l.l_discount,
                   'l_tax', l.l_tax, 'l_returnflag', l.l_returnflag, 'l_linestatus', l.l_linestatus,
                   'l_shipdate', l.l_shipdate, 'l_commitdate', l.l_commitdate, 'l_receiptdate', l.l_receiptdate,
                   'l_shipinstruct', l.l_shipinstruct, 'l_shipmode', l.l_shipmode, 'l_comment', l.l_comment)
                   ORDER BY l.l_linenumber), ''), ']')
               FROM lineitem AS l WHERE l.l_orderkey = o.o_orderkey))),
       NOW(6)
FROM orders AS o WHERE o.o_orderstatus = 'F'";

const NATURAL_POSTGRES: &str = "
INSERT INTO natural_history (order_id, document, migrated_at)
SELECT o.o_orderkey, row_to_json(d)::text, now()
FROM orders AS o
CROSS JOIN LATERAL (
    SELECT o.*, (SELECT COALESCE(json_agg(row_to_json(l) ORDER BY l.l_linenumber), '[]')
                 FROM lineitem AS l WHERE l.l_orderkey = o.o_orderkey) AS items) AS d
WHERE o.o_orderstatus = 'F'";

/// On MariaDB and on PostgreSQL.
pub(crate) fn compare() -> bool {
    [Kind::MariaDb, Kind::Postgres].map(side_by_side) == [true, true]
}

fn side_by_side(kind: Kind) -> bool {
    let mut job = Job::new(kind);
    tpch::load(&job.database, SCALE);
    make_durable(&job.database);
    job.define(MIGRATION);
    let closed = job.database.number("SELECT COUNT(*) FROM orders WHERE o_orderstatus = 'F'");
    // Both sides share the shape of the table that milkrun makes.
    milkrun(&job, closed);
    job.database.execute(if kind == Kind::MariaDb {
        "CREATE TABLE natural_history LIKE order_history"
    } else {
        "CREATE TABLE natural_history (LIKE order_history INCLUDING ALL)"
    });
    let title = format!("Documents, {}", version(&job.database));
    let job = RefCell::new(job);
    let by = |limits: &str| {
        job.borrow_mut().define(&format!("{MIGRATION}{limits}"));
        let job = job.borrow();
        afresh(&job, &["order_history"]);
        milkrun(&job, closed)
    };
    let sides = vec![
        Side::new("one INSERT … SELECT", || natural(kind, &job.borrow().database, closed)),
        Side::new("milkrun", || by("")),
        Side::new("milkrun in two lanes", || by(TWO_LANES)),
    ];
    let one =
        Promise { of: "milkrun, its chunks", over: "one INSERT … SELECT", least: PROMISED, measure: Measure::Rate };
    let two = Promise {
        of: "milkrun in two lanes, its chunks",
        over: "one INSERT … SELECT",
        least: PROMISED_OF_TWO,
        measure: Measure::Rate,
    };
    // What PostgreSQL makes of two lanes is shown.
    let promised = if kind == Kind::MariaDb { vec![one, two] } else { vec![one] };
    contest(&title, closed, "orders", sides, &promised)
}

/// One statement for all of it.
fn natural(kind: Kind, database: &Database, closed: i64) -> Took {
    database.execute("TRUNCATE TABLE natural_history");
    settle(database);
    let started = Instant::now();
    database.execute(if kind == Kind::MariaDb { NATURAL_MARIADB } else { NATURAL_POSTGRES });
    let took = Took { wall: started.elapsed(), ..Took::default() };
    assert_eq!(database.number("SELECT COUNT(*) FROM natural_history"), closed);
    took
}
