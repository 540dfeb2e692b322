//! `[source]` held against the catalog.

use super::super::key::KeyKind;
use super::super::tables::{RelatedTable, Tables};
use super::super::types::key_kind;
use super::comparable::comparable;
use super::{Findings, create_index, missing_column, missing_table};
use crate::spec::filter::clocks_beside;
use crate::spec::{Related, Source};
use crate::sql::Dialect;
use crate::sql::catalog::{Column, Table};
use crate::sql::class::SEES_ALL;

pub(in crate::rows) fn check(findings: &mut Findings, source: &Source, tables: &Tables) {
    let dialect = tables.make.dialect();
    let Some(table) = &tables.source else {
        missing_table(findings, "source.table", source.schema.as_deref(), tables, &source.table);
        related(findings, "source", source, None, &source.related, &tables.related, tables, &mut Vec::new());
        return;
    };
    if !is_table(findings, "source.table", table) {
        return;
    }
    engine(findings, table);
    if all_there(findings, "source.key", table, source.key.iter()) {
        key(findings, dialect, table, &source.key);
    }
    condition(findings, dialect, table, source);
    names(findings, "source", table, &source.exclude, &source.related);
    let mut known: Vec<&Table> = vec![table];
    let whole = related(findings, "source", source, Some(table), &source.related, &tables.related, tables, &mut known);
    for (place, name) in source.exclude.iter().enumerate() {
        if whole && known.iter().all(|table| table.column(name).is_none()) {
            missing_column(findings, &format!("source.exclude[{place}]"), table, name);
        }
    }
}

/// Views have neither keys nor indexes that could be walked; and rows must not be hidden.
pub(super) fn is_table(findings: &mut Findings, field: &str, table: &Table) -> bool {
    if table.is_view {
        findings.problem(
            field,
            format!("`{}` is a view, which has no key that could be walked", table.name),
            "name the table beneath it",
        );
    }
    if table.hides_rows {
        findings.problem(
            field,
            format!(
                "row-level security of `{}` applies to the database user: rows that it hides would be missed",
                table.name
            ),
            SEES_ALL,
        );
    }
    !table.is_view
}

fn engine(findings: &mut Findings, table: &Table) {
    if let Some(engine) = table.engine.as_deref().filter(|engine| !engine.eq_ignore_ascii_case("InnoDB")) {
        findings.warnings.push(format!(
            "`{}` is of the storage engine {engine}, which knows no snapshots: a row that changes while it is read may be \
             moved half changed",
            table.name
        ));
    }
}

fn all_there<'a>(findings: &mut Findings, field: &str, table: &Table, names: impl Iterator<Item = &'a String>) -> bool {
    let mut all = true;
    for name in names.filter(|name| table.column(name).is_none()) {
        missing_column(findings, field, table, name);
        all = false;
    }
    all
}

fn key(findings: &mut Findings, dialect: Dialect, table: &Table, key: &[String]) {
    for column in key.iter().filter_map(|name| table.column(name)) {
        if let Err(kind) = key_kind(dialect, column) {
            findings.problem(
                "source.key",
                format!("`{}` is of the type {kind}, which cannot be walked in order", column.name),
                "take a key of integers, decimals, dates and times, UUIDs, bytes or text",
            );
        }
        if column.nullable {
            findings.problem(
                "source.key",
                format!("`{}` takes NULL: rows without a key would never be seen", column.name),
                format!("take a key of NOT NULL columns, or make `{}` NOT NULL", column.name),
            );
        }
    }
    let names: Vec<&str> = key.iter().map(String::as_str).collect();
    if table.unique_over(key).is_none() {
        findings.problem(
            "source.key",
            format!(
                "no unique index of `{}` has exactly the columns {}",
                table.name,
                super::listed(names.iter().copied())
            ),
            match table.primary().filter(|primary| !primary.columns.is_empty()) {
                Some(primary) => format!(
                    "take the primary key ({}), or run: {}",
                    super::listed(primary.columns.iter().map(String::as_str)),
                    create_index(dialect, true, table, &names)
                ),
                None => format!("run: {}", create_index(dialect, true, table, &names)),
            },
        );
    } else if table.index_over(key).is_none() {
        findings.problem(
            "source.key",
            format!("no index of `{}` begins with {} in this order", table.name, super::listed(names.iter().copied())),
            format!(
                "write the columns in their order in the unique index, or run: {}",
                create_index(dialect, true, table, &names)
            ),
        );
    }
}

/// PostgreSQL takes `'today'` for a time where it is compared with one, and reads the clock anew in each run.
fn condition(findings: &mut Findings, dialect: Dialect, table: &Table, source: &Source) {
    let is_time = |column: &Column| matches!(key_kind(dialect, column), Ok(KeyKind::Time));
    for filter in source.filter.iter().filter(|_| dialect == Dialect::Postgres) {
        findings.problems.extend(clocks_beside(filter, |name| table.column(name).is_some_and(is_time)));
    }
}

