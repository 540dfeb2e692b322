//! The right to work on a shard. The lease lives in the checkpoint's own record, so a commit of progress is at the same
//! time the proof that nobody else has taken over.
//!
//! Every write of a holder is one conditional write on the owner, epoch and sequence that it saw last; no clock is in the
//! condition. A holder whose lease ran out, but whom nobody replaced, may still commit; a replaced one cannot.

pub use super::chance::nonce;
use super::checkpoint::{Announced, Checkpoint, RunMark};
use super::patience::swap_until_answered;
use crate::ledger::{Ledger, LedgerError, Record, Swap};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The wall clock, in Unix milliseconds. A port, because tests make it jump.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The machine's own clock.
pub fn system_clock() -> Clock {
    Arc::new(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

/// How long a lease lasts.
#[derive(Clone)]
pub struct Terms {
    /// `lease`: from each acquisition, commit and heartbeat.
    pub lease: Duration,
    /// `MILKRUN_LEASE_MARGIN` in milliseconds: the skew allowance; tests may set it negative.
    pub margin_ms: i64,
    /// When this invocation ends for sure, in Unix milliseconds: no lease outlives it.
    pub deadline_ms: u64,
    /// What time it is.
    pub clock: Clock,
}

impl Terms {
    /// Until when, with and without the skew allowance.
    fn until(&self) -> (u64, u64) {
        let lease = u64::try_from(self.lease.as_millis()).unwrap_or(u64::MAX);
        let expires = (self.clock)().saturating_add(lease).min(self.deadline_ms);
        (expires.saturating_add_signed(self.margin_ms), expires)
    }
}

/// What came of an attempt to acquire.
pub enum Acquired {
    /// The shard is ours.
    Ours(Box<Lease>),
    /// Somebody else holds it.
    Held {
        /// Their nonce.
        owner: String,
        /// Until when at the latest, in Unix milliseconds.
        until: u64,
    },
}

/// What came of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Kept {
    /// It is in the ledger.
    Yes,
    /// Somebody has taken over: nothing may be touched any more.
    Fenced,
}

/// What was found at acquisition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Takeover {
    /// The holder before had announced a batch and never came back.
    pub killed: bool,
}

/// A held lease.
pub struct Lease {
    ledger: Arc<dyn Ledger>,
    terms: Terms,
    seen: Record,
    checkpoint: Checkpoint,
    /// Who has taken the shard, in words, once a write was refused.
    lost: Option<String>,
    /// What was found at acquisition.
    pub takeover: Takeover,
}

impl Lease {
    /// Acquires the shard `item` of `migration` for the run `run`, or says who holds it.
    ///
    /// The holder before who left an announced batch behind was killed or outlived its lease: the range is remembered as
    /// interrupted, and the batch size starts at a quarter.
    pub async fn acquire(
        ledger: Arc<dyn Ledger>,
        migration: &str,
        item: &str,
        run: &str,
        terms: Terms,
        limit: Duration,
    ) -> Result<Acquired, LedgerError> {
        let mut stored = ledger.get(migration, item, limit).await?;
        let owner = nonce();
        loop {
            let now = (terms.clock)();
            let mut checkpoint = stored.as_ref().map_or(Ok(Checkpoint::default()), Checkpoint::from_record)?;
            let held_by = stored.as_ref().and_then(|record| record.owner.clone());
            if let Some(holder) = &held_by
                && checkpoint.lease_until > now
            {
                return Ok(Acquired::Held { owner: holder.clone(), until: checkpoint.lease_until });
            }
            // Of whichever life: what this one does not know of may be later.
            let takeover = inherit(&mut checkpoint, held_by.is_some(), now);
            checkpoint.pace.begin_run(now, &checkpoint.counters.clone());
            checkpoint.run = Some(RunMark { id: run.to_owned(), at: now });
            (checkpoint.lease_until, checkpoint.lease_expires) = terms.until();
            let record = Record {
                migration: migration.to_owned(),
                item: item.to_owned(),
                seq: stored.as_ref().map_or(0, |record| record.seq) + 1,
                epoch: stored.as_ref().map_or(0, |record| record.epoch) + 1,
                owner: Some(owner.clone()),
                stamp: nonce(),
                expires: None,
                body: checkpoint.to_body(),
            };
            match swap_until_answered(&*ledger, &record, stored.as_ref(), limit).await? {
                Swap::Done => {
                    let lease = Self { ledger, terms, seen: record, checkpoint, lost: None, takeover };
                    return Ok(Acquired::Ours(Box::new(lease)));
                }
                Swap::Lost(other) => stored = other,
            }
        }
    }

    /// The checkpoint as the ledger has it.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The epoch of this acquisition.
    pub fn epoch(&self) -> u64 {
        self.seen.epoch
    }

