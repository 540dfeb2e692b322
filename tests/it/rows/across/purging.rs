//! Archive and purge into another database: what arrived there equal leaves the source, and nothing else does.

use super::pair::{Pair, pairs};
use crate::rows::purging::until_one_waits;
use crate::rows::stage::{Kind, LIMIT, compare, effort, range, walk};
use crate::support::database::Database;
use crate::support::history;
use crate::support::shop::{self, Size};
use milkrun::cursor::{Cursor, KeyPart};
use milkrun::engine::migration::{Effort, Migration};
use milkrun::fault::Class;
use milkrun::rows::RowsError;
use milkrun::spec::{After, RowsDefinition};
use milkrun::sql::ConnectOptions;

const SHOP: Size = Size { orders: 120, closed: 60, items: 3, discounts: 1 };
const CLOSED: &str = "status IN ('uncollected', 'cancelled', 'dispensed')";

#[test]
fn closed_orders_leave_once_they_have_arrived() {
    let text = shop::migration("").replace("database = \"$SHOP_DATABASE_URL\"\n", "");
    let sections = text.split_once("[source]\n").expect("a source").1;
    let (source, rest) = sections.split_once("[target]\n").expect("a target");
    let mut definition = Pair::definition(source, rest.split_once("[limits]").expect("limits").0, "");
    for kinds in pairs() {
        let pair = Pair::new(kinds);
        let from = &pair.source.database;
        shop::load(from, SHOP);
        if kinds.0 != Kind::Sqlite {
            from.execute(
                "ALTER TABLE order_items ADD FOREIGN KEY (order_id) REFERENCES orders (id);
                 ALTER TABLE item_discounts ADD FOREIGN KEY (item_id) REFERENCES order_items (id)",
            );
        }
        let expected = history::expected(from, &shop::closed(from));
        let rows = from.rows(&format!("SELECT id FROM orders WHERE {CLOSED} ORDER BY id"));
        let ids: Vec<String> = rows.into_iter().filter_map(|mut row| row.remove(0)).collect();
        // One was copied before, and of one the copy was changed, so that nothing vouches for it.
        definition.target.after = After::Keep;
        let keep = pair.open(&definition);
        let key = |id: &str| Cursor(vec![KeyPart::Int(id.to_owned())]);
        pair.source.run(async {
            keep.prepare(LIMIT).await.expect("the target");
            let range = range(&keep).await.expect("rows");
            keep.write(&keep.fetch(&range, &[key(&ids[3]), key(&ids[40])]), &effort()).await.expect("two");
        });
        let change = format!("status = 'mine', digest = '{}'", "0".repeat(64));
        pair.target.database.execute(&format!("UPDATE order_history SET {change} WHERE order_id = {}", ids[40]));
        definition.target.after = After::Delete;
        let moved = pair.move_all(&definition, 25);
        assert_eq!((moved.moved, moved.skipped, moved.aside.len()), (58, 1, 1), "{kinds:?}");
        history::assert_equal(&expected, history::actual(&pair.target.database, "order_history", "order_id"));
        let left = from.rows(&format!("SELECT id FROM orders WHERE {CLOSED}"));
        assert_eq!(left, [[Some(ids[40].clone())]], "{kinds:?}");
        assert_eq!(from.number("SELECT COUNT(*) FROM orders"), 61, "{kinds:?}");
        for query in [
            "SELECT COUNT(*) FROM order_items i WHERE NOT EXISTS (SELECT 1 FROM orders o WHERE o.id = i.order_id)",
            "SELECT COUNT(*) FROM item_discounts d WHERE NOT EXISTS (SELECT 1 FROM order_items i WHERE i.id = d.item_id)",
        ] {
            assert_eq!(from.number(query), 0, "{kinds:?}: {query}");
        }
        let seen = pair.verify_all(&definition, 20, None);
        assert_eq!((seen.checked, seen.different, seen.missing, seen.extra), (1, 1, 0, 0), "{kinds:?}: {seen:?}");
        // A run that was killed had named two of them, and one that never was.
        let rows = pair.open(&definition);
        pair.source.run(async {
            let range = range(&rows).await.expect("rows");
            let batch = rows.fetch(&range, &[key(&ids[3]), key(&ids[5]), key("1000000")]);
            let recovered = Effort { recovered: true, ..effort() };
            for (effort, moved) in [(effort(), 0), (recovered, 2)] {
                let outcome = rows.write(&batch, &effort).await.expect("a batch");
                assert_eq!((outcome.moved, outcome.skipped), (moved, 0), "{kinds:?}");
            }
        });
    }
}

