//! Dead letters that were put back: a run takes them before anything else.
//!
//! They are moved in batches of keys, which stand in the checkpoint from before the first effect until they are counted. One
//! commit counts them and remembers whose records are to be voided; that follows. So a run that is killed anywhere
//! in between leaves what the next one needs to count each of them once.

use super::checkpoint::{Checkpoint, Counters, Pending};
use super::dead::{self, Letters, Rank};
use super::hold::hold;
use super::lease::{Kept, Lease};
use super::migration::{Aside, Migration, Outcome};
use super::run::{EngineError, Run};
use super::state::State;
use super::stretch::{Ready, in_time};
use super::walk::Walk;
use crate::cursor::Cursor;
use crate::fault::Fault;
use crate::ledger::LedgerError;

/// Letters in a batch, at most.
pub(super) const MOST: usize = 500;
/// Bytes of their keys, at most: they stand in the checkpoint, beside what a killed sweep may have left there.
pub(super) const BYTES: usize = 12 * 1024;

/// Where a walk over letters is.
#[derive(Debug)]
pub(super) struct Reading {
    /// The item of the last record that was looked at.
    after: Option<String>,
    over: bool,
    /// Those in the checkpoint may have been moved already: what is found equal was moved by milkrun.
    pub(super) recovered: bool,
    /// Some were left alone, since the shard that set them aside has not counted them yet.
    pub(super) left: bool,
}

impl Reading {
    /// From the first letter. What the checkpoint holds was left behind by a run that was killed.
    pub(super) fn new() -> Self {
        Self { after: None, over: false, recovered: true, left: false }
    }
}

/// The letters of the life that a state tells of.
pub(super) fn of<M: Migration>(run: &Run<'_, M>, state: &State) -> Letters {
    Letters { ledger: run.ledger.clone(), migration: run.migration.clone(), life: state.life }
}

/// Finishes what a killed run had left half done: letters that nobody counted are taken back, counted ones are voided.
pub(super) async fn tidy<M: Migration>(
    run: &Run<'_, M>,
    lease: &mut Lease,
    state: &State,
) -> Result<Kept, LedgerError> {
    let Checkpoint { pass, recording, in_flight, settled, .. } = lease.checkpoint().clone();
    if recording.is_none() && settled.is_empty() {
        return Ok(Kept::Yes);
    }
    let (letters, now) = (of(run, state), (run.terms.clock)());
    let rank = Rank { pass, epoch: lease.epoch() };
    let work = async {
        letters.settle(settled, now).await?;
        match &recording {
            Some(batch) => letters.take_back(batch, in_flight, rank, now).await,
            None => Ok(()),
        }
    };
    // What does not get done now is left to the next run.
    match hold(lease, run.budget.call(), tokio::time::timeout(run.budget.remaining(), work)).await? {
        None => Ok(Kept::Fenced),
        Some(Err(_)) => Ok(Kept::Yes),
        Some(Ok(done)) => {
            done?;
            let change = |it: &mut Checkpoint| {
                (it.recording, it.in_flight, it.settled) = (None, Vec::new(), Vec::new());
            };
            lease.write(change, run.budget.call()).await
        }
    }
}

impl<M: Migration> Walk<'_, M> {
    /// The next batch of letters: what the checkpoint holds already, or the next ones that were put back.
    /// `None`: the lease was lost.
    pub(super) async fn read_letters(
        &mut self,
        size: u64,
    ) -> Result<Option<Result<Option<Ready<M::Batch>>, Fault>>, EngineError> {
        let most = usize::try_from(size).unwrap_or(usize::MAX).min(MOST);
        let mut pending = self.lease.checkpoint().retrying.clone();
        if pending.is_empty() {
            let (budget, letters, several) = (&self.run.budget, of(self.run, &self.state), self.several());
            let Some(reading) = &mut self.letters else { return Ok(Some(Ok(None))) };
            let found = in_time(budget, async {
                next(&letters, reading, most, several).await.map_err(|error| dead::unread(&error))
            });
            match hold(self.lease, budget.call(), found).await? {
                None => return Ok(None),
                Some(Err(fault)) => return Ok(Some(Err(fault))),
                Some(Ok(found)) => pending = found,
            }
            reading.recovered = false;
        }
        pending.truncate(most);
        if pending.is_empty() {
            return Ok(Some(Ok(None)));
        }
        let found: Vec<Cursor> = pending.iter().map(|pending| pending.key.clone()).collect();
        Ok(Some(Ok(Some(Ready {
            batch: self.run.kind.fetch(&self.range(), &found),
            end: None,
            scanned: u64::try_from(found.len()).unwrap_or(u64::MAX),
            found,
            leaving: None,
            recovered: self.letters.as_ref().is_some_and(|reading| reading.recovered),
            passes_interrupted: false,
            letters: pending,
        }))))
    }

    /// Letters that failed again, with what they were counted as.
    pub(super) fn failed_again(ready: &Ready<M::Batch>, outcome: &Outcome) -> Vec<(Pending, Aside)> {
        let pending = |aside: &Aside| ready.letters.iter().find(|pending| pending.key == aside.key).cloned();
        outcome.aside.iter().filter_map(|aside| Some((pending(aside)?, aside.clone()))).collect()
    }

    /// Forgets letters that are known not to have been moved, so that the next run need not think they were.
    pub(super) async fn leave_letters(&mut self) -> Result<Kept, EngineError> {
        let certain = self.letters.as_ref().is_some_and(|reading| !reading.recovered);
        let Checkpoint { retrying, settled, .. } = self.lease.checkpoint();
        if retrying.is_empty() && settled.is_empty() {
            return Ok(Kept::Yes);
        }
        let change = |it: &mut Checkpoint| {
            it.settled = Vec::new();
            if certain {
                (it.retrying, it.announced) = (Vec::new(), None);
            }
        };
        Ok(self.lease.write(change, self.run.budget.call()).await?)
    }
}

