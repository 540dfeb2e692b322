//! From a definition and the tables it names to a mapping.

use super::document::{self, Array, Member, Object};
use super::key::{Collate, Key, KeyColumn, KeyKind};
use super::mapping::{Fill, KeyPair, Mapping};
use super::tables::{RelatedTable, Tables};
use super::types::{fill_kind, form, key_kind};
use crate::spec::filter::pieces;
use crate::spec::{ColumnValue, Definition, Related};
use crate::sql::catalog::{Column, Index, Table};
use crate::sql::statement::Statement;
use crate::sql::{Dialect, Make};

/// The mapping of a definition that [`super::check`] found nothing wrong with; `None` if it did.
pub(super) fn mapping(definition: &Definition, tables: &Tables) -> Option<Mapping> {
    let dialect = tables.make.dialect();
    let source = tables.source.as_ref()?;
    // One that is to be created is spoken of as it will be.
    let created = if tables.target.is_none() { super::create::table(definition, tables) } else { None };
    let target = tables.target.as_ref().or(created.as_ref())?;
    let key = key(dialect, source, &definition.source.key)?;
    let from = &definition.source;
    let object = object(dialect, source, &from.exclude, &from.related, &tables.related)?;
    let columns = referred(definition, source);
    let target_key = definition
        .source
        .key
        .iter()
        .map(|name| pair(dialect, definition, source, target, name))
        .collect::<Option<Vec<_>>>()?;
    let fills = definition
        .target
        .columns
        .iter()
        .map(|(name, value)| {
            let column = target.column(name)?;
            Some(Fill {
                column: name.clone(),
                value: value.clone(),
                kind: fill_kind(dialect, column),
                cast: cast(dialect, column),
            })
        })
        .collect::<Option<Vec<_>>>()?;
    Some(Mapping {
        dialect,
        source: quoted(dialect, source),
        hint: hint(tables.make, source, &definition.source.key),
        key,
        columns,
        filter: definition.source.filter.as_deref().map(pieces),
        document: document::expression(dialect, &object, "t"),
        target: quoted(dialect, target),
        meddled: target.insert_triggers,
        target_key,
        fills,
        definition: definition.digest.clone(),
    })
}

/// The type that a target is compared as. An explicit cast to a length would cut in silence what an INSERT refuses.
fn cast(dialect: Dialect, column: &Column) -> String {
    match column.base.as_str() {
        base @ ("varchar" | "bpchar" | "varbit") if dialect == Dialect::Postgres => base.to_owned(),
        _ => column.type_name.clone(),
    }
}

fn quoted(dialect: Dialect, table: &Table) -> String {
    document::table(dialect, Some(&table.schema), &table.name)
}

fn key(dialect: Dialect, table: &Table, names: &[String]) -> Option<Key> {
    let columns = names
        .iter()
        .map(|name| {
            let column = table.column(name)?;
            let kind = key_kind(dialect, column).ok()?;
            let cast = match (dialect, kind) {
                (Dialect::MySql, KeyKind::Decimal) => {
                    format!("DECIMAL({}, {})", column.precision.unwrap_or(65), column.scale.unwrap_or(0))
                }
                _ => column.resolved.clone(),
            };
            Some(KeyColumn { name: name.clone(), kind, cast, collate: None })
        })
        .collect::<Option<Vec<_>>>()?;
    Some(Key { dialect, columns })
}

/// Makes the database walk the key's own index: its idea of another one costs a sort of everything, batch after batch.
fn hint(make: Make, table: &Table, key: &[String]) -> String {
    let index = table
        .indexes
        .iter()
        .filter(|index| index.usable && index.columns.starts_with(key))
        .min_by_key(|index| (index.columns.len(), !index.unique, !index.primary));
    match (make.dialect(), index) {
        // A row number is the table itself.
        (Dialect::Sqlite, None) => " NOT INDEXED".to_owned(),
        (Dialect::Sqlite, Some(index)) if index.name == ROW_NUMBER => " NOT INDEXED".to_owned(),
        (dialect, index) => index.map(|index| pin(dialect, index)).unwrap_or_default(),
    }
}

