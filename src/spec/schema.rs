//! The JSON Schema of migration files, and what messages take from it: the fields of a table, the type and an example
//! of a field.

use super::file::File;
use super::problem::{Path, Step, bare_or_quoted};
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value};
use std::sync::LazyLock;

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let settings = SchemaSettings::draft2020_12().with_transform(RecursiveTransform(without_null));
    let generator: SchemaGenerator = settings.into_generator();
    let mut schema = generator.into_root_schema_for::<File>();
    schema.insert("title".to_owned(), Value::from("milkrun migration"));
    // What the file is comes before what it is made of.
    let mut whole: Map<String, Value> = Map::new();
    for keyword in ["$schema", "title", "description", "type", "required"] {
        whole.extend(schema.remove(keyword).map(|value| (keyword.to_owned(), value)));
    }
    if let Value::Object(rest) = schema.to_value() {
        whole.extend(rest);
    }
    Value::Object(whole)
});

/// The JSON Schema (draft 2020-12) of a migration file, as `milkrun schema` prints it. It knows what this version
/// builds; what no schema can say (keys that feed the target, a condition without a clock) is checked by [`super::parse`].
pub fn schema() -> Value {
    SCHEMA.clone()
}

/// TOML has no null: an optional field is one that is left out.
fn without_null(schema: &mut Schema) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    schema.remove("format");
    let Some(Value::Array(forms)) = schema.get_mut("anyOf") else { return };
    forms.retain(|form| form.get("type").is_none_or(|name| name != "null"));
    let [Value::Object(only)] = forms.as_slice() else { return };
    let only = only.clone();
    schema.remove("anyOf");
    for (keyword, value) in only {
        schema.insert(keyword, value);
    }
}

/// The names of the fields of the table at this place; empty if it is not a table with fixed fields.
pub(super) fn fields(path: &Path) -> Vec<&'static str> {
    at(path).and_then(properties).map(|fields| fields.keys().map(String::as_str).collect()).unwrap_or_default()
}

fn properties(schema: &'static Value) -> Option<&'static Map<String, Value>> {
    match schema.get("anyOf").and_then(Value::as_array) {
        Some(forms) => forms.iter().find_map(|form| properties(resolved(form)?)),
        None => schema.get("properties")?.as_object(),
    }
}

/// Whether there is such a field.
pub(super) fn is_known(path: &Path) -> bool {
    at(path).is_some()
}

/// What has to stand at this place, in words.
pub(super) fn expected(path: &Path) -> &'static str {
    let Some(schema) = at(path) else { return "something else" };
    if let Some(forms) = schema.get("anyOf").and_then(Value::as_array) {
        let has = |name: &str| forms.iter().any(|form| form.get("type").is_some_and(|kind| kind == name));
        return match (has("integer"), has("array")) {
            (true, _) => "a string or a whole number",
            (_, true) => "a list or a string",
            _ if has("boolean") => "`false` or a string",
            _ => "a string or a table",
        };
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("string") => "a string",
        Some("integer") => "a whole number",
        Some("number") => "a number",
        Some("boolean") => "`true` or `false`",
        Some("array") => "a list",
        Some("object") => "a table",
        _ => "something else",
    }
}

/// What to write at this place, as TOML.
pub(super) fn example(path: &Path) -> String {
    if let Some(example) = own_example(path) {
        return example;
    }
    match at(path).and_then(|schema| schema.get("type")).and_then(Value::as_str) {
        Some("object") if !matches!(path.steps().last(), Some(Step::Index(_))) => format!("write a section `[{path}]`"),
        Some("array") => format!("write sections `[[{}]]`", sections(path)),
        Some("object") => format!("write a section `[[{}]]`", sections(&path.parent())),
        _ => "write a string in quotes".to_owned(),
    }
}

/// The same, where the field has an example of its own.
pub(super) fn own_example(path: &Path) -> Option<String> {
    let example = toml(at(path)?.get("examples")?.get(0)?);
    Some(match path.steps().last() {
        Some(Step::Key(key)) => format!("write `{} = {example}`", bare_or_quoted(key)),
        _ => format!("write `{example}`"),
    })
}

/// The name of a list of tables as its header has it: without places.
fn sections(path: &Path) -> String {
    let keys = path.steps().iter().filter_map(|step| match step {
        Step::Key(key) => Some(bare_or_quoted(key)),
        Step::Index(_) => None,
    });
    keys.collect::<Vec<_>>().join(".")
}

fn toml(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(toml).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) => {
            let pair = |(key, value): (&String, &Value)| format!("{} = {}", bare_or_quoted(key), toml(value));
            format!("{{ {} }}", fields.iter().map(pair).collect::<Vec<_>>().join(", "))
        }
        simple => simple.to_string(),
    }
}

fn at(path: &Path) -> Option<&'static Value> {
    let mut schema: &'static Value = &SCHEMA;
    for step in path.steps() {
        schema = resolved(schema)?;
        schema = match step {
            Step::Index(_) => schema.get("items")?,
            Step::Key(key) => within(schema, key)?,
        };
    }
    let target = resolved(schema)?;
    // A reference is described twice; the description at the field is the closer one, so are its examples.
    if schema.get("examples").is_some() { Some(schema) } else { Some(target) }
}

fn within(schema: &'static Value, key: &str) -> Option<&'static Value> {
    properties(schema)
        .and_then(|fields| fields.get(key))
        .or_else(|| schema.get("additionalProperties").filter(|value| value.is_object()))
}

fn resolved(schema: &'static Value) -> Option<&'static Value> {
    match schema.get("$ref").and_then(Value::as_str) {
        Some(reference) => SCHEMA.get("$defs")?.get(reference.rsplit('/').next()?),
        None => Some(schema),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn optional_fields_are_not_nullable_and_required_ones_are_named() {
        let schema = schema();
        assert!(!schema.to_string().contains("null\""), "{schema:#}");
        assert_eq!(schema["required"], serde_json::json!(["name", "kind", "source", "target"]));
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(schema["properties"]["name"]["type"], "string");
        assert_eq!(schema["$defs"]["Related"]["required"], serde_json::json!(["name", "table", "key", "on"]));
        assert_eq!(schema["$defs"]["Limits"]["properties"]["max_batch"]["default"], 10_000);
        assert_eq!(schema["$defs"]["Related"]["properties"]["related"]["items"]["$ref"], "#/$defs/Related");
    }

    #[test]
    fn messages_find_their_words_in_it() {
        let related = Path::root().key("source").key("related").index(0).key("related").index(2);
        assert_eq!(fields(&related), ["name", "schema", "table", "key", "on", "exclude", "related", "target"]);
        assert_eq!(example(&related.key("on")), r#"write `on = { order_id = "id" }`"#);
        assert_eq!(expected(&related.key("key")), "a list");
        let database = Path::root().key("source").key("database");
        assert_eq!(expected(&database), "a string or a table");
        assert_eq!(example(&database), r#"write `database = "$SHOP_DATABASE_URL"`"#);
        assert_eq!(fields(&Path::root().key("limits"))[0], "batch_time");
    }
}
