//! What becomes of a column's values in another column.

/// What becomes of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// Each of them is kept, and compares equal afterwards.
    Exact,
    /// Each of them is kept or refused, which makes the row a dead letter.
    Refusing,
    /// A time changes between with and without a time zone: read and written in UTC.
    InUtc,
    /// Some are changed without an error, or it is not known that none is: what becomes of them.
    Changing(&'static str),
}

pub(super) const UNKNOWN: Fit = Fit::Changing("the two are not known to hold the same values");
pub(super) const ROUNDED: Fit = Fit::Changing("digits behind the point would be lost");
pub(super) const BINARY_FRACTION: Fit = Fit::Changing("digits would be lost to rounding");
pub(super) const FRACTION: Fit = Fit::Changing("fraction digits would be lost");
pub(super) const PART: Fit = Fit::Changing("a part of the date and time would be lost");
pub(super) const BLANKS: Fit = Fit::Changing("blanks at the end would be lost");
pub(super) const PADDED: Fit = Fit::Changing("it would be padded with zero bytes");

/// A number of `digits` digits, `scale` of them behind the point, in a decimal of `theirs`.
pub(super) fn decimal(digits: u32, scale: u32, theirs: (u32, u32)) -> Fit {
    if theirs.1 < scale {
        ROUNDED
    } else if theirs.0.saturating_sub(theirs.1) < digits.saturating_sub(scale) {
        Fit::Refusing
    } else {
        Fit::Exact
    }
}

/// Exact if it is so, refused by the database otherwise.
pub(super) fn exact_if(it_is: bool) -> Fit {
    if it_is { Fit::Exact } else { Fit::Refusing }
}
