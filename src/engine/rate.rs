//! Items and bytes per second, over all runs, lanes and shards of a migration.
//!
//! A run reserves a second at a time from the [timeline](super::timeline), and what that second is worth becomes its own to
//! spend, half of it when the second begins and half in the middle. A batch claims a part of that before it is written, and
//! what it did not need comes back. A batch of which only its end told how much it was (bytes) may have taken too much:
//! that is a debt, and time is reserved for it in which nothing else is done.

use super::chance::fraction;
use super::migration::Migration;
use super::run::Run;
use super::timeline::{Place, Reserved, Timeline};
use crate::ledger::LedgerError;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// What is reserved at a time, and in how many parts it may be spent.
const SLOT: Duration = Duration::from_secs(1);
const PARTS: u32 = 2;

/// Items and bytes; of what has no limit there is no end.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Worth {
    items: f64,
    bytes: f64,
}

impl Worth {
    const NOTHING: Self = Self { items: 0.0, bytes: 0.0 };

    fn add(self, more: Self) -> Self {
        Self { items: self.items + more.items, bytes: self.bytes + more.bytes }
    }

    fn least(self, other: Self) -> Self {
        Self { items: self.items.min(other.items), bytes: self.bytes.min(other.bytes) }
    }

    fn times(self, factor: f64) -> Self {
        let times = |number: f64| if number.is_finite() { number * factor } else { number };
        Self { items: times(self.items), bytes: times(self.bytes) }
    }
}

/// What one batch may move. `None`: without limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) items: Option<u64>,
    pub(super) bytes: Option<u64>,
}

/// Whether something may be moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Now(Claim),
    /// After so long.
    Wait(Duration),
    /// Not as long as the run lasts.
    Never,
}

/// What a run has reserved, and not spent yet.
#[derive(Debug, Default)]
pub struct Rate {
    spending: Mutex<Spending>,
}

#[derive(Debug)]
struct Spending {
    timeline: Timeline,
    balance: Worth,
    /// The end of what was reserved last.
    until: Option<Instant>,
    /// What may be spent from when on.
    coming: VecDeque<(Instant, Worth)>,
}

impl Default for Spending {
    fn default() -> Self {
        Self { timeline: Timeline::default(), balance: Worth::NOTHING, until: None, coming: VecDeque::new() }
    }
}

impl Spending {
    /// Takes what has become due. Nothing is saved up beyond a second's worth.
    fn collect(&mut self, now: Instant, most: Worth) {
        while let Some((_, due)) = self.coming.pop_front_if(|(when, _)| *when <= now) {
            self.balance = self.balance.add(due).least(most);
        }
    }

    fn give_back(&mut self, claim: Worth, spent: Worth, most: Worth) {
        self.balance = self.balance.add(claim).add(spent.times(-1.0)).least(most);
    }

    /// How long it takes to earn what was spent too much.
    fn debt(&self, second: Worth) -> Duration {
        let seconds = (-self.balance.items / second.items).max(-self.balance.bytes / second.bytes).max(0.0);
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }

    async fn reserve(&mut self, place: &Place<'_>, second: Worth, latest: Instant) -> Result<Reserved, LedgerError> {
        let debt = self.debt(second);
        let Some(latest) = latest.checked_sub(debt) else { return Ok(Reserved::Never) };
        // Who has a second comes after those who wait for one, and these in any order.
        let has_one = self.until.is_some_and(|until| Instant::now() < until);
        let near = if has_one { SLOT.mul_f64(0.75) } else { SLOT.mul_f64(1.0 - fraction() / 8.0) };
        let reserved = self.timeline.reserve(place, debt.saturating_add(SLOT), latest, near).await?;
        let Reserved::From(begins) = reserved else { return Ok(reserved) };
        self.until = Some(begins + debt + SLOT);
        let (begins, part) = (begins + debt, second.times(1.0 / f64::from(PARTS)));
        // What pays the debt comes with the first part.
        let paid = part.add(second.times(debt.as_secs_f64()));
        self.coming.push_back((begins, paid));
        self.coming.extend((1..PARTS).map(|number| (begins + SLOT * number / PARTS, part)));
        Ok(reserved)
    }
}

