//! Passes: opened with a frozen bound, and closed, each by one conditional write of whichever run comes first.

use super::chance::fraction;
use super::failpoint::{Point, reach};
use super::hold::hold;
use super::lease::Lease;
use super::migration::{Layout, Migration};
use super::run::{EngineError, Run};
use super::state::{self, Stored};
use super::stretch::in_time;
use crate::cursor::Cursor;
use crate::fault::{Class, Fault, chain};
use crate::spec::Limits;
use std::time::{Duration, SystemTime};

/// How long it may take to count the source, and again to find out where shards are to end.
const LOOKING: Duration = Duration::from_secs(2);
/// Bytes of the keys at which shards end: they stand in one record, beside a bound and a pin.
const CUT_BYTES: usize = 64 * 1024;

/// How the next pass begins.
struct Next {
    /// Its last key, or the last change.
    bound: Option<Cursor>,
    /// Since when it looks at what changed.
    since: Option<u64>,
    /// The last key, where the bound is a change.
    last_key: Option<Cursor>,
}

/// As many of these as a record holds: of too many every second one, so that the shards stay alike.
fn fitting(mut cuts: Vec<Cursor>) -> Vec<Cursor> {
    let bytes = |cuts: &[Cursor]| cuts.iter().map(|cut| cut.json().len() + 16 * cut.0.len()).sum::<usize>();
    while bytes(&cuts) > CUT_BYTES {
        cuts = cuts.into_iter().skip(1).step_by(2).collect();
    }
    cuts
}

impl<M: Migration> Run<'_, M> {
    /// Freezes the bound of the next pass, cuts the first one into shards, and opens it by one conditional write, unless
    /// somebody has paused the migration or was there before: the state as it is then. `None`: the lease was lost.
    pub(super) async fn open_pass(&self, lease: &mut Lease, stored: &Stored) -> Result<Option<Stored>, EngineError> {
        // Before the bound is read: what changes between the two is seen twice rather than never.
        let now_us = (self.terms.clock)().saturating_mul(1000);
        let Some(found) = hold(lease, self.budget.call(), self.end_of_next(stored)).await? else { return Ok(None) };
        let Next { bound, since, last_key } = found?;
        let first = stored.state.pass == 0;
        let (mut expected, mut cuts) = (stored.state.expected, stored.state.cuts.clone());
        if let Some(bound) = bound.as_ref().filter(|_| first) {
            let started = std::time::UNIX_EPOCH + Duration::from_micros(now_us);
            let Some(laid) = hold(lease, self.budget.call(), self.lay_out(bound, started)).await? else {
                return Ok(None);
            };
            (expected, cuts) = (laid.expected.into(), fitting(laid.cuts));
        }
        let (life, pass) = (stored.state.life, stored.state.pass);
        reach(Point::BeforeOpenPass).await;
        let opened = state::update(&*self.ledger, &self.migration, stored.clone(), self.budget.call(), |now| {
            let same = now.life == life && now.pin == stored.state.pin;
            let ours = same && now.pass == pass && !now.open && now.paused.is_none();
            if ours {
                now.open_pass(bound.clone(), now_us);
                now.since = since;
                now.last_key.clone_from(&last_key);
                now.expected = expected;
                now.cuts.clone_from(&cuts);
            }
            ours
        })
        .await?;
        reach(Point::AfterOpenPass).await;
        Ok(Some(opened))
    }

    /// Where the next pass will end; and since when it looks at what changed, if it does.
    async fn end_of_next(&self, stored: &Stored) -> Result<Next, Fault> {
        let covered = stored.state.covered.as_ref();
        let last = self.patiently(|limit| in_time(&self.budget, self.kind.bound(covered, limit))).await?;
        if let Some(since) = self.sweeps.since(&stored.state) {
            // After the last key, so that whatever is inserted up to there is among the changes.
            let at = std::time::UNIX_EPOCH + Duration::from_micros(since);
            let asked = self.patiently(|limit| in_time(&self.budget, self.kind.recent(at, limit)));
            if let Some(recent) = asked.await? {
                return Ok(Next { bound: recent.bound, since: Some(since), last_key: last });
            }
        }
        Ok(Next { bound: last, since: None, last_key: None })
    }

    /// How the first pass lies. What cannot be counted or cut is one shard, and no reason to fail.
    async fn lay_out(&self, bound: &Cursor, started: SystemTime) -> Layout {
        let parts = self.limits.shards.min(Limits::MOST_SHARDS);
        let asked = self.patiently(|remaining| {
            let limit = (remaining / 8).min(LOOKING);
            let laid = self.kind.lay_out(bound, started, parts, limit);
            // The server is told; what it makes of that is another matter.
            let late = |_| Fault::new(Class::Capacity, "it took too long to count and to cut the source");
            let laid = tokio::time::timeout(limit * 2 + self.budget.reserve() / 2, laid);
            in_time(&self.budget, async move { laid.await.map_err(late)? })
        });
        asked.await.unwrap_or_else(|fault| {
            tracing::warn!(migration = %self.migration, "neither counted nor cut into shards: {}", chain(&fault));
            Layout::default()
        })
    }

    /// Closes the pass, in which so many items were found, by one conditional write, unless somebody else was there before.
    pub(super) async fn close_pass(&self, stored: Stored, found: u64) -> Result<Stored, EngineError> {
        let (life, pass, pin) = (stored.state.life, stored.state.pass, stored.state.pin.clone());
        let now = (self.terms.clock)();
        reach(Point::BeforeClosePass).await;
        let closed = state::update(&*self.ledger, &self.migration, stored, self.budget.call(), |state| {
            // Under another definition it may have found more.
            let ours = state.life == life && state.pin == pin && state.pass == pass && state.open;
            if ours {
                state.close_pass(found, &self.sweeps, now);
            }
            ours
        })
        .await?;
        reach(Point::AfterClosePass).await;
        Ok(closed)
    }

    /// Repeats a read that failed for a passing reason, as long as the budget lasts.
    pub(super) async fn patiently<T, F: Future<Output = Result<T, Fault>>>(
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
