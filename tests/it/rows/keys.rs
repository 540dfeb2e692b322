//! Keys of every type are walked to their end in small steps, and give what one step gives.

use super::stage::{Kind, LIMIT, Stage, effort, walk};

/// The types of a key's columns, and the values of some keys.
pub(super) type Keys = (&'static [&'static str], &'static [&'static str]);

fn key(types: &'static [&'static str], values: &'static [&'static str]) -> Keys {
    (types, values)
}

/// Keys of every type that can be one.
pub(super) fn keys(kind: Kind) -> Vec<Keys> {
    match kind {
        Kind::MariaDb => mariadb(),
        Kind::Postgres => postgres(),
        Kind::Sqlite => sqlite(),
    }
}

#[test]
fn keys_of_mariadb() {
    for (types, values) in keys(Kind::MariaDb) {
        check(Kind::MariaDb, types, values);
    }
}

#[test]
fn keys_of_postgres() {
    for (types, values) in keys(Kind::Postgres) {
        check(Kind::Postgres, types, values);
    }
}

#[test]
fn keys_of_sqlite() {
    for (types, values) in keys(Kind::Sqlite) {
        check(Kind::Sqlite, types, values);
    }
}

/// Walks a table whose key columns are of these types, in steps of several sizes.
fn check(kind: Kind, types: &[&str], values: &[&str]) {
    let stage = Stage::new(kind);
    let names: Vec<String> = (0..types.len()).map(|at| format!("k{at}")).collect();
    let columns: Vec<String> = types.iter().zip(&names).map(|(kind, name)| format!("{name} {kind} NOT NULL")).collect();
    stage.database.execute(&format!(
        "CREATE TABLE orders ({}, note VARCHAR(10), PRIMARY KEY ({}))",
        columns.join(", "),
        names.join(", ")
    ));
    for (at, value) in values.iter().enumerate() {
        stage.database.execute(&format!("INSERT INTO orders VALUES ({value}, 'n{at}')"));
    }
    let keys = names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    for size in [1, 2, 3, 1000] {
        let mapped: String = names.iter().map(|name| format!("{name} = \"{name}\"\n")).collect::<Vec<_>>().concat();
        let definition = stage.definition(
            &format!("table = \"orders\"\nkey = [{keys}]"),
            &format!("table = \"history{size}\"\nkey = [{keys}]\ncreate = true\n[target.columns]\n{mapped}document = \"$document\""),
        );
        let rows = stage.open(&definition);
        let outcome = stage.run(async {
            rows.prepare(LIMIT).await.expect("the target");
            walk(&rows, size, &effort()).await.expect("a walk")
        });
        assert_eq!(outcome.moved, values.len() as u64, "{kind:?} {types:?} in steps of {size}");
        let again = stage.run(walk(&rows, size, &effort())).expect("a walk");
        assert_eq!(again.skipped, values.len() as u64, "{kind:?} {types:?} in steps of {size}: {:?}", again.aside);
        let seen = stage.verify_all(&definition, size);
        assert_eq!((seen.equal, seen.extra), (values.len() as u64, 0), "{kind:?} {types:?} in steps of {size}");

        // A sweep names every key, and each is found again by its name alone.
        stage.database.execute(&format!("DELETE FROM history{size}"));
        let sweep = || {
            stage.run(async {
                use milkrun::engine::migration::Migration;
                let range = super::stage::range(&rows).await.expect("rows");
                let (mut after, mut found, mut moved) = (None, 0, 0);
                while let Some(read) = rows.sweep(&range, after.as_ref(), size, LIMIT).await.expect("a sweep") {
                    found += read.found.len();
                    moved += rows.write(&rows.fetch(&range, &read.found), &effort()).await.expect("a write").moved;
                    after = Some(read.end);
                }
                (found, moved)
            })
        };
        assert_eq!(sweep(), (values.len(), values.len() as u64), "{kind:?} {types:?} by names");
        assert_eq!(sweep(), (0, 0), "{kind:?} {types:?}: what is there is found no more");
        assert_eq!(
            stage.database.rows(&format!("SELECT document FROM history{size} ORDER BY 1")),
            stage.database.rows("SELECT document FROM history1 ORDER BY 1")
        );
    }
}

