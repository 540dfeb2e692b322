//! The journal: what rows said before they were changed, as lines of JSON in the target's bucket. A line is there before its row
//! changes, so that whatever happens afterwards can be taken back.

use super::Files;
use super::columns::Columns;
use super::failure::fault;
use crate::cursor::{Cursor, KeyPart};
use crate::fault::{Class, Fault};
use crate::rows::link::Deadline;
use crate::s3::Object;
use crate::spec::FilesDefinition;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Bytes of one object of the journal, at most, unless a single row takes more.
const LARGEST: usize = 4 << 20;
/// Bytes that are read of one, at most: a single row may be large.
const MOST_READ: usize = 64 << 20;
/// Its folder among the migration's notes.
pub(super) const JOURNAL: &str = "journal";
/// The version of the lines.
const VERSION: u32 = 1;

/// A row's line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Line {
    /// The version of the line.
    pub(super) v: u32,
    /// [`mark`] of the definition: key, table and target may have been others before a `reset`. Early lines have none.
    #[serde(default)]
    pub(super) of: String,
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
    /// CRC-64/NVME of them, as S3 writes it; likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) crc64nvme: Option<String>,
    /// The run that made the object, where it says so: this one or an earlier one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) made: Option<String>,
}

impl Line {
    pub(super) fn new(definition: &FilesDefinition, run: &str, key: &Cursor) -> Self {
        Self {
            v: VERSION,
            of: mark(definition),
            run: run.to_owned(),
            key: key.clone(),
            old: BTreeMap::new(),
            new: BTreeMap::new(),
            stamps: BTreeMap::new(),
            files: Vec::new(),
        }
    }

    /// Whether key, table and target are what they were then.
    pub(super) fn is_of(&self, definition: &FilesDefinition) -> bool {
        self.of.is_empty() || self.of == mark(definition)
    }

    /// The text of a column as it was.
    pub(super) fn before<'a>(&'a self, columns: &Columns, place: usize) -> Option<&'a str> {
        let name = &columns.all.get(place)?.name;
        self.old.get(name).or_else(|| self.stamps.get(name))?.as_deref()
    }
}

/// What tells lines and objects of one key, table and target from those of another.
pub(super) fn mark(definition: &FilesDefinition) -> String {
    definition.identity.chars().take(16).collect()
}

/// Where a migration's journal is.
pub(super) fn folder(definition: &FilesDefinition) -> String {
    format!("{}{JOURNAL}/", notes(definition))
}

/// A key in one of the migration's folders that no other run writes to, and that sorts by time.
pub(super) fn fresh_key(definition: &FilesDefinition, folder: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    format!("{}{folder}/{now:014}-{:016x}.ndjson", notes(definition), rand::random::<u64>())
}

/// Where all that a migration notes is.
pub(super) fn notes(definition: &FilesDefinition) -> String {
    format!("{}.milkrun/{}/", definition.target.prefix, definition.name)
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

impl Files {
    /// An object of lines that milkrun writes for itself.
    pub(super) fn note(&self, key: String) -> Object {
        Object {
            bucket: self.definition.target.bucket.clone(),
            key,
            content_type: Some("application/x-ndjson".to_owned()),
            kms_key: self.definition.target.kms_key.clone(),
            ..Object::default()
        }
    }

    /// The last line of the journal; `None`: there is none.
    pub(super) async fn journal_end(&self, limit: Duration) -> Result<Option<Cursor>, Fault> {
        Ok(self.journal_objects(limit).await?.last().map(|key| place(key, usize::MAX)))
    }

    /// Its objects as of the first time that this was asked.
    async fn journal_objects(&self, limit: Duration) -> Result<&Vec<String>, Fault> {
        self.journal.get_or_try_init(|| self.journal_now(limit)).await
    }

    /// Its objects, in the order in which they were written.
    pub(super) async fn journal_now(&self, limit: Duration) -> Result<Vec<String>, Fault> {
        let keys = self.s3.list(&self.definition.target.bucket, &folder(&self.definition), limit).await;
        let mut keys = keys.map_err(|error| fault(&error))?;
        // Not every server lists them in the order of their bytes.
        keys.sort();
        Ok(keys)
    }

    /// The lines of one of its objects.
    pub(super) async fn journal_lines(&self, object: &str, limit: Duration) -> Result<Vec<Line>, Fault> {
        let body = self.s3.get(&self.definition.target.bucket, object, MOST_READ, limit).await;
        lines(&body.map_err(|error| fault(&error))?)
            .map_err(|_| Fault::new(Class::Fatal, "an object of the journal does not hold its lines: look at it"))
    }

    /// The next lines behind a place, up to `most` of them and to the end of their object, and the place behind them; `None`: there are
    /// none.
    pub(super) async fn next_lines(
        &self,
        after: Option<&Cursor>,
        most: usize,
        limit: Duration,
    ) -> Result<Option<(Vec<Line>, Cursor)>, Fault> {
        let deadline = Deadline::after(limit);
        let (at, mut done) = after.and_then(parted).unwrap_or(("", 0));
        let objects = self.journal_objects(limit).await?;
        for key in objects.iter().filter(|key| key.as_str() >= at) {
            let lines = self.journal_lines(key, deadline.left()).await?;
            if *key != at {
                done = 0;
            }
            if done < lines.len() {
                let mut some: Vec<Line> = lines.into_iter().skip(done).take(most).collect();
                let end = place(key, done + some.len());
                some.retain(|line| line.is_of(&self.definition));
                return Ok(Some((some, end)));
            }
        }
        Ok(None)
    }

    /// The lines before a place, the latest first, up to `most` of them and to the beginning of their object, and the place before them;
    /// `None`: there are none.
    pub(super) async fn lines_before(
        &self,
        before: &Cursor,
        most: usize,
        limit: Duration,
    ) -> Result<Option<(Vec<Line>, Cursor)>, Fault> {
        let deadline = Deadline::after(limit);
        let Some((at, left)) = parted(before) else { return Ok(None) };
        let objects = self.journal_objects(limit).await?;
        for key in objects.iter().rev().filter(|key| key.as_str() <= at) {
            if *key == at && left == 0 {
                continue;
            }
            let mut lines = self.journal_lines(key, deadline.left()).await?;
            if *key == at {
                lines.truncate(left);
            }
            if !lines.is_empty() {
                let begin = lines.len().saturating_sub(most);
                let mut some = lines.split_off(begin);
                some.reverse();
                some.retain(|line| line.is_of(&self.definition));
                return Ok(Some((some, place(key, begin))));
            }
        }
        Ok(None)
    }
}

/// The object of a place in the journal, and how many lines of it are before that.
fn parted(place: &Cursor) -> Option<(&str, usize)> {
    match place.0.as_slice() {
        [object, lines, ..] => Some((object.text(), lines.text().parse().unwrap_or(0))),
        _ => None,
    }
}

/// A place in the journal: behind so many lines of an object.
fn place(object: &str, lines: usize) -> Cursor {
    Cursor(vec![KeyPart::Text(object.to_owned()), KeyPart::Int(lines.to_string())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_they_were_written() {
        let key = Cursor(vec![KeyPart::Text("naughty\n\"line\"\u{2028}".to_owned()), KeyPart::Int("7".to_owned())]);
        let mut line = Line {
            v: VERSION,
            of: "m".to_owned(),
            run: "r1".to_owned(),
            key,
            old: BTreeMap::new(),
            new: BTreeMap::new(),
            stamps: BTreeMap::new(),
            files: Vec::new(),
        };
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
