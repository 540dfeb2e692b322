//! `run`: one chunk of one migration.

use super::error::CommandError;
use super::event::RunEvent;
use super::kind::{Asked, Kind, Under};
use super::open::create_targets;
use super::pin::Opened;
use super::reply::{self, Keys, instant};
use super::select::Selected;
use super::{Handler, Invocation};
use crate::engine::budget::Budget;
use crate::engine::checkpoint::{self, Checkpoint};
use crate::engine::lease::nonce;
use crate::engine::migration::Migration;
use crate::engine::patience::Patient;
use crate::engine::rate::Rate;
use crate::engine::report::{Outcome, Progress, Report, StoppedBy};
use crate::engine::run::{self, Run};
use crate::engine::shards::{self, Offer};
use crate::engine::state::{self, Phase, State, Stored};
use crate::engine::sweeps::Sweeps;
use crate::engine::throttle::Throttle;
use crate::ledger::{Record, item};
use crate::observe::{log, metrics};
use crate::spec::Definition;
use serde_json::{Value, json};
use std::sync::Arc;
use time::OffsetDateTime;

/// Run records are cleaned up after a month.
const KEEP_S: u64 = 30 * 86_400;

impl Handler {
    /// `unheard`: migrations that a bare run passed over, and of which something has still to be told.
    pub(super) async fn run(
        &self,
        event: RunEvent,
        invocation: &Invocation,
        unheard: &mut Vec<Definition>,
    ) -> Result<Value, CommandError> {
        let budget = Budget::new(invocation.time, invocation.memory_mb);
        let definition = match event.migration {
            Some(name) => self.definition(&name, budget.call()).await?,
            None => match self.select(budget.call(), unheard).await? {
                Selected::Run(definition) => *definition,
                Selected::Nothing(outcome, until) => {
                    let reply = reply::nothing(outcome, until, &invocation.id, &budget);
                    log::wide("run", "INFO", &reply);
                    metrics::emit(&reply, false);
                    return Ok(reply);
                }
            },
        };
        let began = (self.clock)();
        let shard = event.shard.as_deref().and_then(shards::number);
        let asked = Asked { max_items: event.max_items, shard };
        let report = match Box::pin(self.report(&definition, asked, invocation, &budget)).await {
            Ok(report) => report,
            // Where the ledger itself failed, nothing can be kept in it.
            Err(error @ CommandError::Ledger(_)) => return Err(error),
            Err(error) => {
                let failed = json!({"outcome": "failed", "errorType": error.kind(), "errorMessage": error.to_string()});
                self.remember(definition.name(), began, invocation, &failed, &budget).await;
                let line = json!({"migration": definition.name(), "run": invocation.id, "outcome": "failed"});
                metrics::emit(&line, false);
                return Err(error);
            }
        };
        let keys = Keys { shown: definition.limits().log_keys };
        let reply = reply::run(Some(definition.name()), &invocation.id, &report, &budget, keys);
        // A run that acquired nothing did nothing worth a record.
        if report.epoch > 0 {
            self.remember(definition.name(), began, invocation, &reply, &budget).await;
        }
        let worrying =
            report.refused || report.outcome == Outcome::Paused || report.stopped_by == Some(StoppedBy::Error);
        log::wide("run", if worrying { "WARN" } else { "INFO" }, &reply);
        metrics::emit(
            &reply,
            report.outcome == Outcome::More && report.counters.batches == 0 && report.until.is_none(),
        );
        Ok(reply)
    }

