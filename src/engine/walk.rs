//! The loop: read a batch, announce it, write it while the next one is read, commit, until something says stop.

use super::checkpoint::{Announced, Checkpoint, Counters};
use super::dead;
use super::failpoint::{Point, reach};
use super::hold::hold;
use super::lease::{Kept, Lease};
use super::migration::{Effort, Migration, Outcome, Range};
use super::report::{BatchSize, StoppedBy};
use super::run::{EngineError, Run};
use super::sizer::Caps;
use super::state::{self, State};
use super::stretch::{Bounds, Ready, in_time, stretch};
use crate::cursor::Cursor;
use crate::fault::Fault;
use std::time::Duration;
use tokio::time::Instant;

/// How a walk ended.
#[derive(Debug)]
pub(super) enum Walked {
    /// At the bound.
    ToTheEnd,
    /// Before it, in good order.
    Stopped(StoppedBy),
    /// Somebody paused the migration, or something did that needs a person.
    Paused(StoppedBy, String),
    /// Nothing could be done about it within this run.
    Failed(Fault),
}

/// One walk over one shard.
pub(super) struct Walk<'a, M: Migration> {
    pub(super) run: &'a Run<'a, M>,
    pub(super) lease: &'a mut Lease,
    state: State,
    bound: Cursor,
    /// Batches are no larger than this until the walk has passed `suspect`.
    pub(super) cap: Option<u64>,
    suspect: Option<Cursor>,
    /// Somebody else held a lock on the next item, when it was alone in a batch.
    pub(super) locked: bool,
    pub(super) commit_time: Duration,
    pub(super) backoff: Duration,
    /// Since the run began.
    pub(super) counters: Counters,
    /// Time within batches.
    pub(super) batch_time: Duration,
    /// The size of the last batch.
    pub(super) size: Option<BatchSize>,
}

impl<'a, M: Migration> Walk<'a, M> {
    pub(super) fn new(
        run: &'a Run<'a, M>,
        lease: &'a mut Lease,
        state: State,
        bound: Cursor,
        before: Counters,
    ) -> Self {
        Self {
            run,
            lease,
            state,
            bound,
            cap: None,
            suspect: None,
            locked: false,
            commit_time: Duration::from_millis(5),
            backoff: Duration::from_millis(40),
            counters: before,
            batch_time: Duration::ZERO,
            size: None,
        }
    }

    pub(super) async fn walk(&mut self) -> Result<Walked, EngineError> {
        let mut ahead: Option<Ready<M::Batch>> = None;
        loop {
            if let Some(why) = self.stop() {
                return Ok(Walked::Stopped(why));
            }
            let Some((size, bound_by)) = self.lease.checkpoint().tuner.next(&self.caps()) else {
                return Ok(Walked::Stopped(StoppedBy::Time));
            };
            self.size = Some(BatchSize { size, bound_by });
            let started = Instant::now();
            let ready = match ahead.take().filter(|ready| self.fits(ready)) {
                Some(ready) => ready,
                None => match self.fetch(size).await? {
                    Fetched::Ready(ready) => ready,
                    Fetched::Again => continue,
                    Fetched::Over(walked) => return Ok(walked),
                },
            };
            if self.announce(&ready).await? == Kept::Fenced {
                return Ok(Walked::Stopped(StoppedBy::Fence));
            }
            let Some((written, next, switch)) = self.write(&ready, size).await? else {
                return Ok(Walked::Stopped(StoppedBy::Fence));
            };
            let outcome = match written {
                Ok(outcome) => outcome,
                Err(fault) => {
                    self.batch_time += started.elapsed();
                    if fault.uncertain && self.remember(&ready).await? == Kept::Fenced {
                        return Ok(Walked::Stopped(StoppedBy::Fence));
                    }
                    let single = if ready.end.is_none() || self.sweeping() {
                        ready.found.len() == 1
                    } else {
                        ready.scanned == 1
                    };
                    let key = single.then(|| ready.found.first().or(ready.end.as_ref()).cloned()).flatten();
                    let wide = u64::try_from(ready.found.len()).unwrap_or(0).max(ready.scanned);
                    self.suspect = self.suspect.take().or(ready.end);
                    match self.mend(fault, wide, key).await? {
                        Some(walked) => return Ok(walked),
                        None => continue,
                    }
                }
            };
            (self.backoff, self.locked) = (Duration::from_millis(40), false);
            let passed = ready.end.clone();
            ahead = next.filter(|_| self.suspect.is_none() || self.suspect == passed);
            if self.commit(ready, outcome, started.elapsed(), ahead.as_ref()).await? == Kept::Fenced {
                return Ok(Walked::Stopped(StoppedBy::Fence));
            }
            self.batch_time += started.elapsed();
            if self.suspect == passed {
                (self.cap, self.suspect) = (None, None);
            } else if self.suspect.is_none() {
                self.cap = self.cap.map(|cap| cap * 2).filter(|&cap| cap < self.run.limits.max_batch);
            }
            match switch {
                Some(now) if now.life != self.state.life => return Ok(Walked::Stopped(StoppedBy::Fence)),
                Some(State { paused: Some(pause), .. }) => return Ok(Walked::Paused(StoppedBy::Pause, pause.reason)),
                _ => {}
            }
        }
    }