fn mariadb() -> Vec<Keys> {
    vec![
        key(&["BIGINT UNSIGNED"], &["0", "1", "9223372036854775807", "9223372036854775808", "18446744073709551615"]),
        key(
            &["BIGINT"],
            &["-9223372036854775808", "-1", "0", "9007199254740993", "9007199254740992", "9223372036854775807"],
        ),
        key(
            &["DECIMAL(65,30)"],
            &[
                "-1.000000000000000000000000000001",
                "0.1",
                "12345678901234567890123456789012345.1",
                "12345678901234567890123456789012345.2",
            ],
        ),
        key(
            &["DECIMAL(65,0)"],
            &[
                "-1",
                "123456789012345678901234567890123456789012",
                "123456789012345678901234567890123456789013",
                "99999999999999999999999999999999999999999999999999999999999999999",
            ],
        ),
        key(
            &["DATETIME(6)"],
            &[
                "'0000-00-00'",
                "'2020-01-01 00:00:00.000001'",
                "'2020-01-01 00:00:00.000002'",
                "'9999-12-31 23:59:59.999999'",
            ],
        ),
        key(
            &["TIMESTAMP(3)"],
            &["'2020-01-01 00:00:00.001'", "'2020-01-01 00:00:00.002'", "'2038-01-19 03:14:07.999'"],
        ),
        key(&["DATE"], &["'0000-00-00'", "'2020-02-29'", "'9999-12-31'"]),
        key(&["TIME(6)"], &["'-838:59:59'", "'-00:00:00.000001'", "'00:00:00'", "'838:59:59'"]),
        key(&["YEAR"], &["0", "1901", "2155"]),
        key(
            &["UUID"],
            &[
                "'123e4567-e89b-12d3-a456-426614174000'",
                "'00000000-0000-0000-0000-000000000000'",
                "'ffffffff-ffff-ffff-ffff-ffffffffffff'",
            ],
        ),
        key(&["BINARY(4)"], &["x'00'", "x'00000001'", "x'ff'", "x'7f2020'"]),
        key(&["VARBINARY(8)"], &["x''", "x'00'", "x'0000'", "x'ff00'", "x'6120'"]),
        key(&["VARCHAR(40)"], &["''", "'a'", "'B'", "'c'", "'é'", "'😀'", "'it''s \\\\ \"'", "'%'"]),
        key(&["VARCHAR(40) CHARACTER SET latin1 COLLATE latin1_german2_ci"], &["''", "'a'", "'ä'", "'B'", "'ß'"]),
        key(&["CHAR(5) COLLATE utf8mb4_bin"], &["'a'", "'A'", "'b'", "''"]),
        key(&["INT", "VARCHAR(10)"], &["1, 'a'", "1, 'b'", "2, ''", "2, 'a'", "3, 'z'"]),
        key(
            &["DATE", "SMALLINT", "BINARY(1)"],
            &["'2020-01-01', 1, x'00'", "'2020-01-01', 1, x'01'", "'2020-01-01', 2, x'00'", "'2020-01-02', -1, x'00'"],
        ),
    ]
}

