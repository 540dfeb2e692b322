//! What a definition means, as digests: a change of meaning has to be accepted by somebody, a change of wording has not.

use super::definition::{After, ColumnValue, DatabaseRef, Related, RelatedTarget, SecretRef, Source, Target};
use super::fields::{fields, keep_their_own};
use super::files::{FileColumn, FilesSource, FilesTarget, StampValue, TextRef};
use super::objects::{Attribute, BucketRef, Existing, ObjectAcl, ObjectsSource, ObjectsTarget, StorageClass};
use crate::digest::of_value;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// SHA-256 over all that `[source]`, `[target]` and `kind` mean. How one logs in (password, `ca`) is no part of it, nor is
/// the order of columns, of `on` and of `exclude`. And its fields, one by one.
pub(super) fn of_meaning(source: &Source, target: &Target) -> (String, BTreeMap<String, String>) {
    let mut meaning = json!({
        "kind": "rows",
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
            "after": match target.after { After::Keep => "keep", After::Delete => "delete" },
            "create": target.create,
            "columns": columns(&target.columns),
        },
    });
    // Not there where there is none: a file that names none keeps the digest that it had before there were any.
    if let (Some(changed), Some(source)) = (&source.changed, meaning["source"].as_object_mut()) {
        source.insert("changed".to_owned(), json!(changed.column));
    }
    let digest = of_value(&meaning);
    keep_their_own(&mut meaning["source"]["related"], &source.exclude);
    (digest, fields(&meaning))
}

/// SHA-256 over the part that nobody can accept a change of: kind, databases, schemas, tables and keys.
pub(super) fn of_identity(source: &Source, target: &Target) -> String {
    let mut identity = json!({
        "kind": "rows",
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
    });
    let mut copies = Vec::new();
    copied(&source.related, &mut copies);
    if let (Some(identity), false) = (identity.as_object_mut(), copies.is_empty()) {
        identity.insert("related".to_owned(), Value::Array(copies));
    }
    of_value(&identity)
}

/// Which related tables are copied, and to where.
fn copied(related: &[Related], copies: &mut Vec<Value>) {
    for one in related {
        if let Some(target) = &one.target {
            copies.push(json!({
                "source": { "schema": one.schema, "table": one.table, "key": one.key },
                "target": { "schema": target.schema, "table": target.table, "key": set(&target.key) },
            }));
        }
        copied(&one.related, copies);
    }
}

/// The same of a migration of kind `files`: both digests, and the fields of the first. How files are fetched is no part of any, as
/// little as a password is.
pub(super) fn of_files(source: &FilesSource, target: &FilesTarget) -> (String, String, BTreeMap<String, String>) {
    let table = &source.table;
    let mut identity = json!({
        "kind": "files",
        "source": {
            "database": database(&table.database),
            "schema": table.schema,
            "table": table.table,
            "key": table.key,
        },
        "target": {
            "bucket": target.bucket,
            "prefix": target.prefix,
            "endpoint": target.endpoint,
            "key": target.key.to_string(),
            "url": target.url,
        },
    });
    let unchangeable = of_value(&identity);
    if let Some(from) = identity["source"].as_object_mut() {
        from.insert("where".to_owned(), json!(table.filter));
        from.insert("changed".to_owned(), json!(table.changed.as_ref().map(|changed| &changed.column)));
        from.insert("files".to_owned(), source.files.iter().map(file).collect());
    }
    if let Some(to) = identity["target"].as_object_mut() {
        let stamp = |value: &StampValue| match value {
            StampValue::Now => "now",
            StampValue::State => "state",
            StampValue::Run => "run",
            StampValue::Definition => "definition",
        };
        let columns: Map<String, Value> =
            target.columns.iter().map(|(name, value)| (name.clone(), json!(stamp(value)))).collect();
        to.insert("columns".to_owned(), columns.into());
        to.insert("content_types".to_owned(), json!(set(&target.content_types)));
        to.insert("kms_key".to_owned(), json!(target.kms_key));
        to.insert("storage_class".to_owned(), json!(target.storage_class));
        to.insert("cache_control".to_owned(), json!(target.cache_control));
        // Not there where there is none: a file that names none keeps the digest that it had before there were any.
        if !target.hooks.is_empty() {
            to.insert("hooks".to_owned(), target.hooks.iter().map(|hook| text(&hook.url)).collect());
        }
    }
    (of_value(&identity), unchangeable, fields(&identity))
}

