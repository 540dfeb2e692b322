//! Documents: byte for byte those of the same-database path.

use super::pair::{Pair, pairs};
use crate::rows::stage::{KINDS, Kind, Stage};
use crate::support::database::TextRow;
use crate::support::job::full;
use crate::support::shop::{self, Size};
use crate::support::tpch;
use milkrun::engine::migration::Repair;
use milkrun::spec::After;

const SHOP: Size = Size { orders: 400, closed: 170, items: 4, discounts: 2 };

/// `[source]` and `[target]` of a migration file, less the databases.
fn sections(file: &str) -> (String, String) {
    let text = file.replace("database = \"$SHOP_DATABASE_URL\"\n", "");
    let sections = text.split_once("[source]\n").expect("a source").1;
    let (source, rest) = sections.split_once("[target]\n").expect("a target");
    (source.to_owned(), rest.split_once("[limits]").expect("limits").0.to_owned())
}

fn history(stage: &Stage) -> Vec<TextRow> {
    let mut rows = stage.rows("SELECT order_id, status, document, digest, run FROM order_history ORDER BY order_id");
    rows.sort();
    rows
}

#[test]
fn documents_are_those_of_the_same_database() {
    let (source, target) = sections(&shop::migration(""));
    for kinds in pairs() {
        let pair = Pair::new(kinds);
        shop::load(&pair.source.database, SHOP);
        shop::create_history(&pair.target.database);
        let closed = SHOP.closed.unsigned_abs();
        assert_eq!(pair.source.move_all(&pair.source.definition(&source, &target), 50).moved, closed);
        let definition = Pair::definition(&source, &target, "");
        let moved = pair.move_all(&definition, 50);
        assert_eq!((moved.moved, moved.skipped, moved.aside), (closed, 0, vec![]));
        assert!(history(&pair.source) == history(&pair.target), "the documents differ");
        let again = pair.move_all(&definition, 70);
        assert_eq!((again.moved, again.skipped, again.aside), (0, closed, vec![]));
        let verified = pair.verify_all(&definition, 60, None);
        assert_eq!((verified.checked, verified.equal, verified.extra), (closed, closed, 0), "{verified:?}");
    }
}

/// The same at a size at which batches find their own.
#[test]
fn all_of_tpc_h_is_that_of_the_same_database() {
    let scale = if full() { 0.1 } else { 0.01 };
    let (source, target) = sections(&tpch::migration(""));
    let history = |stage: &Stage| -> Vec<TextRow> {
        let mut rows = stage.rows("SELECT order_id, document, digest FROM order_history");
        rows.sort();
        rows
    };
    for kind in KINDS {
        let mut pair = Pair::new((kind, kind));
        tpch::load(&pair.source.database, scale);
        let moved = pair.source.move_all(&pair.source.definition(&source, &target), 5000).moved;
        let expected = history(&pair.source);
        for kind in KINDS {
            pair.target = Stage::new(kind);
            let definition = Pair::definition(&source, &target, "");
            let outcome = pair.move_all(&definition, 5000);
            assert_eq!((outcome.moved, outcome.aside), (moved, vec![]));
            assert!(history(&pair.target) == expected, "{:?} → {kind:?}: the documents differ", pair.source.kind);
            let verified = pair.verify_all(&definition, 5000, None);
            assert_eq!((verified.equal, verified.checked, verified.extra), (moved, moved, 0), "{verified:?}");
        }
    }
}

/// The line items of TPC-H in the text of each value; of a number without the zeros that say nothing.
fn items(stage: &Stage, table: &str) -> Vec<TextRow> {
    let columns = tpch::ITEM.map(|name| format!("CAST({name} AS {{{{TEXT||CHAR||TEXT}}}})")).join(", ");
    let plain = |text: String| match text.parse::<f64>() {
        Ok(number) => number.to_string(),
        Err(_) => text,
    };
    let rows = stage.rows(&format!("SELECT {columns} FROM {table}")).into_iter();
    let mut rows: Vec<TextRow> = rows.map(|row| row.into_iter().map(|value| value.map(plain)).collect()).collect();
    rows.sort();
    rows
}

