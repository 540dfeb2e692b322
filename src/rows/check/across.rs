//! What this version does not carry from one database to another yet: refused by name.

use super::super::destination::{self, Destination};
use super::super::key::KeyKind;
use super::super::tables::Tables;
use super::super::types::key_kind;
use super::Findings;
use crate::spec::{ColumnValue, Definition};

const NOT_BUILT: &str = "to a database of another make is not built in this version yet";

pub(super) fn check(findings: &mut Findings, definition: &Definition, tables: &Tables) {
    if !tables.is_across {
        return;
    }
    let all = destination::all(definition, tables);
    for destination in all.iter().skip(1) {
        findings.problem(
            destination.field.as_str(),
            "copying related rows to another database is not built in this version yet",
            "leave the section out: they travel in the document",
        );
    }
    let alike = tables.make.dialect() == tables.target_make.dialect();
    if let Some(own) = all.first().filter(|_| !alike) {
        columns(findings, tables, own);
    }
}

fn columns(findings: &mut Findings, tables: &Tables, own: &Destination<'_>) {
    let (Some(source), dialect) = (own.source, tables.make.dialect()) else { return };
    if own.found.is_none() && own.create {
        let message = format!("creating the table of a copy {NOT_BUILT}");
        findings.problem(format!("{}.create", own.field), message, "create the table by hand");
    }
    for (name, value) in own.columns {
        let ColumnValue::Column(from) = value else { continue };
        let Some(column) = source.column(from) else { continue };
        if !matches!(key_kind(dialect, column), Ok(KeyKind::Int | KeyKind::Text)) {
            findings.problem(
                format!("{}.columns.{name}", own.field),
                format!("carrying `{from}`, of the type {}, {NOT_BUILT}", column.type_name),
                "leave it out: the document holds it",
            );
        }
    }
}
