//! SQLite.

use super::{AMPLE, SHORT, execute, one, open, silent, statement};
use milkrun::fault::Class;
use milkrun::sql::statement::Bind;
use milkrun::sql::{ConnectOptions, MEMBERS_AT_ONCE, Make, Session, SqlError, catalog};
use std::time::{Duration, Instant};

const ENDLESS: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

/// A session with an empty file of its own.
async fn session() -> (Session, tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop 1.db");
    std::fs::File::create(&path).unwrap();
    let url = format!("sqlite://{}", path.display());
    (open(&url).await, folder, url)
}

#[tokio::test]
async fn files_are_opened_and_never_created() {
    let (mut session, folder, _) = session().await;
    assert_eq!((session.make(), session.default_schema()), (Make::Sqlite, "main"));
    assert_eq!(one(&mut session, "PRAGMA cache_size").await, "-8192");
    assert_eq!(one(&mut session, "PRAGMA journal_mode").await, "delete");
    // A name in double quotes that is no column is no string either.
    execute(&mut session, "CREATE TABLE t (id INTEGER PRIMARY KEY)").await.unwrap();
    let error = session.rows(&statement(&session, "SELECT \"missing\" FROM t"), AMPLE).await.unwrap_err();
    assert_eq!((error.class(), error.code(), error.column()), (Class::Fatal, Some("1"), Some("missing")), "{error}");
    session.close().await;

    let missing = folder.path().join("missing.db");
    let error = Session::open(&ConnectOptions::sqlite(&missing), AMPLE).await.err().unwrap();
    assert!(error.to_string().contains("missing.db` does not exist: check the path"), "{error}");
    assert!(!missing.exists());
    let other = folder.path().join("notes.txt");
    std::fs::write(&other, "verysecret ".repeat(100)).unwrap();
    let error = Session::open(&ConnectOptions::sqlite(&other), AMPLE).await.err().unwrap();
    assert!(error.to_string().ends_with("is no SQLite database: check the path"), "{error}");
    silent(&error, "verysecret");
    let error = Session::open(&ConnectOptions::sqlite(folder.path()), AMPLE).await.err().unwrap();
    assert!(error.to_string().contains("cannot be opened"), "{error}");
}

#[tokio::test]
async fn values_come_back_as_they_went() {
    let (mut session, _folder, _) = session().await;
    let mut ask = statement(&session, "SELECT ");
    ask.bind(Bind::Int(i64::MIN))
        .sql(", ")
        .bind(Bind::Text("a\0'😀".into()))
        .sql(", hex(")
        .bind(Bind::Bytes(vec![0, 255]));
    ask.sql("), NULL, 0.1 + 0.2, 1e300");
    let found = session.rows(&ask, AMPLE).await.unwrap();
    let found: Vec<_> = found[0].iter().map(Option::as_deref).collect();
    assert_eq!(
        found,
        [Some("-9223372036854775808"), Some("a\0'😀"), Some("00FF"), None, Some("0.30000000000000004"), Some("1e300")]
    );
    let blob = session.rows(&statement(&session, "SELECT x'00'"), AMPLE).await;
    assert!(matches!(blob, Err(SqlError::Unreadable { column: 1, .. })));
    assert_eq!(execute(&mut session, "CREATE TABLE t (id INTEGER PRIMARY KEY)").await.unwrap(), 0);
    assert_eq!(execute(&mut session, "INSERT INTO t VALUES (1), (2)").await.unwrap(), 2);
    assert_eq!(execute(&mut session, "CREATE TABLE u (id INTEGER PRIMARY KEY)").await.unwrap(), 0);
}

#[tokio::test]
async fn functions_build_documents() {
    let (mut session, _folder, _) = session().await;
    let pairs = vec!["'a', 1"; MEMBERS_AT_ONCE].join(", ");
    assert!(one(&mut session, &format!("SELECT milkrun_members({pairs})")).await.starts_with("\"a\":1,\"a\":1"));
    execute(&mut session, "CREATE TABLE t (id INTEGER PRIMARY KEY, body)").await.unwrap();
    execute(&mut session, "INSERT INTO t VALUES (1, x'0102'), (2, 'é'), (3, CAST(x'76ff' AS TEXT))").await.unwrap();
    assert_eq!(one(&mut session, "SELECT milkrun_members('b', body) FROM t WHERE id = 1").await, "\"b\":\"AQI=\"");
    let error =
        session.rows(&statement(&session, "SELECT milkrun_members('b', body) FROM t"), AMPLE).await.unwrap_err();
    assert_eq!(error.class(), Class::Poison, "{error}");
    assert!(error.to_string().contains("not UTF-8"), "{error}");
    // Deterministic: good for an index.
    execute(&mut session, "CREATE INDEX digest ON t (milkrun_sha256(body))").await.unwrap();
}

