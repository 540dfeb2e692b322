//! Values that a column cannot hold, found before the database would refuse them, or change them in silence.

/// What such a value is; never the value itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// A text with a NUL character.
    #[error("a text with a NUL character, which PostgreSQL does not hold")]
    Nul,
    /// A date whose year, month or day is zero.
    #[error("a date with a zero in place of its year, month or day")]
    ZeroDate,
    /// A date out of the target's calendar.
    #[error("a date that is infinite, before Christ or after the year 9999")]
    FarDate,
    /// A time below zero or of more than 24 hours.
    #[error("a time beyond one day")]
    LongTime,
    /// Something that is no number of the target.
    #[error("NaN or an infinite number")]
    NotANumber,
    /// The target would round it.
    #[error("a number or time with more digits than the column keeps")]
    Digits,
    /// A number out of range.
    #[error("a number beyond the range of the column")]
    Range,
    /// A text that would be cut.
    #[error("a text longer than the column")]
    Long,
    /// A value of SQLite of another storage class than the column holds.
    #[error("a value of SQLite's storage class {0}, which is not what the column holds")]
    Class(&'static str),
    /// A text that is not written as what the column holds.
    #[error("a text that is not written as the column's type is")]
    Written,
}
