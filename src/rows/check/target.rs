//! Every target held against the catalog, the migration's own and those of related tables.

use super::super::carry::{Side, made};
use super::super::destination::{self, Destination};
use super::super::tables::{RelatedTable, Tables};
use super::super::types::key_kind;
use super::holding::holds;
use super::source::is_table;
use super::{Findings, create_index, fit, listed, missing_column, missing_table};
use crate::plural::counted;
use crate::spec::{ColumnValue, RowsDefinition};
use crate::sql::Dialect;
use crate::sql::catalog::{Column, Table};

pub(super) fn check(findings: &mut Findings, definition: &RowsDefinition, tables: &Tables) {
    let all = destination::all(definition, tables);
    for (place, destination) in all.iter().enumerate() {
        let mut checked = Checked { findings, tables, destination, max_item: definition.limits.max_item };
        checked.mapped();
        let own = destination.place(&tables.target_default_schema);
        if let Some(first) = all[..place].iter().find(|one| one.place(&tables.target_default_schema) == own) {
            let message = format!("is the table of `{}.table`", first.field);
            findings.problem(format!("{}.table", destination.field), message, "copy each into a table of its own");
            continue;
        }
        checked.target();
    }
}

/// One target held against the catalog.
struct Checked<'a> {
    findings: &'a mut Findings,
    tables: &'a Tables,
    destination: &'a Destination<'a>,
    max_item: u64,
}

