//! PostgreSQL.

use super::{AMPLE, SHORT, execute, fresh, one, open, rows, silent, statement};
use crate::support::postgres::postgres;
use milkrun::fault::Class;
use milkrun::sql::grid::Form;
use milkrun::sql::statement::{Bind, Statement};
use milkrun::sql::{Dialect, Make, Session, SqlError, catalog};
use std::time::{Duration, Instant};

const ENDLESS: &str =
    "SELECT count(*) FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b WHERE a + b = -1";

/// A session with an empty database of its own.
async fn session() -> (Session, String) {
    let name = fresh();
    let mut root = open(&postgres().url("postgres")).await;
    execute(&mut root, &format!("CREATE DATABASE {name}")).await.unwrap();
    root.close().await;
    let url = postgres().url(&name);
    (open(&url).await, url)
}

#[tokio::test]
async fn sessions_are_pinned() {
    let (mut session, url) = session().await;
    let name = url.rsplit('/').next().unwrap();
    for setting in [
        "timezone = 'Asia/Tokyo'",
        "datestyle = 'German'",
        "default_transaction_isolation = 'serializable'",
        "bytea_output = 'escape'",
    ] {
        execute(&mut session, &format!("ALTER DATABASE {name} SET {setting}")).await.unwrap();
    }
    let mut session = open(&url).await;
    assert_eq!((session.make(), session.default_schema()), (Make::Postgres, "public"));
    for (setting, expected) in [
        ("TimeZone", "UTC"),
        ("DateStyle", "ISO, YMD"),
        ("IntervalStyle", "postgres"),
        ("extra_float_digits", "3"),
        ("bytea_output", "hex"),
        ("standard_conforming_strings", "on"),
        ("client_encoding", "UTF8"),
        ("transaction_isolation", "read committed"),
        ("statement_timeout", "16s"),
        ("lock_timeout", "1500ms"),
        ("idle_in_transaction_session_timeout", "1min"),
        ("row_security", "off"),
    ] {
        assert_eq!(one(&mut session, &format!("SELECT current_setting('{setting}')")).await, expected, "{setting}");
    }
}

#[tokio::test]
async fn values_come_back_as_they_went() {
    let (mut session, _) = session().await;
    let mut ask = statement(&session, "SELECT ");
    ask.bind(Bind::Int(i64::MIN)).sql("::int8, ").bind(Bind::Text("a'\\😀".into())).sql("::text, encode(");
    ask.bind(Bind::Bytes(vec![0, 255]))
        .sql("::bytea, 'hex'), ")
        .bind(Bind::Unsigned(7))
        .sql("::int4, NULL::int8, true, 'x'::varchar, 5::int2");
    let found = session.rows(&ask, AMPLE).await.unwrap();
    let found: Vec<_> = found[0].iter().map(Option::as_deref).collect();
    assert_eq!(
        found,
        [Some("-9223372036854775808"), Some("a'\\😀"), Some("00ff"), Some("7"), None, Some("t"), Some("x"), Some("5")]
    );
    assert_eq!(
        one(&mut session, "SELECT true, 1.50::numeric, '\\x00ff'::bytea, 0.1::float8 + 0.2").await,
        "t 1.50 \\x00ff 0.30000000000000004"
    );
    let mut numeric = statement(&session, "SELECT 1.5::numeric WHERE 1 = ");
    numeric.bind(Bind::Int(1));
    assert!(matches!(session.rows(&numeric, AMPLE).await, Err(SqlError::Unreadable { column: 1, .. })));
    for bind in [Bind::Unsigned(u64::MAX), Bind::Text("a\0verysecret".into())] {
        let mut ask = Statement::new(Dialect::Postgres);
        ask.sql("SELECT ").bind(bind);
        let error = session.rows(&ask, AMPLE).await.unwrap_err();
        assert!(matches!(error, SqlError::Unsendable(_)), "{error}");
        silent(&error, "verysecret");
    }
}

