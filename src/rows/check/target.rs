//! `[target]` held against the catalog.

use super::super::resolve::fed_by;
use super::super::tables::Tables;
use super::super::types::key_kind;
use super::source::is_table;
use super::{Findings, create_index, fit, listed, missing_column, missing_table};
use crate::spec::{ColumnValue, Definition};
use crate::sql::Dialect;
use crate::sql::catalog::{Column, Table};

pub(super) fn check(findings: &mut Findings, definition: &Definition, tables: &Tables) {
    mapped(findings, definition, tables);
    let target = &definition.target;
    let Some(table) = &tables.target else {
        if !target.create {
            missing_table(findings, "target.table", target.schema.as_deref(), tables, &target.table);
            if let Some(problem) = findings.problems.last_mut() {
                problem.hint.push_str(", or write `create = true`");
            }
        }
        return;
    };
    if !is_table(findings, "target.table", table) {
        return;
    }
    if let Some(source) = &tables.source
        && (&source.schema, &source.name) == (&table.schema, &table.name)
    {
        findings.problem("target.table", "is the source itself", "name the table that is to hold the history");
        return;
    }
    if let Some(engine) = table.engine.as_deref().filter(|engine| !engine.eq_ignore_ascii_case("InnoDB")) {
        findings.problem(
            "target.table",
            format!("`{}` is of the storage engine {engine}, which cannot roll a batch back", table.name),
            "make it InnoDB: ALTER TABLE … ENGINE = InnoDB",
        );
    }
    if let Some(rule) = &table.insert_rule {
        findings.problem(
            "target.table",
            format!("`{}` has the rule `{rule}` ON INSERT, which does something else than insert", table.name),
            "drop the rule, or write a trigger in its place",
        );
    }
    columns(findings, definition, tables, table);
    key(findings, definition, tables, table);
}

/// What fills the target has to be in the source, and must not be what may not travel.
fn mapped(findings: &mut Findings, definition: &Definition, tables: &Tables) {
    let Some(source) = &tables.source else { return };
    for (name, value) in &definition.target.columns {
        let ColumnValue::Column(from) = value else { continue };
        if source.column(from).is_none() {
            missing_column(findings, &format!("target.columns.{name}"), source, from);
        }
    }
}

fn columns(findings: &mut Findings, definition: &Definition, tables: &Tables, table: &Table) {
    for (name, value) in &definition.target.columns {
        let field = format!("target.columns.{name}");
        let Some(column) = table.column(name) else {
            missing_column(findings, &field, table, name);
            continue;
        };
        if column.generated {
            findings.problem(
                field.as_str(),
                format!("the database computes `{name}` itself, it cannot be written"),
                "leave it out, or make it an ordinary column",
            );
        }
        match value {
            ColumnValue::Column(from) => kept(findings, &field, definition, tables, column, from),
            _ => holds(findings, &field, definition, tables, column, value),
        }
    }
    for column in &table.columns {
        let mapped = definition.target.columns.iter().any(|(name, _)| *name == column.name);
        if !mapped && !column.nullable && !column.has_default && !column.generated {
            findings.problem(
                "target.columns",
                format!("`{}` of `{}` takes no NULL, has no default, and nothing fills it", column.name, table.name),
                format!("map it, or give it a default: {} = …", column.name),
            );
        }
    }
}

/// Whether a column keeps what the source's column feeds it. A key that sorts differently is another problem, told by it.
fn kept(
    findings: &mut Findings,
    field: &str,
    definition: &Definition,
    tables: &Tables,
    column: &Column,
    from: &String,
) {
    let Some(ours) = tables.source.as_ref().and_then(|source| source.column(from)) else { return };
    let dialect = tables.make.dialect();
    let key = definition.source.key.contains(from) && fed_by(definition, from) == Some(column.name.as_str());
    let sorted_otherwise = dialect != Dialect::Sqlite && key_kind(dialect, ours) != key_kind(dialect, column);
    if !(key && sorted_otherwise) {
        fit::check(findings, field, dialect, ours, column);
    }
}

/// Whether a column can hold what is to fill it.
fn holds(
    findings: &mut Findings,
    field: &str,
    definition: &Definition,
    tables: &Tables,
    column: &Column,
    value: &ColumnValue,
) {
    let dialect = tables.make.dialect();
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
        ColumnValue::Document => definition.limits.max_item,
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

fn key(findings: &mut Findings, definition: &Definition, tables: &Tables, table: &Table) {
    let target = &definition.target;
    let there = target.key.iter().all(|name| table.column(name).is_some());
    for name in target.key.iter().filter(|name| table.column(name).is_none()) {
        missing_column(findings, "target.key", table, name);
    }
    let names: Vec<&str> = target.key.iter().map(String::as_str).collect();
    if there && table.unique_over(&target.key).is_none() {
        findings.problem(
            "target.key",
            format!("no unique index of `{}` has exactly the columns {}", table.name, listed(names.iter().copied())),
            format!("run: {}", create_index(tables.make.dialect(), true, table, &names)),
        );
    }
    let Some(source) = &tables.source else { return };
    for name in &definition.source.key {
        let Some(fed) = fed_by(definition, name) else {
            findings.problem(
                "target.key",
                format!("nothing in it is fed by the source's key column `{name}`"),
                format!("map a column of the target's key to it: [target.columns] order_id = \"{name}\""),
            );
            continue;
        };
        let (Some(ours), Some(theirs)) = (source.column(name), table.column(fed)) else { continue };
        let dialect = tables.make.dialect();
        if let (Ok(ours_kind), theirs_kind) = (key_kind(dialect, ours), key_kind(dialect, theirs))
            && dialect != Dialect::Sqlite
            && theirs_kind != Ok(ours_kind)
        {
            findings.problem(
                format!("target.columns.{fed}"),
                format!(
                    "`{fed}` is of the type {}, the source's `{name}` of {}: they sort differently",
                    theirs.type_name, ours.type_name
                ),
                format!("make it {}", ours.type_name),
            );
        }
    }
    if definition.source.key.len() != target.key.len() {
        findings.problem(
            "target.key",
            format!("has {} columns, the source's key has {}", target.key.len(), definition.source.key.len()),
            "feed it by exactly the source's key",
        );
    }
}
