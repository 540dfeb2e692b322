//! When a migration sweeps, and what it is in between: `once` until a sweep finds nothing, `continuous` for ever.

use super::report::Outcome;
use super::state::State;
use crate::spec::{Definition, Limits, Mode, Source};
use std::time::Duration;

/// The rules of one migration's sweeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sweeps {
    mode: Mode,
    settle: Duration,
    /// From the beginning of one sweep to that of the next, at least.
    every: Duration,
    /// Sweeps look at what changed since the one before began, and so much before that; `None`: at everything.
    overlap: Option<Duration>,
    /// So many, and then `once` completes whatever the last one found.
    most: u32,
}

impl Sweeps {
    /// A migration that completes.
    pub fn once(limits: &Limits) -> Self {
        Self { mode: Mode::Once, settle: limits.settle, every: Duration::ZERO, overlap: None, most: limits.max_sweeps }
    }

    /// A migration that goes on for ever.
    pub fn continuous(limits: &Limits) -> Self {
        Self { mode: Mode::Continuous, every: limits.sweep_every, ..Self::once(limits) }
    }

    /// The same, but its sweeps look only at what changed since the one before began, and so much before that, with every run.
    #[must_use]
    pub fn by_changes(self, overlap: Duration) -> Self {
        Self { every: Duration::ZERO, overlap: Some(overlap), ..self }
    }

    /// What a file says.
    pub fn of(definition: &Definition) -> Self {
        let sweeps = match definition.mode() {
            Mode::Once => Self::once(definition.limits()),
            Mode::Continuous => Self::continuous(definition.limits()),
        };
        match definition.table().and_then(Source::walked_by_changes) {
            Some(changed) => sweeps.by_changes(changed.overlap),
            None => sweeps,
        }
    }

    /// When the next sweep may begin, in Unix milliseconds; `None` if a pass is open or none has ended yet.
    pub fn due(&self, state: &State) -> Option<u64> {
        if state.pass == 0 || state.open || self.is_complete(state) {
            return None;
        }
        let settled = state.pass_ended.saturating_add(millis(self.settle));
        // The first one looks for what the pass before it has missed, and one after a changed definition was accepted for what
        // this now means: there is no reason to let them wait.
        let rested = state.pass > 1 && state.accepted_in < state.pass;
        let next = if rested { (state.pass_started / 1000).saturating_add(millis(self.every)) } else { 0 };
        Some(settled.max(next))
    }

    /// Since when the next sweep has to look at what changed, in Unix microseconds; `None`: at everything, as after a changed
    /// definition was accepted, by which other rows may match.
    pub(super) fn since(&self, state: &State) -> Option<u64> {
        let overlap = u64::try_from(self.overlap?.as_micros()).unwrap_or(u64::MAX);
        (state.pass > 0 && state.accepted_in < state.pass).then(|| state.pass_started.saturating_sub(overlap))
    }

    /// What a migration is that waits for its next sweep.
    pub fn waiting(&self, state: &State) -> Outcome {
        let rests = self.mode == Mode::Continuous && state.pass > 1;
        if rests && (state.left == 0 || !self.every.is_zero()) { Outcome::Idle } else { Outcome::More }
    }

    /// Whether a run has done what there is, now that a pass has ended: it need not look whether another one is due.
    pub(super) fn is_idle(&self, state: &State) -> bool {
        self.mode == Mode::Continuous && state.pass > 1 && !state.open && state.left == 0
    }

    /// Whether it is finished. One that goes on for ever never is, also if it was to complete once and did.
    pub fn is_complete(&self, state: &State) -> bool {
        self.mode == Mode::Once && state.complete
    }

    /// Whether a sweep that found nothing would complete a migration although it looked only at what had changed up to its bound.
    pub(super) fn has_to_look_beyond(&self, state: &State) -> bool {
        state.since.is_some() && self.completes(state, 0)
    }

    /// Whether a pass that found so many items without a target completes the migration.
    pub(super) fn completes(&self, state: &State, found: u64) -> bool {
        // Sweeps since the first pass, or since a changed definition was accepted: one in whose midst that was counts as none.
        let sweeps = state.pass.saturating_sub(state.accepted_in.max(1));
        self.mode == Mode::Once && sweeps > 0 && (found == 0 || sweeps >= self.most)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn continuous_rests_between_sweeps_and_completes_never() {
        let every = Duration::from_secs(100);
        let sweeps = Sweeps { mode: Mode::Continuous, every, ..Sweeps::once(&Limits::default()) };
        let mut state = State::default();
        assert_eq!(sweeps.due(&state), None);
        state.open_pass(None, 1_000_000);
        state.close_pass(5, &sweeps, 3_000);
        assert_eq!((sweeps.due(&state), sweeps.waiting(&state)), (Some(13_000), Outcome::More), "settle alone");
        for found in [7, 0] {
            state.open_pass(None, 20_000_000);
            state.close_pass(found, &sweeps, 25_000);
            assert_eq!((sweeps.due(&state), sweeps.waiting(&state)), (Some(120_000), Outcome::Idle), "{found}");
            assert_eq!((state.complete, sweeps.is_idle(&state)), (false, found == 0));
        }
        state.accepted_in = state.pass;
        assert_eq!(sweeps.due(&state), Some(35_000), "an accepted definition waits for nothing but settle");
    }

    #[test]
    fn a_sweep_in_whose_midst_a_definition_was_accepted_completes_nothing() {
        let once = Sweeps::once(&Limits::default()).by_changes(Duration::ZERO);
        let mut state = State::default();
        state.open_pass(None, 1_000_000);
        state.close_pass(5, &once, 0);
        state.open_pass(None, 2_000_000);
        state.accepted_in = state.pass;
        state.close_pass(0, &once, 0);
        assert!(!state.complete && once.since(&state).is_none(), "the next one looks at everything");
        state.open_pass(None, 3_000_000);
        state.close_pass(0, &once, 0);
        assert!(state.complete);
    }

    #[test]
    fn a_migration_that_completed_once_sweeps_again_when_it_is_to_go_on_for_ever() {
        let once = Sweeps::once(&Limits::default());
        let continuous = Sweeps { mode: Mode::Continuous, every: Duration::from_secs(1), ..once };
        let mut state = State::default();
        state.open_pass(None, 0);
        state.close_pass(5, &once, 0);
        state.open_pass(None, 0);
        state.close_pass(0, &once, 0);
        assert!(once.is_complete(&state) && once.due(&state).is_none());
        assert!(!continuous.is_complete(&state) && continuous.due(&state).is_some());
        state.open_pass(None, 0);
        assert!(!state.complete);
    }
}