fn postgres() -> Vec<Keys> {
    vec![
        key(&["bigint"], &["-9223372036854775808", "0", "9007199254740993", "9223372036854775807"]),
        key(
            &["numeric"],
            &[
                "-1.5",
                "'NaN'",
                "0",
                "12345678901234567890123456789012345678901234567890.1",
                "12345678901234567890123456789012345678901234567890.2",
            ],
        ),
        key(
            &["timestamptz"],
            &["'-infinity'", "'2020-01-01 00:00:00.000001+00'", "'2020-01-01 00:00:00.000002+00'", "'infinity'"],
        ),
        key(&["timestamp"], &["'0044-03-15 BC'", "'2020-01-01 00:00:00.000001'", "'294276-12-31 23:59:59.999999'"]),
        key(&["date"], &["'0044-03-15 BC'", "'2020-02-29'", "'infinity'"]),
        key(&["time"], &["'00:00'", "'12:00:00.000001'", "'24:00'"]),
        key(&["uuid"], &["'123e4567-e89b-12d3-a456-426614174000'", "'00000000-0000-0000-0000-000000000000'"]),
        key(&["bytea"], &["'\\x'", "'\\x00'", "'\\x0000'", "'\\xff'"]),
        key(&["text"], &["''", "'a'", "'B'", "'é'", "'😀'", "'it''s \\ \"'"]),
        key(&["varchar(20) COLLATE \"C\""], &["''", "'a'", "'B'", "'é'"]),
        key(&["char(4)"], &["'a'", "'b'", "''"]),
        key(&["integer", "text"], &["1, 'a'", "1, 'b'", "2, ''", "3, 'z'"]),
        key(
            &["date", "smallint", "bytea"],
            &[
                "'2020-01-01', 1, '\\x00'",
                "'2020-01-01', 1, '\\x01'",
                "'2020-01-01', 2, '\\x00'",
                "'2020-01-02', -1, ''",
            ],
        ),
    ]
}

fn sqlite() -> Vec<Keys> {
    vec![
        key(&["INTEGER"], &["-9223372036854775808", "0", "1", "9223372036854775807"]),
        key(&["INT"], &["-5", "0", "9007199254740993", "'text'", "x'00'"]),
        key(&["TEXT"], &["''", "'1'", "'10'", "'2'", "'a'", "'B'", "'é😀'"]),
        key(&["TEXT COLLATE NOCASE"], &["'a'", "'B'", "'c'"]),
        key(&["BLOB"], &["x''", "x'00'", "x'ff'", "'t'", "5"]),
        key(&["DECIMAL(10,2)"], &["1", "1.5", "0.1", "9.99"]),
        key(&["NUMERIC"], &["-9e999", "1", "1e300", "9e999", "'a'", "'b'"]),
        key(&["NUMERIC"], &["1", "2", "9e999"]),
        key(&["DATETIME"], &["'2020-01-01 00:00:00'", "'2020-01-01 00:00:01'"]),
        key(&["INTEGER", "TEXT"], &["1, 'a'", "1, 'b'", "2, ''", "3, 'z'"]),
    ]
}