    async fn report(
        &self,
        definition: &Definition,
        asked: Asked,
        invocation: &Invocation,
        budget: &Budget,
    ) -> Result<Report, CommandError> {
        let stored = state::load(&*self.ledger, definition.name(), budget.call()).await?;
        if let Some(only) = asked.shard {
            exists(definition, &stored.state, only)?;
        }
        let passed = match self.answered(definition, &stored, asked.shard, budget).await? {
            Answered::Yes(report) => return Ok(*report),
            Answered::No { passed } => passed,
        };
        if budget.remaining() < budget.total() / 20 {
            // The process was held up: there is no time left to ask the database anything.
            let report = self.standing(definition, &stored, Outcome::More, budget).await?;
            return Ok(Report { stopped_by: Some(StoppedBy::Time), ..report });
        }
        let (stored, kind) = match Box::pin(self.open_pinned(definition, stored, invocation, budget)).await? {
            Opened::Yes(opened) => *opened,
            Opened::Paused(report) => return Ok(*report),
        };
        if let (Kind::Rows(rows), Definition::Rows(own)) = (&kind, definition) {
            // What was counted before the catalog was read was counted beside a target that existed.
            if passed > 0 && rows.lacks_target() {
                self.keep(definition, kind).await;
                return self.pause(definition, stored, &target_lost(&own.target.table, passed), budget).await;
            }
            Box::pin(create_targets(definition, rows, budget, &invocation.stop)).await?;
        }
        let throttle = self.throttle(definition, budget.call()).await?;
        let by = throttle.as_ref().map(|asked| Throttle::by(asked.gauge.clone())).unwrap_or_default();
        let under = Under { invocation, budget };
        let report = match &kind {
            Kind::Rows(rows) => Box::pin(self.engine(definition, &**rows, asked, under, by).go(stored)).await,
            Kind::Files(files) => Box::pin(self.engine(definition, &**files, asked, under, by).go(stored)).await,
            Kind::Objects(objects) => Box::pin(self.engine(definition, &**objects, asked, under, by).go(stored)).await,
        };
        self.asked(throttle).await;
        self.keep(definition, kind).await;
        Ok(report?)
    }