#[tokio::test]
async fn the_server_stops_what_takes_too_long() {
    let (mut session, _) = session().await;
    let began = Instant::now();
    let error = session.rows(&statement(&session, ENDLESS), SHORT).await.unwrap_err();
    assert_eq!((error.class(), error.code()), (Class::Capacity, Some("57014")), "{error}");
    assert!(began.elapsed() < SHORT + Duration::from_millis(900), "{:?}", began.elapsed());
    assert_eq!(one(&mut session, "SELECT 1").await, "1");

    // In a transaction the limit is told on its way in, and what held before holds again after it.
    execute(&mut session, "CREATE TABLE t (id bigint PRIMARY KEY)").await.unwrap();
    session.begin(SHORT).await.unwrap();
    let insert = statement(&session, "INSERT INTO t SELECT * FROM generate_series(1, 100000000)");
    assert_eq!(session.execute(&insert, SHORT).await.unwrap_err().code(), Some("57014"));
    session.rollback(AMPLE).await.unwrap();
    assert_eq!(one(&mut session, "SELECT count(*) FROM t").await, "0");
    assert_eq!(one(&mut session, "SELECT current_setting('statement_timeout')").await, "16s");
    session.begin(AMPLE).await.unwrap();
    let error = session.rows(&statement(&session, ENDLESS), SHORT).await.unwrap_err();
    assert_eq!(error.code(), Some("57014"));
    session.rollback(AMPLE).await.unwrap();
}

#[tokio::test]
async fn an_abandoned_call_loses_the_session_and_its_transaction() {
    let (mut session, url) = session().await;
    execute(&mut session, "CREATE TABLE t (id int PRIMARY KEY)").await.unwrap();
    session.begin(AMPLE).await.unwrap();
    execute(&mut session, "INSERT INTO t VALUES (1)").await.unwrap();
    let endless = statement(&session, ENDLESS);
    assert!(tokio::time::timeout(Duration::from_millis(50), session.rows(&endless, SHORT)).await.is_err());
    assert!(session.is_lost());
    drop(session);
    let mut other = open(&url).await;
    assert_eq!(execute(&mut other, "INSERT INTO t VALUES (1)").await.unwrap(), 1);
}

#[tokio::test]
async fn a_failed_transaction_is_never_reported_as_committed() {
    let (mut session, _) = session().await;
    execute(&mut session, "CREATE TABLE t (id int PRIMARY KEY)").await.unwrap();
    session.begin(AMPLE).await.unwrap();
    execute(&mut session, "INSERT INTO t VALUES (1)").await.unwrap();
    execute(&mut session, "INSERT INTO t VALUES (1)").await.unwrap_err();
    // PostgreSQL itself would answer COMMIT with a rollback.
    assert!(matches!(session.commit(AMPLE).await, Err(SqlError::Spoiled)));
    session.rollback(AMPLE).await.unwrap();
    session.begin_read_only(AMPLE).await.unwrap();
    assert_eq!(one(&mut session, "SELECT current_setting('transaction_isolation')").await, "repeatable read");
    assert_eq!(execute(&mut session, "INSERT INTO t VALUES (1)").await.unwrap_err().code(), Some("25006"));
    session.rollback(AMPLE).await.unwrap();
    assert_eq!(one(&mut session, "SELECT count(*) FROM t").await, "0");
    assert!(session.warnings(AMPLE).await.unwrap().is_empty());
}

#[tokio::test]
async fn errors_have_classes_and_quote_nothing() {
    let (mut session, _) = session().await;
    execute(
        &mut session,
        "CREATE TABLE t (id int PRIMARY KEY, u text UNIQUE, n int NOT NULL, c varchar(3), d date, CONSTRAINT positive CHECK (n > 0))",
    )
    .await
    .unwrap();
    execute(&mut session, "INSERT INTO t (id, u, n) VALUES (1, 'verysecret', 1)").await.unwrap();
    for (sql, code, class, column, constraint) in [
        ("INSERT INTO t (id, u, n) VALUES (2, 'verysecret', 1)", "23505", Class::Transient, None, Some("t_u_key")),
        ("INSERT INTO t (id, u) VALUES (3, 'verysecret')", "23502", Class::Poison, Some("n"), None),
        ("INSERT INTO t (id, n, c) VALUES (3, 1, 'verysecret')", "22001", Class::Poison, None, None),
        ("INSERT INTO t (id, n, d) VALUES (3, 1, 'verysecret')", "22007", Class::Poison, None, None),
        ("INSERT INTO t (id, n, u) VALUES (3, -1, 'verysecret')", "23514", Class::Poison, None, Some("positive")),
        ("INSERT INTO missing VALUES ('verysecret')", "42P01", Class::Fatal, None, None),
        ("INSERT INTO t (missing) VALUES ('verysecret')", "42703", Class::Fatal, Some("missing"), None),
        ("SELEKT 'verysecret'", "42601", Class::Fatal, None, None),
        ("DO $$ BEGIN RAISE 'verysecret'; END $$", "P0001", Class::Poison, None, None),
    ] {
        let error = execute(&mut session, sql).await.unwrap_err();
        assert_eq!((error.code(), error.class()), (Some(code), class), "{sql}: {error}");
        assert_eq!((error.column(), error.constraint()), (column, constraint), "{sql}: {error}");
        silent(&error, "verysecret");
    }
    let error = execute(&mut session, "INSERT INTO missing VALUES (1)").await.unwrap_err();
    assert_eq!(error.refusal().unwrap().table.as_deref(), Some("missing"));
}

