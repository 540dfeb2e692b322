//! What a batch sets aside is written before its commit, under its mark.

use super::store::{LIMIT, side_by_side};
use super::{DeadLetter, Letters, Rank};
use crate::engine::migration::Aside;
use crate::ledger::{LedgerError, Record, Swap};

impl Letters {
    /// Makes dead letters durable, under the mark of their batch and the rank of its run. One that is there already was
    /// found by a run that could not commit: it keeps its first time.
    pub async fn record(
        &self,
        asides: &[Aside],
        attempts: u32,
        batch: &str,
        rank: Rank,
        now: u64,
    ) -> Result<(), LedgerError> {
        let letters = asides.iter().map(|aside| DeadLetter {
            life: self.life,
            key: aside.key.texts(),
            cursor: aside.key.clone(),
            class: aside.class.to_owned(),
            message: aside.message.clone(),
            attempts,
            first_at: now,
            last_at: now,
            retry: 0,
            batch: batch.to_owned(),
            pass: rank.pass,
            void: false,
        });
        let calls = letters.map(|letter| {
            let this = self.clone();
            async move { this.keep(letter, rank.epoch).await }
        });
        side_by_side(calls, "writing a dead letter").await.map(drop)
    }

    async fn keep(&self, mut letter: DeadLetter, epoch: u64) -> Result<(), LedgerError> {
        let mut seen: Option<Record> = None;
        loop {
            if let Some(there) = &seen {
                let known = DeadLetter::from_record(there)?;
                // Whoever came later knows better, and has said so.
                if known.is_later(there.epoch, self.life, Rank { pass: letter.pass, epoch }) {
                    return Ok(());
                }
                if known.is_of(self.life) {
                    if known.batch == letter.batch {
                        return Ok(());
                    }
                    letter.first_at = known.first_at;
                }
            }
            let record = self.written(&letter, epoch, seen.as_ref());
            match self.ledger.swap(&record, seen.as_ref(), LIMIT).await? {
                Swap::Done => return Ok(()),
                Swap::Lost(there) => seen = there,
            }
        }
    }
}
