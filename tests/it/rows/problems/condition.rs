//! Conditions that the database does not take, or to which it has no answer that lasts.

use super::{GOOD_TARGET, problems, shop, shown};
use crate::rows::stage::{Kind, LIMIT, Stage, effort, range, walk};
use milkrun::engine::migration::Migration as _;
use milkrun::fault::Class;

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
