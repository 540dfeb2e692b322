//! The dead letters of a batch, made durable before the cursor passes them.
//!
//! A letter and the counter that counts it are two records, and a run may die, or be replaced, between the two. Therefore the
//! checkpoint holds the mark of letters that no commit has counted yet, and the keys of those that may still be on their way:
//! the next run takes back what is there, and shuts out what arrives after it.

use super::checkpoint::Checkpoint;
use super::dead::{self, Rank};
use super::failpoint::{Point, reach};
use super::hold::hold;
use super::lease::{Kept, nonce};
use super::letters::{self, BYTES, MOST};
use super::migration::{Aside, Migration, Outcome};
use super::run::EngineError;
use super::stretch::Ready;
use super::walk::Walk;
use crate::cursor::Cursor;
use crate::fault::Fault;
use crate::ledger::LedgerError;

impl<M: Migration> Walk<'_, M> {
    /// Makes the letters of a batch durable, and takes back those of an earlier attempt that are none any more.
    /// `None`: the lease was lost.
    pub(super) async fn record(
        &mut self,
        ready: &Ready<M::Batch>,
        outcome: &Outcome,
        attempts: u32,
    ) -> Result<Option<Result<(), Fault>>, EngineError> {
        let aside = &outcome.aside;
        let of_this = |key: &Cursor| aside.iter().any(|aside| aside.key == *key);
        let stale: Vec<Cursor> = self.recorded.iter().filter(|key| !of_this(key)).cloned().collect();
        if aside.is_empty() && stale.is_empty() {
            return Ok(Some(Ok(())));
        }
        let (letters, now) = (letters::of(self.run, &self.state), (self.run.terms.clock)());
        let recorded = if self.letters.is_some() {
            let again = Self::failed_again(ready, outcome);
            self.in_time(letters.again(&again, attempts, now)).await?
        } else {
            self.keep(aside, stale, attempts, now).await?
        };
        reach(Point::LettersRecorded).await;
        Ok(recorded)
    }

    async fn keep(
        &mut self,
        aside: &[Aside],
        stale: Vec<Cursor>,
        attempts: u32,
        now: u64,
    ) -> Result<Option<Result<(), Fault>>, EngineError> {
        let letters = letters::of(self.run, &self.state);
        let rank = Rank { pass: self.state.pass, epoch: self.lease.epoch() };
        let Checkpoint { recording, in_flight, .. } = self.lease.checkpoint().clone();
        let batch = recording.unwrap_or_else(nonce);
        // First what an earlier attempt may have left on its way: only when it has arrived may others be named in its place.
        let (first, rest): (Vec<&Aside>, Vec<&Aside>) = aside.iter().partition(|aside| in_flight.contains(&aside.key));
        let first: Vec<Aside> = first.into_iter().cloned().collect();
        self.recorded = aside.iter().map(|aside| aside.key.clone()).chain(stale.iter().cloned()).collect();
        let settling = async {
            letters.shut_out(stale, &batch, rank, now).await?;
            letters.record(&first, attempts, &batch, rank, now).await
        };
        match self.in_time(settling).await? {
            Some(Ok(())) => {}
            other => return Ok(other),
        }
        for part in parts(&rest) {
            let (mark, keys) = (batch.clone(), part.iter().map(|aside| aside.key.clone()).collect());
            let change = |it: &mut Checkpoint| (it.recording, it.in_flight) = (Some(mark), keys);
            if self.lease.write(change, self.run.budget.call()).await? == Kept::Fenced {
                return Ok(None);
            }
            reach(Point::LettersMarked).await;
            match self.in_time(letters.record(&part, attempts, &batch, rank, now)).await? {
                Some(Ok(())) => {}
                other => return Ok(other),
            }
        }
        Ok(Some(Ok(())))
    }

    /// No longer than what is left for batches: what follows needs the reserve.
    async fn in_time(
        &mut self,
        work: impl Future<Output = Result<(), LedgerError>>,
    ) -> Result<Option<Result<(), Fault>>, EngineError> {
        let remaining = self.run.budget.remaining();
        let work = async {
            let done = tokio::time::timeout(remaining, work).await;
            done.map_or_else(|_| Err(dead::late()), |done| done.map_err(|error| dead::fault(&error)))
        };
        Ok(hold(self.lease, self.run.budget.call(), work).await?)
    }
}

/// As many letters at a time as the checkpoint can name.
fn parts(aside: &[&Aside]) -> Vec<Vec<Aside>> {
    let (mut parts, mut bytes): (Vec<Vec<Aside>>, usize) = (Vec::new(), 0);
    for aside in aside.iter().copied().cloned() {
        bytes += aside.key.json().len() + 64;
        if let Some(part) = parts.last_mut().filter(|part| part.len() < MOST && bytes <= BYTES) {
            part.push(aside);
        } else {
            bytes = aside.key.json().len() + 64;
            parts.push(vec![aside]);
        }
    }
    parts
}
