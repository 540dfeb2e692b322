//! `verify`: compares one chunk of source and target, and mends what it is told to.

use super::error::CommandError;
use super::event::VerifyEvent;
use super::reply::{self, Keys};
use super::{Handler, Invocation};
use crate::engine::budget::Budget;
use crate::engine::checkpoint::Tally;
use crate::engine::migration::Repair;
use crate::engine::report::Outcome;
use crate::engine::run::Run;
use crate::engine::state;
use crate::observe::log;
use serde_json::Value;

impl Handler {
    pub(super) async fn verify(&self, event: &VerifyEvent, invocation: &Invocation) -> Result<Value, CommandError> {
        let name = event.migration.as_str();
        let budget = Budget::new(invocation.time, invocation.memory_mb);
        let definition = self.definition(name, budget.call()).await?;
        let keys = Keys { shown: definition.limits.log_keys };
        let stored = state::load(&*self.ledger, name, budget.call()).await?;
        if let Some(pause) = &stored.state.paused {
            let reply = reply::verify(name, Outcome::Paused, None, Some(&pause.reason), &Tally::default(), keys);
            return Ok(reply);
        }
        let rows = Box::pin(self.open(&definition, &budget, &invocation.stop)).await?;
        let repair = (event.repair || event.overwrite)
            .then(|| Repair { overwrite: event.overwrite, run: invocation.id.clone() });
        let run = Run {
            migration: name.to_owned(),
            id: invocation.id.clone(),
            kind: &rows,
            limits: &definition.limits,
            ledger: self.ledger.clone(),
            terms: self.terms(&definition.limits, &budget),
            budget,
            stop: invocation.stop.clone(),
            max_items: None,
            observer: invocation.observer.clone(),
        };
        let verified = Box::pin(run.verify(&stored.state, repair.as_ref())).await;
        drop(run);
        self.keep(&definition, rows).await;
        let verified = verified?;
        let reply = reply::verify(name, verified.outcome, verified.until, None, &verified.tally, keys);
        let found = verified.tally.missing + verified.tally.different + verified.tally.extra;
        let clean = found == verified.tally.repaired;
        log::wide("verify", if clean { "INFO" } else { "WARN" }, &reply);
        Ok(reply)
    }
}
