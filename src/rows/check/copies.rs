//! Related tables whose rows are copied: each of their rows has to belong to one item, and be found again by its key.

use super::super::tables::{RelatedTable, Tables};
use super::super::types::key_kind;
use super::{Findings, create_index, listed};
use crate::spec::{Related, RowsDefinition};
use crate::sql::Dialect;
use crate::sql::catalog::Table;

pub(super) fn check(findings: &mut Findings, definition: &RowsDefinition, tables: &Tables) {
    let (dialect, source) = (tables.make.dialect(), tables.source.as_ref());
    descend(findings, "source", dialect, source, &definition.source.related, &tables.related);
}

fn descend(
    findings: &mut Findings,
    path: &str,
    dialect: Dialect,
    parent: Option<&Table>,
    related: &[Related],
    found: &[RelatedTable],
) {
    for (place, (one, found)) in related.iter().zip(found).enumerate() {
        let path = format!("{path}.related[{place}]");
        if let (true, Some(parent)) = (is_copied(one), parent) {
            one_item(findings, &path, parent, one);
        }
        if let (Some(_), Some(table)) = (&one.target, &found.table) {
            key(findings, &path, dialect, table, one);
        }
        descend(findings, &path, dialect, found.table.as_ref(), &one.related, &found.related);
    }
}

/// It, or a table beneath it.
fn is_copied(one: &Related) -> bool {
    one.target.is_some() || one.related.iter().any(is_copied)
}

/// Rows that belong to several rows of the table above would be copied several times, into one place.
fn one_item(findings: &mut Findings, path: &str, parent: &Table, one: &Related) {
    let ours: Vec<&String> = one.on.iter().map(|(_, ours)| ours).collect();
    if ours.iter().any(|name| parent.column(name).is_none()) {
        return;
    }
    let unique = |columns: &[String]| columns.iter().all(|column| ours.contains(&column));
    if !parent.indexes.iter().any(|index| index.unique && !index.columns.is_empty() && unique(&index.columns)) {
        findings.problem(
            format!("{path}.on"),
            format!(
                "{} does not tell the rows of `{}` apart: a row of `{}` could belong to several of them, and be copied \
                 several times",
                listed(ours.iter().map(|name| name.as_str())),
                parent.name,
                one.table
            ),
            "leave it to the document (without `target`), or copy it by a migration of its own",
        );
    }
}

fn key(findings: &mut Findings, path: &str, dialect: Dialect, table: &Table, one: &Related) {
    if one.key.iter().any(|name| table.column(name).is_none()) {
        return;
    }
    let field = format!("{path}.key");
    for column in one.key.iter().filter_map(|name| table.column(name)) {
        if let Err(kind) = key_kind(dialect, column) {
            findings.problem(
                field.as_str(),
                format!("`{}` is of the type {kind}, by which a copy cannot be found again", column.name),
                "take a key of integers, decimals, dates and times, UUIDs, bytes or text",
            );
        }
    }
    if table.unique_over(&one.key).is_none() {
        let names: Vec<&str> = one.key.iter().map(String::as_str).collect();
        findings.problem(
            field,
            format!(
                "no unique index of `{}` has exactly the columns {}, and a copy is found again by them",
                table.name,
                listed(names.iter().copied())
            ),
            match table.primary().filter(|primary| !primary.columns.is_empty()) {
                Some(primary) => {
                    format!("take the primary key ({})", listed(primary.columns.iter().map(String::as_str)))
                }
                None => format!("run: {}", create_index(dialect, true, table, &names)),
            },
        );
    }
}
