//! Lanes: shards of one pass that a run works on side by side. A lane whose shard has walked to its end takes the next free
//! one.

use super::checkpoint::{Checkpoint, Pace};
use super::chunk::Chunk;
use super::failpoint::{Point, reach};
use super::lease::{Acquired, Kept, Lease};
use super::letters;
use super::migration::Migration;
use super::report::StoppedBy;
use super::run::{EngineError, Run};
use super::shards::{self, Offer};
use super::sizer::Tuner;
use super::state::{State, Stored};
use super::walk::{Walk, Walked};
use crate::ledger::item;
use crate::plural::counted;
use futures_util::future::join_all;
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;
use tokio::sync::Mutex;

/// A ledger that has just been silent to the end of the run's time is given so long for the release.
const PARTING: Duration = Duration::from_millis(200);

/// A shard whose lease is ours.
pub(super) struct Held {
    pub(super) shard: u32,
    pub(super) lease: Lease,
}

/// What came of an attempt to take one of some shards.
pub(super) enum Taken {
    Ours(Box<Held>),
    /// Somebody else holds all of them, the first one until then.
    Held(u64),
    /// There was none.
    None,
}

/// What the lanes of a run share.
struct Lanes<'a> {
    stored: &'a Stored,
    chunk: &'a Chunk,
    /// Shards that were free when somebody looked, and those that this run holds itself.
    queue: Mutex<(VecDeque<u32>, BTreeSet<u32>)>,
}

/// What a lane learned in its last shard, and takes along to the next.
#[derive(Default)]
struct Learned {
    tuner: Tuner,
    pace: Option<Pace>,
}

