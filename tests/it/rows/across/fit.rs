//! Target columns of the user's own in another database: what keeps every value is taken, what would change one is refused.

use super::pair::Pair;
use crate::rows::stage::{Kind, effort, range, walk};
use milkrun::cursor::{Cursor, KeyPart};
use milkrun::engine::migration::{Effort, Migration};
use milkrun::fault::Class;
use milkrun::rows::RowsError;
use milkrun::spec::After;
use std::fmt::Write as _;

/// The source's type, the target's, and a value at the edge of the source's.
type Kept = (&'static str, &'static str, &'static str);
/// The source's type, the target's, what of the message tells why, and the hint's type.
type Lost = (&'static str, &'static str, &'static str, &'static str);

fn tables<'a>(pair: &Pair, number: u32, columns: impl Iterator<Item = (&'a str, &'a str)>) -> (String, String) {
    let (mut from, mut to, mut mapped) = (String::new(), String::new(), String::new());
    for (at, (ours, theirs)) in columns.enumerate() {
        let _ = write!(from, ", c{at} {ours}");
        let _ = write!(to, ", t{at} {theirs}");
        let _ = write!(mapped, "\nt{at} = \"c{at}\"");
    }
    let id = "id INTEGER NOT NULL PRIMARY KEY";
    pair.source.execute(&format!("CREATE TABLE source{number} ({id}{from})"));
    pair.target.execute(&format!("CREATE TABLE target{number} ({id}{to})"));
    (
        format!("table = \"source{number}\"\nkey = [\"id\"]"),
        format!("table = \"target{number}\"\nkey = [\"id\"]\n[target.columns]\nid = \"id\"{mapped}"),
    )
}

/// Every value arrives, and is equal to itself.
fn kept(pair: &Pair, cases: &[Kept]) {
    let (source, target) = tables(pair, 1, cases.iter().map(|(ours, theirs, _)| (*ours, *theirs)));
    let values: Vec<&str> = cases.iter().map(|(.., value)| *value).collect();
    pair.source.database.execute(&format!("INSERT INTO source1 VALUES (1, {})", values.join(", ")));
    let definition = Pair::definition(&source, &target, "");
    assert_eq!(pair.move_all(&definition, 10).moved, 1);
    let again = pair.move_all(&definition, 10);
    assert_eq!((again.skipped, again.aside), (1, vec![]));
    assert_eq!(pair.verify_all(&definition, 10, None).equal, 1);
}

fn lost(pair: &Pair, cases: &[Lost]) {
    let (source, target) = tables(pair, 2, cases.iter().map(|(ours, theirs, ..)| (*ours, *theirs)));
    let problems = match pair.try_open(&Pair::definition(&source, &target, "")) {
        Err(RowsError::Problems(problems)) => problems,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("nothing was refused"),
    };
    for (at, (ours, theirs, why, wanted)) in cases.iter().enumerate() {
        let found = problems.iter().find(|problem| problem.field == format!("target.columns.t{at}"));
        let found = found.unwrap_or_else(|| panic!("{ours} in {theirs} was taken"));
        assert!(found.message.contains(why), "{ours} in {theirs}: {}", found.message);
        assert_eq!(found.hint, format!("make it {wanted}"), "{ours} in {theirs}");
    }
    assert_eq!(problems.len(), cases.len(), "{problems:?}");
}

/// A row that is set aside for its value.
fn set_aside(pair: &Pair, number: u32, cases: &[Kept]) -> Vec<String> {
    let (source, target) = tables(pair, number, cases.iter().map(|(ours, theirs, _)| (*ours, *theirs)));
    for (at, (.., value)) in cases.iter().enumerate() {
        pair.source.database.execute(&format!("INSERT INTO source{number} (id, c{at}) VALUES ({at}, {value})"));
    }
    for (at, (ours, theirs, value)) in cases.iter().enumerate() {
        let rows = pair.open(&Pair::definition(&format!("{source}\nwhere = \"id = {at}\""), &target, ""));
        let fault = pair.source.run(walk(&rows, 10, &effort())).map(|outcome| outcome.moved).expect_err(value);
        assert_eq!(fault.class, Class::Poison, "{ours} in {theirs}: {}", fault.message);
    }
    let count = format!("SELECT CAST(COUNT(*) AS {{{{TEXT||CHAR||TEXT}}}}) FROM target{number}");
    assert_eq!(pair.target.one(&count), "0");
    pair.open(&Pair::definition(&source, &target, "")).warnings().to_vec()
}

