//! Targets that refuse a row: by a CHECK, by another unique index, by a trigger.

use crate::rows::stage::{KINDS, Kind, LIMIT, Stage, effort, range, walk};
use milkrun::engine::migration::Migration;
use milkrun::fault::Class;

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
            let limit = LIMIT;
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
