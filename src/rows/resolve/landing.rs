//! How the rows of one table land in one target.

use super::super::check::fit_of;
use super::super::create;
use super::super::destination::Destination;
use super::super::document;
use super::super::fit::Fit;
use super::super::key::{Collate, Key, KeyColumn, KeyKind};
use super::super::landing::{Fill, FillKind, KeyPair, Landing};
use super::super::tables::Tables;
use super::super::types::{fill_kind, key_kind, width};
use super::hint::hint;
use crate::spec::ColumnValue;
use crate::sql::Dialect;
use crate::sql::catalog::{Column, Table};

/// A row `ours` of what feeds a destination, as the row `theirs` of it; `None` if something of it does not exist.
pub(super) fn landing(
    tables: &Tables,
    destination: &Destination<'_>,
    (ours, theirs): (&str, &'static str),
    document: String,
    definition: &str,
) -> Option<Landing> {
    let dialect = tables.make.dialect();
    let source = destination.source?;
    // One that is to be created is spoken of as it will be.
    let created = match destination.found {
        Some(_) => None,
        None => create::table(tables, destination),
    };
    let target = destination.found.or(created.as_ref())?;
    let fill = |(name, value): &(String, ColumnValue)| {
        let column = target.column(name)?;
        let from = if let ColumnValue::Column(from) = value { Some(source.column(from)?) } else { None };
        Some(Fill {
            column: name.clone(),
            value: value.clone(),
            kind: match (fill_kind(dialect, column), from) {
                // A value keeps its storage class only where both are declared alike.
                (FillKind::Stored, Some(from)) if !from.type_name.eq_ignore_ascii_case(&column.type_name) => {
                    FillKind::Value
                }
                (FillKind::Stored, None) => FillKind::Value,
                (kind, _) => kind,
            },
            cast: cast(dialect, column),
            width: width(dialect, column),
            source_width: width(dialect, from.unwrap_or(column)),
            room: from.and_then(|from| room(dialect, from, column)),
        })
    };
    let pairs = destination.source_key.iter().map(|name| pair(dialect, destination, source, target, name));
    let target_key = pairs.collect::<Option<Vec<_>>>()?;
    Some(Landing {
        dialect,
        ours: ours.to_owned(),
        theirs,
        target: quoted(dialect, target),
        meddled: target.insert_triggers,
        walk: walk(dialect, target, &target_key),
        key: key(dialect, source, destination.source_key)?,
        target_key,
        fills: destination.columns.iter().map(fill).collect::<Option<_>>()?,
        document,
        definition: definition.to_owned(),
    })
}

/// What a longer text is held against: PostgreSQL refuses one, but for blanks at its end. Those of `char(n)` mean nothing.
fn room(dialect: Dialect, from: &Column, column: &Column) -> Option<u64> {
    let cuts = dialect == Dialect::Postgres && column.base == "varchar" && from.base != "bpchar";
    column.length.filter(|_| cuts && fit_of(dialect, from, column) == Fit::Refusing)
}

/// PostgreSQL and SQLite find out as quickly by a join what there is; statistics that lag behind cannot mislead them then.
fn walk(dialect: Dialect, target: &Table, key: &[KeyPair]) -> Option<String> {
    let columns: Vec<String> = key.iter().map(|pair| pair.target.clone()).collect();
    let alike = dialect == Dialect::MySql && key.iter().all(|pair| pair.order.is_none());
    let hint = alike.then(|| hint(dialect, target, &columns))?;
    (!hint.is_empty()).then_some(hint)
}

/// What of it is the source's alone, where the target is in another database.
pub(super) fn without_target(
    dialect: Dialect,
    source: &Table,
    names: &[String],
    document: String,
    definition: &str,
) -> Option<Landing> {
    Some(Landing {
        dialect,
        ours: "t".to_owned(),
        theirs: "h",
        target: String::new(),
        meddled: false,
        walk: None,
        key: key(dialect, source, names)?,
        target_key: Vec::new(),
        fills: Vec::new(),
        document,
        definition: definition.to_owned(),
    })
}

/// The type that a target is compared as. An explicit cast to a length would cut in silence what an INSERT refuses.
pub(in super::super) fn cast(dialect: Dialect, column: &Column) -> String {
    if dialect != Dialect::Postgres {
        return column.type_name.clone();
    }
    match column.base.as_str() {
        base @ ("varchar" | "bpchar" | "varbit" | "_varchar" | "_bpchar" | "_varbit") => base.to_owned(),
        "bit" => "varbit".to_owned(),
        "_bit" => "_varbit".to_owned(),
        _ => column.type_name.clone(),
    }
}

pub(in super::super) fn quoted(dialect: Dialect, table: &Table) -> String {
    document::table(dialect, Some(&table.schema), &table.name)
}

pub(in super::super) fn key(dialect: Dialect, table: &Table, names: &[String]) -> Option<Key> {
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

fn pair(
    dialect: Dialect,
    destination: &Destination<'_>,
    source: &Table,
    target: &Table,
    name: &str,
) -> Option<KeyPair> {
    let fed = destination.fed_by(name)?;
    let (ours, theirs) = (source.column(name)?, target.column(fed)?);
    let same = ours.collation == theirs.collation && ours.charset == theirs.charset;
    let text = key_kind(dialect, ours) == Ok(KeyKind::Text);
    let collate = |column: &Column| (text && !same).then(|| collate(dialect, column));
    // SQLite compares by the left side's collation, which is the one that is wanted.
    let matching = if dialect == Dialect::Sqlite { None } else { collate(theirs) };
    let padded = dialect == Dialect::Postgres && ours.base == "bpchar" && theirs.base != "bpchar";
    Some(KeyPair { target: fed.to_owned(), collate: matching, order: collate(ours), padded })
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
