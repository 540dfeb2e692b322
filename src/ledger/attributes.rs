//! Records as DynamoDB attributes and back: each field of a body is an attribute of its own, as the console shows it.
//!
//! Integers keep all 64 bits. DynamoDB knows one kind of number, so `1.0` comes back as `1`.

use super::limits::{RESERVED, known, unreadable};
use super::{LedgerError, Record, VERSION};
use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Map, Number, Value};
use std::collections::HashMap;

/// An item as the SDK takes and gives it.
pub(super) type Item = HashMap<String, AttributeValue>;

/// A string attribute.
pub(super) fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

/// A number attribute.
pub(super) fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// The attributes of `record`, which has passed [`super::limits::check`].
pub(super) fn from_record(record: &Record) -> Item {
    let mut item: Item = record.body.iter().map(|(name, value)| (name.clone(), from_json(value))).collect();
    item.insert("migration".into(), text(&record.migration));
    item.insert("item".into(), text(&record.item));
    item.insert("v".into(), number(VERSION));
    item.insert("seq".into(), number(record.seq));
    item.insert("epoch".into(), number(record.epoch));
    item.insert("stamp".into(), text(&record.stamp));
    item.extend(record.owner.as_deref().map(|owner| ("owner".to_owned(), text(owner))));
    item.extend(record.expires.map(|expires| ("expires".to_owned(), number(expires))));
    item
}

/// The record that `item` holds. The version is looked at first: whatever else a newer one holds is not ours to judge.
pub(super) fn to_record(mut item: Item) -> Result<Record, LedgerError> {
    let migration = string(&mut item, "migration").unwrap_or_default();
    let key = string(&mut item, "item").unwrap_or_default();
    let missing = |name: &str| unreadable(&migration, &key, format!("has no readable `{name}`"));

    known(&migration, &key, integer(&mut item, "v").ok_or_else(|| missing("v"))?)?;
    let seq = integer(&mut item, "seq").ok_or_else(|| missing("seq"))?;
    let epoch = integer(&mut item, "epoch").ok_or_else(|| missing("epoch"))?;
    let stamp = string(&mut item, "stamp").ok_or_else(|| missing("stamp"))?;
    let owner = string(&mut item, "owner");
    let expires = integer(&mut item, "expires");
    if let Some(name) = RESERVED.into_iter().find(|name| item.contains_key(*name)) {
        return Err(missing(name));
    }
    let body = object(item)
        .map_err(|kind| unreadable(&migration, &key, format!("holds {kind}, which milkrun does not write")))?;
    Ok(Record { migration, item: key, seq, epoch, owner, stamp, expires, body })
}

/// Takes the string attribute `name` out of `item`; one of another type stays.
fn string(item: &mut Item, name: &str) -> Option<String> {
    let value = item.get(name)?.as_s().ok()?.clone();
    item.remove(name);
    Some(value)
}

/// Takes the number attribute `name` out of `item`; one of another type stays.
fn integer(item: &mut Item, name: &str) -> Option<u64> {
    let value = item.get(name)?.as_n().ok()?.parse().ok()?;
    item.remove(name);
    Some(value)
}

fn from_json(value: &Value) -> AttributeValue {
    match value {
        Value::Null => AttributeValue::Null(true),
        Value::Bool(value) => AttributeValue::Bool(*value),
        Value::Number(value) => AttributeValue::N(value.to_string()),
        Value::String(value) => text(value),
        Value::Array(values) => AttributeValue::L(values.iter().map(from_json).collect()),
        Value::Object(fields) => {
            AttributeValue::M(fields.iter().map(|(name, value)| (name.clone(), from_json(value))).collect())
        }
    }
}

/// The JSON of an attribute, or the name of what has none.
fn to_json(attribute: AttributeValue) -> Result<Value, &'static str> {
    Ok(match attribute {
        AttributeValue::Null(_) => Value::Null,
        AttributeValue::Bool(value) => Value::Bool(value),
        AttributeValue::N(digits) => Value::Number(parse(&digits).ok_or("a number beyond the 64-bit ones")?),
        AttributeValue::S(value) => Value::String(value),
        AttributeValue::L(values) => Value::Array(values.into_iter().map(to_json).collect::<Result<_, _>>()?),
        AttributeValue::M(fields) => Value::Object(object(fields)?),
        AttributeValue::B(_) | AttributeValue::Bs(_) => return Err("binary data"),
        AttributeValue::Ss(_) | AttributeValue::Ns(_) => return Err("a set"),
        _ => return Err("an attribute of an unknown type"),
    })
}

/// The SDK's maps have no order; sorted, the same record always reads the same.
fn object(fields: Item) -> Result<Map<String, Value>, &'static str> {
    let mut sorted: Vec<_> = fields.into_iter().collect();
    sorted.sort_by(|a, b| a.0.cmp(&b.0));
    sorted.into_iter().map(|(name, value)| Ok((name, to_json(value)?))).collect()
}

fn parse(digits: &str) -> Option<Number> {
    if let Ok(value) = digits.parse::<u64>() {
        return Some(value.into());
    }
    if let Ok(value) = digits.parse::<i64>() {
        return Some(value.into());
    }
    Number::from_f64(digits.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn record() -> Record {
        let Value::Object(body) = json!({
            "cursor": ["18446744073709551615", "", "é🥛"],
            "most": u64::MAX,
            "least": i64::MIN,
            "ratio": 0.1,
            "bound": null,
            "done": false,
            "tuner": {"sizes": [1, 2], "empty": {}, "nothing": []},
        }) else {
            unreachable!()
        };
        Record {
            migration: "orders".into(),
            item: "move#0000".into(),
            seq: 7,
            epoch: 3,
            owner: Some("nonce".into()),
            stamp: "stamp".into(),
            expires: Some(1_900_000_000),
            body,
        }
    }

    #[test]
    fn a_record_comes_back_as_it_went() {
        let whole = record();
        assert_eq!(to_record(from_record(&whole)).unwrap(), whole);
        let bare = Record { owner: None, expires: None, body: Map::new(), ..whole };
        let item = from_record(&bare);
        assert!(!item.contains_key("owner") && !item.contains_key("expires"), "{item:?}");
        assert_eq!(to_record(item).unwrap(), bare);
    }

    #[test]
    fn a_newer_version_is_refused_before_anything_else_is_read() {
        let item = Item::from([
            ("migration".to_owned(), text("orders")),
            ("item".to_owned(), text("state")),
            ("v".to_owned(), number(VERSION + 1)),
        ]);
        assert!(matches!(to_record(item), Err(LedgerError::Newer { found, .. }) if found == VERSION + 1));
    }

    #[test]
    fn what_is_missing_or_strange_is_named() {
        for name in ["v", "seq", "epoch", "stamp"] {
            let mut item = from_record(&record());
            item.remove(name);
            let error = to_record(item).unwrap_err().to_string();
            assert_eq!(error, format!("the record `move#0000` of `orders` has no readable `{name}`"));
        }
        let mut item = from_record(&record());
        item.insert("owner".into(), number(1));
        assert!(to_record(item).unwrap_err().to_string().ends_with("has no readable `owner`"));
        let mut item = from_record(&record());
        item.insert("tags".into(), AttributeValue::Ss(vec!["a".into()]));
        assert!(to_record(item).unwrap_err().to_string().ends_with("holds a set, which milkrun does not write"));
    }
}
