//! The exit status of a reply, the first that applies.

use serde_json::Value;

/// Interrupted by a signal: the exit status for it.
pub(super) struct Interrupted(pub(super) u8);

/// The exit status of a command's last reply.
pub(super) fn status(command: &str, reply: &Value) -> u8 {
    if command == "plan" && reply["problems"].as_array().is_some_and(|problems| !problems.is_empty()) {
        return 2;
    }
    // Of the other commands only a function that has no room for them answers with an outcome: `busy`.
    if matches!(reply["outcome"].as_str(), Some("busy" | "paused" | "fenced")) {
        return 4;
    }
    let count = |value: &Value| value.as_u64().unwrap_or(0);
    let aside = aside(reply);
    let mismatches = ["missing", "different", "extra"].iter().map(|name| count(&reply[*name])).sum::<u64>();
    let mismatches = mismatches.saturating_sub(count(&reply["repaired"]));
    // Those that were put back need nobody but the next run.
    let aside = if command == "retry" { aside.saturating_sub(count(&reply["to_retry"])) } else { aside };
    if (matches!(command, "run" | "retry") && aside > 0) || (command == "verify" && mismatches > 0) { 3 } else { 0 }
}

/// Dead letters and conflicts that a reply counts.
pub(super) fn aside(reply: &Value) -> u64 {
    ["failed", "conflicts"].iter().filter_map(|name| reply["progress"][*name].as_u64()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_first_that_applies() {
        for (command, reply, expected) in [
            ("plan", json!({"problems": [{}]}), 2),
            ("plan", json!({"problems": []}), 0),
            ("run", json!({"outcome": "paused", "progress": {"conflicts": 1}}), 4),
            ("run", json!({"outcome": "busy"}), 4),
            ("run", json!({"outcome": "fenced"}), 4),
            ("run", json!({"outcome": "complete", "progress": {"conflicts": 1}}), 3),
            ("run", json!({"outcome": "complete", "progress": {"conflicts": 0, "failed": 0}}), 0),
            ("run", json!({"outcome": "more", "progress": {}}), 0),
            ("verify", json!({"outcome": "complete", "extra": 1}), 3),
            ("verify", json!({"outcome": "complete", "extra": 0}), 0),
            ("retry", json!({"progress": {"conflicts": 1, "failed": 2}, "to_retry": 3}), 0),
            ("retry", json!({"progress": {"conflicts": 1, "failed": 2}, "to_retry": 1}), 3),
            ("retry", json!({"progress": {"conflicts": 0, "failed": 0}, "to_retry": 0}), 0),
            ("pause", json!({"state": "paused"}), 0),
            ("status", json!({"outcome": "busy"}), 4),
        ] {
            assert_eq!(status(command, &reply), expected, "{command} {reply}");
        }
    }
}
