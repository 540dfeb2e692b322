//! What a command cannot mean, though every field of it can be read.

use super::forms::{Command, FailedEvent, ResetEvent, RetryEvent, RunEvent};
use crate::command::error::CommandError;
use crate::engine::dead::CLASSES;
use crate::engine::shards;
use crate::hint::nearest;

impl Command {
    /// The same command, if it makes sense.
    pub(super) fn check(self) -> Result<Self, CommandError> {
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
}

const KEY: &str = "`key` is empty, but has to be a key as `failed` shows it, such as [\"17\"]";

/// The name that was probably meant, as the end of a message.
pub(super) fn near(name: &str, known: &[&str]) -> String {
    nearest(name, known.iter().copied()).map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
}

/// Wrong usage.
pub(super) fn usage(message: String) -> CommandError {
    CommandError::Usage(message)
}
