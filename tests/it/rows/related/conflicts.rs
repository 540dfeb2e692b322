//! Related rows that are there already: what differs is a conflict of the item, and foreign keys hold all the same.

use super::{assert_copied, count, shop, told};
use crate::rows::stage::{KINDS, Stage};

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
