//! A related row that cannot be copied: nothing of its batch stays.

use super::{SOURCE, TARGET, assert_copied, count, shop};
use crate::rows::stage::{KINDS, Kind, LIMIT, Stage, effort, walk};
use milkrun::fault::Class;

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
        for table in ["archive", "items_archive", "parts_archive", "words_archive"] {
            assert_eq!(count(&stage, table), "0", "{kind:?} {table}");
        }
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
        for table in ["archive", "items_archive", "parts_archive", "words_archive"] {
            assert_eq!(count(&stage, table), "0", "{kind:?} {table}");
        }
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
