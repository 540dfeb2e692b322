//! `rollback`: puts old references back, chunk by chunk. The migration is paused first, or its next run would move everything anew.

use super::error::CommandError;
use super::event::RollbackEvent;
use super::kind::{Asked, Kind, Under, other_than_files};
use super::reply::{self, Keys, VERSION, instant};
use super::{Handler, Invocation, switch};
use crate::engine::budget::Budget;
use crate::engine::checkpoint::Tally;
use crate::engine::report::Outcome;
use crate::engine::throttle::Throttle;
use crate::engine::verify::so_far;
use crate::engine::{shards, state};
use crate::ledger::item;
use crate::observe::log;
use serde_json::{Map, Value, json};

/// Why the migration is paused from then on.
const REASON: &str = "rolled back: `resume` goes on where it was, `reset` begins anew and moves the files again";

impl Handler {
    pub(super) async fn rollback(&self, event: &RollbackEvent, invocation: &Invocation) -> Result<Value, CommandError> {
        let name = event.migration.as_str();
        let budget = Budget::new(invocation.time, invocation.memory_mb);
        let definition = self.definition(name, budget.call()).await?;
        if let Some(other) = other_than_files(&definition) {
            return Err(CommandError::Usage(format!(
                "`rollback` is for migrations of kind `files`, and `{name}` is of kind `{other}`: what it copied is in its target"
            )));
        }
        let keys = Keys { shown: definition.limits().log_keys };
        let conclude = |outcome, until: Option<u64>, tally: &Tally| {
            let reply = told(name, outcome, until, tally, keys);
            log::wide("rollback", "INFO", &reply::wide(&reply, &invocation.id, &budget));
            reply
        };
        let stored = state::load(&*self.ledger, name, budget.call()).await?;
        if stored.state.pin.as_ref().is_some_and(|pin| pin.identity != definition.identity()) {
            return Err(CommandError::Usage(format!(
                "`{name}` has another database, key, table or target than the one whose journal would be read: undo the change"
            )));
        }
        if stored.state.paused.is_none() {
            let reason = Some(REASON.to_owned());
            switch::pause(&*self.ledger, name, reason, event.by.clone(), &self.clock, budget.call()).await?;
        }
        // Whoever is at work stops at the end of its batch; until then it may change rows.
        let known = shards::all(&*self.ledger, name, budget.call()).await?;
        let now = (self.clock)();
        if let Some(until) = known.iter().filter_map(|shard| shard.held_until(now)).max() {
            let counted = so_far(&*self.ledger, name, &item::rollback(0), &stored.state, budget.call()).await?;
            return Ok(conclude(Outcome::Busy, Some(until), &counted));
        }
        let stored = state::load(&*self.ledger, name, budget.call()).await?;
        let kind = Box::pin(self.open(&definition, &budget, &invocation.stop)).await?;
        let under = Under { invocation, budget: &budget };
        let taken = match &kind {
            Kind::Rows(rows) => {
                let run = self.engine(&definition, &**rows, Asked::all(), under, Throttle::default());
                Box::pin(run.take_back(&stored.state)).await
            }
            Kind::Files(files) => {
                let run = self.engine(&definition, &**files, Asked::all(), under, Throttle::default());
                Box::pin(run.take_back(&stored.state)).await
            }
            Kind::Objects(objects) => {
                let run = self.engine(&definition, &**objects, Asked::all(), under, Throttle::default());
                Box::pin(run.take_back(&stored.state)).await
            }
        };
        self.keep(&definition, kind).await;
        let taken = taken?;
        Ok(conclude(taken.outcome, taken.until, &taken.tally))
    }
}

fn told(name: &str, outcome: Outcome, until: Option<u64>, tally: &Tally, keys: Keys) -> Value {
    let mut reply = Map::new();
    reply.insert("v".into(), json!(VERSION));
    reply.insert("migration".into(), json!(name));
    reply.insert("outcome".into(), json!(outcome));
    if let Some(until) = until {
        reply.insert("until".into(), json!(instant(until)));
    }
    for (name, count) in [
        ("checked", tally.checked),
        ("rolled_back", tally.repaired),
        ("unchanged", tally.equal),
        ("changed", tally.different),
        ("gone", tally.missing),
    ] {
        reply.insert(name.into(), json!(count));
    }
    let kind = |kind: &str| if kind == "missing" { "gone" } else { "changed" };
    let examples = tally.examples.iter().map(|(key, of)| json!({"key": keys.texts(key), "kind": kind(of)}));
    reply.insert("examples".into(), examples.collect());
    Value::Object(reply)
}
