//! `after = "delete"`: related rows that can be held while they are copied, and nothing that leaves with them unnoticed.

use super::super::tables::{RelatedTable, Tables};
use super::{Findings, listed};
use crate::spec::{After, ColumnValue, Related, RowsDefinition};
use crate::sql::Dialect;
use crate::sql::catalog::{Reference, Table};
use crate::sql::statement::Statement;

pub(super) fn check(findings: &mut Findings, definition: &RowsDefinition, tables: &Tables) {
    let (After::Delete, Some(source)) = (definition.target.after, &tables.source) else { return };
    let dialect = tables.make.dialect();
    let mut leaving = vec![Leaving { field: "source".to_owned(), table: source, above: None }];
    gather(&mut leaving, "source", source, &definition.source.related, &tables.related);
    let whole = definition.target.columns.iter().any(|(_, value)| *value == ColumnValue::Document);
    for (place, one) in leaving.iter().enumerate() {
        let field = format!("{}.table", one.field);
        if let Some(first) = leaving[..place].iter().find(|first| same(first.table, one.table)) {
            let message = format!("is the table of `{}.table`: its rows would be deleted twice", first.field);
            findings.problem(field, message, "name each table once, or write `after = \"keep\"`");
            continue;
        }
        holds(findings, &field, one.table);
        if let Some((parent, related)) = one.above {
            belongs(findings, dialect, tables, one, parent, related);
        }
        referred(findings, tables, &leaving, one);
    }
    lost(findings, "source", source, (whole, &definition.source.exclude, &definition.target.columns));
    lost_related(findings, "source", whole, &definition.source.related, &tables.related);
}

/// A table whose rows are deleted.
struct Leaving<'a> {
    field: String,
    table: &'a Table,
    /// The table above it, and how it belongs to that.
    above: Option<(&'a Table, &'a Related)>,
}

fn gather<'a>(
    leaving: &mut Vec<Leaving<'a>>,
    path: &str,
    parent: &'a Table,
    related: &'a [Related],
    found: &'a [RelatedTable],
) {
    for (place, (one, found)) in related.iter().zip(found).enumerate() {
        let field = format!("{path}.related[{place}]");
        let Some(table) = &found.table else { continue };
        leaving.push(Leaving { field: field.clone(), table, above: Some((parent, one)) });
        gather(leaving, &field, table, &one.related, &found.related);
    }
}

fn same(one: &Table, other: &Table) -> bool {
    (&one.schema, &one.name) == (&other.schema, &other.name)
}

fn holds(findings: &mut Findings, field: &str, table: &Table) {
    if let Some(engine) = table.engine.as_deref().filter(|engine| !engine.eq_ignore_ascii_case("InnoDB")) {
        findings.problem(
            field,
            format!("`{}` is of the storage engine {engine}, which can neither lock rows nor roll back", table.name),
            "make it InnoDB: ALTER TABLE … ENGINE = InnoDB; or write `after = \"keep\"`",
        );
    }
}

/// Each row belongs to one row of the table above it, and none can be added while that one is held.
fn belongs(
    findings: &mut Findings,
    dialect: Dialect,
    tables: &Tables,
    one: &Leaving<'_>,
    parent: &Table,
    related: &Related,
) {
    let ours: Vec<&String> = related.on.iter().map(|(_, ours)| ours).collect();
    let unique = |columns: &[String]| columns.iter().all(|column| ours.contains(&column));
    if !parent.indexes.iter().any(|index| index.unique && !index.columns.is_empty() && unique(&index.columns)) {
        findings.problem(
            format!("{}.on", one.field),
            format!(
                "{} does not tell the rows of `{}` apart: a row of `{}` could belong to several of them, and would leave with the \
                 first",
                listed(ours.iter().map(|name| name.as_str())),
                parent.name,
                one.table.name
            ),
            "leave the table out, or write `after = \"keep\"`",
        );
    }
    if dialect == Dialect::Postgres && !tables.references(parent).iter().any(|key| holds_back(key, one.table, related))
    {
        findings.problem(
            format!("{}.on", one.field),
            format!(
                "no foreign key of `{}` refers to `{}` by these columns: nothing would keep new rows away from one that is \
                 being deleted",
                one.table.name, parent.name
            ),
            format!("run: {} or write `after = \"keep\"`", add_key(dialect, one.table, parent, related)),
        );
    }
}

/// Whether a foreign key keeps new rows of a related table away from a row of the table above it that is locked.
pub(in super::super) fn holds_back(key: &Reference, table: &Table, related: &Related) -> bool {
    key.enforced && goes_along(key, table, related)
}

