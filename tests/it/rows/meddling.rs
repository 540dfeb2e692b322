//! Targets that make something else of what is inserted: by triggers, by columns that count for themselves, by constraints that
//! replace. None of it may end as `complete`.

use super::moving::shop;
use super::stage::{Kind, LIMIT, Stage, effort, walk};
use milkrun::engine::migration::Migration;
use milkrun::fault::Class;
use milkrun::rows::RowsError;
use milkrun::spec::RowsDefinition;
use milkrun::sql::ConnectOptions;

const MAPPED: &str =
    "table = \"history\"\nkey = [\"id\"]\n[target.columns]\nid = \"id\"\nv = \"v\"\ndocument = \"$document\"";

fn source(stage: &Stage) -> String {
    stage.execute("CREATE TABLE orders (id BIGINT NOT NULL PRIMARY KEY, v INTEGER); INSERT INTO orders VALUES (-5, 1), (0, 2), (3, 3), (4, 0)");
    "table = \"orders\"\nkey = [\"id\"]".to_owned()
}

fn swallowed(stage: &Stage, definition: &RowsDefinition) {
    for size in [100, 1] {
        let rows = stage.open(definition);
        let fault = stage.run(walk(&rows, size, &effort())).expect_err("rows are gone");
        assert_eq!(fault.class, Class::Poison, "{:?}: {fault}", stage.kind);
        assert!(fault.to_string().contains("look at the target's triggers"), "{:?}: {fault}", stage.kind);
        stage.execute("DELETE FROM history");
    }
}

#[test]
fn a_key_of_zero_stays_zero_where_the_target_counts_for_itself() {
    let stage = Stage::new(Kind::MariaDb);
    let source = source(&stage);
    stage.execute("CREATE TABLE history (id BIGINT PRIMARY KEY AUTO_INCREMENT, v INT, document LONGTEXT)");
    let definition = stage.definition(&source, MAPPED);
    assert_eq!(stage.move_all(&definition, 100).moved, 4);
    let seen = stage.verify_all(&definition, 100);
    assert_eq!((seen.equal, seen.extra), (4, 0));
}

#[test]
fn a_column_that_makes_values_of_nulls_is_refused() {
    let stage = Stage::new(Kind::MariaDb);
    stage.execute(
        "CREATE TABLE orders (id BIGINT PRIMARY KEY, n INT, at TIMESTAMP NULL);
         CREATE TABLE history (id BIGINT PRIMARY KEY, n INT NOT NULL UNIQUE AUTO_INCREMENT,
             at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, document LONGTEXT)",
    );
    let definition = stage.definition(
        "table = \"orders\"\nkey = [\"id\"]",
        "table = \"history\"\nkey = [\"id\"]\n[target.columns]\nid = \"id\"\nn = \"n\"\nat = \"at\"\ndocument = \"$document\"",
    );
    let Err(RowsError::Problems(problems)) = stage.try_open(&definition) else { panic!("it was taken") };
    let said: Vec<_> = problems.iter().map(|problem| format!("{}: {}", problem.field, problem.message)).collect();
    assert_eq!(
        said,
        [
            "target.columns.n: `n` makes a value of its own of each NULL of the source's `n`",
            "target.columns.at: `at` makes a value of its own of each NULL of the source's `at`",
        ]
    );
}

#[test]
fn a_constraint_that_replaces_does_not() {
    let stage = Stage::new(Kind::Sqlite);
    let source = source(&stage);
    stage.execute("UPDATE orders SET v = 1 WHERE id > 0");
    stage.execute(
        "CREATE TABLE history (id INTEGER PRIMARY KEY ON CONFLICT REPLACE, v INT UNIQUE ON CONFLICT REPLACE, document TEXT)",
    );
    let definition = stage.definition(&source, MAPPED);
    let rows = stage.open(&definition);
    let fault = stage.run(walk(&rows, 1, &effort())).expect_err("a duplicate");
    assert_eq!(fault.class, Class::Poison, "{fault}");
    assert_eq!(stage.rows("SELECT id FROM history ORDER BY id").len(), 2);
}

