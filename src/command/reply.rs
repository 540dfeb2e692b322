//! Replies, in the fields and the order in which they are promised.

use crate::cursor::Cursor;
use crate::engine::budget::{Budget, peak_mb};
use crate::engine::checkpoint::{Counters, Tally};
use crate::engine::report::{Outcome, Progress, Report, ShardReport};
use crate::engine::run::show_key;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The version of the replies.
pub(super) const VERSION: u64 = 1;

/// A time in Unix milliseconds as RFC 3339, in UTC.
pub(super) fn instant(millis: u64) -> String {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000)
        .ok()
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_default()
}

/// How keys are shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keys {
    /// `log_keys`.
    pub(super) shown: bool,
}

impl Keys {
    /// A cursor as an array of strings, hashed where keys are not to be shown.
    pub(super) fn cursor(self, cursor: &Cursor) -> Value {
        if self.shown { json!(cursor.texts()) } else { json!([show_key(&cursor.json(), false)]) }
    }

    /// A key that was stored as strings, likewise.
    pub(super) fn texts(self, texts: &[String]) -> Value {
        if self.shown { json!(texts) } else { json!([show_key(&json!(texts).to_string(), false)]) }
    }
}

/// A run's reply.
pub(super) fn run(migration: Option<&str>, id: &str, report: &Report, budget: &Budget, keys: Keys) -> Value {
    let mut reply = Map::new();
    reply.insert("v".into(), json!(VERSION));
    reply.insert("migration".into(), json!(migration));
    reply.insert("run".into(), json!(id));
    reply.insert("outcome".into(), json!(report.outcome));
    if let Some(until) = report.until {
        reply.insert("until".into(), json!(instant(until)));
    }
    if let Some(reason) = &report.reason {
        reply.insert("reason".into(), json!(reason));
    }
    if !report.fallbacks.is_empty() {
        reply.insert("fallbacks".into(), json!(report.fallbacks));
    }
    reply.insert("stopped_by".into(), json!(report.stopped_by));
    counted(&mut reply, &report.counters);
    reply.insert("bytes".into(), json!(report.counters.bytes));
    reply.insert("batches".into(), json!(report.counters.batches));
    reply.insert("shards".into(), report.shards.iter().map(|one| shard(one, keys)).collect());
    reply.insert("elapsed_ms".into(), json!(millis(budget.elapsed())));
    reply.insert("batch_ms".into(), json!(millis(report.batch_time)));
    reply.insert("peak_memory_mb".into(), json!(peak_mb()));
    reply.insert("progress".into(), json!(report.progress));
    Value::Object(reply)
}

fn shard(report: &ShardReport, keys: Keys) -> Value {
    json!({
        "shard": report.shard,
        "pass": report.pass,
        "cursor": report.cursor.as_ref().map(|cursor| keys.cursor(cursor)),
        "moved": report.counters.moved,
        "stopped_by": report.stopped_by,
        "batch": report.batch,
    })
}

fn counted(reply: &mut Map<String, Value>, counters: &Counters) {
    reply.insert("moved".into(), json!(counters.moved));
    reply.insert("skipped".into(), json!(counters.skipped));
    reply.insert("conflicts".into(), json!(counters.conflicts));
    reply.insert("failed".into(), json!(counters.failed));
}

/// The reply of a run that found nothing to do for anybody.
pub(super) fn nothing(outcome: Outcome, until: Option<u64>, id: &str, budget: &Budget) -> Value {
    let report = Report { until, ..Report::idle(outcome, Progress::default()) };
    run(None, id, &report, budget, Keys { shown: true })
}

/// `verify`'s reply.
pub(super) fn verify(
    migration: &str,
    outcome: Outcome,
    until: Option<u64>,
    reason: Option<&str>,
    tally: &Tally,
    keys: Keys,
) -> Value {
    let mut reply = Map::new();
    reply.insert("v".into(), json!(VERSION));
    reply.insert("migration".into(), json!(migration));
    reply.insert("outcome".into(), json!(outcome));
    if let Some(until) = until {
        reply.insert("until".into(), json!(instant(until)));
    }
    if let Some(reason) = reason {
        reply.insert("reason".into(), json!(reason));
    }
    if let Some(sample) = &tally.sample {
        reply.insert("sample".into(), json!(sample.to_string()));
    }
    for (name, count) in [
        ("checked", tally.checked),
        ("equal", tally.equal),
        ("missing", tally.missing),
        ("different", tally.different),
        ("extra", tally.extra),
        ("repaired", tally.repaired),
    ] {
        reply.insert(name.into(), json!(count));
    }
    let examples = tally.examples.iter().map(|(key, kind)| json!({"key": keys.texts(key), "kind": kind}));
    reply.insert("examples".into(), examples.collect());
    Value::Object(reply)
}

/// What the wide line of a command other than `run` says: its reply, which invocation gave it, and what that cost.
pub(super) fn wide(reply: &Value, id: &str, budget: &Budget) -> Value {
    let mut line = reply.clone();
    line["run"] = json!(id);
    line["elapsed_ms"] = json!(millis(budget.elapsed()));
    line["peak_memory_mb"] = json!(peak_mb());
    line
}

fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
