//! How a run ended.

use super::chunk::Chunk;
use super::report::{Outcome, StoppedBy};
use super::run::EngineError;
use super::state::{State, Stored};
use super::sweeps::Sweeps;
use super::walk::Walked;

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

    /// What keeps a run from beginning: what was decided since it read the state that it knows. A migration that was complete once may have
    /// dead letters to retry, or go on for ever by now.
    pub(super) fn meanwhile(stored: &Stored, known: &State, sweeps: &Sweeps) -> Option<Self> {
        let ended = |outcome, why| Self::new(outcome, why, stored.state.clone());
        if stored.state.life != known.life {
            return Some(ended(Outcome::Fenced, StoppedBy::Fence));
        }
        let complete = sweeps.is_complete(&stored.state) && !stored.state.has_retry();
        Self::if_paused(stored)
            .or_else(|| complete.then(|| ended(Outcome::Complete, StoppedBy::End)))
            .or_else(|| (stored.state.pin != known.pin).then(|| ended(Outcome::More, StoppedBy::Pause)))
    }

    /// What ends a run between two steps: a life that is over, a pause, that everything is complete, and that another definition than the
    /// run's was accepted.
    pub(super) fn between(stored: &Stored, begun: &State) -> Option<Self> {
        if stored.state.life != begun.life {
            return Some(Self::fenced(stored.clone()));
        }
        let more = || Self::new(Outcome::More, StoppedBy::Pause, stored.state.clone());
        Self::if_paused(stored)
            .or_else(|| stored.state.complete.then(|| Self::complete_or_more(stored.clone())))
            .or_else(|| (stored.state.pin != begun.pin).then(more))
    }

    /// What follows from the ends of the walks of all lanes; `kept`: a lease is left. `None`: all came to their ends.
    pub(super) fn of_walks(
        walks: Vec<Walked>,
        stored: &Stored,
        chunk: &Chunk,
        kept: bool,
    ) -> Result<Option<Self>, EngineError> {
        // The last in the order of what may stop a run has its say; a pause before a mere failure.
        let rank = |walked: &Walked| (matches!(walked, Walked::Paused(..)), walked.stopped_by());
        let Some(worst) = walks.into_iter().max_by_key(rank) else { return Ok(None) };
        let ended = |outcome, why| Self::new(outcome, why, stored.state.clone());
        Ok(Some(match worst {
            Walked::ToTheEnd => return Ok(None),
            Walked::Stopped(StoppedBy::Fence) => {
                let lost = !kept && chunk.gave_none_back();
                ended(if lost { Outcome::Fenced } else { Outcome::More }, StoppedBy::Fence)
            }
            Walked::Stopped(why) => ended(Outcome::More, why),
            Walked::Throttled(reason) => Self { reason: Some(reason), ..ended(Outcome::More, StoppedBy::Rate) },
            Walked::Paused(why, reason) => Self { reason: Some(reason), ..ended(Outcome::Paused, why) },
            Walked::Failed(fault) if chunk.counters().batches == 0 => return Err(fault.into()),
            Walked::Failed(fault) => {
                Self { reason: Some(crate::fault::chain(&fault)), ..ended(Outcome::More, StoppedBy::Error) }
            }
        }))
    }

    pub(super) fn if_paused(stored: &Stored) -> Option<Self> {
        let reason = Some(stored.state.paused.as_ref()?.reason.clone());
        Some(Self { reason, ..Self::new(Outcome::Paused, StoppedBy::Pause, stored.state.clone()) })
    }
}
