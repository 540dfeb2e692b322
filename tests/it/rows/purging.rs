//! Archive and purge: what was read back equal leaves the source with its related rows, and nothing else does.

use super::moving::shop;
use super::stage::{KINDS, Kind, LIMIT, Stage, compare, effort, range, walk};
use milkrun::cursor::{Cursor, KeyPart};
use milkrun::engine::migration::{Effort, Migration, Outcome, Repair};
use milkrun::fault::Class;
use milkrun::rows::RowsError;
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
fn what_another_table_refers_to_is_named_and_all_else_leaves() {
    for (kind, keys) in STAGES {
        let stage = Stage::new(kind);
        let definition = purged(&stage, 9, keys);
        stage.execute(
            "CREATE TABLE payments (id INTEGER PRIMARY KEY, order_id BIGINT NOT NULL, FOREIGN KEY (order_id) REFERENCES orders (id));
             INSERT INTO payments VALUES (1, 9)",
        );
        let rows = stage.open(&definition);
        let warned = rows.warnings().iter().any(|it| it.contains("`payments` refers to `orders`"));
        assert!(warned, "{kind:?}: {:?}", rows.warnings());
        stage.run(rows.prepare(LIMIT)).expect("the target");
        let fault = stage.run(walk(&rows, 100, &effort())).expect_err("it is referred to");
        assert_eq!(fault.class, Class::Poison, "{kind:?}: {fault}");
        assert!(fault.to_string().contains("still refers to it"), "{kind:?}: {fault}");
        assert_eq!(stage.rows("SELECT order_id FROM history").len(), 0, "{kind:?}");
        assert_eq!(left(&stage)[0], "3 6 9 12 15 18 21 24 27", "{kind:?}");
    }
}

#[test]
fn a_trigger_that_keeps_rows_is_an_error() {
    let stage = Stage::new(Kind::Postgres);
    let definition = purged(&stage, 9, true);
    stage.execute(
        "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
         CREATE TRIGGER keep BEFORE DELETE ON orders FOR EACH ROW WHEN (OLD.id = 9) EXECUTE FUNCTION keep()",
    );
    let rows = stage.open(&definition);
    assert!(rows.warnings().iter().any(|it| it.contains("triggers of `orders`")), "{:?}", rows.warnings());
    stage.run(rows.prepare(LIMIT)).expect("the target");
    let fault = stage.run(walk(&rows, 100, &effort())).expect_err("it is kept");
    assert_eq!(fault.class, Class::Poison, "{fault}");
    assert!(fault.to_string().contains("keeps rows from being deleted"), "{fault}");
    assert_eq!(stage.rows("SELECT order_id FROM history").len(), 0);
}

