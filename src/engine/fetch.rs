//! The next batch, where none was read ahead.

use super::checkpoint::{Checkpoint, Counters};
use super::hold::hold;
use super::lease::Kept;
use super::mend::{Failed, Mended};
use super::migration::Migration;
use super::report::StoppedBy;
use super::run::EngineError;
use super::stretch::{Bounds, Ready, stretch};
use super::walk::{Walk, Walked};
use crate::cursor::Cursor;
use crate::fault::Fault;

/// What came of a read: a batch, nothing left, or a fault.
pub(super) type MaybeRead<B> = Result<Option<Ready<B>>, Fault>;

/// A batch to write, a reason to look once more, or the end of the walk.
pub(super) enum Fetched<B> {
    Ready(Ready<B>),
    Again,
    Over(Walked),
}

impl<M: Migration> Walk<'_, M> {
    /// The next batch, where none was read ahead.
    pub(super) async fn fetch(&mut self, size: u64) -> Result<Fetched<M::Batch>, EngineError> {
        let Some(read) = self.read(size).await? else { return Ok(Fetched::Over(Walked::Stopped(StoppedBy::Fence))) };
        Ok(match read {
            Ok(Some(ready)) => Fetched::Ready(ready),
            // Before all else: it may be nearer than the end of what was interrupted, of which more is left then.
            Ok(None) if self.narrow.forget() => Fetched::Again,
            Ok(None) if self.letters.is_none() && self.lease.checkpoint().interrupted.is_some() => {
                // All that is left of it is gone.
                let gone = self.lease.checkpoint().interrupted_items.unwrap_or(0);
                let counted = Counters { moved: gone, ..Counters::default() };
                let change = |it: &mut Checkpoint| {
                    it.pass_interrupted(0, true);
                    // What was announced is what was counted: left there, it would be counted again by whoever takes over.
                    (it.announced, it.leaving) = (None, None);
                    it.counters.add(&counted);
                    it.in_pass.add(&counted);
                };
                match self.lease.write(change, self.run.budget.call()).await? {
                    Kept::Yes => {
                        self.chunk.count(self.shard, &counted, self.lease.checkpoint());
                        Fetched::Again
                    }
                    Kept::Fenced => Fetched::Over(Walked::Stopped(StoppedBy::Fence)),
                }
            }
            Ok(None) => Fetched::Over(Walked::ToTheEnd),
            Err(fault) => match self.mend(fault, Failed { wide: size, single: None, end: None }).await? {
                Mended::Over(walked) => Fetched::Over(walked),
                Mended::Again | Mended::Single { .. } => Fetched::Again,
            },
        })
    }

    /// The next batch: what a killed sweep had announced comes first.
    /// `None`: the lease was lost meanwhile.
    async fn read(&mut self, size: u64) -> Result<Option<MaybeRead<M::Batch>>, EngineError> {
        if self.letters.is_some() {
            return self.read_letters(size).await;
        }
        let checkpoint = self.lease.checkpoint();
        if !checkpoint.interrupted_keys.is_empty() {
            let most = usize::try_from(size).unwrap_or(usize::MAX);
            let keys: Vec<Cursor> = checkpoint.interrupted_keys.iter().take(most).cloned().collect();
            let batch = self.run.kind.fetch(&self.range(), &keys);
            return Ok(Some(Ok(Some(Ready {
                batch,
                end: None,
                scanned: u64::try_from(keys.len()).unwrap_or(u64::MAX),
                found: keys,
                leaving: None,
                recovered: true,
                passes_interrupted: false,
                letters: Vec::new(),
            }))));
        }
        let bounds = Bounds {
            interrupted: checkpoint.interrupted.clone(),
            suspect: self.narrow.suspect(checkpoint.interrupted.as_ref()).cloned(),
            // Of several shards each may hold letters that another one has counted.
            letters: self.several() || checkpoint.has_letters(),
            several: self.several(),
            open_end: false,
        };
        let after = checkpoint.cursor.clone().or(self.start.clone());
        let reading = stretch(self.run, &self.state, &self.bound, &bounds, after.as_ref(), size);
        Ok(hold(self.lease, self.run.budget.call(), reading).await?)
    }
}
