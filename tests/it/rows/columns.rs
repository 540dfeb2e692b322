//! Rows copied column by column: every type is kept, and what differs in the least is a conflict.

use super::cases::{self, Case, column};
use super::stage::{KINDS, Kind, LIMIT, Stage, effort, walk};
use milkrun::engine::migration::Effort;
use milkrun::fault::Class;
use std::fmt::Write as _;

/// A row's value as text that shows every difference of it.
fn exact(kind: Kind, name: &str) -> String {
    match kind {
        Kind::MariaDb => format!("HEX(CAST({name} AS BINARY))"),
        Kind::Postgres => format!("{name}::text"),
        Kind::Sqlite => format!("typeof({name}) || quote({name})"),
    }
}

/// What the catalog says of the columns of a table, less what computes or counts them.
fn described(stage: &Stage, table: &str) -> Vec<Vec<Option<String>>> {
    stage.rows(&match stage.kind {
        Kind::MariaDb => format!(
            "SELECT c.column_name, c.column_type, c.character_set_name, c.collation_name, c.is_nullable, COUNT(k.check_clause) \
             FROM information_schema.columns c LEFT JOIN information_schema.check_constraints k ON \
             k.constraint_schema = c.table_schema AND k.table_name = c.table_name AND k.constraint_name = c.column_name \
             WHERE c.table_schema = DATABASE() AND c.table_name = '{table}' GROUP BY 1, 2, 3, 4, 5, c.ordinal_position ORDER BY c.ordinal_position"
        )
        .replace("COUNT(k.check_clause)", "CAST(COUNT(k.check_clause) AS CHAR)"),
        Kind::Postgres => format!(
            "SELECT attname::text, format_type(atttypid, atttypmod), attcollation::text, attnotnull::text \
             FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attnum > 0 ORDER BY attnum"
        ),
        Kind::Sqlite => format!("SELECT name, type, \"notnull\" FROM pragma_table_info('{table}') WHERE name <> 'id'"),
    })
}

/// One table with a column for each case, copied whole into one that is created.
fn check(stage: &Stage, cases: &[Case]) {
    let id = if stage.kind == Kind::Sqlite { "INTEGER PRIMARY KEY" } else { "BIGINT PRIMARY KEY" };
    for nullable in [true, false] {
        let name = if nullable { "orders" } else { "strict" };
        let null = match (nullable, stage.kind) {
            (false, _) => " NOT NULL",
            (true, Kind::MariaDb) => " NULL",
            (true, _) => "",
        };
        let columns: Vec<String> =
            cases.iter().enumerate().map(|(at, (kind, ..))| format!("c{at} {}", column(kind, null))).collect();
        stage.database.execute(&format!("CREATE TABLE {name} (id {id}, {})", columns.join(", ")));
        let values: Vec<&str> = cases.iter().map(|(_, value, _)| *value).collect();
        stage.database.execute(&format!("INSERT INTO {name} VALUES (1, {})", values.join(", ")));
        if nullable {
            stage.database.execute(&format!("INSERT INTO {name} (id) VALUES (2)"));
        }
        let mut target =
            format!("table = \"{name}_archive\"\nkey = [\"id\"]\ncreate = true\n[target.columns]\nid = \"id\"\n");
        for at in 0..cases.len() {
            writeln!(target, "c{at} = \"c{at}\"").unwrap();
        }
        let definition = stage.definition(&format!("table = \"{name}\"\nkey = [\"id\"]"), &target);
        let outcome = stage.move_all(&definition, 100);
        let rows = if nullable { 2 } else { 1 };
        assert_eq!(outcome.moved, rows, "{:?}", outcome.aside);
        assert!(outcome.bytes > 0);
        let again = stage.move_all(&definition, 100);
        assert_eq!((again.skipped, again.bytes), (rows, 0), "{:?}", again.aside);
        let seen = stage.verify_all(&definition, 100);
        assert_eq!((seen.checked, seen.equal, seen.extra), (rows, rows, 0));

        assert_eq!(described(stage, name), described(stage, &format!("{name}_archive")), "{:?}", stage.kind);
        for (at, (kind, value, _)) in cases.iter().enumerate() {
            let x = exact(stage.kind, &format!("c{at}"));
            let of = |table: &str| stage.database.rows(&format!("SELECT {x} FROM {table} ORDER BY id"));
            assert_eq!(of(name), of(&format!("{name}_archive")), "{:?} {kind}{null}: {value}", stage.kind);
        }
    }
}

