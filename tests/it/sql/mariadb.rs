//! MariaDB, and MySQL's way to stop a statement.

mod catalog;

use super::{AMPLE, SHORT, execute, fresh, one, open, silent, statement};
use crate::support::mariadb::mariadb;
use milkrun::fault::Class;
use milkrun::sql::statement::{Bind, Statement};
use milkrun::sql::{ConnectOptions, Dialect, Make, Session, SqlError};
use std::time::{Duration, Instant};

const ENDLESS: &str = "SELECT COUNT(*) FROM seq_1_to_10000000 a JOIN seq_1_to_10000000 b ON a.seq + b.seq = -1";

/// A session with an empty database of its own.
async fn session() -> (Session, String) {
    let name = fresh();
    let mut root = open(&mariadb().url("mysql")).await;
    execute(&mut root, &format!("CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"))
        .await
        .unwrap();
    root.close().await;
    let url = mariadb().url(&name);
    (open(&url).await, url)
}

#[tokio::test]
async fn sessions_are_pinned() {
    let name = fresh();
    let mut session = open(&mariadb().url("mysql")).await;
    execute(&mut session, &format!("CREATE DATABASE {name}")).await.unwrap();
    execute(&mut session, "SET GLOBAL sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT,NO_ZERO_DATE,NO_BACKSLASH_ESCAPES', GLOBAL time_zone = '+05:00', GLOBAL sql_notes = 0")
        .await
        .unwrap();
    let mut session = open(&mariadb().url(&name)).await;
    let mut root = open(&mariadb().url("mysql")).await;
    execute(&mut root, "SET GLOBAL sql_mode = DEFAULT, GLOBAL time_zone = DEFAULT, GLOBAL sql_notes = DEFAULT")
        .await
        .unwrap();
    assert_eq!((session.make(), session.default_schema()), (Make::MariaDb, name.as_str()));
    assert_eq!(session.max_packet(), 16 << 20);
    for (variable, expected) in [
        ("sql_mode", "NO_AUTO_VALUE_ON_ZERO,STRICT_TRANS_TABLES,STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION"),
        ("time_zone", "+00:00"),
        ("tx_isolation", "READ-COMMITTED"),
        ("autocommit", "1"),
        ("character_set_client", "utf8mb4"),
        ("character_set_connection", "utf8mb4"),
        ("character_set_results", "utf8mb4"),
        ("collation_connection", "utf8mb4_general_ci"),
        ("group_concat_max_len", "1073741824"),
        ("innodb_lock_wait_timeout", "1"),
        ("lock_wait_timeout", "1"),
        ("max_statement_time", "16.000000"),
        ("idle_transaction_timeout", "60"),
        ("wait_timeout", "600"),
        ("sql_notes", "1"),
        ("foreign_key_checks", "1"),
        ("unique_checks", "1"),
        ("check_constraint_checks", "1"),
    ] {
        assert_eq!(one(&mut session, &format!("SELECT @@session.{variable}")).await, expected, "{variable}");
    }
    assert!(one(&mut session, "SELECT @@optimizer_switch").await.contains("exists_to_in=off"));
    execute(&mut session, "CREATE TABLE z (d DATE, t TIMESTAMP NULL, n VARCHAR(9) COLLATE utf8mb4_bin)").await.unwrap();
    execute(&mut session, "INSERT INTO z VALUES ('0000-00-00', '2020-01-01 00:00:00', 'A')").await.unwrap();
    assert_eq!(one(&mut session, "SELECT d, t, 1 || 0 FROM z").await, "0000-00-00 2020-01-01 00:00:00 1");
    // Bound text takes the column's collation, whichever it is.
    let mut ask = Statement::new(Dialect::MySql);
    ask.sql("SELECT COUNT(*) FROM z WHERE n = ").bind(Bind::Text("a".into()));
    assert_eq!(session.rows(&ask, AMPLE).await.unwrap(), [[Some("0".to_owned())]]);
    let mut ask = Statement::new(Dialect::MySql);
    ask.sql("SELECT COUNT(*) FROM mysql.user WHERE '\u{1f600}' = ").bind(Bind::Text("x".into()));
    assert_eq!(session.rows(&ask, AMPLE).await.unwrap(), [[Some("0".to_owned())]]);
}