    /// Writes what `change` makes of the checkpoint, and extends the lease.
    pub async fn write(&mut self, change: impl FnOnce(&mut Checkpoint), limit: Duration) -> Result<Kept, LedgerError> {
        let kept = self.extend(change, limit).await?;
        if kept == Kept::Fenced {
            self.warn("commit");
        }
        Ok(kept)
    }

    async fn extend(&mut self, change: impl FnOnce(&mut Checkpoint), limit: Duration) -> Result<Kept, LedgerError> {
        let mut checkpoint = self.checkpoint.clone();
        change(&mut checkpoint);
        (checkpoint.lease_until, checkpoint.lease_expires) = self.terms.until();
        let record = self.next(self.seen.owner.clone(), &checkpoint);
        self.swap(record, checkpoint, limit).await
    }

    /// Extends the lease and changes nothing else.
    pub async fn renew(&mut self, limit: Duration) -> Result<Kept, LedgerError> {
        let kept = self.extend(|_| {}, limit).await?;
        if kept == Kept::Fenced {
            self.warn("renewal");
        }
        Ok(kept)
    }

    fn warn(&self, what: &str) {
        let (migration, epoch) = (&self.seen.migration, self.seen.epoch);
        tracing::warn!(%migration, epoch, "{what} refused: {}", self.lost());
    }

    /// Who has taken the shard, in words, as far as the refused write has told.
    pub(super) fn lost(&self) -> &str {
        self.lost.as_deref().unwrap_or(TAKEN_OVER)
    }

    /// Gives the shard back, after `change`. The announced batch is cleared: its holder left in good order.
    pub async fn release(
        &mut self,
        change: impl FnOnce(&mut Checkpoint),
        limit: Duration,
    ) -> Result<Kept, LedgerError> {
        let mut checkpoint = self.checkpoint.clone();
        change(&mut checkpoint);
        checkpoint.announced = None;
        (checkpoint.lease_until, checkpoint.lease_expires) = (0, 0);
        let record = self.next(None, &checkpoint);
        self.swap(record, checkpoint, limit).await
    }

    /// How often a long batch has to be renewed.
    pub fn heartbeat(&self) -> Duration {
        (self.terms.lease / 3).max(Duration::from_millis(100))
    }

    fn next(&self, owner: Option<String>, checkpoint: &Checkpoint) -> Record {
        Record { seq: self.seen.seq + 1, owner, stamp: nonce(), body: checkpoint.to_body(), ..self.seen.clone() }
    }

    async fn swap(&mut self, record: Record, checkpoint: Checkpoint, limit: Duration) -> Result<Kept, LedgerError> {
        match swap_until_answered(&*self.ledger, &record, Some(&self.seen), limit).await? {
            Swap::Done => {
                self.seen = record;
                self.checkpoint = checkpoint;
                Ok(Kept::Yes)
            }
            Swap::Lost(other) => {
                self.lost = Some(taken_by(other.as_ref()));
                Ok(Kept::Fenced)
            }
        }
    }
}

const TAKEN_OVER: &str = "somebody has taken over";

/// Who has taken a shard from its holder, as what is stored there now tells.
fn taken_by(other: Option<&Record>) -> String {
    let Some(record) = other else { return "its record is no longer in the ledger".to_owned() };
    let Ok(checkpoint) = Checkpoint::from_record(record) else { return TAKEN_OVER.to_owned() };
    // Whoever gives a shard back ends its lease; `reset` takes it away and leaves all else as it was.
    if record.owner.is_none() && checkpoint.lease_until > 0 {
        return "the migration was `reset`".to_owned();
    }
    checkpoint.run.map_or_else(|| TAKEN_OVER.to_owned(), |run| format!("{TAKEN_OVER}, the run {}", run.id))
}

