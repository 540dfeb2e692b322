//! From a destination and the catalogs of both databases to a route.

use super::super::carry::{Carry, Side, prints_itself};
use super::super::create;
use super::super::destination::Destination;
use super::super::document::column;
use super::super::key::{Key, KeyKind};
use super::super::landing::{FillKind, Width};
use super::super::resolve::{cast, key, quoted};
use super::super::tables::Tables;
use super::super::types::{fill_kind, key_kind, width};
use super::route::{Fill, KeyColumn, Origin, Route, Whole, in_line};
use crate::spec::ColumnValue;
use crate::sql::bulk::{self, Column as Turn};
use crate::sql::catalog::{Column, Table};
use crate::sql::native::Native;
use crate::sql::{Dialect, Make};

/// The route of the rows `ours` of a destination's source, of which `before` other columns are read first; `None` if something of it does not exist.
pub(super) fn route(tables: &Tables, destination: &Destination<'_>, ours: &str, before: usize) -> Option<Route> {
    let (from, to) = (tables.make.dialect(), tables.target_make.dialect());
    let source = destination.source?;
    // One that is to be created is spoken of as it will be.
    let created = match destination.found {
        Some(_) => None,
        None => create::table(tables, destination),
    };
    let target = destination.found.or(created.as_ref())?;
    let parts = before + destination.source_key.len();
    let printed: Vec<String> = key(from, source, destination.source_key)?.printed(ours).collect();
    let mut selected = Vec::new();
    let mut bare = Vec::new();
    let mut native = Vec::new();
    let mut taken = Vec::new();
    let mut long = Vec::new();
    let mut fills = Vec::new();
    let mut columns = Vec::new();
    for (name, value) in destination.columns {
        let theirs = target.column(name)?;
        let held = column(to, "h", name);
        let kind = fill_kind(to, theirs);
        let mut fill = Fill { origin: Origin::Run, kind, held: text(to, &held), carry: None };
        let mut turn = Turn { name: name.clone(), ..Turn::default() };
        match value {
            ColumnValue::Column(from_name) => {
                let from_column = source.column(from_name)?;
                let x = column(from, ours, from_name);
                let ours = Side { make: tables.make, column: from_column };
                let carry = Carry::between(ours, Side { make: tables.target_make, column: theirs }).ok()?;
                fill.held = carry.held(&held);
                let read = carry.read(&x);
                let is_long = is_long(from, from_column);
                let is_taken = |cell| fills.iter().any(|fill: &Fill| fill.origin == Origin::Cell(cell));
                let part = printed.iter().position(|part| *part == read).map(|part| before + part);
                // The key is read in any case. What is turned is turned for one column.
                if let Some(cell) = part.filter(|cell| !is_long && !is_taken(*cell)) {
                    fill.origin = Origin::Cell(cell);
                } else {
                    fill.origin = Origin::Cell(parts + selected.len());
                    if is_long {
                        let x = measured(from, from_column, &x);
                        long.push((selected.len(), format!("COALESCE(OCTET_LENGTH({x}), 0)")));
                    }
                    bare.push(carry.bare(&x));
                    native.push(carry.native(&x));
                    selected.push(read);
                }
                (turn.before, turn.behind) = (carry.before().to_owned(), carry.behind());
                fill.carry = Some(carry);
            }
            ColumnValue::Document => fill.origin = Origin::Document,
            ColumnValue::Digest => fill.origin = Origin::Digest,
            ColumnValue::Now => {
                fill.origin = Origin::Now { as_text: !(kind == FillKind::Value && to != Dialect::Sqlite) };
            }
            ColumnValue::Run => {}
            ColumnValue::Definition => fill.origin = Origin::Definition,
        }
        // What milkrun writes itself PostgreSQL reads from a text.
        if to == Dialect::Postgres && fill.carry.is_none() {
            turn.behind = format!("::text::{}", cast(to, theirs));
        }
        columns.push(turn);
        fills.push(fill);
        taken.push(Native::of(&theirs.base));
    }
    let told = |fill: &Fill| matches!(fill.origin, Origin::Document | Origin::Digest);
    let document = fills.iter().any(told).then_some(parts + selected.len());
    let bare_key = destination.source_key.iter().map(|name| {
        let column_of_key = source.column(name)?;
        prints_itself(from, column_of_key).then(|| column(from, ours, name))
    });
    let bare = bare_key.collect::<Option<Vec<_>>>().zip(bare.into_iter().collect::<Option<Vec<_>>>());
    let native = native.into_iter().collect::<Option<Vec<_>>>().filter(|_| before == 0 && document.is_none());
    let native = native.filter(|_| (from, to) == (Dialect::Postgres, Dialect::Postgres));
    let native = native.zip(kept_key(source, destination.source_key, &printed, ours));
    let native = native.and_then(|(selected, key)| whole(key, selected, !long.is_empty(), &fills, &taken));
    let key = destination.source_key.iter().map(|name| {
        let fed = destination.fed_by(name)?;
        Some(key_column(tables.target_make, target.column(fed)?))
    });
    let carries = destination.source_key.iter().map(|name| {
        let ours = Side { make: tables.make, column: source.column(name)? };
        Carry::between(ours, Side { make: tables.target_make, column: target.column(destination.fed_by(name)?)? }).ok()
    });
    Some(Route {
        carries: carries.collect::<Option<_>>()?,
        parts,
        printed,
        selected,
        bare: bare.filter(|_| before == 0 && document.is_none()),
        native,
        long,
        document,
        fills,
        into: bulk::Table { dialect: to, name: quoted(to, target), columns },
        key: key.collect::<Option<_>>()?,
        // Of MySQL's triggers a user hears only with a privilege of its own.
        meddled: target.insert_triggers || to == Dialect::MySql,
    })
}

