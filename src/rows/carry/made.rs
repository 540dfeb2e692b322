//! The column that is made for another's values: the narrowest type that holds each of them, text by its bytes.

use super::super::affinity::Affinity;
use super::super::types::is_built_in;
use super::Side;
use super::kind::{Kind, Room};
use crate::sql::catalog::Column;
use crate::sql::{Dialect, Make};

/// A column of `target` for all values of `source`, under its name.
pub fn made(source: Side<'_>, target: Make) -> Column {
    let ours = source.make.dialect();
    let column = if ours == target.dialect() {
        alike(source, target)
    } else {
        let kind = Kind::of(ours, source.column);
        match target.dialect() {
            Dialect::MySql => mysql(target, source.column, &kind),
            Dialect::Postgres => postgres(source.column, &kind),
            Dialect::Sqlite => sqlite(&kind),
        }
    };
    Column {
        name: source.column.name.clone(),
        nullable: source.column.nullable,
        resolved: if column.resolved.is_empty() { column.type_name.clone() } else { column.resolved.clone() },
        // What the source computes, counts up or fills in arrives as it was.
        generated: false,
        has_default: false,
        replaces_null: false,
        ..column
    }
}

/// The same type, as far as another database of the same dialect has it.
fn alike(source: Side<'_>, target: Make) -> Column {
    let column = source.column;
    match target {
        Make::Postgres if !is_built_in(column.element.as_deref().unwrap_or(&column.base)) => postgres_text(None),
        // Elements of a domain.
        Make::Postgres if column.element.as_ref().is_some_and(|element| column.base != format!("_{element}")) => {
            let base = format!("_{}", column.element.as_deref().unwrap_or_default());
            Column { element: column.element.clone(), ..named(&base, &base) }
        }
        // The domain is the other database's own.
        Make::Postgres => Column { type_name: column.resolved.clone(), domain: None, ..column.clone() },
        Make::MySql | Make::MariaDb if source.make != target => match column.base.as_str() {
            "uuid" | "inet4" | "inet6" => mysql_text(target, 45),
            "json" => mysql_json(),
            _ if column.charset.is_some() && !column.is_json => Column {
                charset: Some("utf8mb4".to_owned()),
                collation: Some(by_bytes(target).to_owned()),
                ..column.clone()
            },
            _ => column.clone(),
        },
        _ => column.clone(),
    }
}

fn named(type_name: &str, base: &str) -> Column {
    Column { type_name: type_name.to_owned(), base: base.to_owned(), ..Column::default() }
}

fn measured(base: &str, length: u64) -> Column {
    Column { length: Some(length), ..named(&format!("{base}({length})"), base) }
}

fn timed(base: &str, digits: u32) -> Column {
    Column { fraction: Some(digits), ..named(&format!("{base}({digits})"), base) }
}

fn decimal(base: &str, precision: u32, scale: u32) -> Column {
    Column { precision: Some(precision), scale: Some(scale), ..named(&format!("{base}({precision},{scale})"), base) }
}

/// The smallest of these types with its number of bits, all signed, that has these numbers.
fn integer(least: i128, most: i128, types: &[(&'static str, &'static str, u32)]) -> Option<Column> {
    let holds = |bits: u32| -(1_i128 << (bits - 1)) <= least && most < 1_i128 << (bits - 1);
    types.iter().find(|(.., bits)| holds(*bits)).map(|(type_name, base, _)| named(type_name, base))
}

#[allow(clippy::match_same_arms, reason = "one line a type")]
fn postgres(column: &Column, kind: &Kind) -> Column {
    match kind {
        Kind::Int { least, most } => {
            let types = [("smallint", "int2", 16), ("integer", "int4", 32), ("bigint", "int8", 64)];
            integer(*least, *most, &types).unwrap_or_else(|| decimal("numeric", 20, 0))
        }
        Kind::Decimal { places: Some((precision, scale)), .. } => decimal("numeric", *precision, *scale),
        Kind::Decimal { places: None, .. } => named("numeric", "numeric"),
        Kind::Float { single: true, .. } => named("real", "float4"),
        Kind::Float { single: false, .. } | Kind::Dynamic(Affinity::Real) => named("double precision", "float8"),
        Kind::Bool => named("boolean", "bool"),
        Kind::Date => named("date", "date"),
        // MySQL's goes beyond a day, and below zero.
        Kind::Time { .. } | Kind::Interval => named("interval", "interval"),
        Kind::Moment { digits, zoned: true } => timed("timestamptz", *digits),
        Kind::Moment { digits, zoned: false } => timed("timestamp", *digits),
        Kind::Uuid => named("uuid", "uuid"),
        Kind::Json { .. } => Column { is_json: true, ..named("json", "json") },
        Kind::Text { room: Room::Characters(most), .. } => postgres_text(Some(*most)),
        Kind::Bytes { .. } | Kind::Dynamic(Affinity::Blob) => named("bytea", "bytea"),
        Kind::Dynamic(Affinity::Integer) => named("bigint", "int8"),
        Kind::Dynamic(Affinity::Numeric) if is_number(column) => named("numeric", "numeric"),
        Kind::Text { .. } | Kind::Dynamic(_) | Kind::Printed => postgres_text(None),
    }
}

