//! A value of SQLite as text: a letter for its storage class, and what it is. The same writing as `milkrun_value` and
//! `milkrun_stored` have inside SQLite.

use super::unfit::Unfit;

/// A storage class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Integer,
    Real,
    Text,
    Blob,
}

impl Class {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Integer => "integer",
            Self::Real => "real",
            Self::Text => "text",
            Self::Blob => "blob",
        }
    }
}

/// The class of a value and the rest of its text.
pub(super) fn split(text: &str) -> Result<(Class, &str), Unfit> {
    let (letter, rest) = text.split_at_checked(1).ok_or(Unfit::Written)?;
    let class = match letter {
        "i" => Class::Integer,
        "r" => Class::Real,
        "t" => Class::Text,
        "b" => Class::Blob,
        _ => return Err(Unfit::Written),
    };
    Ok((class, rest))
}