#[tokio::test]
async fn locks_are_waited_for_a_while() {
    let (mut session, url) = session().await;
    execute(&mut session, "CREATE TABLE t (id int PRIMARY KEY, n int)").await.unwrap();
    execute(&mut session, "INSERT INTO t VALUES (1, 1), (2, 2)").await.unwrap();
    let mut other = open(&url).await;
    session.begin(AMPLE).await.unwrap();
    execute(&mut session, "UPDATE t SET n = 3 WHERE id = 1").await.unwrap();
    other.begin(Duration::from_secs(2)).await.unwrap();
    let update = statement(&other, "UPDATE t SET n = 4 WHERE id = 1");
    let began = Instant::now();
    let error = other.execute(&update, Duration::from_secs(2)).await.unwrap_err();
    assert_eq!((error.code(), error.class()), (Some("55P03"), Class::Locked));
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    other.rollback(AMPLE).await.unwrap();

    other.begin(AMPLE).await.unwrap();
    execute(&mut other, "UPDATE t SET n = 5 WHERE id = 2").await.unwrap();
    let (here, there) = tokio::join!(
        execute(&mut session, "UPDATE t SET n = 3 WHERE id = 2"),
        execute(&mut other, "UPDATE t SET n = 4 WHERE id = 1")
    );
    let error = here.and(there).unwrap_err();
    assert_eq!((error.code(), error.class()), (Some("40P01"), Class::Transient));
}

#[tokio::test]
async fn a_terminated_connection_is_lost() {
    let (mut session, url) = session().await;
    let id = one(&mut session, "SELECT pg_backend_pid()").await;
    let mut other = open(&url).await;
    assert_eq!(one(&mut other, &format!("SELECT pg_terminate_backend({id})")).await, "t");
    let error = execute(&mut session, "SELECT 1").await.unwrap_err();
    assert_eq!(error.class(), Class::Transient, "{error}");
    assert!(matches!(session.ping(AMPLE).await, Err(SqlError::Abandoned)));
    other.ping(AMPLE).await.unwrap();
}