/// Nobody else has written its key, so that trying again would not help.
#[test]
fn a_unique_constraint_that_waits_for_the_commit_refuses_for_good() {
    let stage = Stage::new(Kind::Postgres);
    stage.execute(
        "CREATE TABLE orders (id int PRIMARY KEY, c int NOT NULL); INSERT INTO orders VALUES (1, 1), (2, 2), (3, 3);
         CREATE TABLE history (id int PRIMARY KEY, c int CONSTRAINT once UNIQUE DEFERRABLE INITIALLY DEFERRED);
         INSERT INTO history VALUES (100, 2)",
    );
    for after in ["keep", "delete"] {
        let target = format!(
            "table = \"history\"\nkey = [\"id\"]\nafter = \"{after}\"\n[target.columns]\nid = \"id\"\nc = \"c\""
        );
        let rows = stage.open(&stage.definition("table = \"orders\"\nkey = [\"id\"]", &target));
        let fault = stage.run(walk(&rows, 10, &effort())).expect_err("a constraint");
        assert_eq!(fault.class, Class::Poison, "{fault}");
        assert!(fault.message.contains("a unique index `once` of the target refuses the row"), "{fault}");
    }
    assert_eq!(stage.rows("SELECT id FROM history").len(), 1);
}

#[test]
fn rows_that_a_trigger_takes_away_afterwards_are_an_error() {
    for (kind, trigger) in [
        (Kind::Sqlite, "CREATE TRIGGER away AFTER INSERT ON history BEGIN DELETE FROM history WHERE id = NEW.id; END"),
        (
            Kind::Postgres,
            "CREATE FUNCTION away() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN DELETE FROM history WHERE id = NEW.id; RETURN NULL; END $$;
             CREATE TRIGGER away AFTER INSERT ON history FOR EACH ROW EXECUTE FUNCTION away()",
        ),
        (
            Kind::Postgres,
            "CREATE FUNCTION away() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN DELETE FROM history WHERE id < 4; RETURN NULL; END $$;
             CREATE TRIGGER away AFTER INSERT ON history FOR EACH STATEMENT EXECUTE FUNCTION away()",
        ),
    ] {
        let stage = Stage::new(kind);
        let source = source(&stage);
        stage.execute("CREATE TABLE history (id BIGINT PRIMARY KEY, v INTEGER, document TEXT)");
        let definition = stage.definition(&source, MAPPED);
        stage.execute(trigger);
        swallowed(&stage, &definition);
    }
}

#[test]
fn rows_that_a_trigger_puts_under_another_key_are_an_error() {
    for (kind, trigger) in [
        (Kind::MariaDb, "CREATE TRIGGER elsewhere BEFORE INSERT ON history FOR EACH ROW SET NEW.id = NEW.id + 1000"),
        (
            Kind::Postgres,
            "CREATE FUNCTION elsewhere() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN NEW.id := NEW.id + 1000; RETURN NEW; END $$;
             CREATE TRIGGER elsewhere BEFORE INSERT ON history FOR EACH ROW EXECUTE FUNCTION elsewhere()",
        ),
    ] {
        let stage = Stage::new(kind);
        let source = source(&stage);
        stage.execute("CREATE TABLE history (id BIGINT PRIMARY KEY, v INTEGER, document {{TEXT||LONGTEXT||TEXT}})");
        let definition = stage.definition(&source, MAPPED);
        stage.execute(trigger);
        swallowed(&stage, &definition);
    }
}

/// Between the keys of others, where counting what lies in the stretch would not tell.
#[test]
fn a_row_that_a_trigger_puts_between_others_is_an_error_whether_or_not_the_trigger_can_be_seen() {
    let mut stage = Stage::new(Kind::MariaDb);
    let source = source(&stage);
    stage.execute(
        "CREATE TABLE history (id BIGINT PRIMARY KEY, v INTEGER, document LONGTEXT);
         CREATE TRIGGER aside BEFORE INSERT ON history FOR EACH ROW SET NEW.id = NEW.id + (NEW.id = 0)",
    );
    let definition = stage.definition(&source, MAPPED);
    swallowed(&stage, &definition);

    let name = stage.one("SELECT DATABASE()");
    stage.execute(&format!("CREATE USER w_{name}@'%'; GRANT SELECT, INSERT, UPDATE ON {name}.* TO w_{name}@'%'"));
    let url = stage.database.url().replace("root@", &format!("w_{name}@"));
    stage.options = ConnectOptions::from_url(&url).expect("a URL");
    swallowed(&stage, &definition);
}