/// The same, and a warning that says so beforehand.
fn refused(pair: &Pair, cases: &[Kept]) {
    let warnings = set_aside(pair, 3, cases);
    for (at, (ours, theirs, _)) in cases.iter().enumerate() {
        let start = format!("target.columns.t{at}: ");
        let told = warnings.iter().any(|one| one.starts_with(&start) && one.contains("is set aside"));
        assert!(told, "{ours} in {theirs}: {warnings:?}");
    }
}

#[test]
fn mariadb_to_postgres() {
    let pair = Pair::new((Kind::MariaDb, Kind::Postgres));
    kept(
        &pair,
        &[
            ("TINYINT(1)", "boolean", "1"),
            ("INT UNSIGNED", "bigint", "4294967295"),
            ("BIGINT UNSIGNED", "numeric", "18446744073709551615"),
            ("INT", "numeric(12,2)", "-2147483648"),
            ("INT", "double precision", "-2147483648"),
            ("INT(8) ZEROFILL", "text", "42"),
            ("DECIMAL(10,2)", "numeric(12,4)", "-12345678.90"),
            ("DECIMAL(10,2)", "varchar(13)", "-12345678.90"),
            ("FLOAT", "double precision", "0.1"),
            ("DATETIME(3)", "timestamp(6)", "'2020-02-29 12:34:56.120'"),
            ("DATETIME(3)", "timestamptz", "'2020-02-29 12:34:56.120'"),
            ("DATETIME(3)", "text", "'2020-02-29 12:34:56.120'"),
            ("TIMESTAMP NULL", "timestamp", "'2020-02-29 12:34:56'"),
            ("DATE", "timestamp", "'2020-02-29'"),
            ("TIME(3)", "time", "'23:59:59.100'"),
            ("VARCHAR(20)", "text", "'x  '"),
            ("VARCHAR(20)", "varchar(20)", "'é😀  '"),
            ("CHAR(5)", "char(7)", "'ab'"),
            ("VARCHAR(20) CHARACTER SET latin1", "text", "'é'"),
            ("JSON", "jsonb", "'{\"b\": [1.10, 1e2], \"aa\": \"\\\\u00e9\", \"b\": null, \"c\": -0.0}'"),
            ("LONGTEXT", "jsonb", "'[1]'"),
            ("JSON", "text", "'{\"a\":  1}'"),
            ("UUID", "varchar(36)", "'123e4567-e89b-12d3-a456-426614174000'"),
            ("BINARY(4)", "bytea", "x'0001'"),
            ("ENUM('a','b')", "varchar(5)", "'b'"),
        ],
    );
    lost(
        &pair,
        &[
            ("DECIMAL(10,3)", "numeric(10,1)", "digits behind the point", "numeric(10,3)"),
            ("DECIMAL(10,3)", "double precision", "rounding", "numeric(10,3)"),
            ("DECIMAL(10,3)", "integer", "digits behind the point", "numeric(10,3)"),
            ("DOUBLE", "real", "rounding", "double precision"),
            ("DOUBLE", "numeric", "rounding", "double precision"),
            ("BIGINT", "double precision", "rounding", "bigint"),
            ("DATETIME(6)", "timestamp(3)", "fraction digits", "timestamp(6)"),
            ("DATETIME(6)", "date", "part of the date", "timestamp(6)"),
            ("VARCHAR(5)", "char(5)", "blanks", "varchar(5)"),
            ("VARCHAR(5)", "integer", "not known", "varchar(5)"),
            ("BLOB", "text", "not known", "bytea"),
            ("INT", "bytea", "not known", "integer"),
            ("VARCHAR(20)", "inet", "not known", "varchar(20)"),
        ],
    );
    refused(
        &pair,
        &[
            ("BIGINT", "integer", "2147483648"),
            ("TINYINT", "boolean", "2"),
            ("DECIMAL(10,2)", "numeric(9,2)", "12345678.90"),
            ("VARCHAR(20)", "varchar(3)", "'abc '"),
            ("TEXT", "varchar(3)", "'abcd'"),
            ("TIME", "time", "'24:00:01'"),
            ("TIME(6)", "time", "'-00:00:00.000001'"),
            ("LONGTEXT", "jsonb", "'{'"),
            ("LONGTEXT", "json", "'{'"),
        ],
    );
}

