//! What the engine asks of a kind, answered by objects.

use super::walk::{Stretch, end, left};
use super::{Batch, Objects, What};
use crate::cursor::Cursor;
use crate::engine::migration::{Comparison, Effort, Estimate, Migration, Outcome, Range, Read, Repair};
use crate::fault::Fault;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// How long keys are counted, at most.
const COUNTING: Duration = Duration::from_secs(2);

impl Migration for Objects {
    type Batch = Batch;

    async fn bound(&self, least: Option<&Cursor>, limit: Duration) -> Result<Option<Cursor>, Fault> {
        // A bucket cannot be listed from its end: a pass ends behind every key, whatever comes in ahead of it.
        if least.is_some() {
            return Ok(Some(end()));
        }
        let prefix = &self.definition.source.place.prefix;
        let first = self.source.objects(&self.from, prefix, None, 1, limit).await;
        let first = first.map_err(|error| super::failure::fault(super::failure::Side::Source, &error))?;
        Ok((!first.objects.is_empty()).then(end))
    }

    async fn estimate(&self, _pass_started: SystemTime, limit: Duration) -> Estimate {
        self.count_keys(limit.min(COUNTING)).await
    }

    async fn read(
        &self,
        range: &Range,
        after: Option<&Cursor>,
        size: u64,
        limit: Duration,
    ) -> Result<Option<Read<Batch>>, Fault> {
        let stretch = self.stretch(range, after, size, Instant::now() + limit).await?;
        Ok(stretch.map(|Stretch { objects, end, scanned }| {
            let bytes = super::verify::memory(&objects);
            Read { batch: Batch(What::Listed(Arc::new(objects))), end, scanned, bytes, found: Vec::new() }
        }))
    }

    async fn sweep(
        &self,
        range: &Range,
        after: Option<&Cursor>,
        size: u64,
        limit: Duration,
    ) -> Result<Option<Read<Batch>>, Fault> {
        self.next_missing(range, after, size, limit).await
    }

    fn fetch(&self, _range: &Range, keys: &[Cursor]) -> Batch {
        Batch(What::Keys(keys.to_vec()))
    }

    async fn write(&self, batch: &Batch, effort: &Effort) -> Result<Outcome, Fault> {
        self.copy_batch(batch, effort).await
    }

    async fn count(&self, batch: &Batch, limit: Duration) -> Result<Option<u64>, Fault> {
        Ok(Some(match &batch.0 {
            What::Listed(objects) | What::Lacking(objects) => objects.len() as u64,
            What::Keys(keys) => self.looked_up(keys, Instant::now() + limit).await?.len() as u64,
        }))
    }

    async fn is_item(&self, _range: &Range, key: &Cursor, limit: Duration) -> Result<bool, Fault> {
        let there = self.looked_up(std::slice::from_ref(key), Instant::now() + limit).await?;
        Ok(there.iter().any(|object| self.target_key(&object.key).is_some()))
    }

    async fn verify(
        &self,
        range: &Range,
        after: Option<&Cursor>,
        size: u64,
        repair: Option<&Repair>,
        limit: Duration,
    ) -> Result<Option<Read<Comparison>>, Fault> {
        self.next_compared(range, after, size, repair, limit).await
    }

    async fn verify_beside(
        &self,
        range: &Range,
        after: Option<&Cursor>,
        size: u64,
        limit: Duration,
    ) -> Result<Option<Read<Comparison>>, Fault> {
        // In the first pass copies may be ahead of the walk: nothing is said of them yet.
        if !range.open_end {
            return Ok(None);
        }
        self.next_extra(after, size, limit).await
    }
}

impl Objects {
    /// How many keys there are, if they are so few that they can be counted within `limit`.
    async fn count_keys(&self, limit: Duration) -> Estimate {
        let deadline = Instant::now() + limit;
        let (mut count, mut place) = (0, None);
        while Instant::now() < deadline {
            let prefix = &self.definition.source.place.prefix;
            let page = self.source.objects(&self.from, prefix, place.as_deref(), 1000, left(deadline)).await;
            let Ok(page) = page else { return Estimate::default() };
            count += page.objects.len() as u64;
            match page.objects.into_iter().next_back() {
                Some(last) if page.more => place = Some(last.key),
                _ => return Estimate { keys: count, items: count, exact: true },
            }
        }
        Estimate::default()
    }
}