/// By another name the target may be the source itself, where every row would be its own copy.
#[test]
fn rows_are_not_taken_for_their_own_copies() {
    for kind in [Kind::MariaDb, Kind::Postgres] {
        let mut pair = Pair::new((kind, kind));
        pair.source.execute("CREATE TABLE orders (id INTEGER NOT NULL PRIMARY KEY, note VARCHAR(10))");
        let target = "table = \"orders\"\nkey = [\"id\"]\ncreate = true\nafter = \"delete\"\n[target.columns]\nid = \"id\"\nnote = \"note\"";
        let definition = Pair::definition("table = \"orders\"\nkey = [\"id\"]", target, "");
        // Another database may have a table of the same name.
        for id in [1, 2] {
            pair.source.execute(&format!("INSERT INTO orders VALUES ({id}, 'a')"));
            assert_eq!(pair.move_all(&definition, 10).moved, 1, "{kind:?}");
        }
        pair.source.execute("INSERT INTO orders VALUES (3, 'a')");
        pair.target.options = ConnectOptions { host: "localhost".to_owned(), ..pair.source.options.clone() };
        match pair.try_open(&definition) {
            Err(RowsError::Problems(problems)) => {
                assert_eq!(
                    (problems[0].field.as_str(), problems[0].message.as_str()),
                    ("target.table", "is the source itself")
                );
            }
            Err(error) => panic!("{kind:?}: {error}"),
            Ok(_) => panic!("{kind:?}: nothing was refused"),
        }
    }
}

/// A server that forbids the locks by which it would be known again has not said that it is another one.
#[test]
fn nothing_is_deleted_where_the_servers_do_not_say_whether_they_are_one() {
    let mut pair = Pair::new((Kind::Postgres, Kind::Postgres));
    let user = format!("asks_{}_{}", pair.source.one("SELECT current_database()"), std::process::id());
    let call = "FUNCTION pg_catalog.pg_try_advisory_xact_lock(bigint)";
    pair.source.execute(&format!(
        "CREATE TABLE orders (id INTEGER NOT NULL PRIMARY KEY, note VARCHAR(10));
         CREATE ROLE {user} LOGIN; GRANT ALL ON orders TO {user}; REVOKE EXECUTE ON {call} FROM PUBLIC"
    ));
    pair.source.options.user.clone_from(&user);
    pair.target.options = ConnectOptions { host: "localhost".to_owned(), ..pair.source.options.clone() };
    let target = "table = \"orders\"\nkey = [\"id\"]\n[target.columns]\nid = \"id\"\nnote = \"note\"";
    let mut definition = Pair::definition("table = \"orders\"\nkey = [\"id\"]", target, "");
    // Where rows stay it is said, and nothing more; the sessions serve on.
    let kept = pair.open(&definition);
    let warned = kept.warnings().iter().any(|text| text.contains("give no answer to `pg_try_advisory_xact_lock`"));
    assert!(warned, "{:?}", kept.warnings());
    assert!(pair.source.run(kept.bound(None, LIMIT)).expect("an answer").is_none());
    definition.target.after = After::Delete;
    let refusal = |pair: &Pair| match pair.try_open(&definition) {
        Err(RowsError::Problems(problems)) => problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("nothing was refused"),
    };
    let refused = refusal(&pair);
    for part in ["target.table: may be the source", "`pg_try_advisory_xact_lock`", "error 42501", "by one URL"] {
        assert!(refused.contains(part), "{part}: {refused}");
    }
    pair.source.execute(&format!("GRANT EXECUTE ON {call} TO {user}"));
    assert!(refusal(&pair).starts_with("target.table: is the source itself"), "{}", refusal(&pair));
}

