//! Definitions that do not fit their database: everything at once, with what to do.

use super::stage::{KINDS, Kind, LIMIT, Stage, effort, range, walk};
use milkrun::engine::migration::Migration as _;
use milkrun::fault::Class;
use milkrun::rows::RowsError;
use milkrun::spec::Problem;
use milkrun::sql::ConnectOptions;

fn problems(stage: &Stage, source: &str, target: &str) -> Vec<Problem> {
    match stage.try_open(&stage.definition(source, target)) {
        Err(RowsError::Problems(problems)) => problems,
        Err(error) => panic!("{error}"),
        Ok(_) => Vec::new(),
    }
}

fn shown(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(|problem| format!("{}: {}", problem.field, problem.message)).collect()
}

const GOOD_TARGET: &str =
    "table = \"history\"\nkey = [\"id\"]\ncreate = true\n[target.columns]\nid = \"id\"\ndocument = \"$document\"";

fn shop(kind: Kind) -> Stage {
    let stage = Stage::new(kind);
    stage.execute(
        "CREATE TABLE orders (id INTEGER NOT NULL PRIMARY KEY, status VARCHAR(10), code VARCHAR(10), weight {{REAL||FLOAT||REAL}} NOT NULL);
         CREATE TABLE order_items (id INTEGER NOT NULL PRIMARY KEY, order_id INTEGER NOT NULL, n INTEGER NOT NULL);
         CREATE VIEW open_orders AS SELECT * FROM orders;
         CREATE TABLE old (id INTEGER NOT NULL PRIMARY KEY, doc {{TEXT||VARCHAR(100)||VARCHAR(100)}}, must INTEGER NOT NULL);",
    );
    stage
}

#[test]
fn a_source_that_does_not_fit() {
    for kind in KINDS {
        let stage = shop(kind);
        let found = problems(&stage, "table = \"ordrs\"\nkey = [\"id\"]", GOOD_TARGET);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].field, "source.table");
        assert!(found[0].message.starts_with("there is no table `ordrs` in `"), "{}", found[0].message);

        let found = problems(&stage, "table = \"open_orders\"\nkey = [\"id\"]", GOOD_TARGET);
        assert!(shown(&found)[0].contains("is a view"), "{found:?}");

        let found = problems(
            &stage,
            "table = \"orders\"\nkey = [\"idd\"]\nexclude = [\"stats\"]\n[[source.related]]\nname = \"status\"\n\
             table = \"order_items\"\nkey = [\"n\"]\non = { order_id = \"id\" }",
            "table = \"history\"\nkey = [\"id\"]\ncreate = true\n[target.columns]\nid = \"idd\"\nx = \"cod\"\ndocument = \"$document\"",
        );
        assert_eq!(
            shown(&found),
            [
                "source.key: the table `orders` has no column `idd`",
                "source.related[0].name: `status` is also a column of `orders`: the document would have the name twice",
                "source.related[0].on: no index of `order_items` begins with `order_id`",
                "source.related[0].key: `n` does not tell the rows of one array apart: their order would be left to chance",
                "source.exclude[0]: the table `orders` has no column `stats`",
                "target.columns.id: the table `orders` has no column `idd`",
                "target.columns.x: the table `orders` has no column `cod`",
            ],
            "{kind:?}"
        );
        assert_eq!(found[0].hint, "did you mean `id`?");
        assert_eq!(found[4].hint, "did you mean `status`?");
        let index = found[2].hint.strip_prefix("run: ").expect("an index");
        stage.database.execute(index.trim_end_matches(';'));
        let found = problems(
            &stage,
            "table = \"orders\"\nkey = [\"id\"]\n[[source.related]]\nname = \"items\"\ntable = \"order_items\"\nkey = [\"id\"]\non = { order_id = \"id\" }",
            GOOD_TARGET,
        );
        assert_eq!(found, [], "{kind:?}");

        let found = problems(
            &stage,
            "table = \"orders\"\nkey = [\"code\", \"weight\"]",
            "table = \"history\"\nkey = [\"code\", \"weight\"]\ncreate = true\n[target.columns]\ncode = \"code\"\nweight = \"weight\"\ndocument = \"$document\"",
        );
        let said = shown(&found);
        assert_eq!(said[0], "source.key: `code` takes NULL: rows without a key would never be seen");
        assert!(
            said[1].starts_with("source.key: `weight` is of the type ")
                && said[1].ends_with(", which cannot be walked in order"),
            "{}",
            said[1]
        );
        assert_eq!(said[2], "source.key: no unique index of `orders` has exactly the columns `code`, `weight`");
        assert!(found[2].hint.contains("CREATE UNIQUE INDEX"), "{}", found[2].hint);

        let found = problems(&stage, "table = \"orders\"\nkey = [\"id\"]\nwhere = \"sttus = 'F'\"", GOOD_TARGET);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].field, "source.where", "{found:?}");

        let found = problems(&stage, "table = \"orders\"\nkey = [\"id\"]\nwhere = \"status = 'F' AND\"", GOOD_TARGET);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].field, "source.where", "{found:?}");
        let (said, hint) = (&found[0].message, &found[0].hint);
        assert!(said.starts_with("is no condition that the database understands: "), "{kind:?}: {said}");
        assert!(kind == Kind::Sqlite || said.contains("a syntax error"), "{kind:?}: {said}");
        assert!(!said.contains("bug") && hint.contains("behind WHERE"), "{kind:?}: {said}; {hint}");
    }
}

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

