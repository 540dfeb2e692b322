//! What a sweep over changes cannot see: a row that changes once more before the sweep has come to it moves ahead of the frozen bound.
//! Before such a sweep completes a migration, somebody has to look there.

use super::ended::Ended;
use super::hold::hold;
use super::lanes::Held;
use super::migration::Migration;
use super::report::{Outcome, StoppedBy};
use super::run::{EngineError, Run};
use super::state::{State, Stored};
use super::stretch::{Bounds, in_time, stretch};
use crate::cursor::Cursor;
use crate::fault::Fault;

/// Changes that are looked at in one statement.
const STEP: u64 = 1000;

impl<M: Migration> Run<'_, M> {
    /// How many items without a target changed after the bound of a sweep that found none: more than none if there are any. `Err`: the
    /// run ends before that is known.
    pub(super) async fn escaped(
        &self,
        held: Option<&mut Held>,
        stored: &Stored,
    ) -> Result<Result<u64, Box<Ended>>, EngineError> {
        let looked = match held {
            Some(held) => match hold(&mut held.lease, self.budget.call(), self.beyond(&stored.state)).await? {
                None => return Ok(Err(Box::new(Ended::fenced(stored.clone())))),
                Some(looked) => looked,
            },
            None => self.beyond(&stored.state).await,
        };
        let in_a_later_run = || Box::new(Ended::new(Outcome::More, StoppedBy::Time, stored.state.clone()));
        Ok(looked?.ok_or_else(in_a_later_run))
    }

    /// The same; `None`: there is no time left.
    async fn beyond(&self, state: &State) -> Result<Option<u64>, Fault> {
        let Some(since) = state.since_at() else { return Ok(Some(0)) };
        let recent = self.patiently(|limit| in_time(&self.budget, self.kind.recent(since, limit))).await?;
        let Some(newest) = recent.and_then(|recent| recent.bound) else { return Ok(Some(0)) };
        let bounds = Bounds { interrupted: None, suspect: None, letters: true, several: state.shards() > 1 };
        let mut after: Option<Cursor> = state.bound.clone();
        while after.as_ref() != Some(&newest) {
            if self.stop.is_set() || self.budget.remaining() < self.budget.total() / 20 {
                return Ok(None);
            }
            let step = self.patiently(|_| stretch(self, state, &newest, &bounds, after.as_ref(), STEP)).await?;
            let Some(step) = step else { break };
            if !step.found.is_empty() {
                return Ok(Some(u64::try_from(step.found.len()).unwrap_or(u64::MAX)));
            }
            after = step.end;
        }
        Ok(Some(0))
    }
}
