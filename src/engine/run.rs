//! One run of one migration: acquire a shard, open a pass where one is due, walk it, close it, release.

use super::budget::Budget;

use super::checkpoint::Checkpoint;
use super::ended::{Chunk, Ended};
use super::failpoint::{Point, reach};
use super::lease::{Acquired, Kept, Lease, Terms};
use super::letters::{self, Reading};
use super::migration::Migration;
use super::rate::Rate;
use super::report::{Outcome, Progress, Report, ShardReport, StoppedBy};
use super::state::{self, Pause, State, Stored};
use super::stop::Stop;

use super::throttle::Throttle;
use super::walk::{Walk, Walked};
use crate::cursor::Cursor;
use crate::debug::debug_is_display;
use crate::digest;
use crate::fault::{Fault, chain};
use crate::ledger::{Ledger, LedgerError, item};
use crate::spec::Limits;
use std::sync::Arc;
use std::time::Duration;

/// The only shard there is so far.
pub const SHARD: &str = "0000";

pub use super::start::LEASE_MARGIN_MS;

/// The target of the line that says why a migration was paused: who shows the reply's `reason` needs it no second time.
pub const PAUSED: &str = "milkrun::paused";

/// What makes an invocation fail.
#[derive(thiserror::Error)]
pub enum EngineError {
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The source or the target, after retries.
    #[error(transparent)]
    Fault(#[from] Fault),
}

debug_is_display!(EngineError);

/// Called after each commit, for progress bars.
pub type Observer = Arc<dyn Fn(&Checkpoint, &State) + Send + Sync>;

/// Everything that a run needs.
pub struct Run<'a, M: Migration> {
    /// The migration's name.
    pub migration: String,
    /// The invocation's id.
    pub id: String,
    /// What moves.
    pub kind: &'a M,
    /// How fast and how much.
    pub limits: &'a Limits,
    /// Where checkpoints live.
    pub ledger: Arc<dyn Ledger>,
    /// How long leases last.
    pub terms: Terms,
    /// Time and memory.
    pub budget: Budget,
    /// What it may move in a second, shared with every other run.
    pub rate: Rate,
    /// Whether more may be moved now.
    pub throttle: Throttle,
    /// The wish to stop.
    pub stop: Stop,
    /// Stop after so many items.
    pub max_items: Option<u64>,
    /// Told of each commit.
    pub observer: Observer,
}

