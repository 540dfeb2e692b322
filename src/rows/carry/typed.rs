//! A value of SQLite: a letter for its storage class, and what it is. The same writing as `milkrun_value` and
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

/// The class of a value and what is behind its letter.
pub(super) fn split(value: &[u8]) -> Result<(Class, &[u8]), Unfit> {
    let (letter, rest) = value.split_first().ok_or(Unfit::Written)?;
    let class = match letter {
        b'i' => Class::Integer,
        b'r' => Class::Real,
        b't' => Class::Text,
        b'b' => Class::Blob,
        _ => return Err(Unfit::Written),
    };
    Ok((class, rest))
}

/// A value of a class, with its letter.
pub(super) fn join(class: Class, value: &[u8]) -> Vec<u8> {
    let mut typed = Vec::with_capacity(value.len() + 1);
    typed.push(match class {
        Class::Integer => b'i',
        Class::Real => b'r',
        Class::Text => b't',
        Class::Blob => b'b',
    });
    typed.extend_from_slice(value);
    typed
}
