//! `plan`: looks at everything, changes nothing.

use super::error::CommandError;
use super::forecast::{Forecast, Work};
use super::idle::idle;
use super::kind::Kind;
use super::pin::{Foretold, foretold};
use super::reply::VERSION;
use super::{Handler, Invocation};
use crate::engine::budget::Budget;
use crate::engine::migration::{Estimate, Migration};
use crate::engine::shards;
use crate::engine::state::{self, Stored};
use crate::engine::throttle::Gauge as _;
use crate::files::Files;
use crate::objects::Objects;
use crate::rows::Rows;
use crate::spec::{Definition, Mode, Problem, Source};
use serde_json::{Map, Value, json};
use std::time::{Duration, SystemTime};

/// How long plan looks for one thing in a large table, at most.
const LOOK: Duration = Duration::from_secs(5);

/// Bytes of a file of which nobody says how long it is: an assumption.
const UNKNOWN: u64 = 1 << 20;

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
                Ok(kind) => {
                    let looked = self.look(&definition, &kind, &budget, &mut found).await;
                    self.keep(&definition, kind).await;
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
        kind: &Kind,
        budget: &Budget,
        found: &mut Found,
    ) -> Result<(), CommandError> {
        let limit = budget.remaining();
        let search = (limit / 4).min(LOOK);
        let (estimate, work) = match kind {
            Kind::Rows(rows) => {
                found.look_at_rows(definition, rows, limit, search).await?;
                (rows.estimate(SystemTime::now(), search).await, None)
            }
            Kind::Files(files) => {
                let work = found.look_at_files(files, limit, search).await?;
                (files.estimate(SystemTime::now(), search).await, work)
            }
            Kind::Objects(objects) => found.look_at_objects(objects, limit, search).await,
        };
        let stored = state::load(&*self.ledger, definition.name(), budget.call()).await?;
        found.compare(definition, Some(kind.columns_digest()), &stored);
        let mut known = shards::all(&*self.ledger, definition.name(), budget.call()).await?;
        known.retain(|shard| shard.checkpoint.life == stored.state.life);
        let tuner = known.first().map(|shard| shard.checkpoint.tuner.clone()).unwrap_or_default();
        // The first pass cuts the key once and for all.
        let shards = if stored.state.pass > 0 { stored.state.shards() } else { definition.limits().shards };
        found.warnings.extend(idle(definition, shards));
        let lanes = if kind.is_serial() { 1 } else { definition.limits().lanes.min(shards) };
        let forecast = Forecast::of(&tuner, estimate, work, definition.limits(), lanes, budget);
        if forecast.assumed {
            let why = match kind {
                Kind::Rows(_) => Forecast::ASSUMPTION,
                Kind::Files(_) if work.is_none() => Forecast::ASSUMPTION,
                Kind::Files(_) => Forecast::SAMPLED,
                Kind::Objects(_) => Forecast::LISTED,
            };
            found.warnings.push(why.to_owned());
        }
        if !estimate.exact && found.problems.is_empty() {
            found.warnings.push(match kind {
                Kind::Rows(_) | Kind::Files(_) => {
                    "the total is the database's own estimate: counting would take too long".to_owned()
                }
                Kind::Objects(objects) if objects.has_inventory() => {
                    "the figures are those of the inventory: of a large one, reckoned from its beginning".to_owned()
                }
                Kind::Objects(_) => {
                    "there are more objects than could be listed: the figures are those of what was".to_owned()
                }
            });
        }
        if let Some(asked) = self.throttle(definition, budget.call()).await? {
            if let Some(reason) = asked.gauge.reason(LOOK.min(budget.remaining())).await {
                found.warnings.push(format!("a run would wait now: {reason}"));
            }
            self.asked(Some(asked)).await;
        }
        if definition.mode() == Mode::Continuous {
            let every = definition.limits().sweep_every.as_secs();
            let by_changes = definition.table().and_then(Source::walked_by_changes).is_some();
            found.sweep = Some(if by_changes {
                // With every run, and as much as has changed since the one before: nobody knows how much that will be.
                json!({"reads": "changes"})
            } else {
                let (keys, usd) = (estimate.keys, forecast.sweep_usd);
                json!({"reads": "everything", "every_s": every, "keys": keys, "cost_usd": usd})
            });
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
    async fn look_at_rows(
        &mut self,
        definition: &Definition,
        rows: &Rows,
        limit: Duration,
        search: Duration,
    ) -> Result<(), CommandError> {
        self.problems.extend(rows.missing_privileges(limit).await?);
        self.warnings.extend(rows.warnings().iter().cloned());
        self.tell(rows.statements(limit).await?);
        self.query_plans = rows
            .query_plans(limit)
            .await?
            .into_iter()
            .map(|one| json!({"purpose": one.purpose, "statement": one.statement, "plan": one.plan}))
            .collect();
        let document = rows.sample_document(limit, search).await?;
        if document.is_none() && definition.table().is_some_and(|table| table.filter.is_some()) {
            self.warnings.push("no row matches `where` so far, so there is no sample document".to_owned());
        }
        self.sample = document.map(|text| serde_json::from_str(&text).unwrap_or(Value::String(text)));
        Ok(())
    }

    /// What its rows take, as far as files could be looked at.
    #[expect(clippy::cast_precision_loss, reason = "rough figures")]
    async fn look_at_files(
        &mut self,
        files: &Files,
        limit: Duration,
        search: Duration,
    ) -> Result<Option<Work>, CommandError> {
        self.problems.extend(files.missing_privileges(limit).await?);
        self.problems.extend(files.try_bucket(search).await);
        self.warnings.extend(files.warnings().iter().cloned().chain(files.risks()));
        self.tell(files.statements(limit).await?);
        let sampled = files.sample(search.max(limit / 3)).await?;
        if sampled.signed > 0 {
            self.warnings.push(format!(
                "{} of the {} URLs that were looked at bear a signature: what is fetched after it has expired is `forbidden`",
                sampled.signed, sampled.urls
            ));
        }
        for (class, count) in &sampled.failures {
            self.warnings.push(format!(
                "{count} of the {} files that were asked for would be set aside as `{class}`",
                sampled.asked
            ));
        }
        let mean = sampled.bytes.checked_div(sampled.measured);
        self.sample = Some(json!({
            "rows": sampled.rows,
            "urls": sampled.urls,
            "arrived": sampled.arrived,
            "asked": sampled.asked,
            "hosts": sampled.hosts,
            "types": sampled.types,
            "mean_bytes": mean,
            "signed": sampled.signed,
            "failures": sampled.failures,
        }));
        let Some(waited) = sampled.waited.checked_div(u32::try_from(sampled.asked).unwrap_or(1)) else {
            return Ok(None);
        };
        let mean = mean.unwrap_or(UNKNOWN);
        let each = sampled.urls as f64 / sampled.rows.max(1) as f64;
        let at_once = f64::from(files.side_by_side(sampled.hosts.len()));
        Ok(Some(Work::of_files(each, mean as f64, waited, at_once, files.part_bytes() as f64)))
    }

    /// Two buckets, and what copying takes, as far as the source could be listed.
    #[expect(clippy::cast_precision_loss, reason = "rough figures")]
    async fn look_at_objects(
        &mut self,
        objects: &Objects,
        limit: Duration,
        search: Duration,
    ) -> (Estimate, Option<Work>) {
        let access = objects.try_access(limit / 2).await;
        self.problems.extend(access.problems);
        self.warnings.extend(access.warnings);
        self.tell(access.statements);
        let survey = objects.survey(search).await;
        for (class, count) in &survey.archived {
            self.warnings.push(format!(
                "{count} of the {} objects that were listed are {class}: they would be set aside as `archived` until they are restored",
                survey.objects
            ));
        }
        let mean = survey.bytes as f64 / survey.objects.max(1) as f64;
        self.sample = Some(
            json!({"objects": survey.objects, "bytes": survey.bytes, "mean_bytes": mean.round(), "whole": survey.whole}),
        );
        let (at_once, one_server, asked) = objects.at_work();
        let estimate = Estimate { keys: survey.objects, items: survey.objects, exact: survey.is_exact() };
        (estimate, Some(Work::of_objects(mean, f64::from(at_once), one_server, asked)))
    }

    fn tell(&mut self, statements: Vec<(&'static str, String)>) {
        let statements = statements.into_iter();
        self.statements = statements.map(|(purpose, text)| json!({"purpose": purpose, "statement": text})).collect();
    }

    /// What a run would say of a definition that is not the pinned one.
    fn compare(&mut self, definition: &Definition, columns: Option<String>, stored: &Stored) {
        match foretold(definition, columns, stored) {
            None => {}
            Some(Foretold::Changed(warning)) => self.warnings.push(warning),
            Some(Foretold::Another(message)) => self.problems.push(Problem {
                field: String::new(),
                message,
                hint: format!(
                    "undo the change, or forget the progress: `milkrun reset {name} --confirm {name}`",
                    name = definition.name()
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
        if let Some(requests) = forecast.and_then(|it| it.requests) {
            reply.insert("requests".into(), json!(requests));
        }
        if let Some(sweep) = self.sweep {
            reply.insert("sweep".into(), sweep);
        }
        Value::Object(reply)
    }
}
