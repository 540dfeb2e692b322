//! How a run ended, and what adds up until then.

use super::checkpoint::Counters;
use super::migration::Aside;
use super::report::{BatchSize, Outcome, StoppedBy};
use super::state::{State, Stored};
use std::time::Duration;

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

impl Chunk {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rough figure"
    )]
    /// Seconds for so many keys, at this run's own speed.
    pub(super) fn eta(&self, keys: u64) -> Option<u64> {
        let rate = self.counters.scanned as f64 / self.batch_time.as_secs_f64().max(1e-3);
        (rate > 0.0).then(|| (keys as f64 / rate).ceil() as u64)
    }
}

/// How a run ended.
pub(super) struct Ended {
    pub(super) outcome: Outcome,
    pub(super) stopped_by: StoppedBy,
    pub(super) until: Option<u64>,
    pub(super) reason: Option<String>,
    pub(super) state: State,
}

impl Ended {
    pub(super) fn new(outcome: Outcome, stopped_by: StoppedBy, state: State) -> Self {
        Self { outcome, stopped_by, until: None, reason: None, state }
    }

    pub(super) fn fenced(stored: Stored) -> Self {
        Self::new(Outcome::Fenced, StoppedBy::Fence, stored.state)
    }

    /// Everything is done, unless dead letters were put back meanwhile.
    pub(super) fn complete_or_more(stored: Stored) -> Self {
        let outcome = if stored.state.has_retry() { Outcome::More } else { Outcome::Complete };
        Self::new(outcome, StoppedBy::End, stored.state)
    }

    pub(super) fn if_paused(stored: &Stored) -> Option<Self> {
        let reason = Some(stored.state.paused.as_ref()?.reason.clone());
        Some(Self { reason, ..Self::new(Outcome::Paused, StoppedBy::Pause, stored.state.clone()) })
    }
}
