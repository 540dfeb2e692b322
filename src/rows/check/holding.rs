//! Whether a column of the user's own can hold a document, a moment or another word that milkrun writes.

use super::Findings;
use crate::spec::ColumnValue;
use crate::sql::Dialect;
use crate::sql::catalog::Column;

/// Whether a column can hold what is to fill it.
pub(super) fn holds(
    findings: &mut Findings,
    field: &str,
    dialect: Dialect,
    max_item: u64,
    column: &Column,
    value: &ColumnValue,
) {
    if dialect == Dialect::Sqlite {
        return;
    }
    let kind = column.base.as_str();
    let room = match kind {
        "mediumtext" => Some((1 << 24) - 1),
        "text" if dialect == Dialect::MySql => Some((1 << 16) - 1),
        "tinytext" => Some(255),
        "json" | "jsonb" | "longtext" | "text" => Some(u64::MAX),
        "char" | "varchar" | "bpchar" => Some(column.length.unwrap_or(u64::MAX)),
        _ => None,
    };
    let needed = match value {
        ColumnValue::Column(_) => return,
        ColumnValue::Now => {
            let time = matches!(kind, "datetime" | "timestamp" | "timestamptz");
            if time && fraction(dialect, column).is_some_and(|digits| digits < 6) {
                findings.warnings.push(format!("{field}: `{}` keeps less than microseconds", column.name));
            }
            if time {
                return;
            }
            27
        }
        ColumnValue::Document => max_item,
        ColumnValue::Run => 36,
        ColumnValue::Digest | ColumnValue::Definition => 64,
    };
    match room {
        None => findings.problem(
            field,
            format!("`{}` is of the type {}, which cannot hold this", column.name, column.type_name),
            match (value, dialect) {
                (ColumnValue::Document, Dialect::MySql) => "make it LONGTEXT or JSON",
                (ColumnValue::Document, _) => "make it text, json or jsonb",
                (ColumnValue::Now, Dialect::MySql) => "make it DATETIME(6)",
                (ColumnValue::Now, _) => "make it timestamptz",
                _ => "make it a text",
            },
        ),
        Some(room)
            if *value == ColumnValue::Document
                && matches!(kind, "char" | "varchar" | "bpchar" | "tinytext")
                && room < needed =>
        {
            findings.problem(
                field,
                format!("`{}` has room for {room} characters, too few for a document", column.name),
                if dialect == Dialect::MySql { "make it LONGTEXT" } else { "make it text" },
            );
        }
        Some(room) if *value == ColumnValue::Document && room < needed => findings.warnings.push(format!(
            "{field}: `{}` has room for {room} bytes, less than max_item ({needed}): larger documents will be refused; \
             make it LONGTEXT",
            column.name
        )),
        Some(room) if room < needed => findings.problem(
            field,
            format!("`{}` has room for {room} characters where {needed} are needed", column.name),
            format!("make it {needed} characters long"),
        ),
        Some(_) => {}
    }
    if *value == ColumnValue::Document && column.charset.as_deref().is_some_and(|charset| charset != "utf8mb4") {
        findings.problem(
            field,
            format!(
                "`{}` is of the character set {}, which does not hold every character",
                column.name,
                column.charset.as_deref().unwrap_or_default()
            ),
            "make it utf8mb4: ALTER TABLE … MODIFY … LONGTEXT CHARACTER SET utf8mb4",
        );
    }
}

/// Fraction digits of a time.
fn fraction(dialect: Dialect, column: &Column) -> Option<u32> {
    match column.base.as_str() {
        "datetime" | "timestamp" | "time" | "timestamptz" | "timetz" => {
            Some(column.fraction.unwrap_or(if dialect == Dialect::Postgres { 6 } else { 0 }))
        }
        _ => None,
    }
}
