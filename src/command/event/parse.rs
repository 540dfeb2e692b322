//! From an event to a command.

use super::check::{near, usage};
use super::forms::{COMMANDS, Command, RunEvent};
use crate::command::error::CommandError;
use aws_lambda_events::event::eventbridge::EventBridgeEvent;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

impl Command {
    /// Understands an event: `{"command": …}`, or EventBridge's own scheduled event, which means `run`.
    pub fn parse(event: &Value) -> Result<Self, CommandError> {
        let Value::Object(fields) = event else {
            return Err(usage(format!("the event is {}, but has to be an object such as {EXAMPLE}", kind(event))));
        };
        if fields.contains_key("detail-type") {
            return scheduled(fields);
        }
        let mut fields = fields.clone();
        let command = match fields.remove("command") {
            Some(Value::String(command)) => command,
            Some(other) => {
                return Err(usage(format!("`command` is {}, but has to be one of {}", kind(&other), list())));
            }
            None => return Err(usage(format!("the event has no `command`: write {EXAMPLE}, with one of {}", list()))),
        };
        // What EventBridge Scheduler puts in by its context keywords.
        for keyword in ["scheduled_time", "execution_id", "attempt"] {
            fields.remove(keyword);
        }
        // A field that is null is a field that was left out.
        fields.retain(|_, value| !value.is_null());
        let parsed = match command.as_str() {
            "run" => Self::Run(read("run", &fields)?),
            "plan" => Self::Plan(read("plan", &fields)?),
            "status" => Self::Status(read("status", &fields)?),
            "pause" => Self::Pause(read("pause", &fields)?),
            "resume" => Self::Resume(read("resume", &fields)?),
            "failed" => Self::Failed(read("failed", &fields)?),
            "retry" => Self::Retry(read("retry", &fields)?),
            "verify" => Self::Verify(read("verify", &fields)?),
            "rollback" => Self::Rollback(read("rollback", &fields)?),
            "reset" => Self::Reset(read("reset", &fields)?),
            other => {
                let meant = near(other, &COMMANDS);
                return Err(usage(format!("there is no command `{other}`: use one of {}{meant}", list())));
            }
        };
        parsed.check()
    }
}

const EXAMPLE: &str = r#"{"command": "run", "migration": "orders-history"}"#;

/// What wakes a function on a schedule and tells it nothing: a rule of EventBridge, or a schedule without an input.
fn scheduled(fields: &Map<String, Value>) -> Result<Command, CommandError> {
    let mut fields = fields.clone();
    fields.entry("detail").or_insert(Value::Null);
    let parsed: EventBridgeEvent<Value> = serde_json::from_value(fields.into())
        .map_err(|error| usage(format!("the event looks like EventBridge's, but is not: {error}")))?;
    let EventBridgeEvent { source, detail_type, .. } = parsed;
    if matches!(source.as_str(), "aws.events" | "aws.scheduler") && detail_type == "Scheduled Event" {
        return Ok(Command::Run(RunEvent::default()));
    }
    Err(usage(format!(
        "an EventBridge event of the source `{source}` (`{detail_type}`) says nothing to milkrun: send a scheduled event, or {EXAMPLE}"
    )))
}

fn read<T: DeserializeOwned>(command: &str, fields: &Map<String, Value>) -> Result<T, CommandError> {
    serde_path_to_error::deserialize(Value::Object(fields.clone())).map_err(|error| {
        let path = error.path().to_string();
        let message = error.into_inner().to_string();
        if let Some((unknown, known)) = message.strip_prefix("unknown field `").and_then(|rest| rest.split_once('`')) {
            let known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
            let fields: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
            let meant = near(unknown, &known);
            return usage(format!("{command}: there is no field `{unknown}`: it takes {}{meant}", fields.join(", ")));
        }
        // In the words of JSON, not in those of Rust.
        let message =
            message.replace("expected u64", NUMBER).replace("expected u32", NUMBER).replace("sequence", "list");
        let place = if path == "." { String::new() } else { format!("`{path}`: ") };
        usage(format!("{command}: {place}{message}"))
    })
}

const NUMBER: &str = "expected a whole number, not below 0";

