//! How much milkrun's chunks, checkpoints and fencing cost: orders per second against one single INSERT … SELECT of everything,
//! on the same machine, in the same run, alternating, medians of five. `make bench`.
//!
//! The statement is what somebody would write by hand who needs no checkpoint, no limit and no second try. It writes into a table
//! of the same shape, durably, as milkrun does. Below the ratio that is promised, the benchmark fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark that cannot go on fails")]

#[path = "../tests/it/support/mod.rs"]
mod support;

use std::process::ExitCode;
use std::time::{Duration, Instant};
use support::database::Database;
use support::job::Job;
use support::servers::Kind;
use support::tpch;

const SCALE: f64 = 0.1;
const ROUNDS: usize = 5;
const PROMISED: f64 = 0.85;

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

fn main() -> ExitCode {
    let good = [Kind::MariaDb, Kind::Postgres].map(side_by_side);
    if good == [true, true] { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What one whole job of milkrun took.
struct Took {
    /// Reading, writing and committing batches, as the runs report it.
    chunks: Duration,
    /// The command from its start to its end: also connecting, looking at the schema, estimating and the closing sweep.
    command: Duration,
}

fn side_by_side(kind: Kind) -> bool {
    let mut job = Job::new(kind);
    tpch::load(&job.database, SCALE);
    make_durable(&job.database);
    job.define(MIGRATION);
    let closed = job.database.number("SELECT COUNT(*) FROM orders WHERE o_orderstatus = 'F'");

    // Once before it counts: it warms both sides, and makes the table whose shape both sides share.
    milkrun(&job, closed);
    job.database.execute(if kind == Kind::MariaDb {
        "CREATE TABLE natural_history LIKE order_history"
    } else {
        "CREATE TABLE natural_history (LIKE order_history INCLUDING ALL)"
    });
    natural(kind, &job.database, closed);

    println!("\n{kind:?} {}, {closed} orders", job.database.rows("SELECT VERSION()")[0][0].as_deref().unwrap_or("?"));
    println!("  round   one statement   milkrun's chunks   whole command");
    let (mut statements, mut chunks, mut commands) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        // Each goes first in turn.
        let (statement, took) = if round % 2 == 0 {
            let took = milkrun(&job, closed);
            (natural(kind, &job.database, closed), took)
        } else {
            let statement = natural(kind, &job.database, closed);
            (statement, milkrun(&job, closed))
        };
        println!(
            "  {round:>5} {:>13.2} s {:>16.2} s {:>13.2} s",
            statement.as_secs_f64(),
            took.chunks.as_secs_f64(),
            took.command.as_secs_f64()
        );
        statements.push(statement);
        chunks.push(took.chunks);
        commands.push(took.command);
    }
    let [statement, chunks, command] = [statements, chunks, commands].map(|times| rate(closed, times));
    println!("  orders/s {statement:>14.0} {chunks:>18.0} {command:>15.0}");
    println!("  ratio {:>17} {:>18.2} {:>15.2}", "1", chunks / statement, command / statement);
    let good = chunks / statement >= PROMISED;
    if !good {
        println!("  below the ratio of {PROMISED} that is promised");
    }
    good
}

/// Orders per second at the median of some times.
fn rate(orders: i64, mut times: Vec<Duration>) -> f64 {
    times.sort();
    let orders = f64::from(i32::try_from(orders).expect("few enough"));
    orders / times[times.len() / 2].as_secs_f64()
}

/// One statement for all of it.
fn natural(kind: Kind, database: &Database, closed: i64) -> Duration {
    database.execute("TRUNCATE TABLE natural_history");
    settle(kind, database);
    let started = Instant::now();
    database.execute(if kind == Kind::MariaDb { NATURAL_MARIADB } else { NATURAL_POSTGRES });
    let took = started.elapsed();
    assert_eq!(database.number("SELECT COUNT(*) FROM natural_history"), closed);
    took
}

/// Run after run until complete, from nothing.
fn milkrun(job: &Job, closed: i64) -> Took {
    let kind = if job.database.is_mariadb() { Kind::MariaDb } else { Kind::Postgres };
    job.cli().run(&["--json", "reset", &job.name, "--confirm", &job.name]).expect(0);
    if exists(&job.database, "order_history") {
        job.database.execute("TRUNCATE TABLE order_history");
    }
    settle(kind, &job.database);
    let started = Instant::now();
    let finished = job.cli().run(&["--json", "run", &job.name, "--until-done"]).expect(0);
    let command = started.elapsed();
    let replies = finished.replies();
    let last = replies.last().expect("there is a reply");
    assert!(last["outcome"] == "complete" && last["progress"]["moved"] == closed, "{last}");
    let chunks = replies.iter().filter_map(|reply| reply["batch_ms"].as_u64()).sum();
    Took { chunks: Duration::from_millis(chunks), command }
}

fn exists(database: &Database, table: &str) -> bool {
    let schema = if database.is_mariadb() { "DATABASE()" } else { "current_schema()" };
    database.number(&format!(
        "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = {schema} AND table_name = '{table}'"
    )) > 0
}

/// What was written before is out of the way.
fn settle(kind: Kind, database: &Database) {
    if kind == Kind::Postgres {
        database.execute("CHECKPOINT");
    }
}

/// A commit is on disk when it returns, also where the tests' servers are set up to be quick.
fn make_durable(database: &Database) {
    if database.is_mariadb() {
        database.execute("SET GLOBAL innodb_flush_log_at_trx_commit = 1");
        // What one would set for such a statement: rows of the source are not locked.
        database.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED");
    } else {
        // A setting of the database beats one of the server's command line, for sessions that begin from now on.
        let name = database.rows("SELECT current_database()")[0][0].clone().unwrap_or_default();
        database.execute(&format!("ALTER DATABASE {name} SET synchronous_commit = on"));
        database.execute("SET synchronous_commit = on");
        assert_eq!(database.rows("SHOW fsync")[0][0].as_deref(), Some("on"), "commits would not be durable");
    }
}
