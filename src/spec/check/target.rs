//! `[target]`, by itself and against `[source]`.

use super::{identifier, key, optional_identifier, plain, required, source, word};
use crate::hint::nearest;
use crate::spec::definition::{After, ColumnValue, DatabaseRef, Related, Source, Target};
use crate::spec::file::{Ordered, TargetSection};
use crate::spec::problem::{Path, Problems, bare_or_quoted, listed};
use crate::spec::unbuilt::NOT_BUILT;
use crate::spec::{reference, schema};

const WORDS: [(&str, ColumnValue); 5] = [
    ("$document", ColumnValue::Document),
    ("$now", ColumnValue::Now),
    ("$run", ColumnValue::Run),
    ("$digest", ColumnValue::Digest),
    ("$definition", ColumnValue::Definition),
];

/// What was understood of `[target]`, also while something else in it is wrong.
pub(super) struct Draft {
    database: Option<DatabaseRef>,
    schema: Option<String>,
    table: Option<String>,
    key: Option<Vec<String>>,
    after: Option<After>,
    create: bool,
    columns: Option<Vec<(String, ColumnValue)>>,
}

impl Draft {
    /// The whole section, if all of it was understood.
    pub(super) fn finish(self) -> Option<Target> {
        Some(Target {
            database: self.database?,
            schema: self.schema,
            table: self.table?,
            key: self.key?,
            after: self.after?,
            create: self.create,
            columns: self.columns?,
        })
    }
}

pub(super) fn check(path: &Path, section: TargetSection, problems: &mut Problems) -> Draft {
    let after = section.after.unwrap_or_else(|| "keep".to_owned());
    let columns = required(&path.key("columns"), section.columns, problems);
    Draft {
        database: reference::database(&path.key("database"), section.database, problems),
        schema: optional_identifier(&path.key("schema"), section.schema, problems),
        table: identifier(&path.key("table"), section.table, problems),
        key: key(&path.key("key"), section.key, problems),
        after: word(&path.key("after"), &after, &[("keep", After::Keep)], &["delete"], problems),
        create: section.create.unwrap_or(false),
        columns: columns.and_then(|columns| self::columns(&path.key("columns"), columns, problems)),
    }
}

fn columns(path: &Path, written: Ordered, problems: &mut Problems) -> Option<Vec<(String, ColumnValue)>> {
    if !problems.sound(path) {
        return None;
    }
    if written.0.is_empty() {
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

/// How the target's columns are fed from the source: whatever of both sections was understood.
pub(super) fn check_feeding(path: &Path, target: &Draft, source: &source::Draft, problems: &mut Problems) {
    let Some(columns) = &target.columns else { return };
    let key = source.key.as_deref().unwrap_or_default();
    for (column, value) in columns {
        let ColumnValue::Column(name) = value else { continue };
        // That a column of the key is excluded has been said.
        if source.exclude.iter().flatten().any(|excluded| excluded == name) && !key.contains(name) {
            let hint = "leave it out here, or take it out of `source.exclude`";
            problems.add(
                &path.key("columns").key(column),
                format!("copies `{name}`, which `source.exclude` names"),
                hint,
            );
        }
    }
    if let (Some(target_key), Some(source_key)) = (&target.key, &source.key) {
        check_key(&path.key("key"), target_key, columns, source_key, problems);
    }
}

/// Every column of the target's key is fed by a column of the source's key, and all of them by one.
fn check_key(
    path: &Path,
    target_key: &[String],
    columns: &[(String, ColumnValue)],
    source_key: &[String],
    problems: &mut Problems,
) {
    let the_key = listed(source_key.iter().map(String::as_str), "and");
    let mut fed: Vec<&str> = Vec::new();
    let mut all_good = true;
    for (place, column) in target_key.iter().enumerate() {
        let (message, hint) = match columns.iter().find(|(name, _)| name == column).map(|(_, value)| value) {
            None => {
                let unfed = source_key.iter().find(|name| !fed.contains(&name.as_str()));
                let name = unfed.or(source_key.first()).map_or("", String::as_str);
                let hint = format!("write `{} = {name:?}` in `[target.columns]`", bare_or_quoted(column));
                (format!("`{column}` is not among `target.columns`"), hint)
            }
            Some(ColumnValue::Column(name)) if fed.contains(&name.as_str()) => (
                format!("`{column}` is fed by `{name}`, as one before it is"),
                format!("the source's key is {the_key}"),
            ),
            Some(ColumnValue::Column(name)) if source_key.contains(name) => {
                fed.push(name);
                continue;
            }
            Some(ColumnValue::Column(name)) => (
                format!("`{column}` is fed by `{name}`, which is not in the source's key"),
                format!("feed it from the source's key, which is {the_key}"),
            ),
            Some(_) => (
                format!("`{column}` is fed by a `$` word, not by the source's key"),
                format!("feed it from the source's key, which is {the_key}"),
            ),
        };
        problems.add(&path.index(place), message, hint);
        all_good = false;
    }
    let unfed: Vec<_> = source_key.iter().map(String::as_str).filter(|name| !fed.contains(name)).collect();
    if all_good && !unfed.is_empty() {
        let message = format!("leaves out what is fed by {}", listed(unfed.iter().copied(), "and"));
        let hint = "add the columns: with less than the source's whole key, two rows could become one record";
        problems.add(path, message, hint);
    }
}

/// The target is a table of its own.
pub(super) fn check_table(path: &Path, target: &Target, source: &Source, problems: &mut Problems) {
    if target.database != source.database {
        return;
    }
    let is_target = |schema: &Option<String>, table: &str| *schema == target.schema && table == target.table;
    if is_target(&source.schema, &source.table) {
        problems.add(path, "is the source table itself", "write to a table of its own");
    }
    let related = |related: &Related| {
        let schema = if related.schema.is_some() { &related.schema } else { &source.schema };
        is_target(schema, &related.table)
    };
    if any(&source.related, &related) {
        problems.add(path, "is one of the related tables", "write to a table of its own");
    }
}

fn any(related: &[Related], test: &impl Fn(&Related) -> bool) -> bool {
    related.iter().any(|table| test(table) || any(&table.related, test))
}