#[tokio::test]
async fn values_come_back_as_they_went() {
    let (mut session, _) = session().await;
    execute(
        &mut session,
        "CREATE TABLE v (u BIGINT UNSIGNED, i BIGINT, t TEXT, b BLOB, d DECIMAL(65,30), n INT, y YEAR)",
    )
    .await
    .unwrap();
    let mut insert = Statement::new(Dialect::MySql);
    insert
        .sql("INSERT INTO v (u, i, t, b) VALUES (")
        .bind(Bind::Unsigned(u64::MAX))
        .sql(", ")
        .bind(Bind::Int(i64::MIN));
    insert.sql(", ").bind(Bind::Text("a\0'\\😀".into())).sql(", ").bind(Bind::Bytes(vec![0, 255])).sql(")");
    assert_eq!(session.execute(&insert, AMPLE).await.unwrap(), 1);
    execute(
        &mut session,
        "UPDATE v SET d = '12345678901234567890123456789012345.123456789012345678901234567890', y = 2155",
    )
    .await
    .unwrap();
    let expected: Vec<Option<String>> = [
        Some("18446744073709551615"),
        Some("-9223372036854775808"),
        Some("a\0'\\😀"),
        Some("00FF"),
        Some("12345678901234567890123456789012345.123456789012345678901234567890"),
        None,
        Some("2155"),
        Some("1"),
    ]
    .into_iter()
    .map(|cell| cell.map(str::to_owned))
    .collect();
    let sql = "SELECT u, i, t, HEX(b), d, n, y, COUNT(*) OVER () FROM v";
    assert_eq!(session.rows(&statement(&session, sql), AMPLE).await.unwrap(), std::slice::from_ref(&expected));
    let mut prepared = statement(&session, sql);
    prepared.sql(" WHERE 1 = ").bind(Bind::Int(1));
    assert_eq!(session.rows(&prepared, AMPLE).await.unwrap(), [expected]);
    // A date that is not cast is refused rather than taken for NULL.
    let mut date = statement(&session, "SELECT DATE('2020-01-01') WHERE 1 = ");
    date.bind(Bind::Int(1));
    let error = session.rows(&date, AMPLE).await.unwrap_err();
    assert!(matches!(error, SqlError::Unreadable { column: 1, .. }), "{error}");
}

#[tokio::test]
async fn the_server_stops_what_takes_too_long() {
    let (mut session, _) = session().await;
    let began = Instant::now();
    let error = session.rows(&statement(&session, ENDLESS), SHORT).await.unwrap_err();
    assert_eq!((error.class(), error.code()), (Class::Capacity, Some("1969")), "{error}");
    assert!(began.elapsed() < SHORT + Duration::from_millis(900), "{:?}", began.elapsed());
    assert_eq!(one(&mut session, "SELECT 1").await, "1");

    execute(&mut session, "CREATE TABLE t (id BIGINT PRIMARY KEY)").await.unwrap();
    session.begin(SHORT).await.unwrap();
    let mut insert = statement(&session, "INSERT INTO t SELECT seq FROM seq_1_to_100000000 WHERE seq > ");
    insert.bind(Bind::Int(0));
    let error = session.execute(&insert, SHORT).await.unwrap_err();
    assert_eq!(error.code(), Some("1969"));
    session.rollback(AMPLE).await.unwrap();
    assert_eq!(one(&mut session, "SELECT COUNT(*) FROM t").await, "0");
}

#[tokio::test]
async fn mysql_is_stopped_from_a_second_connection() {
    let (session, url) = session().await;
    session.close().await;
    let mut options = ConnectOptions::from_url(&url).unwrap();
    options.make = Some(Make::MySql);
    let mut session = Session::open(&options, AMPLE).await.unwrap();
    assert_eq!(one(&mut session, "SELECT @@max_statement_time").await, "0.000000");
    let id = one(&mut session, "SELECT CONNECTION_ID()").await;
    let began = Instant::now();
    let error = session.rows(&statement(&session, ENDLESS), SHORT).await.unwrap_err();
    assert_eq!((error.class(), error.code()), (Class::Capacity, Some("1317")), "{error}");
    assert!(began.elapsed() >= SHORT && began.elapsed() < SHORT + Duration::from_millis(900), "{:?}", began.elapsed());
    for _ in 0..20 {
        assert_eq!(one(&mut session, "SELECT CONNECTION_ID()").await, id);
    }
    // An INSERT … SELECT too, which MySQL's own limit does not cover; with values, so that it is prepared.
    execute(&mut session, "CREATE TABLE t (id BIGINT PRIMARY KEY)").await.unwrap();
    session.begin(SHORT).await.unwrap();
    let mut insert = statement(&session, "INSERT INTO t SELECT seq FROM seq_1_to_100000000 WHERE seq > ");
    insert.bind(Bind::Int(0));
    assert_eq!(session.execute(&insert, SHORT).await.unwrap_err().code(), Some("1317"));
    session.rollback(AMPLE).await.unwrap();
    assert_eq!(one(&mut session, "SELECT COUNT(*) FROM t").await, "0");
}