/// The name that the catalog gives to SQLite's row number.
const ROW_NUMBER: &str = "rowid";

/// Makes the database look children up by an index that begins with the columns of `on`: by statistics of an emptier table
/// it may scan all of them for each row instead.
fn child_hint(dialect: Dialect, one: &Related, child: &Table, parent: &Table) -> String {
    // Of columns of unlike types SQLite can use no index, and refuses to be told so.
    let alike = |(theirs, ours): &(String, String)| match (child.column(theirs), parent.column(ours)) {
        (Some(theirs), Some(ours)) => {
            let integer = |column: &Column| column.base.contains("int");
            theirs.base == ours.base || (integer(theirs) && integer(ours))
        }
        _ => false,
    };
    if dialect == Dialect::Sqlite && !one.on.iter().all(alike) {
        return String::new();
    }
    let serves = |index: &&Index| {
        let first = index.columns.get(..one.on.len());
        index.usable && first.is_some_and(|first| one.on.iter().all(|(theirs, _)| first.contains(theirs)))
    };
    let index = child.indexes.iter().filter(serves).min_by_key(|index| (!index.primary, index.columns.len()));
    index.filter(|index| index.name != ROW_NUMBER).map(|index| pin(dialect, index)).unwrap_or_default()
}

/// What follows a table's alias to have it read by this index and no other.
fn pin(dialect: Dialect, index: &Index) -> String {
    let mut statement = Statement::new(dialect);
    match dialect {
        Dialect::MySql => statement.sql(" FORCE INDEX (").name(&index.name).sql(")"),
        Dialect::Sqlite => statement.sql(" INDEXED BY ").name(&index.name),
        Dialect::Postgres => &mut statement,
    };
    statement.text().to_owned()
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
        .map(|column| Member { column: column.name.clone(), nullable: column.nullable, form: form(dialect, column) })
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

/// The source's columns that the document, the key, the mapped columns or the related tables need.
fn referred(definition: &Definition, source: &Table) -> Vec<String> {
    let needed = |name: &String| {
        !definition.source.exclude.contains(name)
            || definition.source.key.contains(name)
            || definition.source.related.iter().any(|one| one.on.iter().any(|(_, ours)| ours == name))
            || definition
                .target
                .columns
                .iter()
                .any(|(_, value)| matches!(value, ColumnValue::Column(from) if from == name))
    };
    source.columns.iter().map(|column| column.name.clone()).filter(needed).collect()
}

/// The target's column that a key column feeds, among those of the target's key.
pub(super) fn fed_by<'a>(definition: &'a Definition, name: &str) -> Option<&'a str> {
    let fed = |(column, value): &&(String, ColumnValue)| {
        matches!(value, ColumnValue::Column(from) if from == name) && definition.target.key.contains(column)
    };
    definition.target.columns.iter().find(fed).map(|(column, _)| column.as_str())
}

fn pair(dialect: Dialect, definition: &Definition, source: &Table, target: &Table, name: &str) -> Option<KeyPair> {
    let fed = fed_by(definition, name)?;
    let (ours, theirs) = (source.column(name)?, target.column(fed)?);
    let same = ours.collation == theirs.collation && ours.charset == theirs.charset;
    let text = key_kind(dialect, ours) == Ok(KeyKind::Text);
    let collate = |column: &Column| (text && !same).then(|| collate(dialect, column));
    // SQLite compares by the left side's collation, which is the one that is wanted.
    let matching = if dialect == Dialect::Sqlite { None } else { collate(theirs) };
    Some(KeyPair { target: fed.to_owned(), collate: matching, order: collate(ours) })
}

fn collate(dialect: Dialect, column: &Column) -> Collate {
    let collation = column.collation.as_deref();
    match dialect {
        Dialect::MySql => {
            Collate { charset: column.charset.clone(), collation: collation.unwrap_or("utf8mb4_bin").to_owned() }
        }
        Dialect::Postgres => Collate { charset: None, collation: collation.unwrap_or("\"default\"").to_owned() },
        Dialect::Sqlite => Collate { charset: None, collation: collation.unwrap_or("BINARY").to_owned() },
    }
}
