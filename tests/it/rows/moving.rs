//! Batches: what is moved, skipped, set aside, recovered.

mod at_once;
mod refusing;
mod too_large;
mod verified;

use super::stage::{KINDS, LIMIT, Stage, effort, range, walk};
use milkrun::cursor::Cursor;
use milkrun::engine::migration::{Effort, Migration};
use milkrun::spec::RowsDefinition;
use sha2::{Digest as _, Sha256};

const SOURCE: &str = r#"
table = "orders"
key = ["id"]
where = "status IN ('F', 'C')"
exclude = ["card"]
[[source.related]]
name = "items"
table = "order_items"
key = ["id"]
on = { order_id = "id" }
[[source.related.related]]
name = "parts"
table = "parts"
key = ["id"]
on = { item_id = "id" }
"#;

const TARGET: &str = r#"
table = "history"
key = ["order_id"]
create = true
[target.columns]
order_id = "id"
status = "status"
document = "$document"
digest = "$digest"
definition = "$definition"
run = "$run"
migrated_at = "$now"
"#;

/// Names that the statements use for themselves are columns like any other.
#[test]
fn columns_may_have_the_names_of_our_own_aliases() {
    for kind in KINDS {
        let stage = Stage::new(kind);
        stage.execute("CREATE TABLE orders (id INT NOT NULL PRIMARY KEY, t INT, h INT, d INT, c0 INT, document INT)");
        stage.execute("INSERT INTO orders VALUES (1, 2, 3, 4, 5, 6), (2, 1, 30, 40, 50, 60)");
        let definition = stage.definition(
            "table = \"orders\"\nkey = [\"id\"]",
            "table = \"history\"\nkey = [\"id\"]\ncreate = true\n[target.columns]\nid = \"id\"\nt = \"t\"\nc0 = \"c0\"\n\
             document = \"$document\"\ndigest = \"$digest\"",
        );
        let rows = stage.open(&definition);
        let outcome = stage.run(async {
            rows.prepare(LIMIT).await.expect("the target");
            walk(&rows, 10, &effort()).await.expect("a walk")
        });
        assert_eq!(outcome.moved, 2, "{kind:?}");
        assert_eq!(stage.one("SELECT t FROM history WHERE id = 1"), "2", "{kind:?}");
        assert_eq!(stage.one("SELECT c0 FROM history WHERE id = 2"), "50", "{kind:?}");
        let document: serde_json::Value =
            serde_json::from_str(&stage.one("SELECT document FROM history WHERE id = 2")).unwrap();
        assert_eq!(
            document,
            serde_json::json!({"id": 2, "t": 1, "h": 30, "d": 40, "c0": 50, "document": 60}),
            "{kind:?}"
        );
    }
}

pub(super) fn shop(stage: &Stage, orders: u32) -> RowsDefinition {
    stage.execute(
        "CREATE TABLE orders (id {{INTEGER PRIMARY KEY||BIGINT PRIMARY KEY||BIGINT PRIMARY KEY}}, status VARCHAR(10) NOT NULL, \
         card VARCHAR(20), note VARCHAR(100));
         CREATE TABLE order_items (id {{INTEGER PRIMARY KEY||BIGINT PRIMARY KEY||BIGINT PRIMARY KEY}}, order_id BIGINT NOT NULL, sku VARCHAR(20));
         CREATE INDEX i1 ON order_items (order_id);
         CREATE TABLE parts (id {{INTEGER PRIMARY KEY||BIGINT PRIMARY KEY||BIGINT PRIMARY KEY}}, item_id BIGINT NOT NULL, card VARCHAR(20));
         CREATE INDEX i2 ON parts (item_id);",
    );
    for id in 1..=orders {
        let status = ["F", "O", "C"][id as usize % 3];
        stage.execute(&format!("INSERT INTO orders VALUES ({}, '{status}', '4111', 'n{id}')", id * 3));
        for item in 0..id % 4 {
            let item = id * 10 + item;
            stage.execute(&format!("INSERT INTO order_items VALUES ({item}, {}, 's{item}')", id * 3));
            stage.execute(&format!("INSERT INTO parts VALUES ({item}, {item}, '4222')"));
        }
    }
    stage.definition(SOURCE, TARGET)
}

