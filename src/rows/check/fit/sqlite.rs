//! What SQLite makes of a value that is stored in a column of another affinity.

use super::{BINARY_FRACTION, Fit};
use crate::sql::catalog::Column;

const AS_TEXT: Fit = Fit::Changing("numbers would become text");
const AS_NUMBER: Fit = Fit::Changing("texts that look like numbers would become numbers");

/// What a column makes of its values, as SQLite derives it from the declared type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Affinity {
    Integer,
    Text,
    /// No type: every value as it comes.
    Untyped,
    Blob,
    Real,
    /// By the rules also DATE, DATETIME, UUID, JSON and every other name.
    Numeric,
}

pub(super) fn fit(ours: &Column, theirs: &Column) -> Fit {
    match (affinity(ours), affinity(theirs)) {
        (Affinity::Integer | Affinity::Real | Affinity::Numeric | Affinity::Untyped, Affinity::Text) => AS_TEXT,
        (Affinity::Text | Affinity::Untyped, Affinity::Integer | Affinity::Real | Affinity::Numeric) => AS_NUMBER,
        // Beyond 2^53.
        (Affinity::Integer | Affinity::Numeric, Affinity::Real) => match ours.precision {
            Some(digits) if digits <= 15 => Fit::Exact,
            _ => BINARY_FRACTION,
        },
        _ => Fit::Exact,
    }
}

fn affinity(column: &Column) -> Affinity {
    let name = column.type_name.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
    if has(&["int"]) {
        Affinity::Integer
    } else if has(&["char", "clob", "text"]) {
        Affinity::Text
    } else if name.is_empty() {
        Affinity::Untyped
    } else if has(&["blob"]) {
        Affinity::Blob
    } else if has(&["real", "floa", "doub"]) {
        Affinity::Real
    } else {
        Affinity::Numeric
    }
}
