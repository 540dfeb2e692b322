//! Target columns of the user's own: what keeps every value of its source is taken, what would change one is refused.

use super::stage::{Kind, Stage, effort, walk};
use milkrun::fault::Class;
use milkrun::rows::RowsError;
use std::fmt::Write as _;

/// The source's type, the target's, and a value at the edge of the source's.
type Kept = (&'static str, &'static str, &'static str);
/// The source's type, the target's, and what of the message tells why.
type Lost = (&'static str, &'static str, &'static str);

fn tables<'a>(stage: &Stage, number: &str, columns: impl Iterator<Item = (&'a str, &'a str)>) -> (String, String) {
    let (mut from, mut to, mut mapped) = (String::new(), String::new(), String::new());
    for (at, (ours, theirs)) in columns.enumerate() {
        let _ = write!(from, ", c{at} {ours}");
        let _ = write!(to, ", t{at} {theirs}");
        let _ = write!(mapped, "\nt{at} = \"c{at}\"");
    }
    let id = "id INTEGER NOT NULL PRIMARY KEY";
    stage.execute(&format!("CREATE TABLE source{number} ({id}{from}); CREATE TABLE target{number} ({id}{to}, document {{{{TEXT||LONGTEXT||TEXT}}}})"));
    (
        format!("table = \"source{number}\"\nkey = [\"id\"]"),
        format!(
            "table = \"target{number}\"\nkey = [\"id\"]\n[target.columns]\nid = \"id\"\ndocument = \"$document\"{mapped}"
        ),
    )
}

fn kept(stage: &Stage, cases: &[Kept]) {
    let (source, target) = tables(stage, "1", cases.iter().map(|(ours, theirs, _)| (*ours, *theirs)));
    let values: Vec<&str> = cases.iter().map(|(.., value)| *value).collect();
    stage.execute(&format!("INSERT INTO source1 VALUES (1, {})", values.join(", ")));
    stage.execute("INSERT INTO source1 (id) VALUES (2)");
    let definition = stage.definition(&source, &target);
    let found = match stage.try_open(&definition) {
        Ok(rows) => rows.warnings().to_vec(),
        Err(error) => panic!("{:?}: {error}", stage.kind),
    };
    assert!(!found.iter().any(|warning| warning.contains("is set aside")), "{:?}: {found:?}", stage.kind);
    assert_eq!(stage.move_all(&definition, 10).moved, 2);
    let seen = stage.verify_all(&definition, 10);
    assert_eq!((seen.equal, seen.different), (2, 0), "{:?}: {:?}", stage.kind, seen.examples);
    // And the value goes back to what it was.
    for (at, (ours, theirs, value)) in cases.iter().enumerate() {
        let back = match stage.kind {
            Kind::Postgres => format!("CAST(h.t{at} AS {ours})::text IS NOT DISTINCT FROM s.c{at}::text"),
            Kind::MariaDb => format!("h.t{at} <=> s.c{at}"),
            Kind::Sqlite => format!("typeof(h.t{at}) = typeof(s.c{at}) AND h.t{at} IS s.c{at}"),
        };
        let same = stage.one(&format!(
            "SELECT CASE WHEN {back} THEN 'same' ELSE 'other' END FROM source1 s JOIN target1 h ON s.id = h.id WHERE s.id = 1"
        ));
        assert_eq!(same, "same", "{:?}: {value} of {ours} in {theirs}", stage.kind);
    }
}

fn lost(stage: &Stage, cases: &[Lost]) {
    let (source, target) = tables(stage, "2", cases.iter().map(|(ours, theirs, _)| (*ours, *theirs)));
    let problems = match stage.try_open(&stage.definition(&source, &target)) {
        Err(RowsError::Problems(problems)) => problems,
        Err(error) => panic!("{:?}: {error}", stage.kind),
        Ok(_) => panic!("{:?}: nothing was refused", stage.kind),
    };
    for (at, (ours, theirs, why)) in cases.iter().enumerate() {
        let field = format!("target.columns.t{at}");
        let found = problems.iter().find(|problem| problem.field == field);
        let found = found.unwrap_or_else(|| panic!("{:?}: {ours} in {theirs} was taken", stage.kind));
        assert!(found.message.contains(why), "{:?}: {ours} in {theirs}: {}", stage.kind, found.message);
        assert!(found.message.contains(&format!("`t{at}` is of ")), "{}", found.message);
        assert!(found.hint.starts_with("make it "), "{}", found.hint);
    }
    assert_eq!(problems.len(), cases.len(), "{problems:?}");
}

/// What the database itself refuses is a warning: rows that fit are moved.
fn refused_by_the_database(stage: &Stage, cases: &[(&str, &str)]) {
    let (source, target) = tables(stage, "3", cases.iter().copied());
    let rows = stage.open(&stage.definition(&source, &target));
    for (at, (ours, theirs)) in cases.iter().enumerate() {
        let start = format!("target.columns.t{at}: ");
        assert!(
            rows.warnings().iter().any(|one| one.starts_with(&start) && one.contains("is set aside")),
            "{:?}: {ours} in {theirs}: {:?}",
            stage.kind,
            rows.warnings()
        );
    }
}

#[test]
fn postgres() {
    let stage = Stage::new(Kind::Postgres);
    stage.execute(
        "CREATE EXTENSION IF NOT EXISTS citext; CREATE TYPE mood AS ENUM ('sad', 'happy'); \
         CREATE DOMAIN cents AS numeric(10,2); CREATE DOMAIN short AS varchar(3)",
    );
    kept(
        &stage,
        &[
            ("numeric(10,3)", "numeric(10,3)", "1234567.891"),
            ("numeric(10,3)", "numeric(12,4)", "1234567.891"),
            ("numeric(10,3)", "numeric", "1234567.891"),
            ("numeric(9,0)", "int", "999999999"),
            ("cents", "numeric(10,2)", "12345678.91"),
            ("numeric(10,2)", "cents", "12345678.91"),
            ("smallint", "int", "-32768"),
            ("int", "bigint", "-2147483648"),
            ("bigint", "numeric", "9223372036854775807"),
            ("bigint", "numeric(19)", "-9223372036854775808"),
            ("bigint", "numeric(21,2)", "-9223372036854775808"),
            ("int", "double precision", "2147483647"),
            ("smallint", "real", "32767"),
            ("bigint", "text", "-9223372036854775808"),
            ("bigint", "varchar(20)", "-9223372036854775808"),
            ("real", "double precision", "0.1"),
            ("double precision", "text", "0.1::float8 + 0.2::float8"),
            ("varchar(20)", "text", "'x  '"),
            ("varchar(20)", "citext", "'aB '"),
            ("citext", "text", "'aB '"),
            ("varchar(20)", "varchar(21) COLLATE \"C\"", "'x  '"),
            ("text", "varchar", "'x  '"),
            ("char(5)", "char(7)", "'ab'"),
            ("char(5)", "text", "'ab'"),
            ("char(5)", "varchar(5)", "'ab'"),
            ("mood", "text", "'happy'"),
            ("boolean", "text", "true"),
            ("uuid", "text", "'123e4567-e89b-12d3-a456-426614174000'"),
            ("uuid", "varchar(36)", "'123e4567-e89b-12d3-a456-426614174000'"),
            ("timestamp(3)", "timestamp", "'2020-02-29 12:34:56.123'"),
            ("timestamp(3)", "timestamp(3)", "'2020-02-29 12:34:56.123'"),
            ("timestamptz", "timestamp", "'2020-02-29 12:34:56.123456+00'"),
            ("timestamptz", "text", "'2020-02-29 12:34:56.123456+00'"),
            ("date", "timestamp", "'2020-02-29'"),
            ("time(0)", "time", "'12:34:56'"),
            ("interval(3)", "interval", "'1 year 2 days 04:05:06.789'"),
            ("jsonb", "text", "'{\"a\": 1.10}'"),
            ("jsonb", "json", "'{\"a\": 1.10}'"),
            ("json", "jsonb", "'{\"a\": 1}'"),
            ("bytea", "bytea", "'\\x00ff'"),
            ("inet", "text", "'10.0.0.1'"),
            ("cidr", "inet", "'10.0.0.0/8'"),
            ("bit(3)", "varbit(4)", "B'101'"),
            ("int[]", "bigint[]", "'{1,NULL}'"),
            ("varchar(3)[]", "text[]", "'{a,NULL}'"),
            ("int[]", "text", "'{1,NULL}'"),
        ],
    );
    lost(
        &stage,
        &[
            ("numeric(10,3)", "numeric(10,1)", "digits behind the point"),
            ("numeric", "numeric(30,10)", "digits behind the point"),
            ("cents", "numeric(10,1)", "digits behind the point"),
            ("numeric(10,2)", "int", "digits behind the point"),
            ("numeric", "double precision", "rounding"),
            ("double precision", "real", "rounding"),
            ("double precision", "int", "rounding"),
            ("double precision", "numeric", "rounding"),
            ("bigint", "double precision", "rounding"),
            ("int", "real", "rounding"),
            ("timestamptz", "date", "part of the date"),
            ("timestamp", "date", "part of the date"),
            ("timestamp", "time", "part of the date"),
            ("timestamp", "timestamp(3)", "fraction digits"),
            ("timestamptz(6)", "timestamp(0)", "fraction digits"),
            ("time", "time(3)", "fraction digits"),
            ("interval", "interval(0)", "fraction digits"),
            ("interval", "interval day to hour", "part of the date"),
            ("varchar(5)", "char(5)", "blanks"),
            ("text", "name", "not known"),
            ("inet", "cidr", "not known"),
            ("numeric(10,3)[]", "numeric(10,1)[]", "digits behind the point"),
            ("varchar(5)[]", "varchar(3)[]", "blanks"),
            ("text", "int", "not known"),
        ],
    );
    refused_by_the_database(
        &stage,
        &[("bigint", "int"), ("varchar(20)", "varchar(10)"), ("text", "short"), ("numeric(10,2)", "numeric(9,2)")],
    );
    // A target that was cut elsewhere is not taken for equal either.
    stage.execute(
        "CREATE TABLE long (id int PRIMARY KEY, c text); INSERT INTO long VALUES (1, 'abcdef'), (2, 'abc  ');
         CREATE TABLE cut (id int PRIMARY KEY, c varchar(3), document text);
         INSERT INTO cut SELECT id, 'abc', '{\"id\":' || id || ',\"c\":\"' || c || '\"}' FROM long",
    );
    let definition = stage.definition(
        "table = \"long\"\nkey = [\"id\"]",
        "table = \"cut\"\nkey = [\"id\"]\n[target.columns]\nid = \"id\"\nc = \"c\"\ndocument = \"$document\"",
    );
    assert_eq!(stage.verify_all(&definition, 10).different, 2);
}

/// PostgreSQL refuses a text that is too long, but for blanks at its end, which it would cut off without a word.
#[test]
fn blanks_at_the_end_of_a_text_that_is_too_long_are_not_cut_off() {
    let stage = Stage::new(Kind::Postgres);
    stage.execute(
        "CREATE DOMAIN short AS varchar(3); CREATE TABLE long (id int PRIMARY KEY, c text, d json);
         INSERT INTO long VALUES (1, 'ab ', '{} '), (2, NULL, NULL)",
    );
    for (table, more) in [("plain", ""), ("told", "\ndocument = \"$document\"\ndigest = \"$digest\"")] {
        stage.execute(&format!(
            "CREATE TABLE {table} (id int PRIMARY KEY, c varchar(3), d short, document text, digest char(64))"
        ));
        let definition = stage.definition(
            "table = \"long\"\nkey = [\"id\"]",
            &format!("table = \"{table}\"\nkey = [\"id\"]\n[target.columns]\nid = \"id\"\nc = \"c\"\nd = \"d\"{more}"),
        );
        assert_eq!(stage.move_all(&definition, 10).moved, 2, "{table}");
        for values in ["'abc ', '{}'", "'abcd', '{}'", "'ab', '{}  '"] {
            stage.execute(&format!("INSERT INTO long VALUES (3, {values})"));
            let fault = stage.run(walk(&stage.open(&definition), 10, &effort())).expect_err("too long");
            assert_eq!(fault.class, Class::Poison, "{table}: {values}: {fault}");
            stage.execute("DELETE FROM long WHERE id = 3");
        }
        assert_eq!(stage.one(&format!("SELECT string_agg(c || '|' || d, ', ') FROM {table}")), "ab |{} ");
        assert_eq!(stage.verify_all(&definition, 10).equal, 2, "{table}");
    }
}

#[test]
fn mariadb() {
    let stage = Stage::new(Kind::MariaDb);
    kept(
        &stage,
        &[
            ("DECIMAL(10,3)", "DECIMAL(12,4)", "1234567.891"),
            ("DECIMAL(9,0)", "INT", "-999999999"),
            ("DECIMAL(10,3)", "VARCHAR(12)", "-1234567.891"),
            ("TINYINT UNSIGNED", "SMALLINT", "255"),
            ("INT UNSIGNED", "BIGINT", "4294967295"),
            ("BIGINT UNSIGNED", "DECIMAL(20,0)", "18446744073709551615"),
            ("BIGINT", "DECIMAL(21,2)", "-9223372036854775808"),
            ("INT", "DOUBLE", "-2147483648"),
            ("MEDIUMINT", "FLOAT", "-8388608"),
            ("BIGINT", "VARCHAR(20)", "-9223372036854775808"),
            ("INT(8) ZEROFILL", "INT UNSIGNED", "42"),
            ("YEAR", "SMALLINT", "2155"),
            ("FLOAT", "DOUBLE", "0.1"),
            ("VARCHAR(20)", "VARCHAR(30)", "'x  '"),
            ("VARCHAR(20)", "TEXT", "'x  '"),
            ("VARCHAR(20)", "VARCHAR(20) COLLATE utf8mb4_bin", "'x  '"),
            ("VARCHAR(20) CHARACTER SET latin1", "VARCHAR(20) CHARACTER SET utf8mb4", "'é'"),
            ("TEXT", "MEDIUMTEXT", "'x  '"),
            ("TEXT", "LONGTEXT COLLATE utf8mb4_bin", "'x  '"),
            ("CHAR(5)", "VARCHAR(5)", "'ab'"),
            ("CHAR(5)", "CHAR(7)", "'ab'"),
            ("ENUM('a','b')", "ENUM('b','c','a')", "'b'"),
            ("ENUM('a','bcd')", "VARCHAR(3)", "'bcd'"),
            ("ENUM('a','bcd')", "CHAR(10)", "'bcd'"),
            ("SET('a','b')", "SET('a','b','c')", "'a,b'"),
            ("SET('a','b')", "VARCHAR(3)", "'a,b'"),
            ("DATE", "DATETIME", "'2020-02-29'"),
            ("DATE", "VARCHAR(10)", "'2020-02-29'"),
            ("DATETIME", "DATETIME(6)", "'2020-02-29 12:34:56'"),
            ("DATETIME(3)", "VARCHAR(23)", "'2020-02-29 12:34:56.123'"),
            ("TIMESTAMP(6)", "DATETIME(6)", "'2020-02-29 12:34:56.000001'"),
            ("TIME(3)", "TIME(6)", "'-838:59:59.999'"),
            ("BINARY(4)", "VARBINARY(4)", "x'0001'"),
            ("BINARY(4)", "BLOB", "x'0001'"),
            ("VARBINARY(4)", "VARBINARY(5)", "x'0020'"),
            ("VARCHAR(4)", "VARBINARY(16)", "'é  '"),
            ("BIT(7)", "BIT(9)", "b'1010101'"),
            ("BIT(7)", "TINYINT", "b'1010101'"),
            ("UUID", "CHAR(36)", "'123e4567-e89b-12d3-a456-426614174000'"),
            ("JSON", "LONGTEXT", "'{\"a\": 1.10}'"),
            ("POINT", "GEOMETRY", "ST_GeomFromText('POINT(1 2.5)')"),
        ],
    );
    lost(
        &stage,
        &[
            ("DECIMAL(10,3)", "DECIMAL(10,1)", "digits behind the point"),
            ("DECIMAL(10,3)", "INT", "digits behind the point"),
            ("DECIMAL(10,3)", "DOUBLE", "rounding"),
            ("DOUBLE", "FLOAT", "rounding"),
            ("DOUBLE", "DOUBLE(10,2)", "rounding"),
            ("DOUBLE", "DECIMAL(30,10)", "rounding"),
            ("DOUBLE", "BIGINT", "digits behind the point"),
            ("FLOAT", "VARCHAR(40)", "rounding"),
            ("BIGINT", "DOUBLE", "rounding"),
            ("INT", "FLOAT", "rounding"),
            ("INT", "YEAR", "not known"),
            ("INT", "BIT(64)", "not known"),
            ("VARBINARY(4)", "BINARY(4)", "padded"),
            ("BINARY(4)", "BINARY(5)", "padded"),
            ("VARCHAR(5)", "CHAR(5)", "blanks"),
            ("VARCHAR(5)", "ENUM('a','b')", "members"),
            ("VARCHAR(5)", "SET('a','b')", "members"),
            ("INT", "ENUM('a','b')", "members"),
            ("ENUM('a','b')", "ENUM('A','c')", "members"),
            ("ENUM('a','b')", "ENUM('A','b')", "members"),
            ("DATETIME(6)", "DATETIME", "fraction digits"),
            ("DATETIME(6)", "TIMESTAMP(3)", "fraction digits"),
            ("TIME(6)", "TIME(3)", "fraction digits"),
            ("DATETIME", "DATE", "part of the date"),
            ("VARCHAR(20)", "INT", "not known"),
        ],
    );
    refused_by_the_database(
        &stage,
        &[
            ("BIGINT", "INT"),
            ("INT", "INT UNSIGNED"),
            ("VARCHAR(20)", "VARCHAR(10)"),
            ("VARCHAR(20)", "VARCHAR(20) CHARACTER SET latin1"),
            ("LONGTEXT", "TEXT"),
            ("DATETIME", "TIMESTAMP NULL"),
        ],
    );
}

#[test]
fn sqlite() {
    let stage = Stage::new(Kind::Sqlite);
    kept(
        &stage,
        &[
            ("INTEGER", "BIGINT", "9223372036854775807"),
            ("INTEGER", "NUMERIC", "9223372036854775807"),
            ("INTEGER", "BLOB", "9223372036854775807"),
            ("VARCHAR(3)", "TEXT", "'abcdef'"),
            ("TEXT", "TEXT COLLATE NOCASE", "'007'"),
            ("TEXT", "", "'007'"),
            ("", "", "0.1 + 0.2"),
            ("REAL", "FLOAT", "0.1 + 0.2"),
            ("DATETIME", "DATE", "'2020-02-29 12:34:56'"),
            ("UUID", "DATETIME", "'0123x'"),
            ("DECIMAL(10,2)", "NUMERIC", "12.5"),
            ("BLOB", "", "x'00ff'"),
        ],
    );
    lost(
        &stage,
        &[
            ("INTEGER", "TEXT", "become text"),
            ("REAL", "TEXT", "become text"),
            ("DECIMAL(10,2)", "VARCHAR(20)", "become text"),
            ("TEXT", "INTEGER", "become numbers"),
            ("VARCHAR(10)", "NUMERIC", "become numbers"),
            ("INTEGER", "REAL", "rounding"),
            ("BLOB", "TEXT", "become text"),
            ("BLOB", "INTEGER", "become numbers"),
        ],
    );
    // A text is no number, though a column of numbers would make one of it.
    stage.execute(
        "CREATE TABLE numbers (id INTEGER NOT NULL PRIMARY KEY, c INTEGER); INSERT INTO numbers VALUES (1, 5), (2, 5);
         CREATE TABLE blobs (id INTEGER NOT NULL PRIMARY KEY, c BLOB); INSERT INTO blobs VALUES (1, 5), (2, '5')",
    );
    let definition = stage.definition(
        "table = \"numbers\"\nkey = [\"id\"]",
        "table = \"blobs\"\nkey = [\"id\"]\n[target.columns]\nid = \"id\"\nc = \"c\"",
    );
    let seen = stage.verify_all(&definition, 10);
    assert_eq!((seen.equal, seen.different), (1, 1), "{:?}", seen.examples);
}