#[tokio::test]
async fn a_value_that_grows_too_large_is_refused() {
    let (mut session, _folder, _) = session().await;
    session.set_max_length(1 << 20).unwrap();
    let error = session
        .rows(
            &statement(&session, "SELECT length(group_concat(hex(zeroblob(1000)))) FROM generate_series(1, 1)"),
            AMPLE,
        )
        .await;
    drop(error);
    let series = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)";
    for expression in ["group_concat(hex(zeroblob(1000)))", "json_group_array(hex(zeroblob(1000)))"] {
        let ask = statement(&session, &format!("{series} SELECT length({expression}) FROM n"));
        let error = session.rows(&ask, AMPLE).await.unwrap_err();
        assert_eq!((error.class(), error.code()), (Class::TooLarge, Some("18")), "{expression}: {error}");
    }
    let ask = statement(&session, "SELECT length(milkrun_members('a', zeroblob(1000000)))");
    assert_eq!(session.rows(&ask, AMPLE).await.unwrap_err().class(), Class::TooLarge);
    session.set_max_length(16 << 20).unwrap();
    assert_eq!(session.rows(&ask, AMPLE).await.unwrap(), [[Some("1333342".to_owned())]]);
}

#[tokio::test]
async fn what_takes_too_long_is_stopped() {
    let (mut session, _folder, _) = session().await;
    let began = Instant::now();
    let error = session.rows(&statement(&session, ENDLESS), SHORT).await.unwrap_err();
    assert_eq!((error.class(), error.code()), (Class::Capacity, Some("9")), "{error}");
    assert!(began.elapsed() >= SHORT && began.elapsed() < SHORT + Duration::from_millis(500), "{:?}", began.elapsed());
    assert_eq!(one(&mut session, "SELECT 1").await, "1");
    // SQLite rolls a transaction back whose writing statement it stops.
    execute(&mut session, "CREATE TABLE t (id INTEGER)").await.unwrap();
    session.begin(AMPLE).await.unwrap();
    execute(&mut session, "INSERT INTO t VALUES (1)").await.unwrap();
    let insert = statement(
        &session,
        "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n",
    );
    assert_eq!(session.execute(&insert, SHORT).await.unwrap_err().class(), Class::Capacity);
    assert!(matches!(session.commit(AMPLE).await, Err(SqlError::Spoiled)));
    session.rollback(AMPLE).await.unwrap();
    assert_eq!(one(&mut session, "SELECT count(*) FROM t").await, "0");
}

#[tokio::test]
async fn an_abandoned_call_ends_and_frees_the_file() {
    let (mut session, _folder, url) = session().await;
    execute(&mut session, "CREATE TABLE t (id INTEGER)").await.unwrap();
    session.begin(AMPLE).await.unwrap();
    execute(&mut session, "INSERT INTO t VALUES (1)").await.unwrap();
    let endless = statement(&session, ENDLESS);
    assert!(tokio::time::timeout(Duration::from_millis(50), session.rows(&endless, AMPLE)).await.is_err());
    assert!(session.is_lost());
    assert!(matches!(session.ping(AMPLE).await, Err(SqlError::Abandoned)));
    // Had the thread gone on, it would hold the lock for twenty seconds.
    let mut other = open(&url).await;
    let insert = statement(&other, "INSERT INTO t VALUES (2)");
    assert_eq!(other.execute(&insert, Duration::from_secs(8)).await.unwrap(), 1);
    assert_eq!(one(&mut other, "SELECT count(*) FROM t").await, "1");
}

#[tokio::test]
async fn errors_have_classes_and_quote_nothing() {
    let (mut session, _folder, url) = session().await;
    execute(&mut session, "CREATE TABLE t (id INTEGER PRIMARY KEY, u TEXT UNIQUE, n INT NOT NULL, CONSTRAINT positive CHECK (n > 0)) STRICT")
        .await
        .unwrap();
    execute(&mut session, "CREATE TRIGGER r BEFORE UPDATE ON t BEGIN SELECT RAISE(ABORT, 'verysecret'); END")
        .await
        .unwrap();
    execute(&mut session, "INSERT INTO t VALUES (1, 'verysecret', 1)").await.unwrap();
    for (sql, code, class, column, constraint) in [
        ("INSERT INTO t VALUES (2, 'verysecret', 1)", "2067", Class::Transient, None, Some("t.u")),
        ("INSERT INTO t VALUES (1, 'other', 1)", "1555", Class::Transient, None, Some("t.id")),
        ("INSERT INTO t VALUES (2, 'other', NULL)", "1299", Class::Poison, Some("t.n"), None),
        ("INSERT INTO t VALUES (2, 'other', -1)", "275", Class::Poison, None, Some("positive")),
        ("INSERT INTO t VALUES (2, 'other', 'verysecret')", "3091", Class::Poison, None, None),
        ("UPDATE t SET n = 2", "1811", Class::Poison, None, None),
        ("INSERT INTO missing VALUES ('verysecret')", "1", Class::Fatal, None, None),
    ] {
        let error = execute(&mut session, sql).await.unwrap_err();
        assert_eq!((error.code(), error.class()), (Some(code), class), "{sql}: {error}");
        assert_eq!((error.column(), error.constraint()), (column, constraint), "{sql}: {error}");
        silent(&error, "verysecret");
    }
    session.begin(AMPLE).await.unwrap();
    let mut other = open(&url).await;
    let began = Instant::now();
    let error = other.begin(SHORT).await.unwrap_err();
    assert_eq!(error.class(), Class::Transient, "{error}");
    assert!(began.elapsed() < SHORT, "{:?}", began.elapsed());
    // It did not begin, so there is nothing to roll back.
    assert_eq!(one(&mut other, "SELECT count(*) FROM t").await, "1");
    session.commit(AMPLE).await.unwrap();
    other.begin(AMPLE).await.unwrap();
    other.commit(AMPLE).await.unwrap();
}

