//! One run of one migration: acquire a shard, open a pass where one is due, walk it, close it, release.

use super::budget::Budget;
use super::checkpoint::Checkpoint;
use super::chunk::Chunk;
use super::ended::Ended;
use super::lanes::{Held, Taken};
use super::lease::Terms;
use super::migration::Migration;
use super::rate::Rate;
use super::report::{Outcome, Progress, Report, StoppedBy};
use super::shards::{self, Offer};
use super::state::{self, Pause, State, Stored};
use super::stop::Stop;
use super::sweeps::Sweeps;
use super::throttle::Throttle;
use super::walk::Walked;
use crate::cursor::Cursor;
use crate::debug::debug_is_display;
use crate::digest;
use crate::fault::{Fault, chain};
use crate::ledger::{Ledger, LedgerError};
use crate::spec::Limits;
use std::sync::Arc;
use std::time::Duration;

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

/// Called after each commit, for progress bars: with the items passed in all shards since the life began, as far as the run
/// knows.
pub type Observer = Arc<dyn Fn(u64, &State) + Send + Sync>;

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
    /// When it sweeps, and whether it ever completes.
    pub sweeps: Sweeps,
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
    /// Work on this shard alone.
    pub shard: Option<u32>,
    /// Told of each commit.
    pub observer: Observer,
}

impl<M: Migration> Run<'_, M> {
    /// Carries out the run. `stored` is the state as it was just read: not paused, not complete, with its definition pinned.
    pub async fn go(&self, stored: Stored) -> Result<Report, EngineError> {
        let chunk = Chunk::default();
        let state = stored.state;
        let shards = if state.shards() > 1 {
            shards::all(&*self.ledger, &self.migration, self.budget.call()).await?
        } else {
            Vec::new()
        };
        chunk.know(&shards);
        let taken = match shards::offer(&state, &shards, self.shard, (self.terms.clock)()) {
            Offer::Free(numbers) => self.take(numbers).await?,
            Offer::Held(until) => Taken::Held(until),
        };
        let held = match taken {
            Taken::Ours(held) => *held,
            Taken::Held(until) => return self.busy(&state, until).await,
            // There is no such shard.
            Taken::None => {
                let until = Some((self.terms.clock)().saturating_add(1000));
                return Ok(Report { until, ..Report::idle(Outcome::More, progress(&state, &chunk)) });
            }
        };
        let epoch = held.lease.epoch();
        chunk.enter(held.shard, held.lease.checkpoint());
        let mut lead = Some(held);
        let ended = Box::pin(self.under_lease(&mut lead, &state, &chunk)).await;
        if let Err(error) = self.pay_debt().await {
            tracing::warn!(migration = %self.migration, "what was moved above the rate is not accounted for: {}", chain(&error));
        }
        if let Some(held) = lead {
            let unsure = matches!(&ended, Err(EngineError::Ledger(_)));
            let why = ended.as_ref().map_or(StoppedBy::Error, |ended| ended.stopped_by);
            self.leave(held, why, unsure, &chunk).await;
        }
        let ended = ended?;
        if ended.state.shards() > 1 {
            // For the whole picture; what others did meanwhile is in the ledger alone.
            match shards::all(&*self.ledger, &self.migration, self.budget.call()).await {
                Ok(shards) => chunk.know(&shards),
                Err(error) => tracing::info!(migration = %self.migration, "progress of the other shards: {error}"),
            }
        }
        let reason = match ended.reason {
            None if ended.outcome == Outcome::Fenced => self.why_fenced(&state).await,
            reason => reason,
        };
        let shards = chunk.reports();
        let refused = shards.iter().any(|shard| shard.stopped_by == StoppedBy::Fence);
        Ok(Report {
            outcome: ended.outcome,
            stopped_by: shards.iter().map(|shard| shard.stopped_by).chain([ended.stopped_by]).max(),
            until: ended.until,
            reason,
            counters: chunk.counters(),
            shards,
            batch_time: chunk.batch_time(),
            progress: progress(&ended.state, &chunk),
            refused,
            epoch,
            fallbacks: self.kind.fallbacks(),
        })
    }

    /// The run, now that it holds a shard. What was decided on its way here is read only now: whoever pauses the migration, or begins it
    /// anew, and then finds no shard held, may rely on nothing being moved any more.
    async fn under_lease(&self, lead: &mut Option<Held>, known: &State, chunk: &Chunk) -> Result<Ended, EngineError> {
        let stored = state::load(&*self.ledger, &self.migration, self.budget.call()).await?;
        let Some(ended) = Ended::meanwhile(&stored, known, &self.sweeps) else {
            return Box::pin(self.passes(lead, stored, chunk)).await;
        };
        if let Some(held) = lead.take() {
            // Nobody has taken it: also in a new life others wait for it otherwise.
            self.leave(held, StoppedBy::End, false, chunk).await;
        }
        Ok(ended)
    }

    /// Why this run could not go on, as far as the ledger tells.
    async fn why_fenced(&self, known: &State) -> Option<String> {
        let now = state::load(&*self.ledger, &self.migration, self.budget.call()).await.ok()?.state;
        if now.life == known.life {
            return Some("another run has taken over; what this one had committed stays".to_owned());
        }
        let why =
            "the migration was `reset` while this run was under way, and begins anew; what was moved stays where it is";
        tracing::warn!(migration = %self.migration, "{why}");
        Some(why.to_owned())
    }

    async fn busy(&self, state: &State, until: u64) -> Result<Report, EngineError> {
        let shards = shards::all(&*self.ledger, &self.migration, self.budget.call()).await?;
        let checkpoints: Vec<Checkpoint> = shards.into_iter().map(|shard| shard.checkpoint).collect();
        let progress = Progress::of(state, &checkpoints);
        Ok(Report { until: Some(until), ..Report::idle(Outcome::Busy, progress) })
    }

    /// Pauses the migration where a walk has ended with something that needs a person.
    pub(super) async fn heed(&self, walked: Walked, stored: &Stored) -> Result<Walked, EngineError> {
        if let Walked::Paused(why, reason) = &walked
            && *why != StoppedBy::Pause
        {
            tracing::error!(target: PAUSED, migration = %self.migration, "paused: {reason}");
            let now = (self.terms.clock)();
            let stored = pause(&*self.ledger, &self.migration, stored.clone(), reason, now, self.budget.call()).await?;
            if stored.state.paused.is_none() {
                return Ok(Walked::Stopped(StoppedBy::Pause));
            }
        }
        Ok(walked)
    }

    /// Bytes that a batch may move, of the lanes that so many shards keep at work.
    pub(super) fn batch_bytes(&self, shards: u32) -> u64 {
        batch_bytes(&self.budget, self.limits, self.lanes_of(shards))
    }

    /// A key as logs and messages may show it.
    pub(super) fn show(&self, key: &Cursor) -> String {
        show_key(&key.json(), self.limits.log_keys)
    }
}