#[test]
fn every_type_of_mariadb_is_kept() {
    let stage = Stage::new(Kind::MariaDb);
    check(&stage, &cases::mariadb());
}

#[test]
fn every_type_of_postgres_is_kept() {
    let stage = Stage::new(Kind::Postgres);
    stage.execute(cases::POSTGRES_TYPES);
    check(&stage, &cases::postgres());
}

#[test]
fn every_value_of_sqlite_is_kept() {
    let stage = Stage::new(Kind::Sqlite);
    check(&stage, &cases::sqlite());
}

const SOURCE: &str = "table = \"orders\"\nkey = [\"shop\", \"id\"]\nwhere = \"open = 0\"";
const TARGET: &str = r#"
table = "archive"
key = ["no", "shop"]
create = true
[target.columns]
no = "id"
shop = "shop"
note = "note"
moved_at = "$now"
run = "$run"
definition = "$definition"
"#;

fn shop(stage: &Stage) {
    stage.execute(
        "CREATE TABLE orders (shop VARCHAR(20) NOT NULL, id BIGINT NOT NULL, note VARCHAR(200), open INTEGER NOT NULL, PRIMARY KEY (shop, id));
         INSERT INTO orders VALUES ('a', 1, 'x', 0), ('a', 2, NULL, 0), ('b', 1, '', 0), ('b', 2, 'open', 1), ('c', -5, 'z', 0)",
    );
}

#[test]
fn composite_keys_are_mapped_and_words_are_written() {
    for kind in KINDS {
        let stage = Stage::new(kind);
        shop(&stage);
        let definition = stage.definition(SOURCE, TARGET);
        assert_eq!(stage.move_all(&definition, 2).moved, 4, "{kind:?}");
        let rows = stage.rows(
            "SELECT shop, CAST(no AS {{TEXT||CHAR||TEXT}}), note, run, definition FROM archive ORDER BY shop, no",
        );
        let row = |shop: &str, no: &str, note: Option<&str>| {
            let mut row: Vec<_> = [shop, no].map(|text| Some(text.to_owned())).to_vec();
            row.extend([note.map(str::to_owned), Some("run-1".to_owned()), Some(definition.digest.clone())]);
            row
        };
        let expected =
            [row("a", "1", Some("x")), row("a", "2", None), row("b", "1", Some("")), row("c", "-5", Some("z"))];
        assert_eq!(rows, expected, "{kind:?}");
        let none = stage.one("SELECT CAST(COUNT(*) AS {{TEXT||CHAR||TEXT}}) FROM archive WHERE moved_at IS NULL");
        assert_eq!(none, "0");
        let rows = stage.open(&definition);
        let recovered = stage.run(walk(&rows, 3, &Effort { recovered: true, ..effort() })).expect("a walk");
        assert_eq!((recovered.moved, recovered.skipped), (4, 0), "{kind:?}");
        stage.execute("UPDATE orders SET open = 0");
        assert_eq!(stage.move_all(&definition, 100).moved, 1, "{kind:?}");
    }
}

