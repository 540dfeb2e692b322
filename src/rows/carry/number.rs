//! Texts of numbers, digit by digit: nothing here rounds.

use super::unfit::Unfit;
use std::borrow::Cow;

/// A whole number in canonical writing, within a range.
pub(super) fn whole(text: &str, least: i128, most: i128) -> Result<&str, Unfit> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = digits == "0" && digits == text || digits.starts_with(|digit| matches!(digit, '1'..='9'));
    if !plain || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(Unfit::Written);
    }
    let number: i128 = text.parse().map_err(|_| Unfit::Range)?;
    if least <= number && number <= most { Ok(text) } else { Err(Unfit::Range) }
}

/// A number without the zeros on its left that MySQL's `year` and `zerofill` print.
pub(super) fn unpadded(text: &str) -> &str {
    let short = text.trim_start_matches('0');
    let kept = if short.starts_with(|digit: char| digit.is_ascii_digit()) { short.len() } else { short.len() + 1 };
    text.get(text.len().saturating_sub(kept)..).unwrap_or(text)
}

/// A decimal number with exactly `places.1` digits behind the point; as it is where they are not declared. `special`: NaN
/// and infinity are numbers too.
pub(super) fn decimal(text: &str, places: Option<(u32, u32)>, special: bool) -> Result<Cow<'_, str>, Unfit> {
    if matches!(text, "NaN" | "Infinity" | "-Infinity") {
        return if special && (places.is_none() || text == "NaN") { Ok(text.into()) } else { Err(Unfit::NotANumber) };
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    // What no database prints would be another text once it is there.
    let is_odd = whole.is_empty() || whole.len() > 1 && whole.starts_with('0') || digits.ends_with('.');
    if is_odd || !whole.bytes().chain(fraction.bytes()).all(|digit| digit.is_ascii_digit()) {
        return Err(Unfit::Written);
    }
    // No decimal keeps the sign of zero.
    let is_zero = digits.bytes().all(|byte| matches!(byte, b'0' | b'.'));
    let text = if is_zero { digits } else { text };
    let Some((precision, scale)) = places else { return Ok(text.into()) };
    let (precision, scale) = (precision as usize, scale as usize);
    if whole.trim_start_matches('0').len() > precision.saturating_sub(scale) {
        return Err(Unfit::Range);
    }
    let kept = if fraction.len() > scale { fraction.trim_end_matches('0') } else { fraction };
    if kept.len() > scale {
        return Err(Unfit::Digits);
    }
    if fraction.len() == scale {
        return Ok(text.into());
    }
    let sign = if text.len() > digits.len() { "-" } else { "" };
    let point = if scale == 0 { "" } else { "." };
    Ok(format!("{sign}{whole}{point}{kept:0<scale$}").into())
}

/// A floating-point number, written with the shortest digits that read back the same.
pub(super) fn float(text: &str, single: bool) -> Result<String, Unfit> {
    if single {
        // From a double, too, it has to be the same number.
        let number: f32 = text.parse().map_err(|_| Unfit::Written)?;
        let wide: f64 = text.parse().map_err(|_| Unfit::Written)?;
        let same = f64::from(number).to_bits() == wide.to_bits() || format!("{number:?}") == format!("{wide:?}");
        return if same || wide.is_nan() { Ok(format!("{number:?}")) } else { Err(Unfit::Digits) };
    }
    let number: f64 = text.parse().map_err(|_| Unfit::Written)?;
    Ok(format!("{number:?}"))
}

/// A number of single precision as the same number of double precision.
pub(super) fn widened(text: &str) -> Result<String, Unfit> {
    let number: f32 = text.parse().map_err(|_| Unfit::Written)?;
    Ok(format!("{:?}", f64::from(number)))
}

/// A whole number as a floating-point one, if there is one that equals it.
pub(super) fn whole_as_float(text: &str) -> Result<String, Unfit> {
    let whole: i128 = text.parse().map_err(|_| Unfit::Written)?;
    let number: f64 = text.parse().map_err(|_| Unfit::Written)?;
    // Below 2^65 the conversion back is exact.
    #[expect(clippy::cast_possible_truncation, reason = "the number is whole")]
    let back = number as i128;
    if back == whole { Ok(format!("{number:?}")) } else { Err(Unfit::Digits) }
}

