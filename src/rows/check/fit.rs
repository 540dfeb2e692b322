//! Whether a target column of the user's own keeps every value of the source column that feeds it.

mod mysql;
mod postgres;
mod sqlite;

use super::Findings;
use crate::sql::Dialect;
use crate::sql::catalog::Column;

/// What becomes of a column's values in another column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// Each of them is kept, and compares equal afterwards.
    Exact,
    /// Each of them is kept or refused, which makes the row a dead letter.
    Refusing,
    /// A time changes between with and without a time zone: read and written in UTC.
    InUtc,
    /// Some are changed without an error, or it is not known that none is: what becomes of them.
    Changing(&'static str),
}

const UNKNOWN: Fit = Fit::Changing("the two are not known to hold the same values");
const ROUNDED: Fit = Fit::Changing("digits behind the point would be lost");
const BINARY_FRACTION: Fit = Fit::Changing("digits would be lost to rounding");
const FRACTION: Fit = Fit::Changing("fraction digits would be lost");
const PART: Fit = Fit::Changing("a part of the date and time would be lost");
const BLANKS: Fit = Fit::Changing("blanks at the end would be lost");

/// What becomes of the values of `ours` in `theirs`.
pub(super) fn fit(dialect: Dialect, ours: &Column, theirs: &Column) -> Fit {
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

/// Reports a target column that does not keep every value of what feeds it.
pub(super) fn check(findings: &mut Findings, field: &str, dialect: Dialect, ours: &Column, theirs: &Column) {
    let types =
        format!("`{}` is of the type {}, the source's `{}` of {}", theirs.name, shown(theirs), ours.name, shown(ours));
    if ours.nullable && theirs.replaces_null {
        findings.problem(
            field,
            format!("`{}` makes a value of its own of each NULL of the source's `{}`", theirs.name, ours.name),
            "let it take NULL, and be without AUTO_INCREMENT",
        );
    }
    match fit(dialect, ours, theirs) {
        Fit::Exact => {}
        Fit::Refusing => {
            findings.warnings.push(format!("{field}: {types}: a row whose value it does not take is set aside"));
        }
        Fit::InUtc => findings.warnings.push(format!("{field}: {types}: the times stand there in UTC")),
        Fit::Changing(how) => {
            let charset = ours.charset.as_deref().filter(|_| ours.charset != theirs.charset);
            let charset = charset.map(|charset| format!(" CHARACTER SET {charset}")).unwrap_or_default();
            let wanted = if ours.resolved.is_empty() { "a column without a type" } else { &ours.resolved };
            findings.problem(field, format!("{types}: {how}"), format!("make it {wanted}{charset}"));
        }
    }
}

fn shown(column: &Column) -> &str {
    if column.type_name.is_empty() { "no type" } else { &column.type_name }
}

/// A number of `digits` digits, `scale` of them behind the point, in a decimal of `theirs`.
fn decimal(digits: u32, scale: u32, theirs: (u32, u32)) -> Fit {
    if theirs.1 < scale {
        ROUNDED
    } else if theirs.0.saturating_sub(theirs.1) < digits.saturating_sub(scale) {
        Fit::Refusing
    } else {
        Fit::Exact
    }
}

/// Exact if it is so, refused by the database otherwise.
fn exact_if(it_is: bool) -> Fit {
    if it_is { Fit::Exact } else { Fit::Refusing }
}
