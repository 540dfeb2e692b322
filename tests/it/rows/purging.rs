//! Archive and purge: what was read back equal leaves the source with its related rows, and nothing else does.

mod beside_a_conflict;
mod held;
mod kept;
mod refused;

use super::moving::shop;
use super::stage::{Kind, LIMIT, Stage, compare, effort, range};
use crate::support::database::Database;
use milkrun::cursor::{Cursor, KeyPart};
use milkrun::engine::migration::{Effort, Migration, Repair};
use milkrun::spec::{After, RowsDefinition};

const KEYS: &str = "ALTER TABLE order_items ADD FOREIGN KEY (order_id) REFERENCES orders (id);
    ALTER TABLE parts ADD FOREIGN KEY (item_id) REFERENCES order_items (id);";

/// The shop, whose closed orders are to leave it. PostgreSQL wants foreign keys; elsewhere they are optional.
fn purged(stage: &Stage, orders: u32, keys: bool) -> RowsDefinition {
    let mut definition = shop(stage, orders);
    if keys {
        stage.execute(KEYS);
    }
    definition.target.after = After::Delete;
    definition
}

/// Every kind, and MariaDB also with foreign keys, which make it lock otherwise.
const STAGES: [(Kind, bool); 4] =
    [(Kind::Sqlite, false), (Kind::MariaDb, false), (Kind::MariaDb, true), (Kind::Postgres, true)];

fn left(stage: &Stage) -> [String; 3] {
    ["orders", "order_items", "parts"].map(|table| {
        let ids = stage.rows(&format!("SELECT id FROM {table} ORDER BY id"));
        ids.into_iter().filter_map(|mut row| row.remove(0)).collect::<Vec<_>>().join(" ")
    })
}

#[test]
fn closed_orders_leave_with_all_that_belongs_to_them() {
    for (kind, keys) in STAGES {
        let kept = Stage::new(kind);
        let definition = shop(&kept, 30);
        kept.move_all(&definition, 100);
        let history = "SELECT order_id, status, document, digest FROM history ORDER BY order_id";
        let wanted = kept.rows(history);
        kept.execute(
            "DELETE FROM parts WHERE item_id IN (SELECT i.id FROM order_items i JOIN orders o ON o.id = i.order_id WHERE o.status <> 'O');
             DELETE FROM order_items WHERE order_id IN (SELECT id FROM orders WHERE status <> 'O');
             DELETE FROM orders WHERE status <> 'O'",
        );
        for size in [1, 7, 1000] {
            let stage = Stage::new(kind);
            let definition = purged(&stage, 30, keys);
            let outcome = stage.move_all(&definition, size);
            assert_eq!((outcome.moved, outcome.skipped, outcome.aside), (20, 0, vec![]), "{kind:?} {size}");
            assert_eq!(stage.rows(history), wanted, "{kind:?} {size}");
            assert_eq!(left(&stage), left(&kept), "{kind:?} {size}");
            let again = stage.move_all(&definition, size);
            assert_eq!((again.moved, again.skipped), (0, 0), "{kind:?} {size}");
            let seen = stage.verify_all(&definition, size);
            assert_eq!((seen.checked, seen.missing, seen.extra), (0, 0, 0), "{kind:?} {size}: {seen:?}");
        }
    }
}