#[test]
fn a_condition_without_an_answer_for_some_row_is_said_to_be_at_fault() {
    for (kind, filters) in [
        (Kind::Postgres, &["100 / n > 1", "word::int > 1", "word::date < :pass_started", "word ~ word"][..]),
        (Kind::MariaDb, &["word + 1 > 1", "18446744073709551615 + n > 1", "CAST(word AS DATE) < :pass_started"][..]),
        (Kind::Sqlite, &["json_extract(word, '$.a') IS NULL", "abs(n - 9223372036854775807 - 6) > 1"]),
    ] {
        let stage = Stage::new(kind);
        stage.execute(
            "CREATE TABLE orders (id INTEGER NOT NULL PRIMARY KEY, n INTEGER NOT NULL, word VARCHAR(20) NOT NULL);
             INSERT INTO orders VALUES (1, 5, '20240101'), (2, 0, '(secret'), (3, 7, '20240103')",
        );
        for filter in filters {
            let definition =
                stage.definition(&format!("table = \"orders\"\nkey = [\"id\"]\nwhere = \"{filter}\""), GOOD_TARGET);
            let rows = stage.open(&definition);
            stage.run(async {
                rows.prepare(LIMIT).await.expect("the target");
                let range = range(&rows).await.expect("rows");
                let faults = [
                    walk(&rows, 100, &effort()).await.expect_err("no answer"),
                    rows.sweep(&range, None, 100, LIMIT).await.expect_err("no answer"),
                    rows.verify(&range, None, 100, None, LIMIT).await.expect_err("no answer"),
                ];
                for fault in faults {
                    assert_eq!(fault.class, Class::Fatal, "{kind:?} {filter}: {fault}");
                    let said = fault.to_string();
                    assert!(said.contains("`where`") && said.contains("NULLIF") && !said.contains("secret"), "{said}");
                }
            });
        }
        // What the target refuses stays what it is.
        stage.execute(
            "CREATE TABLE few (id INTEGER NOT NULL PRIMARY KEY, word VARCHAR(3) {{CHECK (length(word) < 4)||||}}, document {{TEXT||LONGTEXT||TEXT}})",
        );
        let definition = stage.definition(
            "table = \"orders\"\nkey = [\"id\"]\nwhere = \"n >= 0\"",
            "table = \"few\"\nkey = [\"id\"]\n[target.columns]\nid = \"id\"\nword = \"word\"\ndocument = \"$document\"",
        );
        let fault = stage.run(walk(&stage.open(&definition), 100, &effort())).expect_err("too long");
        assert_eq!(fault.class, Class::Poison, "{kind:?}: {fault}");
    }
}

#[test]
fn rows_that_a_policy_hides_are_never_passed_over_in_silence() {
    let mut stage = Stage::new(Kind::Postgres);
    let role = format!("hidden_{}", stage.one("SELECT current_database()::text"));
    stage.execute(&format!(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, tenant INTEGER NOT NULL); INSERT INTO orders VALUES (1, 1), (2, 2);
         CREATE TABLE history (id INTEGER PRIMARY KEY, document TEXT);
         CREATE ROLE {role} LOGIN PASSWORD 'hunter2'; GRANT ALL ON orders, history TO {role};
         CREATE POLICY own ON orders USING (tenant = 1)"
    ));
    let url = stage.database.url();
    let (head, database) = url.rsplit_once('/').expect("a URL");
    let (_, host) = head.rsplit_once('@').or_else(|| head.rsplit_once("//")).expect("a host");
    stage.options = ConnectOptions::from_url(&format!("postgres://{role}:hunter2@{host}/{database}")).expect("a URL");
    let definition =
        stage.definition("table = \"orders\"\nkey = [\"id\"]", &GOOD_TARGET.replace("create = true\n", ""));
    let rows = stage.open(&definition);
    // The policy comes into force while milkrun is at work.
    let range = stage.run(range(&rows)).expect("rows");
    stage.execute("ALTER TABLE orders ENABLE ROW LEVEL SECURITY");
    let fault = stage.run(rows.read(&range, None, 100, LIMIT)).expect_err("hidden rows");
    assert_eq!(fault.class, Class::Fatal, "{fault}");
    let said = fault.to_string();
    assert!(said.contains("row-level security would hide rows") && said.contains("BYPASSRLS"), "{said}");
    drop(rows);
    let found = match stage.try_open(&definition) {
        Err(RowsError::Problems(problems)) => problems,
        other => panic!("{:?}", other.map(|_| ()).map_err(|error| error.to_string())),
    };
    assert_eq!(found[0].field, "source.table", "{found:?}");
    assert!(found[0].message.contains("row-level security of `orders`") && found[0].hint.contains("BYPASSRLS"));
    stage.execute(&format!("ALTER ROLE {role} BYPASSRLS"));
    assert_eq!(stage.move_all(&definition, 100).moved, 2);
}

