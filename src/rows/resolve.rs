//! From a definition and the tables it names to a mapping.

mod copies;
mod hint;
mod landing;
mod purge;

use super::destination;
use super::document::{self, Array, Member, Object};
use super::mapping::Mapping;
use super::tables::{RelatedTable, Tables};
use super::types::form;
use super::walk::recent::Recent;
use crate::spec::filter::pieces;
use crate::spec::{ColumnValue, Related, RowsDefinition, Source};
use crate::sql::catalog::Table;
use crate::sql::{Dialect, Make};
pub(super) use copies::each;
use hint::child_hint;
pub(super) use landing::{cast, key, quoted};

/// The mapping of a definition that [`super::check`] found nothing wrong with; `None` if it did.
pub(super) fn mapping(definition: &RowsDefinition, tables: &Tables) -> Option<Mapping> {
    let dialect = tables.make.dialect();
    let source = tables.source.as_ref()?;
    let from = &definition.source;
    let object = object(dialect, source, &from.exclude, &from.related, &tables.related)?;
    let document = document::expression(dialect, &object, "t");
    let own = destination::own(definition, tables);
    let digest = &definition.digest;
    Some(Mapping {
        dialect,
        source: landing::quoted(dialect, source),
        hint: hint::hint(dialect, source, &from.key),
        recent: recent(from, tables.make, source),
        columns: referred(definition, source),
        filter: from.filter.as_deref().map(pieces),
        landing: if tables.is_across {
            landing::without_target(dialect, source, &from.key, document, digest)?
        } else {
            landing::landing(tables, &own, ("t", "h"), document, digest)?
        },
        copies: if tables.is_across { Vec::new() } else { copies::copies(definition, tables, source)? },
        purge: purge::purge(definition, tables, source),
    })
}

/// The mapping of a source whose rows stay where they are; `columns` are those that are read of them.
pub(super) fn of_source(from: &Source, tables: &Tables, columns: Vec<String>, digest: &str) -> Option<Mapping> {
    let dialect = tables.make.dialect();
    let source = tables.source.as_ref()?;
    Some(Mapping {
        dialect,
        source: landing::quoted(dialect, source),
        hint: hint::hint(dialect, source, &from.key),
        recent: recent(from, tables.make, source),
        columns,
        filter: from.filter.as_deref().map(pieces),
        landing: landing::without_target(dialect, source, &from.key, String::new(), digest)?,
        copies: Vec::new(),
        purge: None,
    })
}

fn object(
    dialect: Dialect,
    table: &Table,
    exclude: &[String],
    related: &[Related],
    tables: &[RelatedTable],
) -> Option<Object> {
    let parent = table;
    let members = table
        .columns
        .iter()
        .filter(|column| !exclude.contains(&column.name))
        .map(|column| Member {
            column: column.name.clone(),
            // A domain's NOT NULL does not keep every NULL out of its columns.
            nullable: column.nullable || column.domain.is_some(),
            form: form(dialect, column),
        })
        .collect();
    let arrays = related
        .iter()
        .zip(tables)
        .map(|(one, found)| {
            let table = found.table.as_ref()?;
            Some(Array {
                name: one.name.clone(),
                schema: Some(table.schema.clone()),
                table: table.name.clone(),
                hint: child_hint(dialect, one, table, parent),
                key: one.key.clone(),
                on: one.on.clone(),
                object: object(dialect, table, &one.exclude, &one.related, &found.related)?,
            })
        })
        .collect::<Option<Vec<_>>>()?;
    Some(Object { members, arrays })
}

/// How the source is walked by its changes.
fn recent(from: &Source, make: Make, source: &Table) -> Option<Recent> {
    let column = std::slice::from_ref(&from.walked_by_changes()?.column);
    let columns: Vec<String> = column.iter().chain(&from.key).cloned().collect();
    let key = landing::key(make.dialect(), source, &columns)?;
    Some(Recent { key, hint: hint::hint(make.dialect(), source, column) })
}

/// The source's columns that the document, the key, the mapped columns or the related tables need.
fn referred(definition: &RowsDefinition, source: &Table) -> Vec<String> {
    let needed = |name: &String| {
        !definition.source.exclude.contains(name)
            || definition.source.key.contains(name)
            || definition.source.changed.as_ref().is_some_and(|changed| changed.column == *name)
            || definition.source.related.iter().any(|one| one.on.iter().any(|(_, ours)| ours == name))
            || definition
                .target
                .columns
                .iter()
                .any(|(_, value)| matches!(value, ColumnValue::Column(from) if from == name))
    };
    source.columns.iter().map(|column| column.name.clone()).filter(needed).collect()
}
