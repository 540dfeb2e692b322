//! Batches: what is moved, skipped, set aside, recovered.

use super::stage::{KINDS, Kind, LIMIT, Stage, effort, range, walk};
use milkrun::engine::migration::{Effort, Migration};
use milkrun::fault::Class;
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
    for kind in super::stage::KINDS {
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
            while let Some(read) = rows.sweep(&range, after.as_ref(), 8, super::stage::LIMIT).await.expect("a sweep") {
                let outcome = rows.write(&read.batch, &effort()).await.expect("a write");
                assert_eq!(outcome.moved, read.found.len() as u64);
                // What a killed sweep announced is written again by its keys.
                let again = rows.write(&rows.fetch(&range, &read.found), &Effort { recovered: true, ..effort() }).await;
                assert_eq!(again.expect("a write").moved, read.found.len() as u64);
                found.extend(read.found.iter().map(milkrun::cursor::Cursor::json));
                after = Some(read.end);
            }
            assert_eq!(found, [r#"["3"]"#, r#"["30"]"#, r#"["57"]"#], "{kind:?}");
        });
    }
}

#[test]
fn a_document_above_max_item_is_named_and_nothing_stays() {
    for kind in KINDS {
        let stage = Stage::new(kind);
        shop(&stage, 9);
        stage.execute("{{||ALTER TABLE orders MODIFY note TEXT;||ALTER TABLE orders ALTER note TYPE text;}}");
        stage.execute(&format!("UPDATE orders SET note = '{}' WHERE id = 15", "0123456789".repeat(110)));
        let definition = stage.limited(SOURCE, TARGET, "max_item = \"1 KB\"");
        let rows = stage.open(&definition);
        stage.run(async {
            rows.prepare(super::stage::LIMIT).await.expect("the target");
            let fault = walk(&rows, 100, &effort()).await.expect_err("too large");
            assert_eq!(fault.class, Class::TooLarge, "{fault}");
            assert_eq!(fault.key.map(|key| key.json()), Some(r#"["15"]"#.to_owned()), "{kind:?}");
        });
        assert_eq!(stage.one("SELECT CAST(COUNT(*) AS {{TEXT||CHAR||TEXT}}) FROM history"), "0");
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

#[test]
fn a_large_target_that_was_there_hides_no_other() {
    for kind in KINDS {
        let stage = Stage::new(kind);
        shop(&stage, 9);
        stage.execute("{{||ALTER TABLE orders MODIFY note TEXT;||ALTER TABLE orders ALTER note TYPE text;}}");
        let large = |length: usize| "0123456789".repeat(length);
        stage.execute(&format!("UPDATE orders SET note = '{}' WHERE id = 6", large(300)));
        stage.move_all(&stage.definition(SOURCE, TARGET), 100);
        stage.execute(&format!(
            "DELETE FROM history WHERE order_id IN (9, 15); UPDATE orders SET note = '{}' WHERE id = 15",
            large(110)
        ));
        let rows = stage.open(&stage.limited(SOURCE, TARGET, "max_item = \"1 KB\""));
        let fault = stage.run(walk(&rows, 100, &effort())).expect_err("too large");
        assert_eq!((fault.class, fault.key.map(|key| key.json())), (Class::TooLarge, Some(r#"["15"]"#.to_owned())));
        assert_eq!(stage.one("SELECT CAST(COUNT(*) AS {{TEXT||CHAR||TEXT}}) FROM history"), "4", "{kind:?}");
        // What is there already is not in the way.
        stage.execute("UPDATE orders SET note = 'n5' WHERE id = 15");
        let outcome = stage.run(walk(&rows, 100, &effort())).expect("a walk");
        assert_eq!((outcome.moved, outcome.skipped), (2, 4), "{kind:?}");
    }
}

#[test]
fn the_last_row_before_a_bound_that_is_gone_is_named_itself() {
    for kind in KINDS {
        let stage = Stage::new(kind);
        stage.execute(
            "CREATE TABLE orders (id INTEGER NOT NULL PRIMARY KEY, code INTEGER);
             INSERT INTO orders VALUES (1, 7), (2, 8), (3, 9);
             CREATE TABLE history (id INTEGER NOT NULL PRIMARY KEY, code INTEGER CHECK (code <> 8), document {{TEXT||LONGTEXT||TEXT}})",
        );
        let definition = stage.definition(
            "table = \"orders\"\nkey = [\"id\"]",
            "table = \"history\"\nkey = [\"id\"]\n[target.columns]\nid = \"id\"\ncode = \"code\"\ndocument = \"$document\"",
        );
        let rows = stage.open(&definition);
        let range = stage.run(range(&rows)).expect("rows");
        stage.execute("DELETE FROM orders WHERE id = 3");
        stage.run(async {
            let limit = super::stage::LIMIT;
            let first = rows.read(&range, None, 1, limit).await.expect("a batch").expect("a row");
            rows.write(&first.batch, &effort()).await.expect("a write");
            let read = rows.read(&range, Some(&first.end), 100, limit).await.expect("a batch").expect("a row");
            assert_eq!((read.scanned, read.end.json().as_str()), (1, r#"["2"]"#), "{kind:?}");
            let fault = rows.write(&read.batch, &effort()).await.expect_err("a CHECK");
            assert_eq!(fault.class, Class::Poison, "{kind:?}: {fault}");
            assert!(rows.read(&range, Some(&read.end), 100, limit).await.expect("an answer").is_none(), "{kind:?}");
        });
    }
}

#[test]
fn targets_beyond_the_bound_are_seen_piece_by_piece_once_the_first_pass_is_over() {
    for kind in KINDS {
        let stage = Stage::new(kind);
        let definition = shop(&stage, 10);
        stage.move_all(&definition, 100);
        for id in 101..=130 {
            stage.execute(&format!(
                "INSERT INTO history SELECT {id}, status, document, digest, definition, run, migrated_at FROM history WHERE order_id = 9"
            ));
        }
        let rows = stage.open(&definition);
        for size in [1, 4, 1000] {
            let mut range = stage.run(range(&rows)).expect("rows");
            for (open_end, expected) in [(true, 30), (false, 0)] {
                range.open_end = open_end;
                let (mut after, mut most, mut seen, mut checked) = (None, 0, Vec::new(), 0);
                while let Some(read) =
                    stage.run(rows.verify(&range, after.as_ref(), size, None, super::stage::LIMIT)).expect("a stretch")
                {
                    most = most.max(read.batch.extra);
                    checked += read.batch.checked;
                    seen.push(read.batch.extra);
                    after = Some(read.end);
                    assert!(seen.len() < 100, "it goes round in circles");
                }
                assert_eq!((seen.iter().sum::<u64>(), checked), (expected, 6), "{kind:?} {size} {seen:?}");
                assert!(most <= 2 * size + 1, "{kind:?} {size} {seen:?}");
                assert_eq!(after, Some(range.bound.clone()), "{kind:?} {size}");
            }
        }
    }
}

#[test]
fn verify_finds_missing_different_and_extra() {
    for kind in KINDS {
        let stage = Stage::new(kind);
        let definition = shop(&stage, 30);
        stage.move_all(&definition, 7);
        stage.execute(
            "DELETE FROM history WHERE order_id = 15; UPDATE history SET document = 'x' WHERE order_id = 9; \
             UPDATE orders SET status = 'O' WHERE id = 6; DELETE FROM orders WHERE id >= 87; \
             INSERT INTO history SELECT 7, status, document, digest, definition, run, migrated_at FROM history WHERE order_id = 9",
        );
        for size in [1, 3, 1000] {
            let seen = stage.verify_all(&definition, size);
            // 6 no longer matches, 7 has no source, 87 and 90 are gone and lie beyond the last key.
            assert_eq!((seen.checked, seen.equal, seen.missing, seen.different), (17, 15, 1, 1), "{kind:?}");
            let extra: Vec<_> =
                seen.examples.iter().filter(|(_, kind)| *kind == "extra").map(|(key, _)| key.json()).collect();
            assert_eq!(extra.len() as u64, seen.extra, "{kind:?}");
            assert_eq!(extra, [r#"["6"]"#, r#"["7"]"#, r#"["87"]"#, r#"["90"]"#], "{kind:?} {size}");
        }
    }
}

#[test]
fn a_document_that_the_server_cannot_build_is_an_error_never_a_cut_one() {
    let stage = Stage::new(super::stage::Kind::MariaDb);
    stage.execute(
        "CREATE TABLE orders (id INT PRIMARY KEY);
         CREATE TABLE order_items (id INT PRIMARY KEY, order_id INT NOT NULL, text VARCHAR(2000) NOT NULL, KEY (order_id));
         INSERT INTO orders VALUES (1), (2), (3);
         INSERT INTO order_items SELECT seq, 2, REPEAT('x', 2000) FROM seq_1_to_9000;
         INSERT INTO order_items VALUES (10000, 3, 'y');",
    );
    let definition = stage.definition(
        "table = \"orders\"\nkey = [\"id\"]\n[[source.related]]\nname = \"items\"\ntable = \"order_items\"\nkey = [\"id\"]\n\
         on = { order_id = \"id\" }",
        "table = \"history\"\nkey = [\"id\"]\ncreate = true\n[target.columns]\nid = \"id\"\ndocument = \"$document\"",
    );
    let rows = stage.open(&definition);
    stage.run(async {
        rows.prepare(super::stage::LIMIT).await.expect("the target");
        let fault = walk(&rows, 100, &effort()).await.expect_err("too large");
        assert_eq!(fault.class, Class::TooLarge, "{fault}");
    });
    assert_eq!(stage.one("SELECT CAST(COUNT(*) AS CHAR) FROM history"), "0");
    // In a plain SELECT it is only a warning, with a NULL: the comparison must not take that for a difference.
    stage.execute("INSERT INTO history VALUES (2, 'x')");
    stage.run(async {
        let fault = walk(&rows, 100, &effort()).await.expect_err("too large");
        assert_eq!(fault.class, Class::TooLarge, "{fault}");
        let range = range(&rows).await.expect("rows");
        let fault = rows.verify(&range, None, 100, None, super::stage::LIMIT).await.expect_err("too large");
        assert_eq!(fault.class, Class::TooLarge, "{fault}");
    });
}

#[test]
fn another_unique_index_of_the_target_refuses_a_row_for_good() {
    for kind in KINDS {
        let stage = Stage::new(kind);
        stage.execute(
            "CREATE TABLE orders (id INTEGER NOT NULL PRIMARY KEY, code INTEGER);
             INSERT INTO orders VALUES (1, 7), (2, 8), (3, 7);
             CREATE TABLE history (id INTEGER NOT NULL PRIMARY KEY, code INTEGER UNIQUE, document {{TEXT||LONGTEXT||TEXT}})",
        );
        let definition = stage.definition(
            "table = \"orders\"\nkey = [\"id\"]",
            "table = \"history\"\nkey = [\"id\"]\n[target.columns]\nid = \"id\"\ncode = \"code\"\ndocument = \"$document\"",
        );
        let rows = stage.open(&definition);
        for size in [100, 1] {
            let fault = stage.run(walk(&rows, size, &effort())).expect_err("a duplicate");
            assert_eq!(fault.class, Class::Poison, "{kind:?}: {fault}");
            assert!(!fault.to_string().contains('7'), "{fault}");
        }
        assert_eq!(stage.one("SELECT CAST(COUNT(*) AS {{TEXT||CHAR||TEXT}}) FROM history"), "2", "{kind:?}");
    }
}

#[test]
fn a_row_that_a_trigger_of_the_target_drops_is_an_error_and_the_batch_rolls_back() {
    // MySQL's triggers can refuse a row, not drop it.
    for kind in [Kind::Sqlite, Kind::Postgres] {
        for there in [false, true] {
            let stage = Stage::new(kind);
            stage.execute(
                "CREATE TABLE orders (id INTEGER NOT NULL PRIMARY KEY, code INTEGER);
                 INSERT INTO orders VALUES (1, 7), (2, 8), (3, 9);
                 CREATE TABLE history (id INTEGER NOT NULL PRIMARY KEY, code INTEGER, document TEXT NOT NULL)",
            );
            let definition = stage.definition(
                "table = \"orders\"\nkey = [\"id\"]",
                "table = \"history\"\nkey = [\"id\"]\n[target.columns]\nid = \"id\"\ncode = \"code\"\ndocument = \"$document\"",
            );
            if there {
                stage.move_all(&definition, 100);
                stage.execute("DELETE FROM history WHERE id > 1");
            }
            stage.execute(if kind == Kind::Sqlite {
                "CREATE TRIGGER drop_it BEFORE INSERT ON history WHEN NEW.id = 2 BEGIN SELECT RAISE(IGNORE); END"
            } else {
                "CREATE FUNCTION drop_it() RETURNS trigger LANGUAGE plpgsql AS $$
                 BEGIN IF NEW.id = 2 THEN RETURN NULL; END IF; RETURN NEW; END $$;
                 CREATE TRIGGER drop_it BEFORE INSERT ON history FOR EACH ROW EXECUTE FUNCTION drop_it()"
            });
            let rows = stage.open(&definition);
            let fault = stage.run(walk(&rows, 100, &effort())).expect_err("a row that is gone");
            assert_eq!(fault.class, Class::Poison, "{kind:?}: {fault}");
            assert!(fault.to_string().contains("look at the target's triggers"), "{kind:?}: {fault}");
            let left = stage.one("SELECT CAST(COUNT(*) AS TEXT) FROM history");
            assert_eq!(left, if there { "1" } else { "0" }, "{kind:?}");
        }
    }
}

#[test]
fn two_writers_of_one_batch_count_it_once_between_them() {
    for kind in KINDS {
        let stage = Stage::new(kind);
        let definition = shop(&stage, 30);
        let (one, two) = (stage.open(&definition), stage.open(&definition));
        let (moved, skipped) = stage.run(async {
            one.prepare(super::stage::LIMIT).await.expect("the target");
            let range = range(&one).await.expect("rows");
            let (mut moved, mut skipped) = (0, 0);
            let mut after = None;
            while let Some(read) = one.read(&range, after.as_ref(), 5, super::stage::LIMIT).await.expect("a batch") {
                let effort = effort();
                let (first, second) = tokio::join!(one.write(&read.batch, &effort), two.write(&read.batch, &effort));
                for result in [first, second] {
                    match result {
                        Ok(outcome) => {
                            moved += outcome.moved;
                            skipped += outcome.skipped;
                            assert_eq!(outcome.aside, []);
                        }
                        // The one that came second is told to try again.
                        Err(fault) => assert_eq!(fault.class, Class::Transient, "{kind:?}: {fault}"),
                    }
                }
                after = Some(read.end);
            }
            (moved, skipped)
        });
        assert_eq!(moved, 20, "{kind:?}");
        assert!(skipped <= 20, "{kind:?}");
        assert_eq!(stage.verify_all(&definition, 100).equal, 20);
    }
}

#[test]
fn a_target_that_many_make_at_once_is_made() {
    for kind in [Kind::MariaDb, Kind::Postgres] {
        let stage = Stage::new(kind);
        stage.execute("CREATE TABLE orders (id BIGINT NOT NULL PRIMARY KEY)");
        for round in 0..40 {
            let definition = stage.definition(
                "table = \"orders\"\nkey = [\"id\"]",
                &format!("table = \"made_{round}\"\nkey = [\"id\"]\ncreate = true\n[target.columns]\nid = \"id\"\ndocument = \"$document\""),
            );
            let all: Vec<_> = (0..6).map(|_| stage.open(&definition)).collect();
            stage.run(async {
                let made = futures_util::future::join_all(all.iter().map(|rows| rows.prepare(LIMIT))).await;
                for made in made {
                    made.unwrap_or_else(|error| panic!("{kind:?}: {error}"));
                }
                for rows in all {
                    rows.close().await;
                }
            });
        }
    }
}
