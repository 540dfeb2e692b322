//! MariaDB, and MySQL's way to stop a statement.

use super::{AMPLE, SHORT, execute, fresh, one, open, rows, silent, statement};
use crate::support::mariadb::mariadb;
use milkrun::fault::Class;
use milkrun::sql::statement::{Bind, Statement};
use milkrun::sql::{ConnectOptions, Dialect, Make, Session, SqlError, catalog};
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
    execute(&mut session, "SET GLOBAL sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT,NO_ZERO_DATE,NO_BACKSLASH_ESCAPES', GLOBAL time_zone = '+05:00'")
        .await
        .unwrap();
    let mut session = open(&mariadb().url(&name)).await;
    let mut root = open(&mariadb().url("mysql")).await;
    execute(&mut root, "SET GLOBAL sql_mode = DEFAULT, GLOBAL time_zone = DEFAULT").await.unwrap();
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

#[tokio::test]
async fn the_catalog_says_what_a_table_is() {
    let (mut session, _) = session().await;
    execute(
        &mut session,
        "CREATE TABLE `order``s x` (id BIGINT UNSIGNED, `a``b` JSON, plain LONGTEXT, amount DECIMAL(10,2) NOT NULL DEFAULT 0, \
         at DATETIME(6) NOT NULL, stamp TIMESTAMP(3) NULL, code CHAR(3) CHARACTER SET latin1 NOT NULL, \
         name VARCHAR(40) COLLATE utf8mb4_bin, bin VARBINARY(20), bits BIT(7), flag TINYINT(1), guid UUID, e ENUM('x','y'), \
         g INT AS (flag + 1) VIRTUAL, body TEXT, auto INT AUTO_INCREMENT, PRIMARY KEY (id, at), UNIQUE KEY code (code), \
         KEY prefix (name(10), code), KEY several (flag, at), KEY ignored (stamp) IGNORED, UNIQUE KEY hash (body), \
         KEY auto (auto), FULLTEXT KEY words (name))",
    )
    .await
    .unwrap();
    execute(&mut session, "CREATE TABLE `ORDER``S X` (other INT)").await.unwrap();
    let table = catalog::table(&mut session, None, "order`s x", AMPLE).await.unwrap().unwrap();
    assert_eq!((table.name.as_str(), table.engine.as_deref(), table.is_view), ("order`s x", Some("InnoDB"), false));
    assert_eq!(table.schema, session.default_schema());
    assert_eq!(table.columns.len(), 16);
    let column = |name: &str| table.column(name).unwrap();
    let types: Vec<&str> = table.columns.iter().map(|column| column.type_name.as_str()).collect();
    assert_eq!(types[..4], ["bigint(20) unsigned", "longtext", "longtext", "decimal(10,2)"]);
    assert!(column("id").unsigned && !column("id").nullable && column("id").base == "bigint");
    assert!(column("a`b").is_json && column("a`b").nullable && !column("plain").is_json);
    assert_eq!(
        (column("amount").precision, column("amount").scale, column("amount").has_default),
        (Some(10), Some(2), true)
    );
    assert_eq!(
        (column("at").fraction, column("stamp").fraction, column("stamp").has_default),
        (Some(6), Some(3), false)
    );
    assert_eq!((column("code").charset.as_deref(), column("code").length), (Some("latin1"), Some(3)));
    assert_eq!(column("name").collation.as_deref(), Some("utf8mb4_bin"));
    assert_eq!((column("bin").length, column("bits").length, column("bits").base.as_str()), (Some(20), Some(7), "bit"));
    assert_eq!((column("flag").type_name.as_str(), column("guid").base.as_str()), ("tinyint(1)", "uuid"));
    assert!(column("g").generated && column("auto").has_default && !column("body").has_default);

    let index = |name: &str| table.indexes.iter().find(|index| index.name == name).unwrap();
    assert_eq!(table.primary().unwrap().columns, ["id", "at"]);
    assert!(index("PRIMARY").unique && index("PRIMARY").usable && index("code").unique);
    assert!(index("prefix").columns.is_empty() && !index("prefix").usable);
    assert!(index("several").usable && !index("several").unique && !index("ignored").usable);
    assert!(index("hash").unique && !index("hash").usable && !index("words").usable);
    assert!(table.unique_over(&["at".into(), "id".into()]).is_some() && table.unique_over(&["id".into()]).is_none());
    assert!(table.index_over(&["flag".into()]).is_some() && table.index_over(&["at".into()]).is_none());

    assert_eq!(catalog::table(&mut session, None, "missing", AMPLE).await.unwrap(), None);
    execute(&mut session, "CREATE VIEW seen AS SELECT 1 AS one").await.unwrap();
    assert!(catalog::table(&mut session, None, "seen", AMPLE).await.unwrap().unwrap().is_view);
}

#[tokio::test]
async fn privileges_of_a_reader() {
    let (mut root, url) = session().await;
    let schema = root.default_schema().to_owned();
    let user = fresh();
    for sql in [
        "CREATE TABLE a (id INT PRIMARY KEY, j JSON)".to_owned(),
        "CREATE TABLE b (id INT PRIMARY KEY, n INT)".to_owned(),
        "CREATE TABLE c (id INT)".to_owned(),
        format!("CREATE USER {user}@'%' IDENTIFIED BY 'pass'"),
        format!("CREATE ROLE role_{user}"),
        format!("GRANT SELECT ON {schema}.a TO {user}@'%'"),
        format!("GRANT SELECT (id), INSERT (n) ON {schema}.b TO {user}@'%'"),
        format!("GRANT INSERT, DELETE ON {schema}.a TO role_{user}"),
        format!("GRANT role_{user} TO {user}@'%'"),
    ] {
        execute(&mut root, &sql).await.unwrap();
    }
    let login = url.replace("root@", &format!("{user}:pass@"));
    let mut reader = open(&login).await;
    let mut ask = async |table: &str| catalog::privileges(&mut reader, None, table, AMPLE).await.unwrap();
    let a = ask("a").await;
    assert!(a.select && !a.insert && !a.update && !a.delete && !a.create);
    let b = ask("b").await;
    assert!(!b.select && !b.insert);
    assert_eq!((b.select_columns, b.insert_columns), (vec!["id".to_owned()], vec!["n".to_owned()]));
    assert!(!ask("missing").await.select);
    assert_eq!(catalog::table(&mut reader, None, "c", AMPLE).await.unwrap(), None);
    assert!(catalog::table(&mut reader, None, "a", AMPLE).await.unwrap().unwrap().column("j").unwrap().is_json);
    let error = execute(&mut reader, "INSERT INTO a (id) VALUES (1)").await.unwrap_err();
    assert_eq!((error.code(), error.class()), (Some("1142"), Class::Fatal));

    execute(&mut root, &format!("SET DEFAULT ROLE role_{user} FOR {user}@'%'")).await.unwrap();
    execute(&mut root, &format!("GRANT CREATE ON `{}`.* TO {user}@'%'", schema.replace('_', "\\_"))).await.unwrap();
    let mut reader = open(&login).await;
    let a = catalog::privileges(&mut reader, None, "a", AMPLE).await.unwrap();
    assert!(a.select && a.insert && a.delete && a.create && !a.update);
    let all = catalog::privileges(&mut root, None, "missing", AMPLE).await.unwrap();
    assert!(all.select && all.insert && all.create);
    assert_eq!(rows(&mut reader, "SELECT id FROM a").await.len(), 0);
}
