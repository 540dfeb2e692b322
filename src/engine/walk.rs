//! The loop: read a batch, announce it, write it while the next one is read, commit, until something says stop.

use super::breaker;
use super::chunk::Chunk;
use super::effects::{Effects, Settled, Written};
use super::fetch::Fetched;
use super::lanes::Held;
use super::lease::{Kept, Lease};
use super::letters::Reading;
use super::migration::{Migration, Range};
use super::narrow::Narrow;
use super::rate::Claim;
use super::report::{BatchSize, StoppedBy};
use super::run::{EngineError, Run};
use super::sizer::Caps;
use super::state::State;
use super::stretch::Ready;
use super::turn::{Fitting, Next};
use crate::cursor::Cursor;
use crate::fault::Fault;
use std::time::Duration;
use tokio::time::Instant;

/// A batch that was read ahead and has waited longer for its turn is read again: what it holds may have changed since.
const STALE: Duration = Duration::from_secs(2);

/// How a walk ended.
#[derive(Debug)]
pub(super) enum Walked {
    /// At the bound.
    ToTheEnd,
    /// Before it, in good order.
    Stopped(StoppedBy),
    /// The throttle says no, in words, for as long as the run lasts.
    Throttled(String),
    /// Somebody paused the migration, or something did that needs a person.
    Paused(StoppedBy, String),
    /// Nothing could be done about it within this run.
    Failed(Fault),
}

impl Walked {
    /// Why it ended before its end.
    pub(super) fn stopped_by(&self) -> Option<StoppedBy> {
        match self {
            Self::ToTheEnd => None,
            Self::Stopped(why) | Self::Paused(why, _) => Some(*why),
            Self::Throttled(_) => Some(StoppedBy::Rate),
            Self::Failed(_) => Some(StoppedBy::Error),
        }
    }
}

/// One walk over one shard, or over the dead letters that were put back.
pub(super) struct Walk<'a, M: Migration> {
    pub(super) run: &'a Run<'a, M>,
    pub(super) shard: u32,
    pub(super) lease: &'a mut Lease,
    pub(super) state: State,
    /// Before the shard's first key; `None`: from the start.
    pub(super) start: Option<Cursor>,
    /// The shard's last key.
    pub(super) bound: Cursor,
    /// Where it is in the dead letters, if it walks over these.
    pub(super) letters: Option<Reading>,
    pub(super) narrow: Narrow,
    /// Keys of dead letters that were recorded and not committed yet.
    pub(super) recorded: Vec<Cursor>,
    /// Somebody else held a lock on the next item, when it was alone in a batch.
    pub(super) locked: bool,
    /// What was wrong with the last batch, if it is to be tried again.
    pub(super) failing: Option<Fault>,
    pub(super) commit_time: Duration,
    pub(super) backoff: Duration,
    /// What the next batch may move.
    pub(super) claim: Option<Claim>,
    /// Items among the keys of late.
    pub(super) density: f64,
    pub(super) chunk: &'a Chunk,
}

impl<'a, M: Migration> Walk<'a, M> {
    pub(super) fn new(
        run: &'a Run<'a, M>,
        held: &'a mut Held,
        state: State,
        (start, bound): (Option<Cursor>, Cursor),
        letters: Option<Reading>,
        chunk: &'a Chunk,
    ) -> Self {
        Self {
            run,
            shard: held.shard,
            lease: &mut held.lease,
            state,
            start,
            bound,
            letters,
            narrow: Narrow::default(),
            recorded: Vec::new(),
            locked: false,
            failing: None,
            commit_time: Duration::from_millis(5),
            backoff: Duration::from_millis(40),
            claim: None,
            density: 1.0,
            chunk,
        }
    }

    pub(super) async fn walk(&mut self) -> Result<Walked, EngineError> {
        let walked = match (self.batches().await, self.failing.take()) {
            // Time was up while the same thing failed again and again: that is what there is to say.
            (Ok(Walked::Stopped(StoppedBy::Time)), Some(fault)) => Ok(Walked::Failed(fault)),
            (walked, _) => walked,
        };
        self.unclaim().await;
        walked
    }

