//! What the design names and this version does not build: refused by name, never ignored. Later versions shorten these
//! tables.

use super::problem::{Path, Problems};
use toml::{Table, Value};

/// What is said of all of them.
pub(super) const NOT_BUILT: &str = "is not built in this version yet";

/// Kinds that have a meaning, only not here.
const KINDS: [(&str, &str); 3] = [
    ("files", "this version moves `rows`"),
    ("objects", "this version moves `rows`"),
    ("cutover", "the name is reserved; this version moves `rows`"),
];

/// Fields, by section.
const FIELDS: [(&[&str], &str, &str); 3] = [
    (&["source"], "http", "leave the section out: it belongs to migrations of kind `files`"),
    (&["source"], "files", "leave the sections out: they belong to migrations of kind `files`"),
    (&["source"], "prefix", "leave it out: it belongs to migrations of kind `objects`"),
];

/// Refuses a kind of a later version. `true`: nothing else of the file can be judged by what this version knows.
pub(super) fn refuse_kind(file: &Table, problems: &mut Problems) -> bool {
    let Some(kind) = file.get("kind").and_then(Value::as_str) else { return false };
    let Some((_, hint)) = KINDS.iter().find(|(name, _)| *name == kind) else { return false };
    problems.add(&Path::root().key("kind"), format!("`{kind}` {NOT_BUILT}"), *hint);
    problems.spoil(Path::root());
    true
}

/// Refuses fields of later versions and takes them out of the file.
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
}
