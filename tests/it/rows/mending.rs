//! `verify` that mends: what is missing is inserted, what differs is rewritten if that is wanted, nothing is deleted.

use super::moving::shop;
use super::stage::{KINDS, Kind, LIMIT, Stage, range};
use milkrun::engine::migration::{Migration, Repair};
use milkrun::fault::Class;

const DAMAGE: &str = "DELETE FROM history WHERE order_id IN (15, 24, 90); UPDATE history SET document = 'x' WHERE order_id = 9; \
    UPDATE history SET status = 'O' WHERE order_id = 18; UPDATE orders SET status = 'O' WHERE id = 6";

fn repair(overwrite: bool) -> Repair {
    Repair { overwrite, run: "a repair".to_owned() }
}

#[test]
fn what_is_missing_is_inserted_and_what_differs_only_on_demand() {
    for kind in KINDS {
        for size in [1, 4, 1000] {
            let stage = Stage::new(kind);
            let definition = shop(&stage, 30);
            stage.move_all(&definition, 7);
            let sound = stage.rows("SELECT order_id, status, document, digest FROM history ORDER BY order_id");
            let kept = stage.one("SELECT CAST(migrated_at AS {{TEXT||CHAR||TEXT}}) FROM history WHERE order_id = 27");
            stage.execute(DAMAGE);

            let seen = stage.repair_all(&definition, size, Some(&repair(false)));
            let counts = [seen.checked, seen.equal, seen.missing, seen.different, seen.extra, seen.repaired];
            assert_eq!(counts, [19, 14, 3, 2, 1, 3], "{kind:?} {size}");
            let seen = stage.repair_all(&definition, size, Some(&repair(true)));
            let counts = [seen.checked, seen.equal, seen.missing, seen.different, seen.extra, seen.repaired];
            assert_eq!(counts, [19, 17, 0, 2, 1, 2], "{kind:?} {size}");
            let seen = stage.repair_all(&definition, size, Some(&repair(true)));
            assert_eq!((seen.equal, seen.repaired, seen.extra), (19, 0, 1), "{kind:?} {size}");

            let mended = stage.rows("SELECT order_id, status, document, digest FROM history ORDER BY order_id");
            assert_eq!(mended, sound, "{kind:?} {size}");
            // What was sound is not touched, and what was written says by whom.
            assert_eq!(
                stage.one("SELECT CAST(migrated_at AS {{TEXT||CHAR||TEXT}}) FROM history WHERE order_id = 27"),
                kept
            );
            let runs = stage.rows("SELECT order_id FROM history WHERE run = 'a repair' ORDER BY order_id");
            assert_eq!(runs.len(), 5, "{kind:?} {size}: {runs:?}");
        }
    }
}

#[test]
fn rows_beyond_the_end_are_left_to_the_runs() {
    for kind in KINDS {
        let stage = Stage::new(kind);
        let definition = shop(&stage, 9);
        stage.move_all(&definition, 100);
        let rows = stage.open(&definition);
        let before = stage.run(range(&rows)).expect("rows");
        stage.execute("INSERT INTO orders VALUES (99, 'C', '4111', 'late'); DELETE FROM history WHERE order_id = 6");
        let mut after = None;
        let mut repaired = 0;
        while let Some(read) =
            stage.run(rows.verify(&before, after.as_ref(), 2, Some(&repair(true)), LIMIT)).expect("a stretch")
        {
            repaired += read.batch.repaired;
            after = Some(read.end);
        }
        assert_eq!(repaired, 1, "{kind:?}");
        assert_eq!(stage.rows("SELECT order_id FROM history WHERE order_id = 99").len(), 0, "{kind:?}");
    }
}

#[test]
fn what_the_target_refuses_mends_nothing_of_its_stretch() {
    for kind in KINDS {
        let stage = Stage::new(kind);
        let definition = shop(&stage, 30);
        stage.move_all(&definition, 7);
        stage.execute("DELETE FROM history WHERE order_id IN (15, 24)");
        stage.execute(
            "{{CREATE TRIGGER rule BEFORE INSERT ON history WHEN NEW.order_id = 24 BEGIN SELECT RAISE(ABORT, 'no'); END\
              ||ALTER TABLE history ADD CONSTRAINT rule CHECK (order_id <> 24)||ALTER TABLE history ADD CONSTRAINT rule CHECK (order_id <> 24)}}",
        );
        let rows = stage.open(&definition);
        let range = stage.run(range(&rows)).expect("rows");
        let fault = stage.run(rows.verify(&range, None, 1000, Some(&repair(false)), LIMIT)).expect_err("refused");
        assert_eq!(fault.class, Class::Poison, "{kind:?}: {fault}");
        assert_eq!(stage.rows("SELECT order_id FROM history WHERE order_id IN (15, 24)").len(), 0, "{kind:?}");
    }
}

/// A document that has come to hold what jsonb does not take is no error of the comparison: it differs, or is missing, and the others are
/// compared as ever.
#[test]
fn a_document_that_jsonb_does_not_take_any_more_is_different() {
    let stage = Stage::new(Kind::Postgres);
    stage.execute(
        "CREATE TABLE orders (id INTEGER NOT NULL PRIMARY KEY, note json); CREATE TABLE archive (id int PRIMARY KEY, document jsonb);
         INSERT INTO orders SELECT id, '1' FROM generate_series(1, 5) id",
    );
    let definition = stage.definition(
        "table = \"orders\"\nkey = [\"id\"]",
        "table = \"archive\"\nkey = [\"id\"]\n[target.columns]\nid = \"id\"\ndocument = \"$document\"",
    );
    assert_eq!(stage.move_all(&definition, 10).moved, 5);
    stage
        .execute("UPDATE orders SET note = '{\"x\":\"\\u0000\"}' WHERE id IN (2, 5); DELETE FROM archive WHERE id = 5");
    for size in [10, 1] {
        let seen = stage.verify_all(&definition, size);
        let counts = [seen.checked, seen.equal, seen.missing, seen.different, seen.extra];
        assert_eq!(counts, [5, 3, 1, 1, 0], "{size}: {seen:?}");
        let examples: Vec<_> = seen.examples.iter().map(|(key, kind)| (key.json(), *kind)).collect();
        assert_eq!(examples, [("[\"2\"]".to_owned(), "different"), ("[\"5\"]".to_owned(), "missing")], "{size}");
    }
}
