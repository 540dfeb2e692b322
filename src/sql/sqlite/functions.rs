//! What SQLite's own SQL lacks to build documents: exact JSON of a value by its storage class, base64, SHA-256.

use crate::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Error, ffi};
use std::fmt::Write as _;

/// `milkrun_members(name, value, …)` is the inside of a JSON object: `"name":value,…`, in the order given.
/// `milkrun_sha256(text)` is the lower-case hex of a text's or blob's digest; NULL of NULL.
/// `milkrun_value(x)` is a value with its storage class: a blob of `i`, `r`, `t` or `b`, and the integer, the shortest digits
/// of the real, the text, or the blob's bytes. `milkrun_stored(blob)` is the value again.
pub(super) fn register(connection: &Connection) -> Result<(), Error> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_scalar_function(c"milkrun_members", -1, flags, members)?;
    connection.create_scalar_function(c"milkrun_sha256", 1, flags, sha256)?;
    connection.create_scalar_function(c"milkrun_value", 1, flags, printed)?;
    connection.create_scalar_function(c"milkrun_stored", 1, flags, stored)
}

fn members(context: &Context<'_>) -> Result<String, Error> {
    if !context.len().is_multiple_of(2) {
        return Err(mismatch());
    }
    let mut json = String::new();
    for place in (0..context.len()).step_by(2) {
        if place > 0 {
            json.push(',');
        }
        string(&mut json, utf8(context.get_raw(place))?)?;
        json.push(':');
        value(&mut json, context.get_raw(place + 1))?;
    }
    Ok(json)
}

fn sha256(context: &Context<'_>) -> Result<Option<String>, Error> {
    let digest = match context.get_raw(0) {
        ValueRef::Null => return Ok(None),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => digest::sha256(bytes),
        _ => return Err(mismatch()),
    };
    Ok(Some(digest))
}

fn printed(context: &Context<'_>) -> Result<Option<Vec<u8>>, Error> {
    let lettered = |letter: u8, rest: &[u8]| {
        let mut bytes = Vec::with_capacity(1 + rest.len());
        bytes.push(letter);
        bytes.extend_from_slice(rest);
        bytes
    };
    Ok(Some(match context.get_raw(0) {
        ValueRef::Null => return Ok(None),
        ValueRef::Integer(number) => format!("i{number}").into_bytes(),
        ValueRef::Real(number) => format!("r{number:?}").into_bytes(),
        value @ ValueRef::Text(_) => lettered(b't', utf8(value)?.as_bytes()),
        ValueRef::Blob(bytes) => lettered(b'b', bytes),
    }))
}

fn stored(context: &Context<'_>) -> Result<Value, Error> {
    let (ValueRef::Text(lettered) | ValueRef::Blob(lettered)) = context.get_raw(0) else {
        return if context.get_raw(0) == ValueRef::Null { Ok(Value::Null) } else { Err(mismatch()) };
    };
    let (letter, rest) = lettered.split_first().ok_or_else(mismatch)?;
    let text = || std::str::from_utf8(rest).map_err(|_| mismatch());
    Ok(match letter {
        b'i' => Value::Integer(text()?.parse().map_err(|_| mismatch())?),
        b'r' => Value::Real(text()?.parse().map_err(|_| mismatch())?),
        b't' => Value::Text(text()?.to_owned()),
        b'b' => Value::Blob(rest.to_owned()),
        _ => return Err(mismatch()),
    })
}

fn value(json: &mut String, value: ValueRef<'_>) -> Result<(), Error> {
    match value {
        ValueRef::Null => json.push_str("null"),
        ValueRef::Integer(number) => {
            let _ = write!(json, "{number}");
        }
        ValueRef::Real(number) if number.is_nan() => json.push_str("\"NaN\""),
        ValueRef::Real(number) if number.is_infinite() => {
            json.push_str(if number > 0.0 { "\"Infinity\"" } else { "\"-Infinity\"" });
        }
        // The shortest digits that read back as the same number.
        ValueRef::Real(number) => {
            let _ = write!(json, "{number:?}");
        }
        ValueRef::Text(_) => string(json, utf8(value)?)?,
        ValueRef::Blob(bytes) => {
            json.push('"');
            STANDARD.encode_string(bytes, json);
            json.push('"');
        }
    }
    Ok(())
}

fn string(json: &mut String, text: &str) -> Result<(), Error> {
    json.push_str(&serde_json::to_string(text).map_err(|_| mismatch())?);
    Ok(())
}

