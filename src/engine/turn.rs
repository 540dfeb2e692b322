//! A batch's turn: whether throttle and rate let one begin, how large it may be then, and the waiting until it does.

use super::hold::hold;
use super::lease::Kept;
use super::migration::{Migration, Outcome};
use super::rate::{Claim, Turn};
use super::report::StoppedBy;
use super::run::EngineError;
use super::state::{self, State};
use super::stretch::{Ready, in_time};
use super::throttle::Throttled;
use super::walk::{Walk, Walked};
use std::time::Duration;

/// Nobody waits longer than this without looking at the switches.
const LOOK: Duration = Duration::from_secs(1);

/// Keys for which a rate is taken to be used up where nothing says how many are items: fewer than this in a million.
const RAREST: f64 = 1e-6;

/// What follows from asking for a turn.
pub(super) enum Next {
    /// The batch may begin.
    Begin,
    /// Look at everything anew.
    Again,
    Over(Walked),
}

/// Whether a batch that was read keeps to its claim.
pub(super) enum Fitting<B> {
    Fits(Ready<B>),
    /// It holds more items: read again, up to so many keys.
    TooMany(u64),
    Over(Walked),
}

impl<M: Migration> Walk<'_, M> {
    /// Claims what the next batch may move, or waits a while for it.
    pub(super) async fn turn(&mut self) -> Result<Next, EngineError> {
        let batch = self.lease.checkpoint().tuner.p95(1).unwrap_or_default() + self.commit_time;
        let patience = self.run.budget.remaining().saturating_sub(batch);
        if let Some(next) = self.throttled(patience).await? {
            return Ok(next);
        }
        if self.claim.is_some() {
            return Ok(Next::Begin);
        }
        match self.run.claim(patience).await? {
            Turn::Now(claim) => {
                self.claim = Some(claim);
                Ok(Next::Begin)
            }
            Turn::Wait(time) => self.idle(time).await,
            Turn::Never => Ok(Next::Over(Walked::Stopped(StoppedBy::Rate))),
        }
    }

    /// Looks at the throttle. Where it says no, that stands in the checkpoint for `status` to tell, and the run waits as long as it
    /// lasts. `None`: it says nothing against a batch.
    async fn throttled(&mut self, patience: Duration) -> Result<Option<Next>, EngineError> {
        let run = self.run;
        if !run.throttle.is_set() && self.lease.checkpoint().throttled.is_none() {
            return Ok(None);
        }
        let Some(reason) = hold(self.lease, run.budget.call(), run.throttle.reason(run.budget.remaining())).await?
        else {
            return Ok(Some(Next::Over(Walked::Stopped(StoppedBy::Fence))));
        };
        let known = self.lease.checkpoint().throttled.clone();
        let since = known.as_ref().map_or_else(|| (run.terms.clock)(), |known| known.since);
        let now = reason.clone().map(|reason| Throttled { reason, since });
        if known.is_some() != now.is_some() {
            let words =
                reason.as_ref().map_or_else(|| "throttled no more".to_owned(), |why| format!("throttled: {why}"));
            tracing::warn!(migration = %run.migration, "{words}");
        }
        // Also while it lasts: `status` tells how far the replica is behind now.
        if known != now && self.lease.write(|it| it.throttled = now, run.budget.call()).await? == Kept::Fenced {
            return Ok(Some(Next::Over(Walked::Stopped(StoppedBy::Fence))));
        }
        match reason {
            None => Ok(None),
            Some(_) if patience > LOOK => self.idle(LOOK).await.map(Some),
            Some(reason) => Ok(Some(Next::Over(Walked::Throttled(reason)))),
        }
    }

    /// Waits, but no longer than a moment at a time, with the lease kept alive and an eye on the switches.
    pub(super) async fn idle(&mut self, time: Duration) -> Result<Next, EngineError> {
        let run = self.run;
        let waiting = async {
            run.stop.sleep(time.min(LOOK)).await;
            if time < LOOK {
                return None;
            }
            let limit = LOOK.min(run.budget.call());
            state::load(&*run.ledger, &run.migration, limit).await.ok().map(|stored| stored.state)
        };
        Ok(match hold(self.lease, run.budget.call(), waiting).await? {
            None => Next::Over(Walked::Stopped(StoppedBy::Fence)),
            Some(now) => self.switched(now).map_or(Next::Again, Next::Over),
        })
    }

    /// What the switches, as they are now, say about going on.
    pub(super) fn switched(&self, now: Option<State>) -> Option<Walked> {
        match now {
            Some(now) if now.life != self.state.life => Some(Walked::Stopped(StoppedBy::Fence)),
            Some(State { paused: Some(pause), .. }) => Some(Walked::Paused(StoppedBy::Pause, pause.reason)),
            // Another definition was accepted: a run that goes by it goes on.
            Some(now) if now.pin != self.state.pin => Some(Walked::Stopped(StoppedBy::Pause)),
            _ => None,
        }
    }

    /// The keys among which there are likely no more items than the claim allows.
    pub(super) fn rated(&self) -> Option<u64> {
        let most = self.claim?.items?;
        // What is read by its key cannot be given back: of letters every one may be an item.
        let certain = self.letters.is_some() || !self.lease.checkpoint().interrupted_keys.is_empty();
        Some(if certain { most } else { spread(most, self.density) })
    }

    /// Holds a batch against the claim, before anything of it is written.
    pub(super) async fn within_claim(&mut self, ready: Ready<M::Batch>) -> Result<Fitting<M::Batch>, EngineError> {
        let Some(most) = self.claim.and_then(|claim| claim.items) else { return Ok(Fitting::Fits(ready)) };
        let named = ready.end.is_none() || self.sweeping();
        let mut items = if named { u64::try_from(ready.found.len()).unwrap_or(u64::MAX) } else { ready.scanned };
        if items > most && !named {
            let (run, limit) = (self.run, self.run.budget.remaining());
            let counting = in_time(&run.budget, run.kind.count(&ready.batch, limit));
            match hold(self.lease, run.budget.call(), counting).await? {
                None => return Ok(Fitting::Over(Walked::Stopped(StoppedBy::Fence))),
                Some(Ok(Some(counted))) => items = counted,
                // Then any key may be one.
                Some(Ok(None) | Err(_)) => {}
            }
        }
        if items <= most {
            return Ok(Fitting::Fits(ready));
        }
        self.density = share(items, ready.scanned);
        Ok(Fitting::TooMany(spread(most, self.density).min(ready.scanned - 1).max(most)))
    }

    /// Gives back what the batch did not need, and learns how many keys are items.
    pub(super) async fn settle(&mut self, scanned: u64, outcome: &Outcome) {
        let aside = u64::try_from(outcome.aside.len()).unwrap_or(u64::MAX);
        let items = outcome.moved + outcome.skipped + aside;
        if let Some(claim) = self.claim.take() {
            self.run.spent(claim, items, outcome.bytes).await;
        }
        self.density = f64::midpoint(self.density, share(items, scanned));
    }

    /// Gives the claim back whole: the walk is over, or nothing was written.
    pub(super) async fn unclaim(&mut self) {
        if let Some(claim) = self.claim.take() {
            self.run.spent(claim, 0, 0).await;
        }
    }

    /// What the rate leaves of a batch's bytes.
    pub(super) fn rated_bytes(&self) -> Option<u64> {
        self.claim.and_then(|Claim { bytes, .. }| bytes)
    }
}

/// Keys that hold so many items, with some of it to spare.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a guess")]
fn spread(items: u64, density: f64) -> u64 {
    if density >= 1.0 {
        return items;
    }
    ((items as f64 * 0.9 / density.max(RAREST)) as u64).max(items)
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn share(items: u64, keys: u64) -> f64 {
    (items as f64 / keys.max(1) as f64).min(1.0)
}