#[tokio::test]
async fn the_catalog_says_what_a_table_is() {
    let (mut session, _) = session().await;
    for sql in [
        "CREATE DOMAIN price AS numeric(10,2)",
        "CREATE DOMAIN fee AS price NOT NULL",
        "CREATE SCHEMA \"my \"\"sales\"",
        "CREATE TABLE \"my \"\"sales\".\"order's\" (id bigint GENERATED ALWAYS AS IDENTITY, name varchar(40) COLLATE \"C\" NOT NULL, \
         code char(3) NOT NULL, amount numeric(12,3), bare numeric, at timestamptz(3) NOT NULL, plain timestamp, f fee, doc jsonb, \
         tags text[], nums numeric(5,1)[], bits bit(7), gap interval(2), g int GENERATED ALWAYS AS (1) STORED, d int DEFAULT 1, \
         own serial, PRIMARY KEY (id, at))",
    ] {
        execute(&mut session, sql).await.unwrap();
    }
    let on = "ON \"my \"\"sales\".\"order's\"";
    for sql in [
        format!("CREATE UNIQUE INDEX code {on} (code) INCLUDE (name)"),
        format!("CREATE UNIQUE INDEX partial {on} (code) WHERE d > 1"),
        format!("CREATE UNIQUE INDEX expression {on} (code, lower(name))"),
        format!("CREATE INDEX pattern {on} (name text_pattern_ops)"),
        format!("CREATE INDEX collated {on} (code COLLATE \"C\")"),
        format!("CREATE INDEX hashed {on} USING hash (name)"),
        format!("CREATE INDEX several {on} (d, at)"),
        "ALTER TABLE \"my \"\"sales\".\"order's\" ADD CONSTRAINT later UNIQUE (d) DEFERRABLE".to_owned(),
    ] {
        execute(&mut session, &sql).await.unwrap();
    }
    let table = catalog::table(&mut session, Some("my \"sales"), "order's", AMPLE).await.unwrap().unwrap();
    assert_eq!((table.schema.as_str(), table.name.as_str(), table.is_view), ("my \"sales", "order's", false));
    let column = |name: &str| table.column(name).unwrap();
    assert_eq!(table.columns.len(), 16);
    assert!(
        column("id").base == "int8" && column("id").generated && column("id").has_default && !column("id").nullable
    );
    assert_eq!((column("name").type_name.as_str(), column("name").length), ("character varying(40)", Some(40)));
    assert_eq!((column("name").collation.as_deref(), column("code").collation.as_deref()), (Some("\"C\""), None));
    assert_eq!((column("code").base.as_str(), column("code").length), ("bpchar", Some(3)));
    assert_eq!((column("amount").precision, column("amount").scale), (Some(12), Some(3)));
    assert_eq!((column("bare").precision, column("bare").scale), (None, None));
    assert_eq!(
        (column("at").base.as_str(), column("at").fraction, column("plain").fraction),
        ("timestamptz", Some(3), None)
    );
    let fee = column("f");
    assert_eq!((fee.base.as_str(), fee.precision, fee.scale, fee.nullable), ("numeric", Some(10), Some(2), false));
    assert_eq!((fee.domain.as_deref(), fee.resolved.as_str()), (Some("fee"), "numeric(10,2)"));
    assert!(column("doc").is_json && !column("tags").is_json);
    assert_eq!((column("tags").base.as_str(), column("tags").element.as_deref()), ("_text", Some("text")));
    assert_eq!((column("nums").element.as_deref(), column("nums").scale), (Some("numeric"), Some(1)));
    assert_eq!((column("bits").length, column("gap").fraction), (Some(7), Some(2)));
    assert!(column("g").generated && !column("g").has_default && column("d").has_default && column("own").has_default);

    let index = |name: &str| table.indexes.iter().find(|index| index.name == name).unwrap();
    assert_eq!(table.primary().unwrap().columns, ["id", "at"]);
    assert!(index("code").unique && index("code").usable && index("code").columns == ["code"]);
    assert!(!index("partial").unique && !index("partial").usable);
    assert!(!index("expression").unique && index("expression").columns == ["code"]);
    assert!(!index("pattern").usable && !index("collated").usable && !index("hashed").usable);
    assert!(!index("later").unique && index("several").usable);

    assert_eq!(catalog::table(&mut session, None, "order's", AMPLE).await.unwrap(), None);
    execute(&mut session, "CREATE VIEW seen AS SELECT 1 AS one").await.unwrap();
    assert!(catalog::table(&mut session, None, "seen", AMPLE).await.unwrap().unwrap().is_view);
    execute(&mut session, "CREATE TABLE big AS SELECT * FROM generate_series(1, 5000) id").await.unwrap();
    execute(&mut session, "CREATE TABLE parts (id int) PARTITION BY RANGE (id)").await.unwrap();
    execute(&mut session, "CREATE TABLE part PARTITION OF parts FOR VALUES FROM (0) TO (10000)").await.unwrap();
    execute(&mut session, "INSERT INTO parts SELECT id FROM big").await.unwrap();
    assert!(catalog::table(&mut session, None, "big", AMPLE).await.unwrap().unwrap().rows_estimate > 500);
    execute(&mut session, "ANALYZE big, parts").await.unwrap();
    for name in ["big", "parts"] {
        assert_eq!(
            catalog::table(&mut session, None, name, AMPLE).await.unwrap().unwrap().rows_estimate,
            5000,
            "{name}"
        );
    }
}

