//! PostgreSQL.

mod catalog;
mod copied;
mod native;

use super::{AMPLE, SHORT, execute, fresh, one, open, silent, statement};
use crate::support::postgres::postgres;
use milkrun::fault::Class;
use milkrun::sql::statement::{Bind, Statement};
use milkrun::sql::{Dialect, Make, Session, SqlError};
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
        "array_nulls = off",
        "xmloption = 'document'",
        "synchronous_commit = off",
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
        ("array_nulls", "on"),
        ("xmloption", "content"),
        ("standard_conforming_strings", "on"),
        ("client_encoding", "UTF8"),
        ("transaction_isolation", "read committed"),
        ("statement_timeout", "16s"),
        ("lock_timeout", "1500ms"),
        ("idle_in_transaction_session_timeout", "1min"),
        ("row_security", "off"),
        ("synchronous_commit", "on"),
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