impl<M: Migration> Run<'_, M> {
    /// What the limits allow in a second; `None` if they limit nothing.
    fn second(&self) -> Option<Worth> {
        let worth = |limit| if limit == 0 { f64::INFINITY } else { usual(limit) };
        let (items, bytes) = (self.limits.items_per_second, self.limits.bytes_per_second);
        (items > 0 || bytes > 0).then(|| Worth { items: worth(items), bytes: worth(bytes) })
    }

    /// Whether batches wait for a rate.
    pub(super) fn is_rated(&self) -> bool {
        self.second().is_some()
    }

    fn place(&self) -> Place<'_> {
        let (ledger, clock) = (&*self.ledger, &self.terms.clock);
        Place { ledger, migration: &self.migration, clock, call: self.budget.call() }
    }

    /// Claims what the next batch may move, if that can be had within `patience`.
    pub(super) async fn claim(&self, patience: Duration) -> Result<Turn, LedgerError> {
        let Some(second) = self.second() else { return Ok(Turn::Now(Claim::default())) };
        let part = second.times(1.0 / f64::from(PARTS));
        // Less would be batches that are not worth their commit.
        let least = Worth { items: (part.items / 2.0).max(1.0), bytes: (part.bytes / 2.0).max(1.0) };
        let most = Worth { items: second.items.max(1.0), ..second };
        let mut spending = self.rate.spending.lock().await;
        let now = Instant::now();
        let latest = now + patience;
        loop {
            spending.collect(Instant::now(), most);
            let balance = spending.balance;
            if enough(balance.items, least.items) && enough(balance.bytes, least.bytes) {
                let claim = Claim {
                    items: whole(balance.items.min(part.items.max(1.0))),
                    bytes: whole(balance.bytes.min(part.bytes)),
                };
                spending.balance = balance.add(worth(claim).times(-1.0));
                let low = spending.balance.items < least.items || spending.balance.bytes < least.bytes;
                if spending.coming.is_empty() && low {
                    // The next second, before it begins: whoever asks only then has lost a part of it.
                    spending.reserve(&self.place(), second, latest).await?;
                }
                return Ok(Turn::Now(claim));
            }
            if let Some((when, _)) = spending.coming.front() {
                let wait = when.saturating_duration_since(Instant::now());
                return Ok(if *when > latest { Turn::Never } else { Turn::Wait(wait) });
            }
            match spending.reserve(&self.place(), second, latest).await? {
                Reserved::From(_) => {}
                Reserved::NotYet(then) => return Ok(Turn::Wait(then.saturating_duration_since(Instant::now()))),
                Reserved::Never => return Ok(Turn::Never),
            }
        }
    }

    /// Says what became of a claim: what was not spent may be claimed again.
    pub(super) async fn spent(&self, claim: Claim, items: u64, bytes: u64) {
        let Some(second) = self.second() else { return };
        let spent = Worth {
            items: claim.items.map_or(0.0, |_| usual(items)),
            bytes: claim.bytes.map_or(0.0, |_| usual(bytes)),
        };
        let most = Worth { items: second.items.max(1.0), ..second };
        self.rate.spending.lock().await.give_back(worth(claim), spent, most);
    }

    /// Reserves the time for what was spent too much, so that whoever comes next waits for it.
    pub(super) async fn pay_debt(&self) -> Result<(), LedgerError> {
        let Some(second) = self.second() else { return Ok(()) };
        let mut spending = self.rate.spending.lock().await;
        let coming = std::mem::take(&mut spending.coming);
        spending.balance = coming.into_iter().fold(spending.balance, |sum, (_, worth)| sum.add(worth));
        let debt = spending.debt(second);
        if debt > Duration::ZERO {
            let far = Instant::now() + Duration::from_hours(24);
            spending.timeline.reserve(&self.place(), debt, far, Duration::from_hours(24)).await?;
        }
        Ok(())
    }
}

fn worth(claim: Claim) -> Worth {
    // Infinity less infinity would be no number.
    let of = |limit: Option<u64>| limit.map_or(0.0, usual);
    Worth { items: of(claim.items), bytes: of(claim.bytes) }
}

/// Halves of seconds add up to whole items but for what binary fractions leave over.
fn enough(there: f64, needed: f64) -> bool {
    there + 1e-6 >= needed
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn usual(number: u64) -> f64 {
    number as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to what fits")]
fn whole(number: f64) -> Option<u64> {
    number.is_finite().then(|| (number + 1e-6).clamp(1.0, 1e15) as u64)
}

#[cfg(test)]
mod tests;