#[test]
fn batches_are_ranges_of_the_key_in_the_query_plan() {
    for kind in super::stage::KINDS {
        for composite in [false, true] {
            let stage = Stage::new(kind);
            let key = if composite { "a, b" } else { "a" };
            stage.execute(&format!("CREATE TABLE orders (a {{{{INTEGER||INT||INT}}}} NOT NULL, b INT NOT NULL, status VARCHAR(10), PRIMARY KEY ({key}))"));
            stage.execute("CREATE INDEX by_status ON orders (status)");
            for block in 0..4 {
                let values: Vec<String> =
                    (0..500)
                        .map(|at| block * 500 + at)
                        .map(|at| {
                            if composite {
                                format!("({}, {}, 'F')", at / 50, at % 50)
                            } else {
                                format!("({at}, 0, 'F')")
                            }
                        })
                        .collect();
                stage.execute(&format!("INSERT INTO orders VALUES {}", values.join(", ")));
            }
            stage.execute("{{ANALYZE||ANALYZE TABLE orders||ANALYZE}}");
            let keys = if composite { "\"a\", \"b\"" } else { "\"a\"" };
            let mapped = if composite { "a = \"a\"\nb = \"b\"" } else { "a = \"a\"" };
            let definition = stage.definition(
                &format!("table = \"orders\"\nkey = [{keys}]\nwhere = \"status = 'F'\""),
                &format!("table = \"history\"\nkey = [{keys}]\ncreate = true\n[target.columns]\n{mapped}\ndocument = \"$document\""),
            );
            let rows = stage.open(&definition);
            stage.run(rows.prepare(LIMIT)).expect("the target");
            let plans = stage.run(rows.query_plans(LIMIT)).expect("plans");
            let purposes: Vec<&str> = plans.iter().map(|plan| plan.purpose).collect();
            assert_eq!(purposes, ["boundary", "insert"]);
            for plan in plans {
                let text = plan.plan;
                let range = match kind {
                    Kind::MariaDb => {
                        text.contains("\"access_type\": \"range\"") && text.contains("\"key\": \"PRIMARY\"")
                    }
                    Kind::Postgres if composite => {
                        text.contains("Index Cond: ((ROW(")
                            || text.contains("Index Cond: ((t.a, t.b)")
                            || (text.contains("Index Cond") && text.contains("ROW(a, b) >")
                                || text.contains("ROW(t.a, t.b) >"))
                    }
                    Kind::Postgres => text.contains("Index Cond: ((a >") || text.contains("Index Cond: ((t.a >"),
                    Kind::Sqlite if composite => text.contains("(a,b)>(?,?)") || text.contains("((a,b)>(?,?)"),
                    Kind::Sqlite => text.contains("(a>? AND a<?)") || text.contains("(rowid>? AND rowid<?)"),
                };
                assert!(range, "{kind:?} {}: {text}\n{}", plan.purpose, plan.statement);
            }
            assert!(
                stage
                    .run(rows.sample_document(LIMIT, LIMIT))
                    .expect("a sample")
                    .is_some_and(|text| text.contains("\"status\":\"F\""))
            );
            let statements = stage.run(rows.statements(LIMIT)).expect("statements");
            let purposes: Vec<&str> = statements.iter().map(|(purpose, _)| *purpose).collect();
            let account: &[&str] = if kind == Kind::Postgres { &[] } else { &["account"] };
            assert_eq!(purposes, [&["create", "boundary", "compare", "insert"], account].concat());
            if kind == Kind::Postgres {
                // Its merge join would walk the target from the start, batch after batch, without a range of its own.
                let (_, compare) = statements.iter().find(|(purpose, _)| *purpose == "compare").expect("it compares");
                let range = if composite { "AND (h.\"a\", h.\"b\") > (" } else { "AND h.\"a\" > " };
                assert!(compare.contains(range), "{compare}");
            }
            assert_eq!(stage.run(rows.missing_privileges(LIMIT)).expect("privileges"), []);
        }
    }
}

#[test]
fn children_are_looked_up_by_their_index_whatever_the_statistics_say() {
    for kind in [Kind::MariaDb, Kind::Sqlite] {
        let stage = Stage::new(kind);
        stage.execute(
            "CREATE TABLE orders (id INTEGER NOT NULL PRIMARY KEY);
             CREATE TABLE order_items (id INTEGER NOT NULL PRIMARY KEY, order_id INTEGER NOT NULL, sku VARCHAR(20) NOT NULL) {{||STATS_PERSISTENT=1 STATS_AUTO_RECALC=0||}};
             CREATE INDEX by_order ON order_items (order_id);
             INSERT INTO order_items VALUES (1, 1, 'a'), (2, 1, 'a'), (3, 1, 'a'), (4, 1, 'a'), (5, 1, 'a'), (6, 1, 'a');
             {{ANALYZE||ANALYZE TABLE order_items||}}",
        );
        let orders: Vec<String> = (1..=500).map(|id| format!("({id})")).collect();
        stage.execute(&format!("INSERT INTO orders VALUES {}", orders.join(", ")));
        let items: Vec<String> = (7..=3000).map(|id| format!("({id}, {}, 'b')", id % 500 + 1)).collect();
        stage.execute(&format!("INSERT INTO order_items VALUES {}", items.join(", ")));
        let definition = stage.definition(
            "table = \"orders\"\nkey = [\"id\"]\n[[source.related]]\nname = \"items\"\ntable = \"order_items\"\nkey = [\"id\"]\n\
             on = { order_id = \"id\" }",
            "table = \"history\"\nkey = [\"id\"]\ncreate = true\n[target.columns]\nid = \"id\"\ndocument = \"$document\"",
        );
        let rows = stage.open(&definition);
        stage.run(rows.prepare(LIMIT)).expect("the target");
        let plans = stage.run(rows.query_plans(LIMIT)).expect("plans");
        let insert = plans.iter().find(|plan| plan.purpose == "insert").expect("a plan");
        let looked_up = match kind {
            Kind::MariaDb => {
                let child = insert.plan.split("\"table_name\": \"c1\"").nth(1).expect("the child");
                insert.statement.contains(" c1 FORCE INDEX (`by_order`)")
                    && child.contains("\"access_type\": \"ref\"")
                    && child.contains("\"key\": \"by_order\"")
            }
            _ => insert.plan.contains("SEARCH c1 USING INDEX by_order (order_id=?)"),
        };
        assert!(looked_up, "{kind:?}: {}", insert.plan);
        assert_eq!(stage.move_all(&definition, 100).moved, 500);
    }
}