fn list() -> String {
    COMMANDS.map(|name| format!("`{name}`")).join(", ")
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn schedules_mean_run() {
        let bare = json!({"version": "0", "id": "1", "detail-type": "Scheduled Event", "source": "aws.events",
            "account": "1", "time": "2026-01-01T00:00:00Z", "region": "eu-west-1", "resources": [], "detail": {}});
        assert_eq!(Command::parse(&bare).unwrap(), Command::Run(RunEvent::default()));
        // A schedule without `Input` sends its detail as text.
        let told_nothing = json!({"detail-type": "Scheduled Event", "source": "aws.scheduler", "detail": "{}"});
        assert_eq!(Command::parse(&told_nothing).unwrap(), Command::Run(RunEvent::default()));
        let scheduler =
            json!({"command": "run", "scheduled_time": "2026-01-01T00:00:00Z", "execution_id": "x", "attempt": "1"});
        assert_eq!(Command::parse(&scheduler).unwrap(), Command::Run(RunEvent::default()));
        let other = json!({"detail-type": "Object Created", "source": "aws.s3", "detail": {}});
        let message = Command::parse(&other).unwrap_err().to_string();
        assert!(message.contains("`aws.s3`") && message.contains("scheduled event"), "{message}");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (event, message) in [
            (
                json!(null),
                "the event is null, but has to be an object such as {\"command\": \"run\", \"migration\": \"orders-history\"}",
            ),
            (json!({"command": "rollback"}), "rollback: missing field `migration`"),
            (
                json!({"command": "retry", "migration": "m", "class": "poisson"}),
                "there is no class `poisson` of dead letters: use one of `conflict`, `poison`, `too_large`, `killed`, `gone`, \
                 `forbidden`, `blocked`, `wrong_type`, `mismatch`, `unstable`, `timeout`, `server`, \
                 `archived`; did you mean `poison`?",
            ),
            (
                json!({"command": "failed", "migration": "m", "class": "sever"}),
                "there is no class `sever` of dead letters: use one of `conflict`, `poison`, `too_large`, `killed`, `gone`, \
                 `forbidden`, `blocked`, `wrong_type`, `mismatch`, `unstable`, `timeout`, `server`, \
                 `archived`; did you mean `server`?",
            ),
            (
                json!({"command": "retry", "migration": "m", "key": []}),
                "`key` is empty, but has to be a key as `failed` shows it, such as [\"17\"]",
            ),
            (
                json!({"command": "retry", "migration": "m", "key": "17"}),
                "retry: `key`: invalid type: string \"17\", expected a list",
            ),
            (
                json!({"command": "retry", "migration": "m", "key": ["1"], "class": "killed"}),
                "`class` and `key` cannot stand together: a key names one dead letter whatever its class",
            ),
            (
                json!({"command": "verify", "migration": "m", "repair": 1}),
                "verify: `repair`: invalid type: integer `1`, expected a boolean",
            ),
            (
                json!({"command": "verify", "migration": "m", "sample": "0%"}),
                "verify: `sample`: `0%` is no share: write one above 0% and up to 100%, such as `1%` or `0.25%`",
            ),
            (
                json!({"command": "verify", "migration": "m", "sample": "100.01%"}),
                "verify: `sample`: `100.01%` is no share: write one above 0% and up to 100%, such as `1%` or `0.25%`",
            ),
            (
                json!({"command": "verify", "migration": "m", "sample": "0.01"}),
                "verify: `sample`: `0.01` is no share: write one above 0% and up to 100%, such as `1%` or `0.25%`",
            ),
            (
                json!({"command": "verify", "migration": "m", "sample": 1}),
                "verify: `sample`: invalid type: integer `1`, expected a string",
            ),
            (
                json!({"command": "run", "max_items": 0}),
                "`max_items` is 0, so nothing could move: leave it out, or write at least 1",
            ),
            (
                json!({"command": "run", "migration": 7}),
                "run: `migration`: invalid type: integer `7`, expected a string",
            ),
            (json!({"command": "plan"}), "plan: missing field `migration`"),
            (
                json!({"command": "reset", "migration": "m"}),
                "`reset` forgets all progress of `m`: repeat its name as `\"confirm\": \"m\"`, on the command line `--confirm m`",
            ),
            (
                json!({"command": "reset", "migration": "m", "confirm": "n"}),
                "`reset` forgets all progress of `m`: repeat its name as `\"confirm\": \"m\"`, on the command line `--confirm m`",
            ),
        ] {
            assert_eq!(Command::parse(&event).unwrap_err().to_string(), message);
        }
        let message = Command::parse(&json!({"command": "stats"})).unwrap_err().to_string();
        assert!(message.ends_with("did you mean `status`?"), "{message}");
        // A word of about the right letters is not what was meant.
        let message = Command::parse(&json!({"command": "start"})).unwrap_err().to_string();
        assert!(message.ends_with("`reset`"), "{message}");
        let message = Command::parse(&json!({"command": "run", "migraton": "m"})).unwrap_err().to_string();
        assert!(
            message.ends_with(
                "there is no field `migraton`: it takes `migration`, `max_items`, `shard`; did you mean `migration`?"
            ),
            "{message}"
        );
    }
}