/// A floating-point number's shortest digits without an exponent.
pub(super) fn unfolded(text: &str) -> Result<String, Unfit> {
    let number: f64 = text.parse().map_err(|_| Unfit::Written)?;
    if !number.is_finite() {
        return Err(Unfit::NotANumber);
    }
    // Display never folds.
    Ok(format!("{number}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers() {
        for text in ["0", "-1", "18446744073709551615"] {
            assert_eq!(whole(text, -1, (1 << 64) - 1), Ok(text));
        }
        for text in ["", "-", "-0", "00", "1.0", "+1", " 1", "1e3"] {
            assert_eq!(whole(text, -9, 9), Err(Unfit::Written), "{text}");
        }
        assert_eq!(whole("10", -9, 9), Err(Unfit::Range));
        assert_eq!(whole(&"9".repeat(60), -9, 9), Err(Unfit::Range));
    }

    #[test]
    fn zeros_on_the_left() {
        for (text, expected) in
            [("0000", "0"), ("0042", "42"), ("00.50", "0.50"), ("0", "0"), ("-5", "-5"), ("NaN", "NaN"), ("10", "10")]
        {
            assert_eq!(unpadded(text), expected);
        }
    }

    #[test]
    fn decimals_are_padded_and_never_rounded() {
        let to = |text: &'static str, precision, scale| decimal(text, Some((precision, scale)), false);
        assert_eq!(to("1.5", 10, 2).as_deref(), Ok("1.50"));
        assert_eq!(to("-0.5", 2, 2).as_deref(), Ok("-0.50"));
        assert_eq!(to("7", 10, 0).as_deref(), Ok("7"));
        assert_eq!(to("7", 10, 3).as_deref(), Ok("7.000"));
        assert_eq!(to("1.500", 10, 1).as_deref(), Ok("1.5"));
        assert_eq!(to("1.00", 10, 0).as_deref(), Ok("1"));
        assert_eq!(to("1.25", 10, 1), Err(Unfit::Digits));
        assert_eq!(to("100", 4, 2), Err(Unfit::Range));
        assert_eq!(to("NaN", 4, 2), Err(Unfit::NotANumber));
        for text in ["1e3", "007", "-00.5", "5.", ".5", "+5", " 5", "-"] {
            assert_eq!(to(text, 9, 2), Err(Unfit::Written), "{text}");
            assert_eq!(decimal(text, None, true), Err(Unfit::Written), "{text}");
        }
        assert_eq!((to("-0.00", 4, 2).as_deref(), to("-0", 4, 1).as_deref()), (Ok("0.00"), Ok("0.0")));
        assert_eq!(decimal("-0", None, true).as_deref(), Ok("0"));
        assert_eq!(decimal("NaN", Some((4, 2)), true).as_deref(), Ok("NaN"));
        assert_eq!(decimal("Infinity", Some((4, 2)), true), Err(Unfit::NotANumber));
        assert_eq!(decimal("1.2300", None, true).as_deref(), Ok("1.2300"));
    }

    #[test]
    fn floating_point() {
        assert_eq!(float("0.30000000000000004", false).as_deref(), Ok("0.30000000000000004"));
        assert_eq!(float("1.7976931348623157e+308", false).as_deref(), Ok("1.7976931348623157e308"));
        assert_eq!(float("0.10000000149011612", true).as_deref(), Ok("0.1"));
        assert_eq!(float("0.1", true).as_deref(), Ok("0.1"));
        assert_eq!(float("0.10000000149", true), Err(Unfit::Digits));
        assert_eq!(float("1e300", true), Err(Unfit::Digits));
        assert_eq!(float("NaN", true).as_deref(), Ok("NaN"));
        assert_eq!(widened("0.1").as_deref(), Ok("0.10000000149011612"));
        assert_eq!(whole_as_float("9007199254740992").as_deref(), Ok("9007199254740992.0"));
        assert_eq!(whole_as_float("9007199254740993"), Err(Unfit::Digits));
        assert_eq!(unfolded("1e22").as_deref(), Ok("10000000000000000000000"));
        assert_eq!(unfolded("5e-7").as_deref(), Ok("0.0000005"));
    }
}
