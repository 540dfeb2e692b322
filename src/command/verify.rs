//! `verify`: compares one chunk of source and target, and mends what it is told to.

use super::error::CommandError;
use super::event::VerifyEvent;
use super::kind::{Asked, Kind, Under, other_than_files};
use super::pin::Opened;
use super::reply::{self, Keys};
use super::{Handler, Invocation};
use crate::engine::budget::Budget;
use crate::engine::checkpoint::Tally;
use crate::engine::migration::Repair;
use crate::engine::report::{Outcome, Report};
use crate::engine::sample::WHOLE;
use crate::engine::state;
use crate::engine::throttle::Throttle;
use crate::engine::verify::so_far;
use crate::ledger::item;
use crate::observe::log;
use crate::spec::Definition;
use serde_json::Value;
use std::time::Duration;

impl Handler {
    pub(super) async fn verify(&self, event: &VerifyEvent, invocation: &Invocation) -> Result<Value, CommandError> {
        let name = event.migration.as_str();
        let budget = Budget::new(invocation.time, invocation.memory_mb);
        let definition = self.definition(name, budget.call()).await?;
        if (event.repair || event.overwrite) && matches!(definition, Definition::Files(_)) {
            return Err(CommandError::Usage(
                "`verify` of files mends nothing: what is missing is moved by `run`, and what failed by `retry`"
                    .to_owned(),
            ));
        }
        if let Some(other) = other_than_files(&definition).filter(|_| event.sample.is_some()) {
            return Err(CommandError::Usage(format!(
                "`sample` is for migrations of kind `files`, and `{name}` is of kind `{other}`: leave it out, and all of it is \
                 compared, chunk by chunk"
            )));
        }
        let share = event.sample.filter(|share| *share < WHOLE);
        if event.full
            && let Some(instead) = instead_of_full(&definition)
        {
            return Err(CommandError::Usage(format!(
                "`full` reads the objects of two buckets, so it is for migrations of kind `objects`, and {instead}: leave it out"
            )));
        }
        let keys = Keys { shown: definition.limits().log_keys };
        let conclude = |outcome, until, reason: Option<&str>, tally: &Tally| {
            let reply = reply::verify(name, outcome, until, reason, tally, keys);
            let clean = outcome != Outcome::Paused && tally.missing + tally.different + tally.extra == tally.repaired;
            log::wide("verify", if clean { "INFO" } else { "WARN" }, &reply::wide(&reply, &invocation.id, &budget));
            reply
        };
        let stored = state::load(&*self.ledger, name, budget.call()).await?;
        let counted = so_far(&*self.ledger, name, &item::verify(0), &stored.state, budget.call()).await?;
        if let Some(pause) = &stored.state.paused {
            return Ok(conclude(Outcome::Paused, None, Some(&pause.reason), &counted));
        }
        // It may have turned out not to be paused.
        let stopped = |report: &Report| conclude(report.outcome, None, report.reason.as_deref(), &counted);
        if let Some(report) = self.another(&definition, &stored, &budget).await? {
            return Ok(stopped(&report));
        }
        // Before the first run there is nothing that was pinned, and nothing to compare: looking is no reason to pin.
        let (stored, mut kind) = if stored.state.pin.is_none() {
            let kind = Box::pin(self.open(&definition, &budget, &invocation.stop)).await?;
            (stored, kind)
        } else {
            match Box::pin(self.open_pinned(&definition, stored, invocation, &budget)).await? {
                Opened::Yes(opened) => *opened,
                Opened::Paused(report) => return Ok(stopped(&report)),
            }
        };
        if let Kind::Objects(objects) = &mut kind {
            objects.read_in_full(event.full);
        }
        let repair = (event.repair || event.overwrite)
            .then(|| Repair { overwrite: event.overwrite, run: invocation.id.clone() });
        let (state, repair, asked) = (&stored.state, repair.as_ref(), Asked::all());
        let under = Under { invocation, budget: &budget };
        let verified = match &kind {
            Kind::Rows(rows) => {
                let run = self.engine(&definition, &**rows, asked, under, Throttle::default());
                Box::pin(run.verify(state, repair, share)).await
            }
            Kind::Files(files) => {
                let run = self.engine(&definition, &**files, asked, under, Throttle::default());
                Box::pin(run.verify(state, repair, share)).await
            }
            Kind::Objects(objects) => {
                let run = self.engine(&definition, &**objects, asked, under, Throttle::default());
                Box::pin(run.verify(state, repair, share)).await
            }
        };
        self.keep(&definition, kind).await;
        let verified = verified?;
        Ok(conclude(verified.outcome, verified.until, None, &verified.tally))
    }

    /// Whether `verify` can mend what it finds in a migration; a file that cannot be read does not say that it cannot.
    pub(crate) async fn mends(&self, name: &str, limit: Duration) -> bool {
        !matches!(self.definition(name, limit).await, Ok(Definition::Files(_)))
    }
}

/// What a kind does that has no objects to read in full; `None`: it has.
fn instead_of_full(definition: &Definition) -> Option<String> {
    let name = definition.name();
    match definition {
        Definition::Rows(_) => Some(format!("`{name}` is of kind `rows`, which are always compared whole")),
        Definition::Files(_) => Some(format!(
            "`{name}` is of kind `files`, which are held against the checksums that S3 has of them, and read where it has none"
        )),
        Definition::Objects(_) => None,
    }
}
