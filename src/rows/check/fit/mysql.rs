//! What MySQL and MariaDB, in strict mode, make of a value that is stored in a column of another type.

use super::super::super::fit::{
    BINARY_FRACTION, BLANKS, FRACTION, Fit, PADDED, PART, ROUNDED, UNKNOWN, decimal, exact_if,
};
use crate::sql::catalog::Column;

/// Bytes that a character takes at most.
const WIDEST: u64 = 4;
const ZEROS: Fit = Fit::Changing("the zeros on the left would be lost");
const MEMBERS: Fit = Fit::Changing("it does not have the same members");

/// What a type is, as far as storing elsewhere goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// From, to.
    Integer(i128, i128),
    Decimal,
    Float,
    Double,
    Date,
    Time,
    DateTime,
    Timestamp,
    Char,
    /// VARCHAR, and the texts whose length counts bytes.
    Text,
    Enum,
    Set,
    Binary,
    Bytes,
    Other,
}

#[allow(clippy::match_same_arms, reason = "pairs of one family stand together")]
pub(super) fn fit(ours: &Column, theirs: &Column) -> Fit {
    let (from, to) = (kind(ours), kind(theirs));
    let fraction = |fitting: Fit| {
        if theirs.fraction.unwrap_or(0) < ours.fraction.unwrap_or(0) { FRACTION } else { fitting }
    };
    match (from, to) {
        // Years below 100 are taken for others.
        (Kind::Integer(..), Kind::Integer(..)) if theirs.base == "year" => UNKNOWN,
        // A negative number is taken for its bits.
        (Kind::Integer(least, _), Kind::Integer(..)) if theirs.base == "bit" && least < 0 => UNKNOWN,
        (Kind::Integer(least, most), Kind::Integer(lowest, highest)) => exact_if(lowest <= least && most <= highest),
        (Kind::Integer(least, most), Kind::Decimal) => {
            within_sign(least < 0, theirs, decimal(digits(least, most), 0, places(theirs)))
        }
        (Kind::Integer(least, most), Kind::Float | Kind::Double) => {
            let bits = if to == Kind::Float { 24 } else { 53 };
            let limit = 1_i128 << bits;
            if measured(theirs) || least < -limit || most > limit { BINARY_FRACTION } else { signed(least < 0, theirs) }
        }
        (Kind::Decimal, Kind::Decimal) => {
            let (precision, scale) = places(ours);
            within_sign(!ours.unsigned, theirs, decimal(precision, scale, places(theirs)))
        }
        (Kind::Decimal, Kind::Integer(lowest, highest)) => match places(ours) {
            (precision, 0) if theirs.base != "year" && theirs.base != "bit" => {
                let most = 10_i128.checked_pow(precision).unwrap_or(i128::MAX) - 1;
                exact_if(most <= highest && (ours.unsigned || lowest <= -most))
            }
            _ => ROUNDED,
        },
        (Kind::Float, Kind::Float | Kind::Double) | (Kind::Double, Kind::Double) if !measured(theirs) => {
            signed(!ours.unsigned, theirs)
        }
        (Kind::Float | Kind::Double, Kind::Integer(..)) => ROUNDED,
        (Kind::Float | Kind::Double | Kind::Decimal, Kind::Float | Kind::Double | Kind::Decimal) => BINARY_FRACTION,
        (Kind::Time, Kind::Time) | (Kind::DateTime, Kind::DateTime) | (Kind::Timestamp, Kind::Timestamp) => {
            fraction(Fit::Exact)
        }
        (Kind::Timestamp, Kind::DateTime) => fraction(Fit::InUtc),
        // Those before 1970 and after 2038 are refused.
        (Kind::DateTime, Kind::Timestamp) => fraction(Fit::Refusing),
        (Kind::Date, Kind::DateTime) => Fit::Exact,
        (Kind::Date, Kind::Timestamp) => Fit::Refusing,
        (Kind::DateTime | Kind::Timestamp, Kind::Date | Kind::Time) => PART,
        (Kind::Float | Kind::Double, Kind::Char | Kind::Text) => BINARY_FRACTION,
        (_, Kind::Char | Kind::Text) => text(ours, from, theirs, to),
        (Kind::Enum, Kind::Enum) => {
            let members = members(theirs);
            if self::members(ours).iter().all(|one| members.contains(one)) { charset(ours, theirs) } else { MEMBERS }
        }
        (Kind::Set, Kind::Set) => {
            if members(theirs).starts_with(&members(ours)) {
                charset(ours, theirs)
            } else {
                MEMBERS
            }
        }
        (_, Kind::Enum | Kind::Set) => MEMBERS,
        (Kind::Binary | Kind::Bytes | Kind::Char | Kind::Text, Kind::Binary) => PADDED,
        (Kind::Binary | Kind::Bytes, Kind::Bytes) => room(ours.length, theirs.length),
        (Kind::Char | Kind::Text, Kind::Bytes) => room(bytes(ours), theirs.length),
        (Kind::Other, Kind::Other) if ours.base == theirs.base => exact_if(!theirs.type_name.contains('(')),
        (Kind::Other, Kind::Other) if theirs.base == "geometry" && is_geometry(&ours.base) => Fit::Exact,
        _ => UNKNOWN,
    }
}