    /// The next batch, where none was read ahead.
    async fn fetch(&mut self, size: u64) -> Result<Fetched<M::Batch>, EngineError> {
        let Some(read) = self.read(size).await? else { return Ok(Fetched::Over(Walked::Stopped(StoppedBy::Fence))) };
        Ok(match read {
            Ok(Some(ready)) => Fetched::Ready(ready),
            Ok(None) if self.lease.checkpoint().interrupted.is_some() => {
                match self.lease.write(|it| it.interrupted = None, self.run.budget.call()).await? {
                    Kept::Yes => Fetched::Again,
                    Kept::Fenced => Fetched::Over(Walked::Stopped(StoppedBy::Fence)),
                }
            }
            Ok(None) if self.suspect.is_some() => {
                (self.cap, self.suspect) = (None, None);
                Fetched::Again
            }
            Ok(None) => Fetched::Over(Walked::ToTheEnd),
            Err(fault) => self.mend(fault, size, None).await?.map_or(Fetched::Again, Fetched::Over),
        })
    }

    fn sweeping(&self) -> bool {
        self.state.pass > 1
    }

    fn stop(&self) -> Option<StoppedBy> {
        if self.run.stop.is_set() {
            return Some(StoppedBy::Signal);
        }
        if self.run.max_items.is_some_and(|most| self.counters.items() >= most) {
            return Some(StoppedBy::Items);
        }
        if self.run.budget.remaining() <= self.commit_time {
            return Some(StoppedBy::Time);
        }
        // A run always tries one batch: with a limit below the process's own size there would be no end otherwise.
        (self.counters.batches > 0 && self.run.budget.memory_is_short()).then_some(StoppedBy::Memory)
    }

    fn caps(&self) -> Caps {
        Caps {
            target: self.run.budget.batch_time(self.run.limits.batch_time),
            remaining: self.run.budget.remaining().saturating_sub(self.commit_time),
            max_batch: self.run.limits.max_batch,
            bytes: self.run.batch_bytes(),
            items: self.run.max_items.map(|most| most.saturating_sub(self.counters.items())),
            failure: self.cap,
            first: self.counters.batches == 0,
        }
    }

    fn fits(&self, ready: &Ready<M::Batch>) -> bool {
        let room = self.run.budget.remaining().saturating_sub(self.commit_time);
        let tuner = &self.lease.checkpoint().tuner;
        let most = self.run.max_items.map_or(u64::MAX, |most| most.saturating_sub(self.counters.items()));
        ready.scanned <= most && tuner.p95(ready.scanned).is_none_or(|expected| expected <= room)
    }

    fn range(&self, bound: &Cursor) -> Range {
        Range { bound: bound.clone(), pass_started: self.state.pass_started_at(), open_end: false }
    }

    /// The next batch: what a killed sweep had announced comes first.
    /// `None`: the lease was lost meanwhile.
    async fn read(&mut self, size: u64) -> Result<Option<MaybeRead<M::Batch>>, EngineError> {
        let checkpoint = self.lease.checkpoint();
        if !checkpoint.interrupted_keys.is_empty() {
            let most = usize::try_from(size).unwrap_or(usize::MAX);
            let keys: Vec<Cursor> = checkpoint.interrupted_keys.iter().take(most).cloned().collect();
            let batch = self.run.kind.fetch(&self.range(&self.bound), &keys);
            return Ok(Some(Ok(Some(Ready {
                batch,
                end: None,
                scanned: u64::try_from(keys.len()).unwrap_or(u64::MAX),
                found: keys,
                recovered: true,
                passes_interrupted: false,
            }))));
        }
        let bounds = Bounds { interrupted: checkpoint.interrupted.clone(), suspect: self.suspect.clone() };
        let after = checkpoint.cursor.clone();
        let reading = stretch(self.run, &self.state, &self.bound, &bounds, after.as_ref(), size);
        Ok(hold(self.lease, self.run.budget.call(), reading).await?)
    }

    /// Says in the ledger what is about to be written, unless the last commit has said it already.
    async fn announce(&mut self, ready: &Ready<M::Batch>) -> Result<Kept, EngineError> {
        let announced = self.announcement(ready);
        if announced.is_none() || self.lease.checkpoint().announced == announced {
            return Ok(Kept::Yes);
        }
        reach(Point::BeforeAnnounce).await;
        let kept = self.lease.write(|it| it.announced = announced, self.run.budget.call()).await?;
        reach(Point::AfterAnnounce).await;
        Ok(kept)
    }

