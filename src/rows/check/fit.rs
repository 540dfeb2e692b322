//! Whether a target column of the user's own keeps every value of the source column that feeds it.

mod mysql;
mod postgres;
mod sqlite;

use super::super::carry::{self, Side};
use super::super::fit::Fit;
use super::Findings;
use crate::sql::Dialect;
use crate::sql::catalog::Column;

/// What becomes of the values of `ours` in `theirs`.
pub(in crate::rows) fn fit(dialect: Dialect, ours: &Column, theirs: &Column) -> Fit {
    let same = match dialect {
        Dialect::Sqlite => ours.resolved.eq_ignore_ascii_case(&theirs.resolved),
        // The members of an ENUM keep their case.
        Dialect::MySql | Dialect::Postgres => ours.resolved == theirs.resolved,
    };
    if same && ours.charset == theirs.charset {
        return Fit::Exact;
    }
    match dialect {
        Dialect::MySql => mysql::fit(ours, theirs),
        Dialect::Postgres => postgres::fit(ours, theirs),
        Dialect::Sqlite => sqlite::fit(ours, theirs),
    }
}

/// Reports a target column that does not keep every value of what feeds it; `is_across`: from another database.
pub(super) fn check(findings: &mut Findings, field: &str, ours: Side<'_>, theirs: Side<'_>, is_across: bool) {
    let found = if is_across { carry::fit(ours, theirs) } else { fit(ours.make.dialect(), ours.column, theirs.column) };
    let is_alike = ours.make.dialect() == theirs.make.dialect();
    let made = if is_alike { ours.column.clone() } else { carry::made(ours, theirs.make) };
    let (ours, theirs) = (ours.column, theirs.column);
    let types =
        format!("`{}` is of the type {}, the source's `{}` of {}", theirs.name, shown(theirs), ours.name, shown(ours));
    if ours.nullable && theirs.replaces_null {
        findings.problem(
            field,
            format!("`{}` makes a value of its own of each NULL of the source's `{}`", theirs.name, ours.name),
            "let it take NULL, and be without AUTO_INCREMENT",
        );
    }
    match found {
        Fit::Exact => {}
        Fit::Refusing => {
            findings.warnings.push(format!("{field}: {types}: a row whose value it does not take is set aside"));
        }
        Fit::InUtc => findings.warnings.push(format!("{field}: {types}: the times stand there in UTC")),
        Fit::Changing(how) => {
            let charset = made.charset.as_deref().filter(|_| made.charset != theirs.charset);
            let charset = charset.map(|charset| format!(" CHARACTER SET {charset}")).unwrap_or_default();
            let wanted = if made.resolved.is_empty() { "a column without a type" } else { &made.resolved };
            findings.problem(field, format!("{types}: {how}"), format!("make it {wanted}{charset}"));
        }
    }
}

fn shown(column: &Column) -> &str {
    if column.type_name.is_empty() { "no type" } else { &column.type_name }
}