/// More than is held at once: what is read is cut again and again, and every row is compared all the same.
#[test]
fn what_is_compared_page_by_page_is_compared_whole() {
    for kinds in pairs() {
        let pair = Pair::new(kinds);
        let table = "CREATE TABLE papers (id INTEGER NOT NULL PRIMARY KEY, body TEXT NOT NULL)";
        let rows: Vec<String> = (1..=40).map(|id| format!("({id}, '{}')", "x".repeat(400 + id))).collect();
        pair.source.database.execute(&format!("{table}; INSERT INTO papers VALUES {}", rows.join(", ")));
        pair.target.database.execute(&format!("{table}; INSERT INTO papers VALUES (20, 'mine')"));
        let mut definition = Pair::definition(
            "table = \"papers\"\nkey = [\"id\"]",
            "table = \"papers\"\nkey = [\"id\"]\n[target.columns]\nid = \"id\"\nbody = \"body\"",
            "",
        );
        let open = |definition: &RowsDefinition| {
            let mut rows = pair.open(definition);
            rows.hold_at_most(3000);
            rows
        };
        let rows = open(&definition);
        let moved = pair.source.run(walk(&rows, 25, &effort())).expect("a walk");
        assert_eq!((moved.moved, moved.aside.len()), (39, 1), "{kinds:?}");
        let seen = pair.source.run(compare(&rows, 25, None));
        assert_eq!((seen.checked, seen.equal, seen.different), (40, 39, 1), "{kinds:?}: {seen:?}");
        definition.target.after = After::Delete;
        let rows = open(&definition);
        let purged = pair.source.run(walk(&rows, 25, &effort())).expect("a walk");
        assert_eq!((purged.moved, purged.skipped, purged.aside.len()), (0, 39, 1), "{kinds:?}");
        assert_eq!(pair.source.database.rows("SELECT id FROM papers").concat(), [Some("20".to_owned())], "{kinds:?}");
    }
}

/// A transaction that has added a child to an item, and not committed yet: it is waited for, and the child is in the copy before
/// it is deleted. Without a foreign key MariaDB holds such children by the gaps that they would be in.
#[test]
fn a_child_that_is_just_being_added_arrives_before_it_leaves() {
    let text = shop::migration("").replace("database = \"$SHOP_DATABASE_URL\"\n", "");
    let sections = text.split_once("[source]\n").expect("a source").1;
    let (source, rest) = sections.split_once("[target]\n").expect("a target");
    let mut definition = Pair::definition(source, rest.split_once("[limits]").expect("limits").0, "");
    definition.target.after = After::Delete;
    for (kinds, recovered) in [
        ((Kind::MariaDb, Kind::Postgres), false),
        ((Kind::MariaDb, Kind::Postgres), true),
        ((Kind::MariaDb, Kind::Sqlite), true),
    ] {
        let pair = Pair::new(kinds);
        let from = &pair.source.database;
        shop::load(from, SHOP);
        let id = from.number(&format!("SELECT MIN(id) FROM orders WHERE {CLOSED}"));
        let rows = pair.open(&definition);
        pair.source.run(rows.prepare(LIMIT)).expect("the target");
        let range = pair.source.run(range(&rows)).expect("rows");
        let batch = rows.fetch(&range, &[Cursor(vec![KeyPart::Int(id.to_string())])]);
        let other = Database::connect(from.url());
        other.execute(&format!("BEGIN; INSERT INTO order_items VALUES (900000, {id}, 'SKU-LATE', 1, 0.5)"));
        let outcome = std::thread::scope(|scope| {
            let effort = Effort { recovered, ..effort() };
            let (pair, rows, batch) = (&pair, &rows, &batch);
            let moving = scope.spawn(move || pair.source.run(rows.write(batch, &effort)));
            until_one_waits(from);
            other.execute("COMMIT");
            moving.join().unwrap().expect("a batch")
        });
        assert_eq!((outcome.moved, outcome.aside.len()), (1, 0), "{kinds:?} {recovered}");
        assert_eq!(from.number(&format!("SELECT COUNT(*) FROM order_items WHERE order_id = {id}")), 0, "{kinds:?}");
        let document = pair.target.one(&format!("SELECT document FROM order_history WHERE order_id = {id}"));
        assert!(document.contains("SKU-LATE"), "{kinds:?} {recovered}: {document}");
    }
}