    /// In a sweep a batch is what it found; one that found nothing writes nothing, and needs no announcement.
    fn announcement(&self, ready: &Ready<M::Batch>) -> Option<Announced> {
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

    /// Writes a batch. Meanwhile the next one is read, the switches are looked at, and the lease is kept alive.
    /// `None`: the lease was lost.
    async fn write(&mut self, ready: &Ready<M::Batch>, size: u64) -> Result<Option<Written<M::Batch>>, EngineError> {
        let effort =
            Effort { limit: self.run.budget.remaining(), recovered: ready.recovered, run: self.run.id.clone() };
        let (run, state, bound) = (self.run, self.state.clone(), self.bound.clone());
        let bounds = Bounds {
            interrupted: self.lease.checkpoint().interrupted.clone().filter(|_| !ready.passes_interrupted),
            suspect: self.suspect.clone().filter(|suspect| Some(suspect) != ready.end.as_ref()),
        };
        let effects = async {
            if ready.found.is_empty() && (state.pass > 1 || ready.end.is_none()) {
                return Ok(Outcome::default());
            }
            reach(Point::EffectsBegun).await;
            let outcome = in_time(&run.budget, run.kind.write(&ready.batch, &effort)).await?;
            reach(Point::EffectsCommitted).await;
            // Dead letters are durable before the cursor passes them; what they cost is part of what the batch costs.
            let letters = dead::record(&run.ledger, &run.migration, state.life, &outcome.aside, (run.terms.clock)());
            in_time(&run.budget, async { letters.await.map_err(|error| dead::fault(&error)) }).await?;
            Ok(outcome)
        };
        let ahead = async {
            let after = ready.end.as_ref()?;
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
        let (end, found) = (ready.end.clone(), ready.found.clone());
        let change = move |it: &mut Checkpoint| {
            if !found.is_empty() {
                it.interrupt(&found);
                // They would not fit into a record twice.
                it.announced = it.announced.take().map(|announced| Announced { keys: Vec::new(), ..announced });
            } else if it.interrupted.is_none() {
                it.interrupted = end;
            }
        };
        Ok(self.lease.write(change, self.run.budget.call()).await?)
    }

    /// Makes the batch's outcome durable: cursor and counters, with the next announcement.
    async fn commit(
        &mut self,
        ready: Ready<M::Batch>,
        outcome: Outcome,
        took: Duration,
        ahead: Option<&Ready<M::Batch>>,
    ) -> Result<Kept, EngineError> {
        let run = self.run;
        let conflicts = outcome.aside.iter().filter(|aside| aside.class == "conflict").count();
        let batch = Counters {
            moved: outcome.moved,
            skipped: outcome.skipped,
            conflicts: u64::try_from(conflicts).unwrap_or(u64::MAX),
            failed: u64::try_from(outcome.aside.len() - conflicts).unwrap_or(u64::MAX),
            bytes: outcome.bytes,
            batches: 1,
            scanned: if ready.end.is_some() { ready.scanned } else { 0 },
        };
        let announced = ahead.and_then(|next| self.announcement(next));
        let target = run.budget.batch_time(run.limits.batch_time);
        let (commit_time, capped) = (self.commit_time, self.cap.is_some());
        let began = Instant::now();
        reach(Point::BeforeCommit).await;
        let kept = self
            .lease
            .write(
                |it| {
                    if ready.end.is_some() {
                        it.cursor = ready.end;
                        it.tuner.observe(ready.scanned, took + commit_time, outcome.bytes);
                        if !capped {
                            it.tuner.settle(ready.scanned, target, run.limits.max_batch);
                        }
                    } else {
                        it.interrupted_keys.retain(|key| !ready.found.contains(key));
                    }
                    if ready.passes_interrupted {
                        it.interrupted = None;
                    }
                    it.counters.add(&batch);
                    it.in_pass.add(&batch);
                    it.announced = announced;
                    (it.kills, it.alone, it.timeouts) = (0, None, 0);
                },
                run.budget.call(),
            )
            .await?;
        reach(Point::AfterCommit).await;
        // A slow commit is remembered, a quick one only slowly believed.
        self.commit_time = began.elapsed().max(self.commit_time.mul_f64(0.9));
        if kept == Kept::Yes {
            self.counters.add(&batch);
            for aside in &outcome.aside {
                let key = run.show(&aside.key);
                tracing::info!(migration = %run.migration, class = aside.class, key, "set aside");
            }
            (run.observer)(self.lease.checkpoint(), &self.state);
        }
        Ok(kept)
    }
}

/// What came of a read: a batch, nothing left, or a fault.
type MaybeRead<B> = Result<Option<Ready<B>>, Fault>;

/// A batch to write, a reason to look once more, or the end of the walk.
enum Fetched<B> {
    Ready(Ready<B>),
    Again,
    Over(Walked),
}

/// What came of a batch's effects, the batch read meanwhile, and the switches as they were meanwhile.
type Written<B> = (Result<Outcome, Fault>, Option<Ready<B>>, Option<State>);
