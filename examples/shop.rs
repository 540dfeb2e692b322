//! Makes the shop of the demo: TPC-H orders and line items in one SQLite file.
//!
//!     cargo run --example shop -- demo/shop.db 0.1
//!
//! The second argument is TPC-H's scale: 0.1 makes 150,000 orders and 600,572 line items. A file that exists is left alone.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use rusqlite::{Connection, params};
use tpchgen::decimal::TPCHDecimal;
use tpchgen::distribution::Distributions;
use tpchgen::generators::{LineItemGenerator, OrderGenerator};
use tpchgen::text::TextPool;

/// Comments are cut from a pool of prose. TPC-H's own has 300 MB; this much is varied enough and made in a moment.
const POOL_BYTES: i32 = 4 * 1024 * 1024;

const SCHEMA: &str = "
    CREATE TABLE orders (
        o_orderkey INTEGER PRIMARY KEY,
        o_custkey INTEGER NOT NULL,
        o_orderstatus TEXT NOT NULL,
        o_totalprice REAL NOT NULL,
        o_orderdate TEXT NOT NULL,
        o_orderpriority TEXT NOT NULL,
        o_clerk TEXT NOT NULL,
        o_shippriority INTEGER NOT NULL,
        o_comment TEXT NOT NULL
    );
    CREATE TABLE lineitem (
        l_orderkey INTEGER NOT NULL REFERENCES orders (o_orderkey),
        l_linenumber INTEGER NOT NULL,
        l_partkey INTEGER NOT NULL,
        l_suppkey INTEGER NOT NULL,
        l_quantity INTEGER NOT NULL,
        l_extendedprice REAL NOT NULL,
        l_discount REAL NOT NULL,
        l_tax REAL NOT NULL,
        l_returnflag TEXT NOT NULL,
        l_linestatus TEXT NOT NULL,
        l_shipdate TEXT NOT NULL,
        l_commitdate TEXT NOT NULL,
        l_receiptdate TEXT NOT NULL,
        l_shipinstruct TEXT NOT NULL,
        l_shipmode TEXT NOT NULL,
        l_comment TEXT NOT NULL,
        PRIMARY KEY (l_orderkey, l_linenumber)
    );";

fn main() -> ExitCode {
    match make(std::env::args().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("shop: {error}");
            ExitCode::FAILURE
        }
    }
}

fn make(mut arguments: impl Iterator<Item = String>) -> Result<(), Box<dyn Error>> {
    let path = PathBuf::from(arguments.next().unwrap_or_else(|| "demo/shop.db".to_owned()));
    let scale: f64 = arguments.next().unwrap_or_else(|| "0.1".to_owned()).parse()?;
    if path.exists() {
        println!("{} is there already", path.display());
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    // Under another name until it is whole: an interrupted start must not leave half a shop.
    let unfinished = path.with_extension("unfinished");
    if unfinished.exists() {
        std::fs::remove_file(&unfinished)?;
    }
    let started = Instant::now();
    let (orders, items) = fill(&unfinished, scale)?;
    std::fs::rename(&unfinished, &path)?;
    let seconds = started.elapsed().as_secs_f64();
    println!("{}: {orders} orders with {items} line items, made in {seconds:.1} s", path.display());
    Ok(())
}

/// Fills a new file, and says how many orders and line items it holds.
fn fill(path: &Path, scale: f64) -> Result<(u64, u64), Box<dyn Error>> {
    let distributions = Distributions::static_default();
    let pool = TextPool::new(POOL_BYTES, distributions);
    let mut shop = Connection::open(path)?;
    // The file is thrown away if this does not end, so it needs no journal meanwhile.
    shop.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")?;
    shop.execute_batch(SCHEMA)?;
    let transaction = shop.transaction()?;
    let mut orders = 0;
    let mut items = 0;
    {
        let mut insert = transaction.prepare("INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")?;
        let generator = OrderGenerator::new_with_distributions_and_text_pool(scale, 1, 1, distributions, &pool);
        for order in generator.iter() {
            insert.execute(params![
                order.o_orderkey,
                order.o_custkey,
                order.o_orderstatus.as_str(),
                amount(order.o_totalprice),
                order.o_orderdate.to_string(),
                order.o_orderpriority,
                order.o_clerk.to_string(),
                order.o_shippriority,
                order.o_comment,
            ])?;
            orders += 1;
        }
        let mut insert =
            transaction.prepare("INSERT INTO lineitem VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?;
        let generator = LineItemGenerator::new_with_distributions_and_text_pool(scale, 1, 1, distributions, &pool);
        for item in generator.iter() {
            insert.execute(params![
                item.l_orderkey,
                item.l_linenumber,
                item.l_partkey,
                item.l_suppkey,
                item.l_quantity,
                amount(item.l_extendedprice),
                amount(item.l_discount),
                amount(item.l_tax),
                item.l_returnflag,
                item.l_linestatus,
                item.l_shipdate.to_string(),
                item.l_commitdate.to_string(),
                item.l_receiptdate.to_string(),
                item.l_shipinstruct,
                item.l_shipmode,
                item.l_comment,
            ])?;
            items += 1;
        }
    }
    transaction.commit()?;
    Ok((orders, items))
}

/// Hundredths as SQLite stores money most readably: the nearest real.
#[expect(clippy::cast_precision_loss, reason = "amounts are far below 2^53 hundredths")]
fn amount(value: TPCHDecimal) -> f64 {
    value.0 as f64 / 100.0
}
