//! `[target]`, by itself and against `[source]`.

use super::{identifier, key, optional_identifier, plain, required, word};
use crate::spec::definition::{After, ColumnValue, Related, Source, Target};
use crate::spec::file::{Ordered, TargetSection};
use crate::spec::problem::{Path, Problems, listed, nearest};
use crate::spec::unbuilt::NOT_BUILT;
use crate::spec::{reference, schema};

const WORDS: [(&str, ColumnValue); 5] = [
    ("$document", ColumnValue::Document),
    ("$now", ColumnValue::Now),
    ("$run", ColumnValue::Run),
    ("$digest", ColumnValue::Digest),
    ("$definition", ColumnValue::Definition),
];

pub(super) fn check(path: &Path, section: TargetSection, problems: &mut Problems) -> Option<Target> {
    let database = reference::database(&path.key("database"), section.database, problems);
    let schema = optional_identifier(&path.key("schema"), section.schema, problems);
    let table = identifier(&path.key("table"), section.table, problems);
    let key = key(&path.key("key"), section.key, problems);
    let after = section.after.unwrap_or_else(|| "keep".to_owned());
    let after = word(&path.key("after"), &after, &[("keep", After::Keep)], &["delete"], problems);
    let columns = required(&path.key("columns"), section.columns, problems)
        .and_then(|columns| self::columns(&path.key("columns"), columns, problems));
    Some(Target {
        database: database?,
        schema: schema?,
        table: table?,
        key: key?,
        after: after?,
        create: section.create.unwrap_or(false),
        columns: columns?,
    })
}

fn columns(path: &Path, written: Ordered, problems: &mut Problems) -> Option<Vec<(String, ColumnValue)>> {
    if written.0.is_empty() && problems.sound(path) {
        problems.add(path, "is empty", schema::example(path));
        return None;
    }
    let each = written.0.into_iter();
    let values: Vec<_> = each
        .map(|(column, text)| {
            let at = path.key(&column);
            let named = plain(&at, &column, problems);
            let value = value(&at, &text, problems);
            Some((column, value.filter(|_| named)?))
        })
        .collect();
    let documents: Vec<_> =
        values.iter().flatten().filter(|(_, value)| *value == ColumnValue::Document).map(|(name, _)| name).collect();
    match documents.as_slice() {
        [] if problems.sound(path) => {
            let message = format!("has no `$document`; copying rows column by column {NOT_BUILT}");
            problems.add(path, message, "write `document = \"$document\"`");
        }
        [_, second, ..] => {
            let hint = "one column holds the document, others can be filled from it by the database";
            problems.add(&path.key(second), "is a second `$document`", hint);
        }
        _ => {}
    }
    values.into_iter().collect()
}

fn value(path: &Path, text: &str, problems: &mut Problems) -> Option<ColumnValue> {
    if let Some(name) = text.strip_prefix("$$") {
        return Some(ColumnValue::Column(format!("${name}")));
    }
    if !text.starts_with('$') {
        return plain(path, text, problems).then(|| ColumnValue::Column(text.to_owned()));
    }
    if let Some((_, value)) = WORDS.iter().find(|(word, _)| *word == text) {
        return Some(value.clone());
    }
    let really = format!("a source column really named so is written `${text}`");
    let words = || WORDS.iter().map(|(word, _)| *word);
    let hint = match nearest(text, words()) {
        Some(meant) => format!("did you mean `{meant}`? ({really})"),
        None => format!("write {}; {really}", listed(words(), "or")),
    };
    problems.add(path, format!("`{text}` is unknown"), hint);
    None
}

/// What only both sections together can show.
pub(super) fn check_against(path: &Path, target: &Target, source: &Source, problems: &mut Problems) {
    let columns = path.key("columns");
    for (column, value) in &target.columns {
        if let ColumnValue::Column(name) = value {
            if source.exclude.contains(name) {
                let hint = "leave it out here, or in `source.exclude`";
                problems.add(&columns.key(column), format!("copies `{name}`, which `source.exclude` excludes"), hint);
            }
        }
    }
    check_key(path, target, source, problems);
    if target.database == source.database {
        let is_target = |schema: &Option<String>, table: &str| *schema == target.schema && table == target.table;
        if is_target(&source.schema, &source.table) {
            problems.add(&path.key("table"), "is the source table itself", "write to a table of its own");
        }
        let related = |related: &Related| {
            is_target(related.schema.as_ref().map_or(&source.schema, |_| &related.schema), &related.table)
        };
        if any(&source.related, &related) {
            problems.add(&path.key("table"), "is one of the related tables", "write to a table of its own");
        }
    }
}

fn any(related: &[Related], test: &impl Fn(&Related) -> bool) -> bool {
    related.iter().any(|table| test(table) || any(&table.related, test))
}

fn check_key(path: &Path, target: &Target, source: &Source, problems: &mut Problems) {
    let fed = format!("the source's key is {}", listed(source.key.iter().map(String::as_str), "and"));
    let mut feeding: Vec<&str> = Vec::new();
    for (place, column) in target.key.iter().enumerate() {
        let at = path.key("key").index(place);
        let value = target.columns.iter().find(|(name, _)| name == column).map(|(_, value)| value);
        match value {
            None => {
                let missing = source.key.iter().find(|name| !feeding.contains(&name.as_str()));
                let name = missing.or(source.key.first()).map_or("", String::as_str);
                let hint = format!("write `{column} = {name:?}` in `[target.columns]`");
                problems.add(&at, format!("`{column}` is not among `target.columns`"), hint);
                return;
            }
            Some(ColumnValue::Column(name)) if source.key.contains(name) => {
                if feeding.contains(&name.as_str()) {
                    problems.add(&at, format!("`{column}` is fed by `{name}`, as one before it is"), &*fed);
                }
                feeding.push(name);
            }
            Some(ColumnValue::Column(name)) => {
                let hint = format!("feed it from the source's key: {fed}");
                problems.add(
                    &at,
                    format!("`{column}` is fed by `{name}`, which is no column of the source's key"),
                    hint,
                );
                return;
            }
            Some(_) => {
                let hint = format!("feed it from the source's key: {fed}");
                problems.add(&at, format!("`{column}` is fed by a `$` word, not by the source's key"), hint);
                return;
            }
        }
    }
    let unfed: Vec<_> = source.key.iter().map(String::as_str).filter(|name| !feeding.contains(name)).collect();
    if !unfed.is_empty() {
        let message = format!("leaves out what is fed by {}", listed(unfed.iter().copied(), "and"));
        let hint =
            "the target's key is fed by exactly the source's key: add the columns, or two rows could become one record";
        problems.add(&path.key("key"), message, hint);
    }
}
