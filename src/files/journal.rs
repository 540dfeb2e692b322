//! The journal: what rows said before they were changed, as lines of JSON in the target's bucket. A line is there before its row
//! changes, so that whatever happens afterwards can be taken back.

use super::columns::Columns;
use crate::cursor::Cursor;
use crate::spec::FilesDefinition;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

/// Bytes of one object of the journal, at most, unless a single row takes more.
const LARGEST: usize = 4 << 20;
/// The version of the lines.
const VERSION: u32 = 1;

/// A row's line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Line {
    /// The version of the line.
    pub(super) v: u32,
    /// The run that changed the row.
    pub(super) run: String,
    /// The row.
    pub(super) key: Cursor,
    /// What its columns of URLs said.
    pub(super) old: BTreeMap<String, Option<String>>,
    /// What those of them say that were changed.
    pub(super) new: BTreeMap<String, String>,
    /// What its columns of `[target.columns]` held.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) stamps: BTreeMap<String, Option<String>>,
    /// What became of each file.
    pub(super) files: Vec<Moved>,
}

/// A file that was moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Moved {
    /// The URL before.
    pub(super) from: String,
    /// The object's key.
    pub(super) key: String,
    /// Its length.
    pub(super) bytes: u64,
    /// SHA-256 of its bytes, in hex; a run that found the object of an earlier one may not know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sha256: Option<String>,
}

impl Line {
    pub(super) fn new(run: &str, key: &Cursor) -> Self {
        Self {
            v: VERSION,
            run: run.to_owned(),
            key: key.clone(),
            old: BTreeMap::new(),
            new: BTreeMap::new(),
            stamps: BTreeMap::new(),
            files: Vec::new(),
        }
    }

    /// The text of a column as it was.
    pub(super) fn before<'a>(&'a self, columns: &Columns, place: usize) -> Option<&'a str> {
        let name = &columns.all.get(place)?.name;
        self.old.get(name).or_else(|| self.stamps.get(name))?.as_deref()
    }
}

/// Where a migration's journal is.
pub(super) fn folder(definition: &FilesDefinition) -> String {
    format!("{}.milkrun/{}/journal/", definition.target.prefix, definition.name)
}

/// A key that no other run writes to, and that sorts by time.
pub(super) fn fresh_key(definition: &FilesDefinition) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    format!("{}{now:014}-{:016x}.ndjson", folder(definition), rand::random::<u64>())
}

/// Lines as the bodies of as many objects as they take.
pub(super) fn bodies(lines: &[Line]) -> Result<Vec<String>, serde_json::Error> {
    let mut bodies: Vec<String> = Vec::new();
    for line in lines {
        let line = serde_json::to_string(line)?;
        match bodies.last_mut().filter(|body| body.len() + line.len() < LARGEST) {
            Some(body) => body.push_str(&line),
            None => bodies.push(line),
        }
        if let Some(body) = bodies.last_mut() {
            body.push('\n');
        }
    }
    Ok(bodies)
}

/// The lines of an object of the journal.
pub(super) fn lines(body: &[u8]) -> Result<Vec<Line>, serde_json::Error> {
    body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(serde_json::from_slice).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cursor::KeyPart;

    #[test]
    fn lines_are_read_as_they_were_written() {
        let key = Cursor(vec![KeyPart::Text("naughty\n\"line\"\u{2028}".to_owned()), KeyPart::Int("7".to_owned())]);
        let mut line = Line::new("r1", &key);
        line.old.insert("photos".to_owned(), Some("[\"https://old/1\"]\n".to_owned()));
        line.old.insert("avatar".to_owned(), None);
        line.new.insert("photos".to_owned(), "[\"https://new/1\"]\n".to_owned());
        let written = bodies(&[line.clone(), line.clone()]).unwrap();
        assert_eq!(written.len(), 1);
        assert_eq!(written[0].lines().count(), 2);
        assert_eq!(lines(written[0].as_bytes()).unwrap(), [line.clone(), line.clone()]);
        line.old.insert("photos".to_owned(), Some("x".repeat(LARGEST / 2)));
        assert_eq!(bodies(&[line.clone(), line.clone(), line]).unwrap().len(), 3);
    }
}