#[tokio::test]
async fn privileges_of_a_reader() {
    let (mut root, url) = session().await;
    let user = fresh();
    for sql in [
        "CREATE TABLE a (id int PRIMARY KEY, j json)".to_owned(),
        "CREATE TABLE b (id int PRIMARY KEY, n int)".to_owned(),
        "CREATE SCHEMA closed CREATE TABLE a (id int)".to_owned(),
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC".to_owned(),
        format!("CREATE ROLE {user} LOGIN"),
        format!("CREATE ROLE role_{user}"),
        format!("GRANT SELECT ON a TO {user}"),
        format!("GRANT SELECT ON closed.a TO {user}"),
        format!("GRANT SELECT (id), INSERT (n) ON b TO {user}"),
        format!("GRANT INSERT, DELETE ON a TO role_{user}"),
    ] {
        execute(&mut root, &sql).await.unwrap();
    }
    let mut reader = open(&url.replace("postgres@", &format!("{user}@"))).await;
    let a = catalog::privileges(&mut reader, None, "a", AMPLE).await.unwrap();
    assert!(a.select && !a.insert && !a.update && !a.delete && !a.create);
    let b = catalog::privileges(&mut reader, None, "b", AMPLE).await.unwrap();
    assert!(!b.select && !b.insert);
    assert_eq!((b.select_columns, b.insert_columns), (vec!["id".to_owned()], vec!["n".to_owned()]));
    assert!(!catalog::privileges(&mut reader, Some("closed"), "a", AMPLE).await.unwrap().select);
    assert!(!catalog::privileges(&mut reader, Some("missing"), "a", AMPLE).await.unwrap().select);
    let error = execute(&mut reader, "INSERT INTO a (id) VALUES (1)").await.unwrap_err();
    assert_eq!((error.code(), error.class()), (Some("42501"), Class::Fatal));
    assert_eq!(error.refusal().unwrap().table.as_deref(), Some("a"));
    execute(&mut root, &format!("GRANT role_{user} TO {user}")).await.unwrap();
    let a = catalog::privileges(&mut reader, None, "a", AMPLE).await.unwrap();
    assert!(a.select && a.insert && a.delete && !a.update && !a.create);
    let all = catalog::privileges(&mut root, None, "missing", AMPLE).await.unwrap();
    assert!(all.select && all.insert && all.create);
    assert_eq!(rows(&mut reader, "SELECT id FROM a").await.len(), 0);
}

#[tokio::test]
async fn many_rows_are_copied_out_and_the_session_knows_when_it_can_go_on() {
    let (mut session, url) = session().await;
    let ask = |session: &Session, from: &str| {
        let mut ask = statement(session, "SELECT n::text, ");
        ask.bind(Bind::Text("it's \\ $1\n\t😀".into())).sql("::text, ");
        ask.bind(Bind::Bytes(vec![0, 255])).sql("::bytea, CASE WHEN n < ").bind(Bind::Int(0)).sql(" THEN '' END FROM ");
        ask.sql(from).sql(" ORDER BY n");
        ask
    };
    let many = ask(&session, "generate_series(1, 1000) n");
    for bytes in [u64::MAX, 500, 1] {
        let copied = session.read_many(&many, Form::Cast, bytes, AMPLE).await.unwrap();
        assert_eq!(copied, session.read(&many, bytes, AMPLE).await.unwrap(), "{bytes}");
        assert_eq!(copied.rows.cell(0, 2), Some(&[0, 255][..]));
        assert_eq!((copied.rows.text(0, 1), copied.rows.cell(0, 3)), (Some("it's \\ $1\n\t😀"), None));
    }
    let none = session.read_many(&ask(&session, "generate_series(1, 0) n"), Form::Cast, 1, AMPLE).await.unwrap();
    assert!(none.rows.is_empty() && !none.is_cut);
    let mut nul = statement(&session, "SELECT ");
    nul.bind(Bind::Text("\0".into())).sql("::text");
    assert!(matches!(session.read_many(&nul, Form::Cast, 1, AMPLE).await, Err(SqlError::Unsendable(_))));
    // What fails on the way leaves the session as it was,
    let broken = statement(&session, "SELECT (1 / (n - 900))::text FROM generate_series(1, 1000) n");
    let error = session.read_many(&broken, Form::Cast, u64::MAX, AMPLE).await.unwrap_err();
    assert_eq!((error.code(), session.is_lost()), (Some("22012"), false));
    assert_eq!(one(&mut session, "SELECT 1").await, "1");
    let slow = session.read_many(&statement(&session, ENDLESS), Form::Cast, u64::MAX, SHORT).await.unwrap_err();
    assert_eq!((slow.class(), session.is_lost()), (Class::Capacity, false));
    session.begin_read_only(AMPLE).await.unwrap();
    assert_eq!(session.read_many(&many, Form::Cast, u64::MAX, AMPLE).await.unwrap().rows.len(), 1000);
    session.rollback(AMPLE).await.unwrap();
    assert_eq!(one(&mut session, "SELECT 2").await, "2");
    // what is refused at once costs it, and is said.
    let wrong = statement(&session, "SELECT nothing FROM nowhere");
    let error = session.read_many(&wrong, Form::Cast, 1, AMPLE).await.unwrap_err();
    assert_eq!((error.code(), session.is_lost()), (Some("42P01"), true));
    assert!(matches!(session.read_many(&many, Form::Cast, 1, AMPLE).await, Err(SqlError::Abandoned)));
    assert_eq!(one(&mut open(&url).await, "SELECT 3").await, "3");
}

