//! What fills the columns of a target, and what feeds its key: of `[target]` and of each related table's.

use super::plain;
use crate::hint::nearest;
use crate::spec::definition::ColumnValue;
use crate::spec::file::Ordered;
use crate::spec::problem::{Path, Problems, bare_or_quoted, listed};
use crate::spec::schema;

const WORDS: [(&str, ColumnValue); 5] = [
    ("$document", ColumnValue::Document),
    ("$now", ColumnValue::Now),
    ("$run", ColumnValue::Run),
    ("$digest", ColumnValue::Digest),
    ("$definition", ColumnValue::Definition),
];

/// How messages call what a target is fed from.
#[derive(Clone, Copy)]
pub(super) struct Words {
    pub(super) columns: &'static str,
    pub(super) key: &'static str,
    pub(super) whole_key: &'static str,
    pub(super) exclude: &'static str,
}

pub(super) const OF_SOURCE: Words = Words {
    columns: "target.columns",
    key: "the source's key",
    whole_key: "the source's whole key",
    exclude: "source.exclude",
};

pub(super) const OF_RELATED: Words = Words {
    columns: "source.related.target.columns",
    key: "the related table's key",
    whole_key: "the related table's whole key",
    exclude: "exclude",
};

pub(super) fn columns(path: &Path, written: Ordered, problems: &mut Problems) -> Option<Vec<(String, ColumnValue)>> {
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
    if let [_, second, ..] = documents.as_slice() {
        let hint = "one column holds the document, others can be filled from it by the database";
        problems.add(&path.key(second), "is a second `$document`", hint);
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

/// What is excluded is not copied either.
pub(super) fn check_excluded(
    path: &Path,
    columns: &[(String, ColumnValue)],
    travels: impl Fn(&String) -> bool,
    words: Words,
    problems: &mut Problems,
) {
    for (column, value) in columns {
        let ColumnValue::Column(name) = value else { continue };
        if !travels(name) {
            let hint = format!("leave it out here, or take it out of `{}`", words.exclude);
            problems.add(&path.key(column), format!("copies `{name}`, which `{}` names", words.exclude), hint);
        }
    }
}

/// Every column of the target's key is fed by a column of the source's key, and all of them by one.
pub(super) fn check_key(
    path: &Path,
    target_key: &[String],
    columns: &[(String, ColumnValue)],
    source_key: &[String],
    words: Words,
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
                let hint = format!("write `{} = {name:?}` in `[{}]`", bare_or_quoted(column), words.columns);
                (format!("`{column}` is not among `{}`", words.columns), hint)
            }
            Some(ColumnValue::Column(name)) if fed.contains(&name.as_str()) => {
                (format!("`{column}` is fed by `{name}`, as one before it is"), format!("{} is {the_key}", words.key))
            }
            Some(ColumnValue::Column(name)) if source_key.contains(name) => {
                fed.push(name);
                continue;
            }
            Some(ColumnValue::Column(name)) => (
                format!("`{column}` is fed by `{name}`, which is not in {}", words.key),
                // Whichever of the two is misspelt: only the database knows which column is there.
                match nearest(name, source_key.iter().map(String::as_str)) {
                    Some(other) => {
                        format!("{} has `{other}`: did you mean `{name}` there, or `{other}` here?", words.key)
                    }
                    None => format!("feed it from {}, which is {the_key}, or put `{name}` there", words.key),
                },
            ),
            Some(_) => (
                format!("`{column}` is fed by a `$` word, not by {}", words.key),
                format!("feed it from {}, which is {the_key}", words.key),
            ),
        };
        problems.add(&path.index(place), message, hint);
        all_good = false;
    }
    let unfed: Vec<_> = source_key.iter().map(String::as_str).filter(|name| !fed.contains(name)).collect();
    if all_good && !unfed.is_empty() {
        let message = format!("leaves out what is fed by {}", listed(unfed.iter().copied(), "and"));
        let hint = format!("add the columns: with less than {}, two rows could become one record", words.whole_key);
        problems.add(path, message, hint);
    }
}
