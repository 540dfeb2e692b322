//! Targets that do not fit.

use super::{GOOD_TARGET, problems, shop, shown};
use crate::rows::stage::{KINDS, Kind, Stage};

#[test]
fn a_target_that_does_not_fit() {
    for kind in KINDS {
        let stage = shop(kind);
        let source = "table = \"orders\"\nkey = [\"id\"]";
        let found = problems(&stage, source, &GOOD_TARGET.replace("create = true\n", ""));
        assert_eq!(found.len(), 1);
        assert!(found[0].hint.ends_with("or write `create = true`"), "{found:?}");

        let found = problems(
            &stage,
            source,
            "table = \"old\"\nkey = [\"id\"]\n[target.columns]\nid = \"id\"\ndoc = \"$document\"\nnope = \"$now\"",
        );
        let said = shown(&found);
        assert!(said.contains(&"target.columns.nope: the table `old` has no column `nope`".to_owned()), "{said:?}");
        assert!(
            said.contains(
                &"target.columns: `must` of `old` takes no NULL, has no default, and nothing fills it".to_owned()
            ),
            "{said:?}"
        );
        let short = "target.columns.doc: `doc` has room for 100 characters, too few for a document".to_owned();
        assert_eq!(said.contains(&short), kind != Kind::Sqlite, "{said:?}");
    }
}

#[test]
fn names_of_new_columns_that_differ_in_case_alone() {
    for kind in KINDS {
        let target = format!("{GOOD_TARGET}\nStatus = \"status\"\nSTATUS = \"code\"");
        let found = problems(&shop(kind), "table = \"orders\"\nkey = [\"id\"]", &target);
        let said = "target.columns.STATUS: differs from `Status` in upper and lower case alone: the database has one column for both";
        let expected = if kind == Kind::Postgres { Vec::new() } else { vec![said] };
        assert_eq!(shown(&found), expected, "{kind:?}");
    }
}

#[test]
fn a_target_whose_rule_rewrites_inserts() {
    let stage = Stage::new(Kind::Postgres);
    stage.execute(
        "CREATE TABLE orders (id INTEGER NOT NULL PRIMARY KEY);
         CREATE TABLE history (id INTEGER NOT NULL PRIMARY KEY, document TEXT NOT NULL);
         CREATE RULE never AS ON INSERT TO history DO INSTEAD NOTHING",
    );
    let found = problems(&stage, "table = \"orders\"\nkey = [\"id\"]", GOOD_TARGET);
    assert_eq!(
        shown(&found),
        ["target.table: `history` has the rule `never` ON INSERT, which does something else than insert"]
    );
    stage.execute("ALTER TABLE history DISABLE RULE never");
    assert_eq!(problems(&stage, "table = \"orders\"\nkey = [\"id\"]", GOOD_TARGET), []);
}

/// A row of the one is a row of the other: it would be taken for its own copy.
#[test]
fn a_target_that_shares_rows_with_the_source() {
    let stage = Stage::new(Kind::Postgres);
    stage.execute(
        "CREATE TABLE orders (id INTEGER NOT NULL PRIMARY KEY, document TEXT);
         CREATE TABLE history (PRIMARY KEY (id)) INHERITS (orders); CREATE TABLE older (PRIMARY KEY (id)) INHERITS (history);
         CREATE TABLE parts (id INTEGER NOT NULL PRIMARY KEY, document TEXT) PARTITION BY RANGE (id);
         CREATE TABLE low PARTITION OF parts FOR VALUES FROM (0) TO (10);
         CREATE TABLE high PARTITION OF parts FOR VALUES FROM (10) TO (20)",
    );
    let check = |source: &str, target: &str| {
        let target =
            format!("table = \"{target}\"\nkey = [\"id\"]\n[target.columns]\nid = \"id\"\ndocument = \"$document\"");
        problems(&stage, &format!("table = \"{source}\"\nkey = [\"id\"]"), &target)
    };
    for (source, target) in [
        ("orders", "history"),
        ("orders", "older"),
        ("history", "orders"),
        ("older", "orders"),
        ("parts", "low"),
        ("low", "parts"),
    ] {
        let found = check(source, target);
        assert_eq!(found.len(), 1, "{source} → {target}: {found:?}");
        assert!(found[0].field == "target.table" && found[0].message.contains("shares rows"), "{found:?}");
    }
    assert_eq!(check("low", "high"), []);
}
