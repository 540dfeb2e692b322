//! What an operator, a schedule or a test asks for: an event becomes a [`Command`], or a clear error.

use super::error::CommandError;
use crate::engine::dead::CLASSES;
use crate::engine::shards;
use crate::hint::nearest;
use aws_lambda_events::event::eventbridge::EventBridgeEvent;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// The commands of this version, as they are spelled.
pub const COMMANDS: [&str; 10] =
    ["run", "plan", "status", "pause", "resume", "failed", "retry", "verify", "rollback", "reset"];

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// One chunk.
    Run(RunEvent),
    /// Look, do not touch.
    Plan(Named),
    /// How far it is.
    Status(StatusEvent),
    /// Stop at the next batch boundary.
    Pause(PauseEvent),
    /// Go on.
    Resume(ResumeEvent),
    /// List dead letters.
    Failed(FailedEvent),
    /// Put dead letters back.
    Retry(RetryEvent),
    /// Compare source and target.
    Verify(VerifyEvent),
    /// Put old references back.
    Rollback(RollbackEvent),
    /// Forget the progress.
    Reset(ResetEvent),
}

/// `run`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunEvent {
    /// `None`: the runnable one that waited longest.
    pub migration: Option<String>,
    /// Stop after so many items.
    pub max_items: Option<u64>,
    /// This shard alone.
    pub shard: Option<String>,
}

/// A command that needs nothing but a migration.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Named {
    /// Its name.
    pub migration: String,
}

/// `status`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusEvent {
    /// `None`: all of them.
    pub migration: Option<String>,
}

/// `pause`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PauseEvent {
    /// Its name.
    pub migration: String,
    /// Why.
    pub reason: Option<String>,
    /// Who.
    pub by: Option<String>,
}

/// `resume`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResumeEvent {
    /// Its name.
    pub migration: String,
    /// The digest of the changed definition.
    pub accept: Option<String>,
    /// Who.
    pub by: Option<String>,
}

/// `failed`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailedEvent {
    /// Its name.
    pub migration: String,
    /// Dead letters on a page.
    #[serde(default = "page")]
    pub limit: u32,
    /// Where the page before ended.
    pub next: Option<String>,
    /// Those of this class alone.
    pub class: Option<String>,
}

fn page() -> u32 {
    100
}

/// `retry`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetryEvent {
    /// Its name.
    pub migration: String,
    /// Those of this class alone.
    pub class: Option<String>,
    /// This one alone, as `failed` shows it.
    pub key: Option<Vec<String>>,
    /// Who.
    pub by: Option<String>,
}

/// `verify`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerifyEvent {
    /// Its name.
    pub migration: String,
    /// Insert what is missing.
    #[serde(default)]
    pub repair: bool,
    /// Insert what is missing, and rewrite what differs.
    #[serde(default)]
    pub overwrite: bool,
}

/// `rollback`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RollbackEvent {
    /// Its name.
    pub migration: String,
    /// Who.
    pub by: Option<String>,
}

/// `reset`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResetEvent {
    /// Its name.
    pub migration: String,
    /// Its name again.
    pub confirm: Option<String>,
    /// Who.
    pub by: Option<String>,
}

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

    fn check(self) -> Result<Self, CommandError> {
        match &self {
            Self::Run(RunEvent { max_items: Some(0), .. }) => {
                Err(usage("`max_items` is 0, so nothing could move: leave it out, or write at least 1".to_owned()))
            }
            Self::Run(RunEvent { shard: Some(_), migration: None, .. }) => {
                Err(usage("`shard` belongs to one migration: name it in `migration`".to_owned()))
            }
            Self::Run(RunEvent { shard: Some(shard), .. }) if shards::number(shard).is_none() => Err(usage(format!(
                "`{shard}` is no shard: write its number with four digits as `status` shows it, such as `0000`"
            ))),
            Self::Failed(FailedEvent { limit, .. }) if !(1..=1000).contains(limit) => {
                Err(usage(format!("`limit` is {limit}, but has to be between 1 and 1000")))
            }
            Self::Retry(RetryEvent { class: Some(_), key: Some(_), .. }) => Err(usage(
                "`class` and `key` cannot stand together: a key names one dead letter whatever its class".to_owned(),
            )),
            Self::Failed(FailedEvent { class: Some(class), .. })
            | Self::Retry(RetryEvent { class: Some(class), .. })
                if !CLASSES.contains(&class.as_str()) =>
            {
                let known = CLASSES.map(|name| format!("`{name}`")).join(", ");
                let meant = near(class, &CLASSES);
                Err(usage(format!("there is no class `{class}` of dead letters: use one of {known}{meant}")))
            }
            Self::Retry(RetryEvent { key: Some(key), .. }) if key.is_empty() => Err(usage(KEY.to_owned())),
            Self::Reset(ResetEvent { migration, confirm, .. }) if confirm.as_ref() != Some(migration) => {
                Err(usage(format!(
                    "`reset` forgets all progress of `{migration}`: repeat its name as `\"confirm\": \"{migration}\"`, \
                     on the command line `--confirm {migration}`"
                )))
            }
            _ => Ok(self),
        }
    }

    /// Its name, for logs and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Run(_) => "run",
            Self::Plan(_) => "plan",
            Self::Status(_) => "status",
            Self::Pause(_) => "pause",
            Self::Resume(_) => "resume",
            Self::Failed(_) => "failed",
            Self::Retry(_) => "retry",
            Self::Verify(_) => "verify",
            Self::Rollback(_) => "rollback",
            Self::Reset(_) => "reset",
        }
    }
}

const KEY: &str = "`key` is empty, but has to be a key as `failed` shows it, such as [\"17\"]";

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

/// The name that was probably meant, as the end of a message.
fn near(name: &str, known: &[&str]) -> String {
    nearest(name, known.iter().copied()).map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
}

fn usage(message: String) -> CommandError {
    CommandError::Usage(message)
}

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
