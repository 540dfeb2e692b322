//! What a column of SQLite makes of its values.

use crate::sql::catalog::Column;

/// As SQLite derives it from the declared type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Affinity {
    Integer,
    Text,
    /// No type: every value as it comes.
    Untyped,
    Blob,
    Real,
    /// By the rules also DATE, DATETIME, UUID, JSON and every other name.
    Numeric,
}

impl Affinity {
    pub(super) fn of(column: &Column) -> Self {
        let name = column.type_name.to_ascii_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
        if has(&["int"]) {
            Self::Integer
        } else if has(&["char", "clob", "text"]) {
            Self::Text
        } else if name.is_empty() {
            Self::Untyped
        } else if has(&["blob"]) {
            Self::Blob
        } else if has(&["real", "floa", "doub"]) {
            Self::Real
        } else {
            Self::Numeric
        }
    }
}