#[tokio::test]
async fn an_abandoned_call_loses_the_session_and_its_transaction() {
    let (mut session, url) = session().await;
    execute(&mut session, "CREATE TABLE t (id INT PRIMARY KEY)").await.unwrap();
    session.begin(AMPLE).await.unwrap();
    execute(&mut session, "INSERT INTO t VALUES (1)").await.unwrap();
    let endless = statement(&session, ENDLESS);
    let dropped = tokio::time::timeout(Duration::from_millis(50), session.rows(&endless, SHORT)).await;
    assert!(dropped.is_err());
    assert!(session.is_lost());
    assert!(matches!(session.commit(AMPLE).await, Err(SqlError::Abandoned)));
    drop(session);
    // Waits for the row's lock, which goes with the transaction.
    let mut other = open(&url).await;
    assert_eq!(execute(&mut other, "INSERT INTO t VALUES (1)").await.unwrap(), 1);
}

#[tokio::test]
async fn a_failed_transaction_can_only_be_rolled_back() {
    let (mut session, _) = session().await;
    execute(&mut session, "CREATE TABLE t (id INT PRIMARY KEY) ").await.unwrap();
    session.begin(AMPLE).await.unwrap();
    execute(&mut session, "INSERT INTO t VALUES (1)").await.unwrap();
    execute(&mut session, "INSERT INTO t VALUES (1)").await.unwrap_err();
    assert!(matches!(execute(&mut session, "INSERT INTO t VALUES (2)").await, Err(SqlError::Spoiled)));
    assert!(matches!(session.commit(AMPLE).await, Err(SqlError::Spoiled)));
    // The next one rolls it back by itself.
    session.begin(AMPLE).await.unwrap();
    assert_eq!(one(&mut session, "SELECT COUNT(*) FROM t").await, "0");
    execute(&mut session, "INSERT INTO t VALUES (3)").await.unwrap();
    session.commit(AMPLE).await.unwrap();
    assert_eq!(one(&mut session, "SELECT id FROM t").await, "3");
}

#[tokio::test]
async fn a_read_only_transaction_is_one_snapshot() {
    let (mut session, url) = session().await;
    execute(&mut session, "CREATE TABLE t (id INT PRIMARY KEY)").await.unwrap();
    session.begin_read_only(AMPLE).await.unwrap();
    let mut other = open(&url).await;
    execute(&mut other, "INSERT INTO t VALUES (1)").await.unwrap();
    assert_eq!(one(&mut session, "SELECT COUNT(*) FROM t").await, "0");
    assert_eq!(execute(&mut session, "INSERT INTO t VALUES (2)").await.unwrap_err().code(), Some("1792"));
    session.rollback(AMPLE).await.unwrap();
    assert_eq!(one(&mut session, "SELECT COUNT(*) FROM t").await, "1");
    assert_eq!(one(&mut session, "SELECT @@tx_isolation").await, "READ-COMMITTED");
}

