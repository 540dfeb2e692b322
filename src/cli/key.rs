//! A key as people read and write it: `17`, `7, 3`, and as JSON where that would not tell the parts apart.

use serde_json::Value;

/// What stands between two parts.
const BETWEEN: &str = ", ";

/// As `failed` shows it; [`read`] takes exactly this.
pub(super) fn shown(key: &Value) -> Option<String> {
    let parts: Vec<&str> = key.as_array()?.iter().map(Value::as_str).collect::<Option<_>>()?;
    let plain = parts.join(BETWEEN);
    let is_clear = plain.trim() == plain && !plain.contains(char::is_control);
    let is_read = read(&plain).is_some_and(|taken| taken == parts);
    Some(if is_clear && is_read { plain } else { key.to_string() })
}

/// As it is shown, or as a list in JSON. Numbers are taken there too: a shell eats the quotes of `["17"]` easily.
pub(super) fn read(text: &str) -> Option<Vec<String>> {
    if text.is_empty() {
        return None;
    }
    if !text.trim_start().starts_with('[') {
        return Some(text.split(BETWEEN).map(str::to_owned).collect());
    }
    let part = |part: &Value| match part {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let parts: Vec<Value> = serde_json::from_str(text).ok()?;
    parts.iter().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_shown_is_taken_and_means_the_same() {
        for (key, text) in [
            (json!(["17"]), "17"),
            (json!(["7", "3"]), "7, 3"),
            (json!(["1", "2", "3", "4", "5"]), "1, 2, 3, 4, 5"),
            (json!(["2024-01-01 07:08:09", "ab cd"]), "2024-01-01 07:08:09, ab cd"),
            (json!(["1.50"]), "1.50"),
            (json!(["a,b"]), "a,b"),
            (json!(["{\"a\":1}"]), "{\"a\":1}"),
            // What would be read as something else is JSON.
            (json!(["a, b"]), r#"["a, b"]"#),
            (json!(["[17]"]), r#"["[17]"]"#),
            (json!([""]), r#"[""]"#),
            (json!([" 17"]), r#"[" 17"]"#),
            (json!(["a\nb"]), r#"["a\nb"]"#),
        ] {
            assert_eq!(shown(&key).as_deref(), Some(text), "{key}");
            assert_eq!(read(text).map(Value::from), Some(key), "{text}");
        }
    }

    #[test]
    fn json_is_taken_and_half_of_it_is_not() {
        assert_eq!(read(r#"["17"]"#), Some(vec!["17".to_owned()]));
        assert_eq!(read(r#" ["7", 3]"#), Some(vec!["7".to_owned(), "3".to_owned()]));
        assert_eq!(read("[]"), Some(Vec::new()));
        for wrong in ["", "[abc]", "[\"17\"", "[null]"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        assert_eq!(shown(&json!("17")), None);
        assert_eq!(shown(&json!([17])), None);
    }
}