/// Bytes that a batch of one of so many lanes may move, and may hold if it holds its items: a transaction has to stay digestible
/// for the database.
pub fn batch_bytes(budget: &Budget, limits: &Limits, lanes: u32) -> u64 {
    let share = (budget.memory_mb() << 20).div_ceil(16) / u64::from(lanes.max(1));
    share.clamp(1 << 20, 64 << 20).max(limits.max_item)
}

fn progress(state: &State, chunk: &Chunk) -> Progress {
    let shards = chunk.checkpoints();
    let mut progress = Progress::of(state, &shards);
    if progress.eta_s.is_none() && state.open && state.expected.keys > 0 {
        let here = shards.iter().filter(|it| (it.life, it.pass) == (state.life, state.pass));
        let scanned = here.map(|it| it.in_pass.scanned).sum();
        progress.eta_s = chunk.eta(state.expected.keys.saturating_sub(scanned));
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

/// Pauses a migration on milkrun's own account, unless it was `reset` meanwhile, or another definition was accepted: that one has done
/// nothing yet.
pub async fn pause(
    ledger: &dyn Ledger,
    migration: &str,
    stored: Stored,
    reason: &str,
    now: u64,
    limit: Duration,
) -> Result<Stored, LedgerError> {
    let (life, pin) = (stored.state.life, stored.state.pin.clone());
    state::update(ledger, migration, stored, limit, |state| {
        let fresh = state.paused.is_none() && state.life == life && state.pin == pin;
        if fresh {
            state.paused = Some(Pause { reason: reason.to_owned(), by: "milkrun".to_owned(), at: now });
        }
        fresh
    })
    .await
}
