//! The shop that milkrun was made for: orders, their items, and discounts on the items, in any of the three databases.

use super::database::{Cell, Database};
use super::history::{Column, Form, Source};
use super::tpch::analyze;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// The statuses of orders that are closed.
pub const CLOSED: [&str; 3] = ["uncollected", "cancelled", "dispensed"];

const OPEN: [&str; 3] = ["new", "paid", "ready"];

/// How large a shop is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// All orders.
    pub orders: i64,
    /// How many of them are closed.
    pub closed: i64,
    /// Items of an order, at most; some have none.
    pub items: i64,
    /// Discounts on an item, at most.
    pub discounts: i64,
}

/// The case that milkrun serves first: 1,615 closed orders among 4,000.
pub const CASE_1615: Size = Size { orders: 4000, closed: 1615, items: 6, discounts: 2 };

/// The three tables with their rows; the same rows for the same size.
pub fn load(database: &Database, size: Size) {
    let (money, moment, id, engine) = if database.is_sqlite() {
        ("REAL", "TEXT", "INTEGER PRIMARY KEY", "")
    } else if database.is_mariadb() {
        ("DECIMAL(12,2)", "DATETIME(6)", "BIGINT PRIMARY KEY", " ENGINE=InnoDB DEFAULT CHARSET=utf8mb4")
    } else {
        ("DECIMAL(12,2)", "TIMESTAMP(6)", "BIGINT PRIMARY KEY", "")
    };
    database.execute(&format!(
        "CREATE TABLE orders (id {id}, status VARCHAR(20) NOT NULL, customer VARCHAR(60) NOT NULL, total {money} NOT NULL,
            card_number VARCHAR(20), remark VARCHAR(200), placed_at {moment} NOT NULL){engine};
        CREATE TABLE order_items (id {id}, order_id BIGINT NOT NULL, sku VARCHAR(20) NOT NULL, quantity INTEGER NOT NULL,
            price {money} NOT NULL){engine};
        CREATE INDEX items_of_order ON order_items (order_id);
        CREATE TABLE item_discounts (id {id}, item_id BIGINT NOT NULL, reason VARCHAR(200) NOT NULL){engine};
        CREATE INDEX discounts_of_item ON item_discounts (item_id);"
    ));
    let mut random = StdRng::seed_from_u64(1615);
    let mut orders = Vec::new();
    let mut items = Vec::new();
    let mut discounts = Vec::new();
    let mut closed_left = size.closed;
    let mut key = 0;
    for place in 0..size.orders {
        // Keys have gaps, and the closed orders are spread at random, exactly as many as were asked for.
        key += random.random_range(1..4);
        let is_closed = random.random_range(0..size.orders - place) < closed_left;
        closed_left -= i64::from(is_closed);
        let status = (if is_closed { CLOSED } else { OPEN })[random.random_range(0..3)];
        orders.push(vec![
            Cell::Int(key),
            Cell::Text(status.to_owned()),
            Cell::Text(customer(&mut random)),
            money_cell(&mut random),
            if random.random_bool(0.8) { Cell::Text(format!("4000{key:012}")) } else { Cell::Null },
            remark(&mut random),
            Cell::Text(format!("2024-{:02}-{:02} 08:15:30.{:06}", key % 12 + 1, key % 28 + 1, key % 1_000_000)),
        ]);
        for _ in 0..random.random_range(0..=size.items) {
            let item = i64::try_from(items.len()).expect("few items") + 1;
            items.push(vec![
                Cell::Int(item),
                Cell::Int(key),
                Cell::Text(format!("SKU-{:05}", random.random_range(0..99_999))),
                Cell::Int(random.random_range(1..20)),
                money_cell(&mut random),
            ]);
            for _ in 0..random.random_range(0..=size.discounts) {
                let discount = i64::try_from(discounts.len()).expect("few discounts") + 1;
                discounts.push(vec![Cell::Int(discount), Cell::Int(item), Cell::Text(customer(&mut random))]);
            }
        }
    }
    database.load("orders", orders.into_iter());
    database.load("order_items", items.into_iter());
    database.load("item_discounts", discounts.into_iter());
    analyze(database, &["orders", "order_items", "item_discounts"]);
}