#[test]
fn an_exclusion_constraint_refuses_a_row_for_good() {
    let stage = Stage::new(Kind::Postgres);
    let source = source(&stage);
    stage.execute("UPDATE orders SET v = 1 WHERE id > 0");
    stage.execute(
        "CREATE TABLE history (id BIGINT PRIMARY KEY, v INTEGER, document TEXT, EXCLUDE USING btree (v WITH =))",
    );
    let definition = stage.definition(&source, MAPPED);
    let rows = stage.open(&definition);
    let fault = stage.run(walk(&rows, 100, &effort())).expect_err("excluded");
    assert_eq!(fault.class, Class::Poison, "{fault}");
}

#[test]
fn collations_of_another_schema_are_named_with_it() {
    let stage = Stage::new(Kind::Postgres);
    stage.execute(
        "CREATE SCHEMA cc; CREATE COLLATION cc.\"C I\" (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
         CREATE TABLE orders (id TEXT COLLATE cc.\"C I\" PRIMARY KEY, v TEXT COLLATE cc.\"C I\");
         INSERT INTO orders VALUES ('a', 'x'), ('B', 'X');
         CREATE TABLE other (id TEXT PRIMARY KEY, v TEXT, document TEXT)",
    );
    for target in
        [MAPPED.replace("\n[target.columns]", "\ncreate = true\n[target.columns]"), MAPPED.replace("history", "other")]
    {
        let definition = stage.definition("table = \"orders\"\nkey = [\"id\"]", &target);
        assert_eq!(stage.move_all(&definition, 1).moved, 2, "{target}");
        let seen = stage.verify_all(&definition, 1);
        assert_eq!((seen.equal, seen.extra), (2, 0), "{target}");
    }
}

#[test]
fn related_tables_that_cannot_be_compared_are_a_problem() {
    let stage = Stage::new(Kind::Postgres);
    stage.execute(
        "CREATE TABLE orders (id BIGINT PRIMARY KEY, v TEXT);
         CREATE TABLE items (id BIGINT PRIMARY KEY, order_id TEXT); CREATE INDEX ON items (order_id)",
    );
    let definition = stage.definition(
        "table = \"orders\"\nkey = [\"id\"]\n[[source.related]]\nname = \"items\"\ntable = \"items\"\nkey = [\"id\"]\non = { order_id = \"id\" }",
        &MAPPED.replace("\n[target.columns]", "\ncreate = true\n[target.columns]"),
    );
    let Err(RowsError::Problems(problems)) = stage.try_open(&definition) else { panic!("it was taken") };
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(
        problems[0].message,
        "`order_id` is of the type text, `id` of bigint: the database does not compare the two"
    );
}

#[test]
fn an_untyped_key_of_every_kind_of_value_counts_each_once() {
    let stage = Stage::new(Kind::Sqlite);
    stage.execute("CREATE TABLE orders (id NOT NULL PRIMARY KEY, v INTEGER); INSERT INTO orders VALUES ('1', 1), ('', 1), (9.3e18, 1), (5, 1)");
    let definition = stage.definition(
        "table = \"orders\"\nkey = [\"id\"]",
        &MAPPED.replace("\n[target.columns]", "\ncreate = true\n[target.columns]"),
    );
    let outcome = stage.move_all(&definition, 1);
    assert_eq!((outcome.moved, outcome.skipped), (4, 0));
}

#[test]
fn a_whole_shop_with_a_harmless_trigger_moves() {
    let stage = Stage::new(Kind::Postgres);
    let definition = shop(&stage, 30);
    let rows = stage.open(&definition);
    stage.run(rows.prepare(LIMIT)).expect("the target");
    stage.execute(
        "CREATE TABLE log (n BIGINT);
         CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO log VALUES (1); RETURN NEW; END $$;
         CREATE TRIGGER note BEFORE INSERT ON history FOR EACH ROW EXECUTE FUNCTION note()",
    );
    assert_eq!(stage.move_all(&definition, 7).moved, 20);
    let rows = stage.open(&definition);
    let bound = stage.run(rows.bound(None, LIMIT)).expect("a bound");
    assert!(bound.is_some());
}
