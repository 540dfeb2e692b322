//! Objects that the row which they were made for does not point at: it was deleted, or the application pointed it elsewhere while its
//! files were under way. `verify` counts them, lists them beside the journal, and leaves them alone: another row may point at one.

use super::Files;
use super::failure::fault;
use super::journal;
use super::row::Row;
use super::storing::left;
use super::transfer::Job;
use crate::cursor::{Cursor, KeyPart};
use crate::digest;
use crate::engine::migration::{Comparison, Range, Read};
use crate::fault::Fault;
use crate::rows::link::Deadline;
use crate::s3::{Checksum, Head, S3Error};
use crate::spec::FileColumn;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures_util::future::try_join_all;
use serde_json::json;
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use tokio::time::Instant;

/// What is written beside each object: the migration that made it,
pub(super) const MIGRATION: &str = "milkrun-migration";
/// the SHA-256 of the URL that it was made of,
pub(super) const SOURCE: &str = "milkrun-source";
/// and the key of the row that held the URL.
pub(super) const ROW: &str = "milkrun-row";
/// What it was made for: table and target, and the column of URLs.
const FOR: &str = "milkrun-for";

/// Objects that are looked at in one step, at most.
const MOST: u64 = 500;
/// Examples that one step names.
const EXAMPLES: usize = 20;
/// Bytes of a row's key as a mark, at most: S3 takes 2 KB of marks in all.
const LONGEST: usize = 1500;

/// A row's key as a mark.
pub(super) fn mark(key: &Cursor) -> String {
    let json = serde_json::to_string(key).unwrap_or_default();
    let text = URL_SAFE_NO_PAD.encode(&json);
    if text.len() > LONGEST { format!("sha256:{}", digest::sha256(json)) } else { text }
}

/// Whether an object says that it was made by this migration, of this row.
pub(super) fn is_made_of(head: &Head, migration: &str, row: &Cursor) -> bool {
    head.metadata.get(MIGRATION).is_some_and(|name| name == migration)
        && head.metadata.get(ROW).is_some_and(|said| *said == mark(row))
}

/// The key that a mark says; `None`: it was too long to be said.
fn key_of(mark: &str) -> Option<Cursor> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(mark).ok()?).ok()
}

/// An object of this migration, and where it came from.
struct Made {
    object: String,
    row: Cursor,
    /// SHA-256 of the URL.
    source: String,
}