fn goes_along(key: &Reference, table: &Table, related: &Related) -> bool {
    (&key.schema, &key.table) == (&table.schema, &table.name)
        && key.columns.iter().all(|pair| related.on.contains(pair))
}

/// What refers to the rows that are deleted, beside their own related rows.
fn referred(findings: &mut Findings, tables: &Tables, leaving: &[Leaving<'_>], one: &Leaving<'_>) {
    let bonds = tables.bonds(one.table);
    for key in bonds.map(|bonds| bonds.references.as_slice()).unwrap_or_default() {
        let along = |child: &Leaving<'_>| {
            child
                .above
                .is_some_and(|(parent, related)| same(parent, one.table) && goes_along(key, child.table, related))
        };
        if leaving.iter().any(along) {
            continue;
        }
        let name = key.name.as_ref().map(|name| format!(" `{name}`")).unwrap_or_default();
        if key.cascades() {
            findings.problem(
                format!("{}.table", one.field),
                format!(
                    "the foreign key{name} of `{}` is declared ON DELETE {}: rows of it that are not named here would change or go \
                     with those of `{}`",
                    key.table, key.on_delete, one.table.name
                ),
                format!(
                    "name `{}` under `[[source.related]]` by these columns, declare the key ON DELETE NO ACTION, or write \
                     `after = \"keep\"`",
                    key.table
                ),
            );
        } else if !leaving.iter().any(|other| (&other.table.schema, &other.table.name) == (&key.schema, &key.table)) {
            findings.warnings.push(format!(
                "the foreign key{name} of `{}` refers to `{}`: a row that it still refers to cannot be deleted, stays and becomes a \
                 dead letter",
                key.table, one.table.name
            ));
        }
    }
    let Some(bonds) = bonds else { return };
    if let Some(rule) = &bonds.delete_rule {
        findings.problem(
            format!("{}.table", one.field),
            format!("`{}` has the rule `{rule}` ON DELETE, which does something else than delete", one.table.name),
            "drop the rule, or write `after = \"keep\"`",
        );
    }
    if bonds.delete_triggers {
        findings.warnings.push(format!(
            "triggers of `{}` fire for each row that is deleted: what they do is done for moved rows too",
            one.table.name
        ));
    }
}

/// What is neither in a document nor in a column of the target is gone with its row: that is said, not refused.
fn lost(
    findings: &mut Findings,
    field: &str,
    table: &Table,
    (whole, exclude, columns): (bool, &[String], &[(String, ColumnValue)]),
) {
    let mapped =
        |name: &String| columns.iter().any(|(_, value)| matches!(value, ColumnValue::Column(from) if from == name));
    let gone = table.columns.iter().map(|column| &column.name);
    let gone: Vec<&String> = gone.filter(|name| !mapped(name) && (!whole || exclude.contains(name))).collect();
    if !gone.is_empty() {
        findings.warnings.push(format!(
            "{} of `{}` ({field}) travel nowhere, and are gone for good once their row is deleted",
            listed(gone.iter().map(|name| name.as_str())),
            table.name
        ));
    }
}

fn lost_related(findings: &mut Findings, path: &str, whole: bool, related: &[Related], found: &[RelatedTable]) {
    for (place, (one, found)) in related.iter().zip(found).enumerate() {
        let field = format!("{path}.related[{place}]");
        let columns = one.target.as_ref().map(|target| target.columns.as_slice()).unwrap_or_default();
        if let Some(table) = &found.table {
            lost(findings, &field, table, (whole, &one.exclude, columns));
        }
        lost_related(findings, &field, whole, &one.related, &found.related);
    }
}

/// `ALTER TABLE … ADD FOREIGN KEY …`, to be run as it stands.
fn add_key(dialect: Dialect, table: &Table, parent: &Table, related: &Related) -> String {
    let mut statement = Statement::new(dialect);
    statement.sql("ALTER TABLE ").name(&table.schema).sql(".").name(&table.name).sql(" ADD FOREIGN KEY (");
    for (place, (theirs, _)) in related.on.iter().enumerate() {
        statement.sql(if place == 0 { "" } else { ", " }).name(theirs);
    }
    statement.sql(") REFERENCES ").name(&parent.schema).sql(".").name(&parent.name).sql(" (");
    for (place, (_, ours)) in related.on.iter().enumerate() {
        statement.sql(if place == 0 { "" } else { ", " }).name(ours);
    }
    statement.sql(");");
    statement.text().to_owned()
}