/// The same of a migration of kind `objects`. How one gets to a bucket is no part of any, nor is how many objects go side by side.
pub(super) fn of_objects(source: &ObjectsSource, target: &ObjectsTarget) -> (String, String, BTreeMap<String, String>) {
    let mut identity = json!({ "kind": "objects", "source": bucket(&source.place), "target": bucket(&target.place) });
    let unchangeable = of_value(&identity);
    let attribute = |attribute: Attribute| match attribute {
        Attribute::Keep => "keep",
        Attribute::Drop => "drop",
        Attribute::Fail => "fail",
    };
    let copy = &target.copy;
    if let Some(meaning) = identity.as_object_mut() {
        meaning.insert(
            "copy".to_owned(),
            json!({
                "metadata": attribute(copy.metadata),
                "tags": attribute(copy.tags),
                "acl": match copy.acl {
                    ObjectAcl::Drop => None,
                    ObjectAcl::Keep => Some("keep"),
                    ObjectAcl::Fail => Some("fail"),
                    ObjectAcl::BucketOwner => copy.acl.canned(),
                },
                "storage_class": match &copy.storage_class {
                    StorageClass::Keep => json!("keep"),
                    StorageClass::Drop => json!("drop"),
                    StorageClass::Is(name) => json!([name]),
                },
                "existing": match copy.existing {
                    Existing::SkipSame => "skip-same",
                    Existing::Fail => "fail",
                    Existing::ReplaceOlder => "replace-older",
                },
                "delete_extra": copy.delete_extra.is_some(),
                "kms_key": target.kms_key,
            }),
        );
    }
    (of_value(&identity), unchangeable, fields(&identity))
}

fn bucket(place: &BucketRef) -> Value {
    json!({ "bucket": place.bucket, "prefix": place.prefix, "endpoint": place.endpoint })
}

fn file(file: &FileColumn) -> Value {
    json!({
        "column": file.column,
        "digest_column": file.digest_column,
        "path": file.path.as_ref().map(ToString::to_string),
        "rewrite": file.rewrite.as_ref().map(|rewrite| [&rewrite.from, &rewrite.to]),
    })
}

