//! Related rows copied to tables of their own: with their item or not at all, and compared with it.

mod at_once;
mod conflicts;
mod example;
mod refusing;

use super::stage::{KINDS, LIMIT, Stage, effort, range, walk};
use crate::support::database::TextRow;
use milkrun::cursor::{Cursor, KeyPart};
use milkrun::engine::migration::{Effort, Migration, Outcome};
use milkrun::spec::RowsDefinition;

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
        assert_eq!(seen.examples, [(Cursor(vec![KeyPart::Int("3".into())]), "different")]);
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