/// The parts of a key as PostgreSQL keeps them, or as the texts that are `printed`, each with its form.
fn kept_key(source: &Table, key: &[String], printed: &[String], ours: &str) -> Option<Vec<(String, Native)>> {
    let part = |(name, printed): (&String, &String)| {
        let held = source.column(name)?;
        let native = Native::of(&held.base).filter(|_| prints_itself(Dialect::Postgres, held));
        Some(
            native
                .map_or_else(|| (printed.clone(), Native::Text), |form| (column(Dialect::Postgres, ours, name), form)),
        )
    };
    key.iter().zip(printed).map(part).collect()
}

/// Rows as the source keeps them, `key` and `selected` with the form of each; `None` if the target, whose own forms are `taken`, does
/// not take them so.
fn whole(
    key: Vec<(String, Native)>,
    selected: Vec<(String, Native)>,
    is_measured: bool,
    fills: &[Fill],
    taken: &[Option<Native>],
) -> Option<Whole> {
    let (printed, mut forms): (Vec<_>, Vec<_>) = key.into_iter().unzip();
    let (selected, others): (Vec<_>, Vec<_>) = selected.into_iter().unzip();
    forms.extend(others);
    let given = forms.get(in_line(fills)?)?;
    let alike = given.iter().zip(taken).all(|(form, taken)| Some(*form) == *taken);
    if !alike || fills.iter().any(|fill| fill.turning().is_some()) {
        return None;
    }
    if is_measured {
        forms.push(Native::Text);
    }
    Some(Whole { printed, selected, forms: forms.into() })
}

/// A value may be of any length.
fn is_long(dialect: Dialect, column: &Column) -> bool {
    const SHORT: u64 = 10_000;
    let bounded = column.length.is_some_and(|length| length <= SHORT) && column.element.is_none();
    let declared = matches!(column.base.as_str(), "decimal" | "numeric" | "char" | "varchar" | "binary" | "varbinary");
    match dialect {
        Dialect::Sqlite => true,
        Dialect::MySql => !declared && !bounded && width(dialect, column) == Width::Bytes,
        Dialect::Postgres => !bounded && column.base != "numeric" && !matches!(width(dialect, column), Width::Fixed(_)),
    }
}

fn measured(dialect: Dialect, column: &Column, x: &str) -> String {
    if dialect == Dialect::Postgres && width(dialect, column) == Width::Text {
        format!("{x}::text")
    } else {
        x.to_owned()
    }
}