fn text(reference: &TextRef) -> Value {
    match reference {
        TextRef::Env(name) => json!({ "env": name }),
        TextRef::Secret(SecretRef { id, field }) => json!({ "secret": id, "field": field }),
        TextRef::Literal(text) => json!({ "text": text }),
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
    let mut related = json!({
        "name": table.name,
        "schema": table.schema,
        "table": table.table,
        "key": table.key,
        "on": on,
        "exclude": set(&table.exclude),
        "related": table.related.iter().map(self::related).collect::<Vec<_>>(),
    });
    // Not there where there is none: a file that names none keeps the digest that it had before there were any.
    if let (Some(fields), Some(target)) = (related.as_object_mut(), &table.target) {
        fields.insert("target".to_owned(), related_target(target));
    }
    related
}

fn related_target(target: &RelatedTarget) -> Value {
    json!({
        "schema": target.schema,
        "table": target.table,
        "key": set(&target.key),
        "create": target.create,
        "columns": columns(&target.columns),
    })
}

fn columns(columns: &[(String, ColumnValue)]) -> Value {
    columns.iter().map(|(name, value)| (name.clone(), column(value))).collect::<Map<_, _>>().into()
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

#[cfg(test)]
mod tests {
    use crate::spec::{RowsDefinition, parse};

    const FILE: &str = r#"
name = "m"
kind = "rows"
[source]
database = "$A"
schema = "sales"
table = "orders"
key = ["shop", "id"]
where = "a = 1"
exclude = ["x", "y"]
[[source.related]]
name = "items"
schema = "s"
table = "order_items"
key = ["id", "n"]
on = { order_id = "id", shop = "shop" }
exclude = ["z"]
[[source.related.related]]
name = "discounts"
table = "item_discounts"
key = ["id"]
on = { item_id = "id" }
[source.related.related.target]
table = "discounts_archive"
key = ["no"]
[source.related.related.target.columns]
no = "id"
percent = "percent"
[target]
database = "$A"
schema = "h"
table = "history"
key = ["order_id", "shop"]
create = true
[target.columns]
order_id = "id"
shop = "shop"
document = "$document"
at = "$now"
"#;

    fn of(edits: &[(&str, &str)]) -> RowsDefinition {
        let text = edits.iter().fold(FILE.to_owned(), |text, (from, to)| {
            assert!(text.contains(from), "{from}");
            text.replacen(from, to, 1)
        });
        parse("m", &text).unwrap_or_else(|error| panic!("{error}")).into_rows().unwrap()
    }

    #[test]
    fn wording_changes_nothing() {
        let plain = of(&[]);
        assert_eq!(plain.digest.len(), 64);
        assert!(plain.digest.chars().all(|digit| digit.is_ascii_digit() || ('a'..='f').contains(&digit)));
        assert_ne!(plain.digest, plain.identity);
        let reworded: [&[(&str, &str)]; 9] = [
            &[("[source]", "# a comment\n[source]")],
            &[("at = \"$now\"", "at = \"$now\"\n[limits]\nmax_batch = 7\nlog_keys = false")],
            &[("key = [\"order_id\", \"shop\"]", "key = [\"shop\", \"order_id\"]")],
            &[("order_id = \"id\", shop = \"shop\"", "shop = \"shop\", order_id = \"id\"")],
            &[("[\"x\", \"y\"]", "[\"y\", \"x\"]")],
            &[("order_id = \"id\"\nshop", "shop"), ("at = ", "order_id = \"id\"\nat = ")],
            &[("create = true", "create = true\nafter = \"keep\"")],
            &[("kind = \"rows\"", "mode = \"once\"\nkind = \"rows\"")],
            &[("\"a = 1\"", "\" a = 1 \"")],
        ];
        for edits in reworded {
            let other = of(edits);
            assert_eq!((&other.digest, &other.identity), (&plain.digest, &plain.identity), "{edits:?}");
        }
        let literal = |database| of(&[("\"$A\"", database), ("\"$A\"", database)]).digest;
        assert_eq!(
            literal("\"mysql://u@h/d\""),
            literal("{ url = \"mysql://u@h/d\", password = \"$P\", ca = \"x.pem\" }"),
            "how one logs in is no part of the meaning"
        );
    }

    #[test]
    fn a_change_is_told_by_its_field() {
        let plain = of(&[]);
        for (edit, place) in [
            (("a = 1", "a = 2"), "source.where"),
            (("[\"x\", \"y\"]", "[\"x\"]"), "source.exclude"),
            (("\"items\"", "\"lines\""), "source.related"),
            (("at = \"$now\"", "at = \"$run\""), "target.columns"),
            (("\"history\"", "\"history2\""), "target.table"),
        ] {
            let other = of(&[edit]);
            let places = plain.fields.keys().chain(other.fields.keys());
            let mut changed: Vec<_> =
                places.filter(|place| plain.fields.get(*place) != other.fields.get(*place)).collect();
            changed.dedup();
            assert!(!changed.is_empty() && changed.iter().all(|one| *one == place), "{edit:?}: {changed:?}");
        }
    }

    #[test]
    fn every_change_of_meaning_shows() {
        let plain = of(&[]);
        let acceptable: [(&str, &str); 17] = [
            ("create = true", "create = true\nafter = \"delete\""),
            ("a = 1", "a = 2"),
            ("where = \"a = 1\"", ""),
            ("[\"x\", \"y\"]", "[\"x\"]"),
            ("\"items\"", "\"lines\""),
            ("schema = \"s\"\n", "schema = \"s2\"\n"),
            ("\"order_items\"", "\"order_lines\""),
            ("[\"id\", \"n\"]", "[\"n\", \"id\"]"),
            ("order_id = \"id\", ", "order = \"id\", "),
            ("[\"z\"]", "[]"),
            ("\"discounts\"", "\"rebates\""),
            ("create = true", "create = false"),
            ("at = \"$now\"", "at = \"$run\""),
            ("at = \"$now\"", "at = \"$$now\""),
            ("at = \"$now\"", "moved_at = \"$now\""),
            ("no = \"id\"\npercent = \"percent\"", "no = \"id\""),
            ("key = [\"no\"]", "key = [\"no\"]\ncreate = true"),
        ];
        let mut digests = vec![plain.digest.clone()];
        for edit in acceptable {
            let other = of(&[edit]);
            assert!(!digests.contains(&other.digest), "{edit:?}");
            assert_eq!(other.identity, plain.identity, "{edit:?}");
            digests.push(other.digest);
            assert_ne!(other.fields, plain.fields, "{edit:?}");
        }
        let identity: [&[(&str, &str)]; 12] = [
            &[("\"$A\"", "\"$B\"")],
            &[("\"$A\"", "\"secret:A\"")],
            &[("\"$A\"\nschema = \"h\"", "\"$B\"\nschema = \"h\"")],
            &[("\"sales\"", "\"shop\"")],
            &[("\"orders\"", "\"orders2\"")],
            &[("[\"shop\", \"id\"]", "[\"id\", \"shop\"]")],
            &[("\"history\"", "\"history2\"")],
            &[("schema = \"h\"\n", "")],
            &[("discounts_archive", "rebates")],
            &[("item_discounts", "item_rebates")],
            &[("key = [\"no\"]", "schema = \"a\"\nkey = [\"no\"]")],
            &[("key = [\"no\"]", "key = [\"number\"]"), ("no = \"id\"", "number = \"id\"")],
        ];
        let mut identities = vec![plain.identity.clone()];
        for edits in identity {
            let other = of(edits);
            assert!(!digests.contains(&other.digest) && !identities.contains(&other.identity), "{edits:?}");
            digests.push(other.digest);
            identities.push(other.identity);
        }
    }
}
