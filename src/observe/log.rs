//! Log lines: one JSON object each, with `level`, `timestamp` and `message`, so that Lambda can filter them.

use serde_json::{Map, Value, json};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::time::UtcTime;

/// Logs as a Lambda function does: JSON lines on stdout. The level comes from `AWS_LAMBDA_LOG_LEVEL`, then `RUST_LOG`.
pub fn init_function() {
    let level = level();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_target(false)
        .with_timer(UtcTime::rfc_3339())
        .with_env_filter(filter(&level))
        .finish();
    // A second call would find the first one's subscriber: nothing is lost by keeping that.
    let _ = tracing::subscriber::set_global_default(subscriber);
    FUNCTION.store(true, Ordering::Relaxed);
    // A panic is a line like any other error, without its text, which may hold anything.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(String::new, |place| format!(" at {place}"));
        tracing::error!(error_type = "Internal", "milkrun panicked{place}: this is a bug of milkrun");
    }));
}

/// Wide lines and metrics belong to the function: on the command line stdout is for replies.
static FUNCTION: AtomicBool = AtomicBool::new(false);

/// Logs as a command does: what goes wrong, as plain lines on stderr.
pub fn init_terminal() {
    let level = std::env::var("RUST_LOG").unwrap_or_else(|_| "warn".to_owned());
    let subscriber = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_target(false)
        .without_time()
        // Why a migration was paused stands in the reply.
        .with_env_filter(match format!("{}=off", crate::engine::run::PAUSED).parse() {
            Ok(directive) => filter(&level).add_directive(directive),
            Err(_) => filter(&level),
        })
        .finish();
    let _ = tracing::subscriber::set_global_default(subscriber);
}

fn level() -> String {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    set("AWS_LAMBDA_LOG_LEVEL").or_else(|| set("RUST_LOG")).unwrap_or_else(|| "info".to_owned())
}

/// Our own lines at the level asked for; of the libraries' only what goes wrong, for their debug lines may hold data.
/// The runtime repeats a failed invocation's error after `bootstrap` has logged it with its type: once is enough.
fn filter(level: &str) -> EnvFilter {
    let level = level.to_ascii_lowercase();
    let ours = if level == "fatal" { "error" } else { level.as_str() };
    EnvFilter::try_new(format!("error,lambda_runtime::layers::panic=off,milkrun={ours},bootstrap={ours}"))
        .unwrap_or_else(|_| EnvFilter::new("error,milkrun=info,bootstrap=info"))
}

/// One wide line: everything that a reply holds, under its own names.
///
/// `tracing` has no nested fields, so the line is written directly, in the same shape.
pub fn wide(message: &str, level: &str, reply: &Value) {
    if enabled(level) {
        line(&wide_line(message, level, reply, OffsetDateTime::now_utc()));
    }
}

fn wide_line(message: &str, level: &str, reply: &Value, now: OffsetDateTime) -> Value {
    let mut fields = Map::new();
    fields.insert("timestamp".into(), json!(now.format(&Rfc3339).unwrap_or_default()));
    fields.insert("level".into(), json!(level));
    fields.insert("message".into(), json!(message));
    if let Value::Object(reply) = reply {
        fields.extend(reply.iter().map(|(name, value)| (name.clone(), value.clone())));
    }
    Value::Object(fields)
}

fn enabled(level: &str) -> bool {
    match level {
        "ERROR" => tracing::enabled!(tracing::Level::ERROR),
        "WARN" => tracing::enabled!(tracing::Level::WARN),
        _ => tracing::enabled!(tracing::Level::INFO),
    }
}

/// Writes one line to stdout, in the function. A closed stdout is nobody's loss.
pub fn line(value: &Value) {
    if !FUNCTION.load(Ordering::Relaxed) {
        return;
    }
    let _ = writeln!(std::io::stdout().lock(), "{value}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wide_line_has_what_lambda_needs_and_what_the_reply_holds() {
        let reply = json!({"v": 1, "migration": "m", "shards": [{"shard": "0000"}]});
        let now = OffsetDateTime::from_unix_timestamp(0).unwrap();
        let line = wide_line("run", "INFO", &reply, now).to_string();
        assert_eq!(
            line,
            r#"{"timestamp":"1970-01-01T00:00:00Z","level":"INFO","message":"run","v":1,"migration":"m","shards":[{"shard":"0000"}]}"#
        );
    }
}
