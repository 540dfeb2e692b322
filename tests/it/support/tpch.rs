//! TPC-H orders and line items, in any of the three databases.
//!
//! Scale 0.01 has 15,000 orders, 0.1 has 150,000 (72,884 of them with status F), 1 has 1,500,000.

use super::database::{Cell, Database};
use super::history::{Column, Form, Source};
use tpchgen::distribution::Distributions;
use tpchgen::generators::{LineItemGenerator, OrderGenerator};
use tpchgen::text::TextPool;

/// How many orders of scale 0.1 have status F.
pub const CLOSED_AT_A_TENTH: i64 = 72_884;

/// The columns of a line item.
pub const ITEM: [&str; 16] = [
    "l_orderkey",
    "l_linenumber",
    "l_partkey",
    "l_suppkey",
    "l_quantity",
    "l_extendedprice",
    "l_discount",
    "l_tax",
    "l_returnflag",
    "l_linestatus",
    "l_shipdate",
    "l_commitdate",
    "l_receiptdate",
    "l_shipinstruct",
    "l_shipmode",
    "l_comment",
];

const POOL_BYTES: i32 = 1024 * 1024;

/// The two tables with their rows.
pub fn load(database: &Database, scale: f64) {
    let (money, date, engine) = if database.is_sqlite() {
        ("REAL", "TEXT", "")
    } else if database.is_mariadb() {
        ("DECIMAL(15,2)", "DATE", " ENGINE=InnoDB DEFAULT CHARSET=utf8mb4")
    } else {
        ("DECIMAL(15,2)", "DATE", "")
    };
    database.execute(&format!(
        "CREATE TABLE orders (
            o_orderkey {key}, o_custkey BIGINT NOT NULL, o_orderstatus CHAR(1) NOT NULL, o_totalprice {money} NOT NULL,
            o_orderdate {date} NOT NULL, o_orderpriority VARCHAR(15) NOT NULL, o_clerk VARCHAR(15) NOT NULL,
            o_shippriority INTEGER NOT NULL, o_comment VARCHAR(79) NOT NULL){engine};
        CREATE TABLE lineitem (
            l_orderkey BIGINT NOT NULL, l_linenumber INTEGER NOT NULL, l_partkey BIGINT NOT NULL,
            l_suppkey BIGINT NOT NULL, l_quantity BIGINT NOT NULL, l_extendedprice {money} NOT NULL,
            l_discount {money} NOT NULL, l_tax {money} NOT NULL, l_returnflag CHAR(1) NOT NULL,
            l_linestatus CHAR(1) NOT NULL, l_shipdate {date} NOT NULL, l_commitdate {date} NOT NULL,
            l_receiptdate {date} NOT NULL, l_shipinstruct VARCHAR(25) NOT NULL, l_shipmode VARCHAR(10) NOT NULL,
            l_comment VARCHAR(44) NOT NULL, PRIMARY KEY (l_orderkey, l_linenumber)){engine};",
        key = if database.is_sqlite() { "INTEGER PRIMARY KEY" } else { "BIGINT PRIMARY KEY" },
    ));
    let distributions = Distributions::static_default();
    let pool = TextPool::new(POOL_BYTES, distributions);
    let text = |value: &dyn ToString| Cell::Text(value.to_string());
    let number = |value: &dyn ToString| Cell::Number(value.to_string());
    let orders = OrderGenerator::new_with_distributions_and_text_pool(scale, 1, 1, distributions, &pool);
    let rows = orders.iter().map(|order| {
        vec![
            Cell::Int(order.o_orderkey),
            Cell::Int(order.o_custkey),
            text(&order.o_orderstatus),
            number(&order.o_totalprice),
            text(&order.o_orderdate),
            text(&order.o_orderpriority),
            text(&order.o_clerk),
            Cell::Int(order.o_shippriority.into()),
            text(&order.o_comment),
        ]
    });
    database.load("orders", rows);
    let items = LineItemGenerator::new_with_distributions_and_text_pool(scale, 1, 1, distributions, &pool);
    let rows = items.iter().map(|item| {
        vec![
            Cell::Int(item.l_orderkey),
            Cell::Int(item.l_linenumber.into()),
            Cell::Int(item.l_partkey),
            Cell::Int(item.l_suppkey),
            Cell::Int(item.l_quantity),
            number(&item.l_extendedprice),
            number(&item.l_discount),
            number(&item.l_tax),
            text(&item.l_returnflag),
            text(&item.l_linestatus),
            text(&item.l_shipdate),
            text(&item.l_commitdate),
            text(&item.l_receiptdate),
            text(&item.l_shipinstruct),
            text(&item.l_shipmode),
            text(&item.l_comment),
        ]
    });
    database.load("lineitem", rows);
    analyze(database, &["orders", "lineitem"]);
}

/// Fresh statistics, as a table has that did not appear a second ago.
pub fn analyze(database: &Database, tables: &[&str]) {
    for table in tables {
        let verb = if database.is_mariadb() { "ANALYZE TABLE" } else { "ANALYZE" };
        database.execute(&format!("{verb} {table}"));
    }
}

/// What a history of closed orders has to hold.
pub fn closed(database: &Database) -> Source {
    let money = if database.is_sqlite() { Form::Number } else { Form::Text };
    let column = |name, form| Column { name, form };
    Source {
        table: "orders",
        filter: "o_orderstatus = 'F'",
        key: &["o_orderkey"],
        columns: vec![
            column("o_orderkey", Form::Number),
            column("o_custkey", Form::Number),
            column("o_orderstatus", Form::Text),
            column("o_totalprice", money),
            column("o_orderdate", Form::Text),
            column("o_orderpriority", Form::Text),
            column("o_clerk", Form::Text),
            column("o_shippriority", Form::Number),
            column("o_comment", Form::Text),
        ],
        name: "",
        parent: "",
        child: "",
        related: vec![Source {
            table: "lineitem",
            filter: "",
            key: &["l_orderkey", "l_linenumber"],
            columns: vec![
                column("l_orderkey", Form::Number),
                column("l_linenumber", Form::Number),
                column("l_partkey", Form::Number),
                column("l_suppkey", Form::Number),
                column("l_quantity", Form::Number),
                column("l_extendedprice", money),
                column("l_discount", money),
                column("l_tax", money),
                column("l_returnflag", Form::Text),
                column("l_linestatus", Form::Text),
                column("l_shipdate", Form::Text),
                column("l_commitdate", Form::Text),
                column("l_receiptdate", Form::Text),
                column("l_shipinstruct", Form::Text),
                column("l_shipmode", Form::Text),
                column("l_comment", Form::Text),
            ],
            name: "items",
            parent: "o_orderkey",
            child: "l_orderkey",
            related: Vec::new(),
        }],
    }
}

/// The migration file of that history, named `shop-history`. `limits` is the text of its `[limits]`.
pub fn migration(limits: &str) -> String {
    format!(
        r#"name = "shop-history"
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
on = {{ l_orderkey = "o_orderkey" }}
[target]
database = "$SHOP_DATABASE_URL"
table = "order_history"
key = ["order_id"]
create = true
[target.columns]
order_id = "o_orderkey"
placed_on = "o_orderdate"
document = "$document"
digest = "$digest"
migrated_at = "$now"
run = "$run"
definition = "$definition"
[limits]
{limits}
"#
    )
}
