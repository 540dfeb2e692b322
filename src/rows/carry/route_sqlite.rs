//! How a value becomes one of SQLite's: which storage class it has there.

use super::super::affinity::Affinity;
use super::super::fit::{BINARY_FRACTION, Fit, UNKNOWN, exact_if};
use super::kind::Kind;
use super::route::{Route, digits};
use super::step::Step;
use super::typed::{Class, join};

const AS_NUMBER: Fit = Fit::Changing("texts that look like numbers would become numbers");

/// The storage class that a value takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Letter {
    Always(Class),
    /// An integer, or its digits as text where SQLite has no such integer.
    IntegerOrText,
}

impl Letter {
    /// A value with its letter.
    pub(super) fn before(self, value: &[u8]) -> Vec<u8> {
        let is_integer = || std::str::from_utf8(value).is_ok_and(|text| text.parse::<i64>().is_ok());
        let class = match self {
            Self::Always(class) => class,
            Self::IntegerOrText if is_integer() => Class::Integer,
            Self::IntegerOrText => Class::Text,
        };
        join(class, value)
    }
}

/// The way from a column of another database to one of SQLite's.
pub(super) fn route(from: &Kind, affinity: Affinity) -> Result<(Route, Letter), Fit> {
    let way = |step, class, fit| Ok((Route { step, fit }, Letter::Always(class)));
    let signed = Step::Int { least: i64::MIN.into(), most: i64::MAX.into() };
    let as_it_comes = matches!(affinity, Affinity::Untyped | Affinity::Blob);
    let textual = affinity == Affinity::Text || as_it_comes;
    match from {
        Kind::Int { .. } if as_it_comes => Ok((Route { step: Step::AsIs, fit: Fit::Exact }, Letter::IntegerOrText)),
        Kind::Int { least, most } => match affinity {
            Affinity::Text => way(Step::AsIs, Class::Text, Fit::Exact),
            Affinity::Real if digits(*least, *most) > 15 => Err(BINARY_FRACTION),
            Affinity::Real => way(Step::WholeAsFloat, Class::Real, Fit::Exact),
            _ => way(signed, Class::Integer, exact_if(*most <= i128::from(i64::MAX))),
        },
        Kind::Bool => match affinity {
            Affinity::Text => way(Step::Word, Class::Text, Fit::Exact),
            Affinity::Real => way(Step::WholeAsFloat, Class::Real, Fit::Exact),
            _ => way(Step::Bool, Class::Integer, Fit::Exact),
        },
        Kind::Decimal { .. } if textual => way(Step::Decimal { places: None, special: true }, Class::Text, Fit::Exact),
        Kind::Decimal { places: Some((precision, 0)), .. } if affinity != Affinity::Real => {
            way(signed, Class::Integer, exact_if(*precision <= 18))
        }
        Kind::Decimal { .. } => Err(BINARY_FRACTION),
        Kind::Float { .. } if affinity == Affinity::Text => way(Step::AsIs, Class::Text, Fit::Exact),
        Kind::Float { .. } => {
            way(Step::Float { single: false, widen: false, infinite: true, nan: false }, Class::Real, Fit::Exact)
        }
        // No number looks like one of these.
        Kind::Date | Kind::Uuid if textual || affinity == Affinity::Numeric => way(Step::AsIs, Class::Text, Fit::Exact),
        Kind::Time { digits } if textual || affinity == Affinity::Numeric => {
            way(Step::OfDay(*digits), Class::Text, Fit::Exact)
        }
        Kind::Moment { digits, zoned } if textual || affinity == Affinity::Numeric => {
            way(Step::Iso { digits: *digits, zoned: *zoned }, Class::Text, Fit::Exact)
        }
        Kind::Text { .. } | Kind::Json { .. } | Kind::Interval | Kind::Printed if textual => {
            way(Step::AsIs, Class::Text, Fit::Exact)
        }
        Kind::Text { .. } | Kind::Json { .. } => Err(AS_NUMBER),
        Kind::Bytes { .. } if as_it_comes => way(Step::AsIs, Class::Blob, Fit::Exact),
        _ => Err(UNKNOWN),
    }
}