/// A column and a related table of one name would be two members of one object.
fn names(findings: &mut Findings, path: &str, table: &Table, exclude: &[String], related: &[Related]) {
    for (place, one) in related.iter().enumerate() {
        if table.columns.iter().any(|column| column.name == one.name && !exclude.contains(&column.name)) {
            findings.problem(
                format!("{path}.related[{place}].name"),
                format!("`{}` is also a column of `{}`: the document would have the name twice", one.name, table.name),
                "give the related table another name",
            );
        }
    }
}

#[allow(clippy::too_many_arguments, reason = "one step of a walk down the tree")]
fn related<'a>(
    findings: &mut Findings,
    path: &str,
    source: &Source,
    parent: Option<&Table>,
    related: &[Related],
    found: &'a [RelatedTable],
    tables: &Tables,
    known: &mut Vec<&'a Table>,
) -> bool {
    let mut whole = true;
    for (place, (one, found)) in related.iter().zip(found).enumerate() {
        let path = format!("{path}.related[{place}]");
        let Some(table) = &found.table else {
            let schema = one.schema.as_deref().or(source.schema.as_deref());
            missing_table(findings, &format!("{path}.table"), schema, tables, &one.table);
            whole = false;
            self::related(findings, &path, source, None, &one.related, &found.related, tables, known);
            continue;
        };
        known.push(table);
        if !is_table(findings, &format!("{path}.table"), table) {
            continue;
        }
        engine(findings, table);
        names(findings, &path, table, &one.exclude, &one.related);
        // The source's own list is in it too: that one names columns of any of the tables.
        let own = |(_, name): &(usize, &String)| !source.exclude.contains(name);
        for (place, name) in one.exclude.iter().enumerate().filter(own).filter(|(_, name)| table.column(name).is_none())
        {
            missing_column(findings, &format!("{path}.exclude[{place}]"), table, name);
        }
        let children = all_there(findings, &format!("{path}.on"), table, one.on.iter().map(|(theirs, _)| theirs));
        if let Some(parent) = parent {
            all_there(findings, &format!("{path}.on"), parent, one.on.iter().map(|(_, ours)| ours));
            comparable(findings, &path, tables.make.dialect(), table, parent, one);
        }
        let keys = all_there(findings, &format!("{path}.key"), table, one.key.iter());
        if children {
            reachable(findings, &path, tables.make.dialect(), table, one);
        }
        if children && keys {
            ordered(findings, &path, tables.make.dialect(), table, one);
        }
        whole &= self::related(findings, &path, source, Some(table), &one.related, &found.related, tables, known);
    }
    whole
}

/// Without an index that begins with the columns of `on`, each row of the source would scan the whole related table.
fn reachable(findings: &mut Findings, path: &str, dialect: Dialect, table: &Table, one: &Related) {
    let theirs: Vec<&str> = one.on.iter().map(|(theirs, _)| theirs.as_str()).collect();
    let serves = |columns: &[String]| {
        columns
            .get(..theirs.len())
            .is_some_and(|first| theirs.iter().all(|name| first.iter().any(|column| column == name)))
    };
    if !table.indexes.iter().any(|index| index.usable && serves(&index.columns)) {
        findings.problem(
            format!("{path}.on"),
            format!("no index of `{}` begins with {}", table.name, super::listed(theirs.iter().copied())),
            format!("run: {}", create_index(dialect, false, table, &theirs)),
        );
    }
}

/// Children of equal keys could stand in either order, and equal rows would give different documents.
fn ordered(findings: &mut Findings, path: &str, dialect: Dialect, table: &Table, one: &Related) {
    let fixed = |name: &String| one.key.contains(name) || one.on.iter().any(|(theirs, _)| theirs == name);
    let unique = table.indexes.iter().any(|index| index.unique && index.columns.iter().all(fixed));
    if !unique {
        let names: Vec<&str> = one.key.iter().map(String::as_str).collect();
        let on: Vec<&str> =
            one.on.iter().map(|(theirs, _)| theirs.as_str()).filter(|name| !names.contains(name)).collect();
        let columns: Vec<&str> = on.iter().chain(&names).copied().collect();
        findings.problem(
            format!("{path}.key"),
            format!(
                "{} does not tell the rows of one array apart: their order would be left to chance",
                super::listed(names.iter().copied())
            ),
            match table.primary().filter(|primary| !primary.columns.is_empty()) {
                Some(primary) => {
                    format!("take the primary key ({})", super::listed(primary.columns.iter().map(String::as_str)))
                }
                None => format!("take a unique key, or run: {}", create_index(dialect, true, table, &columns)),
            },
        );
    }
    for column in one.key.iter().filter_map(|name| table.column(name)).filter(|column| column.nullable) {
        findings.problem(
            format!("{path}.key"),
            format!("`{}` takes NULL: the order of such rows would be left to chance", column.name),
            "take a key of NOT NULL columns",
        );
    }
}
