//! `retry`: puts dead letters back, for the next run to take first.
//!
//! Each letter is marked with the number of the request; once all are, the request is written into the migration's state,
//! which makes it runnable. A request that is cut short has marked some: asked again, it goes on with the others.

use super::error::CommandError;
use super::event::RetryEvent;
use super::switch;
use super::{Handler, Invocation};
use crate::engine::dead::{DeadLetter, LIMIT, Letters};
use crate::engine::state::{self, Stored};
use crate::ledger::item;
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
        let (life, retry) = (stored.state.life, stored.state.retry + 1);
        let letters = Letters { ledger: self.ledger.clone(), migration: name.to_owned(), life };
        let (retried, all) = match &event.key {
            Some(key) => (one(&letters, key, retry).await?, true),
            None => many(&letters, event.class.as_deref(), retry, end, &invocation.stop).await?,
        };
        if all && retried > 0 {
            self.request(name, stored, retry, limit).await?;
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

    /// Makes the migration runnable. Of two requests at once both count: letters bear the number of one of them.
    async fn request(&self, name: &str, stored: Stored, retry: u64, limit: Duration) -> Result<(), CommandError> {
        let life = stored.state.life;
        state::update(&*self.ledger, name, stored, limit, |state| {
            let ours = state.life == life;
            if ours {
                state.retry = retry.max(state.retry + 1);
            }
            ours
        })
        .await?;
        Ok(())
    }
}

async fn one(letters: &Letters, key: &[String], retry: u64) -> Result<u64, CommandError> {
    let json = Value::from(key).to_string();
    match letters.get(&item::dead(&json)).await? {
        Some(letter) => Ok(letters.put_back(vec![letter], retry).await?),
        None => Err(CommandError::Usage(format!(
            "there is no dead letter with the key {json}: write it as `failed` shows it, in full where `log_keys` is false"
        ))),
    }
}

/// How many were put back, and whether these are all.
async fn many(
    letters: &Letters,
    class: Option<&str>,
    retry: u64,
    end: Instant,
    stop: &crate::engine::stop::Stop,
) -> Result<(u64, bool), CommandError> {
    let (mut retried, mut after) = (0, None);
    loop {
        if stop.is_set() || Instant::now() + LIMIT.min(Duration::from_millis(200)) > end {
            return Ok((retried, false));
        }
        let (page, next) = letters.page(after.as_deref()).await?;
        let wanted = |letter: &DeadLetter| class.is_none_or(|class| letter.class == class);
        let (done, open): (Vec<_>, Vec<_>) =
            page.into_iter().filter(|(_, letter)| wanted(letter)).partition(|(_, letter)| letter.retry == retry);
        retried += done.len() as u64 + letters.put_back(open, retry).await?;
        match next {
            Some(next) => after = Some(next),
            None => return Ok((retried, true)),
        }
    }
}
