//! The loop: read a batch, announce it, write it while the next one is read, commit, until something says stop.

use super::breaker;
use super::checkpoint::{Announced, Checkpoint, Counters};
use super::dead;
use super::failpoint::{Point, reach};
use super::hold::hold;
use super::lease::{Kept, Lease, nonce};
use super::letters::{self, Reading};
use super::mend::{Failed, Mended};
use super::migration::{Aside, Effort, Migration, Outcome, Range};
use super::narrow::Narrow;
use super::report::{BatchSize, StoppedBy};
use super::run::{EngineError, Run};
use super::sizer::Caps;
use super::state::{self, State};
use super::stretch::{Bounds, Ready, in_time, stretch};
use crate::cursor::Cursor;
use crate::fault::{Class, Fault};
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

/// What adds up over the walks of one run.
#[derive(Default)]
pub(super) struct Chunk {
    /// Since the run began.
    pub(super) counters: Counters,
    /// The same without the dead letters that it retried: what the breaker judges.
    pub(super) judged: Counters,
    /// The last item set aside.
    pub(super) last: Option<Aside>,
    /// Time within batches.
    pub(super) batch_time: Duration,
    /// The size of the last batch.
    pub(super) size: Option<BatchSize>,
}

/// One walk over one shard, or over the dead letters that were put back.
pub(super) struct Walk<'a, M: Migration> {
    pub(super) run: &'a Run<'a, M>,
    pub(super) lease: &'a mut Lease,
    pub(super) state: State,
    bound: Cursor,
    /// Where it is in the dead letters, if it walks over these.
    pub(super) letters: Option<Reading>,
    pub(super) narrow: Narrow,
    /// Keys of dead letters that were recorded and not committed yet.
    recorded: Vec<Cursor>,
    /// Somebody else held a lock on the next item, when it was alone in a batch.
    pub(super) locked: bool,
    pub(super) commit_time: Duration,
    pub(super) backoff: Duration,
    pub(super) chunk: &'a mut Chunk,
}

impl<'a, M: Migration> Walk<'a, M> {
    pub(super) fn new(
        run: &'a Run<'a, M>,
        lease: &'a mut Lease,
        state: State,
        bound: Cursor,
        letters: Option<Reading>,
        chunk: &'a mut Chunk,
    ) -> Self {
        Self {
            run,
            lease,
            state,
            bound,
            letters,
            narrow: Narrow::default(),
            recorded: Vec::new(),
            locked: false,
            commit_time: Duration::from_millis(5),
            backoff: Duration::from_millis(40),
            chunk,
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
            self.chunk.size = Some(BatchSize { size, bound_by });
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
            let written = match self.effects(&ready, size).await? {
                Effects::Done(written) => written,
                Effects::Again => {
                    self.chunk.batch_time += started.elapsed();
                    continue;
                }
                Effects::Over(walked) => {
                    self.chunk.batch_time += started.elapsed();
                    return Ok(walked);
                }
            };
            let Written { outcome, next, switch } = *written;
            (self.backoff, self.locked) = (Duration::from_millis(40), false);
            let (passed, scanned) = (ready.end.clone(), ready.scanned);
            let Settled { outcome, single } = outcome;
            ahead = next.filter(|_| self.narrow.cap().is_none());
            if self.commit(ready, outcome, started.elapsed(), ahead.as_ref()).await? == Kept::Fenced {
                return Ok(Walked::Stopped(StoppedBy::Fence));
            }
            self.chunk.batch_time += started.elapsed();
            let most = self.run.limits.max_batch;
            if single {
                self.narrow.found(passed.as_ref(), most);
            } else {
                self.narrow.passed(scanned, passed.as_ref(), most);
            }
            match switch {
                Some(now) if now.life != self.state.life => return Ok(Walked::Stopped(StoppedBy::Fence)),
                Some(State { paused: Some(pause), .. }) => return Ok(Walked::Paused(StoppedBy::Pause, pause.reason)),
                _ => {}
            }
            if let Some(reason) = self.breaker() {
                return Ok(Walked::Paused(StoppedBy::Breaker, reason));
            }
        }
    }

