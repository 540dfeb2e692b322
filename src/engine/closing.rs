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
use super::{dead, letters};
use crate::cursor::Cursor;
use crate::fault::{Action, Fault, chain};
use std::time::Duration;

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
            if stored.state.pass > 1 && !self.tidied_up(&stored.state).await {
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
    async fn tidied_up(&self, state: &State) -> bool {
        let was_short = self.budget.remaining() < self.budget.total() / 2;
        // Boxed: it is too large to be moved about.
        match self.patiently(|limit| Box::pin(self.tidy_up(state, limit))).await {
            Ok(()) => true,
            Err(fault) if was_short && fault.class.action() != Action::Pause => false,
            Err(fault) => {
                tracing::warn!(migration = %self.migration, "what killed runs have left could not be given up: {}", chain(&fault));
                true
            }
        }
    }

    /// Whoever holds the first shard may be retrying letters that were put back: what was left of their items is gone on with.
    async fn tidy_up(&self, state: &State, limit: Duration) -> Result<(), Fault> {
        let mut left = in_time(&self.budget, self.kind.left_overs(limit)).await?;
        let letters = letters::of(self, state);
        let asked = async { letters.put_back_among(&left).await.map_err(|error| dead::unread(&error)) };
        let retried = in_time(&self.budget, asked).await?;
        left.retain(|item| !retried.contains(item));
        if left.is_empty() {
            return Ok(());
        }
        in_time(&self.budget, self.kind.tidy_up(&left, self.budget.remaining())).await
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cursor::KeyPart;
    use crate::engine::dead::{Letters, Rank};
    use crate::engine::empty::Empty;
    use crate::engine::migration::Aside;
    use crate::ledger::Sqlite;
    use crate::spec::Limits;
    use std::sync::Arc;

    fn item(number: u32) -> Cursor {
        Cursor(vec![KeyPart::Int(number.to_string())])
    }

    #[tokio::test]
    async fn what_was_left_of_an_item_that_is_being_retried_stays() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Arc::new(Sqlite::open(&folder.path().join("ledger.db")).unwrap());
        let letters = Letters { ledger: ledger.clone(), migration: "m".to_owned(), life: 0 };
        let aside = |number| Aside { key: item(number), class: "poison", message: "m".to_owned() };
        letters.record(&[aside(2), aside(3)], 1, "b", Rank { pass: 1, epoch: 1 }, 100).await.unwrap();
        let (mut recorded, _) = letters.page(None).await.unwrap();
        recorded.retain(|(_, letter)| letter.cursor == item(2));
        assert_eq!(letters.put_back(recorded, 1).await.unwrap(), 1);

        let kind = Empty { left: vec![item(1), item(2), item(3)], ..Empty::default() };
        let limits = Limits::default();
        let run = Run::new("m", &kind, &limits, ledger, Duration::from_secs(30), 512);
        // As it was read before the letter was put back.
        assert!(run.tidied_up(&State { pass: 2, open: true, ..State::default() }).await);
        assert_eq!(*kind.tidied.lock().unwrap(), [item(1), item(3)]);
    }
}