#[test]
fn all_of_tpc_h_is_copied_column_by_column() {
    let scale = if full() { 0.1 } else { 0.01 };
    let columns = tpch::ITEM.map(|name| format!("{name} = \"{name}\"\n")).concat();
    let source = "table = \"lineitem\"\nkey = [\"l_orderkey\", \"l_linenumber\"]";
    let target = format!(
        "table = \"items\"\nkey = [\"l_orderkey\", \"l_linenumber\"]\ncreate = true\n[target.columns]\n{columns}"
    );
    for kind in KINDS {
        let mut pair = Pair::new((kind, kind));
        tpch::load(&pair.source.database, scale);
        let expected = items(&pair.source, "lineitem");
        for kind in KINDS {
            pair.target = Stage::new(kind);
            let outcome = pair.move_all(&Pair::definition(source, &target, ""), 10_000);
            assert_eq!((outcome.moved, outcome.aside), (expected.len() as u64, vec![]));
            assert!(items(&pair.target, "items") == expected, "{:?} → {kind:?}: the items differ", pair.source.kind);
        }
    }
}

/// Where the target keeps another text than was sent, documents are compared as what it makes of them.
#[test]
fn documents_that_the_target_rewrites_are_known_again() {
    for from in KINDS {
        let pair = Pair::new((from, Kind::Postgres));
        pair.source.execute(
            "CREATE TABLE orders (id INTEGER NOT NULL PRIMARY KEY, note VARCHAR(20), price {{REAL||DECIMAL(8,2)||DECIMAL(8,2)}});
             INSERT INTO orders VALUES (1, 'é \"x\"', 1.50), (2, NULL, 2), (3, 'c', 0)",
        );
        pair.target.execute("CREATE TABLE archive (id int PRIMARY KEY, document jsonb, digest char(64))");
        let target = "table = \"archive\"\nkey = [\"id\"]\n[target.columns]\nid = \"id\"\ndocument = \"$document\"\ndigest = \"$digest\"";
        let mut definition = Pair::definition("table = \"orders\"\nkey = [\"id\"]", target, "");
        assert_eq!(pair.move_all(&definition, 2).moved, 3, "{from:?}");
        let again = pair.move_all(&definition, 2);
        assert_eq!((again.moved, again.skipped, again.aside), (0, 3, vec![]), "{from:?}");
        assert_eq!(pair.verify_all(&definition, 2, None).equal, 3, "{from:?}");

        pair.target.execute("UPDATE archive SET document = '{}' WHERE id = 2");
        let third = pair.move_all(&definition, 10);
        assert_eq!((third.moved, third.skipped, third.aside.len()), (0, 2, 1), "{from:?}");
        assert!(third.aside[0].message.contains("differs in `document`"), "{from:?}: {}", third.aside[0].message);
        let mended = pair.verify_all(&definition, 10, Some(&Repair { overwrite: true, run: "r".into() }));
        assert_eq!((mended.equal, mended.different, mended.repaired), (2, 1, 1), "{from:?}: {mended:?}");
        definition.target.after = After::Delete;
        let gone = pair.move_all(&definition, 2);
        assert_eq!((gone.moved, gone.skipped, gone.aside), (0, 3, vec![]), "{from:?}");
        assert_eq!(pair.source.rows("SELECT id FROM orders").len(), 0, "{from:?}");
        assert_eq!(pair.target.rows("SELECT id FROM archive").len(), 3, "{from:?}");
    }
}

/// A document that has come to hold what the target's type does not take is no error of the comparison: it differs, and the others
/// are compared as ever.
#[test]
fn a_document_that_jsonb_does_not_take_any_more_is_different() {
    for from in [Kind::Sqlite, Kind::MariaDb] {
        let pair = Pair::new((from, Kind::Postgres));
        pair.source.execute(
            "CREATE TABLE orders (id INTEGER NOT NULL PRIMARY KEY, note VARCHAR(20));
             INSERT INTO orders VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd'), (5, 'e')",
        );
        pair.target.execute("CREATE TABLE archive (id int PRIMARY KEY, document jsonb)");
        let target = "table = \"archive\"\nkey = [\"id\"]\n[target.columns]\nid = \"id\"\ndocument = \"$document\"";
        let definition = Pair::definition("table = \"orders\"\nkey = [\"id\"]", target, "");
        assert_eq!(pair.move_all(&definition, 10).moved, 5, "{from:?}");
        pair.source.execute("UPDATE orders SET note = {{char(0)||CHAR(0 USING utf8mb4)||''}} WHERE id IN (2, 5)");
        for size in [10, 1] {
            let seen = pair.verify_all(&definition, size, None);
            assert_eq!((seen.checked, seen.equal, seen.different), (5, 3, 2), "{from:?} {size}: {seen:?}");
        }
    }
}