fn kind(column: &Column) -> Kind {
    let integer = |bits: u32| {
        if column.unsigned {
            Kind::Integer(0, (1 << bits) - 1)
        } else {
            Kind::Integer(-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
        }
    };
    match column.base.as_str() {
        "tinyint" => integer(8),
        "smallint" => integer(16),
        "mediumint" => integer(24),
        "int" | "integer" => integer(32),
        "bigint" => integer(64),
        "year" => Kind::Integer(0, 2155),
        "bit" => Kind::Integer(0, (1 << column.length.unwrap_or(1).min(64)) - 1),
        "decimal" | "numeric" => Kind::Decimal,
        "float" => Kind::Float,
        "double" | "real" => Kind::Double,
        "date" => Kind::Date,
        "time" => Kind::Time,
        "datetime" => Kind::DateTime,
        "timestamp" => Kind::Timestamp,
        "char" => Kind::Char,
        "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" => Kind::Text,
        "enum" => Kind::Enum,
        "set" => Kind::Set,
        "binary" => Kind::Binary,
        "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => Kind::Bytes,
        _ => Kind::Other,
    }
}

fn places(column: &Column) -> (u32, u32) {
    (column.precision.unwrap_or(10), column.scale.unwrap_or(0))
}

/// Digits of the longest number between two.
fn digits(least: i128, most: i128) -> u32 {
    least.unsigned_abs().max(most.unsigned_abs()).checked_ilog10().unwrap_or(0) + 1
}

/// `double(10,2)` rounds.
fn measured(column: &Column) -> bool {
    column.type_name.contains('(')
}

/// An unsigned column refuses what is negative.
fn signed(negative: bool, theirs: &Column) -> Fit {
    exact_if(!(negative && theirs.unsigned))
}

fn within_sign(negative: bool, theirs: &Column, found: Fit) -> Fit {
    if found == Fit::Exact { signed(negative, theirs) } else { found }
}

/// What is printed, or another text.
fn text(ours: &Column, from: Kind, theirs: &Column, to: Kind) -> Fit {
    if to == Kind::Char && from == Kind::Text {
        return BLANKS;
    }
    let fraction =
        |fixed: u64| fixed + ours.fraction.map_or(0, |digits| if digits == 0 { 0 } else { u64::from(digits) + 1 });
    let (precision, scale) = places(ours);
    let characters = match from {
        // Its bits are taken for characters.
        Kind::Integer(..) if ours.base == "bit" => return UNKNOWN,
        Kind::Integer(..) if zerofill(ours) => return ZEROS,
        Kind::Integer(least, most) => u64::from(digits(least, most)) + u64::from(least < 0),
        // A sign, a point, and a zero before it where there is no other digit.
        Kind::Decimal => u64::from(precision) + 1 + u64::from(scale > 0) + u64::from(scale == precision),
        Kind::Date => 10,
        Kind::Time => fraction(10),
        Kind::DateTime | Kind::Timestamp => fraction(19),
        Kind::Char | Kind::Text | Kind::Enum | Kind::Set => match charset(ours, theirs) {
            Fit::Exact => return room(ours.length, characters_held(theirs).max(same_bytes(ours, theirs))),
            found => return found,
        },
        Kind::Other if ours.base == "uuid" => 36,
        Kind::Other if ours.base == "inet4" => 15,
        Kind::Other if ours.base == "inet6" => 45,
        _ => return UNKNOWN,
    };
    room(Some(characters), characters_held(theirs))
}

fn zerofill(column: &Column) -> bool {
    column.type_name.to_ascii_lowercase().contains("zerofill")
}

fn is_bytes(column: &Column) -> bool {
    column.base.ends_with("text")
}

/// Characters that surely find room.
fn characters_held(column: &Column) -> Option<u64> {
    column.length.map(|length| if is_bytes(column) { length / WIDEST } else { length })
}

/// The room of a text for one of the same character set, whose bytes stay what they are.
fn same_bytes(ours: &Column, theirs: &Column) -> Option<u64> {
    (is_bytes(ours) && is_bytes(theirs) && ours.charset == theirs.charset).then_some(theirs.length).flatten()
}

fn bytes(column: &Column) -> Option<u64> {
    column.length.map(|length| if is_bytes(column) { length } else { length.saturating_mul(WIDEST) })
}

fn room(needed: Option<u64>, room: Option<u64>) -> Fit {
    exact_if(matches!((needed, room), (Some(needed), Some(room)) if needed <= room))
}

/// A character that the other set lacks is refused.
fn charset(ours: &Column, theirs: &Column) -> Fit {
    let (Some(from), Some(to)) = (ours.charset.as_deref(), theirs.charset.as_deref()) else { return UNKNOWN };
    let whole = matches!(to, "utf8mb4" | "utf16" | "utf16le" | "utf32");
    let plane = matches!(to, "utf8mb3" | "utf8" | "ucs2") && !matches!(from, "utf8mb4" | "utf16" | "utf16le" | "utf32");
    exact_if(from == to || whole || plane || from == "ascii")
}

/// What stands in the parentheses of an ENUM or SET, quotes and all.
fn members(column: &Column) -> Vec<&str> {
    let inside = column.type_name.split_once('(').map_or("", |(_, rest)| rest.strip_suffix(')').unwrap_or(rest));
    inside
        .strip_prefix('\'')
        .and_then(|rest| rest.strip_suffix('\''))
        .map_or_else(Vec::new, |inside| inside.split("','").collect())
}

fn is_geometry(base: &str) -> bool {
    matches!(
        base,
        "point"
            | "linestring"
            | "polygon"
            | "multipoint"
            | "multilinestring"
            | "multipolygon"
            | "geometrycollection"
            | "geomcollection"
    )
}