#[test]
fn a_copy_that_a_trigger_changes_keeps_its_row() {
    let stage = Stage::new(Kind::Postgres);
    let definition = purged(&stage, 9, true);
    let rows = stage.open(&definition);
    stage.run(rows.prepare(LIMIT)).expect("the target");
    stage.execute(
        "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.document := '{}'; RETURN NEW; END $$;
         CREATE TRIGGER spoil BEFORE INSERT ON history FOR EACH ROW WHEN (NEW.order_id = 9) EXECUTE FUNCTION spoil()",
    );
    let outcome = stage.move_all(&definition, 100);
    assert_eq!((outcome.moved, outcome.aside.len()), (6, 0));
    assert_eq!(left(&stage)[0], "3 9 12 21");
    let outcome = stage.move_all(&definition, 100);
    assert_eq!((outcome.moved, outcome.aside.len()), (0, 1), "what is there differs");
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

fn problems(stage: &Stage, definition: &RowsDefinition) -> Vec<String> {
    let Err(RowsError::Problems(problems)) = stage.try_open(definition) else {
        panic!("{:?}: it was taken", stage.kind)
    };
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn related_tables_that_cannot_be_held_are_refused() {
    let stage = Stage::new(Kind::Postgres);
    let definition = purged(&stage, 3, false);
    let said = problems(&stage, &definition);
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(
        said[0].starts_with("source.related[0].on: no foreign key of `order_items` refers to `orders`"),
        "{said:?}"
    );
    let sql = "ALTER TABLE \"public\".\"order_items\" ADD FOREIGN KEY (\"order_id\") REFERENCES \"public\".\"orders\" (\"id\");";
    assert!(said[0].contains(sql), "{said:?}");
    stage.execute(KEYS);
    stage.open(&definition);
    // One that nobody checks is none.
    stage.execute("ALTER TABLE parts DISABLE TRIGGER ALL");
    let said = problems(&stage, &definition);
    assert!(said.len() == 1 && said[0].contains("`parts`"), "{said:?}");
    let stage = Stage::new(Kind::MariaDb);
    let definition = purged(&stage, 3, false);
    stage.execute("ALTER TABLE parts ENGINE = Aria");
    let said = problems(&stage, &definition);
    assert!(said.len() == 1 && said[0].contains("storage engine Aria, which can neither lock"), "{said:?}");
}

#[test]
fn cascades_into_tables_that_are_not_named_are_refused() {
    for (kind, keys) in STAGES {
        for (rule, null) in [("CASCADE", " NOT NULL"), ("SET NULL", "")] {
            let stage = Stage::new(kind);
            let definition = purged(&stage, 3, keys);
            stage.execute(&format!(
                "CREATE TABLE payments (id INTEGER PRIMARY KEY, item_id BIGINT{null}, \
                 CONSTRAINT paid FOREIGN KEY (item_id) REFERENCES order_items (id) ON DELETE {rule})"
            ));
            let said = problems(&stage, &definition);
            let wanted = format!(" of `payments` is declared ON DELETE {rule}: ");
            assert!(said.len() == 1 && said[0].contains(&wanted), "{kind:?}: {said:?}");
            assert!(said[0].starts_with("source.related[0].table: the foreign key"), "{kind:?}: {said:?}");
        }
        // Along the way that is named they do no harm: what they would delete is gone by then.
        let stage = Stage::new(kind);
        let definition = shop(&stage, 3);
        if keys {
            stage.execute(&KEYS.replace(';', " ON DELETE CASCADE;"));
        }
        let definition = RowsDefinition {
            target: milkrun::spec::Target { after: After::Delete, ..definition.target.clone() },
            ..definition
        };
        assert_eq!(stage.move_all(&definition, 100).moved, 2, "{kind:?}");
        assert_eq!(left(&stage)[0], "3", "{kind:?}");
    }
}

#[test]
fn rows_that_several_items_share_are_refused() {
    for kind in KINDS {
        let stage = Stage::new(kind);
        stage.execute(
            "CREATE TABLE customers (id INTEGER PRIMARY KEY, name VARCHAR(20));
             CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER REFERENCES customers (id));",
        );
        let related = |name: &str, on: &str| {
            format!("[[source.related]]\nname = \"{name}\"\ntable = \"customers\"\nkey = [\"id\"]\non = {{ {on} }}\n")
        };
        let target = "table = \"history\"\nkey = [\"id\"]\ncreate = true\nafter = \"delete\"\n\
                      columns = { id = \"id\", document = \"$document\" }";
        let source = format!("table = \"orders\"\nkey = [\"id\"]\n{}", related("customers", "id = \"customer\""));
        let said = problems(&stage, &stage.definition(&source, target));
        assert!(
            said[0].contains("could belong to several of them, and would leave with the first"),
            "{kind:?}: {said:?}"
        );
        let source = format!("{source}{}", related("others", "id = \"id\""));
        let said = problems(&stage, &stage.definition(&source, target)).join("\n");
        assert!(said.contains("is the table of `source.related[0].table`: its rows would be deleted twice"), "{said}");
    }
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
        let other = crate::support::database::Database::connect(stage.database.url());
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
                assert!(!other.try_execute(refused), "{kind:?} {keys}: {refused}");
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
        let other = crate::support::database::Database::connect(stage.database.url());
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
                assert!(!other.try_execute(&change), "{kind:?}: {change}");
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
            let other = crate::support::database::Database::connect(stage.database.url());
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

/// What became of a batch on PostgreSQL that holds a conflict (9), beside which a row with an equal copy (12) begins to match once
/// so many statements are done and, if it is wanted, stops again after as many more.
fn beside_a_conflict(begins: usize, lasts: Option<usize>) -> (Stage, Outcome, bool) {
    let stage = Stage::new(Kind::Postgres);
    let mut definition = purged(&stage, 9, true);
    definition.target.after = After::Keep;
    stage.execute("UPDATE orders SET status = 'C' WHERE id = 12");
    stage.move_all(&definition, 100);
    // 12 is open again; of 9 somebody has changed the copy, and the others are to be copied anew.
    stage.execute(
        "UPDATE orders SET status = 'O' WHERE id = 12; UPDATE history SET document = 'mine' WHERE order_id = 9;
         DELETE FROM history WHERE order_id NOT IN (9, 12)",
    );
    definition.target.after = After::Delete;
    let (_slow, url) = crate::support::slow::Slow::before(stage.database.url(), std::time::Duration::from_millis(40));
    let options = milkrun::sql::ConnectOptions::from_url(&url).expect("a URL");
    let (outcome, began) = std::thread::scope(|scope| {
        let (runtime, definition, options) = (&stage.runtime, &definition, &options);
        let moving = scope.spawn(move || {
            runtime.block_on(async {
                let rows = milkrun::rows::Rows::open(definition, options, LIMIT).await.expect("rows");
                walk(&rows, 100, &effort()).await.expect("a walk")
            })
        });
        let (mut seen, mut last) = (0, String::new());
        let mut until = |statements: usize| {
            while seen < statements && !moving.is_finished() {
                let now = stage.rows(
                    "SELECT query_start::text FROM pg_stat_activity
                     WHERE datname = current_database() AND state = 'idle in transaction'",
                );
                let now = now.into_iter().flatten().flatten().next().unwrap_or_default();
                if now != last && !now.is_empty() {
                    (seen, last) = (seen + 1, now);
                }
            }
            seen >= statements
        };
        let began = until(begins);
        if began {
            stage.execute("UPDATE orders SET status = 'C' WHERE id = 12");
            if let Some(lasts) = lasts {
                until(begins + lasts);
                stage.execute("UPDATE orders SET status = 'O' WHERE id = 12");
            }
        }
        (moving.join().unwrap(), began)
    });
    (stage, outcome, began)
}

/// A row that begins to match, equal to a copy that is there, while a batch with a conflict is on its way: at whatever moment,
/// it leaves only if it was locked and is counted.
#[test]
fn what_begins_to_match_beside_a_conflict_leaves_only_if_it_is_counted() {
    let (mut moments, mut stayed) = (0, 0);
    loop {
        let (stage, outcome, began) = beside_a_conflict(moments + 1, None);
        let left = left(&stage)[0].split(' ').count() as u64;
        assert_eq!((outcome.moved + outcome.skipped, outcome.aside.len()), (9 - left, 1), "moment {moments}");
        stayed += u32::from(began && left == 4);
        if !began {
            break;
        }
        moments += 1;
    }
    assert!(moments > 5 && stayed > 1, "{moments} moments, at {stayed} it stayed");
}

/// The same where it stops matching soon after: what it was equal to is not counted for the row that is a conflict.
#[test]
fn what_matches_for_a_moment_beside_a_conflict_takes_it_nowhere() {
    for lasts in 1..=3 {
        let mut moments = 0;
        loop {
            let (stage, outcome, began) = beside_a_conflict(moments + 1, Some(lasts));
            assert_eq!(stage.one("SELECT COUNT(*) FROM orders WHERE id = 9"), "1", "{lasts} from {moments}");
            let left = left(&stage)[0].split(' ').count() as u64;
            assert_eq!((outcome.moved + outcome.skipped, outcome.aside.len()), (9 - left, 1), "{lasts} from {moments}");
            if !began {
                break;
            }
            moments += 1;
        }
        assert!(moments > 5, "{moments} moments");
    }
}

/// Until somebody waits for a lock here.
pub(super) fn until_one_waits(database: &crate::support::database::Database) {
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
