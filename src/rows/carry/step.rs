//! What is done to a value's text on the way, so that it is what the target will say of it.

use super::jsonb;
use super::number::{decimal, float, unfolded, whole, whole_as_float, widened};
use super::time::{Calendar, clock, date, iso, moment, of_day};
use super::typed::Class;
use super::unfit::Unfit;
use std::borrow::Cow;

/// What is done to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing.
    AsIs,
    /// A number in this range.
    Int { least: i128, most: i128 },
    /// A decimal number padded to the target's scale.
    Decimal { places: Option<(u32, u32)>, special: bool },
    /// A floating-point number; `single`: it has to be one of single precision; `widen`: written with the digits that it has as
    /// a double. NaN and infinity where they are not refused.
    Float { single: bool, widen: bool, infinite: bool, nan: bool },
    /// A whole number as a floating-point one.
    WholeAsFloat,
    /// Zero or one.
    Bool,
    /// A day.
    Date(Calendar),
    /// A time of day.
    Clock(Calendar, u32),
    /// A time beyond a day as PostgreSQL's interval.
    Elapsed,
    /// A date and time.
    Moment(Calendar, u32),
    /// A UUID in lower case.
    Uuid,
    /// Text; `nul`: it may hold that; at most so many characters or bytes; blanks at its end go.
    Text { nul: bool, characters: Option<u64>, bytes: Option<u64>, trim: bool },
    /// A date and time as a document says it.
    Iso { digits: u32, zoned: bool },
    /// A time of day as a document says it.
    OfDay(u32),
    /// `true` or `false`.
    Word,
    /// JSON as `jsonb` prints it.
    Jsonb,
}

impl Step {
    /// The text as the target will print it.
    pub(super) fn apply(self, text: &str) -> Result<Cow<'_, str>, Unfit> {
        Ok(match self {
            Self::AsIs => text.into(),
            Self::Int { least, most } => whole(text, least, most)?.into(),
            Self::Decimal { places, special } => decimal(text, places, special)?,
            Self::Float { single, widen, infinite, nan } => {
                let number = match (single, widen) {
                    (true, true) => widened(&float(text, true)?)?,
                    (false, true) => widened(text)?,
                    (_, false) => float(text, single)?,
                };
                match number.as_str() {
                    "NaN" if !nan => return Err(Unfit::NotANumber),
                    "inf" | "-inf" if !infinite => return Err(Unfit::NotANumber),
                    // Only PostgreSQL, which has NaN, keeps the sign of zero.
                    "-0.0" if !nan => "0.0".into(),
                    _ => number.into(),
                }
            }
            Self::WholeAsFloat => whole_as_float(text)?.into(),
            Self::Bool => whole(text, 0, 1)?.into(),
            Self::Date(calendar) => date(text, calendar)?.into(),
            Self::Clock(calendar, digits) => clock(text, calendar, digits)?,
            Self::Elapsed => match clock(text, Calendar::MySql, 6)?.trim_end_matches('0').trim_end_matches('.') {
                whole if text.contains('.') => whole.to_owned().into(),
                _ => text.into(),
            },
            Self::Moment(calendar, digits) => moment(text, calendar, digits)?,
            Self::Uuid => uuid(text)?.into(),
            Self::Text { nul, characters, bytes, trim } => {
                let text = if trim { text.trim_end_matches(' ') } else { text };
                if !nul && text.contains('\0') {
                    return Err(Unfit::Nul);
                }
                let long = |most: Option<u64>, length: &dyn Fn() -> usize| {
                    most.is_some_and(|most| u64::try_from(length()).is_ok_and(|length| length > most))
                };
                if long(bytes, &|| text.len())
                    || (long(characters, &|| text.len()) && long(characters, &|| text.chars().count()))
                {
                    return Err(Unfit::Long);
                }
                text.into()
            }
            Self::Iso { digits, zoned } => iso(text, digits, zoned).into(),
            Self::OfDay(digits) => of_day(text, digits).into(),
            Self::Jsonb => jsonb::printed(text)?.into(),
            Self::Word => if whole(text, 0, 1)? == "1" { "true" } else { "false" }.into(),
        })
    }

    /// The text for a value of SQLite's, which is of a class of its own.
    pub(super) fn admit(self, class: Class, text: &str) -> Result<Cow<'_, str>, Unfit> {
        let refused = Err(Unfit::Class(class.name()));
        match (self, class) {
            (Self::Decimal { .. }, Class::Real) => Ok(self.apply(&unfolded(text)?)?.into_owned().into()),
            (Self::Float { single: false, .. }, Class::Integer) => {
                self.apply(text).and(whole_as_float(text)).map(Cow::Owned)
            }
            (Self::AsIs, _)
            | (_, Class::Blob)
            | (Self::Float { .. }, Class::Text)
            | (Self::Int { .. } | Self::Bool | Self::WholeAsFloat, Class::Real | Class::Text)
            | (
                Self::Date(_) | Self::Clock(..) | Self::Moment(..) | Self::Elapsed | Self::Uuid | Self::Jsonb,
                Class::Real | Class::Integer,
            ) => refused,
            _ => self.apply(text),
        }
    }
}