#[test]
fn the_least_difference_is_a_conflict() {
    // Column type, the source's value, the target's.
    let texts = [("VARCHAR(20)", "NULL", "''"), ("VARCHAR(20)", "'a'", "'A'"), ("VARCHAR(20)", "'a'", "'a '")];
    let sqlite = [("", "1", "1.0"), ("", "'1'", "1"), ("BLOB", "x'61'", "'a'"), ("TEXT COLLATE NOCASE", "'a'", "'A'")];
    let mariadb = [
        ("VARCHAR(20) COLLATE utf8mb4_general_ci", "'a'", "'á'"),
        // MariaDB itself makes zero of a zero below zero.
        ("DOUBLE", "-1e-300", "0"),
        ("FLOAT", "0.1", "0.1000001"),
        ("FLOAT", "16777216", "16777217.5"),
        ("DECIMAL(10,2)", "1.00", "1.01"),
        ("DATETIME(6)", "'2020-01-01 00:00:00.000001'", "'2020-01-01 00:00:00'"),
        ("VARBINARY(4)", "x'61'", "x'6100'"),
        ("JSON", "'{\"a\":1}'", "'{\"a\": 1}'"),
    ];
    let postgres = [
        ("numeric", "1.0", "1.00"),
        ("numeric", "'NaN'", "0"),
        ("float8", "'-0'", "0"),
        ("float8", "'NaN'", "'Infinity'"),
        ("json", "'{\"a\":1}'", "'{\"a\": 1}'"),
        ("jsonb", "'{\"a\":1}'", "'{\"a\": 2}'"),
        ("text[]", "'{a,NULL}'", "'{a,\"NULL\"}'"),
        ("varchar(3)[]", "'{abc}'", "'{ab}'"),
        ("bit(4)", "B'0101'", "B'0100'"),
        ("interval", "'1 mon'", "'30 days'"),
        ("bytea", "'\\x61'", "'\\x6100'"),
    ];
    for kind in KINDS {
        let stage = Stage::new(kind);
        let more: &[(&str, &str, &str)] = match kind {
            Kind::Sqlite => &sqlite,
            Kind::MariaDb => &mariadb,
            Kind::Postgres => &postgres,
        };
        for (place, (column, ours, theirs)) in texts.iter().chain(more).enumerate() {
            let (source, target) = (format!("s{place}"), format!("t{place}"));
            stage.execute(&format!(
                "CREATE TABLE {source} (id INTEGER NOT NULL PRIMARY KEY, x {column});
                 INSERT INTO {source} VALUES (1, {ours}), (2, {theirs});
                 CREATE TABLE {target} (id INTEGER NOT NULL PRIMARY KEY, x {column});
                 INSERT INTO {target} VALUES (1, {theirs}), (2, {theirs})"
            ));
            let definition = stage.definition(
                &format!("table = \"{source}\"\nkey = [\"id\"]"),
                &format!("table = \"{target}\"\nkey = [\"id\"]\n[target.columns]\nid = \"id\"\nx = \"x\""),
            );
            let outcome = stage.move_all(&definition, 10);
            let told: Vec<_> = outcome.aside.iter().map(|aside| (aside.key.json(), aside.message.as_str())).collect();
            let expected = [(r#"["1"]"#.to_owned(), "the target exists and differs in `x`")];
            assert_eq!(
                (told.as_slice(), outcome.skipped),
                (expected.as_slice(), 1),
                "{kind:?} {column} {ours} {theirs}"
            );
            let seen = stage.verify_all(&definition, 10);
            assert_eq!((seen.equal, seen.different), (1, 1), "{kind:?} {column} {ours} {theirs}");
        }
    }
}

#[test]
fn computed_and_counted_columns_arrive_as_plain_ones() {
    for kind in KINDS {
        let stage = Stage::new(kind);
        stage.execute(
            "CREATE TABLE orders (
                id {{INTEGER PRIMARY KEY AUTOINCREMENT||BIGINT AUTO_INCREMENT PRIMARY KEY||bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY}},
                a INTEGER NOT NULL DEFAULT 7, b INTEGER GENERATED ALWAYS AS (a * 2) {{STORED||STORED||STORED}}
                {{, c INTEGER AS (a * 3) VIRTUAL||, c INTEGER AS (a * 3) VIRTUAL||, c serial}});
             INSERT INTO orders (a) VALUES (1), (2)",
        );
        let definition = stage.definition(
            "table = \"orders\"\nkey = [\"id\"]",
            "table = \"archive\"\nkey = [\"id\"]\ncreate = true\n[target.columns]\nid = \"id\"\na = \"a\"\nb = \"b\"\nc = \"c\"",
        );
        assert_eq!(stage.move_all(&definition, 10).moved, 2, "{kind:?}");
        let of = |table: &str| {
            stage.rows(&format!(
                "SELECT CAST(a + 10 * b + 1000 * c AS {{{{TEXT||CHAR||TEXT}}}}) FROM {table} ORDER BY id"
            ))
        };
        assert_eq!(of("orders"), of("archive"), "{kind:?}");
        stage.execute("INSERT INTO archive (id, a, b, c) VALUES (9, 1, 1, 1)");
        assert_eq!(stage.verify_all(&definition, 10).extra, 1, "{kind:?}");
    }
}

#[test]
fn a_row_above_max_item_is_named_and_nothing_stays() {
    for kind in KINDS {
        let stage = Stage::new(kind);
        stage.execute(
            "CREATE TABLE orders (id INTEGER NOT NULL PRIMARY KEY, a TEXT, b TEXT, c TEXT);
             INSERT INTO orders VALUES (1, 'x', NULL, NULL), (2, 'y', NULL, NULL), (3, 'z', NULL, NULL)",
        );
        // Together they are too much, and what is not copied does not count.
        stage.execute(&format!(
            "UPDATE orders SET a = '{}', b = '{}' WHERE id = 2; UPDATE orders SET c = '{}' WHERE id = 3",
            "x".repeat(600),
            "y".repeat(600),
            "z".repeat(2000)
        ));
        let definition = stage.limited(
            "table = \"orders\"\nkey = [\"id\"]",
            "table = \"archive\"\nkey = [\"id\"]\ncreate = true\n[target.columns]\nid = \"id\"\na = \"a\"\nb = \"b\"",
            "max_item = \"1 KB\"",
        );
        let rows = stage.open(&definition);
        stage.run(rows.prepare(LIMIT)).expect("the target");
        let fault = stage.run(walk(&rows, 100, &effort())).expect_err("too large");
        assert_eq!((fault.class, fault.key.map(|key| key.json())), (Class::TooLarge, Some(r#"["2"]"#.to_owned())));
        assert_eq!(stage.one("SELECT CAST(COUNT(*) AS {{TEXT||CHAR||TEXT}}) FROM archive"), "0", "{kind:?}");
        stage.execute("UPDATE orders SET b = NULL WHERE id = 2");
        assert_eq!(stage.run(walk(&rows, 100, &effort())).expect("a walk").moved, 3, "{kind:?}");
    }
}

/// The digest is that of the document, whether or not it is written, and takes part in comparisons then.
#[test]
fn a_digest_without_its_document_tells_that_something_changed() {
    for kind in KINDS {
        let stage = Stage::new(kind);
        stage.execute("CREATE TABLE orders (id INTEGER NOT NULL PRIMARY KEY, a INTEGER, b INTEGER); INSERT INTO orders VALUES (1, 2, 3), (2, 3, 4)");
        let target = |columns: &str| {
            format!(
                "table = \"archive\"\nkey = [\"id\"]\ncreate = true\n[target.columns]\nid = \"id\"\na = \"a\"\n{columns}"
            )
        };
        let source = "table = \"orders\"\nkey = [\"id\"]";
        let definition = stage.definition(source, &target("digest = \"$digest\""));
        assert_eq!(stage.move_all(&definition, 10).moved, 2, "{kind:?}");
        let hex = stage.one("SELECT digest FROM archive WHERE id = 1");
        assert_eq!(hex, sha256(r#"{"id":1,"a":2,"b":3}"#), "{kind:?}");
        assert_eq!(stage.move_all(&definition, 10).skipped, 2, "{kind:?}");
        stage.execute("UPDATE orders SET b = 9 WHERE id = 2");
        let outcome = stage.move_all(&definition, 10);
        assert_eq!((outcome.skipped, outcome.aside.len()), (1, 1), "{kind:?}");
        assert_eq!(outcome.aside[0].message, "the target exists and differs in `digest`");
    }
}

fn sha256(text: &str) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(text).iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}
