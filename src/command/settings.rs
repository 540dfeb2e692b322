//! What the environment says: where the ledger and the migration files are.

use super::error::CommandError;
use crate::engine::run::LEASE_MARGIN_MS;
use std::time::Duration;

/// The settings, as the environment gives them.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `MILKRUN_LEDGER`.
    pub ledger: String,
    /// `MILKRUN_MIGRATIONS`.
    pub migrations: String,
    /// `MILKRUN_LEASE_MARGIN`, in milliseconds; tests may set it negative.
    pub margin_ms: i64,
}

impl Settings {
    /// Reads them. `ledger` and `migrations` are the defaults, for a function or for the command line.
    pub fn read(
        variable: impl Fn(&str) -> Option<String>,
        ledger: Option<&str>,
        migrations: &str,
    ) -> Result<Self, CommandError> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        if set("MILKRUN_TOPIC_ARN").is_some() {
            return Err(CommandError::Usage(
                "the environment has a variable `MILKRUN_TOPIC_ARN`, but notifications by SNS are not built in this version yet: \
                 unset it"
                    .to_owned(),
            ));
        }
        let ledger = set("MILKRUN_LEDGER").or(ledger.map(str::to_owned)).ok_or_else(|| {
            CommandError::Ledger(
                "the environment has no variable `MILKRUN_LEDGER`: set it to `dynamodb://TABLE` or `sqlite://PATH`"
                    .to_owned(),
            )
        })?;
        let migrations = set("MILKRUN_MIGRATIONS").unwrap_or_else(|| migrations.to_owned());
        let margin_ms = match set("MILKRUN_LEASE_MARGIN") {
            None => LEASE_MARGIN_MS,
            Some(text) => margin(&text).ok_or_else(|| {
                CommandError::Usage(format!(
                    "`MILKRUN_LEASE_MARGIN` is `{text}`, but has to be a time such as `2s` or `500ms`"
                ))
            })?,
        };
        Ok(Self { ledger, migrations, margin_ms })
    }
}

fn margin(text: &str) -> Option<i64> {
    let (sign, time) = match text.trim().strip_prefix(['-', '−']) {
        Some(rest) => (-1, rest),
        None => (1, text.trim()),
    };
    if time == "0" {
        return Some(0);
    }
    i64::try_from(duration(time)?.as_millis()).ok().map(|millis| sign * millis)
}

/// A time such as `30s`, `500ms`, `10m`, `1h`, `1d`.
pub fn duration(text: &str) -> Option<Duration> {
    crate::spec::duration(text)
}

/// A size such as `1024MB` or `1 GB`, in MB of 2^20 bytes.
pub fn megabytes(text: &str) -> Option<u64> {
    crate::spec::size(text).map(|bytes| bytes >> 20).filter(|&megabytes| megabytes > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_refused_rather_than_ignored() {
        let read = |topic: &str| {
            let topic = topic.to_owned();
            Settings::read(move |name| (name == "MILKRUN_TOPIC_ARN").then(|| topic.clone()), Some("sqlite://l.db"), "m")
        };
        assert_eq!(read("").unwrap().ledger, "sqlite://l.db");
        let error = read("arn:aws:sns:eu-central-1:123456789012:stages").unwrap_err();
        assert_eq!(error.kind(), "Usage");
        assert_eq!(
            error.to_string(),
            "the environment has a variable `MILKRUN_TOPIC_ARN`, but notifications by SNS are not built in this version yet: \
             unset it"
        );
    }
}
