//! What a definition means, as digests: a change of meaning has to be accepted by somebody, a change of wording has not.

use super::definition::{After, ColumnValue, DatabaseRef, Kind, Related, SecretRef, Source, Target};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// SHA-256 over all that `[source]`, `[target]` and `kind` mean. How one logs in (password, `ca`) is no part of it, nor is
/// the order of columns, of `on` and of `exclude`.
pub(super) fn of_meaning(kind: Kind, source: &Source, target: &Target) -> String {
    let columns: Map<String, Value> =
        target.columns.iter().map(|(name, value)| (name.clone(), column(value))).collect();
    sha256(&json!({
        "kind": word(kind),
        "source": {
            "database": database(&source.database),
            "schema": source.schema,
            "table": source.table,
            "key": source.key,
            "where": source.filter,
            "exclude": set(&source.exclude),
            "related": source.related.iter().map(related).collect::<Vec<_>>(),
        },
        "target": {
            "database": database(&target.database),
            "schema": target.schema,
            "table": target.table,
            "key": set(&target.key),
            "after": match target.after { After::Keep => "keep" },
            "create": target.create,
            "columns": columns,
        },
    }))
}

/// SHA-256 over the part that nobody can accept a change of: kind, databases, schemas, tables and keys.
pub(super) fn of_identity(kind: Kind, source: &Source, target: &Target) -> String {
    sha256(&json!({
        "kind": word(kind),
        "source": {
            "database": database(&source.database),
            "schema": source.schema,
            "table": source.table,
            "key": source.key,
        },
        "target": {
            "database": database(&target.database),
            "schema": target.schema,
            "table": target.table,
            "key": set(&target.key),
        },
    }))
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Rows => "rows",
    }
}

fn database(reference: &DatabaseRef) -> Value {
    match reference {
        DatabaseRef::Env(name) => json!({ "env": name }),
        DatabaseRef::Secret(SecretRef { id, field }) => json!({ "secret": id, "field": field }),
        DatabaseRef::Url { url, .. } => json!({ "url": url }),
    }
}

fn related(table: &Related) -> Value {
    let on: Map<String, Value> = table.on.iter().map(|(child, parent)| (child.clone(), json!(parent))).collect();
    json!({
        "name": table.name,
        "schema": table.schema,
        "table": table.table,
        "key": table.key,
        "on": on,
        "exclude": set(&table.exclude),
        "related": table.related.iter().map(related).collect::<Vec<_>>(),
    })
}

fn column(value: &ColumnValue) -> Value {
    match value {
        ColumnValue::Column(name) => json!({ "column": name }),
        ColumnValue::Document => json!("document"),
        ColumnValue::Now => json!("now"),
        ColumnValue::Run => json!("run"),
        ColumnValue::Digest => json!("digest"),
        ColumnValue::Definition => json!("definition"),
    }
}

fn set(names: &[String]) -> Vec<&String> {
    let mut names: Vec<_> = names.iter().collect();
    names.sort();
    names
}

fn sha256(meaning: &Value) -> String {
    let mut canonical = meaning.clone();
    canonical.sort_all_objects();
    Sha256::digest(canonical.to_string()).iter().map(|byte| format!("{byte:02x}")).collect()
}
