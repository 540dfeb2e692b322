//! Runs for a kind of migration that is not milkrun's own: no file, no command, nothing but the trait and a ledger.

use super::budget::Budget;
use super::lease::{Terms, nonce, system_clock};
use super::migration::Migration;
use super::rate::Rate;
use super::report::{Outcome, Progress, Report};
use super::run::{EngineError, Run};
use super::state;
use super::stop::Stop;
use super::sweeps::Sweeps;
use super::throttle::Throttle;
use crate::ledger::Ledger;
use crate::spec::Limits;
use std::sync::Arc;
use std::time::Duration;

/// Skew allowance of leases, in milliseconds.
pub const LEASE_MARGIN_MS: i64 = 2000;

impl<'a, M: Migration> Run<'a, M> {
    /// A run of `time` and `memory_mb` that begins now, with a fresh id, watched by nobody and stopped by nothing but its
    /// budget. Every field can still be changed.
    pub fn new(
        migration: impl Into<String>,
        kind: &'a M,
        limits: &'a Limits,
        ledger: Arc<dyn Ledger>,
        time: Duration,
        memory_mb: u64,
    ) -> Self {
        let clock = system_clock();
        let deadline_ms = clock().saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        Self {
            migration: migration.into(),
            id: nonce(),
            kind,
            limits,
            sweeps: Sweeps::once(limits),
            ledger,
            terms: Terms { lease: limits.lease, margin_ms: LEASE_MARGIN_MS, deadline_ms, clock },
            budget: Budget::new(time, memory_mb),
            rate: Rate::default(),
            throttle: Throttle::default(),
            stop: Stop::default(),
            max_items: None,
            shard: None,
            observer: Arc::new(|_, _| ()),
        }
    }

    /// Carries out one chunk. A migration that is paused or complete is left alone, and the report says so.
    ///
    /// Nobody pins what the migration means: if that changes, give it another name.
    pub async fn chunk(&self) -> Result<Report, EngineError> {
        let stored = state::load(&*self.ledger, &self.migration, self.budget.call()).await?;
        let state = &stored.state;
        let standing = |outcome| Report::idle(outcome, Progress { left: state.left, ..Progress::default() });
        if let Some(pause) = &state.paused {
            return Ok(Report { reason: Some(pause.reason.clone()), ..standing(Outcome::Paused) });
        }
        if self.sweeps.is_complete(state) && !state.has_retry() {
            return Ok(standing(Outcome::Complete));
        }
        Box::pin(self.go(stored)).await
    }
}