/// Draws the consequences of what the holder before left behind.
fn inherit(checkpoint: &mut Checkpoint, held: bool, now: u64) -> Takeover {
    let Some(announced) = checkpoint.announced.clone() else { return Takeover::default() };
    if !held {
        checkpoint.announced = None;
        return Takeover::default();
    }
    checkpoint.interrupt_announced();
    if checkpoint.lease_expires > now {
        // Only a negative margin allowed this takeover: the holder may well be alive, and its batch innocent.
        return Takeover::default();
    }
    checkpoint.tuner.quarter(announced.size);
    if announced.size <= 1 {
        checkpoint.kills += 1;
        // Dead letters are retried before anything else.
        let retried = checkpoint.retrying.first().map(|pending| pending.key.clone());
        let moved = announced.to.or(announced.keys.into_iter().next());
        let key = retried.or(moved).or(checkpoint.interrupted_keys.first().cloned());
        checkpoint.alone = key.or(checkpoint.alone.take());
    } else {
        (checkpoint.kills, checkpoint.alone) = (0, None);
    }
    // Whoever takes over next counts this acquisition, should it be killed before it announces a batch of its own.
    checkpoint.announced = Some(Announced { size: (announced.size / 4).max(1), to: None, keys: Vec::new() });
    Takeover { killed: true }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cursor::{Cursor, KeyPart};

    fn key(number: u64) -> Cursor {
        Cursor(vec![KeyPart::Int(number.to_string())])
    }

    fn left_behind(announced: Announced) -> Checkpoint {
        Checkpoint { announced: Some(announced), lease_until: 12_000, lease_expires: 10_000, ..Checkpoint::default() }
    }

    #[test]
    fn a_holder_hears_whether_its_migration_was_reset_or_taken_over() {
        let stored = |owner: Option<&str>, lease_until| {
            let run = Some(RunMark { id: "r2".to_owned(), at: 1 });
            Record {
                migration: "m".to_owned(),
                item: "move#0000".to_owned(),
                seq: 2,
                epoch: 2,
                owner: owner.map(str::to_owned),
                stamp: nonce(),
                expires: None,
                body: Checkpoint { lease_until, run, ..Checkpoint::default() }.to_body(),
            }
        };
        assert_eq!(taken_by(Some(&stored(None, 12_000))), "the migration was `reset`");
        for other in [stored(Some("another"), 12_000), stored(None, 0)] {
            assert_eq!(taken_by(Some(&other)), "somebody has taken over, the run r2");
        }
        assert_eq!(taken_by(None), "its record is no longer in the ledger");
    }

    #[test]
    fn a_killed_holder_leaves_its_range_and_a_quarter_of_its_size() {
        let mut checkpoint = left_behind(Announced { size: 100, to: Some(key(9)), keys: Vec::new() });
        assert_eq!(inherit(&mut checkpoint, true, 12_001), Takeover { killed: true });
        assert_eq!(checkpoint.interrupted, Some(key(9)));
        assert_eq!(checkpoint.announced, Some(Announced { size: 25, to: None, keys: Vec::new() }));
        // Killed again before it announced anything: a quarter of the quarter, and the range is still known.
        assert_eq!(inherit(&mut checkpoint, true, 20_000), Takeover { killed: true });
        assert_eq!(checkpoint.announced.as_ref().map(|announced| announced.size), Some(6));
        assert_eq!((checkpoint.interrupted, checkpoint.kills), (Some(key(9)), 0));
    }

    #[test]
    fn an_older_range_reaches_further() {
        let mut checkpoint = left_behind(Announced { size: 5, to: Some(key(3)), keys: Vec::new() });
        checkpoint.interrupted = Some(key(9));
        inherit(&mut checkpoint, true, 20_000);
        assert_eq!(checkpoint.interrupted, Some(key(9)));
    }

    #[test]
    fn what_a_killed_sweep_had_announced_is_not_forgotten_when_a_part_of_it_is_announced_again() {
        let mut checkpoint = left_behind(Announced { size: 3, to: None, keys: vec![key(1), key(2), key(3)] });
        inherit(&mut checkpoint, true, 20_000);
        checkpoint.announced = Some(Announced { size: 1, to: None, keys: vec![key(1)] });
        inherit(&mut checkpoint, true, 30_000);
        assert_eq!(checkpoint.interrupted_keys, [key(1), key(2), key(3)]);
    }

    #[test]
    fn kills_of_a_batch_of_one_are_counted_and_takeovers_by_a_negative_margin_are_not() {
        let mut checkpoint = left_behind(Announced { size: 1, to: Some(key(7)), keys: Vec::new() });
        inherit(&mut checkpoint, true, 20_000);
        inherit(&mut checkpoint, true, 20_000);
        assert_eq!((checkpoint.kills, checkpoint.alone), (2, Some(key(7))));
        let mut checkpoint = left_behind(Announced { size: 1, to: Some(key(7)), keys: Vec::new() });
        assert_eq!(inherit(&mut checkpoint, true, 9_000), Takeover::default());
        assert_eq!((checkpoint.kills, checkpoint.interrupted), (0, Some(key(7))));
    }

    #[test]
    fn the_item_that_was_moved_alone_is_known_also_inside_an_older_range() {
        let mut checkpoint = left_behind(Announced { size: 1, to: Some(key(7)), keys: Vec::new() });
        checkpoint.interrupted = Some(key(500));
        inherit(&mut checkpoint, true, 20_000);
        assert_eq!((checkpoint.alone, checkpoint.interrupted), (Some(key(7)), Some(key(500))));
    }

    #[test]
    fn a_holder_that_left_in_good_order_leaves_nothing() {
        let mut checkpoint = left_behind(Announced { size: 100, to: Some(key(9)), keys: Vec::new() });
        assert_eq!(inherit(&mut checkpoint, false, 20_000), Takeover::default());
        assert_eq!((checkpoint.interrupted, checkpoint.announced), (None, None));
    }
}
