//! Which fields of a definition have changed, told by a short digest of each: the ledger keeps them beside the digest of the whole.

use crate::digest::of_value;
use serde_json::Value;
use std::collections::BTreeMap;

/// Digits of a field's digest: enough to tell whether the field has changed, and no more.
const SHORT: usize = 12;

/// What the source excludes holds in related tables too: a change of it is none of theirs.
pub(super) fn keep_their_own(related: &mut Value, inherited: &[String]) {
    for table in related.as_array_mut().into_iter().flatten() {
        if let Some(excluded) = table["exclude"].as_array_mut() {
            excluded.retain(|name| inherited.iter().all(|other| name != other));
        }
        keep_their_own(&mut table["related"], inherited);
    }
}

/// A short digest of each field, by its place in the file. One that is not there has none.
pub(super) fn fields(meaning: &Value) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    let mut add = |place: String, value: &Value| {
        if !value.is_null() {
            // Where the meaning calls it otherwise than the file does.
            let place = match place.as_str() {
                "target.hooks" => "after_row".to_owned(),
                "copy.kms_key" => "target.kms_key".to_owned(),
                _ => place,
            };
            fields.insert(place, of_value(value).chars().take(SHORT).collect());
        }
    };
    for (section, value) in meaning.as_object().into_iter().flatten() {
        match value {
            Value::Object(within) => {
                for (name, value) in within {
                    add(format!("{section}.{name}"), value);
                }
            }
            other => add(section.clone(), other),
        }
    }
    fields
}