#[test]
fn postgres_to_mariadb() {
    let pair = Pair::new((Kind::Postgres, Kind::MariaDb));
    kept(
        &pair,
        &[
            ("bigint", "DECIMAL(20,0)", "-9223372036854775808"),
            ("boolean", "TINYINT", "true"),
            ("boolean", "VARCHAR(5)", "false"),
            ("real", "DOUBLE", "0.1"),
            ("real", "FLOAT", "3.4028235e38"),
            ("real", "FLOAT", "'-0'"),
            ("double precision", "DOUBLE", "'-0'"),
            ("numeric(10,2)", "DECIMAL(12,4)", "-12345678.90"),
            ("timestamp(3)", "DATETIME(6)", "'2020-02-29 12:34:56.12'"),
            ("timestamptz", "DATETIME(6)", "'2020-02-29 12:34:56.12+02'"),
            ("timestamptz", "VARCHAR(40)", "'2020-02-29 12:34:56.12+02'"),
            ("date", "DATETIME(2)", "'2020-02-29'"),
            ("time", "TIME(6)", "'24:00'"),
            ("char(5)", "VARCHAR(5)", "'ab'"),
            ("char(5)", "CHAR(5)", "'ab'"),
            ("text", "LONGTEXT", "'x  '"),
            ("varchar(20)", "VARCHAR(20)", "'x😀  '"),
            ("uuid", "UUID", "'123e4567-e89b-12d3-a456-426614174000'"),
            ("jsonb", "JSON", "'{\"a\": 1.10}'"),
            ("jsonb", "LONGTEXT", "'{\"a\": 1.10}'"),
            ("bytea", "LONGBLOB", "'\\x00ff'"),
            ("int[]", "LONGTEXT", "'{1,NULL}'"),
        ],
    );
    lost(
        &pair,
        &[
            ("numeric(10,3)", "DECIMAL(10,1)", "digits behind the point", "decimal(10,3)"),
            ("double precision", "FLOAT", "rounding", "double"),
            ("double precision", "DOUBLE(10,2)", "rounding", "double"),
            ("timestamp", "DATETIME", "fraction digits", "datetime(6)"),
            ("text", "CHAR(5)", "blanks", "longtext"),
            ("bytea", "BINARY(4)", "padded", "longblob"),
            ("text", "ENUM('a')", "not known", "longtext"),
            ("interval", "TIME", "not known", "varchar(80) CHARACTER SET utf8mb4"),
        ],
    );
    refused(
        &pair,
        &[
            ("bigint", "INT", "2147483648"),
            ("integer", "INT UNSIGNED", "-1"),
            // MySQL would make 1970 of it.
            ("integer", "YEAR", "70"),
            ("numeric", "DECIMAL(10,2)", "1.005"),
            ("numeric", "DECIMAL(10,2)", "'NaN'"),
            ("text", "VARCHAR(3)", "'abc '"),
            ("text", "TEXT", "repeat('x', 65536)"),
            ("varchar(20)", "VARCHAR(20) CHARACTER SET latin1", "'😀'"),
            ("timestamptz", "TIMESTAMP(6) NULL", "'2039-01-01 00:00:00+00'"),
            ("bytea", "VARBINARY(2)", "'\\x000000'"),
        ],
    );
}

