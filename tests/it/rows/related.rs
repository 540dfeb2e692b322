//! Related rows copied to tables of their own: with their item or not at all, and compared with it.

use super::stage::{KINDS, Kind, LIMIT, Stage, effort, range, walk};
use crate::support::database::TextRow;
use crate::support::tpch;
use milkrun::cursor::Cursor;
use milkrun::engine::migration::{Effort, Migration, Outcome};
use milkrun::fault::Class;
use milkrun::spec::{ColumnValue, RowsDefinition, parse};

const SOURCE: &str = r#"
table = "orders"
key = ["id"]
where = "status = 'F'"
exclude = ["card"]
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
[[source.related]]
name = "notes"
table = "notes"
key = ["id"]
on = { order_id = "id" }
[[source.related.related]]
name = "words"
table = "words"
key = ["id"]
on = { note_id = "id" }
[source.related.related.target]
table = "words_archive"
key = ["id"]
create = true
[source.related.related.target.columns]
id = "id"
word = "word"
"#;

const TARGET: &str = r#"
table = "archive"
key = ["order_id"]
create = true
[target.columns]
order_id = "id"
status = "status"
"#;

fn shop(stage: &Stage, orders: u32) -> RowsDefinition {
    stage.execute(
        "CREATE TABLE orders (id {{INTEGER PRIMARY KEY||BIGINT PRIMARY KEY||BIGINT PRIMARY KEY}}, status VARCHAR(10) NOT NULL, card VARCHAR(20));
         CREATE TABLE order_items (order_id BIGINT NOT NULL, n INTEGER NOT NULL, sku VARCHAR(2000), PRIMARY KEY (order_id, n));
         CREATE TABLE parts (id {{INTEGER PRIMARY KEY||BIGINT PRIMARY KEY||BIGINT PRIMARY KEY}}, order_id BIGINT NOT NULL, n INTEGER NOT NULL, label VARCHAR(20), card VARCHAR(20));
         CREATE INDEX i1 ON parts (order_id, n);
         CREATE TABLE notes (id {{INTEGER PRIMARY KEY||BIGINT PRIMARY KEY||BIGINT PRIMARY KEY}}, order_id BIGINT NOT NULL, note VARCHAR(20));
         CREATE INDEX i2 ON notes (order_id);
         CREATE TABLE words (id {{INTEGER PRIMARY KEY||BIGINT PRIMARY KEY||BIGINT PRIMARY KEY}}, note_id BIGINT NOT NULL, word VARCHAR(20));
         CREATE INDEX i3 ON words (note_id);",
    );
    for id in 1..=orders {
        let status = ["O", "F", "F"][id as usize % 3];
        stage.execute(&format!("INSERT INTO orders VALUES ({id}, '{status}', '4111')"));
        for n in 0..id % 4 {
            let part = id * 10 + n;
            let sku = if n == 2 { "NULL".to_owned() } else { format!("'s{part}'") };
            stage.execute(&format!("INSERT INTO order_items VALUES ({id}, {n}, {sku})"));
            stage.execute(&format!("INSERT INTO parts VALUES ({part}, {id}, {n}, 'p{part}', '4222')"));
            stage.execute(&format!("INSERT INTO notes VALUES ({part}, {id}, 'n{part}')"));
            stage.execute(&format!("INSERT INTO words VALUES ({part}, {part}, 'w{part}')"));
        }
    }
    stage.definition(SOURCE, TARGET)
}

