//! What SQLite makes of a value that is stored in a column of another affinity.

use super::super::super::affinity::Affinity;
use super::super::super::fit::{BINARY_FRACTION, Fit};
use crate::sql::catalog::Column;

const AS_TEXT: Fit = Fit::Changing("numbers would become text");
const AS_NUMBER: Fit = Fit::Changing("texts that look like numbers would become numbers");

pub(super) fn fit(ours: &Column, theirs: &Column) -> Fit {
    match (Affinity::of(ours), Affinity::of(theirs)) {
        // What is declared BLOB, or nothing, holds values of any storage class.
        (affinity, Affinity::Text) if affinity != Affinity::Text => AS_TEXT,
        (
            Affinity::Text | Affinity::Untyped | Affinity::Blob,
            Affinity::Integer | Affinity::Real | Affinity::Numeric,
        ) => AS_NUMBER,
        // Beyond 2^53.
        (Affinity::Integer | Affinity::Numeric, Affinity::Real) => match ours.precision {
            Some(digits) if digits <= 15 => Fit::Exact,
            _ => BINARY_FRACTION,
        },
        _ => Fit::Exact,
    }
}
