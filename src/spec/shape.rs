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
    refuse_dates(&mut root, problems);
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

/// What messages call one that TOML itself knows.
const DATE: &str = "a date without quotes";
/// How the reader of TOML calls a number beyond 64 bits.
const TOO_LARGE: [&str; 4] = ["u64 value", "i128", "u128", "number overflowed"];

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

/// The reader would take a date without quotes for a text, and a `where` of one is a number to MySQL: every row would match.
fn refuse_dates(root: &mut Value, problems: &mut Problems) {
    let mut found = Vec::new();
    dates(root, &Path::root(), &mut found);
    for path in found {
        let message = format!("must be {}, not {DATE}", schema::expected(&path));
        problems.add(&path, message, schema::example(&path));
        if problems.full() {
            return;
        }
        take_away(root, &path);
        problems.spoil(path);
    }
}

/// Where dates stand in fields that there are.
fn dates(value: &Value, path: &Path, found: &mut Vec<Path>) {
    match value {
        Value::Datetime(_) if schema::is_known(path) => found.push(path.clone()),
        Value::Array(elements) => {
            for (place, element) in elements.iter().enumerate() {
                dates(element, &path.index(place), found);
            }
        }
        Value::Table(fields) => {
            for (name, field) in fields {
                dates(field, &path.key(name), found);
            }
        }
        _ => {}
    }
}

fn refuse_unknown(path: &Path, kind: Option<Kind>, problems: &mut Problems) {
    if problems.full() {
        return;
    }
    let parent = path.parent();
    let mut fields = schema::fields(&parent);
    fields.retain(|field| unbuilt::belongs(&parent, field, kind));
    let place = if parent.steps().is_empty() { "a migration file".to_owned() } else { format!("`{parent}`") };
    let hint = if let Some(meant) = nearest(path.last_key(), fields.iter().copied()) {
        problems.add(path, format!("is not a field of {place}"), format!("did you mean `{meant}`?"));
        // That it is missing under its right name would be the same problem again.
        problems.spoil(parent.key(meant));
        return;
    } else if let Some(home) = home(path, kind) {
        home
    } else {
        format!("its fields are {}", listed(fields, "and"))
    };
    problems.add(path, format!("is not a field of {place}"), hint);
}

/// Where a field belongs that stands somewhere else: below the header of a section everything is that section's.
fn home(path: &Path, kind: Option<Kind>) -> Option<String> {
    let (root, name) = (Path::root(), path.last_key());
    if path.parent().steps().len() > 1 {
        return None;
    }
    let has = |place: &Path| schema::fields(place).contains(&name) && unbuilt::belongs(place, name, kind);
    if has(&root) {
        return Some("it belongs to the top of the file, above the first section".to_owned());
    }
    let sections = schema::fields(&root).into_iter().filter(|section| unbuilt::belongs(&root, section, kind));
    let homes: Vec<String> =
        sections.filter(|section| has(&root.key(section))).map(|section| format!("[{section}]")).collect();
    (!homes.is_empty()).then(|| format!("it belongs into {}", listed(homes.iter().map(String::as_str), "or")))
}

fn not_toml(text: &str, error: &toml::de::Error) -> Problem {
    let place = error.span().map_or(0, |span| span.start);
    let before = text.get(..place).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    // Only the message: its Display quotes the line, which may hold what must not be shown.
    let message = error.message().trim().replace('\n', ", ");
    let field = format!("line {line}, column {column}");
    if TOO_LARGE.iter().any(|part| message.contains(part)) {
        let hint = format!("numbers end at {}; each field's own range is smaller still", i64::MAX);
        return Problem { field, message: "is a number too large for a file".to_owned(), hint };
    }
    Problem {
        field,
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
        Value::Datetime(_) => DATE,
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