/// Values of another storage class than a column declares.
#[test]
fn what_sqlite_keeps_in_any_column_and_others_do_not() {
    let cases = |integer, text, blob, real| {
        [
            ("INTEGER", integer, "1.5"),
            ("INTEGER", integer, "'x'"),
            ("TEXT", text, "x'00'"),
            ("TEXT", text, "CAST(x'ff41' AS TEXT)"),
            ("BLOB", blob, "'x'"),
            ("BLOB", blob, "1"),
            ("REAL", real, "'x'"),
            ("NUMERIC", real, "9007199254740993"),
        ]
    };
    let pair = Pair::new((Kind::Sqlite, Kind::MariaDb));
    set_aside(&pair, 3, &cases("BIGINT", "LONGTEXT", "LONGBLOB", "DOUBLE"));
    let pair = Pair::new((Kind::Sqlite, Kind::Postgres));
    set_aside(&pair, 3, &cases("bigint", "text", "bytea", "double precision"));
}

#[test]
fn to_and_from_sqlite() {
    let pair = Pair::new((Kind::MariaDb, Kind::Sqlite));
    kept(
        &pair,
        &[
            ("BIGINT UNSIGNED", "TEXT", "18446744073709551615"),
            ("BIGINT UNSIGNED", "", "18446744073709551615"),
            ("INT", "NUMERIC", "5"),
            ("INT", "REAL", "-2147483648"),
            ("DOUBLE", "NUMERIC", "5"),
            ("DOUBLE", "REAL", "0.1e0 + 0.2e0"),
            ("DATETIME(3)", "DATETIME", "'2020-02-29 12:34:56.120'"),
            ("DECIMAL(65,30)", "TEXT", "99999999999999999999999999999999999.999999999999999999999999999999"),
            ("VARCHAR(20)", "", "'007'"),
            ("BLOB", "BLOB", "x'00ff'"),
        ],
    );
    lost(
        &pair,
        &[
            ("DECIMAL(10,2)", "NUMERIC", "rounding", "TEXT"),
            ("VARCHAR(20)", "INTEGER", "become numbers", "TEXT"),
            ("BIGINT", "REAL", "rounding", "INTEGER"),
            ("BLOB", "TEXT", "not known", "BLOB"),
        ],
    );
    refused(&pair, &[("BIGINT UNSIGNED", "INTEGER", "9223372036854775808")]);
    let pair = Pair::new((Kind::Sqlite, Kind::Postgres));
    kept(
        &pair,
        &[
            ("INTEGER", "bigint", "-9223372036854775808"),
            ("INTEGER", "boolean", "1"),
            ("DECIMAL(10,2)", "numeric(10,2)", "1.1"),
            ("TEXT", "timestamptz", "'2020-02-29T12:34:56.1Z'"),
            ("DATETIME", "timestamp", "'2020-02-29 12:34:56'"),
            ("TEXT", "uuid", "'123e4567-e89b-12d3-a456-426614174000'"),
            ("TEXT", "jsonb", "'{\"a\":1}'"),
            ("TEXT", "varchar(20)", "'x  '"),
            ("REAL", "double precision", "9e999"),
        ],
    );
    refused(
        &pair,
        &[
            ("INTEGER", "integer", "2147483648"),
            ("NUMERIC", "numeric(10,2)", "1.125"),
            ("TEXT", "timestamp", "'yesterday'"),
            ("TEXT", "date", "'2020-02-30'"),
            ("TEXT", "uuid", "'x'"),
            ("", "text", "x'00'"),
        ],
    );
}

