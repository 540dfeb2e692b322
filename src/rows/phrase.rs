//! Turns of phrase that every database words otherwise.

use crate::sql::Dialect;
use crate::sql::statement::{Bind, Statement};
use std::time::SystemTime;
use time::OffsetDateTime;
use time::macros::format_description;

/// A point in time as every dialect reads it: UTC, microseconds.
pub(crate) fn stamp(at: SystemTime) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second].[subsecond digits:6]");
    OffsetDateTime::from(at).format(format).unwrap_or_else(|_| "1970-01-01 00:00:00.000000".to_owned())
}

/// A number as text, which is what results are read as.
pub(crate) fn text(dialect: Dialect, x: &str) -> String {
    match dialect {
        Dialect::MySql => format!("CAST({x} AS CHAR)"),
        Dialect::Postgres | Dialect::Sqlite => format!("CAST({x} AS TEXT)"),
    }
}

/// The SHA-256 of an SQL expression's text, in lower-case hex.
pub(crate) fn digest(dialect: Dialect, text: &str) -> String {
    match dialect {
        Dialect::MySql => format!("SHA2({text}, 256)"),
        Dialect::Postgres => format!("encode(sha256(convert_to({text}, 'UTF8')), 'hex')"),
        Dialect::Sqlite => format!("milkrun_sha256({text})"),
    }
}

/// Appends a bound count.
pub(crate) fn count(statement: &mut Statement, count: u64) {
    match statement.dialect() {
        Dialect::Postgres => {
            statement.bind(Bind::Text(count.to_string())).sql("::text::bigint");
        }
        Dialect::MySql | Dialect::Sqlite => {
            statement.bind(Bind::Int(i64::try_from(count).unwrap_or(i64::MAX)));
        }
    }
}

/// Appends a bound point in time as a value of the database's own type.
pub(crate) fn moment(statement: &mut Statement, at: SystemTime) {
    let bind = Bind::Text(stamp(at));
    match statement.dialect() {
        Dialect::MySql => statement.sql("CAST(").bind(bind).sql(" AS DATETIME(6))"),
        Dialect::Postgres => statement.sql("CAST(").bind(bind).sql("::text AS timestamptz)"),
        Dialect::Sqlite => statement.bind(bind),
    };
}

/// Appends a bound text.
pub(crate) fn word(statement: &mut Statement, word: &str) {
    statement.bind(Bind::Text(word.to_owned()));
    if statement.dialect() == Dialect::Postgres {
        statement.sql("::text");
    }
}

/// Appends how many of the rows behind it `condition` holds for, the rest of it being appended by `rest`.
pub(crate) fn counted(statement: &mut Statement, condition: &str, rest: impl FnOnce(&mut Statement)) {
    statement.sql("CAST(COALESCE(SUM(CASE WHEN ").sql(condition);
    rest(statement);
    let text = if statement.dialect() == Dialect::MySql { "CHAR)" } else { "TEXT)" };
    statement.sql(" THEN 1 ELSE 0 END), 0) AS ").sql(text);
}
