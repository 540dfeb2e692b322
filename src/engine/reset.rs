//! `reset`: the progress is forgotten, and a new life begins.

use super::checkpoint::Checkpoint;
use super::dead::Letters;
use super::lease::nonce;
use super::state::{self, State};
use crate::ledger::{Ledger, LedgerError, Record, Swap, item};
use std::sync::Arc;
use std::time::Duration;

/// Begins a new life; false if there was none before. Epochs go on, so whoever still runs is fenced. One that is cut short may be
/// asked for again.
pub async fn begin_anew(ledger: &Arc<dyn Ledger>, name: &str, now: u64, limit: Duration) -> Result<bool, LedgerError> {
    let stored = state::load(&**ledger, name, limit).await?;
    if stored.is_new() {
        return Ok(false);
    }
    let old = stored.state.life;
    let stored = state::update(&**ledger, name, stored, limit, |state| anew(state, old)).await?;
    for prefix in [item::MOVE, item::VERIFY, item::ROLLBACK] {
        fence(&**ledger, (name, old), prefix, limit).await?;
    }
    let letters = Letters { ledger: Arc::clone(ledger), migration: name.to_owned(), life: stored.state.life };
    letters.forget_earlier_lives(now).await?;
    Ok(true)
}

/// Begins the life after `old`, unless it has begun: by a write whose reply was lost, and runs may have gone on in it.
fn anew(state: &mut State, old: u64) -> bool {
    let ours = state.life == old;
    if ours {
        *state = State { life: old + 1, ..State::default() };
    }
    ours
}

/// Takes the shards of a life from whoever holds them: an epoch above every one given out, and nobody's.
async fn fence(
    ledger: &dyn Ledger,
    (name, old): (&str, u64),
    prefix: &str,
    limit: Duration,
) -> Result<(), LedgerError> {
    let mut after = None;
    loop {
        let page = ledger.list(name, prefix, after.as_deref(), 100, false, limit).await?;
        for record in page.records {
            let mut seen = Some(record);
            while let Some(stored) = seen {
                // Whoever works in the new life already is none of those that are to stop.
                if Checkpoint::from_record(&stored).is_ok_and(|it| it.life > old) {
                    break;
                }
                let freed = Record {
                    seq: stored.seq + 1,
                    epoch: stored.epoch + 1,
                    owner: None,
                    stamp: nonce(),
                    ..stored.clone()
                };
                seen = match ledger.swap(&freed, Some(&stored), limit).await? {
                    Swap::Done => None,
                    Swap::Lost(other) => other,
                };
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_life_that_has_gone_on_already_is_left_alone() {
        let mut state = State { pass: 3, complete: true, retry: 2, ..State::default() };
        assert!(anew(&mut state, 0));
        assert_eq!(state, State { life: 1, ..State::default() });
        state.open_pass(None, 1);
        let there = state.clone();
        assert!(!anew(&mut state, 0));
        assert_eq!(state, there);
    }
}
