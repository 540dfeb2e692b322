//! What the engine asks of a kind, answered by rows: each question goes to the same database's statements, or across.

use super::across::{Carrying, UponDifference};
use super::batch::What;
use super::here::mend::Mend;
use super::here::write::Writing;
use super::link::Deadline;
use super::mapping::Stretch;
use super::{Batch, Rows, RowsError, Stamp};
use crate::cursor::Cursor;
use crate::engine::migration::{self, Comparison, Effort, Estimate, Layout, Migration, Outcome, Range, Read, Repair};
use crate::fault::Fault;
use std::time::{Duration, SystemTime};

impl Migration for Rows {
    type Batch = Batch;

    async fn bound(&self, least: Option<&Cursor>, limit: Duration) -> Result<Option<Cursor>, Fault> {
        let deadline = Deadline::after(limit);
        Ok(self.mapping.find_bound(&mut *self.sessions.take().await, least, deadline).await?)
    }

    async fn estimate(&self, pass_started: SystemTime, limit: Duration) -> Estimate {
        self.ground().counted(pass_started, limit).await
    }

    async fn recent(&self, since: SystemTime, limit: Duration) -> Result<Option<migration::Recent>, Fault> {
        let Some(recent) = &self.mapping.recent else { return Ok(None) };
        let deadline = Deadline::after(limit);
        let mut link = self.sessions.take().await;
        let session = link.session(deadline).await.map_err(RowsError::from)?;
        let bound = self.mapping.last_change(recent, session, since, deadline).await?;
        Ok(Some(migration::Recent { bound }))
    }

    async fn lay_out(
        &self,
        bound: &Cursor,
        pass_started: SystemTime,
        parts: u32,
        limit: Duration,
    ) -> Result<Layout, Fault> {
        Ok(self.ground().laid_out(bound, pass_started, parts, limit).await?)
    }

    async fn read(
        &self,
        range: &Range,
        after: Option<&Cursor>,
        size: u64,
        limit: Duration,
    ) -> Result<Option<Read<Batch>>, Fault> {
        // What is deleted is read where it is locked: by the write.
        if let Some(across) = self.across.as_ref().filter(|_| self.mapping.purge.is_none()) {
            let mut link = self.sessions.take().await;
            let sizes = (size, self.max_item);
            let read = across.read(&self.mapping, &mut link, range, after, sizes, Deadline::after(limit)).await;
            return Ok(read.map_err(|error| self.mapping.of_query(error))?);
        }
        let Some((step, _)) = self.next(range, after, size, limit, false).await? else { return Ok(None) };
        let batch = Batch::range(after.cloned(), step.end.clone(), range.pass_started);
        Ok(Some(Read { batch, end: step.end, scanned: step.scanned, bytes: 0, found: Vec::new() }))
    }

    fn takes_away(&self) -> bool {
        self.mapping.purge.is_some()
    }

    async fn sweep(
        &self,
        range: &Range,
        after: Option<&Cursor>,
        size: u64,
        limit: Duration,
    ) -> Result<Option<Read<Batch>>, Fault> {
        let Some((step, found)) = self.next(range, after, size, limit, true).await? else { return Ok(None) };
        let batch = self.fetch(range, &found);
        Ok(Some(Read { batch, end: step.end, scanned: step.scanned, bytes: 0, found }))
    }

    fn fetch(&self, range: &Range, keys: &[Cursor]) -> Batch {
        Batch { what: What::Keys(keys.to_vec()), pass_started: range.pass_started }
    }

