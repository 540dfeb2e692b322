//! Verification, in three walks: every row that the migration has come to points at objects that are there; every object that a row
//! points at is what the [journal](super::proving) says was written; and no object is [nobody's](super::strays).
//! A sample takes about its share of each walk, the second the same rows as the first.

use super::Files;
use super::failure::fault;
use super::row::Row;
use crate::cursor::{Cursor, KeyPart};
use crate::engine::migration::{Comparison, Range, Read};
use crate::fault::Fault;
use crate::rows::link::Deadline;
use crate::rows::mapping::Stretch;
use futures_util::future::try_join_all;
use std::time::Duration;
use tokio::time::Instant;

/// Rows that are compared at once, at most.
const MOST: u64 = 500;
/// Examples that one stretch names.
const EXAMPLES: usize = 20;

/// The first part of a cursor of the walks that follow: which of them.
const JOURNAL: &str = "journal";
const BUCKET: &str = "bucket";

impl Files {
    /// The next step of the walks beside that over rows. In the first pass objects are ahead of their rows, and lines of the journal of the
    /// walk: nothing is said of them yet.
    pub(super) async fn look_beside(
        &self,
        range: &Range,
        after: Option<&Cursor>,
        size: u64,
        limit: Duration,
    ) -> Result<Option<Read<Comparison>>, Fault> {
        if !range.open_end {
            return Ok(None);
        }
        let until = Instant::now() + limit;
        let (walk, place) = match after.and_then(|cursor| cursor.0.split_first()) {
            Some((walk, place)) => (walk.text(), Some(Cursor(place.to_vec()))),
            None => (JOURNAL, None),
        };
        let mut place = place.as_ref();
        if walk == JOURNAL {
            let read = self.next_proofs(range, place, size.min(MOST), super::storing::left(until)).await?;
            if let Some(read) = read {
                return Ok(Some(within(JOURNAL, read)));
            }
            place = None;
        }
        Ok(self.next_strays(range, place, size, super::storing::left(until)).await?.map(|read| within(BUCKET, read)))
    }

    pub(super) async fn compare_rows(
        &self,
        range: &Range,
        after: Option<&Cursor>,
        size: u64,
        limit: Duration,
    ) -> Result<Option<Read<Comparison>>, Fault> {
        let (deadline, until) = (Deadline::after(limit), Instant::now() + limit);
        let Some((end, scanned)) = self.walker.step(range, after, size.min(MOST), limit).await? else {
            return Ok(None);
        };
        let stretch = Stretch::Range { after, end: &end };
        let mut sizes = self.sizes_of(&stretch, range.pass_started, MOST, deadline).await?;
        if let Some(sample) = &range.sample {
            sizes.retain(|(key, _)| sample.takes(&key.json()));
        }
        let side_by_side = usize::try_from(self.definition.source.http.concurrency).unwrap_or(1);
        let mut found = Comparison::default();
        let lacks = |key: &Cursor, found: &mut Comparison| {
            found.missing += 1;
            if found.examples.len() < EXAMPLES {
                found.examples.push((key.clone(), "missing"));
            }
        };
        let mut rest = sizes.as_slice();
        while let Some(first) = rest.first() {
            let (some, behind) = rest.split_at(self.held_at_once(rest));
            rest = behind;
            if self.is_too_large(first) {
                found.checked += 1;
                lacks(&first.0, &mut found);
                continue;
            }
            let keys: Vec<Cursor> = some.iter().map(|(key, _)| key.clone()).collect();
            let rows = self.rows_of(&Stretch::Keys(&keys), range.pass_started, MOST, deadline.left()).await?;
            found.checked += rows.len() as u64;
            for some in rows.chunks(side_by_side) {
                // Boxed: they are too large to be moved about.
                let asked: Vec<_> = some.iter().map(|row| Box::pin(self.is_there(row, until))).collect();
                for (row, is_there) in some.iter().zip(try_join_all(asked).await?) {
                    if is_there {
                        found.equal += 1;
                    } else {
                        lacks(&row.key, &mut found);
                    }
                }
            }
        }
        Ok(Some(Read { batch: found, end, scanned, bytes: 0, found: Vec::new() }))
    }

    pub(super) async fn is_there(&self, row: &Row, until: Instant) -> Result<bool, Fault> {
        let Ok(links) = row.links(&self.definition.source, &self.columns, &self.naming) else {
            return Ok(false);
        };
        for link in links {
            let Some(key) = self.naming.key_of(&link.url) else { return Ok(false) };
            let bucket = &self.definition.target.bucket;
            let head = self.s3.head(bucket, &key, super::storing::left(until)).await.map_err(|error| fault(&error))?;
            if head.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// What a walk has read, its end marked as that of this walk.
fn within(walk: &str, mut read: Read<Comparison>) -> Read<Comparison> {
    read.end.0.insert(0, KeyPart::Text(walk.to_owned()));
    read
}
