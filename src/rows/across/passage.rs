//! How the values of one column pass from one database to another: as the text that the source prints, or as bytes.

use crate::sql::Dialect;
use crate::sql::catalog::Column;

/// The way of one column's values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Passage {
    /// SQL of the source's value, as text or bytes.
    pub(super) read: String,
    /// SQL of the target's value, likewise.
    pub(super) held: String,
    /// It travels as bytes.
    pub(super) is_bytes: bool,
}

/// `ours` and `theirs`: SQL of the source's and of the target's value.
pub(super) fn passage(from: (Dialect, &Column, &str), to: (Dialect, &Column, &str)) -> Passage {
    let is_bytes = is_binary(from.0, from.1) && is_binary(to.0, to.1);
    Passage { read: printed(from, is_bytes), held: printed(to, is_bytes), is_bytes }
}

fn is_binary(dialect: Dialect, column: &Column) -> bool {
    match dialect {
        Dialect::MySql => {
            matches!(column.base.as_str(), "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob")
        }
        Dialect::Postgres => column.base == "bytea",
        Dialect::Sqlite => column.base.contains("blob"),
    }
}

fn printed((dialect, column, x): (Dialect, &Column, &str), is_bytes: bool) -> String {
    match dialect {
        Dialect::MySql if is_bytes => format!("CAST({x} AS BINARY)"),
        Dialect::MySql if column.charset.is_some() => format!("CONVERT({x} USING utf8mb4)"),
        Dialect::MySql => format!("CAST({x} AS CHAR)"),
        Dialect::Postgres if is_bytes => x.to_owned(),
        Dialect::Postgres => format!("{x}::text"),
        Dialect::Sqlite if is_bytes => format!("CAST({x} AS BLOB)"),
        Dialect::Sqlite => format!("CAST({x} AS TEXT)"),
    }
}
