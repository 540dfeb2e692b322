//! Whether the database compares a column of `on` with the one above it, and finds rows by it through an index.

use super::super::key::KeyKind;
use super::super::types::key_kind;
use super::Findings;
use crate::spec::Related;
use crate::sql::Dialect;
use crate::sql::catalog::{Column, Table};

/// Reports columns that it does not compare, or not by an index.
pub(super) fn comparable(
    findings: &mut Findings,
    path: &str,
    dialect: Dialect,
    table: &Table,
    parent: &Table,
    one: &Related,
) {
    for (theirs, ours) in &one.on {
        let (Some(child), Some(parent)) = (table.column(theirs), parent.column(ours)) else { continue };
        let (Ok(kind), Ok(other)) = (key_kind(dialect, child), key_kind(dialect, parent)) else { continue };
        let types = format!("`{theirs}` is of the type {}, `{ours}` of {}", child.type_name, parent.type_name);
        let alike = format!("name a column of the type {}, or change the column's type", parent.type_name);
        let found = match dialect {
            Dialect::Postgres if are_unlike(kind, other) => {
                Some((format!("{types}: the database does not compare the two"), alike))
            }
            Dialect::MySql if kind == KeyKind::Text && other != KeyKind::Text => {
                Some((format!("{types}: no index of the text serves to find the other"), alike))
            }
            Dialect::MySql if kind == KeyKind::Text => unserved(child, parent),
            Dialect::Postgres | Dialect::MySql | Dialect::Sqlite => None,
        };
        if let Some((message, hint)) = found {
            findings.problem(format!("{path}.on"), message, hint);
        }
    }
}

/// PostgreSQL has no equality between, say, a number and a text.
fn are_unlike(one: KeyKind, other: KeyKind) -> bool {
    let number = |kind| matches!(kind, KeyKind::Int | KeyKind::Decimal);
    one != other && !(number(one) && number(other))
}

/// Of two texts MySQL converts the one whose character set is the narrower, and compares in the collation of the other: an index of
/// the converted one does not serve then.
fn unserved(child: &Column, parent: &Column) -> Option<(String, String)> {
    let (charset, collation) = (child.charset.as_deref()?, child.collation.as_deref()?);
    let (above, sorted) = (parent.charset.as_deref()?, parent.collation.as_deref()?);
    // Of two collations of one set a binary one is taken.
    let serves =
        if charset == above { collation == sorted || collation.ends_with("_bin") } else { converts(above, charset) };
    let (name, type_name) = (&child.name, &child.type_name);
    (!serves).then(|| {
        (
            format!(
                "`{name}` is of the collation {collation}, `{}` of {sorted}: no index of `{name}` serves to find the other",
                parent.name
            ),
            format!("run: ALTER TABLE … MODIFY `{name}` {type_name} CHARACTER SET {above} COLLATE {sorted} …"),
        )
    })
}

/// A text of the one character set is converted to be compared with one of the other.
fn converts(from: &str, to: &str) -> bool {
    let unicode = |charset| matches!(charset, "utf8mb4" | "utf8mb3" | "utf8" | "utf16" | "utf16le" | "utf32" | "ucs2");
    to == "utf8mb4" || from == "ascii" || matches!(to, "utf8mb3" | "utf8") && !unicode(from)
}
