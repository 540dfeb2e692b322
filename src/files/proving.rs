//! Whether objects still are what was written: the journal says how long each was, and its checksum. S3 keeps its own checksum of the bytes
//! that it gives out; where it has none, all of them are read.

use super::Files;
use super::failure::{Failure, fault};
use super::journal::{Line, Moved};
use super::row::Row;
use super::storing::{RUN, left};
use super::strays;
use crate::cursor::Cursor;
use crate::engine::migration::{Comparison, Range, Read};
use crate::fault::{Class, Fault};
use crate::rows::link::Deadline;
use crate::rows::mapping::Stretch;
use crate::s3::{Checksum, Head};
use crate::sql::statement::Statement;
use futures_util::future::try_join_all;
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use tokio::time::Instant;

/// Examples that one step names.
const EXAMPLES: usize = 20;

impl Files {
    /// The next lines of the journal whose rows are items and still point at what it says, each held against the bucket; `None`: nothing is
    /// left of it.
    pub(super) async fn next_proofs(
        &self,
        range: &Range,
        after: Option<&Cursor>,
        size: u64,
        limit: Duration,
    ) -> Result<Option<Read<Comparison>>, Fault> {
        let until = Instant::now() + limit;
        let most = usize::try_from(size).unwrap_or(1).max(1);
        let Some((mut lines, end)) = self.next_lines(after, most, left(until)).await? else { return Ok(None) };
        let scanned = lines.len().max(1) as u64;
        if let Some(sample) = &range.sample {
            lines.retain(|line| sample.takes(&line.key.json()));
        }
        let mut found = Comparison::default();
        if lines.is_empty() {
            return Ok(Some(Read { batch: found, end, scanned, bytes: 0, found: Vec::new() }));
        }
        let keys: HashSet<&Cursor> = lines.iter().map(|line| &line.key).collect();
        let keys: Vec<Cursor> = keys.into_iter().cloned().collect();
        let (stretch, most) = (Stretch::Keys(&keys), keys.len() as u64);
        let sizes = self.sizes_of(&stretch, range.pass_started, most, Deadline::after(left(until))).await?;
        for keys in self.portions(&sizes) {
            let rows = self.rows_of(&Stretch::Keys(&keys), range.pass_started, most, left(until)).await?;
            // Boxed: it is too large to be moved about.
            Box::pin(self.prove(&lines, &rows, &mut found, until)).await?;
        }
        Ok(Some(Read { batch: found, end, scanned, bytes: 0, found: Vec::new() }))
    }

    /// Holds those of the lines against the bucket whose rows are among these and still point at what they say.
    async fn prove(&self, lines: &[Line], rows: &[Row], found: &mut Comparison, until: Instant) -> Result<(), Fault> {
        let rows: HashMap<&Cursor, &Row> = rows.iter().map(|row| (&row.key, row)).collect();
        let standing: Vec<&Line> =
            lines.iter().filter(|line| rows.get(&line.key).is_some_and(|row| self.says(row, line))).collect();
        let side_by_side = usize::try_from(self.definition.source.http.concurrency).unwrap_or(1);
        for some in standing.chunks(side_by_side) {
            // Boxed: they are too large to be moved about.
            let asked: Vec<_> = some.iter().map(|line| Box::pin(self.are_sound(line, until))).collect();
            for (line, sound) in some.iter().zip(try_join_all(asked).await?) {
                // A row of which something else is missing was not found equal before.
                let row = rows.get(&line.key).filter(|_| !sound);
                let Some(row) = row else { continue };
                if !self.is_there(row, until).await? {
                    continue;
                }
                found.different += 1;
                if found.examples.len() < EXAMPLES {
                    found.examples.push((line.key.clone(), "different"));
                }
            }
        }
        Ok(())
    }

    /// Whether a row says what a line of the journal says that was written.
    pub(super) fn says(&self, row: &Row, line: &Line) -> bool {
        line.new.iter().all(|(name, text)| row.value(&self.columns, name) == Some(text.as_str()))
    }

    /// Whether the objects of a row are what was written. Where one is not there the row is `missing`, and said to be so by the walk over rows.
    async fn are_sound(&self, line: &Line, until: Instant) -> Result<bool, Fault> {
        let bucket = &self.definition.target.bucket;
        let mut heads = Vec::with_capacity(line.files.len());
        for file in &line.files {
            let head = self.s3.head(bucket, &file.key, left(until)).await.map_err(|error| fault(&error))?;
            let Some(head) = head else { return Ok(true) };
            heads.push((file, head));
        }
        for (file, head) in heads {
            if !self.is_sound(line, file, &head, until).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn is_sound(&self, line: &Line, file: &Moved, head: &Head, until: Instant) -> Result<bool, Fault> {
        // What another run has made since, of the same row, that run's line tells of.
        let made = head.metadata.get(RUN).filter(|_| strays::is_made_of(head, &self.definition.name, &line.key));
        if made.is_some_and(|made| file.made.as_ref() != Some(made)) {
            return Ok(true);
        }
        if head.bytes != file.bytes {
            return Ok(false);
        }
        // Not every server that keeps a checksum keeps that of the whole: one that differs proves nothing yet.
        if head.checksum.is_some() && head.checksum.map(Checksum::text) == file.crc64nvme {
            return Ok(true);
        }
        let Some(sha256) = &file.sha256 else { return Ok(head.checksum.is_none() || file.crc64nvme.is_none()) };
        match self.read_back(&self.definition.target.bucket, &file.key, until).await {
            Ok(digested) => Ok(digested.sha256() == *sha256),
            Err(Failure::Storage(fault)) => Err(fault),
            Err(_) => Err(Fault::new(Class::Capacity, "an object could not be read in time")),
        }
    }

    /// Whether this is a key of the table as it is walked.
    pub(super) fn is_key(&self, key: &Cursor) -> bool {
        let mut nowhere = Statement::new(self.walker.dialect());
        self.walker.key().among(&mut nowhere, "t", std::slice::from_ref(key)).is_ok()
    }
}
