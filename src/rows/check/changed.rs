//! `source.changed` held against the catalog.

use super::super::tables::Tables;
use super::{Findings, create_index, missing_column};
use crate::spec::Source;
use crate::sql::Dialect;
use crate::sql::catalog::Column;

const FIELD: &str = "source.changed";

pub(in crate::rows) fn check(findings: &mut Findings, source: &Source, tables: &Tables) {
    let (Some(changed), Some(table)) = (&source.changed, &tables.source) else { return };
    let name = &changed.column;
    let Some(column) = table.column(name) else { return missing_column(findings, FIELD, table, name) };
    if source.walked_by_changes().is_none() {
        findings.warnings.push(
            "`where` names `:pass_started`, so that a row may come to match without a change: sweeps look at the whole key, as if `changed` were not there"
                .to_owned(),
        );
    }
    let dialect = tables.make.dialect();
    match zone(dialect, column) {
        None => findings.problem(
            FIELD,
            format!("`{name}` is of the type {}, which is no point in time", column.type_name),
            match dialect {
                Dialect::MySql => "name a column of the type DATETIME or TIMESTAMP",
                Dialect::Postgres => "name a column of the type timestamptz or timestamp",
                Dialect::Sqlite => {
                    "name a column that is declared TEXT, DATETIME or TIMESTAMP, and holds texts as CURRENT_TIMESTAMP writes them"
                }
            },
        ),
        Some(false) => findings.warnings.push(format!(
            "`{name}` knows no time zone, and is read as UTC: if it holds another time, `overlap` has to be longer by the difference"
        )),
        Some(true) => {}
    }
    if column.nullable {
        findings.problem(
            FIELD,
            format!("`{name}` takes NULL: a row without it would be found by no sweep"),
            format!("make `{name}` NOT NULL, or leave `changed` out"),
        );
    }
    if table.index_over(std::slice::from_ref(name)).is_none() {
        findings.problem(
            FIELD,
            format!("no index of `{}` begins with `{name}`", table.name),
            format!("run: {}", create_index(dialect, false, table, &[name])),
        );
    }
    if source.key.contains(name) {
        findings.problem(FIELD, format!("`{name}` is a column of the key, which never changes"), "leave `changed` out");
    }
}

/// Whether a point in time of this type says in which zone; `None`: it is none.
fn zone(dialect: Dialect, column: &Column) -> Option<bool> {
    let base = column.base.to_ascii_lowercase();
    match (dialect, base.as_str()) {
        (Dialect::MySql, "timestamp") | (Dialect::Postgres, "timestamptz") => Some(true),
        (Dialect::MySql, "datetime") | (Dialect::Postgres, "timestamp") => Some(false),
        // A number would be less than any text.
        (Dialect::Sqlite, declared) if declared.contains("int") || declared.is_empty() => None,
        (Dialect::Sqlite, declared) => ["text", "char", "clob", "datetime", "timestamp"]
            .iter()
            .any(|word| declared.contains(word))
            .then_some(false),
        _ => None,
    }
}
