//! The commands, and what each of them takes.

use crate::engine::sample::WHOLE;
use crate::spec::percentage;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

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
    /// Look at about this share alone, in hundredths of a percent.
    #[serde(default, deserialize_with = "share")]
    pub sample: Option<u32>,
    /// Read every object on both sides.
    #[serde(default)]
    pub full: bool,
}

fn share<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    let share = percentage(&text).filter(|share| (1..=WHOLE).contains(share));
    let wrong = || format!("`{text}` is no share: write one above 0% and up to 100%, such as `1%` or `0.25%`");
    share.map(Some).ok_or_else(|| D::Error::custom(wrong()))
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
