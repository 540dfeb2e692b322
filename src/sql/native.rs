//! PostgreSQL's own form of values, as COPY's binary format carries it, and the text that the server would print for each: of the
//! types whose form is the same in every version. What goes from one server to another as it is need not be printed by the one and
//! read by the other; only what is looked at on the way is printed here.
//!
//! The forms are those of the `…send` functions in PostgreSQL's `src/backend/utils/adt`, the texts those of a session of which
//! `DateStyle` is ISO.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::ops::Range;

/// How a type's values travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Native {
    /// Printed as 0 or 1.
    Bool,
    /// An integer of so many bytes.
    Int(u8),
    /// A decimal, in digits of base 10,000.
    Numeric,
    /// UTF-8.
    Text,
    /// Printed as they are.
    Bytes,
    /// UTF-8.
    Json,
    /// UTF-8 behind a version.
    Jsonb,
    /// Days since 2000.
    Date,
    /// Microseconds since midnight.
    Time,
    /// Microseconds since 2000.
    Timestamp,
    /// The same of UTC, printed without a zone.
    Timestamptz,
    /// 16 bytes.
    Uuid,
}

impl Native {
    /// Of a type by its name in the catalog; `None` of types whose text is not known here.
    pub fn of(base: &str) -> Option<Self> {
        Some(match base {
            "bool" => Self::Bool,
            "int2" => Self::Int(2),
            "int4" => Self::Int(4),
            "int8" => Self::Int(8),
            "numeric" => Self::Numeric,
            "text" | "varchar" | "bpchar" => Self::Text,
            "bytea" => Self::Bytes,
            "json" => Self::Json,
            "jsonb" => Self::Jsonb,
            "date" => Self::Date,
            "time" => Self::Time,
            "timestamp" => Self::Timestamp,
            "timestamptz" => Self::Timestamptz,
            "uuid" => Self::Uuid,
            _ => return None,
        })
    }

    /// The text of a value, or bytes as they are; `None` if it is none of this type.
    pub fn print(self, value: &[u8]) -> Option<Cow<'_, [u8]>> {
        let text = match self {
            Self::Text | Self::Bytes | Self::Json => return Some(value.into()),
            Self::Jsonb => return value.strip_prefix(&[1]).map(Into::into),
            Self::Bool => u8::from_be_bytes(value.try_into().ok()?).to_string(),
            Self::Int(_) => integer(value)?.to_string(),
            Self::Numeric => Decimal::of(value)?.print()?,
            Self::Date => date(i32::from_be_bytes(value.try_into().ok()?)),
            Self::Time => time(i64::from_be_bytes(value.try_into().ok()?)),
            Self::Timestamp | Self::Timestamptz => moment(i64::from_be_bytes(value.try_into().ok()?)),
            Self::Uuid => uuid(value)?,
        };
        Some(text.into_bytes().into())
    }

    /// How many bytes [`Native::print`] makes at most of a value beyond those that it has.
    pub fn longest(self) -> usize {
        match self {
            Self::Text | Self::Bytes | Self::Json | Self::Jsonb => 0,
            Self::Bool => 3,
            Self::Int(_) => 20,
            // 131,072 digits before the point and 16,383 behind it, a sign and the point.
            Self::Numeric => 147_457,
            Self::Date | Self::Time | Self::Timestamp | Self::Timestamptz | Self::Uuid => 40,
        }
    }

    /// How many bytes [`Native::print`] makes of a value.
    pub fn printed_bytes(self, value: &[u8]) -> usize {
        let known = match self {
            Self::Text | Self::Bytes | Self::Json => Some(value.len()),
            Self::Int(_) => integer(value).map(digits),
            Self::Numeric => Decimal::of(value).map(|decimal| decimal.printed_bytes()),
            Self::Date => match value.try_into().map(i32::from_be_bytes) {
                Ok(days) if FOUR_DIGITS.contains(&days) => Some("2000-01-01".len()),
                _ => None,
            },
            _ => None,
        };
        known.or_else(|| self.print(value).map(|text| text.len())).unwrap_or(value.len())
    }
}

fn integer(value: &[u8]) -> Option<i64> {
    match *value {
        [a, b] => Some(i16::from_be_bytes([a, b]).into()),
        [a, b, c, d] => Some(i32::from_be_bytes([a, b, c, d]).into()),
        _ => value.try_into().ok().map(i64::from_be_bytes),
    }
}

