//! A batch's effects: announced, and carried out while the next batch is read.

use super::checkpoint::{Announced, Checkpoint};
use super::failpoint::{Point, reach};
use super::hold::hold;
use super::lease::Kept;
use super::mend::{Failed, Mended};
use super::migration::{Aside, Effort, Migration, Outcome};
use super::report::StoppedBy;
use super::run::EngineError;
use super::state::{self, State};
use super::stretch::{Bounds, Ready, in_time, stretch};
use super::walk::{Walk, Walked};
use crate::fault::{Class, Fault};
use crate::plural::counted;
use std::time::Duration;

/// What became of a batch's effects, dead letters included.
pub(super) enum Effects<B> {
    Done(Box<Written<B>>),
    Again,
    Over(Walked),
}

/// A batch that may be committed, the batch read meanwhile, and the switches as they were meanwhile.
pub(super) struct Written<B> {
    pub(super) outcome: Settled,
    pub(super) next: Option<Ready<B>>,
    pub(super) switch: Option<State>,
}

/// An outcome, and whether it is the fate of a single item that could not be moved.
pub(super) struct Settled {
    pub(super) outcome: Outcome,
    pub(super) single: bool,
}

/// The same before anything is mended.
type Tried<B> = (Result<Outcome, Fault>, Option<Ready<B>>, Option<State>);

