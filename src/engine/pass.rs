//! Passes: opened with a frozen bound, and closed, each by one conditional write of whichever run comes first.

use super::chance::fraction;
use super::checkpoint::Counters;
use super::failpoint::{Point, reach};
use super::hold::hold;
use super::lease::Lease;
use super::migration::Migration;
use super::run::{EngineError, Run};
use super::state::{self, Stored};
use super::stretch::in_time;
use crate::fault::Fault;
use std::time::Duration;

impl<M: Migration> Run<'_, M> {
    /// Freezes the bound of the next pass, and opens it by one conditional write, unless somebody has paused the migration
    /// meanwhile. `None`: somebody else was there before.
    pub(super) async fn open_pass(&self, lease: &mut Lease, stored: &Stored) -> Result<Option<Stored>, EngineError> {
        let remaining = self.budget.remaining();
        let covered = stored.state.covered.as_ref();
        let asked = self.patiently(|limit| in_time(&self.budget, self.kind.bound(covered, limit)));
        let Some(bound) = hold(lease, self.budget.call(), asked).await? else { return Ok(None) };
        let bound = bound?;
        let now_us = (self.terms.clock)().saturating_mul(1000);
        let first = stored.state.pass == 0;
        let mut expected = stored.state.expected;
        if first && bound.is_some() {
            let started = std::time::UNIX_EPOCH + Duration::from_micros(now_us);
            let limit = (remaining / 10).min(Duration::from_secs(2));
            let counted = tokio::time::timeout(limit + self.budget.reserve(), self.kind.estimate(started, limit));
            let Some(counted) = hold(lease, self.budget.call(), counted).await? else { return Ok(None) };
            expected = counted.unwrap_or_default().into();
        }
        let (life, pass) = (stored.state.life, stored.state.pass);
        reach(Point::BeforeOpenPass).await;
        let opened = state::update(&*self.ledger, &self.migration, stored.clone(), self.budget.call(), |now| {
            let ours = now.life == life && now.pass == pass && !now.open && now.paused.is_none();
            if ours {
                now.open_pass(bound.clone(), now_us);
                now.expected = expected;
            }
            ours
        })
        .await?;
        reach(Point::AfterOpenPass).await;
        let ours = opened.state.pass == pass + 1 && opened.state.open || opened.state.paused.is_some();
        Ok((ours && opened.state.life == life).then_some(opened))
    }

    /// Closes the pass, in which so much was counted, by one conditional write, unless somebody else was there before.
    pub(super) async fn close_pass(&self, stored: Stored, in_pass: Counters) -> Result<Stored, EngineError> {
        let (life, pass) = (stored.state.life, stored.state.pass);
        let now = (self.terms.clock)();
        reach(Point::BeforeClosePass).await;
        let closed = state::update(&*self.ledger, &self.migration, stored, self.budget.call(), |state| {
            let ours = state.life == life && state.pass == pass && state.open;
            if ours {
                state.close_pass(in_pass.items(), self.limits.max_sweeps, now);
            }
            ours
        })
        .await?;
        reach(Point::AfterClosePass).await;
        Ok(closed)
    }

    /// Repeats a read that failed for a passing reason, as long as the budget lasts.
    async fn patiently<T, F: Future<Output = Result<T, Fault>>>(
        &self,
        call: impl Fn(Duration) -> F,
    ) -> Result<T, Fault> {
        let mut wait = Duration::from_millis(50);
        loop {
            match call(self.budget.remaining()).await {
                Err(fault) if fault.class.passes() && self.budget.remaining() > wait * 2 && !self.stop.is_set() => {
                    self.stop.sleep(wait.mul_f64(0.5 + fraction())).await;
                    wait = (wait * 2).min(Duration::from_secs(3));
                }
                answer => return answer,
            }
        }
    }
}