impl Checked<'_> {
    fn target(&mut self) {
        let Destination { field, schema, table: name, .. } = self.destination;
        let field = format!("{field}.table");
        let Some(table) = self.destination.found else {
            if !self.destination.create {
                missing_table(self.findings, &field, *schema, self.tables, name);
                if let Some(problem) = self.findings.problems.last_mut() {
                    problem.hint.push_str(", or write `create = true`");
                }
            }
            self.alike();
            return;
        };
        if !is_table(self.findings, &field, table) {
            return;
        }
        let place = |table: &Table| self.tables.is_same_place.then(|| (table.schema.clone(), table.name.clone()));
        let is_one = |one: &Table, two: &Table| place(one).is_some_and(|place_of_one| Some(place_of_one) == place(two));
        if let Some(source) = &self.tables.source
            && is_one(source, table)
        {
            self.findings.problem(field, "is the source itself", "name the table that is to hold the history");
            return;
        }
        if is_related(&self.tables.related, &|one| is_one(one, table)) {
            self.findings.problem(field, "is one of the related tables", "write to a table of its own");
            return;
        }
        let shares =
            |one: &Table| self.tables.is_same_place && table.kin.contains(&(one.schema.clone(), one.name.clone()));
        if self.tables.source.as_ref().is_some_and(shares) || is_related(&self.tables.related, &shares) {
            self.findings.problem(
                field,
                format!(
                    "`{}` shares rows with the source, or a related table: it is a partition of it, inherits from it, or the other way \
                     round",
                    table.name
                ),
                "write to a table of its own",
            );
            return;
        }
        if let Some(engine) = table.engine.as_deref().filter(|engine| !engine.eq_ignore_ascii_case("InnoDB")) {
            self.findings.problem(
                field.as_str(),
                format!("`{}` is of the storage engine {engine}, which cannot roll a batch back", table.name),
                "make it InnoDB: ALTER TABLE … ENGINE = InnoDB",
            );
        }
        if let Some(rule) = &table.insert_rule {
            self.findings.problem(
                field,
                format!("`{}` has the rule `{rule}` ON INSERT, which does something else than insert", table.name),
                "drop the rule, or write a trigger in its place",
            );
        }
        self.columns(table);
        self.key(table);
    }

    /// What fills the target has to be in the source, and must not be what may not travel.
    fn mapped(&mut self) {
        let Some(source) = self.destination.source else { return };
        for (name, value) in self.destination.columns {
            let ColumnValue::Column(from) = value else { continue };
            if source.column(from).is_none() {
                missing_column(self.findings, &self.field(name), source, from);
            }
        }
    }

    /// In a table that is to be created, names that differ in upper and lower case alone are two columns in PostgreSQL only.
    fn alike(&mut self) {
        if self.tables.target_make.dialect() == Dialect::Postgres {
            return;
        }
        let mut names: Vec<(&str, String)> = Vec::new();
        for (name, _) in self.destination.columns {
            let lower = name.to_lowercase();
            if let Some((first, _)) = names.iter().find(|(_, other)| *other == lower) {
                let message = format!(
                    "differs from `{first}` in upper and lower case alone: the database has one column for both"
                );
                let field = self.field(name);
                self.findings.problem(field, message, "give it a name of its own");
            }
            names.push((name, lower));
        }
    }

    fn field(&self, column: &str) -> String {
        format!("{}.columns.{column}", self.destination.field)
    }

    fn columns(&mut self, table: &Table) {
        for (name, value) in self.destination.columns {
            let field = self.field(name);
            let Some(column) = table.column(name) else {
                missing_column(self.findings, &field, table, name);
                continue;
            };
            if column.generated {
                self.findings.problem(
                    field.as_str(),
                    format!("the database computes `{name}` itself, it cannot be written"),
                    "leave it out, or make it an ordinary column",
                );
            }
            match value {
                ColumnValue::Column(from) => self.kept(&field, column, from),
                _ => holds(self.findings, &field, self.tables.target_make.dialect(), self.max_item, column, value),
            }
        }
        for column in &table.columns {
            let mapped = self.destination.columns.iter().any(|(name, _)| *name == column.name);
            if !mapped && !column.nullable && !column.has_default && !column.generated {
                self.findings.problem(
                    format!("{}.columns", self.destination.field),
                    format!(
                        "`{}` of `{}` takes no NULL, has no default, and nothing fills it",
                        column.name, table.name
                    ),
                    format!("map it, or give it a default: {} = …", column.name),
                );
            }
        }
    }

    /// Whether a column keeps what the source's column feeds it. A key that sorts differently is another problem, told by it.
    fn kept(&mut self, field: &str, column: &Column, from: &String) {
        let Some(ours) = self.destination.source.and_then(|source| source.column(from)) else { return };
        let is_across = self.tables.is_across;
        let dialect = self.tables.target_make.dialect();
        let key =
            self.destination.source_key.contains(from) && self.destination.fed_by(from) == Some(column.name.as_str());
        let sorted_otherwise = dialect != Dialect::Sqlite && key_kind(dialect, ours) != key_kind(dialect, column);
        if is_across || !(key && sorted_otherwise) {
            let ours = Side { make: self.tables.make, column: ours };
            fit::check(self.findings, field, ours, Side { make: self.tables.target_make, column }, is_across);
        }
    }

    fn key(&mut self, table: &Table) {
        let Destination { field, key, source_key, .. } = self.destination;
        let at = format!("{field}.key");
        let dialect = self.tables.target_make.dialect();
        let there = key.iter().all(|name| table.column(name).is_some());
        for name in key.iter().filter(|name| table.column(name).is_none()) {
            missing_column(self.findings, &at, table, name);
        }
        let names: Vec<&str> = key.iter().map(String::as_str).collect();
        if there && table.unique_over(key).is_none() {
            self.findings.problem(
                at.as_str(),
                format!(
                    "no unique index of `{}` has exactly the columns {}",
                    table.name,
                    listed(names.iter().copied())
                ),
                format!("run: {}", create_index(dialect, true, table, &names)),
            );
        }
        let Some(source) = self.destination.source else { return };
        for name in *source_key {
            let Some(fed) = self.destination.fed_by(name) else {
                self.findings.problem(
                    at.as_str(),
                    format!("nothing in it is fed by the source's key column `{name}`"),
                    format!("map a column of the target's key to it: order_id = \"{name}\""),
                );
                continue;
            };
            let (Some(ours), Some(theirs)) = (source.column(name), table.column(fed)) else { continue };
            let theirs_kind = key_kind(dialect, theirs);
            if let (true, Err(kind)) = (self.tables.is_across, &theirs_kind) {
                self.findings.problem(
                    format!("{field}.columns.{fed}"),
                    format!("`{fed}` is of the type {kind}, by which a target cannot be found again"),
                    format!(
                        "make it {}",
                        made(Side { make: self.tables.make, column: ours }, self.tables.target_make).type_name
                    ),
                );
            } else if let Ok(ours_kind) = key_kind(dialect, ours)
                && !self.tables.is_across
                && dialect != Dialect::Sqlite
                && theirs_kind != Ok(ours_kind)
            {
                self.findings.problem(
                    format!("{field}.columns.{fed}"),
                    format!(
                        "`{fed}` is of the type {}, the source's `{name}` of {}: they sort differently",
                        theirs.type_name, ours.type_name
                    ),
                    format!("make it {}", ours.type_name),
                );
            }
        }
        if source_key.len() != key.len() {
            self.findings.problem(
                at.as_str(),
                format!("has {}, the source's key has {}", counted(key.len() as u64, "column"), source_key.len()),
                "feed it by exactly the source's key",
            );
        }
    }
}

fn is_related(related: &[RelatedTable], test: &impl Fn(&Table) -> bool) -> bool {
    related.iter().any(|one| one.table.as_ref().is_some_and(test) || is_related(&one.related, test))
}