    async fn batches(&mut self) -> Result<Walked, EngineError> {
        let mut ahead: Option<Ready<M::Batch>> = None;
        // Keys to read at most, after a batch was found to hold more items than the rate allows.
        let mut fewer: Option<u64> = None;
        // How long the batch that was read ahead has waited for its turn.
        let mut waited = Duration::ZERO;
        loop {
            if let Some(why) = self.stop() {
                return Ok(Walked::Stopped(why));
            }
            let asked = Instant::now();
            match self.turn().await? {
                // While a lane waits for its turn, others may take what `max_items` has left.
                Next::Begin if self.none_are_left() => continue,
                Next::Begin => waited = Duration::ZERO,
                Next::Again => {
                    waited += asked.elapsed();
                    // Nobody has announced it: where there is waiting, that is done in turn.
                    ahead = ahead.filter(|_| waited < STALE);
                    continue;
                }
                Next::Over(walked) => return Ok(walked),
            }
            let Some((size, bound_by)) = self.lease.checkpoint().tuner.next(&self.caps()) else {
                return Ok(Walked::Stopped(StoppedBy::Time));
            };
            let size = fewer.take().map_or(size, |fewer| fewer.min(size));
            let (chunk, started) = (self.chunk, Instant::now());
            chunk.size(self.shard, BatchSize { size, bound_by });
            // No lane passes more items than are left of `max_items`, whatever the others are doing.
            let share = self.run.max_items.map_or(u64::MAX, |most| chunk.share(most));
            let read = ahead.take().filter(|ready| self.fits(ready, share));
            let _reserved = chunk.reserve(read.as_ref().map_or(size, |ready| ready.scanned));
            let _within = chunk.within();
            let ready = match read {
                Some(ready) => ready,
                None => match self.fetch(size).await? {
                    Fetched::Ready(ready) => ready,
                    Fetched::Again => continue,
                    Fetched::Over(walked) => return Ok(walked),
                },
            };
            let ready = match self.within_claim(ready).await? {
                Fitting::Fits(ready) => ready,
                Fitting::TooMany(most) => {
                    fewer = Some(most);
                    continue;
                }
                Fitting::Over(walked) => return Ok(walked),
            };
            if self.announce(&ready).await? == Kept::Fenced {
                return Ok(Walked::Stopped(StoppedBy::Fence));
            }
            let written = match self.effects(&ready, size).await? {
                Effects::Done(written) => written,
                Effects::Again => continue,
                Effects::Over(walked) => return Ok(walked),
            };
            let Written { outcome, next, switch } = *written;
            (self.backoff, self.locked, self.failing) = (Duration::from_millis(40), false, None);
            let (passed, scanned) = (ready.end.clone(), ready.scanned);
            let Settled { outcome, single } = outcome;
            ahead = next.filter(|_| self.narrow.cap().is_none());
            self.settle(scanned, &outcome).await;
            if self.commit(ready, outcome, started.elapsed(), ahead.as_ref()).await? == Kept::Fenced {
                return Ok(Walked::Stopped(StoppedBy::Fence));
            }
            let most = self.run.limits.max_batch;
            if single {
                self.narrow.found(passed.as_ref(), most);
            } else {
                self.narrow.passed(scanned, passed.as_ref(), most);
            }
            if let Some(walked) = self.switched(switch) {
                return Ok(walked);
            }
            if let Some(reason) = self.breaker() {
                return Ok(Walked::Paused(StoppedBy::Breaker, reason));
            }
        }
    }

    /// Whether too many items of this run could not be moved, in words.
    fn breaker(&self) -> Option<String> {
        let (judged, last) = self.chunk.judged();
        let last = last.as_ref().map(|aside| (aside, self.run.show(&aside.key)));
        breaker::judge(&judged, self.run.limits.stop_when_failed, last)
    }

    /// Whether somebody else may be at work in another shard.
    pub(super) fn several(&self) -> bool {
        self.state.shards() > 1
    }

    pub(super) fn sweeping(&self) -> bool {
        self.state.pass > 1
    }

    /// Whether `max_items` leaves this lane none.
    fn none_are_left(&self) -> bool {
        self.run.max_items.is_some_and(|most| self.chunk.share(most) == 0)
    }

    fn stop(&self) -> Option<StoppedBy> {
        if self.run.stop.is_set() {
            return Some(StoppedBy::Signal);
        }
        if self.none_are_left() {
            return Some(StoppedBy::Items);
        }
        if self.run.budget.remaining() <= self.commit_time {
            return Some(StoppedBy::Time);
        }
        // A run always tries one batch: with a limit below the process's own size there would be no end otherwise.
        (self.chunk.counters().batches > 0 && self.run.budget.memory_is_short()).then_some(StoppedBy::Memory)
    }

    fn caps(&self) -> Caps {
        Caps {
            target: self.run.budget.batch_time(self.run.limits.batch_time),
            remaining: self.run.budget.remaining().saturating_sub(self.commit_time),
            max_batch: self.run.limits.max_batch,
            bytes: if self.run.kind.holds_items() { self.run.batch_bytes(self.state.shards()) } else { u64::MAX },
            items: self.run.max_items.map(|most| self.chunk.share(most)),
            rate: self.rated(),
            rate_bytes: self.rated_bytes(),
            failure: if self.lease.checkpoint().kills >= self.run.limits.max_attempts {
                Some(1)
            } else {
                self.narrow.cap()
            },
            first: self.chunk.counters().batches == 0,
        }
    }

    /// Whether a batch that was read ahead still fits; `share`: items that may be passed.
    fn fits(&self, ready: &Ready<M::Batch>, share: u64) -> bool {
        let room = self.run.budget.remaining().saturating_sub(self.commit_time);
        let tuner = &self.lease.checkpoint().tuner;
        ready.scanned <= share && tuner.p95(ready.scanned).is_none_or(|expected| expected <= room)
    }

    pub(super) fn range(&self) -> Range {
        Range {
            bound: self.bound.clone(),
            pass_started: self.state.pass_started_at(),
            since: self.state.since_at(),
            open_end: false,
            sample: None,
        }
    }
}
