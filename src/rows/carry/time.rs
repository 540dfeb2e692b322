//! Texts of dates and times: `YYYY-MM-DD`, `HH:MM:SS`, and both with a blank or a `T` between; fraction digits behind.

use super::unfit::Unfit;
use std::borrow::Cow;

/// Whose calendar and clock a text has to fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Calendar {
    /// The years 0 to 9999, zero dates, 838 hours both ways; every fraction digit is written.
    MySql,
    /// Infinite and BC dates too, 24 hours; zeros at the end of a fraction are not written.
    Postgres,
}

/// A day as the target writes it.
pub(super) fn date(text: &str, calendar: Calendar) -> Result<&str, Unfit> {
    if far(text) {
        return if calendar == Calendar::Postgres { Ok(text) } else { Err(Unfit::FarDate) };
    }
    let (year, rest) = text.split_once('-').ok_or(Unfit::Written)?;
    let (month, day) = rest.split_once('-').ok_or(Unfit::Written)?;
    let long = year.len() > 4 && number(year, year.len());
    if !(number(year, 4) || long) || !number(month, 2) || !number(day, 2) {
        return Err(Unfit::Written);
    }
    match calendar {
        Calendar::MySql if long => Err(Unfit::FarDate),
        Calendar::Postgres if year == "0000" || month == "00" || day == "00" => Err(Unfit::ZeroDate),
        _ => Ok(text),
    }
}

/// A time of day as the target writes it, with so many fraction digits.
pub(super) fn clock(text: &str, calendar: Calendar, digits: u32) -> Result<Cow<'_, str>, Unfit> {
    let hours = text.split_once(':').ok_or(Unfit::Written)?.0;
    let minutes = text.get(hours.len()..).unwrap_or_default();
    let (minutes, fraction) = minutes.split_once('.').unwrap_or((minutes, ""));
    let shape: Vec<&str> = minutes.split(':').skip(1).collect();
    let unsigned = hours.strip_prefix('-').unwrap_or(hours);
    if !matches!(shape.as_slice(), [one, two] if number(one, 2) && number(two, 2))
        || !(number(unsigned, 2) || number(unsigned, 3) && !unsigned.starts_with('0'))
        || !fraction.bytes().all(|digit| digit.is_ascii_digit())
    {
        return Err(Unfit::Written);
    }
    // Nor is a zero below zero what any of them prints.
    let is_zero = text.bytes().all(|byte| matches!(byte, b'-' | b'0' | b':' | b'.'));
    if shape.iter().any(|part| *part > "59") || is_zero && text.starts_with('-') {
        return Err(Unfit::Written);
    }
    let within = hours < "24" || (hours == "24" && minutes == ":00:00" && fraction.trim_end_matches('0').is_empty());
    if calendar == Calendar::Postgres && (hours.len() != 2 || !within) {
        return Err(Unfit::LongTime);
    }
    fractioned(text, fraction, calendar, digits)
}

/// A date and time as the target writes it, with so many fraction digits; a date alone is its midnight.
pub(super) fn moment(text: &str, calendar: Calendar, digits: u32) -> Result<Cow<'_, str>, Unfit> {
    if far(text) {
        return if calendar == Calendar::Postgres { Ok(text.into()) } else { Err(Unfit::FarDate) };
    }
    // Everything is in UTC.
    let text = text.strip_suffix('Z').or_else(|| text.strip_suffix("+00")).unwrap_or(text);
    let Some((day, time)) = text.split_once([' ', 'T']) else {
        date(text, calendar)?;
        return moment_of(&format!("{text} 00:00:00"), calendar, digits);
    };
    date(day, calendar)?;
    clock(time, Calendar::Postgres, digits.max(6))?;
    if time.starts_with("24") {
        // It would be the next day's midnight.
        return Err(Unfit::LongTime);
    }
    if text.as_bytes().get(day.len()) == Some(&b'T') {
        return moment_of(&format!("{day} {time}"), calendar, digits);
    }
    let fraction = time.split_once('.').map_or("", |(_, fraction)| fraction);
    fractioned(text, fraction, calendar, digits)
}

fn moment_of(text: &str, calendar: Calendar, digits: u32) -> Result<Cow<'static, str>, Unfit> {
    let fraction = text.split_once('.').map_or("", |(_, fraction)| fraction);
    Ok(fractioned(text, fraction, calendar, digits)?.into_owned().into())
}

/// As a document says it: ISO 8601 with so many fraction digits, and `Z` if it is a point in time. What has no such form
/// stays as it is.
pub(super) fn iso(text: &str, digits: u32, zoned: bool) -> String {
    let Some((day, time)) = text.split_once(' ').filter(|_| !far(text)) else { return text.to_owned() };
    // MySQL's zero month or day.
    if day.contains("-00") {
        return text.to_owned();
    }
    format!("{day}T{}{}", of_day(time, digits), if zoned { "Z" } else { "" })
}

/// A time with so many fraction digits.
pub(super) fn of_day(time: &str, digits: u32) -> String {
    let (whole, fraction) = time.split_once('.').unwrap_or((time, ""));
    let digits = digits as usize;
    if digits == 0 { whole.to_owned() } else { format!("{whole}.{fraction:0<digits$}") }
}