/// What is JSON to one database and not to the other is set aside by the other.
#[test]
fn json_nested_deeper_than_mariadb_takes_is_set_aside() {
    let pair = Pair::new((Kind::Postgres, Kind::MariaDb));
    pair.source.execute(
        "CREATE TABLE ours (id int PRIMARY KEY, c json);
         INSERT INTO ours VALUES (1, (repeat('[', 31) || repeat(']', 31))::json), (2, (repeat('[', 33) || repeat(']', 33))::json)",
    );
    let target = "table = \"theirs\"\nkey = [\"id\"]\ncreate = true\n[target.columns]\nid = \"id\"\nc = \"c\"";
    let source = |id: u32| format!("table = \"ours\"\nkey = [\"id\"]\nwhere = \"id = {id}\"");
    assert_eq!(pair.move_all(&Pair::definition(&source(1), target, ""), 10).moved, 1);
    let rows = pair.open(&Pair::definition(&source(2), target, ""));
    let fault = pair.source.run(walk(&rows, 10, &effort()));
    assert_eq!(fault.expect_err("too deep").class, Class::Poison);
}

/// A row that has become what the target cannot hold differs from its copy, also where documents are compared as JSON: that is no reason to
/// compare no further.
#[test]
fn what_the_target_can_no_longer_hold_is_different() {
    let pair = Pair::new((Kind::MariaDb, Kind::Postgres));
    pair.source.execute(
        "CREATE TABLE ours (id INT PRIMARY KEY, day DATE);
         INSERT INTO ours VALUES (1, '2020-02-29'), (2, '2020-02-29'), (3, NULL)",
    );
    pair.target.execute("CREATE TABLE theirs (id int PRIMARY KEY, day date, document jsonb)");
    let target =
        "table = \"theirs\"\nkey = [\"id\"]\n[target.columns]\nid = \"id\"\nday = \"day\"\ndocument = \"$document\"";
    let definition = Pair::definition("table = \"ours\"\nkey = [\"id\"]", target, "");
    assert_eq!(pair.move_all(&definition, 10).moved, 3);
    assert_eq!(pair.verify_all(&definition, 10, None).equal, 3);
    pair.source.execute("UPDATE ours SET day = '0000-00-00' WHERE id = 2");
    let found = pair.verify_all(&definition, 10, None);
    assert_eq!((found.checked, found.equal, found.different, found.extra), (3, 2, 1, 0), "{found:?}");
}

/// A unique constraint that waits for the commit refuses the row for good, as any other one does: nobody else has written its key.
#[test]
fn what_a_deferred_constraint_refuses_is_set_aside() {
    let pair = Pair::new((Kind::Sqlite, Kind::Postgres));
    pair.source.execute(
        "CREATE TABLE ours (id INTEGER NOT NULL PRIMARY KEY, c INTEGER NOT NULL); INSERT INTO ours VALUES (1, 1), (2, 2), (3, 3)",
    );
    pair.target.execute(
        "CREATE TABLE theirs (id int PRIMARY KEY, c int CONSTRAINT once UNIQUE DEFERRABLE INITIALLY DEFERRED);
         INSERT INTO theirs VALUES (100, 2)",
    );
    let target = "table = \"theirs\"\nkey = [\"id\"]\n[target.columns]\nid = \"id\"\nc = \"c\"";
    let mut definition = Pair::definition("table = \"ours\"\nkey = [\"id\"]", target, "");
    for after in [After::Keep, After::Delete] {
        definition.target.after = after;
        let rows = pair.open(&definition);
        let recovered = Effort { recovered: true, ..effort() };
        pair.source.run(async {
            let range = range(&rows).await.expect("rows");
            let named = rows.fetch(&range, &[Cursor(vec![KeyPart::Int("2".to_owned())])]);
            for fault in [
                walk(&rows, 10, &effort()).await.expect_err("a constraint"),
                walk(&rows, 10, &recovered).await.expect_err("a constraint"),
                rows.write(&named, &effort()).await.expect_err("a constraint"),
            ] {
                assert_eq!(fault.class, Class::Poison, "{fault}");
                assert!(fault.message.contains("a unique index `once` of the target refuses the row"), "{fault}");
            }
        });
    }
    pair.target.execute("DELETE FROM theirs");
    let moved = pair.move_all(&definition, 10);
    assert_eq!((moved.moved, moved.aside), (3, vec![]));
}
