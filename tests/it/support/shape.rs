//! The shape of a reply: each field there, none beside it, each of its type.

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Asserts that an object has exactly the `fields`: words `name:type`, with `?` behind it where null is allowed, `~` where the field
/// may be missing. Types: `count` `number` `text` `time` `digest` `object` `list` `key`.
#[track_caller]
pub fn assert_shape(value: &Value, fields: &str) {
    let object = value.as_object().unwrap_or_else(|| panic!("no object: {value}"));
    let mut known = Vec::new();
    for field in fields.split_whitespace() {
        let (name, kind) = field.split_once(':').expect("name:type");
        let (optional, nullable) = (kind.ends_with('~'), kind.ends_with('?'));
        let kind = kind.trim_end_matches(['~', '?']);
        known.push(name);
        match object.get(name) {
            None => assert!(optional, "`{name}` is missing: {value}"),
            Some(Value::Null) => assert!(nullable, "`{name}` is null: {value}"),
            Some(field) => assert!(is(field, kind), "`{name}` is no {kind}: {value}"),
        }
    }
    let more: Vec<&String> = object.keys().filter(|name| !known.contains(&name.as_str())).collect();
    assert!(more.is_empty(), "{more:?} stand nowhere in the design: {value}");
}

fn is(value: &Value, kind: &str) -> bool {
    let text = value.as_str();
    match kind {
        "count" => value.is_u64(),
        "number" => value.as_f64().is_some_and(|number| number >= 0.0),
        "text" => text.is_some_and(|text| !text.is_empty()),
        "time" => text.is_some_and(|text| OffsetDateTime::parse(text, &Rfc3339).is_ok()),
        "digest" => text.is_some_and(|text| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())),
        "object" => value.is_object(),
        "list" => value.is_array(),
        "key" => value.as_array().is_some_and(|parts| !parts.is_empty() && parts.iter().all(Value::is_string)),
        other => panic!("no type: {other}"),
    }
}
