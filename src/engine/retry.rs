//! Putting dead letters back, for the next run to take first.
//!
//! Each letter is marked with the number of the request; once all are, the request is written into the migration's state,
//! which makes it runnable. A request that is cut short has marked some: asked again, it goes on with the others.

use super::dead::{DeadLetter, LIMIT, Letters};
use super::state::{self, Stored};
use super::stop::Stop;
use crate::ledger::{LedgerError, item};
use serde_json::Value;
use std::time::Duration;
use tokio::time::Instant;

/// Puts one back; how many there were, or `None` if there is none with this key.
pub async fn one(letters: &Letters, key: &[String], retry: u64) -> Result<Option<u64>, LedgerError> {
    let json = Value::from(key).to_string();
    match letters.get(&item::dead(&json)).await? {
        Some(letter) => Ok(Some(letters.put_back(vec![letter], retry).await?)),
        None => Ok(None),
    }
}

/// Puts all back, or those of a class, until `end`: how many, and whether these are all.
pub async fn many(
    letters: &Letters,
    class: Option<&str>,
    retry: u64,
    end: Instant,
    stop: &Stop,
) -> Result<(u64, bool), LedgerError> {
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

/// Makes the migration runnable. Of two requests at once both count: letters bear the number of one of them.
pub async fn request(letters: &Letters, stored: Stored, retry: u64, limit: Duration) -> Result<(), LedgerError> {
    let life = stored.state.life;
    state::update(&*letters.ledger, &letters.migration, stored, limit, |state| {
        let ours = state.life == life;
        if ours {
            state.retry = retry.max(state.retry + 1);
        }
        ours
    })
    .await?;
    Ok(())
}