impl<M: Migration> Run<'_, M> {
    /// How many lanes there are, of so many shards.
    pub(super) fn lanes_of(&self, shards: u32) -> u32 {
        if self.shard.is_some() { 1 } else { self.limits.lanes.min(shards).max(1) }
    }

    /// Takes the first of these shards that nobody holds.
    pub(super) async fn take(&self, numbers: impl IntoIterator<Item = u32>) -> Result<Taken, EngineError> {
        let mut first: Option<u64> = None;
        for shard in numbers {
            reach(Point::BeforeAcquire).await;
            let acquired = Lease::acquire(
                self.ledger.clone(),
                &self.migration,
                &item::shard(shard),
                &self.id,
                self.terms.clone(),
                self.budget.call(),
            )
            .await?;
            match acquired {
                Acquired::Ours(lease) => {
                    reach(Point::AfterAcquire).await;
                    return Ok(Taken::Ours(Box::new(Held { shard, lease: *lease })));
                }
                Acquired::Held { until, .. } => first = Some(first.map_or(until, |first| first.min(until))),
            }
        }
        Ok(first.map_or(Taken::None, Taken::Held))
    }

    /// Gives a shard back. `unsure`: a write that the ledger did not answer may have been done, and so may the effects of the
    /// announced batch.
    pub(super) async fn leave(&self, mut held: Held, why: StoppedBy, unsure: bool, chunk: &Chunk) {
        if why != StoppedBy::Fence {
            self.release(&mut held, unsure, |_| {}).await;
        }
        chunk.leave(held.shard, held.lease.checkpoint(), why);
    }

    async fn release(&self, held: &mut Held, unsure: bool, change: impl FnOnce(&mut Checkpoint)) {
        let parting = |it: &mut Checkpoint| {
            if unsure {
                it.interrupt_announced();
            }
            change(it);
        };
        reach(Point::BeforeRelease).await;
        let call = self.budget.call();
        let limit = if unsure { call.min(self.budget.left().max(PARTING)) } else { call };
        let released = held.lease.release(parting, limit).await;
        reach(Point::AfterRelease).await;
        if !unsure && matches!(released, Ok(Kept::Fenced)) {
            let epoch = held.lease.epoch();
            tracing::warn!(migration = %self.migration, epoch, "release refused: {}", held.lease.lost());
        }
    }

    /// Walks the open pass, from the shard that is held already, until nothing is free any more or something says stop. How
    /// each lane ended; and a shard that is still held, for closing the pass, if all came to their ends.
    pub(super) async fn lanes(
        &self,
        lead: Held,
        stored: &Stored,
        chunk: &Chunk,
    ) -> Result<(Vec<Walked>, Option<Held>), EngineError> {
        let count = self.lanes_of(stored.state.shards());
        let ours = BTreeSet::from([lead.shard]);
        let lanes = Lanes { stored, chunk, queue: Mutex::new((VecDeque::new(), ours)) };
        chunk.lanes(count);
        let mut first = Some(lead);
        let each = (0..count).map(|_| Box::pin(self.lane(first.take(), &lanes)));
        let (mut walks, mut last, mut failed) = (Vec::new(), None, None);
        // None is cut short because another one has failed: what it has under way is committed first.
        for ended in join_all(each.collect::<Vec<_>>()).await {
            match ended {
                Ok((walked, held)) => {
                    walks.push(walked);
                    last = held.or(last);
                }
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        match (failed, last) {
            (None, last) => Ok((walks, last)),
            (Some(error), last) => {
                if let Some(held) = last {
                    self.leave(held, StoppedBy::End, false, chunk).await;
                }
                Err(error)
            }
        }
    }

    async fn lane(&self, first: Option<Held>, lanes: &Lanes<'_>) -> Result<(Walked, Option<Held>), EngineError> {
        let ended = self.shard_after_shard(first, lanes).await;
        let last = lanes.chunk.lane_over();
        let (walked, held) = ended?;
        let Some(mut held) = held else { return Ok((walked, None)) };
        if last {
            return Ok((walked, Some(held)));
        }
        // The pace of a lane that is no more counts no longer.
        self.release(&mut held, false, |it| it.pace = Pace::default()).await;
        lanes.chunk.leave(held.shard, held.lease.checkpoint(), StoppedBy::End);
        Ok((walked, None))
    }

    /// The last shard comes along, if it has walked to its end.
    async fn shard_after_shard(
        &self,
        first: Option<Held>,
        lanes: &Lanes<'_>,
    ) -> Result<(Walked, Option<Held>), EngineError> {
        let mut learned = Learned::default();
        let mut held = match first {
            Some(held) => held,
            None => match self.next(lanes).await? {
                Some(held) => held,
                None => return Ok((Walked::ToTheEnd, None)),
            },
        };
        loop {
            let walked = match Box::pin(self.shard(&mut held, learned, lanes)).await {
                Ok(walked) => walked,
                Err(error) => {
                    let unsure = matches!(error, EngineError::Ledger(_));
                    self.leave(held, StoppedBy::Error, unsure, lanes.chunk).await;
                    return Err(error);
                }
            };
            if let Some(why) = walked.stopped_by() {
                // The others hear of it at the end of their batches.
                let walked = self.heed(walked, lanes.stored).await;
                self.leave(held, why, false, lanes.chunk).await;
                return Ok((walked?, None));
            }
            if lanes.stored.state.shards() == 1 || self.stop.is_set() || self.budget.remaining().is_zero() {
                return Ok((walked, Some(held)));
            }
            let next = match self.next(lanes).await {
                Ok(Some(next)) => next,
                Ok(None) => return Ok((walked, Some(held))),
                Err(error) => {
                    self.leave(held, StoppedBy::End, false, lanes.chunk).await;
                    return Err(error);
                }
            };
            let done = held.lease.checkpoint();
            let pace = done.pace.carry(&done.counters, &next.lease.checkpoint().counters);
            learned = Learned { tuner: done.tuner.clone(), pace: Some(pace) };
            self.release(&mut held, false, |it| it.pace = Pace::default()).await;
            lanes.chunk.leave(held.shard, held.lease.checkpoint(), StoppedBy::End);
            held = next;
        }
    }

    /// The next shard of the pass that nobody holds.
    async fn next(&self, lanes: &Lanes<'_>) -> Result<Option<Held>, EngineError> {
        let state = &lanes.stored.state;
        let mut queue = lanes.queue.lock().await;
        let (free, ours) = &mut *queue;
        if free.is_empty() {
            let shards = shards::all(&*self.ledger, &self.migration, self.budget.call()).await?;
            let undone = |number: &u32| !shards.iter().any(|it| it.number == *number && it.is_done(state));
            if let Offer::Free(numbers) = shards::offer(state, &shards, self.shard, (self.terms.clock)()) {
                free.extend(numbers.into_iter().filter(|number| undone(number) && !ours.contains(number)));
            }
        }
        while let Some(number) = free.pop_front() {
            if let Taken::Ours(held) = self.take([number]).await? {
                ours.insert(number);
                lanes.chunk.enter(number, held.lease.checkpoint());
                return Ok(Some(*held));
            }
        }
        Ok(None)
    }

    /// Walks one shard to its end.
    async fn shard(&self, held: &mut Held, learned: Learned, lanes: &Lanes<'_>) -> Result<Walked, EngineError> {
        let (state, fenced) = (&lanes.stored.state, Ok(Walked::Stopped(StoppedBy::Fence)));
        let (life, pass) = (state.life, state.pass);
        let it = held.lease.checkpoint();
        if (it.life, it.pass) > (life, pass) {
            // The pass was closed before this shard was taken: there is nothing left to do in it.
            return Ok(Walked::ToTheEnd);
        }
        if let Some(walked) = self.check_in(held, state).await? {
            return Ok(walked);
        }
        let it = held.lease.checkpoint();
        if (it.life, it.pass) != (life, pass) || learned.pace.is_some() {
            let Learned { tuner, pace } = learned;
            let change = |it: &mut Checkpoint| {
                it.enter(life, pass);
                it.pace = pace.unwrap_or(it.pace);
                if it.tuner == Tuner::default() {
                    it.tuner = tuner;
                }
            };
            if held.lease.write(change, self.budget.call()).await? == Kept::Fenced {
                return fenced;
            }
        }
        if held.lease.checkpoint().done {
            return Ok(Walked::ToTheEnd);
        }
        if let Some(stretch) = state.stretch(held.shard) {
            let walked = Walk::new(self, held, state.clone(), stretch, None, lanes.chunk).walk().await?;
            if !matches!(walked, Walked::ToTheEnd) {
                return Ok(walked);
            }
        }
        let done = |it: &mut Checkpoint| (it.done, it.announced) = (true, None);
        if held.lease.write(done, self.budget.call()).await? == Kept::Fenced {
            return fenced;
        }
        Ok(Walked::ToTheEnd)
    }

    /// What a shard needs before anything is moved in it: that runs were not killed in it again and again, and that letters
    /// which nobody counted are gone. `Some`: it is not to be walked now.
    pub(super) async fn check_in(&self, held: &mut Held, state: &State) -> Result<Option<Walked>, EngineError> {
        let fenced = Ok(Some(Walked::Stopped(StoppedBy::Fence)));
        let it = held.lease.checkpoint();
        if it.life != state.life {
            return Ok(None);
        }
        if it.kills >= self.limits.max_attempts && it.alone.is_none() {
            // A person has to look: they said nothing of what they were about to move.
            let reason = format!(
                "the function was killed {} in a row before it moved anything; raise its memory or time, then `resume`",
                counted(u64::from(it.kills), "time")
            );
            // `resume` gives it as many attempts again.
            if held.lease.write(|it| (it.kills, it.alone) = (0, None), self.budget.call()).await? == Kept::Fenced {
                return fenced;
            }
            return Ok(Some(Walked::Paused(StoppedBy::Error, reason)));
        }
        if letters::tidy(self, &mut held.lease, state).await? == Kept::Fenced {
            return fenced;
        }
        let it = held.lease.checkpoint();
        let left = it.recording.is_some() || !it.settled.is_empty();
        Ok(left.then_some(Walked::Stopped(StoppedBy::Time)))
    }
}
