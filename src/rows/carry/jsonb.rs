//! JSON as PostgreSQL's `jsonb` prints it: keys by length and bytes, the last of equal ones, numbers by their digits.

use super::unfit::Unfit;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Digits that a number may have before and behind its point.
const DIGITS: i64 = 131_072;

/// Levels of nesting that are followed: each takes a piece of the stack.
const DEEPEST: usize = 500;

/// A JSON text as `jsonb` prints it.
pub(super) fn printed(text: &str) -> Result<String, Unfit> {
    let mut out = String::with_capacity(text.len());
    value(&mut out, serde_json::from_str(text).map_err(|_| Unfit::Written)?, DEEPEST)?;
    Ok(out)
}

/// Raw values are parsed again at each level, so that no number passes through a lossy type.
fn value(out: &mut String, raw: &RawValue, deeper: usize) -> Result<(), Unfit> {
    let inside = deeper.checked_sub(1).ok_or(Unfit::Written)?;
    let text = raw.get();
    match text.as_bytes().first() {
        Some(b'{') => object(out, text, inside),
        Some(b'[') => {
            let elements: Vec<&RawValue> = serde_json::from_str(text).map_err(|_| Unfit::Written)?;
            out.push('[');
            for (place, element) in elements.into_iter().enumerate() {
                out.push_str(if place == 0 { "" } else { ", " });
                value(out, element, inside)?;
            }
            out.push(']');
            Ok(())
        }
        Some(b'"') => string(out, &serde_json::from_str::<Cow<'_, str>>(text).map_err(|_| Unfit::Written)?),
        Some(b'-' | b'0'..=b'9') => number(out, text),
        _ => {
            out.push_str(text);
            Ok(())
        }
    }
}

fn object(out: &mut String, text: &str, inside: usize) -> Result<(), Unfit> {
    // By length first; what comes later takes the place of what has the same key.
    let mut members: BTreeMap<(usize, String), &RawValue> = BTreeMap::new();
    let mut reader = serde_json::Deserializer::from_str(text);
    let visit = Members(&mut members);
    serde::Deserializer::deserialize_map(&mut reader, visit).map_err(|_| Unfit::Written)?;
    out.push('{');
    for (place, ((_, name), member)) in members.into_iter().enumerate() {
        out.push_str(if place == 0 { "" } else { ", " });
        string(out, &name)?;
        out.push_str(": ");
        value(out, member, inside)?;
    }
    out.push('}');
    Ok(())
}

struct Members<'m, 'de>(&'m mut BTreeMap<(usize, String), &'de RawValue>);

impl<'de> serde::de::Visitor<'de> for Members<'_, 'de> {
    type Value = ();

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((name, member)) = map.next_entry::<String, &'de RawValue>()? {
            self.0.insert((name.len(), name), member);
        }
        Ok(())
    }
}

fn string(out: &mut String, text: &str) -> Result<(), Unfit> {
    out.push('"');
    for character in text.chars() {
        match character {
            '\0' => return Err(Unfit::Nul),
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
    Ok(())
}

/// Without an exponent; as many digits behind the point as were written.
fn number(out: &mut String, text: &str) -> Result<(), Unfit> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent: i64 = exponent.parse().map_err(|_| Unfit::Range)?;
    let (sign, digits) = mantissa.strip_prefix('-').map_or(("", mantissa), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = format!("{whole}{fraction}");
    if exponent.abs() > DIGITS {
        return Err(Unfit::Range);
    }
    let length = |text: &str| i64::try_from(text.len()).map_err(|_| Unfit::Range);
    let behind = (length(fraction)? - exponent).max(0);
    // Where the point stands, counted from the left of `all`.
    let point = length(whole)? + exponent;
    let zeros = |count: i64| "0".repeat(usize::try_from(count).unwrap_or(0));
    let (front, back) = match usize::try_from(point) {
        Ok(point) if point <= all.len() => {
            let (front, back) = all.split_at(point);
            (front.to_owned(), back.to_owned())
        }
        Ok(_) => (format!("{all}{}", zeros(point - length(&all)?)), String::new()),
        Err(_) => (String::new(), format!("{}{all}", zeros(-point))),
    };
    let front = front.trim_start_matches('0');
    let is_zero = front.is_empty() && back.bytes().all(|digit| digit == b'0');
    out.push_str(if is_zero { "" } else { sign });
    out.push_str(if front.is_empty() { "0" } else { front });
    if behind > 0 {
        out.push('.');
        out.push_str(&back);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_nested_too_deep_is_refused_before_the_stack_is() {
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert_eq!(printed(&nested(400)).as_deref(), Ok(nested(400).as_str()));
        assert_eq!(printed(&nested(5000)), Err(Unfit::Written));
    }

    #[test]
    fn as_postgres_prints_it() {
        for (text, expected) in [
            (r#"{"bb":1,"a":[1,{"c":null}],"a":true}"#, r#"{"a": true, "bb": 1}"#),
            ("[ ]", "[]"),
            ("{}", "{}"),
            (r#""\u00e9\ud83d\ude00\/\u001f\t""#, "\"é😀/\\u001f\\t\""),
            ("1.10", "1.10"),
            ("1e2", "100"),
            ("12.5e1", "125"),
            ("12.5e-3", "0.0125"),
            ("1.50e1", "15.0"),
            ("-0.0", "0.0"),
            ("0e5", "0"),
            ("12345678901234567890.123456789012345678901", "12345678901234567890.123456789012345678901"),
        ] {
            assert_eq!(printed(text).as_deref(), Ok(expected), "{text}");
        }
        assert_eq!(printed(r#""\u0000""#), Err(Unfit::Nul));
        assert_eq!(printed("1e200000"), Err(Unfit::Range));
        assert_eq!(printed(r#""\ud800""#), Err(Unfit::Written));
        assert_eq!(printed("{"), Err(Unfit::Written));
    }
}
