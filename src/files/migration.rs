//! What the engine asks of a kind, answered by files.

use super::{Batch, Files, What};
use crate::cursor::Cursor;
use crate::engine::migration::{Comparison, Effort, Estimate, Layout, Migration, Outcome, Range, Read, Recent, Repair};
use crate::fault::{Class, Fault};
use crate::rows::mapping::Stretch;
use std::time::{Duration, SystemTime};

impl Migration for Files {
    type Batch = Batch;

    async fn bound(&self, least: Option<&Cursor>, limit: Duration) -> Result<Option<Cursor>, Fault> {
        Ok(self.walker.bound(least, limit).await?)
    }

    async fn estimate(&self, pass_started: SystemTime, limit: Duration) -> Estimate {
        self.walker.estimate(pass_started, limit).await
    }

    async fn recent(&self, since: SystemTime, limit: Duration) -> Result<Option<Recent>, Fault> {
        Ok(self.walker.recent(since, limit).await?)
    }

    async fn lay_out(
        &self,
        bound: &Cursor,
        pass_started: SystemTime,
        parts: u32,
        limit: Duration,
    ) -> Result<Layout, Fault> {
        Ok(self.walker.lay_out(bound, pass_started, parts, limit).await?)
    }

    /// What rows hold is bounded where they are read, and what transfers hold where they begin.
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
        Ok(self.next_batch(range, after, size, limit).await?)
    }

    async fn sweep(
        &self,
        range: &Range,
        after: Option<&Cursor>,
        size: u64,
        limit: Duration,
    ) -> Result<Option<Read<Batch>>, Fault> {
        Ok(self.next_missing(range, after, size, limit).await?)
    }

    fn fetch(&self, range: &Range, keys: &[Cursor]) -> Batch {
        Batch { what: What::Keys(keys.to_vec()), pass_started: range.pass_started }
    }

    async fn write(&self, batch: &Batch, effort: &Effort) -> Result<Outcome, Fault> {
        self.move_batch(batch, effort).await
    }

    async fn is_item(&self, range: &Range, key: &Cursor, limit: Duration) -> Result<bool, Fault> {
        let keys = [key.clone()];
        Ok(self.walker.count(&Stretch::Keys(&keys), range.pass_started, limit).await? > 0)
    }

    async fn count(&self, batch: &Batch, limit: Duration) -> Result<Option<u64>, Fault> {
        Ok(Some(match &batch.what {
            What::Rows(rows) => rows.len() as u64,
            What::Keys(keys) => self.walker.count(&Stretch::Keys(keys), batch.pass_started, limit).await?,
        }))
    }

    async fn verify(
        &self,
        range: &Range,
        after: Option<&Cursor>,
        size: u64,
        repair: Option<&Repair>,
        limit: Duration,
    ) -> Result<Option<Read<Comparison>>, Fault> {
        if repair.is_some() {
            let message =
                "`verify` of files mends nothing: what is missing is moved by `run`, and what failed by `retry`";
            return Err(Fault::new(Class::Fatal, message));
        }
        self.compare_rows(range, after, size, limit).await
    }

    async fn verify_beside(
        &self,
        range: &Range,
        after: Option<&Cursor>,
        size: u64,
        limit: Duration,
    ) -> Result<Option<Read<Comparison>>, Fault> {
        self.look_beside(range, after, size, limit).await
    }

    async fn written(&self, limit: Duration) -> Result<Option<Cursor>, Fault> {
        self.journal_end(limit).await
    }

    async fn take_back(
        &self,
        range: &Range,
        after: Option<&Cursor>,
        size: u64,
        limit: Duration,
    ) -> Result<Option<Read<Comparison>>, Fault> {
        self.put_back(range, after, size, limit).await
    }
}
