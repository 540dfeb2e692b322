//! Related rows into tables of their own in another database: with their item or not at all.

use super::pair::{Pair, pairs};
use crate::rows::stage::{Kind, LIMIT, range};
use crate::support::database::TextRow;
use milkrun::cursor::Cursor;
use milkrun::engine::migration::{Migration, Repair};
use milkrun::spec::After;

const SOURCE: &str = r#"
table = "orders"
key = ["id"]
where = "status = 'F'"
[[source.related]]
name = "items"
table = "order_items"
key = ["order_id", "n"]
on = { order_id = "id" }
[source.related.target]
table = "items_archive"
key = ["n", "order_no"]
create = true
[source.related.target.columns]
order_no = "order_id"
n = "n"
sku = "sku"
run = "$run"
[[source.related.related]]
name = "parts"
table = "parts"
key = ["id"]
on = { order_id = "order_id", n = "n" }
[source.related.related.target]
table = "parts_archive"
key = ["id"]
create = true
[source.related.related.target.columns]
id = "id"
label = "label"
at = "$now"
"#;

const TARGET: &str = r#"
table = "archive"
key = ["order_no"]
create = true
[target.columns]
order_no = "id"
status = "status"
total = "total"
"#;

/// Forty orders, half of them finished, with 0 to 4 items each and a part of every other item.
fn shop(kinds: (Kind, Kind)) -> Pair {
    let pair = Pair::new(kinds);
    let source = &pair.source;
    source.execute(
        "CREATE TABLE orders (id INT NOT NULL PRIMARY KEY, status VARCHAR(5) NOT NULL, total DECIMAL(8,2));
         CREATE TABLE order_items (order_id INT NOT NULL, n INT NOT NULL, sku VARCHAR(20), PRIMARY KEY (order_id, n));
         CREATE TABLE parts (id INT NOT NULL PRIMARY KEY, order_id INT NOT NULL, n INT NOT NULL, label VARCHAR(20));
         CREATE INDEX parts_of ON parts (order_id, n);",
    );
    for id in 1..=40 {
        let status = if id % 2 == 0 { 'F' } else { 'O' };
        source.execute(&format!("INSERT INTO orders VALUES ({id}, '{status}', {id}.25)"));
        for n in 1..=id % 5 {
            source.execute(&format!("INSERT INTO order_items VALUES ({id}, {n}, 'sku {id}-{n}')"));
            if n % 2 == 0 {
                source.execute(&format!("INSERT INTO parts VALUES ({id}{n}, {id}, {n}, 'Teil {id}/{n}')"));
            }
        }
    }
    pair
}

fn sorted(pair: &Pair, source: &str, target: &str) -> (Vec<TextRow>, Vec<TextRow>) {
    let (mut source, mut target) = (pair.source.rows(source), pair.target.rows(target));
    source.sort();
    target.sort();
    (source, target)
}

fn assert_archived(pair: &Pair) {
    for (source, target) in [
        ("SELECT id, status FROM orders WHERE status = 'F'", "SELECT order_no, status FROM archive"),
        (
            "SELECT i.order_id, i.n, sku FROM order_items i JOIN orders o ON o.id = order_id WHERE status = 'F'",
            "SELECT order_no, n, sku FROM items_archive",
        ),
        (
            "SELECT p.id, label FROM parts p JOIN orders o ON o.id = order_id WHERE status = 'F'",
            "SELECT id, label FROM parts_archive",
        ),
    ] {
        let (expected, found) = sorted(pair, source, target);
        assert_eq!(expected, found, "{target}");
    }
}