/// `text` ends with a `fraction`, and shall end with one of so many digits.
fn fractioned<'a>(text: &'a str, fraction: &str, calendar: Calendar, digits: u32) -> Result<Cow<'a, str>, Unfit> {
    let kept = fraction.trim_end_matches('0');
    let digits = digits as usize;
    if kept.len() > digits {
        return Err(Unfit::Digits);
    }
    let wanted = if calendar == Calendar::MySql { digits } else { kept.len() };
    if fraction.len() == wanted {
        return Ok(text.into());
    }
    let point = if fraction.is_empty() { 0 } else { fraction.len() + 1 };
    let whole = text.get(..text.len() - point).ok_or(Unfit::Written)?;
    Ok(if wanted == 0 { whole.into() } else { format!("{whole}.{kept:0<wanted$}").into() })
}

/// What only PostgreSQL's calendar has.
fn far(text: &str) -> bool {
    matches!(text, "infinity" | "-infinity") || text.ends_with(" BC")
}

fn number(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|digit| digit.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use Calendar::{MySql, Postgres};

    #[test]
    fn dates() {
        for text in ["0001-01-01", "9999-12-31"] {
            assert_eq!((date(text, MySql), date(text, Postgres)), (Ok(text), Ok(text)));
        }
        for text in ["0000-00-00", "2020-00-01", "2020-01-00", "0000-01-01"] {
            assert_eq!((date(text, MySql), date(text, Postgres)), (Ok(text), Err(Unfit::ZeroDate)));
        }
        for text in ["infinity", "-infinity", "0044-03-15 BC", "12345-01-02"] {
            assert_eq!((date(text, MySql), date(text, Postgres)), (Err(Unfit::FarDate), Ok(text)));
        }
        for text in ["", "2020-1-1", "20-01-01", "2020-01-01 00:00:00", "x"] {
            assert_eq!(date(text, Postgres), Err(Unfit::Written), "{text}");
        }
    }

    #[test]
    fn what_postgres_would_carry_over_into_the_next_unit_is_refused() {
        for text in ["12:34:60", "12:60:00", "00:99:00"] {
            assert_eq!(clock(text, Postgres, 6), Err(Unfit::Written), "{text}");
        }
        for text in ["2020-01-01 24:00:00", "2020-01-01T24:00:00Z"] {
            assert_eq!(moment(text, Postgres, 6), Err(Unfit::LongTime), "{text}");
        }
    }

    #[test]
    fn times_of_day() {
        assert_eq!(clock("12:34:56.100", Postgres, 6).as_deref(), Ok("12:34:56.1"));
        assert_eq!(clock("12:34:56.1", MySql, 3).as_deref(), Ok("12:34:56.100"));
        assert_eq!(clock("12:34:56", MySql, 2).as_deref(), Ok("12:34:56.00"));
        assert_eq!(clock("12:34:56.000", MySql, 0).as_deref(), Ok("12:34:56"));
        assert_eq!(clock("24:00:00", Postgres, 6).as_deref(), Ok("24:00:00"));
        assert_eq!(clock("12:34:56.123", MySql, 2), Err(Unfit::Digits));
        for text in ["-00:00:01", "838:59:59", "24:00:00.1", "24:00:01", "99:00:00"] {
            assert_eq!(clock(text, Postgres, 6), Err(Unfit::LongTime), "{text}");
            assert!(clock(text, MySql, 6).is_ok(), "{text}");
        }
        for text in ["", "12:34", "1:2:3", "12:34:56+02", "aa:bb:cc", "099:00:00", "-00:00:00.00"] {
            assert_eq!(clock(text, MySql, 6), Err(Unfit::Written), "{text}");
        }
    }

    #[test]
    fn moments() {
        assert_eq!(moment("2020-02-29 12:34:56.100000", Postgres, 6).as_deref(), Ok("2020-02-29 12:34:56.1"));
        assert_eq!(moment("2020-02-29 12:34:56.1", MySql, 6).as_deref(), Ok("2020-02-29 12:34:56.100000"));
        assert_eq!(moment("2020-02-29T12:34:56.10Z", Postgres, 6).as_deref(), Ok("2020-02-29 12:34:56.1"));
        assert_eq!(moment("2020-02-29 12:34:56.1+00", Postgres, 6).as_deref(), Ok("2020-02-29 12:34:56.1"));
        assert_eq!(moment("2020-02-29", MySql, 3).as_deref(), Ok("2020-02-29 00:00:00.000"));
        assert_eq!(moment("2020-02-29", Postgres, 3).as_deref(), Ok("2020-02-29 00:00:00"));
        assert_eq!(moment("2020-02-29 12:34:56.123", Postgres, 2), Err(Unfit::Digits));
        assert_eq!(moment("0000-00-00 00:00:00", Postgres, 0), Err(Unfit::ZeroDate));
        assert_eq!(moment("0000-00-00 00:00:00", MySql, 0).as_deref(), Ok("0000-00-00 00:00:00"));
        for text in ["infinity", "0044-03-15 12:00:00 BC", "12345-01-02 03:04:05"] {
            assert_eq!(moment(text, MySql, 6), Err(Unfit::FarDate), "{text}");
            assert_eq!(moment(text, Postgres, 6).as_deref(), Ok(text));
        }
        assert_eq!(moment("2020-02-29 838:00:00", MySql, 6), Err(Unfit::LongTime));
    }

    #[test]
    fn documents_say_it_alike() {
        assert_eq!(iso("2020-02-29 12:34:56.1", 6, true), "2020-02-29T12:34:56.100000Z");
        assert_eq!(iso("2020-02-29 12:34:56", 0, false), "2020-02-29T12:34:56");
        for text in ["0000-00-00 00:00:00", "2020-00-00 01:02:03.00", "infinity", "0044-03-15 12:00:00 BC"] {
            assert_eq!(iso(text, 2, true), text);
        }
        assert_eq!(of_day("12:34:56", 3), "12:34:56.000");
    }
}