impl Files {
    /// What is written beside an object to be.
    pub(super) fn marks(&self, job: &Job<'_>) -> [(&'static str, String); 4] {
        let column = self.definition.source.files.get(job.link.file).map(|file| self.made_for(file));
        [
            (MIGRATION, self.definition.name.clone()),
            (SOURCE, digest::sha256(&job.link.url)),
            (ROW, mark(&job.row.key)),
            (FOR, column.unwrap_or_default()),
        ]
    }

    fn made_for(&self, file: &FileColumn) -> String {
        let path = file.path.as_ref().map(ToString::to_string);
        digest::sha256(json!([journal::mark(&self.definition), file.column, path]).to_string())
    }

    /// The next page of the bucket: which of its objects are no row's.
    pub(super) async fn next_strays(
        &self,
        range: &Range,
        after: Option<&Cursor>,
        size: u64,
        limit: Duration,
    ) -> Result<Option<Read<Comparison>>, Fault> {
        let until = Instant::now() + limit;
        let mark = after.and_then(|cursor| cursor.0.first()).map(KeyPart::text);
        if mark == Some("") {
            return Ok(None);
        }
        let (bucket, prefix) = (&self.definition.target.bucket, self.naming.begins());
        let page = self.s3.page(bucket, &prefix, mark, size.min(MOST), left(until)).await;
        let (keys, next) = page.map_err(|error| fault(&error))?;
        let scanned = keys.len() as u64;
        let taken = |key: &str| range.sample.as_ref().is_none_or(|sample| sample.takes(key));
        let ours: Vec<String> = keys.into_iter().filter(|key| self.naming.fits(key) && taken(key)).collect();
        let side_by_side = usize::try_from(self.definition.source.http.concurrency).unwrap_or(1);
        let mut made = Vec::new();
        for some in ours.chunks(side_by_side) {
            // Boxed: they are too large to be moved about.
            let asked: Vec<_> = some.iter().map(|key| Box::pin(self.made(key, until))).collect();
            made.extend(try_join_all(asked).await?.into_iter().flatten());
        }
        let of_rows: HashSet<&Cursor> = made.iter().map(|one| &one.row).collect();
        let of_rows: Vec<Cursor> = of_rows.into_iter().cloned().collect();
        let sizes = self.sizes_by_key(&of_rows, Deadline::after(left(until))).await?;
        // The objects that their rows point at.
        let mut held = HashSet::new();
        for some in self.portions(&sizes) {
            let rows = self.rows_by_key(&some, left(until)).await?;
            let rows: HashMap<&Cursor, &Row> = rows.iter().map(|row| (&row.key, row)).collect();
            let theirs = made.iter().filter(|one| rows.get(&one.row).is_some_and(|row| self.is_of(row, one)));
            held.extend(theirs.map(|one| one.object.as_str()));
        }
        let mut found = Comparison::default();
        let strays: Vec<&Made> = made.iter().filter(|one| !held.contains(one.object.as_str())).collect();
        found.extra = strays.len() as u64;
        found.examples.extend(strays.iter().take(EXAMPLES).map(|one| (one.row.clone(), "extra")));
        if !strays.is_empty() {
            self.list(&strays, until).await?;
        }
        // Without a mark there is no further page.
        let end = Cursor(vec![KeyPart::Text(next.unwrap_or_default())]);
        Ok(Some(Read { batch: found, end, scanned, bytes: 0, found: Vec::new() }))
    }

    /// What an object was made of, if this migration has made it.
    async fn made(&self, key: &str, until: Instant) -> Result<Option<Made>, Fault> {
        let head =
            self.s3.head(&self.definition.target.bucket, key, left(until)).await.map_err(|error| fault(&error))?;
        let ours = |head: &Head| head.metadata.get(MIGRATION) == Some(&self.definition.name);
        let Some(head) = head.filter(ours) else {
            return Ok(None);
        };
        let said = |name: &str| head.metadata.get(name).cloned().unwrap_or_default();
        // Of what is not looked at any more nobody can say whether somebody points at it.
        if !self.definition.source.files.iter().any(|file| self.made_for(file) == said(FOR)) {
            return Ok(None);
        }
        let row = key_of(&said(ROW)).filter(|row| self.is_key(row));
        Ok(row.map(|row| Made { object: key.to_owned(), row, source: said(SOURCE) }))
    }

    /// Whether a row points at an object, or still will: it has the old URL, and waits for a run or for `retry`.
    fn is_of(&self, row: &Row, made: &Made) -> bool {
        let Ok(links) = row.links(&self.definition.source, &self.columns, &self.naming) else { return true };
        links.iter().any(|link| {
            self.naming.key_of(&link.url).as_ref() == Some(&made.object) || digest::sha256(&link.url) == made.source
        })
    }

    /// Writes down which they are, where the journal is: their names are made of values, which no log holds.
    async fn list(&self, strays: &[&Made], until: Instant) -> Result<(), Fault> {
        let line = |one: &&Made| format!("{}\n", json!({"object": one.object, "key": one.row.texts()}));
        let body = Bytes::from(strays.iter().map(line).collect::<Vec<_>>().concat());
        let key = journal::fresh_key(&self.definition, "strays");
        let object = self.note(key.clone());
        match self.s3.put(&object, body.clone(), Checksum::of(&body), left(until)).await {
            // Its key is nobody else's: the reply to the first attempt was lost.
            Ok(_) | Err(S3Error::Exists { .. }) => {}
            Err(error) => return Err(fault(&error)),
        }
        let (migration, count) = (&self.definition.name, strays.len());
        tracing::warn!(%migration, count, list = %key, "objects that the rows which they were made for do not point at");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_says_the_key_that_it_was_made_of() {
        let key = Cursor(vec![KeyPart::Text("naughty/\"\u{2028}\n".to_owned()), KeyPart::Int("-7".to_owned())]);
        assert!(mark(&key).is_ascii());
        assert_eq!(key_of(&mark(&key)), Some(key));
        let long = Cursor(vec![KeyPart::Text("x".repeat(LONGEST))]);
        assert_eq!((mark(&long).len(), key_of(&mark(&long))), (7 + 64, None));
        assert_eq!(key_of(""), None);
    }
}