/// What keeps a row only at the source's commit is asked before the target's: no copy of a row that stays is left behind.
#[test]
fn a_row_that_a_deferred_key_refers_to_leaves_no_copy() {
    let pair = Pair::new((Kind::Postgres, Kind::Sqlite));
    pair.source.execute(
        "CREATE TABLE orders (id INTEGER NOT NULL PRIMARY KEY, note VARCHAR(10));
         CREATE TABLE invoices (id INTEGER NOT NULL PRIMARY KEY,
             order_id INTEGER NOT NULL CONSTRAINT billed REFERENCES orders (id) DEFERRABLE INITIALLY DEFERRED);
         INSERT INTO orders VALUES (1, 'a'), (2, 'b'); INSERT INTO invoices VALUES (1, 2)",
    );
    let target = "table = \"archive\"\nkey = [\"id\"]\ncreate = true\nafter = \"delete\"\n[target.columns]\nid = \"id\"\nnote = \"note\"";
    let rows = pair.open(&Pair::definition("table = \"orders\"\nkey = [\"id\"]", target, ""));
    pair.source.run(rows.prepare(LIMIT)).expect("the target");
    let fault = pair.source.run(walk(&rows, 10, &effort())).expect_err("an invoice refers to one");
    assert_eq!(fault.class, Class::Poison, "{fault}");
    assert!(fault.message.contains("(foreign key `billed`) still refers to it"), "{fault}");
    assert_eq!(pair.target.rows("SELECT id FROM archive").len(), 0);
    assert_eq!(pair.source.rows("SELECT id FROM orders").len(), 2);
    pair.source.execute("DELETE FROM invoices");
    let outcome = pair.source.run(walk(&rows, 10, &effort())).expect("a walk");
    assert_eq!((outcome.moved, outcome.skipped), (2, 0));
    assert_eq!(pair.source.rows("SELECT id FROM orders").len(), 0);
}

/// The same of SQLite, which says it at its commit alone: of the row itself, and of one that leaves with it.
#[test]
fn a_row_that_a_deferred_key_of_sqlite_refers_to_leaves_no_copy() {
    let pair = Pair::new((Kind::Sqlite, Kind::Postgres));
    pair.source.execute(
        "CREATE TABLE orders (id INTEGER NOT NULL PRIMARY KEY, note VARCHAR(10));
         CREATE TABLE order_items (id INTEGER NOT NULL PRIMARY KEY, order_id INTEGER NOT NULL REFERENCES orders (id));
         CREATE INDEX order_items_order ON order_items (order_id);
         CREATE TABLE invoices (id INTEGER NOT NULL PRIMARY KEY,
             order_id INTEGER NOT NULL REFERENCES orders DEFERRABLE INITIALLY DEFERRED);
         CREATE TABLE receipts (id INTEGER NOT NULL PRIMARY KEY,
             item_id INTEGER NOT NULL REFERENCES order_items (id) DEFERRABLE INITIALLY DEFERRED);
         INSERT INTO orders VALUES (1, 'a'), (2, 'b'); INSERT INTO order_items VALUES (10, 1), (20, 2)",
    );
    let source = "table = \"orders\"\nkey = [\"id\"]\n[[source.related]]\nname = \"items\"\ntable = \"order_items\"\n\
                  key = [\"id\"]\non = { order_id = \"id\" }";
    let target = "table = \"archive\"\nkey = [\"id\"]\ncreate = true\nafter = \"delete\"\n[target.columns]\nid = \"id\"\n\
                  document = \"$document\"";
    let rows = pair.open(&Pair::definition(source, target, ""));
    pair.source.run(rows.prepare(LIMIT)).expect("the target");
    for (refers, no_more) in [
        ("INSERT INTO invoices VALUES (1, 2)", "DELETE FROM invoices"),
        ("INSERT INTO receipts VALUES (1, 10)", "DELETE FROM receipts"),
    ] {
        pair.source.execute(refers);
        let fault = pair.source.run(walk(&rows, 10, &effort())).expect_err("something refers to one");
        assert_eq!(fault.class, Class::Poison, "{refers}: {fault}");
        assert!(fault.message.contains("still refers to it"), "{refers}: {fault}");
        assert_eq!(pair.target.rows("SELECT id FROM archive").len(), 0, "{refers}");
        assert_eq!(pair.source.rows("SELECT id FROM orders").len(), 2, "{refers}");
        pair.source.execute(no_more);
    }
    let outcome = pair.source.run(walk(&rows, 10, &effort())).expect("a walk");
    assert_eq!((outcome.moved, outcome.skipped), (2, 0));
    assert_eq!(pair.source.rows("SELECT id FROM orders").len(), 0);
}

