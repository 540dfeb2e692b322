//! From text to the fields of a migration file: syntax, unknown fields and wrong types, all that there are.

use super::definition::Kind;
use super::file::File;
use super::problem::{Path, Problem, Problems, Step, listed};
use super::schema;
use super::unbuilt;
use crate::hint::nearest;
use serde::Deserialize;
use serde_path_to_error::Segment;
use toml::{Table, Value};

/// Reads what can be read; the rest is in `problems`. `Err` is for text that is not TOML at all.
pub(super) fn read(text: &str, problems: &mut Problems) -> Result<File, Problem> {
    let mut table: Table = toml::from_str(text).map_err(|error| not_toml(text, &error))?;
    if unbuilt::refuse_kind(&table, problems) {
        return Ok(File::default());
    }
    unbuilt::refuse_fields(&mut table, problems);
    let kind = unbuilt::kind(&table);
    let mut root = Value::Table(table);
    // Every turn takes one wrong value away, so there are no more turns than values.
    loop {
        match attempt(&root) {
            Ok((file, unknown)) => {
                for path in unknown {
                    refuse_unknown(&path, kind, problems);
                }
                return Ok(file);
            }
            Err(wrong) => {
                let found = find(&root, &wrong.path);
                let (known, kind) = (found.is_some(), found.map_or("this", kind_of));
                let message = if kind == wrong.expected {
                    wrong.message
                } else {
                    format!("must be {}, not {kind}", wrong.expected)
                };
                problems.add(&wrong.path, message, schema::example(&wrong.path));
                problems.spoil(wrong.path.clone());
                if !known || problems.full() || !take_away(&mut root, &wrong.path) {
                    return Ok(File::default());
                }
            }
        }
    }
}

struct Wrong {
    path: Path,
    expected: &'static str,
    message: String,
}

fn attempt(root: &Value) -> Result<(File, Vec<Path>), Wrong> {
    let mut unknown = Vec::new();
    let mut track = serde_path_to_error::Track::new();
    let tracked = serde_path_to_error::Deserializer::new(root.clone(), &mut track);
    let mut ignored = |path: serde_ignored::Path<'_>| unknown.push(of_ignored(&path));
    match File::deserialize(serde_ignored::Deserializer::new(tracked, &mut ignored)) {
        Ok(file) => Ok((file, unknown)),
        Err(error) => {
            let path = of_segments(&track.path());
            let expected = schema::expected(&path);
            Err(Wrong { path, expected, message: error.message().trim().to_owned() })
        }
    }
}

fn refuse_unknown(path: &Path, kind: Option<Kind>, problems: &mut Problems) {
    let parent = path.parent();
    let mut fields = schema::fields(&parent);
    fields.retain(|field| unbuilt::belongs(&parent, field, kind));
    let place = if parent.steps().is_empty() { "a migration file".to_owned() } else { format!("`{parent}`") };
    let hint = if let Some(meant) = nearest(path.last_key(), fields.iter().copied()) {
        problems.add(path, format!("is not a field of {place}"), format!("did you mean `{meant}`?"));
        // That it is missing under its right name would be the same problem again.
        problems.spoil(parent.key(meant));
        return;
    } else {
        format!("its fields are {}", listed(fields, "and"))
    };
    problems.add(path, format!("is not a field of {place}"), hint);
}

fn not_toml(text: &str, error: &toml::de::Error) -> Problem {
    let place = error.span().map_or(0, |span| span.start);
    let before = text.get(..place).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    // Only the message: its Display quotes the line, which may hold what must not be shown.
    let message = error.message().trim().replace('\n', ", ");
    Problem {
        field: format!("line {line}, column {column}"),
        hint: if message.contains("duplicate") {
            "write every field and every section once".to_owned()
        } else {
            "strings stand in quotes, a section begins with its name in brackets".to_owned()
        },
        message: format!("is not TOML: {message}"),
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a string",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number with a fraction",
        Value::Boolean(_) => "`true` or `false`",
        Value::Datetime(_) => "a date without quotes",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    }
}

fn find<'a>(root: &'a Value, path: &Path) -> Option<&'a Value> {
    path.steps().iter().try_fold(root, |value, step| match step {
        Step::Key(key) => value.get(key),
        Step::Index(index) => value.get(index),
    })
}

/// Removes a field; an element of a list is replaced, so that the places of the others stay what they are.
fn take_away(root: &mut Value, path: &Path) -> bool {
    let Some((last, parents)) = path.steps().split_last() else { return false };
    let parent = parents.iter().try_fold(root, |value, step| match step {
        Step::Key(key) => value.get_mut(key),
        Step::Index(index) => value.get_mut(index),
    });
    match (parent, last) {
        (Some(Value::Table(table)), Step::Key(key)) => table.remove(key).is_some(),
        (Some(Value::Array(elements)), Step::Index(index)) => {
            let neutral = match schema::expected(path) {
                "a table" => Value::Table(Table::new()),
                _ => Value::String(String::new()),
            };
            elements.get_mut(*index).map(|element| *element = neutral).is_some()
        }
        _ => false,
    }
}

fn of_segments(path: &serde_path_to_error::Path) -> Path {
    let mut steps = Path::root();
    for segment in path {
        match segment {
            Segment::Seq { index } => steps = steps.index(*index),
            Segment::Map { key } => steps = steps.key(key),
            Segment::Enum { .. } | Segment::Unknown => break,
        }
    }
    steps
}

fn of_ignored(path: &serde_ignored::Path<'_>) -> Path {
    match path {
        serde_ignored::Path::Root => Path::root(),
        serde_ignored::Path::Seq { parent, index } => of_ignored(parent).index(*index),
        serde_ignored::Path::Map { parent, key } => of_ignored(parent).key(key),
        serde_ignored::Path::Some { parent }
        | serde_ignored::Path::NewtypeStruct { parent }
        | serde_ignored::Path::NewtypeVariant { parent } => of_ignored(parent),
    }
}
