//! Every column type, at its extremes, becomes what the design says.

use super::cases::{self, Case, column};
use super::stage::{Kind, Stage};
use std::fmt::Write as _;

const TARGET: &str = r#"
table = "history"
key = ["id"]
create = true
[target.columns]
id = "id"
document = "$document"
digest = "$digest"
"#;

/// One table with a column for each case, moved whole: nullable with the values in row 1 and NULL in row 2, and the same
/// NOT NULL.
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
        let target = TARGET.replace("\"history\"", &format!("\"{name}_history\""));
        let definition = stage.definition(&format!("table = \"{name}\"\nkey = [\"id\"]"), &target);
        let outcome = stage.move_all(&definition, 100);
        assert_eq!(outcome.moved, if nullable { 2 } else { 1 }, "{:?}", outcome.aside);
        let again = stage.move_all(&definition, 100);
        assert_eq!(again.skipped, outcome.moved, "{:?}", again.aside);

        let document = stage.one(&format!("SELECT document FROM {name}_history WHERE id = 1"));
        let parsed: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(&document).unwrap_or_else(|error| panic!("{error}: {document}"));
        assert_eq!(parsed.len(), cases.len() + 1);
        let mut rest = document.strip_prefix("{\"id\":1").expect("the key first");
        for (at, (kind, value, expected)) in cases.iter().enumerate() {
            let start = format!(",\"c{at}\":{expected}");
            assert!(
                rest.starts_with(&start),
                "{:?} {kind}{null}: {value} became {:.300}, not {expected:.300}",
                stage.kind,
                rest
            );
            rest = &rest[start.len()..];
        }
        assert_eq!(rest, "}");
        if nullable {
            let nulls = stage.one(&format!("SELECT document FROM {name}_history WHERE id = 2"));
            let expected = (0..cases.len()).map(|at| format!(",\"c{at}\":null")).collect::<Vec<_>>().concat();
            assert_eq!(nulls, format!("{{\"id\":2{expected}}}"));
        }
    }
}

#[test]
fn mariadb_types() {
    let stage = Stage::new(Kind::MariaDb);
    stage.database.execute("SET SESSION sql_mode = 'STRICT_ALL_TABLES'");
    check(&stage, &cases::mariadb());
}

#[test]
fn postgres_types() {
    let stage = Stage::new(Kind::Postgres);
    stage.execute(cases::POSTGRES_TYPES);
    check(&stage, &cases::postgres());
}

/// PostgreSQL lets a NULL into a column whose domain takes none, where a query without rows gives it.
#[test]
fn a_domain_that_takes_no_null_may_hold_one() {
    let stage = Stage::new(Kind::Postgres);
    stage.execute(
        "CREATE DOMAIN fee AS numeric(10,2) NOT NULL; CREATE TABLE orders (id int PRIMARY KEY, price fee, note text);
         INSERT INTO orders VALUES (1, 5, 'a');
         INSERT INTO orders VALUES (2, (SELECT price FROM orders WHERE false), 'b')",
    );
    let definition = stage.definition("table = \"orders\"\nkey = [\"id\"]", TARGET);
    assert_eq!(stage.move_all(&definition, 10).moved, 2);
    let document = |id| stage.one(&format!("SELECT document FROM history WHERE id = {id}"));
    assert_eq!(document(1), r#"{"id":1,"price":"5.00","note":"a"}"#);
    assert_eq!(document(2), r#"{"id":2,"price":null,"note":"b"}"#);
}

#[test]
fn sqlite_values() {
    let stage = Stage::new(Kind::Sqlite);
    check(&stage, &cases::sqlite());
}

#[test]
fn names_may_hold_anything() {
    for kind in super::stage::KINDS {
        let stage = Stage::new(kind);
        let (open, close) = if kind == Kind::MariaDb { ('`', '`') } else { ('"', '"') };
        let quote = |name: &str| {
            let name = if kind == Kind::MariaDb { name.replace('`', "``") } else { name.replace('"', "\"\"") };
            format!("{open}{name}{close}")
        };
        let names = ["select", "a b", "it's", "back\\slash", "tick`\"q", "grün 😀", "a.b", "x$1?:y"];
        let names: Vec<&str> = names
            .into_iter()
            .map(|name| if kind == Kind::MariaDb { if name == "grün 😀" { "grün" } else { name } } else { name })
            .collect();
        let columns: Vec<String> = names.iter().map(|name| format!("{} INTEGER", quote(name))).collect();
        stage.execute(&format!(
            "CREATE TABLE {} ({} INTEGER NOT NULL PRIMARY KEY, {})",
            quote("order.s \"`'\\"),
            quote("key"),
            columns.join(", ")
        ));
        stage.execute(&format!(
            "CREATE TABLE {} ({} INTEGER NOT NULL PRIMARY KEY, {} INTEGER NOT NULL)",
            quote("group"),
            quote("from"),
            quote("or der")
        ));
        stage.execute(&format!("CREATE INDEX {} ON {} ({})", quote("i x"), quote("group"), quote("or der")));
        stage.execute(&format!("INSERT INTO {} VALUES (1, 1, 2, 3, 4, 5, 6, 7, 8)", quote("order.s \"`'\\")));
        stage.execute(&format!("INSERT INTO {} VALUES (7, 1)", quote("group")));
        let definition = stage.definition(
            "table = 'order.s \"`''\\'\nkey = [\"key\"]\n[[source.related]]\nname = \"the \\\"items\\\"\"\ntable = \"group\"\n\
             key = [\"from\"]\non = { \"or der\" = \"key\" }"
                .replace("''", "'")
                .replace("'order.s \"`'\\'", "\"order.s \\\"`'\\\\\"")
                .as_str(),
            "table = \"his tory\"\nkey = [\"table\"]\ncreate = true\n[target.columns]\ntable = \"key\"\n\"do cu\" = \"$document\"",
        );
        assert_eq!(stage.move_all(&definition, 10).moved, 1);
        let document = stage.one(&format!("SELECT {} FROM {}", quote("do cu"), quote("his tory")));
        let mut expected = String::from("{\"key\":1");
        for (at, name) in names.iter().enumerate() {
            write!(expected, ",{}:{}", serde_json::Value::from(*name), at + 1).unwrap();
        }
        expected.push_str(",\"the \\\"items\\\"\":[{\"from\":7,\"or der\":1}]}");
        assert_eq!(document, expected, "{kind:?}");
    }
}
