//! Related tables that do not fit, and their own targets.

use super::{GOOD_TARGET, problems, shop, shown};
use crate::rows::stage::{KINDS, Kind, Stage};

#[test]
fn what_a_related_table_excludes_has_to_be_there() {
    for kind in KINDS {
        let stage = shop(kind);
        stage.execute("CREATE INDEX i1 ON order_items (order_id)");
        let source = "table = \"orders\"\nkey = [\"id\"]\nexclude = [\"code\"]\n[[source.related]]\nname = \"items\"\n\
             table = \"order_items\"\nkey = [\"id\"]\non = { order_id = \"id\" }\nexclude = [\"order_id\", \"m\"]";
        // `code` is the source's alone, and that is as it should be.
        assert_eq!(
            shown(&problems(&stage, source, GOOD_TARGET)),
            ["source.related[0].exclude[1]: the table `order_items` has no column `m`"],
            "{kind:?}"
        );
        // A name that is excluded is free.
        let source = source.replace("\"m\"", "\"n\"")
            + "\n[[source.related.related]]\nname = \"n\"\ntable = \"order_items\"\nkey = [\"id\"]\non = { order_id = \"order_id\" }";
        assert_eq!(problems(&stage, &source, GOOD_TARGET), [], "{kind:?}");
    }
}

/// MySQL would read all of a related table for each row.
#[test]
fn related_rows_that_no_index_would_find() {
    let stage = Stage::new(Kind::MariaDb);
    stage.execute(
        "CREATE TABLE orders (id INT NOT NULL PRIMARY KEY, code VARCHAR(10) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL UNIQUE,
           old VARCHAR(10) CHARACTER SET latin1 NOT NULL UNIQUE);
         CREATE TABLE order_items (id INT NOT NULL PRIMARY KEY, number INT NOT NULL, word VARCHAR(10) NOT NULL,
           latin VARCHAR(10) CHARACTER SET latin1 NOT NULL, three VARCHAR(10) CHARACTER SET utf8mb3 NOT NULL,
           same VARCHAR(10) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL,
           other VARCHAR(10) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL,
           bytes VARCHAR(10) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
           KEY (number), KEY (word), KEY (latin), KEY (three), KEY (same), KEY (other), KEY (bytes))",
    );
    let check = |child: &str, parent: &str| {
        let source = format!(
            "table = \"orders\"\nkey = [\"id\"]\n[[source.related]]\nname = \"items\"\ntable = \"order_items\"\nkey = [\"id\"]\n\
             on = {{ {child} = \"{parent}\" }}"
        );
        problems(&stage, &source, GOOD_TARGET)
    };
    for (child, parent) in [("word", "id"), ("latin", "code"), ("three", "code"), ("other", "code")] {
        let found = check(child, parent);
        assert_eq!(found.len(), 1, "{child} = {parent}: {found:?}");
        assert!(found[0].field == "source.related[0].on" && found[0].message.contains("serves to find"), "{found:?}");
    }
    for (child, parent) in
        [("number", "id"), ("same", "code"), ("bytes", "code"), ("same", "old"), ("three", "old"), ("latin", "old")]
    {
        assert_eq!(check(child, parent), [], "{child} = {parent}");
        let plan = stage.one(&format!(
            "EXPLAIN FORMAT=JSON SELECT 1 FROM orders t STRAIGHT_JOIN order_items c FORCE INDEX ({child}) ON c.{child} = t.{parent}"
        ));
        assert!(plan.contains("\"access_type\": \"ref\""), "{child} = {parent}: {plan}");
    }
}

/// Every related row belongs to one item, and is found again by its key.
#[test]
fn related_targets_that_do_not_fit() {
    for kind in KINDS {
        let stage = shop(kind);
        stage.execute("CREATE INDEX i1 ON order_items (order_id); CREATE INDEX i2 ON order_items (n)");
        let related = |on: &str, key: &str, table: &str, columns: &str| {
            let create = !["old", "orders", "open_orders"].contains(&table);
            format!(
                "table = \"orders\"\nkey = [\"id\"]\n[[source.related]]\nname = \"items\"\ntable = \"order_items\"\nkey = [{key}]\n\
                 on = {{ {on} }}\n[source.related.target]\ntable = \"{table}\"\nkey = [{key}]\ncreate = {create}\n\
                 [source.related.target.columns]\n{columns}"
            )
        };
        let target = "table = \"history\"\nkey = [\"id\"]\ncreate = true\n[target.columns]\nid = \"id\"";
        let check = |source: &str, expected: &[&str]| {
            assert_eq!(shown(&problems(&stage, source, target)), expected, "{kind:?}");
        };
        let (on, id) = ("order_id = \"id\"", "\"id\"");
        check(&related(on, id, "items_archive", "id = \"id\"\nn = \"n\""), &[]);
        check(
            &related(on, id, "items_archive", "id = \"id\"\nn = \"m\""),
            &["source.related[0].target.columns.n: the table `order_items` has no column `m`"],
        );
        let several = "source.related[0].on: `code` does not tell the rows of `orders` apart: a row of `order_items` could belong \
                       to several of them, and be copied several times";
        let unlike = "source.related[0].on: `n` is of the type integer, `code` of character varying(10): the database does not \
                      compare the two";
        let expected = if kind == Kind::Postgres { vec![unlike, several] } else { vec![several] };
        check(&related("n = \"code\"", id, "items_archive", "id = \"id\""), &expected);
        check(
            &related(on, "\"order_id\", \"n\"", "items_archive", "order_id = \"order_id\"\nn = \"n\""),
            &[
                "source.related[0].key: `order_id`, `n` does not tell the rows of one array apart: their order would be left to \
                 chance",
                "source.related[0].key: no unique index of `order_items` has exactly the columns `order_id`, `n`, and a copy is \
                 found again by them",
            ],
        );
        check(
            &related(on, id, "old", "id = \"id\"\nn = \"n\""),
            &[
                "source.related[0].target.columns.n: the table `old` has no column `n`",
                "source.related[0].target.columns: `must` of `old` takes no NULL, has no default, and nothing fills it",
            ],
        );
        let found = problems(&stage, &related(on, id, "archive", "id = \"id\"").replace("create = true", ""), target);
        assert!(found[0].message.starts_with("there is no table `archive` in `"), "{found:?}");
        assert!(found[0].field == "source.related[0].target.table" && found[0].hint.ends_with("`create = true`"));
        // A schema that is written out is the one that is meant anyway.
        let schema = match kind {
            Kind::Sqlite => "main".to_owned(),
            Kind::MariaDb => stage.one("SELECT DATABASE()"),
            Kind::Postgres => "public".to_owned(),
        };
        stage.execute("CREATE TABLE history (id INTEGER NOT NULL PRIMARY KEY)");
        check(
            &related(on, id, &format!("history\"\nschema = \"{schema}"), "id = \"id\""),
            &["source.related[0].target.table: is the table of `target.table`"],
        );
        check(
            &related(on, id, &format!("orders\"\nschema = \"{schema}"), "id = \"id\""),
            &["source.related[0].target.table: is the source itself"],
        );
        check(
            &related(on, id, &format!("order_items\"\nschema = \"{schema}"), "id = \"id\""),
            &["source.related[0].target.table: is one of the related tables"],
        );
    }
}