/// What a type prints by itself is what a cast to text gives, of every type of which that is taken for granted.
#[tokio::test]
async fn values_print_themselves_as_a_cast_prints_them() {
    const VALUES: [(&str, &str); 14] = [
        ("int2", "-32768, 0, 32767"),
        ("int4", "-2147483648, 2147483647"),
        ("int8", "-9223372036854775808, 9223372036854775807"),
        ("numeric", "'NaN', 'Infinity', -0.00, 1e-30, 1e40, 12345678901234567890123456789.0123456789"),
        ("float4", "'NaN', '-Infinity', -0, 1e-45, 3.4028235e38, 0.1"),
        ("float8", "'NaN', 'Infinity', -0, 5e-324, 1.7976931348623157e308, 0.1"),
        ("date", "'-infinity', '0044-03-15 BC', '0001-01-01', '9999-12-31'"),
        ("time", "'00:00', '24:00', '12:34:56.789012'"),
        ("timestamp", "'infinity', '4713-01-01 BC', '2020-02-29 12:00:00.5'"),
        ("uuid", "'00112233-4455-6677-8899-aabbccddeeff'"),
        ("text", "'', 'it''s \\N', E'\\\\N', E'a\\tb\\nc\\rd\\be\\ff\\vg\\\\', '😀 é \u{1}'"),
        ("varchar", "' blanks ', E'\\\\', '\\.'"),
        ("json", "'{\"a\": [1,\t2], \"b\": \"\\u00e9\\\\\"}'"),
        ("jsonb", "'{\"b\": \"\\t\\\\\", \"a\": null}'"),
    ];
    let (mut session, _) = session().await;
    for (of, values) in VALUES {
        let from = format!("(SELECT NULL::{of} UNION ALL SELECT unnest(ARRAY[{values}]::{of}[])) v (x)");
        let cast = statement(&session, &format!("SELECT x::text, 'behind' FROM {from}"));
        let bare = statement(&session, &format!("SELECT x, 'behind' FROM {from}"));
        let expected = session.read_many(&cast, Form::Cast, u64::MAX, AMPLE).await.unwrap();
        let printed = session.read_many(&bare, Form::Printed, u64::MAX, AMPLE).await.unwrap();
        let texts = |page: &milkrun::sql::grid::Page| -> Vec<Option<Vec<u8>>> {
            (0..page.rows.len()).map(|row| page.rows.cell(row, 0).map(<[u8]>::to_vec)).collect()
        };
        assert_eq!(texts(&printed), texts(&expected), "{of}");
        assert!(
            expected.rows.len() > 1 && (0..printed.rows.len()).all(|row| printed.rows.text(row, 1) == Some("behind"))
        );
    }
}
