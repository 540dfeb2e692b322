//! `status`: progress, rate, ETA, dead letters by class, who holds what.

use super::error::CommandError;
use super::event::FailedEvent;
use super::page;
use super::reply::{Keys, VERSION, instant};
use crate::engine::checkpoint::Checkpoint;
use crate::engine::dead::DeadLetter;
use crate::engine::report::Progress;
use crate::engine::shards;
use crate::engine::state::{self, Pin, State};
use crate::fault::chain;
use crate::ledger::{Ledger, LedgerError, Record, item};
use crate::spec::{Definition, FileError};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// Dead letters that are counted, at most: beyond it the counters of `progress` are the ones to read.
const COUNTED: usize = 10_000;

/// The state of one migration, from the ledger alone: also while its file is wrong, which `problem` then tells.
pub(super) async fn of(
    ledger: &dyn Ledger,
    name: &str,
    file: &Result<Definition, FileError>,
    now: u64,
    limit: Duration,
) -> Result<Value, LedgerError> {
    let stored = state::load(ledger, name, limit).await?;
    let state = &stored.state;
    let mut shards = shards::all(ledger, name, limit).await?;
    shards.retain(|shard| shard.checkpoint.life == state.life);
    let checkpoints: Vec<Checkpoint> = shards.iter().map(|shard| shard.checkpoint.clone()).collect();
    let progress = Progress::of(state, &checkpoints);
    let leases: Vec<Value> = shards
        .iter()
        .filter_map(|shard| {
            let until = shard.held_until(now)?;
            let owner = shard.checkpoint.run.as_ref().map(|run| run.id.clone()).or(shard.owner.clone());
            Some(json!({"shard": shards::name(shard.number), "owner": owner, "until": instant(until)}))
        })
        .collect();
    // A file that cannot be read does not say that keys may be shown.
    let keys = Keys { shown: file.as_ref().is_ok_and(|definition| definition.limits().log_keys) };
    let (dead, are_all) = dead(ledger, name, state.life, limit).await?;
    let last = ledger.list(name, item::RUN, None, 1, true, limit).await?.records.into_iter().next();
    let mut reply = Map::new();
    reply.insert("v".into(), json!(VERSION));
    reply.insert("migration".into(), json!(name));
    reply.insert("state".into(), json!(state.phase()));
    let throttled = shards::throttled(&shards, now).filter(|_| state.paused.is_none()).cloned();
    let paused = state.paused.as_ref().map(|pause| &pause.reason);
    reply.insert("reason".into(), json!(paused.or(throttled.as_ref().map(|throttled| &throttled.reason))));
    if let Some(throttled) = &throttled {
        reply.insert("throttled".into(), json!({"since": instant(throttled.since)}));
    }
    if let Some(pause) = &state.paused {
        reply.insert("paused".into(), json!({"by": pause.by, "at": instant(pause.at)}));
    }
    reply.insert("pass".into(), json!(state.pass));
    reply.insert("progress".into(), json!(progress));
    reply.insert("rate".into(), json!(if state.complete { 0.0 } else { rate(&checkpoints) }));
    reply.insert("eta_s".into(), json!(progress.eta_s));
    let counts: BTreeMap<&String, u64> = dead.iter().map(|(class, letters)| (class, letters.count)).collect();
    let errors: BTreeMap<&String, Value> = dead.iter().map(|(class, letters)| (class, letters.errors(keys))).collect();
    reply.insert("dead".into(), json!(counts));
    if !errors.is_empty() {
        reply.insert("dead_errors".into(), json!(errors));
    }
    let to_retry = dead.values().map(|letters| letters.to_retry).sum::<u64>();
    if to_retry > 0 {
        reply.insert("to_retry".into(), json!(to_retry));
    }
    if !are_all {
        reply.insert("dead_more".into(), json!(true));
    }
    reply.insert("leases".into(), json!(leases));
    // Where the walk is, as the replies of runs tell it.
    let shards = shards.iter().map(|shard| {
        let at = &shard.checkpoint;
        let cursor = at.cursor.as_ref().map(|cursor| keys.cursor(cursor));
        json!({"shard": shards::name(shard.number), "pass": at.pass, "cursor": cursor})
    });
    reply.insert("shards".into(), shards.collect());
    reply.insert("pinned".into(), json!(state.pin.as_ref().map(Pin::digest)));
    let definition = file.as_ref().ok();
    reply.insert("definition".into(), json!(definition.map(|definition| current(state, definition).digest())));
    if let Err(error) = file {
        reply.insert("problem".into(), json!(error.to_string()));
    }
    reply.insert("last_run".into(), last.map_or(Value::Null, |record| summary(&record)));
    Ok(Value::Object(reply))
}