/// What counting a batch of letters changes: each leaves the counter of its class and joins another, except those that fail
/// again in the same way, and those whose row is gone or no longer matches, which only leave.
pub(super) fn count(it: &mut Checkpoint, pending: &[Pending], outcome: &Outcome, batch: &Counters) {
    it.counters.moved += batch.moved;
    it.counters.skipped += batch.skipped;
    it.counters.bytes += batch.bytes;
    it.counters.batches += 1;
    for letter in pending {
        let aside = outcome.aside.iter().find(|aside| aside.key == letter.key);
        let Some(aside) = aside else {
            it.resolved.count(&letter.class);
            it.settled.push(letter.key.clone());
            continue;
        };
        let (was, is) = (letter.class == "conflict", aside.class == "conflict");
        if was != is {
            it.resolved.count(&letter.class);
            *(if is { &mut it.counters.conflicts } else { &mut it.counters.failed }) += 1;
        }
    }
    it.retrying.retain(|letter| !pending.contains(letter));
}

/// The next letters that were put back. Where the ledger fails in between, nothing of it has happened.
async fn next(
    letters: &Letters,
    reading: &mut Reading,
    most: usize,
    several: bool,
) -> Result<Vec<Pending>, LedgerError> {
    let (mut found, mut bytes) = (Vec::new(), 0);
    let (mut after, mut over, mut left) = (reading.after.clone(), reading.over, reading.left);
    'pages: while !over {
        let (page, next) = letters.page(after.as_deref()).await?;
        let counted = if several { letters.counted(&page).await? } else { page.iter().map(|_| true).collect() };
        for ((record, letter), counted) in page.into_iter().zip(counted) {
            if letter.retry > 0 && !counted {
                left = true;
            } else if letter.retry > 0 {
                bytes += letter.cursor.json().len() + 64;
                if found.len() == most || bytes > BYTES && !found.is_empty() {
                    break 'pages;
                }
                found.push(Pending { key: letter.cursor, class: letter.class, retry: letter.retry });
            }
            after = Some(record.item);
        }
        over = next.is_none();
        after = next.or(after);
    }
    (reading.after, reading.over, reading.left) = (after, over, left);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cursor::KeyPart;
    use crate::engine::checkpoint;

    fn key(number: u32) -> Cursor {
        Cursor(vec![KeyPart::Int(number.to_string())])
    }

    fn pending(number: u32, class: &str) -> Pending {
        Pending { key: key(number), class: class.to_owned(), retry: 1 }
    }

    #[test]
    fn every_letter_is_counted_once_whatever_becomes_of_it() {
        let counters = Counters { moved: 10, conflicts: 2, failed: 4, ..Counters::default() };
        let letters = [(1, "conflict"), (2, "conflict"), (3, "poison"), (4, "poison"), (5, "killed"), (6, "too_large")]
            .map(|(number, class)| pending(number, class));
        let mut it = Checkpoint { counters, retrying: letters.to_vec(), ..Checkpoint::default() };
        let aside = |number, class| Aside { key: key(number), class, message: String::new() };
        // 1 conflicts again, 4 conflicts now, 2 fails now; 3 and 5 are moved, the row of 6 is gone.
        let outcome = Outcome {
            moved: 2,
            aside: vec![aside(1, "conflict"), aside(4, "conflict"), aside(2, "poison")],
            ..Outcome::default()
        };
        let batch = Counters { moved: 2, ..Counters::default() };
        count(&mut it, &letters, &outcome, &batch);
        assert_eq!((it.counters.moved, it.counters.conflicts, it.counters.failed), (12, 3, 5));
        assert_eq!((it.resolved.conflicts, it.resolved.failed), (1, 4));
        // Sixteen items were passed; one of them is gone.
        assert_eq!(checkpoint::passed([&it]), 15);
        assert_eq!(it.settled, [key(3), key(5), key(6)]);
        assert!(it.retrying.is_empty() && it.has_letters());
    }
}