#[test]
fn closed_orders_move_and_move_only_once() {
    for kind in KINDS {
        let stage = Stage::new(kind);
        let definition = shop(&stage, 30);
        let outcome = stage.move_all(&definition, 7);
        assert_eq!((outcome.moved, outcome.skipped, outcome.aside.len()), (20, 0, 0), "{kind:?}");
        let bytes = stage.one("SELECT CAST(SUM({{length(CAST(document AS BLOB))||OCTET_LENGTH(document)||OCTET_LENGTH(document)}}) AS {{TEXT||CHAR||TEXT}}) FROM history");
        assert_eq!(outcome.bytes.to_string(), bytes, "{kind:?}");
        assert_eq!(
            stage.one("SELECT document FROM history WHERE order_id = 15"),
            r#"{"id":15,"status":"C","note":"n5","items":[{"id":50,"order_id":15,"sku":"s50","parts":[{"id":50,"item_id":50}]}]}"#,
            "{kind:?}"
        );
        assert_eq!(
            stage.one("SELECT document FROM history WHERE order_id = 24"),
            r#"{"id":24,"status":"C","note":"n8","items":[]}"#
        );
        let digest = Sha256::digest(r#"{"id":24,"status":"C","note":"n8","items":[]}"#);
        let hex: String = digest
            .iter()
            .flat_map(|byte| [byte >> 4, byte & 15])
            .map(|half| char::from_digit(u32::from(half), 16).unwrap())
            .collect();
        assert_eq!(stage.one("SELECT digest FROM history WHERE order_id = 24"), hex, "{kind:?}");
        assert_eq!(stage.one("SELECT definition FROM history WHERE order_id = 24"), definition.digest);

        let again = stage.move_all(&definition, 10_000);
        assert_eq!((again.moved, again.skipped, again.aside.len(), again.bytes), (0, 20, 0, 0), "{kind:?}");
        let rows = stage.open(&definition);
        let recovered = stage.run(walk(&rows, 5, &Effort { recovered: true, ..effort() })).expect("a walk");
        assert_eq!((recovered.moved, recovered.skipped), (20, 0), "{kind:?}");
    }
}

#[test]
fn what_differs_is_set_aside_and_the_rest_moves() {
    for kind in KINDS {
        let stage = Stage::new(kind);
        let definition = shop(&stage, 9);
        stage.move_all(&definition, 100);
        stage.execute(
            "UPDATE orders SET note = 'other' WHERE id = 9; UPDATE history SET status = 'X' WHERE order_id = 6; \
             DELETE FROM history WHERE order_id = 15",
        );
        let outcome = stage.move_all(&definition, 100);
        assert_eq!((outcome.moved, outcome.skipped), (1, 3), "{kind:?}");
        let aside: Vec<_> = outcome.aside.iter().map(|aside| (aside.key.json(), aside.class)).collect();
        assert_eq!(aside, [(r#"["6"]"#.to_owned(), "conflict"), (r#"["9"]"#.to_owned(), "conflict")], "{kind:?}");
        assert!(outcome.aside[0].message.contains("differs in `status`;"), "{}", outcome.aside[0].message);
        assert!(outcome.aside[1].message.contains("differs in `document`;"), "{}", outcome.aside[1].message);
        let told: Vec<&str> = outcome.aside[1].message.split_whitespace().rev().take(3).collect();
        assert_eq!(told[0], stage.one("SELECT digest FROM history WHERE order_id = 9"));
        assert_ne!(told[0], told[2].trim_end_matches(','));
        assert!(!outcome.aside[1].message.contains("other"));

        let seen = stage.verify_all(&definition, 2);
        assert_eq!((seen.checked, seen.equal, seen.missing, seen.different, seen.extra), (6, 4, 0, 2, 0), "{kind:?}");
    }
}

#[test]
fn sweeps_find_what_closed_behind_the_cursor() {
    for kind in KINDS {
        let stage = Stage::new(kind);
        let definition = shop(&stage, 20);
        stage.move_all(&definition, 6);
        stage.execute("UPDATE orders SET status = 'F' WHERE id IN (3, 30, 57)");
        let rows = stage.open(&definition);
        stage.run(async {
            let range = range(&rows).await.expect("rows");
            let mut after = None;
            let mut found = Vec::new();
            while let Some(read) = rows.sweep(&range, after.as_ref(), 8, LIMIT).await.expect("a sweep") {
                let outcome = rows.write(&read.batch, &effort()).await.expect("a write");
                assert_eq!(outcome.moved, read.found.len() as u64);
                // What a killed sweep announced is written again by its keys.
                let again = rows.write(&rows.fetch(&range, &read.found), &Effort { recovered: true, ..effort() }).await;
                assert_eq!(again.expect("a write").moved, read.found.len() as u64);
                found.extend(read.found.iter().map(Cursor::json));
                after = Some(read.end);
            }
            assert_eq!(found, [r#"["3"]"#, r#"["30"]"#, r#"["57"]"#], "{kind:?}");
        });
    }
}

#[test]
fn what_a_related_table_excludes_does_not_travel() {
    for kind in KINDS {
        let stage = Stage::new(kind);
        shop(&stage, 5);
        let source = SOURCE.replace("name = \"parts\"", "name = \"parts\"\nexclude = [\"item_id\"]").replace(
            "name = \"items\"\ntable = \"order_items\"",
            "name = \"items\"\nexclude = [\"sku\"]\ntable = \"order_items\"",
        );
        let definition = stage.definition(&source, TARGET);
        stage.move_all(&definition, 100);
        assert_eq!(
            stage.one("SELECT document FROM history WHERE order_id = 15"),
            r#"{"id":15,"status":"C","note":"n5","items":[{"id":50,"order_id":15,"parts":[{"id":50}]}]}"#,
            "{kind:?}"
        );
        // What does not travel may change; what does may not.
        let before = stage.open(&definition).columns_digest();
        stage.execute("ALTER TABLE order_items DROP COLUMN sku; ALTER TABLE order_items ADD COLUMN sku INTEGER");
        assert_eq!(stage.open(&definition).columns_digest(), before, "{kind:?}");
        stage.execute("ALTER TABLE parts ADD COLUMN sku INTEGER");
        assert_ne!(stage.open(&definition).columns_digest(), before, "{kind:?}");
    }
}