#[test]
fn a_function_that_may_answer_otherwise_each_time_is_refused() {
    let stage = Stage::new(Kind::Postgres);
    stage.execute(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, doc jsonb); INSERT INTO orders VALUES (1, '{\"a\": 1}'), (2, '{}');
         CREATE FUNCTION dice(n int) RETURNS boolean LANGUAGE sql AS 'SELECT random() < n';
         CREATE FUNCTION \"Even\"(n int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT n % 2 = 0'",
    );
    let source = |filter: &str| format!("table = \"orders\"\nkey = [\"id\"]\nwhere = '''{filter}'''");
    for filter in ["dice(id)", "id > 0 AND public.Dice (id)"] {
        let found = problems(&stage, &source(filter), GOOD_TARGET);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].field, "source.where");
        assert!(found[0].message.contains("`dice()`") && found[0].hint.contains("STABLE"), "{found:?}");
    }
    assert_eq!(problems(&stage, &source("\"Even\"(id) AND id IN (1, 2) AND lower('A') = 'a'"), GOOD_TARGET), []);
    // What the hint for jsonb's question mark says works.
    let definition = stage.definition(&source("jsonb_exists(doc, 'a')"), GOOD_TARGET);
    assert_eq!(stage.move_all(&definition, 100).moved, 1);
}

#[test]
fn a_text_that_postgresql_takes_for_a_time_is_refused_beside_a_column_that_is_one() {
    let source = |filter: &str| format!("table = \"orders\"\nkey = [\"id\"]\nwhere = '''{filter}'''");
    let stage = Stage::new(Kind::Postgres);
    stage.execute(
        "CREATE DOMAIN moment AS timestamptz;
         CREATE TABLE orders (id INTEGER PRIMARY KEY, day date, closed moment, note text)",
    );
    for (filter, text) in [
        ("day = 'today'", "today"),
        ("t.closed NOT IN ('epoch', 'now')", "now"),
        ("'yesterday' <> \"day\"", "yesterday"),
    ] {
        let found = problems(&stage, &source(filter), GOOD_TARGET);
        assert_eq!(shown(&found), [format!("source.where: reads the clock with `'{text}'`")], "{filter}");
        assert!(found[0].hint.contains(":pass_started"), "{found:?}");
    }
    for filter in ["note = 'today' OR note IN ('now')", "day = '2024-01-01' OR closed = 'epoch'"] {
        assert_eq!(problems(&stage, &source(filter), GOOD_TARGET), [], "{filter}");
    }
}

#[test]
fn what_postgresql_alone_can_say_is_understood_there_and_refused_elsewhere() {
    let source = |filter: &str| format!("table = \"orders\"\nkey = [\"id\"]\nwhere = \"{filter}\"");
    let stage = Stage::new(Kind::Postgres);
    stage.execute(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, label uuid NOT NULL, tags text[] NOT NULL, low INTEGER NOT NULL,
           high INTEGER NOT NULL, body tsvector NOT NULL);
         INSERT INTO orders VALUES
           (1, '6ba7b810-9dad-11d1-80b4-00c04fd430c8', '{a,b,c}', 2, 3, 'milk run'),
           (2, '6ba7b811-9dad-11d1-80b4-00c04fd430c8', '{c,b,a}', 1, 2, 'nothing')",
    );
    for filter in [
        "body @@to_tsquery('simple', 'milk')",
        "body@@pg_catalog.to_tsquery('simple', 'milk')",
        "body @@tsquery 'milk'",
        "tags[1:2] = '{a,b}'",
        "tags[low:high] = '{b,c}'",
        "label = uuid('6ba7b810-9dad-11d1-80b4-00c04fd430c8')",
        "id <@int4range(0, 2) AND ARRAY['a', 'b'] <@tags",
    ] {
        stage.execute("DROP TABLE IF EXISTS history");
        assert_eq!(stage.move_all(&stage.definition(&source(filter), GOOD_TARGET), 100).moved, 1, "{filter}");
    }
    for (kind, taken) in [(Kind::MariaDb, "variable"), (Kind::Sqlite, "parameter")] {
        let stage = shop(kind);
        assert_eq!(
            shown(&problems(&stage, &source("id <@weight"), GOOD_TARGET)),
            [format!("source.where: holds `@` outside of quotes, which this database takes for a {taken}")],
        );
        // The file alone does not say whose SQL it is; neither of them understands this.
        for filter in ["status @@to_tsquery('x')", "status[id:id] = 'a'", "status = uuid('a')"] {
            let found = problems(&stage, &source(filter), GOOD_TARGET);
            assert!(found.len() == 1 && found[0].field == "source.where", "{kind:?}: {filter}: {found:?}");
        }
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