impl<M: Migration> Run<'_, M> {
    /// Carries out the run. `stored` is the state as it was just read: not paused, not complete, with its definition pinned.
    pub async fn go(&self, stored: Stored) -> Result<Report, EngineError> {
        let item = item::shard(0);
        let life = stored.state.life;
        reach(Point::BeforeAcquire).await;
        let acquired = Lease::acquire(
            self.ledger.clone(),
            &self.migration,
            &item,
            life,
            &self.id,
            self.terms.clone(),
            self.budget.call(),
        )
        .await?;
        let mut lease = match acquired {
            Acquired::Ours(lease) => lease,
            Acquired::Held { until, .. } => {
                let record = self.ledger.get(&self.migration, &item, self.budget.call()).await?;
                let held = record.as_ref().map(Checkpoint::from_record).transpose()?;
                let progress = Progress::of(&stored.state, held.as_slice());
                return Ok(Report { until: Some(until), ..Report::idle(Outcome::Busy, progress) });
            }
        };
        let mut chunk = Chunk::default();
        if (lease.checkpoint().life, lease.checkpoint().pass) > (life, stored.state.pass) {
            // The state was read before somebody else went on to a later pass: in this one everything was counted already.
            let progress = Progress::of(&stored.state, std::slice::from_ref(lease.checkpoint()));
            let _ = lease.release(|_| {}, self.budget.call()).await?;
            return Ok(Report { stopped_by: Some(StoppedBy::Fence), ..Report::idle(Outcome::Fenced, progress) });
        }
        reach(Point::AfterAcquire).await;
        let ended = self.passes(&mut lease, stored, &mut chunk).await;
        if let Err(error) = self.pay_debt().await {
            tracing::warn!(migration = %self.migration, "what was moved above the rate is not accounted for: {}", chain(&error));
        }
        let call = self.budget.call();
        let fenced = matches!(&ended, Ok(Ended { stopped_by: StoppedBy::Fence, .. }));
        if !fenced {
            // After a write that the ledger did not answer, the effects of the announced batch may be there.
            let unsure = matches!(&ended, Err(EngineError::Ledger(_)));
            let parting = |it: &mut Checkpoint| {
                if unsure {
                    it.interrupt_announced();
                }
            };
            reach(Point::BeforeRelease).await;
            let released = lease.release(parting, call).await;
            reach(Point::AfterRelease).await;
            if ended.is_ok() && matches!(released, Ok(Kept::Fenced)) {
                tracing::warn!(migration = %self.migration, epoch = lease.epoch(), "release refused: somebody has taken over");
            }
        }
        let ended = ended?;
        let checkpoint = lease.checkpoint();
        Ok(Report {
            outcome: ended.outcome,
            stopped_by: Some(ended.stopped_by),
            until: ended.until,
            reason: ended.reason,
            counters: chunk.counters,
            shards: vec![ShardReport {
                shard: SHARD.to_owned(),
                pass: checkpoint.pass,
                cursor: checkpoint.cursor.clone(),
                counters: chunk.counters,
                stopped_by: ended.stopped_by,
                batch: chunk.size,
            }],
            batch_time: chunk.batch_time,
            progress: progress(&ended.state, checkpoint, &chunk),
            refused: fenced,
            epoch: lease.epoch(),
        })
    }

    async fn passes(&self, lease: &mut Lease, mut stored: Stored, chunk: &mut Chunk) -> Result<Ended, EngineError> {
        if lease.checkpoint().life == stored.state.life {
            if lease.checkpoint().kills >= self.limits.max_attempts && lease.checkpoint().alone.is_none() {
                return self.killed_alone(lease, stored).await;
            }
            stored = match Box::pin(self.letters(lease, stored, chunk)).await? {
                Ok(stored) => stored,
                Err(ended) => return Ok(*ended),
            };
        }
        loop {
            if !stored.state.open {
                if let Some(due) = stored.state.sweep_due(self.limits.settle)
                    && due > (self.terms.clock)()
                {
                    return Ok(Ended { until: Some(due), ..Ended::new(Outcome::More, StoppedBy::End, stored.state) });
                }
                let Some(opened) = self.open_pass(lease, &stored).await? else {
                    return Ok(Ended::fenced(stored));
                };
                stored = opened;
                if let Some(ended) = Ended::if_paused(&stored) {
                    return Ok(ended);
                }
            }
            let (life, pass) = (stored.state.life, stored.state.pass);
            if (lease.checkpoint().life, lease.checkpoint().pass) != (life, pass)
                && lease.write(|it| it.enter(life, pass), self.budget.call()).await? == Kept::Fenced
            {
                return Ok(Ended::fenced(stored));
            }
            if !lease.checkpoint().done {
                if let Some(bound) = stored.state.bound.clone() {
                    let walked = Walk::new(self, lease, stored.state.clone(), bound, None, chunk).walk().await?;
                    stored = match self.walked(walked, stored, chunk).await? {
                        Ok(stored) => stored,
                        Err(ended) => return Ok(*ended),
                    };
                }
                if lease.write(|it| (it.done, it.announced) = (true, None), self.budget.call()).await? == Kept::Fenced {
                    return Ok(Ended::fenced(stored));
                }
            }
            stored = self.close_pass(stored, lease.checkpoint().in_pass).await?;
            if (stored.state.life, stored.state.pass) != (life, pass) {
                return Ok(Ended::fenced(stored));
            }
            if let Some(ended) = Ended::if_paused(&stored) {
                return Ok(ended);
            }
            if stored.state.complete {
                return Ok(Ended::complete_or_more(stored));
            }
            if self.stop.is_set() {
                return Ok(Ended::new(Outcome::More, StoppedBy::Signal, stored.state));
            }
            if self.budget.remaining() < self.budget.total() / 20 {
                return Ok(Ended::new(Outcome::More, StoppedBy::Time, stored.state));
            }
        }
    }

    /// Takes the dead letters that were put back before anything else. `Err`: the run ends here.
    async fn letters(
        &self,
        lease: &mut Lease,
        stored: Stored,
        chunk: &mut Chunk,
    ) -> Result<Result<Stored, Box<Ended>>, EngineError> {
        let over = |ended| Ok(Err(Box::new(ended)));
        if letters::tidy(self, lease, &stored.state).await? == Kept::Fenced {
            return over(Ended::fenced(stored));
        }
        if lease.checkpoint().recording.is_some() || !lease.checkpoint().settled.is_empty() {
            return over(Ended::new(Outcome::More, StoppedBy::Time, stored.state));
        }
        let (life, asked) = (stored.state.life, stored.state.retry);
        let bound = stored.state.bound.clone().or(stored.state.covered.clone());
        let left_behind = !lease.checkpoint().retrying.is_empty();
        if !stored.state.has_retry() && !left_behind {
            return Ok(Ok(stored));
        }
        let mut stored = stored;
        if let Some(bound) = bound {
            let reading = Some(Reading::new());
            let mut walk = Walk::new(self, lease, stored.state.clone(), bound, reading, chunk);
            let walked = walk.walk().await?;
            if !matches!(walked, Walked::Stopped(StoppedBy::Fence)) && walk.leave_letters().await? == Kept::Fenced {
                return over(Ended::fenced(stored));
            }
            stored = match self.walked(walked, stored, chunk).await? {
                Ok(stored) => stored,
                ended => return Ok(ended),
            };
        }
        // A request that came meanwhile is greater, and not carried out yet.
        let stored = state::update(&*self.ledger, &self.migration, stored, self.budget.call(), |state| {
            let ours = state.life == life && state.retried < asked;
            if ours {
                state.retried = asked;
            }
            ours
        })
        .await?;
        if stored.state.life != life {
            return over(Ended::fenced(stored));
        }
        if let Some(ended) = Ended::if_paused(&stored) {
            return over(ended);
        }
        if stored.state.complete {
            return over(Ended::complete_or_more(stored));
        }
        Ok(Ok(stored))
    }

    /// What follows from the end of a walk. `Err`: the run ends here.
    async fn walked(
        &self,
        walked: Walked,
        stored: Stored,
        chunk: &Chunk,
    ) -> Result<Result<Stored, Box<Ended>>, EngineError> {
        Ok(Err(Box::new(match walked {
            Walked::ToTheEnd => return Ok(Ok(stored)),
            Walked::Stopped(StoppedBy::Fence) => Ended::fenced(stored),
            Walked::Stopped(why) => Ended::new(Outcome::More, why, stored.state),
            Walked::Throttled(reason) => {
                let ended = Ended::new(Outcome::More, StoppedBy::Rate, stored.state);
                Ended { reason: Some(reason), ..ended }
            }
            Walked::Paused(StoppedBy::Pause, reason) => {
                let ended = Ended::new(Outcome::Paused, StoppedBy::Pause, stored.state);
                Ended { reason: Some(reason), ..ended }
            }
            Walked::Paused(why, reason) => self.pause(stored, why, reason).await?,
            Walked::Failed(fault) if chunk.counters.batches == 0 => return Err(fault.into()),
            Walked::Failed(fault) => {
                let ended = Ended::new(Outcome::More, StoppedBy::Error, stored.state);
                Ended { reason: Some(chain(&fault)), ..ended }
            }
        })))
    }

    async fn pause(&self, stored: Stored, why: StoppedBy, reason: String) -> Result<Ended, EngineError> {
        tracing::error!(target: PAUSED, migration = %self.migration, "paused: {reason}");
        let stored =
            pause(&*self.ledger, &self.migration, stored, &reason, (self.terms.clock)(), self.budget.call()).await?;
        Ok(Ended { reason: Some(reason), ..Ended::new(Outcome::Paused, why, stored.state) })
    }

    /// Runs were killed again and again before they said what they were about to move: a person has to look.
    async fn killed_alone(&self, lease: &mut Lease, stored: Stored) -> Result<Ended, EngineError> {
        let reason = format!(
            "the function was killed {} times in a row before it moved anything; raise its memory or time, then `resume`",
            lease.checkpoint().kills
        );
        // `resume` gives it as many attempts again.
        if lease.write(|it| (it.kills, it.alone) = (0, None), self.budget.call()).await? == Kept::Fenced {
            return Ok(Ended::fenced(stored));
        }
        self.pause(stored, StoppedBy::Error, reason).await
    }

    /// Bytes that a batch may move: a transaction has to stay digestible for the database.
    pub(super) fn batch_bytes(&self) -> u64 {
        (self.budget.memory_mb() << 20).div_ceil(16).clamp(1 << 20, 64 << 20).max(self.limits.max_item)
    }

    /// A key as logs and messages may show it.
    pub(super) fn show(&self, key: &Cursor) -> String {
        show_key(&key.json(), self.limits.log_keys)
    }
}