/// What takes the place of a migration's state where a record of it cannot be read, as one of a newer milkrun cannot: the others are told
/// all the same. `None`: the ledger itself fails.
pub(super) fn unreadable(name: &str, file: &Result<Definition, FileError>, error: &LedgerError) -> Option<Value> {
    if !matches!(error, LedgerError::Newer { .. } | LedgerError::Record { .. }) {
        return None;
    }
    let mut problem = chain(error);
    if let Err(error) = file {
        problem = format!("{problem}\n{error}");
    }
    Some(json!({"v": VERSION, "migration": name, "state": null, "problem": problem}))
}

/// A pin as it would be if the file as it is now were accepted.
pub(super) fn current(state: &State, definition: &Definition) -> Pin {
    let seen = state.proposed.as_ref().or(state.pin.as_ref());
    Pin {
        file: definition.digest().to_owned(),
        identity: definition.identity().to_owned(),
        columns: seen.map(|pin| pin.columns.clone()).unwrap_or_default(),
        first_columns: state.pin.as_ref().map(|pin| pin.first_columns.clone()).unwrap_or_default(),
    }
}

/// Items per second of wall clock, the time between runs included.
fn rate(shards: &[Checkpoint]) -> f64 {
    // Not `sum`: of nothing it is minus zero.
    let sum = shards.iter().fold(0.0, |sum, shard| sum + shard.pace.items_per_s);
    (sum * 10.0).round() / 10.0
}

/// The dead letters of one class.
#[derive(Default)]
struct OfClass {
    count: u64,
    /// Those that were put back and wait for a run.
    to_retry: u64,
    first: Option<DeadLetter>,
    last: Option<DeadLetter>,
}

impl OfClass {
    fn add(&mut self, letter: DeadLetter) {
        self.count += 1;
        self.to_retry += u64::from(letter.retry > 0);
        if self.last.as_ref().is_none_or(|last| letter.last_at >= last.last_at) {
            self.last = Some(letter.clone());
        }
        if self.first.as_ref().is_none_or(|first| letter.first_at < first.first_at) {
            self.first = Some(letter);
        }
    }

    fn errors(&self, keys: Keys) -> Value {
        let error = |letter: &DeadLetter, at| json!({"key": keys.texts(&letter.key), "message": letter.message, "at": instant(at)});
        let first = self.first.as_ref().map(|letter| error(letter, letter.first_at));
        json!({"first": first, "last": self.last.as_ref().map(|letter| error(letter, letter.last_at))})
    }
}

/// Dead letters by class, and whether these are all.
async fn dead(
    ledger: &dyn Ledger,
    name: &str,
    life: u64,
    limit: Duration,
) -> Result<(BTreeMap<String, OfClass>, bool), LedgerError> {
    let mut classes: BTreeMap<String, OfClass> = BTreeMap::new();
    let mut after = None;
    let mut seen = 0;
    loop {
        let page = ledger.list(name, item::DEAD, after.as_deref(), 1000, false, limit).await?;
        for record in &page.records {
            let letter = DeadLetter::from_record(record)?;
            if letter.is_of(life) {
                classes.entry(letter.class.clone()).or_default().add(letter);
            }
            seen += 1;
        }
        after = page.next;
        if after.is_none() || seen >= COUNTED {
            return Ok((classes, after.is_none()));
        }
    }
}

fn summary(record: &Record) -> Value {
    Value::Object(record.body.clone())
}

/// `failed`: a page of dead letters.
pub(super) async fn failed(
    ledger: &dyn Ledger,
    event: &FailedEvent,
    file: &Result<Definition, FileError>,
    time: Duration,
) -> Result<Value, CommandError> {
    let name = event.migration.as_str();
    let life = state::load(ledger, name, time).await?.state.life;
    // A file that cannot be read does not say that keys may be shown.
    let keys = Keys { shown: file.as_ref().is_ok_and(|definition| definition.limits().log_keys) };
    let most = usize::try_from(event.limit).unwrap_or(usize::MAX);
    let shown = |record: &Record| {
        let letter = DeadLetter::from_record(record)?;
        let wanted = letter.is_of(life) && event.class.as_ref().is_none_or(|class| *class == letter.class);
        Ok(wanted.then(|| {
            json!({
                "key": keys.texts(&letter.key),
                "class": letter.class,
                "message": letter.message,
                "attempts": letter.attempts,
                "first_at": instant(letter.first_at),
                "last_at": instant(letter.last_at),
            })
        }))
    };
    let page = page::of(ledger, name, event.next.as_deref(), (most, keys.shown), time, shown).await?;
    Ok(json!({"v": VERSION, "migration": name, "items": page.items, "next": page.next}))
}
