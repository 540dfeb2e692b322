//! From fields to meaning: everything that can be said of a migration file without a database.

mod after_row;
mod bucket;
mod feeding;
mod files;
mod http;
mod limits;
mod objects;
mod related_target;
mod source;
mod target;
#[cfg(test)]
mod tests;
mod throttle;

use super::definition::{Defined, Definition, Kind, Mode, Source, Target, Throttle};
use super::digest;
use super::file::{File, SourceSection, TargetSection};
use super::files::{FilesSource, FilesTarget};
use super::objects::{ObjectsSource, ObjectsTarget};
use super::problem::{Path, Problems};
use super::schema;
use crate::hint::nearest;
use std::collections::HashSet;

/// Understands a whole file; what is wrong with it is added to `problems`.
pub(super) fn definition(stem: &str, file: File, problems: &mut Problems) -> Option<Definition> {
    let root = Path::root();
    let name = name(&root.key("name"), stem, file.name, problems);
    let kind = required(&root.key("kind"), file.kind, problems);
    let kinds = [("rows", Kind::Rows), ("files", Kind::Files), ("objects", Kind::Objects)];
    let kind = kind.and_then(|kind| word(&root.key("kind"), &kind, &kinds, problems));
    let mode = file.mode.unwrap_or_else(|| "once".to_owned());
    let mode = word(&root.key("mode"), &mode, &[("once", Mode::Once), ("continuous", Mode::Continuous)], problems);
    let source = required(&root.key("source"), file.source, problems);
    let target = required(&root.key("target"), file.target, problems);
    let meaning = match kind {
        Some(Kind::Files) => {
            let hooks = after_row::check(&root.key("after_row"), file.after_row.unwrap_or_default(), problems);
            let both = files::check(source, target, problems);
            let both = both.zip(hooks).map(|((source, target), hooks)| (source, FilesTarget { hooks, ..target }));
            if let Some((source, target)) = &both {
                after_row::check_filter(source, target, problems);
            }
            both.map(|both| Meaning::Files(Box::new(both)))
        }
        Some(Kind::Objects) => {
            let both = objects::check(source, target, file.copy.unwrap_or_default(), problems);
            both.map(|both| Meaning::Objects(Box::new(both)))
        }
        // Without a kind the others of its fields are judged as those of the usual one.
        Some(Kind::Rows) | None => rows(source, target, problems).map(|both| Meaning::Rows(Box::new(both))),
    };
    let limits = limits::check(&root.key("limits"), file.limits.unwrap_or_default(), problems);
    let throttle = file.throttle.map(|section| throttle::check(&root.key("throttle"), section, problems));
    let throttle = match throttle {
        Some(throttle) => Some(throttle?),
        None => None,
    };
    if kind == Some(Kind::Objects) && matches!(throttle, Some(Throttle::Query { database: None, .. })) {
        let hint = "write `database = \"$QUEUE_DATABASE_URL\"`: a bucket has none that could be asked";
        problems.add(&root.key("throttle").key("database"), "is missing", hint);
    }
    kind?;
    let (name, mode, limits) = (name?, mode?, limits?);
    Some(match meaning? {
        Meaning::Rows(both) => {
            let (source, target) = *both;
            let (digest, fields) = digest::of_meaning(&source, &target);
            let identity = digest::of_identity(&source, &target);
            let rows = Defined { name, mode, source, target, limits, throttle, digest, identity, fields };
            Definition::Rows(Box::new(rows))
        }
        Meaning::Files(both) => {
            let (source, target) = *both;
            let (digest, identity, fields) = digest::of_files(&source, &target);
            let files = Defined { name, mode, source, target, limits, throttle, digest, identity, fields };
            Definition::Files(Box::new(files))
        }
        Meaning::Objects(both) => {
            let (source, target) = *both;
            let (digest, identity, fields) = digest::of_objects(&source, &target);
            let objects = Defined { name, mode, source, target, limits, throttle, digest, identity, fields };
            Definition::Objects(Box::new(objects))
        }
    })
}