#[tokio::test]
async fn the_catalog_says_what_a_table_is() {
    let (mut session, _folder, url) = session().await;
    for sql in [
        "CREATE TABLE \"or\"\"der\" (id INTEGER PRIMARY KEY, name VARCHAR(40) COLLATE NOCASE NOT NULL UNIQUE, amount DECIMAL(10, 2) DEFAULT 0, \
         body BLOB, bare, g INT AS (id + 1), other TEXT)",
        "CREATE INDEX plain ON \"or\"\"der\" (name, amount)",
        "CREATE INDEX binary_name ON \"or\"\"der\" (name COLLATE BINARY)",
        "CREATE UNIQUE INDEX apart ON \"or\"\"der\" (amount, name COLLATE BINARY)",
        "CREATE UNIQUE INDEX nocase ON \"or\"\"der\" (other COLLATE NOCASE)",
        "CREATE UNIQUE INDEX partial ON \"or\"\"der\" (other) WHERE id > 1",
        "CREATE UNIQUE INDEX expression ON \"or\"\"der\" (other, lower(name))",
        "CREATE TABLE texts (k TEXT PRIMARY KEY)",
        "CREATE TABLE pairs (a TEXT, b INT, PRIMARY KEY (b, a)) WITHOUT ROWID",
        "CREATE VIEW seen AS SELECT 1 AS one",
        "INSERT INTO \"or\"\"der\" (id, name) VALUES (41, 'x')",
    ] {
        execute(&mut session, sql).await.unwrap();
    }
    let table = catalog::table(&mut session, None, "or\"der", AMPLE).await.unwrap().unwrap();
    assert_eq!((table.schema.as_str(), table.rows_estimate, table.is_view), ("main", 41, false));
    let column = |name: &str| table.column(name).unwrap();
    assert!(!column("id").nullable && column("id").base == "integer");
    assert_eq!((column("name").base.as_str(), column("name").length), ("varchar", Some(40)));
    assert_eq!((column("name").collation.as_deref(), column("other").collation.as_deref()), (Some("NOCASE"), None));
    assert_eq!(
        (column("amount").precision, column("amount").scale, column("amount").has_default),
        (Some(10), Some(2), true)
    );
    assert!(column("g").generated && column("bare").type_name.is_empty() && column("bare").nullable);
    let index = |name: &str| table.indexes.iter().find(|index| index.name == name).unwrap();
    assert_eq!(table.primary().unwrap().columns, ["id"]);
    assert!(table.unique_over(&["name".into()]).is_some() && index("plain").usable && !index("plain").unique);
    assert!(!index("binary_name").usable && !index("partial").unique && !index("partial").usable);
    assert!(!index("expression").unique && index("expression").columns == ["other"]);
    // `a` and `A` are two to the one and one to its column, and the other way round.
    assert!(!index("apart").unique && index("apart").columns == ["amount", "name"]);
    assert!(index("nocase").unique && !index("nocase").usable);

    let texts = catalog::table(&mut session, None, "texts", AMPLE).await.unwrap().unwrap();
    assert!(texts.column("k").unwrap().nullable && texts.primary().unwrap().columns == ["k"]);
    let pairs = catalog::table(&mut session, None, "pairs", AMPLE).await.unwrap().unwrap();
    assert!(!pairs.column("a").unwrap().nullable && pairs.primary().unwrap().columns == ["b", "a"]);
    assert!(catalog::table(&mut session, None, "seen", AMPLE).await.unwrap().unwrap().is_view);
    assert_eq!(catalog::table(&mut session, None, "missing", AMPLE).await.unwrap(), None);
    let may = catalog::privileges(&mut session, None, "texts", AMPLE).await.unwrap();
    assert!(may.select && may.insert && may.create && may.insert_columns == ["k"]);
    execute(&mut session, "ANALYZE").await.unwrap();
    let mut session = open(&url).await;
    assert_eq!(catalog::table(&mut session, None, "or\"der", AMPLE).await.unwrap().unwrap().rows_estimate, 1);
}