    /// Carries a batch's effects out, dead letters included, or mends what went wrong with them.
    async fn effects(&mut self, ready: &Ready<M::Batch>, size: u64) -> Result<Effects<M::Batch>, EngineError> {
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
            key: key.clone(),
            class: "killed",
            message: format!(
                "the function was killed {kills} times in a row while it moved this item alone; raise its memory or time, then \
                 `retry`"
            ),
        })
    }

    /// Makes the dead letters of a batch durable before the cursor passes them. `None`: the lease was lost.
    ///
    /// The checkpoint holds their mark from before the first of them until the commit that counts them: should that never
    /// come, the next run knows which ones nobody has counted.
    async fn record(
        &mut self,
        ready: &Ready<M::Batch>,
        outcome: &Outcome,
        attempts: u32,
    ) -> Result<Option<Result<(), Fault>>, EngineError> {
        let (run, letters, now) = (self.run, letters::of(self.run, &self.state), (self.run.terms.clock)());
        let aside = &outcome.aside;
        let stale: Vec<Cursor> =
            self.recorded.iter().filter(|key| aside.iter().all(|aside| aside.key != **key)).cloned().collect();
        if aside.is_empty() && stale.is_empty() {
            return Ok(Some(Ok(())));
        }
        let again = Self::failed_again(ready, outcome);
        let batch = match self.lease.checkpoint().recording.clone() {
            Some(batch) => batch,
            None if self.letters.is_some() => String::new(),
            None => {
                let batch = nonce();
                let mark = Some(batch.clone());
                if self.lease.write(|it| it.recording = mark, run.budget.call()).await? == Kept::Fenced {
                    return Ok(None);
                }
                batch
            }
        };
        let epoch = self.lease.epoch();
        if self.letters.is_none() {
            self.recorded = aside.iter().map(|aside| aside.key.clone()).chain(stale.iter().cloned()).collect();
        }
        let work = async {
            if ready.letters.is_empty() {
                letters.delete(stale).await?;
                letters.record(aside, attempts, &batch, epoch, now).await
            } else {
                letters.again(&again, attempts, now).await
            }
        };
        // No longer than this: what follows needs the reserve.
        let remaining = run.budget.remaining();
        let recorded = async {
            let done = tokio::time::timeout(remaining, work).await;
            done.map_or_else(|_| Err(dead::late()), |done| done.map_err(|error| dead::fault(&error)))
        };
        Ok(hold(self.lease, run.budget.call(), recorded).await?)
    }

    /// Whether too many items of this run could not be moved, in words.
    fn breaker(&self) -> Option<String> {
        let last = self.chunk.last.as_ref().map(|aside| (aside, self.run.show(&aside.key)));
        breaker::judge(&self.chunk.judged, self.run.limits.stop_when_failed, last)
    }

    /// The next batch, where none was read ahead.
    async fn fetch(&mut self, size: u64) -> Result<Fetched<M::Batch>, EngineError> {
        let Some(read) = self.read(size).await? else { return Ok(Fetched::Over(Walked::Stopped(StoppedBy::Fence))) };
        Ok(match read {
            Ok(Some(ready)) => Fetched::Ready(ready),
            Ok(None) if self.letters.is_none() && self.lease.checkpoint().interrupted.is_some() => {
                match self.lease.write(|it| it.interrupted = None, self.run.budget.call()).await? {
                    Kept::Yes => Fetched::Again,
                    Kept::Fenced => Fetched::Over(Walked::Stopped(StoppedBy::Fence)),
                }
            }
            Ok(None) if self.narrow.forget() => Fetched::Again,
            Ok(None) => Fetched::Over(Walked::ToTheEnd),
            Err(fault) => match self.mend(fault, Failed { wide: size, single: None, end: None }).await? {
                Mended::Over(walked) => Fetched::Over(walked),
                Mended::Again | Mended::Single { .. } => Fetched::Again,
            },
        })
    }

    fn sweeping(&self) -> bool {
        self.state.pass > 1
    }

    fn stop(&self) -> Option<StoppedBy> {
        if self.run.stop.is_set() {
            return Some(StoppedBy::Signal);
        }
        if self.run.max_items.is_some_and(|most| self.chunk.counters.items() >= most) {
            return Some(StoppedBy::Items);
        }
        if self.run.budget.remaining() <= self.commit_time {
            return Some(StoppedBy::Time);
        }
        // A run always tries one batch: with a limit below the process's own size there would be no end otherwise.
        (self.chunk.counters.batches > 0 && self.run.budget.memory_is_short()).then_some(StoppedBy::Memory)
    }

    fn caps(&self) -> Caps {
        Caps {
            target: self.run.budget.batch_time(self.run.limits.batch_time),
            remaining: self.run.budget.remaining().saturating_sub(self.commit_time),
            max_batch: self.run.limits.max_batch,
            bytes: self.run.batch_bytes(),
            items: self.run.max_items.map(|most| most.saturating_sub(self.chunk.counters.items())),
            failure: if self.lease.checkpoint().kills >= self.run.limits.max_attempts {
                Some(1)
            } else {
                self.narrow.cap()
            },
            first: self.chunk.counters.batches == 0,
        }
    }

    fn fits(&self, ready: &Ready<M::Batch>) -> bool {
        let room = self.run.budget.remaining().saturating_sub(self.commit_time);
        let tuner = &self.lease.checkpoint().tuner;
        let most = self.run.max_items.map_or(u64::MAX, |most| most.saturating_sub(self.chunk.counters.items()));
        ready.scanned <= most && tuner.p95(ready.scanned).is_none_or(|expected| expected <= room)
    }

    pub(super) fn range(&self) -> Range {
        Range { bound: self.bound.clone(), pass_started: self.state.pass_started_at(), open_end: false }
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
                recovered: true,
                passes_interrupted: false,
                letters: Vec::new(),
            }))));
        }
        let bounds = Bounds {
            interrupted: checkpoint.interrupted.clone(),
            suspect: self.narrow.suspect().cloned(),
            letters: checkpoint.has_letters(),
        };
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
        let change = |it: &mut Checkpoint| {
            it.announced = announced;
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
    async fn write(&mut self, ready: &Ready<M::Batch>, size: u64) -> Result<Option<Tried<M::Batch>>, EngineError> {
        let effort =
            Effort { limit: self.run.budget.remaining(), recovered: ready.recovered, run: self.run.id.clone() };
        let (run, state, bound) = (self.run, self.state.clone(), self.bound.clone());
        let bounds = Bounds {
            interrupted: self.lease.checkpoint().interrupted.clone().filter(|_| !ready.passes_interrupted),
            suspect: None,
            letters: self.lease.checkpoint().has_letters(),
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
        let (commit_time, capped) = (self.commit_time, self.narrow.cap().is_some());
        let began = Instant::now();
        reach(Point::BeforeCommit).await;
        let kept = self
            .lease
            .write(
                |it| {
                    it.announced = announced;
                    (it.kills, it.alone, it.timeouts, it.recording) = (0, None, 0, None);
                    if !ready.letters.is_empty() {
                        letters::count(it, &ready.letters, &outcome, &batch);
                        return;
                    }
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
                },
                run.budget.call(),
            )
            .await?;
        reach(Point::AfterCommit).await;
        // A slow commit is remembered, a quick one only slowly believed.
        self.commit_time = began.elapsed().max(self.commit_time.mul_f64(0.9));
        if kept == Kept::Yes {
            self.recorded = Vec::new();
            self.chunk.counters.add(&batch);
            if self.letters.is_none() {
                self.chunk.judged.add(&batch);
                self.chunk.last = outcome.aside.last().cloned().or(self.chunk.last.take());
            } else {
                let settled = self.lease.checkpoint().settled.clone();
                let letters = letters::of(run, &self.state);
                match hold(self.lease, run.budget.call(), letters.delete(settled)).await? {
                    Some(deleted) => deleted?,
                    None => return Ok(Kept::Fenced),
                }
            }
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

/// What became of a batch's effects, dead letters included.
enum Effects<B> {
    Done(Box<Written<B>>),
    Again,
    Over(Walked),
}

/// A batch that may be committed, the batch read meanwhile, and the switches as they were meanwhile.
struct Written<B> {
    outcome: Settled,
    next: Option<Ready<B>>,
    switch: Option<State>,
}

/// An outcome, and whether it is the fate of a single item that could not be moved.
struct Settled {
    outcome: Outcome,
    single: bool,
}

/// The same before anything is mended.
type Tried<B> = (Result<Outcome, Fault>, Option<Ready<B>>, Option<State>);