    /// The engine over an opened migration.
    pub(super) fn engine<'a, M: Migration>(
        &self,
        definition: &'a Definition,
        kind: &'a M,
        asked: Asked,
        under: Under<'_>,
        throttle: Throttle,
    ) -> Run<'a, M> {
        let Under { invocation, budget } = under;
        Run {
            migration: definition.name().to_owned(),
            id: invocation.id.clone(),
            kind,
            limits: definition.limits(),
            sweeps: Sweeps::of(definition),
            ledger: Arc::new(Patient { ledger: self.ledger.clone(), budget: *budget }),
            terms: self.terms(definition.limits(), budget),
            budget: *budget,
            rate: Rate::default(),
            throttle,
            stop: invocation.stop.clone(),
            max_items: asked.max_items,
            shard: asked.shard,
            observer: invocation.observer.clone(),
        }
    }

    /// What can be answered without the database: paused, complete, waiting, busy.
    async fn answered(
        &self,
        definition: &Definition,
        stored: &Stored,
        shard: Option<u32>,
        budget: &Budget,
    ) -> Result<Answered, CommandError> {
        let (state, call) = (&stored.state, budget.call());
        let yes = |report| Ok(Answered::Yes(Box::new(report)));
        if let Some(pause) = &state.paused {
            let report = self.standing(definition, stored, Outcome::Paused, budget).await?;
            return yes(Report { reason: Some(pause.reason.clone()), ..report });
        }
        if let Some(report) = self.another(definition, stored, budget).await? {
            return yes(report);
        }
        let pinned = state.is_pinned_to(definition.digest());
        let sweeps = Sweeps::of(definition);
        if pinned && state.phase() == Phase::Complete && sweeps.is_complete(state) {
            return yes(self.standing(definition, stored, Outcome::Complete, budget).await?);
        }
        let now = (self.clock)();
        // Dead letters that were put back wait for nothing.
        let due = sweeps.due(state).filter(|&due| due > now && !state.has_retry());
        let shards = shards::all(&*self.ledger, definition.name(), call).await?;
        let held = match shards::offer(state, &shards, shard, now) {
            Offer::Held(until) => Some(until),
            Offer::Free(_) => None,
        };
        let (outcome, until) = match (held, due) {
            (Some(until), _) if pinned => (Outcome::Busy, until),
            (None, Some(due)) if pinned => (sweeps.waiting(state), due),
            _ => {
                let ours = shards.iter().map(|shard| &shard.checkpoint).filter(|it| it.life == state.life);
                return Ok(Answered::No { passed: checkpoint::passed(ours) });
            }
        };
        let report = self.standing(definition, stored, outcome, budget).await?;
        yes(Report { until: Some(until), ..report })
    }

    pub(super) async fn standing(
        &self,
        definition: &Definition,
        stored: &Stored,
        outcome: Outcome,
        budget: &Budget,
    ) -> Result<Report, CommandError> {
        let shards = shards::all(&*self.ledger, definition.name(), budget.call()).await?;
        let checkpoints: Vec<Checkpoint> = shards.into_iter().map(|shard| shard.checkpoint).collect();
        Ok(Report::idle(outcome, Progress::of(&stored.state, &checkpoints)))
    }

    /// Pauses the migration, and answers what is so then: somebody may have paused it before, or meanwhile accepted another definition or
    /// begun anew, which is for the next run to go by.
    pub(super) async fn pause(
        &self,
        definition: &Definition,
        stored: Stored,
        reason: &str,
        budget: &Budget,
    ) -> Result<Report, CommandError> {
        let now = (self.clock)();
        let stored = run::pause(&*self.ledger, definition.name(), stored, reason, now, budget.call()).await?;
        let Some(pause) = &stored.state.paused else {
            let report = self.standing(definition, &stored, Outcome::More, budget).await?;
            return Ok(Report { stopped_by: Some(StoppedBy::Pause), ..report });
        };
        let report = self.standing(definition, &stored, Outcome::Paused, budget).await?;
        Ok(Report { reason: Some(pause.reason.clone()), ..report })
    }

    /// Keeps a record of the run. It is for people: a run whose record could not be kept is none the worse.
    async fn remember(&self, name: &str, began: u64, invocation: &Invocation, reply: &Value, budget: &Budget) {
        let now = (self.clock)();
        let started = OffsetDateTime::from_unix_timestamp_nanos(i128::from(began) * 1_000_000)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let mut body = serde_json::Map::new();
        body.insert("run".into(), json!(invocation.id));
        body.insert("started".into(), json!(instant(began)));
        body.insert("ended".into(), json!(instant(now)));
        for field in [
            "outcome",
            "until",
            "reason",
            "stopped_by",
            "moved",
            "skipped",
            "conflicts",
            "failed",
            "bytes",
            "batches",
            "elapsed_ms",
            "batch_ms",
            "errorType",
            "errorMessage",
        ] {
            if let Some(value) = reply.get(field).filter(|value| !value.is_null()) {
                body.insert(field.into(), value.clone());
            }
        }
        let record = Record {
            migration: name.to_owned(),
            item: item::run(started, &invocation.id),
            seq: 1,
            epoch: 0,
            owner: None,
            stamp: nonce(),
            expires: Some(now / 1000 + KEEP_S),
            body,
        };
        if let Err(error) = self.ledger.put(&record, budget.call()).await {
            tracing::warn!(migration = name, "the record of this run was not kept: {}", crate::fault::chain(&error));
        }
    }
}

/// Whether there is, or may be, such a shard. One that the cut of the first pass has not come to is none to complain of.
fn exists(definition: &Definition, state: &State, only: u32) -> Result<(), CommandError> {
    let most = state.shards().max(definition.limits().shards);
    if only < most {
        return Ok(());
    }
    Err(CommandError::Usage(format!(
        "there is no shard `{}`: `{}` has {most}, up to `{}`; `shards` in `[limits]` says into how many the first pass is cut",
        shards::name(only),
        definition.name(),
        shards::name(most - 1)
    )))
}

enum Answered {
    Yes(Box<Report>),
    /// `passed`: items that the migration has passed in its life.
    No {
        passed: u64,
    },
}

/// Made again, the target would lack what was moved before, and nobody would know.
fn target_lost(table: &str, passed: u64) -> String {
    format!(
        "the target table `{table}` is missing, though {passed} items were moved into it or compared with it: restore it and \
         `resume`, or `reset` the migration, which then begins anew"
    )
}
