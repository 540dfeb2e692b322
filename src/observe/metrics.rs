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

/// Writes the metric line of a run's reply, by the function's name (`AWS_LAMBDA_FUNCTION_NAME`) and its migration.
pub fn emit(reply: &Value, stalled: bool) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let function = std::env::var("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_else(|_| NAMESPACE.to_owned());
    log::line(&embedded(&function, reply, stalled, u64::try_from(now.as_millis()).unwrap_or_default()));
}

fn embedded(function: &str, reply: &Value, stalled: bool, now: u64) -> Value {
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
    // How far a migration is a run does not know that failed, or found none to work on: no progress would be another thing.
    if let (true, Some(progress)) = (reply["migration"].is_string(), reply["progress"].as_object()) {
        let counts = ["moved", "skipped", "conflicts", "failed"].map(|name| progress.get(name).and_then(Value::as_u64));
        metrics.push(json!({"Name": "Progress", "Unit": "Count"}));
        values.insert("Progress".into(), json!(counts.into_iter().flatten().sum::<u64>()));
    }
    // A dimension has to have a value: a run that found no migration to work on counts for its function alone.
    let dimensions = match reply["migration"] {
        Value::String(_) => json!([["function", "migration"], ["function"]]),
        _ => json!([["function"]]),
    };
    line.insert(
        "_aws".into(),
        json!({
            "Timestamp": now,
            "CloudWatchMetrics": [{"Namespace": NAMESPACE, "Dimensions": dimensions, "Metrics": metrics}],
        }),
    );
    line.insert("function".into(), json!(function));
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
        let line = embedded("f", &reply, true, 5);
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

    #[test]
    fn a_run_that_does_not_know_how_far_it_is_says_nothing_of_that() {
        let failed = json!({"migration": "m", "run": "r", "outcome": "failed"});
        let nothing = json!({"migration": null, "run": "r", "outcome": "idle", "progress": {"moved": 0}});
        for reply in [failed, nothing] {
            let line = embedded("f", &reply, false, 5);
            assert!(line.get("Progress").is_none(), "{line}");
            let metrics = line["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().unwrap();
            assert!(metrics.iter().all(|metric| metric["Name"] != "Progress"), "{line}");
        }
    }

    #[test]
    fn every_dimension_has_a_value() {
        for (migration, sets) in
            [(json!("m"), json!([["function", "migration"], ["function"]])), (Value::Null, json!([["function"]]))]
        {
            let line = embedded("f", &json!({"migration": migration, "outcome": "idle"}), false, 5);
            let dimensions = &line["_aws"]["CloudWatchMetrics"][0]["Dimensions"];
            assert_eq!(*dimensions, sets);
            for dimension in dimensions.as_array().unwrap().iter().flat_map(|set| set.as_array().unwrap()) {
                assert!(line[dimension.as_str().unwrap()].is_string(), "{dimension}");
            }
        }
    }
}
