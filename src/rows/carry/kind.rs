//! What a column holds, in words that every database shares.

use super::super::affinity::Affinity;
use crate::sql::Dialect;
use crate::sql::catalog::Column;

/// What a column holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Whole numbers, from and to.
    Int { least: i128, most: i128 },
    /// Decimal numbers of so many digits, so many of them behind the point; undeclared on PostgreSQL alone.
    Decimal { places: Option<(u32, u32)>, unsigned: bool },
    /// Binary floating point; `rounded` to a number of decimal digits.
    Float { single: bool, rounded: bool },
    /// True or false, where that is a type.
    Bool,
    /// Days.
    Date,
    /// A time of day; MySQL's goes beyond one, both ways.
    Time { digits: u32 },
    /// A date and time; `zoned`: a point in time, in UTC.
    Moment { digits: u32, zoned: bool },
    /// PostgreSQL's interval, without restrictions.
    Interval,
    /// A UUID.
    Uuid,
    /// JSON; `rewritten`: not its text is kept but its value.
    Json { rewritten: bool },
    /// Text.
    Text { room: Room, blanks: Blanks, charset: Option<String> },
    /// Bytes, at most so many; `padded` to their full length with zeros.
    Bytes { length: Option<u64>, padded: bool },
    /// SQLite: by the value.
    Dynamic(Affinity),
    /// Everything else, by the text that the database prints of it.
    Printed,
}

/// How much a text may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    Characters(u64),
    /// Of its character set.
    Bytes(u64),
    Endless,
}

/// What becomes of blanks at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blanks {
    Kept,
    /// MySQL's CHAR gives none back.
    Dropped,
    /// PostgreSQL's `char(n)` is filled with them.
    Filled,
}

/// Times count microseconds where no digits are declared.
const MICROSECONDS: u32 = 6;

impl Kind {
    pub(super) fn of(dialect: Dialect, column: &Column) -> Self {
        match dialect {
            Dialect::MySql => mysql(column),
            Dialect::Postgres if column.element.is_some() => Self::Printed,
            Dialect::Postgres => postgres(column),
            Dialect::Sqlite => Self::Dynamic(Affinity::of(column)),
        }
    }
}

fn bits(bits: u32, unsigned: bool) -> Kind {
    if unsigned {
        Kind::Int { least: 0, most: (1 << bits) - 1 }
    } else {
        Kind::Int { least: -(1 << (bits - 1)), most: (1 << (bits - 1)) - 1 }
    }
}

fn mysql(column: &Column) -> Kind {
    if column.is_json {
        return Kind::Json { rewritten: column.base == "json" };
    }
    let digits = column.fraction.unwrap_or(0);
    let text = |room, blanks| Kind::Text { room, blanks, charset: column.charset.clone() };
    let length = column.length.unwrap_or(0);
    match column.base.as_str() {
        "tinyint" => bits(8, column.unsigned),
        "smallint" => bits(16, column.unsigned),
        "mediumint" => bits(24, column.unsigned),
        "int" | "integer" => bits(32, column.unsigned),
        "bigint" => bits(64, column.unsigned),
        // And zero; but below 100 a number is taken for another year.
        "year" => Kind::Int { least: 1901, most: 2155 },
        "bit" => Kind::Int { least: 0, most: (1 << column.length.unwrap_or(1).min(64)) - 1 },
        "decimal" | "numeric" => Kind::Decimal {
            places: Some((column.precision.unwrap_or(10), column.scale.unwrap_or(0))),
            unsigned: column.unsigned,
        },
        "float" => Kind::Float { single: true, rounded: column.type_name.contains('(') },
        "double" | "real" => Kind::Float { single: false, rounded: column.type_name.contains('(') },
        "date" => Kind::Date,
        "time" => Kind::Time { digits },
        "datetime" => Kind::Moment { digits, zoned: false },
        "timestamp" => Kind::Moment { digits, zoned: true },
        "uuid" => Kind::Uuid,
        "char" => text(Room::Characters(length), Blanks::Dropped),
        "varchar" => text(Room::Characters(length), Blanks::Kept),
        "tinytext" | "text" | "mediumtext" | "longtext" => text(Room::Bytes(length), Blanks::Kept),
        "binary" => Kind::Bytes { length: column.length, padded: true },
        "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" | "vector" => {
            Kind::Bytes { length: column.length, padded: false }
        }
        _ => Kind::Printed,
    }
}

fn postgres(column: &Column) -> Kind {
    let digits = column.fraction.unwrap_or(MICROSECONDS);
    let room = column.length.map_or(Room::Endless, Room::Characters);
    match column.base.as_str() {
        "int2" => bits(16, false),
        "int4" => bits(32, false),
        "int8" => bits(64, false),
        "numeric" => match (column.precision, column.scale) {
            (None, _) => Kind::Decimal { places: None, unsigned: false },
            (Some(precision), Some(scale)) => Kind::Decimal { places: Some((precision, scale)), unsigned: false },
            // A scale below 0 rounds before the point.
            (Some(_), None) => Kind::Printed,
        },
        "float4" => Kind::Float { single: true, rounded: false },
        "float8" => Kind::Float { single: false, rounded: false },
        "bool" => Kind::Bool,
        "date" => Kind::Date,
        "time" => Kind::Time { digits },
        "timestamp" => Kind::Moment { digits, zoned: false },
        "timestamptz" => Kind::Moment { digits, zoned: true },
        "interval" if column.resolved == "interval" => Kind::Interval,
        "uuid" => Kind::Uuid,
        "json" => Kind::Json { rewritten: false },
        "jsonb" => Kind::Json { rewritten: true },
        "text" | "varchar" | "citext" => Kind::Text { room, blanks: Blanks::Kept, charset: None },
        // Without a length it fills nothing up: what stands at its end was put there.
        "bpchar" if column.length.is_none() => Kind::Text { room, blanks: Blanks::Kept, charset: None },
        "bpchar" => Kind::Text { room, blanks: Blanks::Filled, charset: None },
        "bytea" => Kind::Bytes { length: None, padded: false },
        _ => Kind::Printed,
    }
}