/// What was copied, and what should have been.
fn assert_copied(stage: &Stage) {
    let all = |sql: &str| -> Vec<TextRow> { stage.rows(sql) };
    let closed = "IN (SELECT id FROM orders WHERE status = 'F')";
    for (ours, theirs) in [
        (
            "SELECT CAST(id AS {{TEXT||CHAR||TEXT}}), status FROM orders WHERE status = 'F' ORDER BY orders.id"
                .to_owned(),
            "SELECT CAST(order_id AS {{TEXT||CHAR||TEXT}}), status FROM archive ORDER BY archive.order_id",
        ),
        (
            format!(
                "SELECT CAST(order_id AS {{{{TEXT||CHAR||TEXT}}}}), CAST(n AS {{{{TEXT||CHAR||TEXT}}}}), sku FROM order_items i WHERE order_id {closed} ORDER BY i.order_id, i.n"
            ),
            "SELECT CAST(order_no AS {{TEXT||CHAR||TEXT}}), CAST(n AS {{TEXT||CHAR||TEXT}}), sku FROM items_archive i ORDER BY i.order_no, i.n",
        ),
        (
            format!(
                "SELECT CAST(id AS {{{{TEXT||CHAR||TEXT}}}}), label FROM parts p WHERE order_id {closed} ORDER BY p.id"
            ),
            "SELECT CAST(id AS {{TEXT||CHAR||TEXT}}), label FROM parts_archive p ORDER BY p.id",
        ),
        (
            format!(
                "SELECT CAST(id AS {{{{TEXT||CHAR||TEXT}}}}), word FROM words w WHERE note_id IN (SELECT id FROM notes WHERE order_id {closed}) ORDER BY w.id"
            ),
            "SELECT CAST(id AS {{TEXT||CHAR||TEXT}}), word FROM words_archive w ORDER BY w.id",
        ),
    ] {
        let ours = all(&ours);
        assert!(!ours.is_empty());
        assert_eq!(ours, all(theirs), "{:?}", stage.kind);
    }
}

fn count(stage: &Stage, table: &str) -> String {
    stage.one(&format!("SELECT CAST(COUNT(*) AS {{{{TEXT||CHAR||TEXT}}}}) FROM {table}"))
}

fn told(outcome: &Outcome) -> Vec<(String, &str)> {
    outcome.aside.iter().map(|aside| (aside.key.json(), aside.message.as_str())).collect()
}

#[test]
fn related_rows_are_copied_two_tables_deep() {
    for kind in KINDS {
        let stage = Stage::new(kind);
        let definition = shop(&stage, 30);
        let outcome = stage.move_all(&definition, 7);
        assert_eq!((outcome.moved, outcome.skipped, outcome.aside.len()), (20, 0, 0), "{kind:?}");
        assert!(outcome.bytes > 0);
        assert_copied(&stage);
        assert_eq!(stage.one("SELECT MIN(run) FROM items_archive"), "run-1");
        let again = stage.move_all(&definition, 100);
        assert_eq!((again.moved, again.skipped, again.aside.len(), again.bytes), (0, 20, 0, 0), "{kind:?}");
        let rows = stage.open(&definition);
        let recovered = stage.run(walk(&rows, 5, &Effort { recovered: true, ..effort() })).expect("a walk");
        assert_eq!((recovered.moved, recovered.skipped), (20, 0), "{kind:?}");
        for size in [1, 4, 1000] {
            let seen = stage.verify_all(&definition, size);
            assert_eq!((seen.checked, seen.equal, seen.extra), (20, 20, 0), "{kind:?}");
        }
    }
}