/// Characters of an integer.
fn digits(number: i64) -> usize {
    let digits = number.unsigned_abs().checked_ilog10().map_or(1, |log| log as usize + 1);
    digits + usize::from(number < 0)
}

/// A decimal: `weight` is the power of 10,000 of the first digit, `scale` how many decimals are shown.
struct Decimal<'a> {
    weight: i16,
    sign: u16,
    scale: u16,
    digits: &'a [[u8; 2]],
}

impl<'a> Decimal<'a> {
    fn of(value: &'a [u8]) -> Option<Self> {
        let ([count, weight, sign, scale], digits) = value.as_chunks::<2>().0.split_first_chunk::<4>()?;
        let decimal = Self {
            weight: i16::from_be_bytes(*weight),
            sign: u16::from_be_bytes(*sign),
            scale: u16::from_be_bytes(*scale),
            digits,
        };
        (usize::from(u16::from_be_bytes(*count)) == digits.len() && value.len().is_multiple_of(2)).then_some(decimal)
    }

    /// What is no number, or has no end.
    fn word(&self) -> Option<&'static str> {
        match self.sign {
            0xC000 => Some("NaN"),
            0xD000 => Some("Infinity"),
            0xF000 => Some("-Infinity"),
            _ => None,
        }
    }

    /// The digit of a power of 10,000.
    fn digit(&self, power: i32) -> u16 {
        let place = usize::try_from(i32::from(self.weight) - power).ok();
        place.and_then(|place| self.digits.get(place)).map_or(0, |digit| u16::from_be_bytes(*digit))
    }

    fn print(&self) -> Option<String> {
        if let Some(word) = self.word() {
            return Some(word.to_owned());
        }
        let mut text = String::with_capacity(self.printed_bytes() + 3);
        text.push_str(match self.sign {
            0 => "",
            0x4000 => "-",
            _ => return None,
        });
        let highest = i32::from(self.weight).max(0);
        write!(text, "{}", self.digit(highest)).ok()?;
        for power in (0..highest).rev() {
            write!(text, "{:04}", self.digit(power)).ok()?;
        }
        if self.scale > 0 {
            text.push('.');
            let end = text.len() + usize::from(self.scale);
            let mut power = 0;
            while text.len() < end {
                power -= 1;
                write!(text, "{:04}", self.digit(power)).ok()?;
            }
            text.truncate(end);
        }
        Some(text)
    }

    fn printed_bytes(&self) -> usize {
        if let Some(word) = self.word() {
            return word.len();
        }
        let highest = self.weight.max(0);
        let whole = digits(self.digit(highest.into()).into()) + 4 * usize::try_from(highest).unwrap_or(0);
        let decimals = if self.scale > 0 { 1 + usize::from(self.scale) } else { 0 };
        usize::from(self.sign == 0x4000) + whole + decimals
    }
}

/// Days since 2000 of years that have four digits.
const FOUR_DIGITS: Range<i32> = -730_119..2_921_940;

/// Microseconds.
const DAY: i64 = 86_400_000_000;

fn date(days: i32) -> String {
    match days {
        i32::MIN => "-infinity".to_owned(),
        i32::MAX => "infinity".to_owned(),
        _ => {
            let (date, era) = day(days.into());
            date + era
        }
    }
}

fn moment(micros: i64) -> String {
    match micros {
        i64::MIN => "-infinity".to_owned(),
        i64::MAX => "infinity".to_owned(),
        _ => {
            let (date, era) = day(micros.div_euclid(DAY));
            format!("{date} {}{era}", time(micros.rem_euclid(DAY)))
        }
    }
}

fn time(micros: i64) -> String {
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    let mut text = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if fraction > 0 {
        let decimals = format!(".{fraction:06}");
        text.push_str(decimals.trim_end_matches('0'));
    }
    text
}

/// Year, month and day of a number of days since 2000, and the era of years before the first. Years are counted from March, so that
/// a leap day is the last of its year.
fn day(since_2000: i64) -> (String, &'static str) {
    /// From 0000-03-01 to 2000-01-01.
    const MARCH: i64 = 730_425;
    /// Days of 400 years.
    const CYCLE: i64 = 146_097;
    let days = since_2000 + MARCH;
    let of_cycle = days.rem_euclid(CYCLE);
    // Less the leap days before it: one in 4 years, but not in 100.
    let year_of_cycle = (of_cycle - of_cycle / 1_460 + of_cycle / 36_524 - of_cycle / (CYCLE - 1)) / 365;
    let of_year = of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    // Five months from March on, and from August on, have 153 days.
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = days.div_euclid(CYCLE) * 400 + year_of_cycle + i64::from(month <= 2);
    let (year, era) = if year > 0 { (year, "") } else { (1 - year, " BC") };
    (format!("{year:04}-{month:02}-{day:02}"), era)
}

