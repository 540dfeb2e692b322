//! What the environment says: where the ledger and the migration files are.

use super::error::CommandError;
use crate::engine::run::LEASE_MARGIN_MS;
use crate::observe::topic::is_arn;
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
    /// `MILKRUN_TOPIC_ARN`; `None`: nobody hears of stages.
    pub topic: Option<String>,
}

impl Settings {
    /// Reads them. `ledger` and `migrations` are the defaults, for a function or for the command line.
    pub fn read(
        variable: impl Fn(&str) -> Option<String>,
        ledger: Option<&str>,
        migrations: &str,
    ) -> Result<Self, CommandError> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let topic = set("MILKRUN_TOPIC_ARN");
        if let Some(text) = topic.as_deref().filter(|text| !is_arn(text)) {
            return Err(CommandError::Usage(format!(
                "`MILKRUN_TOPIC_ARN` is `{text}`, but has to be the ARN of a topic, as in `arn:aws:sns:eu-central-1:123456789012:stages`"
            )));
        }
        let ledger = set("MILKRUN_LEDGER").or(ledger.map(str::to_owned)).ok_or_else(|| {
            let lacking = match variable("MILKRUN_LEDGER") {
                None => "the environment has no variable `MILKRUN_LEDGER`",
                Some(_) => "the environment's variable `MILKRUN_LEDGER` is set, but empty",
            };
            CommandError::Ledger(format!("{lacking}: set it to `dynamodb://TABLE` or `sqlite://PATH`"))
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
        Ok(Self { ledger, migrations, margin_ms, topic })
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
    fn a_ledger_that_is_missing_and_one_that_is_empty() {
        let read = |ledger: Option<&str>| {
            let ledger = ledger.map(str::to_owned);
            let set = move |name: &str| ledger.clone().filter(|_| name == "MILKRUN_LEDGER");
            Settings::read(set, None, "m").unwrap_err().to_string()
        };
        let hint = "set it to `dynamodb://TABLE` or `sqlite://PATH`";
        assert_eq!(read(None), format!("the environment has no variable `MILKRUN_LEDGER`: {hint}"));
        assert_eq!(read(Some("")), format!("the environment's variable `MILKRUN_LEDGER` is set, but empty: {hint}"));
    }

    #[test]
    fn a_topic_is_named_by_its_arn() {
        let read = |topic: &str| {
            let topic = topic.to_owned();
            Settings::read(move |name| (name == "MILKRUN_TOPIC_ARN").then(|| topic.clone()), Some("sqlite://l.db"), "m")
        };
        assert_eq!(read("").unwrap().topic, None);
        let arn = "arn:aws:sns:eu-central-1:123456789012:stages";
        assert_eq!(read(arn).unwrap().topic.as_deref(), Some(arn));
        let error = read("stages").unwrap_err();
        assert_eq!(error.kind(), "Usage");
        assert_eq!(
            error.to_string(),
            "`MILKRUN_TOPIC_ARN` is `stages`, but has to be the ARN of a topic, as in \
             `arn:aws:sns:eu-central-1:123456789012:stages`"
        );
    }
}
