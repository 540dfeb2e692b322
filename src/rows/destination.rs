//! The tables that a definition writes to, the migration's own and those of related tables, as one kind of thing.

use super::tables::{RelatedTable, Tables};
use crate::spec::{ColumnValue, Related, RowsDefinition};
use crate::sql::catalog::Table;

/// A target, and the table that feeds it.
#[derive(Clone, Debug)]
pub(super) struct Destination<'a> {
    /// The path of its section.
    pub(super) field: String,
    /// `None`: the session's own.
    pub(super) schema: Option<&'a str>,
    pub(super) table: &'a str,
    pub(super) key: &'a [String],
    pub(super) create: bool,
    pub(super) columns: &'a [(String, ColumnValue)],
    /// The key that feeds its key.
    pub(super) source_key: &'a [String],
    /// The table that feeds it, if it exists.
    pub(super) source: Option<&'a Table>,
    /// The target, if it exists.
    pub(super) found: Option<&'a Table>,
}

impl<'a> Destination<'a> {
    /// The column that a column of the source's key feeds, among those of the target's key.
    pub(super) fn fed_by(&self, name: &str) -> Option<&'a str> {
        let fed = |(column, value): &&(String, ColumnValue)| {
            matches!(value, ColumnValue::Column(from) if from == name) && self.key.contains(column)
        };
        self.columns.iter().find(fed).map(|(column, _)| column.as_str())
    }

    /// Where it lies, whether or not it exists.
    pub(super) fn place(&self, default_schema: &'a str) -> (&'a str, &'a str) {
        match self.found {
            Some(table) => (&table.schema, &table.name),
            None => (self.schema.unwrap_or(default_schema), self.table),
        }
    }
}

/// All of them: the migration's own first, and every related table's after that of the tables above it.
pub(super) fn all<'a>(definition: &'a RowsDefinition, tables: &'a Tables) -> Vec<Destination<'a>> {
    let mut found = vec![own(definition, tables)];
    gather(&mut found, "source", definition, &definition.source.related, &tables.related);
    found
}

/// The migration's own.
pub(super) fn own<'a>(definition: &'a RowsDefinition, tables: &'a Tables) -> Destination<'a> {
    let target = &definition.target;
    Destination {
        field: "target".to_owned(),
        schema: target.schema.as_deref(),
        table: &target.table,
        key: &target.key,
        create: target.create,
        columns: &target.columns,
        source_key: &definition.source.key,
        source: tables.source.as_ref(),
        found: tables.target.as_ref(),
    }
}

/// That of a related table, if it names one.
pub(super) fn of_related<'a>(
    definition: &'a RowsDefinition,
    path: &str,
    one: &'a Related,
    found: &'a RelatedTable,
) -> Option<Destination<'a>> {
    let target = one.target.as_ref()?;
    Some(Destination {
        field: format!("{path}.target"),
        schema: target.schema.as_deref().or(definition.target.schema.as_deref()),
        table: &target.table,
        key: &target.key,
        create: target.create,
        columns: &target.columns,
        source_key: &one.key,
        source: found.table.as_ref(),
        found: found.target.as_ref(),
    })
}

fn gather<'a>(
    all: &mut Vec<Destination<'a>>,
    path: &str,
    definition: &'a RowsDefinition,
    related: &'a [Related],
    tables: &'a [RelatedTable],
) {
    for (place, (one, found)) in related.iter().zip(tables).enumerate() {
        let path = format!("{path}.related[{place}]");
        all.extend(of_related(definition, &path, one, found));
        gather(all, &path, definition, &one.related, &found.related);
    }
}