#[test]
fn a_copy_that_is_equal_lets_its_row_go_and_one_that_differs_does_not() {
    for (kind, keys) in STAGES {
        for size in [1, 1000] {
            let stage = Stage::new(kind);
            let mut definition = purged(&stage, 9, keys);
            definition.target.after = After::Keep;
            stage.move_all(&definition, 100);
            definition.target.after = After::Delete;
            // Of 6, 9, 15, 18, 24, 27: two changed since, of one of which the copy was changed too; one has a new part.
            stage.execute(
                "UPDATE orders SET note = 'later' WHERE id IN (9, 15); INSERT INTO parts VALUES (900, 90, '');
                 UPDATE history SET document = 'mine' WHERE order_id = 15; UPDATE history SET run = 'earlier'; DELETE FROM history WHERE order_id = 24",
            );
            let outcome = stage.move_all(&definition, size);
            let aside: Vec<_> = outcome.aside.iter().map(|aside| aside.key.json()).collect();
            assert_eq!((outcome.moved, outcome.skipped), (3, 2), "{kind:?} {size}: {outcome:?}");
            assert_eq!(aside, [r#"["15"]"#], "{kind:?} {size}");
            let [orders, items, parts] = left(&stage);
            assert_eq!(orders, "3 12 15 21", "{kind:?} {size}");
            assert_eq!((items.as_str(), parts.as_str()), ("10 50 70 71 72", "10 50 70 71 72"), "{kind:?} {size}");
            // The stale ones hold what was deleted, and say who wrote them.
            let replaced = "SELECT order_id FROM history WHERE run = 'run-1' AND digest IS NOT NULL ORDER BY order_id";
            let replaced: Vec<_> = stage.rows(replaced).into_iter().filter_map(|mut row| row.remove(0)).collect();
            assert_eq!(replaced, ["9", "24", "27"], "{kind:?} {size}");
            assert!(stage.one("SELECT document FROM history WHERE order_id = 9").contains("later"));
            assert!(stage.one("SELECT document FROM history WHERE order_id = 27").contains("900"));
            assert_eq!(stage.one("SELECT document FROM history WHERE order_id = 15"), "mine");
        }
    }
}

#[test]
fn without_a_digest_of_its_own_a_stale_copy_is_a_conflict() {
    for (kind, keys) in STAGES {
        let stage = Stage::new(kind);
        let mut definition = purged(&stage, 9, keys);
        definition.target.columns.retain(|(name, _)| name != "digest");
        definition.target.after = After::Keep;
        stage.move_all(&definition, 100);
        definition.target.after = After::Delete;
        stage.execute("UPDATE orders SET note = 'later' WHERE id = 9");
        let outcome = stage.move_all(&definition, 100);
        assert_eq!((outcome.moved, outcome.skipped, outcome.aside.len()), (0, 5, 1), "{kind:?}");
        assert_eq!(left(&stage)[0], "3 9 12 21", "{kind:?}");
    }
}

#[test]
fn copies_without_a_document_are_stale_only_in_what_is_not_copied() {
    for (kind, keys) in STAGES {
        let stage = Stage::new(kind);
        shop(&stage, 9);
        if keys {
            stage.execute(KEYS);
        }
        let definition = |after: &str| {
            stage.definition(
                "table = \"orders\"\nkey = [\"id\"]\nwhere = \"status IN ('F', 'C')\"\n\
                 [[source.related]]\nname = \"items\"\ntable = \"order_items\"\nkey = [\"id\"]\non = { order_id = \"id\" }\n\
                 [source.related.target]\ntable = \"items_archive\"\nkey = [\"id\"]\ncreate = true\n\
                 columns = { id = \"id\", order_id = \"order_id\", sku = \"sku\" }\n\
                 [[source.related.related]]\nname = \"parts\"\ntable = \"parts\"\nkey = [\"id\"]\non = { item_id = \"id\" }\n\
                 [source.related.related.target]\ntable = \"parts_archive\"\nkey = [\"id\"]\ncreate = true\ncolumns = { id = \"id\", item_id = \"item_id\" }\n",
                &format!(
                    "table = \"archive\"\nkey = [\"id\"]\ncreate = true\nafter = \"{after}\"\n\
                     columns = {{ id = \"id\", status = \"status\", digest = \"$digest\" }}"
                ),
            )
        };
        let rows = stage.open(&definition("delete"));
        assert!(rows.warnings().iter().any(|it| it.contains("`card`, `note` of `orders`")), "{:?}", rows.warnings());
        stage.move_all(&definition("keep"), 100);
        // A column that is not copied, one that is, a related row, and a new one.
        stage.execute(
            "UPDATE orders SET note = 'later' WHERE id = 6; UPDATE orders SET status = 'C' WHERE id = 9;
             UPDATE order_items SET sku = 'x' WHERE id = 50; INSERT INTO order_items VALUES (999, 27, 'new')",
        );
        let outcome = stage.move_all(&definition("delete"), 100);
        let aside: Vec<_> = outcome.aside.iter().map(|aside| aside.key.json()).collect();
        assert_eq!(aside, [r#"["9"]"#, r#"["15"]"#, r#"["27"]"#], "{kind:?} {outcome:?}");
        assert_eq!((outcome.moved, outcome.skipped), (1, 2), "{kind:?}");
        assert_eq!(left(&stage)[0], "3 9 12 15 21 27", "{kind:?}");

        // What is missing is put back with all that belongs to it, and nobody takes it away meanwhile.
        stage.execute(
            "DELETE FROM parts_archive WHERE item_id IN (SELECT id FROM items_archive WHERE order_id = 9);
             DELETE FROM items_archive WHERE order_id = 9; DELETE FROM archive WHERE id = 9",
        );
        let (rows, repair) = (stage.open(&definition("delete")), Repair { overwrite: false, run: "run-2".to_owned() });
        let found = stage.run(compare(&rows, 100, Some(&repair)));
        assert_eq!((found.missing, found.repaired), (1, 1), "{kind:?}: {found:?}");
        assert_eq!(left(&stage)[0], "3 9 12 15 21 27", "{kind:?}");
    }
}

/// What a run that was killed had moved is counted by name, where it was announced by name.
#[test]
fn named_rows_that_are_gone_count_as_moved_only_after_a_kill() {
    for (kind, keys) in STAGES {
        let stage = Stage::new(kind);
        let definition = purged(&stage, 9, keys);
        let rows = stage.open(&definition);
        stage.run(rows.prepare(LIMIT)).expect("the target");
        let range = stage.run(range(&rows)).expect("rows");
        let keys = [6, 9, 12, 1000].map(|id: u32| Cursor(vec![KeyPart::Int(id.to_string())]));
        let batch = rows.fetch(&range, &keys);
        let read = stage.run(rows.read(&range, None, 100, LIMIT)).expect("a batch").expect("rows");
        let counted = stage.run(rows.count(&read.batch, LIMIT)).expect("a count");
        assert_eq!((rows.takes_away(), counted), (true, Some(6)), "{kind:?}");
        let outcome = stage.run(rows.write(&batch, &effort())).expect("a batch");
        assert_eq!((outcome.moved, outcome.skipped), (2, 0), "{kind:?}");
        let outcome = stage.run(rows.write(&batch, &effort())).expect("a batch");
        assert_eq!((outcome.moved, outcome.skipped), (0, 0), "{kind:?}");
        let recovered = Effort { recovered: true, ..effort() };
        let outcome = stage.run(rows.write(&batch, &recovered)).expect("a batch");
        assert_eq!((outcome.moved, outcome.skipped), (2, 0), "{kind:?}");
    }
}

#[test]
fn what_is_missing_is_mended_and_nothing_is_deleted() {
    for (kind, keys) in STAGES {
        let stage = Stage::new(kind);
        let mut definition = purged(&stage, 9, keys);
        definition.target.after = After::Keep;
        stage.move_all(&definition, 100);
        definition.target.after = After::Delete;
        stage.execute(
            "DELETE FROM history WHERE order_id IN (9, 15); UPDATE orders SET note = 'later' WHERE id = 18;
             INSERT INTO history (order_id, status, document, digest, definition, run, migrated_at) SELECT 1000, status, document, digest, definition, run, migrated_at FROM history WHERE order_id = 6",
        );
        let repair = Repair { overwrite: false, run: "a repair".to_owned() };
        let before = left(&stage);
        let seen = stage.repair_all(&definition, 4, Some(&repair));
        let counts = [seen.checked, seen.equal, seen.missing, seen.different, seen.extra, seen.repaired];
        assert_eq!(counts, [6, 3, 2, 1, 0, 2], "{kind:?}");
        assert_eq!(left(&stage), before, "{kind:?}");
        assert!(!stage.one("SELECT document FROM history WHERE order_id = 18").contains("later"), "{kind:?}");
    }
}

/// Until somebody waits for a lock here.
pub(super) fn until_one_waits(database: &Database) {
    let waits = if database.is_mariadb() {
        "SELECT COUNT(*) FROM information_schema.innodb_trx t JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id \
         WHERE t.trx_state = 'LOCK WAIT' AND p.db = DATABASE()"
    } else {
        "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    };
    let patience = std::time::Instant::now() + LIMIT;
    while database.number(waits) == 0 {
        assert!(std::time::Instant::now() < patience, "nobody waits");
        // MariaDB shows what it has gathered a tenth of a second ago, unless nobody has asked meanwhile.
        std::thread::sleep(std::time::Duration::from_millis(150));
    }
}
