//! What PostgreSQL makes of a value that is assigned to a column of another type.

use super::super::super::fit::{BINARY_FRACTION, BLANKS, FRACTION, Fit, PART, ROUNDED, UNKNOWN, decimal, exact_if};
use crate::sql::catalog::Column;

/// Times count microseconds where no digits are declared.
const MICROSECONDS: u32 = 6;

pub(super) fn fit(ours: &Column, theirs: &Column) -> Fit {
    match (&ours.element, &theirs.element) {
        (None, None) => between(ours, &ours.base, theirs, &theirs.base),
        // Arrays are assigned element by element, and declare what their elements do.
        (Some(our_element), Some(their_element)) => match between(ours, our_element, theirs, their_element) {
            // Blanks and the like: only where the element is of the same type is its text known to be the same.
            Fit::Exact if our_element != their_element && is_text(their_element) && !is_text(our_element) => UNKNOWN,
            // Longer ones are refused, but for blanks at their end, which are cut off.
            Fit::Refusing if their_element == "varchar" && is_text(our_element) && our_element != "bpchar" => BLANKS,
            found => found,
        },
        (Some(_), None) => as_text(None, theirs, &theirs.base),
        (None, Some(_)) => UNKNOWN,
    }
}

#[allow(clippy::match_same_arms, reason = "pairs of one family stand together")]
fn between(ours: &Column, from: &str, theirs: &Column, to: &str) -> Fit {
    if let Some(digits) = integer_digits(from) {
        return integer(from, digits, theirs, to);
    }
    let digits = |column: &Column| column.fraction.unwrap_or(MICROSECONDS);
    match (from, to) {
        ("numeric", "numeric") => numeric(ours, theirs),
        ("numeric", "int2" | "int4" | "int8") => match (ours.precision, ours.scale, integer_digits(to)) {
            (Some(precision), Some(0), Some(digits)) => exact_if(precision < digits),
            _ => ROUNDED,
        },
        ("float4", "float8") => Fit::Exact,
        ("float4" | "float8" | "numeric", "float4" | "float8" | "numeric" | "int2" | "int4" | "int8") => {
            BINARY_FRACTION
        }
        ("timestamp" | "timestamptz", "date" | "time" | "timetz") | ("timetz", "time") => PART,
        ("date", "timestamp") => Fit::Exact,
        ("date", "timestamptz") => Fit::InUtc,
        ("time", "time") | ("timetz", "timetz") | ("timestamp", "timestamp") | ("timestamptz", "timestamptz") => {
            if digits(theirs) < digits(ours) {
                FRACTION
            } else {
                Fit::Exact
            }
        }
        ("timestamp", "timestamptz") | ("timestamptz", "timestamp") => {
            if digits(theirs) < digits(ours) {
                FRACTION
            } else {
                Fit::InUtc
            }
        }
        ("interval", "interval") => interval(ours, theirs),
        // The same JSON value, though not the same text.
        ("json" | "jsonb", "json" | "jsonb") | ("cidr", "inet") => Fit::Exact,
        ("bit" | "varbit", "varbit") => match (ours.length, theirs.length) {
            (_, None) => Fit::Exact,
            (Some(ours), Some(theirs)) => exact_if(ours <= theirs),
            (None, Some(_)) => Fit::Refusing,
        },
        ("bpchar", "bpchar") => length(ours.length, theirs),
        // Its padding means nothing; blanks of other texts do.
        (text, "bpchar") if is_text(text) => BLANKS,
        (_, to) if is_text(to) => as_text(printed(ours, from), theirs, to),
        // Of one type; what an extension declares of it, it refuses to break.
        (from, to) if from == to => exact_if(!theirs.resolved.contains('(')),
        _ => UNKNOWN,
    }
}

fn is_text(base: &str) -> bool {
    matches!(base, "text" | "varchar" | "bpchar" | "citext")
}

/// Characters that the longest value takes, where that is known.
fn printed(column: &Column, base: &str) -> Option<u64> {
    match base {
        "varchar" | "bpchar" => column.length,
        "bool" => Some(5),
        "uuid" => Some(36),
        "name" => Some(63),
        "char" => Some(1),
        _ => None,
    }
}

fn as_text(characters: Option<u64>, theirs: &Column, to: &str) -> Fit {
    match to {
        "bpchar" | "varchar" => length(characters, theirs),
        "text" | "citext" => Fit::Exact,
        _ => UNKNOWN,
    }
}

fn length(needed: Option<u64>, theirs: &Column) -> Fit {
    match (needed, theirs.length) {
        (_, None) => Fit::Exact,
        (None, Some(_)) => Fit::Refusing,
        (Some(needed), Some(room)) => exact_if(needed <= room),
    }
}

fn integer_digits(base: &str) -> Option<u32> {
    match base {
        "int2" => Some(5),
        "int4" => Some(10),
        "int8" => Some(19),
        _ => None,
    }
}

fn integer(from: &str, digits: u32, theirs: &Column, to: &str) -> Fit {
    match to {
        "int2" | "int4" | "int8" => exact_if(integer_digits(to).is_some_and(|room| digits <= room)),
        "numeric" => match (theirs.precision, theirs.scale) {
            (None, _) => Fit::Exact,
            (Some(precision), Some(scale)) => decimal(digits, 0, (precision, scale)),
            // A scale below 0.
            (Some(_), None) => ROUNDED,
        },
        "float8" if from != "int8" => Fit::Exact,
        "float4" if from == "int2" => Fit::Exact,
        "float4" | "float8" => BINARY_FRACTION,
        // A sign before the digits.
        _ if is_text(to) => as_text(Some(u64::from(digits) + 1), theirs, to),
        _ => UNKNOWN,
    }
}

fn numeric(ours: &Column, theirs: &Column) -> Fit {
    match (ours.precision, ours.scale, theirs.precision, theirs.scale) {
        (_, _, None, _) => Fit::Exact,
        (Some(precision), Some(scale), Some(room), Some(places)) => decimal(precision, scale, (room, places)),
        _ => ROUNDED,
    }
}

/// `interval year to month` drops what it does not name.
fn interval(ours: &Column, theirs: &Column) -> Fit {
    let fields = theirs.resolved.strip_prefix("interval").unwrap_or_default();
    if fields.starts_with(' ') {
        return PART;
    }
    if theirs.fraction.unwrap_or(MICROSECONDS) < ours.fraction.unwrap_or(MICROSECONDS) { FRACTION } else { Fit::Exact }
}
