//! A letter that is void stays for a while, so that no write that is still on its way brings it back.

use super::store::{LIMIT, PAGE, item_of, side_by_side};
use super::{DeadLetter, Letters, Rank};
use crate::cursor::Cursor;
use crate::ledger::{LedgerError, Record, Swap, item};

/// How long the record of one that is void stays, in seconds: far longer than any write is on its way.
const VOID_S: u64 = 30 * 86_400;

impl Letters {
    /// Takes those back whose batch has this mark: it was never committed, so nobody has counted them. `in_flight` are those
    /// among them that may still be on their way; the records that are left behind do not let them in.
    pub async fn take_back(
        &self,
        batch: &str,
        in_flight: Vec<Cursor>,
        rank: Rank,
        now: u64,
    ) -> Result<(), LedgerError> {
        self.shut_out(in_flight, batch, rank, now).await?;
        let mut after = None;
        loop {
            let (letters, next) = self.page(after.as_deref()).await?;
            let stale = letters.into_iter().filter(|(_, letter)| letter.batch == batch);
            self.shut_out(stale.map(|(_, letter)| letter.cursor).collect(), batch, rank, now).await?;
            if next.is_none() {
                return Ok(());
            }
            after = next;
        }
    }

    /// Voids the letters of these items that have this mark, those that have not arrived yet included.
    pub async fn shut_out(&self, keys: Vec<Cursor>, batch: &str, rank: Rank, now: u64) -> Result<(), LedgerError> {
        let calls = keys.into_iter().map(|key| {
            let (this, batch) = (self.clone(), batch.to_owned());
            async move {
                let mut seen = this.ledger.get(&this.migration, &item_of(&key), LIMIT).await?;
                loop {
                    if let Some(there) = &seen {
                        let known = DeadLetter::from_record(there)?;
                        let later = known.is_later(there.epoch, this.life, rank);
                        if later || known.is_of(this.life) && known.batch != batch {
                            return Ok(());
                        }
                    }
                    let void = this.voided(&key, rank, seen.as_ref(), now);
                    match this.ledger.swap(&void, seen.as_ref(), LIMIT).await? {
                        Swap::Done => return Ok(()),
                        Swap::Lost(there) => seen = there,
                    }
                }
            }
        });
        side_by_side(calls, "taking a dead letter back").await.map(drop)
    }

    fn voided(&self, key: &Cursor, rank: Rank, seen: Option<&Record>, now: u64) -> Record {
        let letter = DeadLetter {
            life: self.life,
            key: key.texts(),
            cursor: key.clone(),
            class: String::new(),
            message: String::new(),
            attempts: 0,
            first_at: now,
            last_at: now,
            retry: 0,
            batch: String::new(),
            pass: rank.pass,
            void: true,
        };
        Record { expires: Some(now / 1000 + VOID_S), ..self.written(&letter, rank.epoch, seen) }
    }

    /// Voids them: they were retried and counted.
    pub async fn settle(&self, keys: Vec<Cursor>, now: u64) -> Result<(), LedgerError> {
        let calls = keys.into_iter().map(|key| {
            let this = self.clone();
            async move {
                let mut there = this.get(&item_of(&key)).await?;
                while let Some((seen, letter)) = there {
                    let rank = Rank { pass: letter.pass, epoch: seen.epoch };
                    let void = this.voided(&key, rank, Some(&seen), now);
                    there = match this.ledger.swap(&void, Some(&seen), LIMIT).await? {
                        Swap::Done => None,
                        Swap::Lost(_) => this.get(&item_of(&key)).await?,
                    };
                }
                Ok(())
            }
        });
        side_by_side(calls, "settling a dead letter").await.map(drop)
    }

    /// Voids those of earlier lives. They stay in theirs: in this one their epochs mean nothing.
    pub async fn forget_earlier_lives(&self, now: u64) -> Result<(), LedgerError> {
        let mut after = None;
        loop {
            let page = self.ledger.list(&self.migration, item::DEAD, after.as_deref(), PAGE, false, LIMIT).await?;
            let mut earlier = Vec::new();
            for record in page.records {
                let letter = DeadLetter::from_record(&record)?;
                if letter.life < self.life && !letter.void {
                    earlier.push((record, letter));
                }
            }
            let calls = earlier.into_iter().map(|(seen, letter)| {
                let this = Self { life: letter.life, ..self.clone() };
                async move {
                    let rank = Rank { pass: letter.pass, epoch: seen.epoch };
                    let void = this.voided(&letter.cursor, rank, Some(&seen), now);
                    // Whoever was there before knows of the new life.
                    this.ledger.swap(&void, Some(&seen), LIMIT).await.map(drop)
                }
            });
            side_by_side(calls, "forgetting a dead letter").await?;
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }
}