/// The longest that PostgreSQL lets a text declare.
const LONGEST: u64 = 10_485_760;

fn postgres_text(most: Option<u64>) -> Column {
    let column = match most {
        Some(most) if most <= LONGEST => measured("varchar", most.max(1)),
        _ => named("text", "text"),
    };
    Column { collation: Some("\"C\"".to_owned()), ..column }
}

#[allow(clippy::match_same_arms, reason = "one line a type")]
fn mysql(make: Make, column: &Column, kind: &Kind) -> Column {
    match kind {
        Kind::Int { least, most } => {
            let types = [("smallint", "smallint", 16), ("int", "int", 32)];
            integer(*least, *most, &types).unwrap_or_else(|| named("bigint", "bigint"))
        }
        Kind::Decimal { places: Some((precision, scale)), .. } if fits_mysql(*precision, *scale) => {
            decimal("decimal", *precision, *scale)
        }
        // 131,072 digits before the point, 16,383 behind it.
        Kind::Decimal { .. } => text(make, "mediumtext"),
        Kind::Float { single: true, .. } => named("float", "float"),
        Kind::Float { single: false, .. } | Kind::Dynamic(Affinity::Real) => named("double", "double"),
        Kind::Dynamic(Affinity::Numeric) if is_number(column) => named("double", "double"),
        Kind::Bool => named("tinyint(1)", "tinyint"),
        Kind::Date => named("date", "date"),
        Kind::Time { digits } => timed("time", *digits),
        // Its timestamp ends in 2038.
        Kind::Moment { digits, .. } => timed("datetime", *digits),
        Kind::Interval => mysql_text(make, 80),
        Kind::Uuid => Column { length: Some(36), ..text(make, "char(36)") },
        Kind::Json { .. } => mysql_json(),
        Kind::Text { room: Room::Characters(most), .. } => mysql_text(make, *most),
        Kind::Bytes { .. } | Kind::Dynamic(Affinity::Blob) => {
            Column { length: Some(u32::MAX.into()), ..named("longblob", "longblob") }
        }
        Kind::Dynamic(Affinity::Integer) => named("bigint", "bigint"),
        Kind::Printed => mysql_text(make, printed(column).unwrap_or(u64::MAX)),
        Kind::Text { .. } | Kind::Dynamic(_) => mysql_text(make, u64::MAX),
    }
}

fn fits_mysql(precision: u32, scale: u32) -> bool {
    precision <= 65 && scale <= 30 && scale <= precision
}

/// Bytes that a character takes at most.
const WIDEST: u64 = 4;

/// Of at most so many characters.
fn mysql_text(make: Make, most: u64) -> Column {
    match most.saturating_mul(WIDEST) {
        bytes if bytes <= 65_532 => Column { length: Some(most), ..text(make, &format!("varchar({most})")) },
        bytes if bytes < 1 << 24 => text(make, "mediumtext"),
        _ => text(make, "longtext"),
    }
}

fn text(make: Make, type_name: &str) -> Column {
    let base = type_name.split_once('(').map_or(type_name, |(base, _)| base);
    Column {
        charset: Some("utf8mb4".to_owned()),
        collation: Some(by_bytes(make).to_owned()),
        length: match base {
            "mediumtext" => Some((1 << 24) - 1),
            "longtext" => Some(u32::MAX.into()),
            _ => None,
        },
        ..named(type_name, base)
    }
}

/// Of MySQL's `_bin` collations most take `a` and `a` with a blank behind it for equal.
fn by_bytes(make: Make) -> &'static str {
    if make == Make::MariaDb { "utf8mb4_nopad_bin" } else { "utf8mb4_0900_bin" }
}

/// The text stays as it is, and is JSON to MariaDB.
fn mysql_json() -> Column {
    Column { is_json: true, collation: Some("utf8mb4_bin".to_owned()), ..text(Make::MariaDb, "longtext") }
}

/// Characters that a value of PostgreSQL's takes at most.
fn printed(column: &Column) -> Option<u64> {
    match column.base.as_str() {
        "bit" | "varbit" => column.length,
        "inet" | "cidr" => Some(49),
        "macaddr" => Some(17),
        "macaddr8" => Some(23),
        "money" | "timetz" => Some(24),
        "name" => Some(63),
        "oid" | "xid" | "cid" => Some(10),
        "char" => Some(1),
        _ => None,
    }
}

fn sqlite(kind: &Kind) -> Column {
    match kind {
        // SQLite's integers are signed: a column without a type takes the larger ones as text.
        Kind::Int { most, .. } if *most > i128::from(i64::MAX) => named("", ""),
        Kind::Int { .. } => named("INTEGER", "integer"),
        Kind::Bool => named("BOOLEAN", "boolean"),
        Kind::Float { .. } => named("REAL", "real"),
        Kind::Bytes { .. } => named("BLOB", "blob"),
        _ => named("TEXT", "text"),
    }
}

/// A column of SQLite's that says it holds numbers; others of its affinity hold dates, times, JSON.
fn is_number(column: &Column) -> bool {
    let name = column.base.to_ascii_lowercase();
    ["dec", "num", "bool", "money"].iter().any(|word| name.contains(word))
}