#[test]
fn what_differs_in_a_related_table_is_a_conflict_of_the_item() {
    for kind in KINDS {
        let stage = Stage::new(kind);
        let definition = shop(&stage, 30);
        stage.move_all(&definition, 100);
        // 2: another item; 5: another part; 7: no part; 10: no word; 11: itself and an item; 13: gone, of its items one is
        // different; 14: gone, with equal items; 17: gone with all its own.
        stage.execute(
            "UPDATE items_archive SET sku = 'X' WHERE order_no = 2 AND n = 1; UPDATE parts_archive SET label = NULL WHERE id = 50;
             DELETE FROM parts_archive WHERE id = 71; DELETE FROM words_archive WHERE id = 100;
             UPDATE archive SET status = 'X' WHERE order_id = 11; UPDATE items_archive SET sku = 'x110' WHERE order_no = 11 AND n = 0;
             DELETE FROM archive WHERE order_id IN (13, 14, 17); UPDATE items_archive SET sku = 'X' WHERE order_no = 13;
             DELETE FROM items_archive WHERE order_no = 17; DELETE FROM parts_archive WHERE id IN (170, 130);
             DELETE FROM words_archive WHERE id = 170",
        );
        let seen = stage.verify_all(&definition, 4);
        assert_eq!((seen.checked, seen.equal, seen.missing, seen.different), (20, 12, 3, 5), "{kind:?}");
        for size in [100, 3] {
            let outcome = stage.move_all(&definition, size);
            let moved = if size == 100 { 2 } else { 0 };
            assert_eq!((outcome.moved, outcome.skipped), (moved, 14 - moved), "{kind:?} {size}");
            let key = |id: u32| format!("[\"{id}\"]");
            assert_eq!(
                told(&outcome),
                [
                    (key(2), "the target exists and differs in related `items`"),
                    (key(5), "the target exists and differs in related `items.parts`"),
                    (key(7), "the target exists and differs in related `items.parts`"),
                    (key(10), "the target exists and differs in related `notes.words`"),
                    (key(11), "the target exists and differs in `status`, related `items`"),
                    (key(13), "there is no target, but some rows of related `items` are in theirs and differ"),
                ],
                "{kind:?} {size}"
            );
            // Nothing of a conflict is written.
            assert_eq!(count(&stage, "parts_archive WHERE id IN (71, 130)"), "0", "{kind:?}");
            assert_eq!(count(&stage, "words_archive WHERE id = 100"), "0", "{kind:?}");
            assert_eq!(count(&stage, "archive WHERE order_id = 13"), "0", "{kind:?}");
            assert_eq!(count(&stage, "parts_archive WHERE id = 170"), "1", "{kind:?}");
        }
        // What was in the way is taken away, and all of it is as it should be.
        stage.execute(
            "UPDATE items_archive SET sku = 's21' WHERE order_no = 2 AND n = 1; UPDATE parts_archive SET label = 'p50' WHERE id = 50;
             DELETE FROM archive WHERE order_id IN (7, 10); DELETE FROM archive WHERE order_id = 11;
             DELETE FROM items_archive WHERE order_no IN (11, 13)",
        );
        assert_eq!(stage.move_all(&definition, 100).moved, 4, "{kind:?}");
        assert_copied(&stage);
    }
}

#[test]
fn an_error_in_a_related_row_leaves_nothing_of_the_batch() {
    for kind in KINDS {
        let stage = Stage::new(kind);
        let definition = shop(&stage, 12);
        stage.execute(
            "CREATE TABLE words_archive (id {{INTEGER PRIMARY KEY||BIGINT PRIMARY KEY||BIGINT PRIMARY KEY}}, word VARCHAR(20) CHECK (word <> 'w50'))",
        );
        let rows = stage.open(&definition);
        stage.run(rows.prepare(LIMIT)).expect("the targets");
        let fault = stage.run(walk(&rows, 100, &effort())).expect_err("a CHECK");
        assert_eq!(fault.class, Class::Poison, "{kind:?}: {fault}");
        for table in ["archive", "items_archive", "parts_archive", "words_archive"] {
            assert_eq!(count(&stage, table), "0", "{kind:?} {table}");
        }
        stage.execute("UPDATE words SET word = 'fine' WHERE id = 50");
        assert_eq!(stage.run(walk(&rows, 100, &effort())).expect("a walk").moved, 8, "{kind:?}");
        assert_copied(&stage);
    }
}

#[test]
fn a_related_row_that_a_trigger_drops_is_an_error_and_the_batch_rolls_back() {
    // MySQL's triggers can refuse a row, not drop it.
    for kind in [Kind::Sqlite, Kind::Postgres] {
        let stage = Stage::new(kind);
        let definition = shop(&stage, 12);
        let rows = stage.open(&definition);
        stage.run(rows.prepare(LIMIT)).expect("the targets");
        stage.execute(if kind == Kind::Sqlite {
            "CREATE TRIGGER drop_it BEFORE INSERT ON parts_archive WHEN NEW.id = 50 BEGIN SELECT RAISE(IGNORE); END"
        } else {
            "CREATE FUNCTION drop_it() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN IF NEW.id = 50 THEN RETURN NULL; END IF; RETURN NEW; END $$;
             CREATE TRIGGER drop_it BEFORE INSERT ON parts_archive FOR EACH ROW EXECUTE FUNCTION drop_it()"
        });
        let fault = stage.run(walk(&rows, 100, &effort())).expect_err("a row that is gone");
        assert_eq!(fault.class, Class::Poison, "{kind:?}: {fault}");
        assert_eq!(count(&stage, "archive"), "0", "{kind:?}");
    }
}