fn progress(state: &State, checkpoint: &Checkpoint, chunk: &Chunk) -> Progress {
    let mut progress = Progress::of(state, std::slice::from_ref(checkpoint));
    if progress.eta_s.is_none() && state.open && state.expected.keys > 0 {
        progress.eta_s = chunk.eta(state.expected.keys.saturating_sub(checkpoint.in_pass.scanned));
    }
    progress
}

/// A key as logs and messages may show it: hashed where `log_keys = false`.
pub fn show_key(json: &str, log_keys: bool) -> String {
    if log_keys {
        return json.to_owned();
    }
    format!("sha256:{:.16}…", digest::sha256(json))
}

/// Pauses a migration on milkrun's own account, unless it was `reset` meanwhile: the new life has done nothing yet.
pub async fn pause(
    ledger: &dyn Ledger,
    migration: &str,
    stored: Stored,
    reason: &str,
    now: u64,
    limit: Duration,
) -> Result<Stored, LedgerError> {
    let life = stored.state.life;
    state::update(ledger, migration, stored, limit, |state| {
        let fresh = state.paused.is_none() && state.life == life;
        if fresh {
            state.paused = Some(Pause { reason: reason.to_owned(), by: "milkrun".to_owned(), at: now });
        }
        fresh
    })
    .await
}