    async fn write(&self, batch: &Batch, effort: &Effort) -> Result<Outcome, Fault> {
        let stretch = match &batch.what {
            What::Range { after, end } => Stretch::Range { after: after.as_ref(), end },
            What::Keys(keys) if keys.is_empty() => return Ok(Outcome::default()),
            What::Keys(keys) => Stretch::Keys(keys),
            What::Cargo(cargo) => {
                let Some(across) = &self.across else { return Err(RowsError::Shape("a batch").into()) };
                return Ok(across.write(&self.mapping, cargo, effort).await?);
            }
        };
        if let Some(across) = &self.across {
            let mut source = self.sessions.take().await;
            let carrying = Carrying {
                pass_started: batch.pass_started,
                stamp: &Stamp { now: SystemTime::now(), run: effort.run.clone() },
                recovered: effort.recovered,
                upon_difference: if self.takes_away() { UponDifference::Refresh } else { UponDifference::SetAside },
                max_item: self.max_item,
            };
            let deadline = Deadline::after(effort.limit);
            let carried = match &self.mapping.purge {
                Some(purge) => {
                    let what = (&self.mapping, purge);
                    across.carry_and_purge(what, &mut source, &stretch, &carrying, deadline).await
                }
                None => across.carry(&self.mapping, &mut source, &stretch, &carrying, deadline).await,
            };
            return match carried {
                Ok(outcome) => Ok(outcome),
                Err(error) => {
                    let at = batch.pass_started;
                    Err(self.mapping.of_batch(&mut source, error, &stretch, at, deadline).await.into())
                }
            };
        }
        let purging = self.mapping.purge.is_some();
        let (pass_started, now, max_item) = (batch.pass_started, SystemTime::now(), self.max_item);
        let writing = Writing { stretch, pass_started, now, effort, max_item, purging };
        let deadline = Deadline::after(effort.limit);
        let mut link = self.sessions.take().await;
        let written = match &self.mapping.purge {
            Some(purge) => self.mapping.write_and_purge(purge, &mut link, &writing, deadline).await,
            None => self.mapping.write(&mut link, &writing, deadline).await,
        };
        match written {
            Ok(outcome) => Ok(outcome),
            Err(error) => {
                let error =
                    self.mapping.of_batch(&mut link, error, &writing.stretch, batch.pass_started, deadline).await;
                Err(error.into())
            }
        }
    }

    async fn count(&self, batch: &Batch, limit: Duration) -> Result<Option<u64>, Fault> {
        let stretch = match &batch.what {
            What::Range { after, end } => Stretch::Range { after: after.as_ref(), end },
            What::Keys(keys) => Stretch::Keys(keys),
            What::Cargo(cargo) => return Ok(Some(cargo.len() as u64)),
        };
        let mut link = self.sessions.take().await;
        let counted = self.mapping.count_items(&mut link, &stretch, batch.pass_started, Deadline::after(limit)).await;
        Ok(Some(counted.map_err(|error| self.mapping.of_query(error))?))
    }

    async fn is_item(&self, range: &Range, key: &Cursor, limit: Duration) -> Result<bool, Fault> {
        let (keys, deadline) = ([key.clone()], Deadline::after(limit));
        let mut link = self.sessions.take().await;
        let counted = self.mapping.count_items(&mut link, &Stretch::Keys(&keys), range.pass_started, deadline).await;
        Ok(counted.map_err(|error| self.mapping.of_query(error))? > 0)
    }

    async fn verify(
        &self,
        range: &Range,
        after: Option<&Cursor>,
        size: u64,
        repair: Option<&Repair>,
        limit: Duration,
    ) -> Result<Option<Read<Comparison>>, Fault> {
        let deadline = Deadline::after(limit);
        let mut link = self.sessions.take().await;
        if let Some(across) = &self.across {
            let walk = (range, after, size);
            let stamp = |repair: &Repair| Stamp { now: SystemTime::now(), run: repair.run.clone() };
            let stamp = repair.map(stamp);
            let carrying = repair.zip(stamp.as_ref()).map(|(repair, stamp)| Carrying {
                pass_started: range.pass_started,
                stamp,
                recovered: false,
                upon_difference: if repair.overwrite { UponDifference::Overwrite } else { UponDifference::SetAside },
                max_item: self.max_item,
            });
            let compared =
                across.verify(&self.mapping, &mut link, walk, carrying.as_ref(), self.max_item, deadline).await;
            return Ok(compared?);
        }
        let compared = self.mapping.verify(&mut link, range, after, size, deadline).await;
        let Some((mut read, end)) = compared.map_err(|error| self.mapping.of_query(error))? else { return Ok(None) };
        if let Some(repair) = repair {
            let mend = Mend { repair, pass_started: range.pass_started, max_item: self.max_item };
            let stretch = Stretch::Range { after, end: &end };
            let found = &mut read.batch;
            if found.missing > 0 || (repair.overwrite && found.different > 0) {
                match self.mapping.mend(&mut link, &stretch, mend, deadline).await {
                    Ok(repaired) => found.repaired = repaired,
                    Err(error) => {
                        let at = range.pass_started;
                        return Err(self.mapping.of_batch(&mut link, error, &stretch, at, deadline).await.into());
                    }
                }
            }
        }
        Ok(Some(read))
    }
}