/// What a file says of source and target.
enum Meaning {
    Rows(Box<(Source, Target)>),
    Files(Box<(FilesSource, FilesTarget)>),
    Objects(Box<(ObjectsSource, ObjectsTarget)>),
}

fn rows(
    source: Option<SourceSection>,
    target: Option<TargetSection>,
    problems: &mut Problems,
) -> Option<(Source, Target)> {
    let root = Path::root();
    let source = source.map(|source| source::check(&root.key("source"), source, problems));
    let target = target.map(|target| target::check(&root.key("target"), target, problems));
    if let (Some(source), Some(target)) = (&source, &target) {
        target::check_feeding(&root.key("target"), target, source, problems);
    }
    let (source, target) = (source?.finish()?, target?.finish()?);
    target::check_tables(&target, &source, problems);
    target::check_related(&target, &source, problems);
    Some((source, target))
}

fn name(path: &Path, stem: &str, written: Option<String>, problems: &mut Problems) -> Option<String> {
    let Some(name) = written else {
        problems.add(path, "is missing", format!("write `name = {stem:?}`, as the file is called"));
        return None;
    };
    let legal = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
    if name.is_empty() || name.len() > 100 || !name.chars().all(legal) {
        let hint = "letters, digits, `-`, `_` and `.`, up to 100 of them, as in `orders-history`";
        problems.add(path, "is not a name that a migration can have", hint);
        return None;
    }
    if name != stem {
        let hint = format!("write `name = {stem:?}`, or call the file `{name}.toml`");
        problems.add(path, format!("is `{name}`, but the file is called `{stem}.toml`"), hint);
        return None;
    }
    Some(name)
}

fn required<T>(path: &Path, value: Option<T>, problems: &mut Problems) -> Option<T> {
    if value.is_none() {
        problems.add(path, "is missing", schema::example(path));
    }
    value
}

/// One of a few words.
fn word<T: Copy>(path: &Path, written: &str, known: &[(&str, T)], problems: &mut Problems) -> Option<T> {
    if let Some((_, meaning)) = known.iter().find(|(word, _)| *word == written) {
        return Some(*meaning);
    }
    let words = || known.iter().map(|(word, _)| *word);
    let hint = match nearest(written, words()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("write `{} = \"{}\"`", path.last_key(), words().next().unwrap_or_default()),
    };
    let message = if written.is_empty() { "is empty".to_owned() } else { format!("`{written}` is unknown") };
    problems.add(path, message, hint);
    None
}

/// The name of a table, a schema, a column or an array: any text that a database takes.
fn identifier(path: &Path, name: Option<String>, problems: &mut Problems) -> Option<String> {
    let name = required(path, name, problems)?;
    plain(path, &name, problems).then_some(name)
}

/// As `identifier`, for a field that may be left out.
fn optional_identifier(path: &Path, name: Option<String>, problems: &mut Problems) -> Option<String> {
    name.filter(|name| plain(path, name, problems))
}

fn plain(path: &Path, name: &str, problems: &mut Problems) -> bool {
    if name.is_empty() {
        let hint = schema::own_example(path).unwrap_or_else(|| "write the name of a column".to_owned());
        problems.add(path, "is empty", hint);
    } else if name.contains('\0') {
        problems.add(path, "holds a NUL character", "no database takes it in a name");
    }
    !name.is_empty() && !name.contains('\0')
}

/// A list of columns, each named once.
fn columns(path: &Path, names: Vec<String>, problems: &mut Problems) -> Option<Vec<String>> {
    let mut good = true;
    let mut seen = HashSet::new();
    for (place, name) in names.iter().enumerate() {
        let at = path.index(place);
        good &= plain(&at, name, problems);
        if !seen.insert(name) && !name.is_empty() {
            problems.add(&at, format!("names `{name}` a second time"), "name each column once");
            good = false;
        }
    }
    (good && problems.sound(path)).then_some(names)
}

/// A key: at least one column.
fn key(path: &Path, names: Option<Vec<String>>, problems: &mut Problems) -> Option<Vec<String>> {
    let names = required(path, names, problems)?;
    if names.is_empty() {
        problems.add(path, "is empty", schema::example(path));
        return None;
    }
    columns(path, names, problems)
}
