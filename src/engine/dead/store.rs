//! Where dead letters are kept: one record of the ledger for each.

use super::DeadLetter;
use crate::cursor::Cursor;
use crate::engine::lease::nonce;
use crate::ledger::{Ledger, LedgerError, Record, Swap, item};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// How many calls of the ledger are under way side by side.
pub(crate) const SIDE_BY_SIDE: usize = 16;
/// What one call may take.
pub(crate) const LIMIT: Duration = Duration::from_secs(5);
/// Records on a page.
pub(super) const PAGE: usize = 500;

/// The dead letters of one life of a migration.
#[derive(Clone)]
pub struct Letters {
    /// Where they are.
    pub ledger: Arc<dyn Ledger>,
    /// Whose.
    pub migration: String,
    /// Which life's.
    pub life: u64,
}

impl Letters {
    /// Those of these items that have a dead letter.
    pub async fn among(&self, keys: &[Cursor]) -> Result<HashSet<Cursor>, LedgerError> {
        let calls = keys.iter().map(|key| {
            let (this, key) = (self.clone(), key.clone());
            async move {
                let there = this.ledger.get(&this.migration, &item_of(&key), LIMIT).await?;
                let ours = there.as_ref().map(DeadLetter::from_record).transpose()?;
                Ok(ours.is_some_and(|letter| letter.is_of(this.life)).then_some(key))
            }
        });
        Ok(side_by_side(calls, "looking for a dead letter").await?.into_iter().flatten().collect())
    }

    /// A page of them, with the records that they were read from.
    pub async fn page(&self, after: Option<&str>) -> Result<(Vec<(Record, DeadLetter)>, Option<String>), LedgerError> {
        let page = self.ledger.list(&self.migration, item::DEAD, after, PAGE, false, LIMIT).await?;
        let mut letters = Vec::with_capacity(page.records.len());
        for record in page.records {
            let letter = DeadLetter::from_record(&record)?;
            if letter.is_of(self.life) {
                letters.push((record, letter));
            }
        }
        Ok((letters, page.next))
    }

    /// One of them.
    pub async fn get(&self, item: &str) -> Result<Option<(Record, DeadLetter)>, LedgerError> {
        let Some(record) = self.ledger.get(&self.migration, item, LIMIT).await? else { return Ok(None) };
        let letter = DeadLetter::from_record(&record)?;
        Ok(letter.is_of(self.life).then_some((record, letter)))
    }

    /// Changes a letter as it is now; false if it is gone.
    pub(super) async fn change(&self, record: Record, change: impl Fn(&mut DeadLetter)) -> Result<bool, LedgerError> {
        let mut seen = record;
        loop {
            let mut letter = DeadLetter::from_record(&seen)?;
            if !letter.is_of(self.life) {
                return Ok(false);
            }
            change(&mut letter);
            let record = Record { seq: seen.seq + 1, stamp: nonce(), body: letter.to_body(), ..seen.clone() };
            match self.ledger.swap(&record, Some(&seen), LIMIT).await? {
                Swap::Done => return Ok(true),
                Swap::Lost(None) => return Ok(false),
                Swap::Lost(Some(there)) => seen = there,
            }
        }
    }

    pub(super) fn written(&self, letter: &DeadLetter, epoch: u64, seen: Option<&Record>) -> Record {
        Record {
            migration: self.migration.clone(),
            item: item_of(&letter.cursor),
            seq: seen.map_or(0, |seen| seen.seq) + 1,
            epoch,
            owner: None,
            stamp: nonce(),
            expires: None,
            body: letter.to_body(),
        }
    }
}

/// The item of a key's letter.
pub(super) fn item_of(key: &Cursor) -> String {
    item::dead(&key.json())
}

/// Carries calls out, so many at a time. Owned by this call: dropping the set aborts what is under way.
pub(crate) async fn side_by_side<T: Send + 'static>(
    calls: impl Iterator<Item = impl Future<Output = Result<T, LedgerError>> + Send + 'static>,
    task: &'static str,
) -> Result<Vec<T>, LedgerError> {
    let mut calls = calls;
    let (mut under_way, mut done) = (JoinSet::new(), Vec::new());
    for call in calls.by_ref().take(SIDE_BY_SIDE) {
        under_way.spawn(call);
    }
    while let Some(finished) = under_way.join_next().await {
        done.push(finished.map_err(|source| LedgerError::Stopped { task, source })??);
        if let Some(call) = calls.next() {
            under_way.spawn(call);
        }
    }
    Ok(done)
}