fn customer(random: &mut StdRng) -> String {
    let names =
        ["O'Brien", "Zoë \"Z\" Müller", "山田 太郎", "back\\slash", "tab\there", "two\nlines", "🚚 milk", "plain"];
    format!("{} {}", names[random.random_range(0..names.len())], random.random_range(0..1000))
}

fn remark(random: &mut StdRng) -> Cell {
    match random.random_range(0..3) {
        0 => Cell::Null,
        1 => Cell::Text(String::new()),
        _ => Cell::Text(customer(random)),
    }
}

fn money_cell(random: &mut StdRng) -> Cell {
    Cell::Number(format!("{}.{:02}", random.random_range(0..10_000), random.random_range(0..100)))
}

/// What a history of the closed orders has to hold, without the card numbers.
pub fn closed(database: &Database) -> Source {
    let money = if database.is_sqlite() { Form::Number } else { Form::Text };
    let moment = if database.is_sqlite() { Form::Text } else { Form::Moment };
    let column = |name, form| Column { name, form };
    let discounts = Source {
        table: "item_discounts",
        filter: "",
        key: &["id"],
        columns: vec![column("id", Form::Number), column("item_id", Form::Number), column("reason", Form::Text)],
        name: "discounts",
        parent: "id",
        child: "item_id",
        related: Vec::new(),
    };
    let items = Source {
        table: "order_items",
        filter: "",
        key: &["id"],
        columns: vec![
            column("id", Form::Number),
            column("order_id", Form::Number),
            column("sku", Form::Text),
            column("quantity", Form::Number),
            column("price", money),
        ],
        name: "items",
        parent: "id",
        child: "order_id",
        related: vec![discounts],
    };
    Source {
        table: "orders",
        filter: "status IN ('uncollected', 'cancelled', 'dispensed')",
        key: &["id"],
        columns: vec![
            column("id", Form::Number),
            column("status", Form::Text),
            column("customer", Form::Text),
            column("total", money),
            column("remark", Form::Text),
            column("placed_at", moment),
        ],
        name: "",
        parent: "",
        child: "",
        related: vec![items],
    }
}

/// The table of that history, as a user would make it.
pub fn create_history(database: &Database) {
    let (id, document, moment, charset) = if database.is_sqlite() {
        ("INTEGER", "TEXT", "TEXT", "")
    } else if database.is_mariadb() {
        ("BIGINT", "LONGTEXT", "DATETIME(6)", " DEFAULT CHARSET=utf8mb4")
    } else {
        ("BIGINT", "text", "timestamptz", "")
    };
    database.execute(&format!(
        "CREATE TABLE order_history (order_id {id} PRIMARY KEY, status VARCHAR(20), document {document}, \
         digest CHAR(64), migrated_at {moment}, run VARCHAR(255), definition CHAR(64)){charset}"
    ));
}

/// The same migration file with its target in the database of another variable.
pub fn migration_to(variable: &str, limits: &str) -> String {
    let text = migration(limits);
    let (source, target) = text.split_once("[target]").expect("a target");
    format!("{source}[target]{}", target.replacen("SHOP", variable, 1))
}

/// The migration file of that history, named `orders-history`. `limits` is the text of its `[limits]`.
pub fn migration(limits: &str) -> String {
    format!(
        r#"name = "orders-history"
kind = "rows"
[source]
database = "$SHOP_DATABASE_URL"
table = "orders"
key = ["id"]
where = "status IN ('uncollected', 'cancelled', 'dispensed')"
exclude = ["card_number"]
[[source.related]]
name = "items"
table = "order_items"
key = ["id"]
on = {{ order_id = "id" }}
[[source.related.related]]
name = "discounts"
table = "item_discounts"
key = ["id"]
on = {{ item_id = "id" }}
[target]
database = "$SHOP_DATABASE_URL"
table = "order_history"
key = ["order_id"]
create = true
[target.columns]
order_id = "id"
status = "status"
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
