//! What the design names and this version does not build, and what belongs to another kind: refused by name, never ignored. Later
//! versions shorten these tables.

use super::definition::Kind;
use super::problem::{Path, Problems, Step};
use toml::{Table, Value};

/// What is said of all of them.
pub(super) const NOT_BUILT: &str = "is not built in this version yet";

/// Kinds that have a meaning, only not here.
const KINDS: [(&str, &str); 2] = [
    ("objects", "this version moves `rows` and `files`"),
    ("cutover", "the name is reserved; this version moves `rows` and `files`"),
];

/// Fields of later versions, by section.
const FIELDS: [(&[&str], &str, &str); 1] =
    [(&["source"], "prefix", "leave it out: it belongs to migrations of kind `objects`")];

/// Fields that one kind alone has, by section.
const OF_ONE_KIND: [(Kind, &str, &[&str]); 4] = [
    (Kind::Rows, "source", &["exclude", "related"]),
    (Kind::Files, "source", &["files", "http"]),
    (Kind::Rows, "target", &["database", "schema", "table", "after", "create"]),
    (
        Kind::Files,
        "target",
        &[
            "bucket",
            "prefix",
            "region",
            "role",
            "endpoint",
            "kms_key",
            "storage_class",
            "cache_control",
            "url",
            "content_types",
        ],
    ),
];

/// The kind that a file says it is of, if it is one that is built.
pub(super) fn kind(file: &Table) -> Option<Kind> {
    match file.get("kind")?.as_str()? {
        "rows" => Some(Kind::Rows),
        "files" => Some(Kind::Files),
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

/// Refuses fields of later versions and of other kinds, and takes them out of the file.
pub(super) fn refuse_fields(file: &mut Table, problems: &mut Problems) {
    for (section, field, hint) in FIELDS {
        let mut path = Path::root();
        let mut table = Some(&mut *file);
        for name in section {
            path = path.key(name);
            table = table.and_then(|table| table.get_mut(*name)?.as_table_mut());
        }
        if table.and_then(|table| table.remove(field)).is_some() {
            problems.add(&path.key(field), NOT_BUILT, hint);
        }
    }
    let Some(ours) = kind(file) else { return };
    for (kind, section, fields) in OF_ONE_KIND.into_iter().filter(|(kind, ..)| *kind != ours) {
        let Some(table) = file.get_mut(section).and_then(Value::as_table_mut) else { continue };
        for field in fields {
            if table.remove(*field).is_some() {
                let message = format!("belongs to migrations of kind `{}`", word(kind));
                problems.add(&Path::root().key(section).key(field), message, "leave it out, or correct `kind`");
            }
        }
    }
}

/// Whether a field of this place can stand in a file of this kind.
pub(super) fn belongs(place: &Path, field: &str, kind: Option<Kind>) -> bool {
    let [Step::Key(section)] = place.steps() else { return true };
    let foreign = |(of, name, fields): &(Kind, &str, &[&str])| {
        *name == section && fields.contains(&field) && kind.is_some_and(|kind| kind != *of)
    };
    !OF_ONE_KIND.iter().any(foreign)
}

/// How a kind is written.
pub(super) fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Rows => "rows",
        Kind::Files => "files",
    }
}