fn utf8(value: ValueRef<'_>) -> Result<&str, Error> {
    match value {
        ValueRef::Text(bytes) => std::str::from_utf8(bytes).map_err(|_| mismatch()),
        _ => Err(mismatch()),
    }
}

/// The code alone says what it is, class `poison`: with a text of its own SQLite would forget the code.
fn mismatch() -> Error {
    Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_MISMATCH), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(sql: &str) -> Result<Option<String>, Error> {
        let connection = Connection::open_in_memory().unwrap();
        register(&connection).unwrap();
        connection.query_row(sql, [], |row| row.get(0))
    }

    #[test]
    fn members_are_json() {
        for (sql, expected) in [
            ("'a', 9223372036854775807", r#""a":9223372036854775807"#),
            ("'a', -9223372036854775808, 'b', NULL", r#""a":-9223372036854775808,"b":null"#),
            ("'a', 0.1 + 0.2", r#""a":0.30000000000000004"#),
            ("'a', 1e300, 'b', 5e-324, 'c', 1.0, 'd', -0.0", r#""a":1e300,"b":5e-324,"c":1.0,"d":-0.0"#),
            ("'a', 9e999, 'b', -9e999", r#""a":"Infinity","b":"-Infinity""#),
            ("'a', x'00ff', 'b', x''", r#""a":"AP8=","b":"""#),
            ("'a\"\\', 'line' || char(10, 0, 8232) || '😀'", "\"a\\\"\\\\\":\"line\\n\\u0000\u{2028}😀\""),
            ("", ""),
        ] {
            assert_eq!(ask(&format!("SELECT milkrun_members({sql})")).unwrap().as_deref(), Some(expected), "{sql}");
        }
    }

    #[test]
    fn reals_read_back_the_same() {
        for number in [f64::MAX, f64::MIN_POSITIVE, 1.0 / 3.0, 1e16, 123_456_789.123_456_79, 2f64.powi(60)] {
            let json = ask(&format!("SELECT milkrun_members('a', {number:?})")).unwrap().unwrap();
            // serde_json without `float_roundtrip` would read some of them a bit off.
            assert_eq!(json.strip_prefix("\"a\":").unwrap().parse(), Ok(number), "{json}");
        }
    }

    #[test]
    fn digests() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(ask("SELECT milkrun_sha256('abc')").unwrap().as_deref(), Some(abc));
        assert_eq!(ask("SELECT milkrun_sha256(x'616263')").unwrap().as_deref(), Some(abc));
        assert_eq!(ask("SELECT milkrun_sha256(NULL)").unwrap(), None);
    }

    #[test]
    fn values_survive_with_their_class() {
        for (sql, expected) in [
            ("-9223372036854775808", "i-9223372036854775808"),
            ("0.1 + 0.2", "r0.30000000000000004"),
            ("5e-324", "r5e-324"),
            ("-9e999", "r-inf"),
            ("'i1' || char(0, 128512)", "ti1\0😀"),
            ("''", "t"),
            ("x'006f'", "b\0o"),
            ("x''", "b"),
        ] {
            let text = format!("SELECT CAST(milkrun_value({sql}) AS TEXT)");
            assert_eq!(ask(&text).unwrap().as_deref(), Some(expected), "{sql}");
            let back = format!("milkrun_stored(milkrun_value({sql}))");
            let same = format!("SELECT CAST({back} IS {sql} AND typeof({back}) = typeof({sql}) AS TEXT)");
            assert_eq!(ask(&same).unwrap().as_deref(), Some("1"), "{sql}");
        }
        assert_eq!(ask("SELECT milkrun_value(NULL)").unwrap(), None);
        assert_eq!(ask("SELECT milkrun_stored(NULL)").unwrap(), None);
        for text in ["''", "'x1'", "x'74ff'", "'i1.5'", "1"] {
            assert!(ask(&format!("SELECT milkrun_stored({text})")).is_err(), "{text}");
        }
    }

    #[test]
    fn text_that_is_not_utf8_is_refused() {
        let error = ask("SELECT milkrun_members('a', CAST(x'ff41' AS TEXT))").unwrap_err();
        assert_eq!(error.sqlite_error().map(|error| error.extended_code), Some(ffi::SQLITE_MISMATCH));
        assert!(!error.to_string().contains('A'));
    }

    #[test]
    fn as_many_pairs_as_promised() {
        let pairs = vec!["'a', 1"; super::super::MEMBERS_AT_ONCE].join(", ");
        assert!(ask(&format!("SELECT milkrun_members({pairs})")).is_ok());
    }
}
