//! What the design names and this version does not build, and what belongs to another kind: refused by name, never ignored. Later
//! versions shorten these tables.

use super::definition::Kind;
use super::problem::{Path, Problems, Step, listed};
use toml::{Table, Value};

/// What is said of them.
const NOT_BUILT: &str = "is not built in this version yet";

/// Kinds that have a meaning, only not here.
const KINDS: [(&str, &str); 1] =
    [("cutover", "the name is reserved; this version moves `rows`, `files` and `objects`")];

/// Fields that not every kind has, by section.
const OF_SOME_KINDS: [(&[Kind], &str, &[&str]); 10] = [
    (&[Kind::Rows], "source", &["exclude", "related"]),
    (&[Kind::Files], "source", &["files", "http"]),
    (&[Kind::Rows, Kind::Files], "source", &["database", "schema", "table", "key", "where", "changed", "overlap"]),
    (&[Kind::Objects], "source", &["bucket", "prefix", "region", "role", "endpoint", "expected_owner", "inventory"]),
    (&[Kind::Rows], "target", &["database", "schema", "table", "after"]),
    (&[Kind::Rows, Kind::Objects], "target", &["create"]),
    (&[Kind::Rows, Kind::Files], "target", &["key", "columns"]),
    (&[Kind::Files], "target", &["storage_class", "cache_control", "url", "content_types"]),
    (&[Kind::Files, Kind::Objects], "target", &["bucket", "prefix", "region", "role", "endpoint", "kms_key"]),
    (&[Kind::Objects], "target", &["expected_owner"]),
];

/// Sections that one kind alone has.
const SECTIONS: [(Kind, &str); 2] = [(Kind::Files, "after_row"), (Kind::Objects, "copy")];

/// The kind that a file says it is of, if it is one that is built.
pub(super) fn kind(file: &Table) -> Option<Kind> {
    match file.get("kind")?.as_str()? {
        "rows" => Some(Kind::Rows),
        "files" => Some(Kind::Files),
        "objects" => Some(Kind::Objects),
        _ => None,
    }
}

/// Refuses a kind of a later version. `true`: nothing else of the file can be judged by what this version knows.
pub(super) fn refuse_kind(file: &Table, problems: &mut Problems) -> bool {
    let Some(kind) = file.get("kind").and_then(Value::as_str) else { return false };
    let Some((_, hint)) = KINDS.iter().find(|(name, _)| *name == kind) else { return false };
    problems.add(&Path::root().key("kind"), format!("`{kind}` {NOT_BUILT}"), *hint);
    problems.spoil(Path::root());
    true
}

/// Refuses fields of other kinds, and takes them out of the file.
pub(super) fn refuse_fields(file: &mut Table, problems: &mut Problems) {
    let Some(ours) = kind(file) else { return };
    let mut refuse = |path: Path, kinds: &[Kind]| {
        let message = format!("belongs to migrations of kind {}", listed(kinds.iter().map(|kind| word(*kind)), "and"));
        problems.add(&path, message, "leave it out, or correct `kind`");
    };
    for (kinds, section, fields) in OF_SOME_KINDS.into_iter().filter(|(kinds, ..)| !kinds.contains(&ours)) {
        let Some(table) = file.get_mut(section).and_then(Value::as_table_mut) else { continue };
        for field in fields {
            if table.remove(*field).is_some() {
                refuse(Path::root().key(section).key(field), kinds);
            }
        }
    }
    for (kind, section) in SECTIONS.into_iter().filter(|(kind, _)| *kind != ours) {
        if file.remove(section).is_some() {
            refuse(Path::root().key(section), &[kind]);
        }
    }
}

/// Whether a field of this place can stand in a file of this kind.
pub(super) fn belongs(place: &Path, field: &str, kind: Option<Kind>) -> bool {
    let Some(kind) = kind else { return true };
    match place.steps() {
        [] => !SECTIONS.iter().any(|(of, name)| *name == field && *of != kind),
        [Step::Key(section)] => !OF_SOME_KINDS
            .iter()
            .any(|(kinds, name, fields)| *name == section && fields.contains(&field) && !kinds.contains(&kind)),
        _ => true,
    }
}

/// How a kind is written.
fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Rows => "rows",
        Kind::Files => "files",
        Kind::Objects => "objects",
    }
}