/// As `char(n)` they would be one key, and no index of the target's would serve.
#[test]
fn a_padded_key_is_looked_up_as_the_text_that_it_becomes() {
    let stage = Stage::new(Kind::Postgres);
    stage.execute(
        "CREATE TABLE orders (id char(4) PRIMARY KEY); INSERT INTO orders VALUES ('a'), ('b'), ('c');
         CREATE TABLE history (id varchar(10) PRIMARY KEY, document text); INSERT INTO history VALUES ('a ', 'mine')",
    );
    let definition = stage.definition(
        "table = \"orders\"\nkey = [\"id\"]",
        "table = \"history\"\nkey = [\"id\"]\n[target.columns]\nid = \"id\"\ndocument = \"$document\"",
    );
    for (size, moved) in [(2, 3), (1, 0), (10, 0)] {
        let outcome = stage.move_all(&definition, size);
        assert_eq!((outcome.moved, outcome.skipped, outcome.aside), (moved, 3 - moved, vec![]), "{size}");
        let seen = stage.verify_all(&definition, size);
        assert_eq!((seen.equal, seen.missing, seen.different, seen.extra), (3, 0, 0, 1), "{size}");
    }
    let rows = stage.open(&definition);
    let statements = stage.run(rows.statements(LIMIT)).expect("statements");
    let (_, compare) = statements.iter().find(|(purpose, _)| *purpose == "compare").expect("it compares");
    assert!(compare.contains("h.\"id\" = CAST(t.\"id\" AS text)"), "{compare}");
}

/// SQLite refuses to be told of an index that it cannot use.
#[test]
fn children_of_another_type_than_their_parent_are_found() {
    let stage = Stage::new(Kind::Sqlite);
    stage.execute(
        "CREATE TABLE orders (id INTEGER NOT NULL PRIMARY KEY);
         CREATE TABLE order_items (id INTEGER NOT NULL PRIMARY KEY, order_id TEXT NOT NULL);
         CREATE INDEX by_order ON order_items (order_id);
         INSERT INTO orders VALUES (1); INSERT INTO order_items VALUES (10, '1')",
    );
    let definition = stage.definition(
        "table = \"orders\"\nkey = [\"id\"]\n[[source.related]]\nname = \"items\"\ntable = \"order_items\"\nkey = [\"id\"]\n\
         on = { order_id = \"id\" }",
        "table = \"history\"\nkey = [\"id\"]\ncreate = true\n[target.columns]\nid = \"id\"\ndocument = \"$document\"",
    );
    assert_eq!(stage.move_all(&definition, 100).moved, 1);
    assert_eq!(stage.one("SELECT document FROM history"), r#"{"id":1,"items":[{"id":10,"order_id":"1"}]}"#);
}
