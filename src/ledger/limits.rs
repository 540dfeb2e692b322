//! What both stores refuse before they touch anything, so that a migration behaves alike on either.

use super::{LedgerError, MAX_RECORD_BYTES, Record, VERSION};
use serde_json::Value;

/// The names of the columns and attributes beside the body: no field of a body is called like one of them.
pub(super) const RESERVED: [&str; 8] = ["migration", "item", "v", "seq", "epoch", "owner", "stamp", "expires"];

/// DynamoDB's own limits on keys.
const MAX_MIGRATION_BYTES: usize = 2048;
const MAX_ITEM_BYTES: usize = 1024;
/// So deep may lists and maps nest in a field: DynamoDB takes 32 levels, the item among them.
const MAX_DEPTH: usize = 30;
/// From the least to beyond the greatest number of DynamoDB's.
const NUMBERS: std::ops::Range<f64> = 1e-130..1e126;

/// Refuses a record that could not be written to every store, or that would grow beyond [`MAX_RECORD_BYTES`].
/// Gives its body as JSON text.
pub(super) fn check(record: &Record) -> Result<String, LedgerError> {
    let refuse = |message: String| Err(unreadable(&record.migration, &record.item, message));
    if record.migration.is_empty() || record.item.is_empty() {
        return refuse("has an empty key".to_owned());
    }
    if record.migration.len() > MAX_MIGRATION_BYTES {
        return refuse(format!("has a migration name of {} bytes, {MAX_MIGRATION_BYTES} fit", record.migration.len()));
    }
    if record.item.len() > MAX_ITEM_BYTES {
        return refuse(format!("has a key of {} bytes, {MAX_ITEM_BYTES} fit", record.item.len()));
    }
    if let Some(name) = record.body.keys().find(|name| RESERVED.contains(&name.as_str())) {
        return refuse(format!("has a field `{name}` in its body: the ledger keeps that name for itself"));
    }
    if record.body.contains_key("") {
        return refuse(NAMELESS.to_owned());
    }
    if let Some(flaw) = record.body.values().find_map(|value| flaw(value, MAX_DEPTH)) {
        return refuse(flaw.to_owned());
    }
    let body = serde_json::to_string(&record.body)
        .map_err(|error| unreadable(&record.migration, &record.item, format!("is not JSON: {error}")))?;
    let owner = record.owner.as_ref().map_or(0, String::len);
    let bytes = record.migration.len() + record.item.len() + record.stamp.len() + owner + body.len();
    if bytes > MAX_RECORD_BYTES {
        return refuse(format!("would grow to {bytes} bytes, {MAX_RECORD_BYTES} fit"));
    }
    Ok(body)
}

const NAMELESS: &str = "has a field without a name in its body";

/// What keeps `value` out of DynamoDB, with `depth` levels left.
fn flaw(value: &Value, depth: usize) -> Option<&'static str> {
    match value {
        Value::Array(_) | Value::Object(_) if depth == 0 => Some("nests lists and maps more than 30 deep"),
        Value::Array(values) => values.iter().find_map(|value| flaw(value, depth - 1)),
        Value::Object(fields) if fields.contains_key("") => Some(NAMELESS),
        Value::Object(fields) => fields.values().find_map(|value| flaw(value, depth - 1)),
        Value::Number(number) => match number.as_f64().map(f64::abs) {
            Some(size) if size != 0.0 && !NUMBERS.contains(&size) => Some("holds a number outside of 1e-130 to 1e126"),
            _ => None,
        },
        _ => None,
    }
}

/// Refuses a record of a version that this build does not know.
pub(super) fn known(migration: &str, item: &str, found: u64) -> Result<(), LedgerError> {
    if found <= VERSION {
        return Ok(());
    }
    Err(LedgerError::Newer { migration: migration.to_owned(), item: item.to_owned(), found })
}

/// A record that cannot be read or written; `message` goes on from "the record … of …".
pub(super) fn unreadable(migration: &str, item: &str, message: impl Into<String>) -> LedgerError {
    LedgerError::Record { migration: migration.to_owned(), item: item.to_owned(), message: message.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Map, Value, json};

    fn record(body: Value) -> Record {
        let Value::Object(body) = body else { panic!("a body is an object") };
        Record {
            migration: "orders".into(),
            item: "state".into(),
            seq: 1,
            epoch: 0,
            owner: None,
            stamp: "s".into(),
            expires: None,
            body,
        }
    }

    #[test]
    fn a_body_takes_no_name_of_the_ledger() {
        for name in RESERVED {
            let mut body = Map::new();
            body.insert(name.to_owned(), Value::Null);
            let error = check(&record(Value::Object(body))).unwrap_err().to_string();
            assert_eq!(
                error,
                format!(
                    "the record `state` of `orders` has a field `{name}` in its body: the ledger keeps that name for itself"
                )
            );
        }
        assert_eq!(
            check(&record(json!({"owners": 1, "nested": {"owner": 1}}))).unwrap(),
            r#"{"owners":1,"nested":{"owner":1}}"#
        );
    }

    #[test]
    fn the_size_limit_is_exact() {
        let with = |bytes: usize| {
            let mut record = record(json!({ "text": "" }));
            let empty = "orders".len() + "state".len() + "s".len() + r#"{"text":""}"#.len();
            record.body.insert("text".into(), "x".repeat(bytes - empty).into());
            record
        };
        check(&with(MAX_RECORD_BYTES)).unwrap();
        let error = check(&with(MAX_RECORD_BYTES + 1)).unwrap_err().to_string();
        assert_eq!(error, "the record `state` of `orders` would grow to 102401 bytes, 102400 fit");
    }
}
