//! A definition held against the catalog: everything that does not fit, at once, and what to do about it.

mod changed;
mod comparable;
mod copies;
mod fit;
mod holding;
mod purge;
mod source;
mod target;

pub(super) use purge::holds_back;

use super::tables::Tables;
use crate::hint::nearest;
use crate::spec::{Problem, RowsDefinition, Source};
use crate::sql::Dialect;
use crate::sql::catalog::Table;
use crate::sql::statement::Statement;

pub(super) use fit::fit as fit_of;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Nothing moves while there are any.
    pub problems: Vec<Problem>,
    /// What may turn out badly.
    pub warnings: Vec<String>,
}

impl Findings {
    pub(super) fn problem(&mut self, field: impl Into<String>, message: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(Problem { field: field.into(), message: message.into(), hint: hint.into() });
    }
}

/// Checks all of a definition.
pub fn check(definition: &RowsDefinition, tables: &Tables) -> Findings {
    let mut findings = Findings::default();
    source::check(&mut findings, &definition.source, tables);
    changed::check(&mut findings, &definition.source, tables);
    copies::check(&mut findings, definition, tables);
    target::check(&mut findings, definition, tables);
    purge::check(&mut findings, definition, tables);
    findings
}

/// Checks a source that is walked by itself: whatever becomes of its rows.
pub(super) fn check_source(source: &Source, tables: &Tables) -> Findings {
    let mut findings = Findings::default();
    source::check(&mut findings, source, tables);
    changed::check(&mut findings, source, tables);
    findings
}

/// Reports a column that a table does not have.
pub(super) fn missing_column(findings: &mut Findings, field: &str, table: &Table, name: &str) {
    let names = || table.columns.iter().map(|column| column.name.as_str());
    let hint = match nearest(name, names()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("its columns are {}", listed(names())),
    };
    findings.problem(field, format!("the table `{}` has no column `{name}`", table.name), hint);
}

fn missing_table(findings: &mut Findings, field: &str, schema: Option<&str>, tables: &Tables, name: &str) {
    let schema = schema.unwrap_or(&tables.default_schema);
    findings.problem(
        field,
        format!("there is no table `{name}` in `{schema}`, or the database user may not see it"),
        "correct the name (or `schema`), or grant the user SELECT on it",
    );
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    if names.len() > 20 { format!("{}, …", names[..20].join(", ")) } else { names.join(", ") }
}

/// `CREATE [UNIQUE] INDEX … ON table (columns)`, to be run as it stands.
fn create_index(dialect: Dialect, unique: bool, table: &Table, columns: &[&str]) -> String {
    let mut statement = Statement::new(dialect);
    let name: String = format!("{}_{}", table.name, columns.join("_")).chars().take(60).collect();
    statement.sql("CREATE ").sql(if unique { "UNIQUE " } else { "" }).sql("INDEX ").name(&name).sql(" ON ");
    if dialect != Dialect::Sqlite {
        statement.name(&table.schema).sql(".");
    }
    statement.name(&table.name).sql(" (");
    for (place, column) in columns.iter().enumerate() {
        statement.sql(if place == 0 { "" } else { ", " }).name(column);
    }
    statement.sql(");");
    statement.text().to_owned()
}