fn uuid(value: &[u8]) -> Option<String> {
    let number = u128::from_be_bytes(value.try_into().ok()?);
    let mut text = format!("{number:032x}");
    for place in [20, 16, 12, 8] {
        text.insert(place, '-');
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(kind: Native, value: &[u8]) -> String {
        let text = kind.print(value).expect("a value of the type");
        assert_eq!(kind.printed_bytes(value), text.len(), "{kind:?} {value:?}");
        assert!(text.len() <= kind.longest() + value.len(), "{kind:?} {value:?}");
        String::from_utf8(text.into_owned()).expect("text")
    }

    fn decimal(weight: i16, sign: u16, scale: u16, digits: &[u16]) -> Vec<u8> {
        let count = u16::try_from(digits.len()).expect("few");
        let head = [count, weight.cast_unsigned(), sign, scale];
        head.iter().chain(digits).flat_map(|number| number.to_be_bytes()).collect()
    }

    #[test]
    fn numbers() {
        assert_eq!(printed(Native::Int(2), &(-32_768_i16).to_be_bytes()), "-32768");
        assert_eq!(printed(Native::Int(4), &0_i32.to_be_bytes()), "0");
        assert_eq!(printed(Native::Int(8), &i64::MIN.to_be_bytes()), "-9223372036854775808");
        assert_eq!(printed(Native::Bool, &[1]), "1");
        for (weight, sign, scale, digits, text) in [
            (0, 0, 0, &[][..], "0"),
            (0, 0, 2, &[], "0.00"),
            (0, 0x4000, 2, &[12, 3400], "-12.34"),
            (1, 0, 0, &[1], "10000"),
            (1, 0, 3, &[12, 34, 5000], "120034.500"),
            (-2, 0, 6, &[5600], "0.000056"),
            (2, 0, 5, &[9999, 9999, 9999, 9999, 9000], "999999999999.99999"),
            (0, 0xC000, 0, &[], "NaN"),
            (0, 0xF000, 0, &[], "-Infinity"),
        ] {
            assert_eq!(printed(Native::Numeric, &decimal(weight, sign, scale, digits)), text);
        }
        assert_eq!(Native::Numeric.print(&decimal(0, 0x1234, 0, &[1])), None);
        assert_eq!(Native::Numeric.print(&decimal(0, 0, 0, &[1])[..9]), None);
    }

    #[test]
    fn times() {
        let date = |days: i32| printed(Native::Date, &days.to_be_bytes());
        assert_eq!([date(0), date(59), date(60), date(-1)], ["2000-01-01", "2000-02-29", "2000-03-01", "1999-12-31"]);
        assert_eq!([date(FOUR_DIGITS.start), date(FOUR_DIGITS.start - 1)], ["0001-01-01", "0001-12-31 BC"]);
        assert_eq!([date(FOUR_DIGITS.end - 1), date(FOUR_DIGITS.end)], ["9999-12-31", "10000-01-01"]);
        assert_eq!([date(i32::MIN), date(i32::MAX)], ["-infinity", "infinity"]);
        let moment = |micros: i64| printed(Native::Timestamp, &micros.to_be_bytes());
        assert_eq!([moment(0), moment(-1)], ["2000-01-01 00:00:00", "1999-12-31 23:59:59.999999"]);
        assert_eq!(moment(i64::from(FOUR_DIGITS.start) * DAY - 500_000), "0001-12-31 23:59:59.5 BC");
        assert_eq!(printed(Native::Time, &DAY.to_be_bytes()), "24:00:00");
    }

    #[test]
    fn what_is_printed_as_it_is() {
        assert_eq!(printed(Native::Jsonb, b"\x01[1]"), "[1]");
        assert_eq!(Native::Jsonb.print(b"\x02[1]"), None);
        let id = 0x0123_4567_89ab_cdef_0011_2233_4455_6677_u128;
        assert_eq!(printed(Native::Uuid, &id.to_be_bytes()), "01234567-89ab-cdef-0011-223344556677");
        assert_eq!(Native::Uuid.print(b"short"), None);
    }
}
