//! `retry`: puts dead letters back, for the next run to take first.

use super::error::CommandError;
use super::event::RetryEvent;
use super::switch;
use super::{Handler, Invocation};
use crate::engine::dead::Letters;
use crate::engine::{retry, state};
use crate::spec::{Definition, FileError};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;

impl Handler {
    pub(super) async fn retry(
        &self,
        event: &RetryEvent,
        file: &Result<Definition, FileError>,
        invocation: &Invocation,
        limit: Duration,
    ) -> Result<Value, CommandError> {
        let name = event.migration.as_str();
        // What follows needs some time too: the state, and the reply.
        let end = Instant::now() + invocation.time.mul_f64(0.6);
        let stored = state::load(&*self.ledger, name, limit).await?;
        let (life, request) = (stored.state.life, stored.state.retry + 1);
        let letters = Letters { ledger: self.ledger.clone(), migration: name.to_owned(), life };
        let (retried, all) = match &event.key {
            Some(key) => match retry::one(&letters, key, request).await? {
                Some(retried) => (retried, true),
                None => return Err(unknown(key)),
            },
            None => retry::many(&letters, event.class.as_deref(), request, end, &invocation.stop).await?,
        };
        if all && retried > 0 {
            retry::request(&letters, stored, request, limit).await?;
            let what = json!({
                "command": "retry", "by": event.by.as_deref().unwrap_or("unknown"), "class": event.class, "retried": retried,
            });
            switch::keep(&*self.ledger, name, what, &self.clock, limit).await?;
        }
        let mut reply = self.status(name, file, limit).await?;
        reply["retried"] = json!(retried);
        if !all {
            reply["outcome"] = json!("more");
            reply["hint"] = json!(
                "the time was up before all of them were put back: send the same command again, it goes on from there"
            );
        } else if reply["state"] == "paused" && retried > 0 {
            reply["hint"] = json!("the migration is paused: they are retried by the first run after `resume`");
        }
        Ok(reply)
    }
}

fn unknown(key: &[String]) -> CommandError {
    CommandError::Usage(format!(
        "there is no dead letter with the key {}: write it as `failed` shows it, in full where `log_keys` is false",
        Value::from(key)
    ))
}