impl<M: Migration> Walk<'_, M> {
    /// Says in the ledger what is about to be written, unless the last commit has said it already.
    pub(super) async fn announce(&mut self, ready: &Ready<M::Batch>) -> Result<Kept, EngineError> {
        let announced = self.announcement(ready);
        let there = self.lease.checkpoint();
        // What a killed run had announced may look the same, and knows nothing of letters.
        let named = ready.letters.is_empty() || !there.retrying.is_empty();
        let same = there.announced == announced && there.leaving == ready.leaving;
        if announced.is_none() || same && named {
            return Ok(Kept::Yes);
        }
        reach(Point::BeforeAnnounce).await;
        let change = |it: &mut Checkpoint| {
            (it.announced, it.leaving) = (announced, ready.leaving);
            if it.retrying.is_empty() {
                it.retrying.clone_from(&ready.letters);
            }
            if !ready.letters.is_empty() {
                // Their records are gone, or this walk would have ended.
                it.settled = Vec::new();
            }
        };
        let kept = self.lease.write(change, self.run.budget.call()).await?;
        reach(Point::AfterAnnounce).await;
        Ok(kept)
    }

    /// In a sweep a batch is what it found; one that found nothing writes nothing, and needs no announcement.
    pub(super) fn announcement(&self, ready: &Ready<M::Batch>) -> Option<Announced> {
        let size = ready.scanned;
        if ready.end.is_none() {
            // Its keys are remembered as interrupted already: they would not fit into a record twice.
            Some(Announced { size, to: None, keys: Vec::new() })
        } else if self.sweeping() {
            (!ready.found.is_empty()).then(|| Announced { size, to: None, keys: ready.found.clone() })
        } else {
            Some(Announced { size, to: ready.end.clone(), keys: Vec::new() })
        }
    }

    /// Carries a batch's effects out, dead letters included, or mends what went wrong with them.
    pub(super) async fn effects(
        &mut self,
        ready: &Ready<M::Batch>,
        size: u64,
    ) -> Result<Effects<M::Batch>, EngineError> {
        let fenced = || Ok(Effects::Over(Walked::Stopped(StoppedBy::Fence)));
        let (mut single, mut attempts) = (false, 1);
        let (mut result, mut next, mut switch) = (Ok(Outcome::default()), None, None);
        let mut mended = None;
        if let Some(aside) = self.condemned(ready) {
            let kills = self.lease.checkpoint().kills;
            mended = Some(self.set_aside(aside, kills).await?);
        } else {
            let Some(written) = self.write(ready, size).await? else { return fenced() };
            (result, next, switch) = written;
        }
        loop {
            match mended.take() {
                None => {}
                Some(Mended::Again) => return Ok(Effects::Again),
                Some(Mended::Over(walked)) => return Ok(Effects::Over(walked)),
                Some(Mended::Single { outcome, attempts: tried }) => {
                    (result, single, attempts) = (Ok(outcome), true, tried);
                }
            }
            let fault = match result {
                Ok(outcome) => match self.record(ready, &outcome, attempts).await? {
                    None => return fenced(),
                    Some(Ok(())) => {
                        let outcome = Settled { outcome, single };
                        return Ok(Effects::Done(Box::new(Written { outcome, next, switch })));
                    }
                    // The time is up, and that is not the item's doing.
                    Some(Err(fault)) if fault.class == Class::Capacity && single => {
                        return Ok(Effects::Over(Walked::Stopped(StoppedBy::Time)));
                    }
                    Some(Err(fault)) => fault,
                },
                Err(fault) => fault,
            };
            if fault.uncertain && self.remember(ready).await? == Kept::Fenced {
                return fenced();
            }
            let failed = Failed {
                wide: u64::try_from(ready.found.len()).unwrap_or(0).max(ready.scanned),
                single: ready.single(self.sweeping()).cloned(),
                end: ready.end.clone(),
            };
            mended = Some(self.mend(fault, failed).await?);
            // Only what is mended by a single item's fate goes on; it says what the result is.
            result = Ok(Outcome::default());
        }
    }

    /// The item of this batch, if runs were killed too often while they moved it alone: it is not tried any more.
    fn condemned(&self, ready: &Ready<M::Batch>) -> Option<Aside> {
        let Checkpoint { kills, alone, .. } = self.lease.checkpoint();
        let key = ready.single(self.sweeping()).filter(|&key| alone.as_ref() == Some(key))?;
        (*kills >= self.run.limits.max_attempts).then(|| Aside {
            key: self.run.kind.item_at(key),
            class: "killed",
            message: format!(
                "the function was killed {} in a row while it moved this item alone; raise its memory or time, then `retry`",
                counted(u64::from(*kills), "time")
            ),
        })
    }

    /// Writes a batch. Meanwhile the next one is read, the switches are looked at, and the lease is kept alive.
    /// `None`: the lease was lost.
    async fn write(&mut self, ready: &Ready<M::Batch>, size: u64) -> Result<Option<Tried<M::Batch>>, EngineError> {
        let counters = &self.lease.checkpoint().counters;
        let effort = Effort {
            limit: self.run.budget.remaining(),
            recovered: ready.recovered,
            fresh: counters.moved + counters.skipped == 0 && self.chunk.is_untouched(self.state.life),
            run: self.run.id.clone(),
        };
        let (run, state, bound) = (self.run, self.state.clone(), self.bound.clone());
        let bounds = Bounds {
            interrupted: self.lease.checkpoint().interrupted.clone().filter(|_| !ready.passes_interrupted),
            suspect: None,
            letters: self.several() || self.lease.checkpoint().has_letters(),
            several: self.several(),
            open_end: false,
        };
        let narrow = self.narrow.cap().is_some();
        let effects = async {
            if ready.found.is_empty() && (state.pass > 1 || ready.end.is_none()) {
                return Ok(Outcome::default());
            }
            reach(Point::EffectsBegun).await;
            let outcome = in_time(&run.budget, run.kind.write(&ready.batch, &effort)).await?;
            reach(Point::EffectsCommitted).await;
            Ok(outcome)
        };
        let ahead = async {
            let after = ready.end.as_ref().filter(|_| !narrow)?;
            stretch(run, &state, &bound, &bounds, Some(after), size).await.ok().flatten()
        };
        let switch = async {
            let limit = Duration::from_secs(1).min(run.budget.call());
            state::load(&*run.ledger, &run.migration, limit).await.ok().map(|stored| stored.state)
        };
        let work = async { tokio::join!(effects, ahead, switch) };
        Ok(hold(self.lease, run.budget.call(), work).await?)
    }

    /// Keeps in mind that a batch may have been applied although its write failed.
    async fn remember(&mut self, ready: &Ready<M::Batch>) -> Result<Kept, EngineError> {
        if let Some(reading) = &mut self.letters {
            reading.recovered = true;
            return Ok(Kept::Yes);
        }
        if ready.found.is_empty() && self.lease.checkpoint().interrupted.is_none() {
            self.narrow.interrupted();
        }
        let (end, found, leaving) = (ready.end.clone(), ready.found.clone(), ready.leaving);
        let change = move |it: &mut Checkpoint| {
            if !found.is_empty() {
                it.interrupt(&found);
                // They would not fit into a record twice.
                it.announced = it.announced.take().map(|announced| Announced { keys: Vec::new(), ..announced });
            } else if it.interrupted.is_none() {
                (it.interrupted, it.interrupted_items) = (end, leaving);
            }
        };
        Ok(self.lease.write(change, self.run.budget.call()).await?)
    }
}
