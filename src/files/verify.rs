//! Verification: every row that the migration has come to points at objects that are there, and are as long and as sound as they
//! were when they were written.

use super::Files;
use super::failure::fault;
use super::row::Row;
use crate::cursor::Cursor;
use crate::engine::migration::{Comparison, Range, Read};
use crate::fault::Fault;
use crate::rows::link::Deadline;
use crate::rows::mapping::Stretch;
use crate::s3::Head;
use futures_util::future::try_join_all;
use std::time::Duration;
use tokio::time::Instant;

/// Rows that are compared at once, at most.
const MOST: u64 = 500;
/// Examples that one stretch names.
const EXAMPLES: usize = 20;

/// What a row is, held against the bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// All of its files are where it says.
    Equal,
    /// One is not there, or was never moved.
    Missing,
    /// One is not what it was.
    Different,
}

impl Files {
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
        let rows = self.rows_of(&stretch, range.pass_started, MOST, deadline.left()).await?;
        let side_by_side = usize::try_from(self.definition.source.http.concurrency).unwrap_or(1);
        let mut verdicts = Vec::with_capacity(rows.len());
        for some in rows.chunks(side_by_side) {
            // Boxed: they are too large to be moved about.
            let asked: Vec<_> = some.iter().map(|row| Box::pin(self.verdict(row, until))).collect();
            verdicts.extend(try_join_all(asked).await?);
        }
        let mut found = Comparison { checked: rows.len() as u64, ..Comparison::default() };
        for (row, verdict) in rows.iter().zip(verdicts) {
            let (count, kind) = match verdict {
                Verdict::Equal => {
                    found.equal += 1;
                    continue;
                }
                Verdict::Missing => (&mut found.missing, "missing"),
                Verdict::Different => (&mut found.different, "different"),
            };
            *count += 1;
            if found.examples.len() < EXAMPLES {
                found.examples.push((row.key.clone(), kind));
            }
        }
        Ok(Some(Read { batch: found, end, scanned, bytes: 0, found: Vec::new() }))
    }

    async fn verdict(&self, row: &Row, until: Instant) -> Result<Verdict, Fault> {
        let Ok(links) = row.links(&self.definition.source, &self.columns, &self.naming) else {
            return Ok(Verdict::Missing);
        };
        let mut verdict = Verdict::Equal;
        for link in links {
            let Some(key) = self.naming.key_of(&link.url) else { return Ok(Verdict::Missing) };
            let bucket = &self.definition.target.bucket;
            let head = self.s3.head(bucket, &key, super::storing::left(until)).await.map_err(|error| fault(&error))?;
            match head {
                None => return Ok(Verdict::Missing),
                Some(head) if !self.is_sound(&head, &key, until).await? => verdict = Verdict::Different,
                Some(_) => {}
            }
        }
        Ok(verdict)
    }

    /// Whether an object still is what was written: S3 keeps its own checksum of the bytes that it gives out; where there is none, all
    /// of them are read and held against the digest that was written beside them.
    async fn is_sound(&self, head: &Head, key: &str, until: Instant) -> Result<bool, Fault> {
        let Some(sha256) = head.metadata.get("milkrun-sha256") else { return Ok(true) };
        if head.checksum.is_some() {
            return Ok(true);
        }
        match self.read_back(&self.definition.target.bucket, key, until).await {
            Ok(digested) => Ok(digested.sha256() == *sha256 && digested.bytes == head.bytes),
            Err(super::failure::Failure::Storage(fault)) => Err(fault),
            Err(_) => Err(Fault::new(crate::fault::Class::Capacity, "an object could not be read in time")),
        }
    }
}