fn text(dialect: Dialect, x: &str) -> String {
    match dialect {
        Dialect::MySql => format!("CONVERT({x} USING utf8mb4)"),
        Dialect::Postgres => format!("{x}::text"),
        Dialect::Sqlite => format!("CAST({x} AS TEXT)"),
    }
}

/// The target's key as the target walks it, in the order of its unique index, and where in it each part of the source's key is.
pub(super) fn target_key(tables: &Tables, destination: &Destination<'_>) -> Option<(Key, Vec<usize>)> {
    let created = match destination.found {
        Some(_) => None,
        None => create::table(tables, destination),
    };
    let target = destination.found.or(created.as_ref())?;
    let fed = destination.source_key.iter().map(|name| destination.fed_by(name).map(str::to_owned));
    let fed: Vec<String> = fed.collect::<Option<_>>()?;
    let walked = target.unique_over(&fed).map_or(&fed, |index| &index.columns);
    let places = fed.iter().map(|name| walked.iter().position(|column| column == name));
    Some((key(tables.target_make.dialect(), target, walked)?, places.collect::<Option<_>>()?))
}

/// The source's key, as keys of the target are looked up by it.
pub(super) fn source_key(tables: &Tables, destination: &Destination<'_>) -> Option<Vec<KeyColumn>> {
    let source = destination.source?;
    destination.source_key.iter().map(|name| Some(key_column(tables.make, source.column(name)?))).collect()
}

/// How a key that arrives as text is compared with a column, so that the column's index serves.
pub(super) fn key_column(make: Make, column: &Column) -> KeyColumn {
    let dialect = make.dialect();
    let kind = key_kind(dialect, column).unwrap_or(KeyKind::Text);
    let (before, behind) = match (dialect, kind) {
        (Dialect::MySql, KeyKind::Int) if column.unsigned => ("CAST(".to_owned(), " AS UNSIGNED)".to_owned()),
        (Dialect::MySql, KeyKind::Int) => ("CAST(".to_owned(), " AS SIGNED)".to_owned()),
        // With all the digits before the point that a decimal may have; behind it the text has as many as the column.
        (Dialect::MySql, KeyKind::Decimal) => {
            ("CAST(".to_owned(), format!(" AS DECIMAL(65, {}))", column.scale.unwrap_or(0)))
        }
        (Dialect::MySql, KeyKind::Time) => match column.base.as_str() {
            "date" => ("CAST(".to_owned(), " AS DATE)".to_owned()),
            "time" => ("CAST(".to_owned(), " AS TIME(6))".to_owned()),
            _ => ("CAST(".to_owned(), " AS DATETIME(6))".to_owned()),
        },
        (Dialect::MySql, KeyKind::Uuid) => ("CAST(".to_owned(), " AS UUID)".to_owned()),
        (Dialect::MySql, KeyKind::Binary) => ("UNHEX(".to_owned(), ")".to_owned()),
        (Dialect::MySql, KeyKind::Text) => (
            "CONVERT(".to_owned(),
            format!(
                " USING {}) COLLATE {}",
                column.charset.as_deref().unwrap_or("utf8mb4"),
                column.collation.as_deref().unwrap_or("utf8mb4_bin")
            ),
        ),
        (Dialect::Postgres, KeyKind::Binary) => ("decode(".to_owned(), ", 'hex')".to_owned()),
        // A cast to a length would cut in silence.
        (Dialect::Postgres, KeyKind::Text) if column.base == "bpchar" => (String::new(), "::bpchar".to_owned()),
        (Dialect::Postgres, KeyKind::Text) => (String::new(), "::text".to_owned()),
        (Dialect::Postgres, _) => (String::new(), format!("::{}", column.resolved)),
        (Dialect::Sqlite, _) => (String::new(), String::new()),
    };
    let unpacked = match (dialect, kind) {
        (Dialect::MySql, KeyKind::Int) => "VARCHAR(20) CHARACTER SET utf8mb4",
        (Dialect::MySql, KeyKind::Decimal | KeyKind::Time | KeyKind::Uuid) => "VARCHAR(80) CHARACTER SET utf8mb4",
        (Dialect::MySql, _) => "TEXT CHARACTER SET utf8mb4",
        _ => "",
    };
    KeyColumn { name: column.name.clone(), unpacked, turn: Turn { name: column.name.clone(), before, behind } }
}