#[test]
fn a_related_row_that_a_trigger_takes_away_afterwards_is_an_error_too() {
    for (kind, trigger) in [
        (
            Kind::Sqlite,
            "CREATE TRIGGER away AFTER INSERT ON parts_archive WHEN NEW.id = 50 BEGIN DELETE FROM parts_archive WHERE id = 50; END",
        ),
        (
            Kind::Postgres,
            "CREATE FUNCTION away() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN DELETE FROM parts_archive WHERE id = 50; RETURN NULL; END $$;
             CREATE TRIGGER away AFTER INSERT ON parts_archive FOR EACH STATEMENT EXECUTE FUNCTION away()",
        ),
        (
            Kind::MariaDb,
            "CREATE TRIGGER away BEFORE INSERT ON parts_archive FOR EACH ROW SET NEW.id = IF(NEW.id = 50, 5000, NEW.id)",
        ),
    ] {
        let stage = Stage::new(kind);
        let definition = shop(&stage, 30);
        let rows = stage.open(&definition);
        stage.run(rows.prepare(LIMIT)).expect("the targets");
        stage.execute(trigger);
        let rows = stage.open(&definition);
        let fault = stage.run(walk(&rows, 100, &effort())).expect_err("a row is gone");
        assert!(fault.to_string().contains("trigger"), "{kind:?}: {fault}");
        assert_eq!(count(&stage, "archive"), "0", "{kind:?}");
        assert_eq!(count(&stage, "parts_archive"), "0", "{kind:?}");
    }
}

