//! Letters that were put back and wait to be retried.

use super::store::{LIMIT, item_of, side_by_side};
use super::{DeadLetter, Letters};
use crate::cursor::Cursor;
use crate::engine::checkpoint::Pending;
use crate::engine::migration::Aside;
use crate::engine::shards;
use crate::ledger::{LedgerError, Record};
use std::collections::HashSet;

impl Letters {
    /// Those of these items whose letter waits to be retried, or is being retried.
    pub async fn put_back_among(&self, keys: &[Cursor]) -> Result<HashSet<Cursor>, LedgerError> {
        let calls = keys.iter().map(|key| {
            let (this, key) = (self.clone(), key.clone());
            async move {
                let there = this.get(&item_of(&key)).await?;
                Ok(there.is_some_and(|(_, letter)| letter.retry > 0).then_some(key))
            }
        });
        Ok(side_by_side(calls, "looking for a dead letter").await?.into_iter().flatten().collect())
    }

    /// Of each of those that wait to be retried: whether the shard that set it aside has counted it. One that is just being
    /// recorded bears a mark that stands in that shard's record; the mark goes when the letter is counted, or taken back.
    pub async fn counted(&self, page: &[(Record, DeadLetter)]) -> Result<Vec<bool>, LedgerError> {
        if page.iter().all(|(_, letter)| letter.retry == 0) {
            return Ok(vec![true; page.len()]);
        }
        // In this order: after the letters their marks, and then which letters are still there.
        let shards = shards::all(&*self.ledger, &self.migration, LIMIT).await?;
        let marks: HashSet<&String> = shards.iter().filter_map(|shard| shard.checkpoint.recording.as_ref()).collect();
        let calls =
            page.iter().enumerate().filter(|(_, (_, letter))| letter.retry > 0).map(|(place, (record, letter))| {
                let (this, item, batch) = (self.clone(), record.item.clone(), letter.batch.clone());
                async move {
                    let there = this.get(&item).await?;
                    Ok((place, there.is_some_and(|(_, letter)| letter.batch == batch)))
                }
            });
        let mut counted = vec![true; page.len()];
        for (place, there) in side_by_side(calls.collect::<Vec<_>>().into_iter(), "looking for a dead letter").await? {
            counted[place] = there && !marks.contains(&page[place].1.batch);
        }
        Ok(counted)
    }

    /// Puts them back, to be retried by the request `retry`; how many there still were to be put back.
    pub async fn put_back(&self, letters: Vec<(Record, DeadLetter)>, retry: u64) -> Result<u64, LedgerError> {
        let calls = letters.into_iter().map(|(record, _)| {
            let this = self.clone();
            async move {
                let there = this.change(record, |letter| (letter.retry, letter.attempts) = (retry, 0)).await?;
                Ok(u64::from(there))
            }
        });
        Ok(side_by_side(calls, "putting a dead letter back").await?.into_iter().sum())
    }

    /// Those that were retried and failed again stay, with what went wrong now, and wait no longer, unless a later request
    /// has put them back meanwhile.
    pub async fn again(&self, asides: &[(Pending, Aside)], attempts: u32, now: u64) -> Result<(), LedgerError> {
        let calls = asides.iter().cloned().map(|(pending, aside)| {
            let this = self.clone();
            async move {
                let Some((record, _)) = this.get(&item_of(&pending.key)).await? else { return Ok(()) };
                let change = |letter: &mut DeadLetter| {
                    aside.class.clone_into(&mut letter.class);
                    letter.message.clone_from(&aside.message);
                    letter.last_at = now;
                    if letter.retry <= pending.retry {
                        (letter.retry, letter.attempts) = (0, attempts);
                    }
                };
                this.change(record, change).await.map(drop)
            }
        });
        side_by_side(calls, "writing a dead letter").await.map(drop)
    }
}