#[tokio::test]
async fn errors_have_classes_and_quote_nothing() {
    let (mut session, _) = session().await;
    execute(
        &mut session,
        "CREATE TABLE t (id INT PRIMARY KEY, u VARCHAR(40) UNIQUE, n INT NOT NULL, d DATE, c VARCHAR(3) CHECK (c <> 'bad'), \
         e ENUM('a'), CONSTRAINT positive CHECK (n > 0))",
    )
    .await
    .unwrap();
    execute(&mut session, "INSERT INTO t (id, u, n) VALUES (1, 'verysecret', 1)").await.unwrap();
    for (sql, code, class, column, constraint) in [
        ("INSERT INTO t (id, u, n) VALUES (2, 'verysecret', 1)", "1062", Class::Transient, None, None),
        ("INSERT INTO t (id, n) VALUES (3, NULL)", "1048", Class::Poison, Some("n"), None),
        ("INSERT INTO t (id) VALUES (3)", "1364", Class::Poison, Some("n"), None),
        ("INSERT INTO t (id, n, c) VALUES (3, 1, 'verysecret')", "1406", Class::Poison, Some("c"), None),
        ("INSERT INTO t (id, n) VALUES (3, 99999999999)", "1264", Class::Poison, Some("n"), None),
        ("INSERT INTO t (id, n) VALUES (3, 'verysecret')", "1366", Class::Poison, None, None),
        ("INSERT INTO t (id, n, d) VALUES (3, 1, 'verysecret')", "1292", Class::Poison, None, None),
        ("INSERT INTO t (id, n, e) VALUES (3, 1, 'verysecret')", "1265", Class::Poison, Some("e"), None),
        ("INSERT INTO t (id, n) VALUES (3, -1)", "4025", Class::Poison, None, Some("positive")),
        ("INSERT INTO missing VALUES ('verysecret')", "1146", Class::Fatal, None, None),
        ("INSERT INTO t (missing) VALUES ('verysecret')", "1054", Class::Fatal, Some("missing"), None),
        ("SELEKT 'verysecret'", "1064", Class::Fatal, None, None),
        ("SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'verysecret'", "1644", Class::Poison, None, None),
    ] {
        let error = execute(&mut session, sql).await.unwrap_err();
        assert_eq!((error.code(), error.class()), (Some(code), class), "{sql}: {error}");
        assert_eq!((error.column(), error.constraint()), (column, constraint), "{sql}: {error}");
        silent(&error, "verysecret");
    }
    assert!(session.warnings(AMPLE).await.is_ok());
}

#[tokio::test]
async fn warnings_are_codes() {
    let (mut session, _) = session().await;
    execute(&mut session, "CREATE TABLE t (id INT, d DECIMAL(5,1))").await.unwrap();
    assert!(session.warnings(AMPLE).await.unwrap().is_empty());
    execute(&mut session, "INSERT INTO t VALUES (1, 1.25)").await.unwrap();
    assert_eq!(session.warnings(AMPLE).await.unwrap(), [1265]);
    let mut insert = statement(&session, "INSERT INTO t SELECT id, d + 0.05 FROM t WHERE id = ");
    insert.bind(Bind::Int(1));
    session.execute(&insert, AMPLE).await.unwrap();
    assert_eq!(session.warnings(AMPLE).await.unwrap(), [1265]);
    assert_eq!(SqlError::of_warning(Dialect::MySql, 1265).class(), Class::Poison);
}

#[tokio::test]
async fn locks_are_waited_for_a_while() {
    let (mut session, url) = session().await;
    execute(&mut session, "CREATE TABLE t (id INT PRIMARY KEY, n INT)").await.unwrap();
    execute(&mut session, "INSERT INTO t VALUES (1, 1), (2, 2)").await.unwrap();
    let mut other = open(&url).await;
    session.begin(AMPLE).await.unwrap();
    execute(&mut session, "UPDATE t SET n = 3 WHERE id = 1").await.unwrap();
    other.begin(Duration::from_secs(4)).await.unwrap();
    let update = statement(&other, "UPDATE t SET n = 4 WHERE id = 1");
    let began = Instant::now();
    let error = other.execute(&update, Duration::from_secs(4)).await.unwrap_err();
    assert_eq!((error.code(), error.class()), (Some("1205"), Class::Locked));
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    other.rollback(AMPLE).await.unwrap();

    // Each waits for the other's row: one of them is the victim.
    other.begin(AMPLE).await.unwrap();
    execute(&mut other, "UPDATE t SET n = 5 WHERE id = 2").await.unwrap();
    let (here, there) = tokio::join!(
        execute(&mut session, "UPDATE t SET n = 3 WHERE id = 2"),
        execute(&mut other, "UPDATE t SET n = 4 WHERE id = 1")
    );
    let error = here.and(there).unwrap_err();
    assert_eq!((error.code(), error.class()), (Some("1213"), Class::Transient));
}

#[tokio::test]
async fn a_killed_connection_is_lost() {
    let (mut session, url) = session().await;
    let id = one(&mut session, "SELECT CONNECTION_ID()").await;
    let mut other = open(&url).await;
    execute(&mut other, &format!("KILL {id}")).await.unwrap();
    let error = execute(&mut session, "SELECT 1").await.unwrap_err();
    assert_eq!(error.class(), Class::Transient, "{error}");
    assert!(matches!(session.ping(AMPLE).await, Err(SqlError::Abandoned)));
    other.ping(AMPLE).await.unwrap();
}