#[test]
fn a_related_row_above_max_item_is_named_by_its_item() {
    for kind in KINDS {
        let stage = Stage::new(kind);
        shop(&stage, 12);
        stage.execute(&format!("UPDATE order_items SET sku = '{}' WHERE order_id = 5", "x".repeat(1500)));
        let definition = stage.limited(SOURCE, TARGET, "max_item = \"1 KB\"");
        let rows = stage.open(&definition);
        stage.run(rows.prepare(LIMIT)).expect("the targets");
        let fault = stage.run(walk(&rows, 100, &effort())).expect_err("too large");
        assert_eq!((fault.class, fault.key.map(|key| key.json())), (Class::TooLarge, Some(r#"["5"]"#.to_owned())));
        assert_eq!(count(&stage, "archive"), "0", "{kind:?}");
    }
}

#[test]
fn sweeps_take_related_rows_along() {
    for kind in KINDS {
        let stage = Stage::new(kind);
        let definition = shop(&stage, 20);
        stage.move_all(&definition, 6);
        stage.execute("UPDATE orders SET status = 'F' WHERE id IN (3, 9, 18)");
        let rows = stage.open(&definition);
        stage.run(async {
            let range = range(&rows).await.expect("rows");
            let (mut after, mut found) = (None, Vec::new());
            while let Some(read) = rows.sweep(&range, after.as_ref(), 8, LIMIT).await.expect("a sweep") {
                let outcome = rows.write(&read.batch, &effort()).await.expect("a write");
                assert_eq!(outcome.moved, read.found.len() as u64);
                found.extend(read.found.iter().map(Cursor::json));
                after = Some(read.end);
            }
            assert_eq!(found, [r#"["3"]"#, r#"["9"]"#, r#"["18"]"#], "{kind:?}");
        });
        assert_copied(&stage);
        // Added to an item that has moved: no sweep looks for it, verify finds it.
        stage.execute("INSERT INTO order_items VALUES (3, 77, 'late')");
        let seen = stage.verify_all(&definition, 5);
        assert_eq!((seen.equal, seen.different, seen.missing), (16, 1, 0), "{kind:?}");
        assert_eq!(seen.examples, [(Cursor(vec![milkrun::cursor::KeyPart::Int("3".into())]), "different")]);
    }
}

#[test]
fn a_document_may_be_written_beside_the_copies() {
    for kind in KINDS {
        let stage = Stage::new(kind);
        shop(&stage, 12);
        let definition = stage.definition(SOURCE, &format!("{TARGET}document = \"$document\"\ndigest = \"$digest\""));
        assert_eq!(stage.move_all(&definition, 5).moved, 8, "{kind:?}");
        assert_copied(&stage);
        assert_eq!(
            stage.one("SELECT document FROM archive WHERE order_id = 5"),
            r#"{"id":5,"status":"F","items":[{"order_id":5,"n":0,"sku":"s50","parts":[{"id":50,"order_id":5,"n":0,"label":"p50"}]}],"notes":[{"id":50,"order_id":5,"note":"n50","words":[{"id":50,"note_id":50,"word":"w50"}]}]}"#,
            "{kind:?}"
        );
        stage.execute("UPDATE parts_archive SET label = 'X' WHERE id = 50; UPDATE notes SET note = 'X' WHERE id = 100");
        let outcome = stage.move_all(&definition, 100);
        let messages: Vec<_> = outcome.aside.iter().map(|aside| aside.message.as_str()).collect();
        assert!(
            messages[0].starts_with("the target exists and differs in related `items.parts`; SHA-256"),
            "{messages:?}"
        );
        assert!(messages[1].starts_with("the target exists and differs in `document`; SHA-256"), "{messages:?}");
        assert_eq!((messages.len(), outcome.skipped), (2, 6), "{kind:?}");
    }
}

#[test]
fn two_writers_of_one_batch_copy_it_once_between_them() {
    for kind in KINDS {
        let stage = Stage::new(kind);
        let definition = shop(&stage, 30);
        let (one, two) = (stage.open(&definition), stage.open(&definition));
        let moved = stage.run(async {
            one.prepare(LIMIT).await.expect("the targets");
            let range = range(&one).await.expect("rows");
            let (mut moved, mut after) = (0, None);
            while let Some(read) = one.read(&range, after.as_ref(), 5, LIMIT).await.expect("a batch") {
                let effort = effort();
                let (first, second) = tokio::join!(one.write(&read.batch, &effort), two.write(&read.batch, &effort));
                for result in [first, second] {
                    match result {
                        Ok(outcome) => {
                            moved += outcome.moved;
                            assert_eq!(outcome.aside, []);
                        }
                        Err(fault) => assert_eq!(fault.class, Class::Transient, "{kind:?}: {fault}"),
                    }
                }
                after = Some(read.end);
            }
            moved
        });
        assert_eq!(moved, 20, "{kind:?}");
        assert_copied(&stage);
    }
}

/// The example file, on the tables that it is written for.
#[test]
fn tpch_orders_and_their_line_items_arrive_row_by_row() {
    let definition = parse("shop-archive", include_str!("../../../examples/archive/shop-archive.toml"));
    let definition = definition.unwrap_or_else(|error| panic!("{error}")).into_rows().expect("rows");
    let fed = |columns: &[(String, ColumnValue)]| {
        let fed = |(_, value): &(String, ColumnValue)| match value {
            ColumnValue::Column(name) => Some(name.clone()),
            _ => None,
        };
        columns.iter().filter_map(fed).collect::<Vec<_>>()
    };
    let orders = fed(&definition.target.columns);
    let lines = fed(&definition.source.related[0].target.as_ref().expect("a target").columns);
    assert_eq!((orders.len(), lines.len()), (9, 16), "all of them are copied");
    for kind in KINDS {
        let stage = Stage::new(kind);
        tpch::load(&stage.database, 0.01);
        let outcome = stage.move_all(&definition, 1000);
        let rows = |table: &str, names: &[String], key: &str, filter: &str| {
            let names: Vec<String> =
                names.iter().map(|name| format!("CAST({name} AS {{{{TEXT||CHAR||TEXT}}}})")).collect();
            stage.rows(&format!("SELECT {} FROM {table} t{filter} ORDER BY {key}", names.join(", ")))
        };
        let closed = " WHERE o_orderstatus = 'F'";
        let ours = rows("orders", &orders, "t.o_orderkey", closed);
        assert_eq!(outcome.moved, ours.len() as u64, "{kind:?}");
        assert!(ours.len() > 7000);
        assert!(ours == rows("order_archive", &orders, "t.o_orderkey", ""), "{kind:?}");
        let key = "t.l_orderkey, t.l_linenumber";
        let of_closed = format!(" WHERE l_orderkey IN (SELECT o_orderkey FROM orders{closed})");
        let ours = rows("lineitem", &lines, key, &of_closed);
        assert!(ours == rows("lineitem_archive", &lines, key, ""), "{kind:?}");
        assert_eq!(stage.verify_all(&definition, 2000).equal, outcome.moved, "{kind:?}");
    }
}

/// On MariaDB every statement sees the source as it is by then: what changed in between must not be torn apart.
#[test]
fn an_item_that_changes_while_it_is_copied_is_not_torn_apart() {
    let stage = Stage::new(Kind::MariaDb);
    let definition = shop(&stage, 12);
    let rows = stage.open(&definition);
    stage.run(rows.prepare(LIMIT)).expect("the targets");
    // When the words are copied the parts have been.
    stage.execute("CREATE TRIGGER late AFTER INSERT ON words_archive FOR EACH ROW UPDATE parts SET label = 'new' WHERE id = NEW.id AND id = 50");
    let fault = stage.run(walk(&rows, 100, &effort())).expect_err("a change");
    assert_eq!(fault.class, Class::Transient, "{fault}");
    assert_eq!(count(&stage, "archive"), "0");
    stage.execute("DROP TRIGGER late");
    assert_eq!(stage.run(walk(&rows, 100, &effort())).expect("a walk").moved, 8);
    assert_copied(&stage);
}

#[test]
fn plan_shows_what_is_created_and_copied() {
    for kind in KINDS {
        let stage = Stage::new(kind);
        let definition = shop(&stage, 12);
        let rows = stage.open(&definition);
        let statements = stage.run(rows.statements(LIMIT)).expect("statements");
        let of = |purpose: &str| statements.iter().filter(|(name, _)| *name == purpose).count();
        assert_eq!((of("create"), of("insert"), of("survey"), of("copy")), (4, 1, 3, 3), "{kind:?}");
        let plans = stage.run(rows.query_plans(LIMIT)).expect("plans");
        assert_eq!(plans.iter().filter(|plan| plan.purpose == "copy").count(), 3, "{kind:?}");
        assert!(plans.iter().all(|plan| !plan.plan.is_empty()));
        assert_eq!(stage.run(rows.missing_privileges(LIMIT)).expect("privileges"), []);
        let sample = stage.run(rows.sample_document(LIMIT, LIMIT)).expect("a sample").expect("an item");
        assert!(sample.starts_with(r#"{"id":1,"status":"F","items":[{"#), "{sample}");
    }
}

/// Items before their rows, so that foreign keys hold at every moment; also where some items are a conflict.
#[test]
fn foreign_keys_between_targets_hold() {
    for kind in KINDS {
        let stage = Stage::new(kind);
        let definition = shop(&stage, 30);
        stage.execute(
            "{{PRAGMA foreign_keys = ON;||||}}
             CREATE TABLE archive (order_id BIGINT NOT NULL PRIMARY KEY, status VARCHAR(10));
             CREATE TABLE items_archive (order_no BIGINT NOT NULL, n INTEGER NOT NULL, sku VARCHAR(2000), run VARCHAR(200),
                PRIMARY KEY (order_no, n), FOREIGN KEY (order_no) REFERENCES archive (order_id))",
        );
        stage.execute("INSERT INTO archive VALUES (5, 'X'), (8, 'F')");
        let outcome = stage.move_all(&definition, 100);
        assert_eq!((outcome.moved, outcome.skipped), (18, 1), "{kind:?}");
        assert_eq!(told(&outcome).len(), 1, "{kind:?}");
        stage.execute("DELETE FROM archive WHERE order_id = 5");
        assert_eq!(stage.move_all(&definition, 100).moved, 1, "{kind:?}");
        assert_copied(&stage);
    }
}