#[test]
fn related_rows_arrive_with_their_items() {
    for kinds in pairs() {
        let pair = shop(kinds);
        let definition = Pair::definition(SOURCE, TARGET, "");
        let moved = pair.move_all(&definition, 7);
        assert_eq!((moved.moved, moved.skipped, moved.aside), (20, 0, vec![]));
        assert_archived(&pair);
        let again = pair.move_all(&definition, 9);
        assert_eq!((again.moved, again.skipped, again.aside), (0, 20, vec![]));
        let verified = pair.verify_all(&definition, 6, None);
        assert_eq!((verified.checked, verified.equal, verified.extra), (20, 20, 0), "{verified:?}");

        // A related row that is missing makes its item different; one that is there without its item and equal is no conflict; one
        // that is there and different is.
        pair.target.execute(
            "DELETE FROM items_archive WHERE order_no = 8 AND n = 1;
             DELETE FROM archive WHERE order_no IN (12, 14, 18);
             UPDATE items_archive SET sku = 'other' WHERE order_no = 14 AND n = 2;
             DELETE FROM parts_archive WHERE id = 182",
        );
        let verified = pair.verify_all(&definition, 6, None);
        assert_eq!(
            (verified.checked, verified.equal, verified.missing, verified.different),
            (20, 16, 3, 1),
            "{verified:?}"
        );
        let third = pair.move_all(&definition, 50);
        assert_eq!((third.moved, third.skipped), (2, 16), "{third:?}");
        let message = |place: usize| third.aside[place].message.clone();
        assert_eq!(third.aside.len(), 2, "{third:?}");
        assert_eq!(message(0), "the target exists and differs in related `items`");
        assert_eq!(message(1), "there is no target, but some rows of related `items` are in theirs and differ");
        let (_, part) = sorted(&pair, "SELECT 1", "SELECT label FROM parts_archive WHERE id = 182");
        assert_eq!(part, [[Some("Teil 18/2".to_owned())]], "it has come back with its item");

        // What is mended by hand is moved by a repair; overwriting does not reach related rows.
        pair.target
            .execute("DELETE FROM items_archive WHERE order_no IN (8, 14); DELETE FROM archive WHERE order_no = 8");
        let overwrite = Repair { overwrite: true, run: "r".into() };
        let rows = pair.open(&definition);
        let error = pair.source.run(async {
            let range = range(&rows).await.expect("a range");
            let after: Option<Cursor> = None;
            rows.verify(&range, after.as_ref(), 50, Some(&overwrite), LIMIT).await.expect_err("no overwriting")
        });
        assert!(error.message.contains("`overwrite` does not reach"), "{error}");
        let repaired = pair.verify_all(&definition, 50, Some(&Repair { overwrite: false, run: "r".into() }));
        assert_eq!((repaired.missing, repaired.repaired), (2, 2), "{repaired:?}");
        assert_archived(&pair);
    }
}

/// An item whose deletion the source refuses keeps all that belongs to it: locks, copy, comparison and deletion are one
/// transaction of the source, which the reading of related rows leaves open.
#[test]
fn they_leave_the_source_with_their_item_or_not_at_all() {
    let mut definition = Pair::definition(SOURCE, TARGET, "");
    definition.target.after = After::Delete;
    for kinds in pairs() {
        let pair = shop(kinds);
        let source = &pair.source;
        if kinds.0 != Kind::Sqlite {
            source.execute(
                "ALTER TABLE order_items ADD FOREIGN KEY (order_id) REFERENCES orders (id);
                 ALTER TABLE parts ADD FOREIGN KEY (order_id, n) REFERENCES order_items (order_id, n)",
            );
        }
        source.execute(
            "CREATE TABLE invoices (id INT NOT NULL PRIMARY KEY, order_id INT NOT NULL, FOREIGN KEY (order_id) REFERENCES orders (id));
             INSERT INTO invoices VALUES (1, 14)",
        );
        let finished = "SELECT id, status, total FROM orders WHERE status = 'F' ORDER BY id";
        let items = "SELECT order_id, n, sku FROM order_items WHERE order_id % 2 = 0 ORDER BY order_id, n";
        let parts = "SELECT id, label FROM parts WHERE order_id % 2 = 0 ORDER BY id";
        let before = [finished, items, parts].map(|query| source.rows(query));
        let rows = pair.open(&definition);
        let refused = source.run(async {
            rows.prepare(LIMIT).await.expect("the targets");
            let range = range(&rows).await.expect("rows");
            let key = |id: u32| Cursor(vec![milkrun::cursor::KeyPart::Int(id.to_string())]);
            rows.write(&rows.fetch(&range, &[key(12), key(14)]), &crate::rows::stage::effort()).await
        });
        assert!(refused.is_err(), "{kinds:?}: {refused:?}");
        assert_eq!([finished, items, parts].map(|query| source.rows(query)), before, "{kinds:?}");

        source.execute("DELETE FROM invoices");
        let moved = pair.move_all(&definition, 7);
        assert_eq!((moved.moved + moved.skipped, moved.aside.len()), (20, 0), "{kinds:?}: {moved:?}");
        assert_eq!([finished, items, parts].map(|query| source.rows(query).len()), [0, 0, 0], "{kinds:?}");
        let count = |table: &str| pair.target.rows(&format!("SELECT 1 FROM {table}")).len();
        let arrived = ["archive", "items_archive", "parts_archive"].map(count);
        assert_eq!(arrived, [before[0].len(), before[1].len(), before[2].len()], "{kinds:?}");
    }
}
