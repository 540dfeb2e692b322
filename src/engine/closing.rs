//! What has to be seen to before a pass is closed.
//!
//! A row that changes once more before a sweep over changes has come to it moves ahead of the frozen bound: before such a sweep
//! completes a migration, somebody has to look there.

use super::ended::Ended;
use super::hold::hold;
use super::lanes::Held;
use super::migration::Migration;
use super::report::{Outcome, StoppedBy};
use super::run::{EngineError, Run};
use super::state::{State, Stored};
use super::stretch::{Bounds, in_time, stretch};
use crate::cursor::Cursor;
use crate::fault::{Action, Fault, chain};

/// Changes that are looked at in one statement.
const STEP: u64 = 1000;

impl<M: Migration> Run<'_, M> {
    /// How many items an open pass has found that walked to its end: so many were counted in it, or else those that it has missed. What
    /// killed runs have left is given up. `Err`: the run ends before that, and the pass stays open.
    pub(super) async fn before_closing(
        &self,
        held: Option<&mut Held>,
        stored: &Stored,
        counted: u64,
    ) -> Result<Result<u64, Box<Ended>>, EngineError> {
        let work = async {
            if stored.state.pass > 1 && !self.tidied_up().await {
                return None;
            }
            if counted == 0 && self.sweeps.has_to_look_beyond(&stored.state) {
                return Some(self.escaped(&stored.state).await);
            }
            Some(counted)
        };
        let found = match held {
            Some(held) => match hold(&mut held.lease, self.budget.call(), work).await? {
                None => return Ok(Err(Box::new(Ended::fenced(stored.clone())))),
                Some(found) => found,
            },
            None => work.await,
        };
        let in_a_later_run = || Box::new(Ended::new(Outcome::More, StoppedBy::Time, stored.state.clone()));
        Ok(found.ok_or_else(in_a_later_run))
    }

    /// Gives up what killed runs have left. What cannot be is no reason to go on for ever. `false`: there is no time for it in this run.
    async fn tidied_up(&self) -> bool {
        let was_short = self.budget.remaining() < self.budget.total() / 2;
        match self.patiently(|limit| in_time(&self.budget, self.kind.tidy_up(limit))).await {
            Ok(()) => true,
            Err(fault) if was_short && fault.class.action() != Action::Pause => false,
            Err(fault) => {
                tracing::warn!(migration = %self.migration, "what killed runs have left could not be given up: {}", chain(&fault));
                true
            }
        }
    }

    /// How many items without a target changed after the bound of a sweep, of the first of them that are found; 1 also where nobody can
    /// say: then another sweep has to.
    async fn escaped(&self, state: &State) -> u64 {
        const NOBODY_KNOWS: u64 = 1;
        let unknown = |fault: Fault| {
            tracing::info!(migration = %self.migration, "another sweep has to tell whether anything is left: {}", chain(&fault));
            NOBODY_KNOWS
        };
        let Some(since) = state.since_at() else { return 0 };
        let newest = match self.patiently(|limit| in_time(&self.budget, self.kind.recent(since, limit))).await {
            Err(fault) => return unknown(fault),
            Ok(recent) => recent.and_then(|recent| recent.bound),
        };
        let Some(newest) = newest else { return 0 };
        let bounds = Bounds { interrupted: None, suspect: None, letters: true, several: false, open_end: true };
        let mut after: Option<Cursor> = state.bound.clone();
        loop {
            if self.stop.is_set() || self.budget.remaining() < self.budget.total() / 20 {
                return NOBODY_KNOWS;
            }
            let step = match self.patiently(|_| stretch(self, state, &newest, &bounds, after.as_ref(), STEP)).await {
                Err(fault) => return unknown(fault),
                Ok(Some(step)) => step,
                Ok(None) => return 0,
            };
            if !step.found.is_empty() {
                return u64::try_from(step.found.len()).unwrap_or(u64::MAX);
            }
            // What is read from the newest change on has no end, and is of one moment: a row that has moved ahead of an earlier step is
            // in it.
            if after.as_ref() == Some(&newest) && step.end.as_ref() == Some(&newest) {
                return 0;
            }
            after = step.end;
        }
    }
}
