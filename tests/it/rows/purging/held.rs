//! What is on its way is held: rows and their related rows, new ones included, until the batch is over.

use super::{left, purged, until_one_waits};
use crate::rows::stage::{Kind, LIMIT, Stage, effort, range, walk};
use crate::support::database::Database;
use milkrun::cursor::{Cursor, KeyPart};
use milkrun::engine::migration::{Effort, Migration};

/// Somebody else is refused, and it is a lock that refuses.
fn assert_locked(other: &Database, sql: &str) {
    let refusal = other.refusal(sql);
    let locked = refusal.as_ref().is_some_and(|why| why.to_lowercase().contains("lock"));
    assert!(locked, "{}: {sql}: {refusal:?}", other.url());
}

/// While a batch is on its way its rows and their children are held, new children included, and nothing else is.
#[test]
fn what_is_on_its_way_is_held() {
    for (kind, keys) in [(Kind::MariaDb, false), (Kind::MariaDb, true), (Kind::Postgres, true)] {
        let stage = Stage::new(kind);
        let definition = purged(&stage, 9, keys);
        let rows = stage.open(&definition);
        stage.run(rows.prepare(LIMIT)).expect("the target");
        stage.execute(
            "{{||CREATE TRIGGER slow BEFORE INSERT ON history FOR EACH ROW SET @slept = IF(NEW.order_id = 9, SLEEP(5), 0)\
             ||CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(5); RETURN NEW; END $$; \
             CREATE TRIGGER slow BEFORE INSERT ON history FOR EACH ROW WHEN (NEW.order_id = 9) EXECUTE FUNCTION slow()}}",
        );
        let other = Database::connect(stage.database.url());
        other.execute(if kind == Kind::MariaDb {
            "SET innodb_lock_wait_timeout = 1"
        } else {
            "SET lock_timeout = '300ms'"
        });
        std::thread::scope(|scope| {
            let moving = scope.spawn(|| {
                let definition = &definition;
                stage.runtime.block_on(async {
                    let rows = milkrun::rows::Rows::open(definition, &stage.options, LIMIT).await.expect("rows");
                    walk(&rows, 100, &effort()).await.expect("a walk")
                })
            });
            let asleep = if kind == Kind::MariaDb {
                "SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE() AND state = 'User sleep'"
            } else {
                "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
            };
            while other.number(asleep) == 0 {
                assert!(!moving.is_finished(), "{kind:?}");
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            // Of 9, which moves with its item 30, and of 12, which does not match.
            for refused in ["UPDATE orders SET note = 'x' WHERE id = 9", "INSERT INTO order_items VALUES (900, 9, 'x')"]
            {
                assert_locked(&other, refused);
            }
            // One that begins to match meanwhile was not locked: the batch is done again, and locks it this time.
            if keys {
                for taken in
                    ["UPDATE orders SET status = 'C' WHERE id = 12", "INSERT INTO order_items VALUES (901, 12, 'x')"]
                {
                    assert!(other.try_execute(taken), "{kind:?}: {taken}");
                }
            }
            assert!(!moving.is_finished(), "{kind:?}: it was over before all was tried");
            assert_eq!(moving.join().unwrap().moved, if keys { 7 } else { 6 }, "{kind:?}");
        });
        assert_eq!(left(&stage)[0], if keys { "3 21" } else { "3 12 21" }, "{kind:?}");
        if keys {
            assert!(stage.one("SELECT document FROM history WHERE order_id = 12").contains("901"), "{kind:?}");
            assert_eq!(stage.rows("SELECT id FROM order_items WHERE id = 901").len(), 0, "{kind:?}");
        }
    }
}

/// Where nothing is related the lock on the item's own row is all that keeps a change from being lost.
#[test]
fn a_bare_row_that_is_on_its_way_is_held() {
    for kind in [Kind::MariaDb, Kind::Postgres] {
        let stage = Stage::new(kind);
        stage.execute(
            "CREATE TABLE orders (id BIGINT NOT NULL PRIMARY KEY, note VARCHAR(10)); INSERT INTO orders VALUES (1, 'a'), (2, 'b'), (3, 'c')",
        );
        let definition = stage.definition(
            "table = \"orders\"\nkey = [\"id\"]",
            "table = \"history\"\nkey = [\"id\"]\nafter = \"delete\"\ncreate = true\n[target.columns]\nid = \"id\"\nnote = \"note\"",
        );
        let rows = stage.open(&definition);
        stage.run(rows.prepare(LIMIT)).expect("the target");
        stage.execute(
            "{{||CREATE TRIGGER slow BEFORE INSERT ON history FOR EACH ROW SET @slept = IF(NEW.id = 2, SLEEP(3), 0)\
             ||CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(3); RETURN NEW; END $$; \
             CREATE TRIGGER slow BEFORE INSERT ON history FOR EACH ROW WHEN (NEW.id = 2) EXECUTE FUNCTION slow()}}",
        );
        let other = Database::connect(stage.database.url());
        let asleep = stage.choose(
            "SELECT COUNT(*) FROM {{||information_schema.processlist WHERE db = DATABASE() AND state = 'User sleep'\
             ||pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'}}",
        );
        let moved = std::thread::scope(|scope| {
            let (stage, rows) = (&stage, &rows);
            let moving = scope.spawn(move || stage.run(walk(rows, 100, &effort())).expect("a walk").moved);
            while other.number(&asleep) == 0 {
                assert!(!moving.is_finished(), "{kind:?}");
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            for id in 1..=3 {
                let change = format!("SELECT id FROM orders WHERE id = {id} FOR UPDATE NOWAIT");
                assert_locked(&other, &change);
            }
            moving.join().unwrap()
        });
        assert_eq!((moved, stage.one("SELECT COUNT(*) FROM orders").as_str()), (3, "0"), "{kind:?}");
    }
}

/// A transaction that has added a child to an item, and not committed yet: whoever is to purge that item waits for it.
#[test]
fn a_child_that_is_just_being_added_leaves_with_its_parent() {
    for (kind, keys) in [(Kind::MariaDb, false), (Kind::MariaDb, true), (Kind::Postgres, true)] {
        for recovered in [false, true] {
            let stage = Stage::new(kind);
            let definition = purged(&stage, 9, keys);
            let rows = stage.open(&definition);
            stage.run(rows.prepare(LIMIT)).expect("the target");
            let range = stage.run(range(&rows)).expect("rows");
            let batch = rows.fetch(&range, &[Cursor(vec![KeyPart::Int("9".to_owned())])]);
            let other = Database::connect(stage.database.url());
            other.execute("BEGIN; INSERT INTO order_items VALUES (900, 9, 'late')");
            let outcome = std::thread::scope(|scope| {
                let effort = Effort { recovered, ..effort() };
                let (stage, rows, batch) = (&stage, &rows, &batch);
                let moving = scope.spawn(move || stage.run(rows.write(batch, &effort)));
                until_one_waits(&stage.database);
                other.execute("COMMIT");
                moving.join().unwrap().expect("a batch")
            });
            assert_eq!((outcome.moved, outcome.aside.len()), (1, 0), "{kind:?} {keys} {recovered}");
            assert_eq!(left(&stage)[0], "3 6 12 15 18 21 24 27", "{kind:?} {keys} {recovered}");
            assert_eq!(stage.rows("SELECT id FROM order_items WHERE order_id = 9").len(), 0, "{kind:?} {keys}");
            let document = stage.one("SELECT document FROM history WHERE order_id = 9");
            assert!(document.contains("late"), "{kind:?} {keys} {recovered}: {document}");
        }
    }
}