/// Somebody makes `column` of a stale copy another one, and has not committed by the time that the copy is found to be stale: what rewrites
/// it sees that, and its row stays.
fn a_stale_copy_is_changed(columns: &str, column: &str) -> Vec<Pair> {
    let target =
        format!("table = \"archive\"\nkey = [\"id\"]\ncreate = true\n[target.columns]\nid = \"id\"\n{columns}");
    let mut definition = Pair::definition("table = \"orders\"\nkey = [\"id\"]", &target, "");
    let overtaken = |kinds| {
        let pair = Pair::new(kinds);
        pair.source.execute(
            "CREATE TABLE orders (id INTEGER NOT NULL PRIMARY KEY, note VARCHAR(10)); INSERT INTO orders VALUES (1, 'a'), (2, 'b')",
        );
        definition.target.after = After::Keep;
        assert_eq!(pair.move_all(&definition, 10).moved, 2, "{kinds:?}");
        pair.source.execute("UPDATE orders SET note = 'later'");
        definition.target.after = After::Delete;
        let rows = pair.open(&definition);
        let other = Database::connect(pair.target.database.url());
        other.execute(&format!("BEGIN; UPDATE archive SET {column} = 'mine' WHERE id = 1"));
        let outcome = std::thread::scope(|scope| {
            let (pair, rows) = (&pair, &rows);
            let moving = scope.spawn(move || pair.source.run(walk(rows, 10, &effort())));
            until_one_waits(&pair.target.database);
            other.execute("COMMIT");
            moving.join().unwrap().expect("a walk")
        });
        let aside: Vec<_> = outcome.aside.iter().map(|aside| (aside.key.json(), aside.class)).collect();
        assert_eq!((outcome.moved, outcome.skipped), (1, 0), "{kinds:?}: {outcome:?}");
        assert_eq!(aside, [(r#"["1"]"#.to_owned(), "conflict")], "{kinds:?}");
        assert_eq!(pair.source.rows("SELECT id FROM orders"), [[Some("1".to_owned())]], "{kinds:?}");
        assert_eq!(pair.target.one(&format!("SELECT TRIM({column}) FROM archive WHERE id = 1")), "mine", "{kinds:?}");
        pair
    };
    [(Kind::Sqlite, Kind::MariaDb), (Kind::Sqlite, Kind::Postgres)].map(overtaken).into()
}

#[test]
fn a_stale_copy_that_somebody_changes_meanwhile_is_a_conflict() {
    for pair in a_stale_copy_is_changed("document = \"$document\"\ndigest = \"$digest\"", "document") {
        assert!(pair.target.one("SELECT document FROM archive WHERE id = 2").contains("later"));
    }
}

/// The same where no document is kept, so that the digest that was read is all there is to ask for again.
#[test]
fn a_stale_digest_that_somebody_changes_meanwhile_is_a_conflict() {
    a_stale_copy_is_changed("digest = \"$digest\"", "digest");
}

/// A target that takes two keys for one holds one of them: the other one's row is a conflict, and stays.
#[test]
fn of_two_keys_that_the_target_takes_for_one_only_that_which_arrived_leaves() {
    for from in [Kind::Postgres, Kind::Sqlite] {
        let pair = Pair::new((from, Kind::MariaDb));
        pair.source.execute(
            "CREATE TABLE sites (name VARCHAR(20) NOT NULL PRIMARY KEY);
             INSERT INTO sites VALUES ('google'), ('Google'), ('other')",
        );
        pair.target.execute("CREATE TABLE archive (name VARCHAR(20) COLLATE utf8mb4_general_ci NOT NULL PRIMARY KEY)");
        let definition = Pair::definition(
            "table = \"sites\"\nkey = [\"name\"]",
            "table = \"archive\"\nkey = [\"name\"]\nafter = \"delete\"\n[target.columns]\nname = \"name\"",
            "",
        );
        let moved = pair.move_all(&definition, 1);
        let aside: Vec<_> = moved.aside.iter().map(|aside| aside.class).collect();
        assert_eq!((moved.moved, moved.skipped, aside), (2, 0, vec!["conflict"]), "{from:?}: {moved:?}");
        let left = pair.source.one("SELECT name FROM sites");
        assert_eq!(left.to_lowercase(), "google", "{from:?}");
        let arrived = pair.target.rows("SELECT name FROM archive ORDER BY name").concat();
        assert!(arrived.len() == 2 && !arrived.contains(&Some(left)), "{from:?}: {arrived:?}");
    }
}
