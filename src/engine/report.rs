//! What a run did: the part of its reply that the engine knows.

use super::checkpoint::{self, Checkpoint, Counters};
use super::sizer::BoundBy;
use super::state::State;
use crate::cursor::Cursor;
use serde::Serialize;
use std::time::Duration;

/// Why a run ended. The order is that in which the reasons of several shards outrank each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StoppedBy {
    /// Nothing is left to walk.
    End,
    /// `max_items`.
    Items,
    /// The next batch would not have fitted.
    Time,
    /// The process holds too much memory.
    Memory,
    /// The rate is used up.
    Rate,
    /// SIGTERM or Ctrl-C.
    Signal,
    /// Somebody paused the migration.
    Pause,
    /// Somebody else has taken over.
    Fence,
    /// Too many items failed.
    Breaker,
    /// Something failed that does not pass by itself within a run.
    Error,
}

/// What an invocation came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// There is more to do.
    More,
    /// The migration is finished, now or before.
    Complete,
    /// Nothing is runnable.
    Idle,
    /// Somebody else holds every shard.
    Busy,
    /// The migration waits for a person.
    Paused,
    /// Every lease was lost; stopped without harm.
    Fenced,
}

/// The batch size at the end of a run, and which limit decided it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct BatchSize {
    /// Source keys.
    pub size: u64,
    /// The limit.
    pub bound_by: BoundBy,
}

/// What one shard did in this run.
#[derive(Clone, Debug)]
pub struct ShardReport {
    /// Its number, four digits.
    pub shard: String,
    /// The pass that it is in.
    pub pass: u32,
    /// How far it is.
    pub cursor: Option<Cursor>,
    /// What it counted in this run.
    pub counters: Counters,
    /// Why it ended.
    pub stopped_by: StoppedBy,
    /// Its last batch size.
    pub batch: Option<BatchSize>,
}

/// Progress since the migration's life began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// Items written.
    pub moved: u64,
    /// Items found equal.
    pub skipped: u64,
    /// Items found different.
    pub conflicts: u64,
    /// Items set aside otherwise.
    pub failed: u64,
    /// What the last sweep found, and moved.
    pub left: u64,
    /// Items of the first pass, as estimated when it began.
    pub estimated_total: u64,
    /// Seconds until the pass ends, the schedule's idle time included; `None` while nothing is known.
    pub eta_s: Option<u64>,
}

impl Progress {
    /// Progress as state and checkpoints tell it.
    pub fn of(state: &State, shards: &[Checkpoint]) -> Self {
        let mut sum = Counters::default();
        let (mut conflicts, mut failed) = (0, 0);
        let (mut scanned, mut keys_per_s) = (0, 0.0);
        let ours = || shards.iter().filter(|shard| shard.life == state.life);
        for shard in ours() {
            sum.add(&shard.counters);
            conflicts += shard.resolved.conflicts;
            failed += shard.resolved.failed;
            if shard.pass == state.pass {
                scanned += shard.in_pass.scanned;
            }
            keys_per_s += shard.pace.keys_per_s;
        }
        Self {
            moved: sum.moved,
            skipped: sum.skipped,
            conflicts: sum.conflicts.saturating_sub(conflicts),
            failed: sum.failed.saturating_sub(failed),
            left: state.left,
            estimated_total: state.expected.items.max(if state.complete || state.expected.items > 0 {
                checkpoint::passed(ours())
            } else {
                0
            }),
            eta_s: eta(state, scanned, keys_per_s),
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rough figure"
)]
fn eta(state: &State, scanned: u64, keys_per_s: f64) -> Option<u64> {
    if state.complete {
        return Some(0);
    }
    // How much changed nobody has counted.
    if state.open && state.since.is_some() {
        return None;
    }
    if keys_per_s <= 0.0 || state.expected.keys == 0 {
        return None;
    }
    let left = if state.open { state.expected.keys.saturating_sub(scanned) } else { state.expected.keys };
    Some((left as f64 / keys_per_s).ceil() as u64)
}

/// What a run did.
#[derive(Clone, Debug)]
pub struct Report {
    /// What it came to.
    pub outcome: Outcome,
    /// Why it ended, if it began.
    pub stopped_by: Option<StoppedBy>,
    /// When it makes sense to come back, in Unix milliseconds.
    pub until: Option<u64>,
    /// Why it is paused or fenced, or what failed.
    pub reason: Option<String>,
    /// What it counted.
    pub counters: Counters,
    /// Shard by shard.
    pub shards: Vec<ShardReport>,
    /// Time within batches.
    pub batch_time: Duration,
    /// Since the life began.
    pub progress: Progress,
    /// A commit of this run was refused, because somebody had taken over.
    pub refused: bool,
    /// The epoch that this run worked under.
    pub epoch: u64,
    /// What servers cannot do, so that something less strict was done instead.
    pub fallbacks: Vec<&'static str>,
}

impl Report {
    /// A report of a run that did not begin.
    pub fn idle(outcome: Outcome, progress: Progress) -> Self {
        Self {
            outcome,
            stopped_by: match outcome {
                Outcome::Paused => Some(StoppedBy::Pause),
                Outcome::Busy => None,
                _ => Some(StoppedBy::End),
            },
            until: None,
            reason: None,
            counters: Counters::default(),
            shards: Vec::new(),
            batch_time: Duration::ZERO,
            progress,
            refused: false,
            epoch: 0,
            fallbacks: Vec::new(),
        }
    }
}
