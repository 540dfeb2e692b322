//! What the engine asks of a kind, answered by objects.

use super::walk::{Stretch, end};
use super::{Batch, Objects, What};
use crate::cursor::Cursor;
use crate::engine::migration::{Comparison, Effort, Estimate, Layout, Migration, Outcome, Range, Read, Repair};
use crate::fault::Fault;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

impl Migration for Objects {
    type Batch = Batch;

    async fn bound(&self, least: Option<&Cursor>, limit: Duration) -> Result<Option<Cursor>, Fault> {
        // A bucket cannot be listed from its end: a pass ends behind every key, whatever comes in ahead of it.
        if least.is_some() {
            return Ok(Some(end()));
        }
        if self.has_inventory() {
            return self.end_of_inventory(Instant::now() + limit).await.map(Some);
        }
        let prefix = &self.definition.source.place.prefix;
        let first = self.source.objects(&self.from, prefix, None, 1, limit).await;
        let first = first.map_err(|error| super::failure::fault(super::failure::Side::Source, &error))?;
        Ok((!first.objects.is_empty()).then(end))
    }

    async fn estimate(&self, _pass_started: SystemTime, limit: Duration) -> Estimate {
        self.survey(limit).await.estimate()
    }

    async fn lay_out(
        &self,
        _bound: &Cursor,
        _pass_started: SystemTime,
        parts: u32,
        limit: Duration,
    ) -> Result<Layout, Fault> {
        Ok(self.laid_out(parts, limit).await)
    }

    /// What transfers hold is bounded where they begin.
    fn holds_items(&self) -> bool {
        false
    }

    async fn read(
        &self,
        range: &Range,
        after: Option<&Cursor>,
        size: u64,
        limit: Duration,
    ) -> Result<Option<Read<Batch>>, Fault> {
        let stretch = self.stretch(range, after, size, Instant::now() + limit).await?;
        Ok(stretch.map(|Stretch { objects, end, scanned, dated }| {
            let bytes = super::verify::memory(&objects);
            let what = if dated { What::Dated } else { What::Listed };
            Read { batch: Batch(what(Arc::new(objects))), end, scanned, bytes, found: Vec::new() }
        }))
    }

    async fn sweep(
        &self,
        range: &Range,
        after: Option<&Cursor>,
        size: u64,
        limit: Duration,
    ) -> Result<Option<Read<Batch>>, Fault> {
        // Boxed: it is too large to be moved about.
        Box::pin(self.next_missing(range, after, size, limit)).await
    }

    fn fetch(&self, _range: &Range, keys: &[Cursor]) -> Batch {
        Batch(What::Keys(keys.to_vec()))
    }

    async fn write(&self, batch: &Batch, effort: &Effort) -> Result<Outcome, Fault> {
        self.copy_batch(batch, effort).await
    }

    async fn count(&self, batch: &Batch, limit: Duration) -> Result<Option<u64>, Fault> {
        Ok(Some(match &batch.0 {
            What::Listed(objects) | What::Dated(objects) | What::Lacking(objects) => objects.len() as u64,
            What::Keys(keys) => {
                let found = self.looked_up(keys, Instant::now() + limit).await?;
                (found.there.len() + found.shut.len()) as u64
            }
        }))
    }

    async fn is_item(&self, _range: &Range, key: &Cursor, limit: Duration) -> Result<bool, Fault> {
        let found = self.looked_up(std::slice::from_ref(key), Instant::now() + limit).await?;
        let is_ours = found.there.iter().any(|object| self.target_key(&object.key).is_some());
        Ok(is_ours || !found.shut.is_empty())
    }

    fn item_at(&self, place: &Cursor) -> Cursor {
        super::inventory::item(place).unwrap_or_else(|| place.clone())
    }

    async fn left_overs(&self, limit: Duration) -> Result<Vec<Cursor>, Fault> {
        self.left_open(Instant::now() + limit).await
    }

    async fn tidy_up(&self, items: &[Cursor], limit: Duration) -> Result<(), Fault> {
        self.give_up_left_overs(items, Instant::now() + limit).await
    }

    fn fallbacks(&self) -> Vec<&'static str> {
        let facts = self.facts.get();
        let lacks = [
            ("if-none-match", self.began.get().is_some_and(|began| !began.conditional)),
            // Then nobody knows whether there is any, and none is taken along.
            ("object-lock", facts.is_some_and(|facts| facts.locks.is_none())),
            ("website-redirect", facts.is_some_and(|facts| facts.is_website.is_none())),
        ];
        lacks.into_iter().filter(|(_, lacks)| *lacks).map(|(name, _)| name).collect()
    }

    fn reads_in_full(&self) -> bool {
        self.in_full
    }

    async fn verify(
        &self,
        range: &Range,
        after: Option<&Cursor>,
        size: u64,
        repair: Option<&Repair>,
        limit: Duration,
    ) -> Result<Option<Read<Comparison>>, Fault> {
        Box::pin(self.next_compared(range, after, size, repair, limit)).await
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