/// A UUID, in lower case.
pub(super) fn uuid(text: &str) -> Result<&str, Unfit> {
    let digit = |(place, byte): (usize, u8)| match place {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
    };
    if text.len() == 36 && text.bytes().enumerate().all(digit) { Ok(text) } else { Err(Unfit::Written) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_do_not_fit() {
        let text = |nul, characters, bytes, trim| Step::Text { nul, characters, bytes, trim };
        assert_eq!(text(false, None, None, false).apply("a\0"), Err(Unfit::Nul));
        assert_eq!(text(true, None, None, false).apply("a\0").as_deref(), Ok("a\0"));
        assert_eq!(text(true, Some(2), None, false).apply("éé").as_deref(), Ok("éé"));
        assert_eq!(text(true, Some(2), None, false).apply("éé "), Err(Unfit::Long));
        assert_eq!(text(true, Some(2), None, true).apply("éé  ").as_deref(), Ok("éé"));
        assert_eq!(text(true, None, Some(3), false).apply("éé"), Err(Unfit::Long));
    }

    #[test]
    fn numbers_and_words() {
        let float = |infinite, nan| Step::Float { single: false, widen: false, infinite, nan };
        assert_eq!(float(false, false).apply("Infinity"), Err(Unfit::NotANumber));
        assert_eq!(float(true, false).apply("-Infinity").as_deref(), Ok("-inf"));
        assert_eq!(float(true, false).apply("NaN"), Err(Unfit::NotANumber));
        assert_eq!(float(true, true).apply("-0").as_deref(), Ok("-0.0"));
        assert_eq!(float(true, false).apply("-0").as_deref(), Ok("0.0"));
        assert_eq!(Step::Word.apply("1").as_deref(), Ok("true"));
        assert_eq!(Step::Bool.apply("2"), Err(Unfit::Range));
        assert_eq!(Step::Elapsed.apply("-838:59:59.999000").as_deref(), Ok("-838:59:59.999"));
        assert_eq!(Step::Elapsed.apply("00:00:00").as_deref(), Ok("00:00:00"));
        assert_eq!(Step::Elapsed.apply("00:00:00.000").as_deref(), Ok("00:00:00"));
        assert_eq!(Step::Uuid.apply("123E4567-e89b-12d3-a456-426614174000"), Err(Unfit::Written));
    }

    #[test]
    fn classes_of_sqlite() {
        let places = Some((10, 2));
        let decimal = Step::Decimal { places, special: false };
        assert_eq!(decimal.admit(Class::Real, "1.1").as_deref(), Ok("1.10"));
        assert_eq!(decimal.admit(Class::Integer, "1").as_deref(), Ok("1.00"));
        assert_eq!(decimal.admit(Class::Real, "1.125"), Err(Unfit::Digits));
        assert_eq!(Step::AsIs.admit(Class::Text, "a"), Err(Unfit::Class("text")));
        let int = Step::Int { least: -9, most: 9 };
        assert_eq!(int.admit(Class::Real, "1.0"), Err(Unfit::Class("real")));
        let float = Step::Float { single: false, widen: false, infinite: true, nan: true };
        assert_eq!(float.admit(Class::Integer, "5").as_deref(), Ok("5.0"));
        assert_eq!(float.admit(Class::Integer, "9007199254740993"), Err(Unfit::Digits));
    }
}
