//! `plan`: looks at everything, changes nothing.

use super::error::CommandError;
use super::forecast::Forecast;
use super::pin::{Foretold, foretold};
use super::reply::VERSION;
use super::{Handler, Invocation};
use crate::engine::budget::Budget;
use crate::engine::migration::{Estimate, Migration};
use crate::engine::shards;
use crate::engine::state::{self, Stored};
use crate::engine::throttle::Gauge as _;
use crate::rows::Rows;
use crate::spec::{Definition, Mode, Problem};
use serde_json::{Map, Value, json};
use std::time::{Duration, SystemTime};

/// How long plan looks for one thing in a large table, at most.
const LOOK: Duration = Duration::from_secs(5);

impl Handler {
    pub(super) async fn plan(&self, name: &str, invocation: &Invocation) -> Result<Value, CommandError> {
        let budget = Budget::new(invocation.time, invocation.memory_mb);
        let mut found = Found::default();
        match self.migrations.one(name, budget.call()).await? {
            Err(error) => found.problems = error.problems,
            Ok(definition) => match Box::pin(self.connect(&definition, &budget, &invocation.stop)).await? {
                Err(problems) => {
                    found.problems = problems;
                    // The ledger is not what this is about: without it the problems are named all the same.
                    if let Ok(stored) = state::load(&*self.ledger, name, budget.call()).await {
                        found.compare(&definition, None, &stored);
                    }
                }
                Ok(rows) => {
                    let looked = self.look(&definition, &rows, &budget, &mut found).await;
                    self.keep(&definition, rows).await;
                    match looked {
                        // What could not be looked at is the consequence of a problem that is named.
                        Err(error) if !found.problems.is_empty() => found.warnings.push(error.to_string()),
                        looked => looked?,
                    }
                }
            },
        }
        Ok(found.reply(name))
    }

    async fn look(
        &self,
        definition: &Definition,
        rows: &Rows,
        budget: &Budget,
        found: &mut Found,
    ) -> Result<(), CommandError> {
        let limit = budget.remaining();
        found.problems.extend(rows.missing_privileges(limit).await?);
        found.warnings.extend(rows.warnings().iter().cloned());
        found.statements = rows
            .statements(limit)
            .await?
            .into_iter()
            .map(|(purpose, text)| json!({"purpose": purpose, "statement": text}))
            .collect();
        found.query_plans = rows
            .query_plans(limit)
            .await?
            .into_iter()
            .map(|one| json!({"purpose": one.purpose, "statement": one.statement, "plan": one.plan}))
            .collect();
        let search = (limit / 4).min(LOOK);
        let document = rows.sample_document(limit, search).await?;
        if document.is_none() && definition.source.filter.is_some() {
            found.warnings.push("no row matches `where` so far, so there is no sample document".to_owned());
        }
        found.sample = document.map(|text| serde_json::from_str(&text).unwrap_or(Value::String(text)));
        let estimate = rows.estimate(SystemTime::now(), search).await;
        let stored = state::load(&*self.ledger, &definition.name, budget.call()).await?;
        found.compare(definition, Some(rows.columns_digest()), &stored);
        let mut known = shards::all(&*self.ledger, &definition.name, budget.call()).await?;
        known.retain(|shard| shard.checkpoint.life == stored.state.life);
        let tuner = known.first().map(|shard| shard.checkpoint.tuner.clone()).unwrap_or_default();
        // The first pass cuts the key once and for all.
        let shards = if stored.state.pass > 0 { stored.state.shards() } else { definition.limits.shards };
        let lanes = if rows.is_serial() { 1 } else { definition.limits.lanes.min(shards) };
        let forecast = Forecast::of(&tuner, estimate, &definition.limits, lanes, budget);
        if forecast.assumed {
            found.warnings.push(Forecast::ASSUMPTION.to_owned());
        }
        if !estimate.exact {
            found.warnings.push("the total is the database's own estimate: counting would take too long".to_owned());
        }
        if let Some(asked) = self.throttle(definition, budget.call()).await? {
            if let Some(reason) = asked.gauge.reason(LOOK.min(budget.remaining())).await {
                found.warnings.push(format!("a run would wait now: {reason}"));
            }
            self.asked(Some(asked)).await;
        }
        if definition.mode == Mode::Continuous {
            let every = definition.limits.sweep_every.as_secs();
            found.sweep = Some(json!({"every_s": every, "keys": estimate.keys, "cost_usd": forecast.sweep_usd}));
        }
        found.estimate = estimate;
        found.forecast = Some(forecast);
        Ok(())
    }
}

#[derive(Default)]
struct Found {
    problems: Vec<Problem>,
    warnings: Vec<String>,
    statements: Vec<Value>,
    query_plans: Vec<Value>,
    sample: Option<Value>,
    estimate: Estimate,
    forecast: Option<Forecast>,
    /// What each sweep of a continuous migration costs.
    sweep: Option<Value>,
}

impl Found {
    /// What a run would say of a definition that is not the pinned one.
    fn compare(&mut self, definition: &Definition, columns: Option<String>, stored: &Stored) {
        match foretold(definition, columns, stored) {
            None => {}
            Some(Foretold::Changed(warning)) => self.warnings.push(warning),
            Some(Foretold::Another) => self.problems.push(Problem {
                field: String::new(),
                message:
                    "the definition has changed in its kind, database, key, table or target since it was pinned, which \
                          cannot be accepted"
                        .to_owned(),
                hint: format!(
                    "undo the change, or forget the progress: `milkrun reset {name} --confirm {name}`",
                    name = definition.name
                ),
            }),
        }
    }

    fn reply(self, name: &str) -> Value {
        let problems =
            self.problems.iter().map(|one| json!({"field": one.field, "message": one.message, "hint": one.hint}));
        let mut reply = Map::new();
        reply.insert("v".into(), json!(VERSION));
        reply.insert("migration".into(), json!(name));
        reply.insert("problems".into(), problems.collect());
        reply.insert("warnings".into(), json!(self.warnings));
        reply.insert("statements".into(), json!(self.statements));
        reply.insert("query_plans".into(), json!(self.query_plans));
        reply.insert("sample_document".into(), json!(self.sample));
        reply.insert("estimated_total".into(), json!(self.forecast.map(|_| self.estimate.items)));
        let forecast = self.forecast.as_ref();
        reply.insert("bound_by".into(), json!(forecast.map(|it| it.bound_by)));
        reply.insert("runs".into(), json!(forecast.map(|it| it.runs)));
        reply.insert("wall_clock_s".into(), json!(forecast.map(|it| it.wall_clock_s)));
        reply.insert("cost_usd".into(), json!(forecast.map(|it| it.cost_usd)));
        if let Some(sweep) = self.sweep {
            reply.insert("sweep".into(), sweep);
        }
        Value::Object(reply)
    }
}
