//! One embedded-metric line a run: CloudWatch makes metrics of it, without a call and without permission.
//!
//! Format: the CloudWatch embedded metric format specification. docs/operations.md lists the metrics and their alarms.

use super::log;
use serde_json::{Map, Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// Where the metrics are found.
pub const NAMESPACE: &str = "milkrun";

/// Metric, unit, and where the reply has its value.
const FROM_REPLY: [(&str, &str, &str); 9] = [
    ("Moved", "Count", "moved"),
    ("Skipped", "Count", "skipped"),
    ("Conflicts", "Count", "conflicts"),
    ("Failed", "Count", "failed"),
    ("Bytes", "Bytes", "bytes"),
    ("Batches", "Count", "batches"),
    ("ElapsedMs", "Milliseconds", "elapsed_ms"),
    ("BatchMs", "Milliseconds", "batch_ms"),
    ("PeakMemoryMb", "Megabytes", "peak_memory_mb"),
];

/// Metric and the outcome for which it is 1.
const BY_OUTCOME: [(&str, &str); 4] =
    [("Fenced", "fenced"), ("Busy", "busy"), ("Paused", "paused"), ("Complete", "complete")];

/// Writes the metric line of a run's reply.
pub fn emit(reply: &Value, stalled: bool) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    log::line(&embedded(reply, stalled, u64::try_from(now.as_millis()).unwrap_or_default()));
}

fn embedded(reply: &Value, stalled: bool, now: u64) -> Value {
    let mut line = Map::new();
    let mut metrics = Vec::new();
    let mut values = Map::new();
    for (metric, unit, field) in FROM_REPLY {
        metrics.push(json!({"Name": metric, "Unit": unit}));
        values.insert(metric.into(), json!(reply[field].as_u64().unwrap_or(0)));
    }
    for (metric, outcome) in BY_OUTCOME {
        metrics.push(json!({"Name": metric, "Unit": "Count"}));
        values.insert(metric.into(), json!(u8::from(reply["outcome"] == outcome)));
    }
    metrics.push(json!({"Name": "Stalled", "Unit": "Count"}));
    values.insert("Stalled".into(), json!(u8::from(stalled)));
    metrics.push(json!({"Name": "Progress", "Unit": "Count"}));
    let progress = ["moved", "skipped", "conflicts", "failed"]
        .iter()
        .filter_map(|name| reply["progress"][name].as_u64())
        .sum::<u64>();
    values.insert("Progress".into(), json!(progress));
    line.insert(
        "_aws".into(),
        json!({
            "Timestamp": now,
            "CloudWatchMetrics": [{"Namespace": NAMESPACE, "Dimensions": [["migration"], []], "Metrics": metrics}],
        }),
    );
    line.insert("migration".into(), reply["migration"].clone());
    line.insert("run".into(), reply["run"].clone());
    line.extend(values);
    Value::Object(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_that_is_declared_has_a_value() {
        let reply = json!({"migration": "m", "run": "r", "outcome": "fenced", "moved": 7, "elapsed_ms": 12,
            "progress": {"moved": 100, "skipped": 3}});
        let line = embedded(&reply, true, 5);
        let metrics = line["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().unwrap();
        assert_eq!(metrics.len(), 15);
        for metric in metrics {
            assert!(line[metric["Name"].as_str().unwrap()].is_number(), "{metric}");
        }
        assert_eq!(
            (&line["Moved"], &line["Fenced"], &line["Stalled"], &line["Progress"]),
            (&json!(7), &json!(1), &json!(1), &json!(103))
        );
        assert_eq!(line["_aws"]["Timestamp"], 5);
        assert!(line.get("level").is_none());
    }
}
