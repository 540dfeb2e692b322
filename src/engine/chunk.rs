//! What adds up over the lanes of one run.

use super::checkpoint::{Checkpoint, Counters};
use super::migration::{Aside, Outcome};
use super::report::{BatchSize, ShardReport, StoppedBy};
use super::shards::{self, Shard};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// What a run has done so far, told and asked by all of its lanes.
#[derive(Default)]
pub(super) struct Chunk(Mutex<Sums>);

#[derive(Default)]
struct Sums {
    counters: Counters,
    /// The same without the dead letters that it retried: what the breaker judges.
    judged: Counters,
    /// The last item set aside.
    last: Option<Aside>,
    /// The shards that it worked on.
    shards: BTreeMap<u32, Worked>,
    /// All shards, as they were when the run looked.
    known: BTreeMap<u32, Checkpoint>,
    /// Lanes at work.
    lanes: u64,
    /// Keys of batches that are under way.
    reserved: u64,
    /// Lanes within a batch, and since when there is one.
    within: u64,
    since: Option<Instant>,
    /// Time within batches, that of lanes side by side counted once.
    batch_time: Duration,
}

/// What a run did in one shard.
#[derive(Default)]
struct Worked {
    counters: Counters,
    size: Option<BatchSize>,
    /// As it was committed last.
    checkpoint: Checkpoint,
    stopped_by: Option<StoppedBy>,
}

/// Keys that no other lane may count on.
pub(super) struct Reserved<'a>(&'a Chunk, u64);

/// A lane is within a batch.
pub(super) struct Within<'a>(&'a Chunk);

impl Chunk {
    fn sums(&self) -> MutexGuard<'_, Sums> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Since the run began.
    pub(super) fn counters(&self) -> Counters {
        self.sums().counters
    }

    /// What the breaker judges, and the last item set aside.
    pub(super) fn judged(&self) -> (Counters, Option<Aside>) {
        let sums = self.sums();
        (sums.judged, sums.last.clone())
    }

    /// Counts a batch that was committed in a shard.
    pub(super) fn count(&self, shard: u32, batch: &Counters, checkpoint: &Checkpoint) {
        let mut sums = self.sums();
        sums.counters.add(batch);
        let worked = sums.shards.entry(shard).or_default();
        worked.counters.add(batch);
        worked.checkpoint = checkpoint.clone();
    }

    /// Has the breaker judge a batch, too.
    pub(super) fn judge(&self, batch: &Counters, outcome: &Outcome) {
        let mut sums = self.sums();
        sums.judged.add(batch);
        if let Some(last) = outcome.aside.last() {
            sums.last = Some(last.clone());
        }
    }

    /// So many lanes begin.
    pub(super) fn lanes(&self, count: u32) {
        self.sums().lanes = count.into();
    }

    /// One of them is at its end; whether it was the last.
    pub(super) fn lane_over(&self) -> bool {
        let mut sums = self.sums();
        sums.lanes = sums.lanes.saturating_sub(1);
        sums.lanes == 0
    }

    /// A lane works on a shard, in the state in which it found it.
    pub(super) fn enter(&self, shard: u32, checkpoint: &Checkpoint) {
        let mut sums = self.sums();
        let worked = sums.shards.entry(shard).or_default();
        (worked.checkpoint, worked.stopped_by) = (checkpoint.clone(), None);
    }

    /// It does so no longer.
    pub(super) fn leave(&self, shard: u32, checkpoint: &Checkpoint, why: StoppedBy) {
        let mut sums = self.sums();
        let worked = sums.shards.entry(shard).or_default();
        worked.checkpoint = checkpoint.clone();
        worked.stopped_by = Some(why);
    }

    /// Whether it has lost the lease of every shard that it no longer works on.
    pub(super) fn gave_none_back(&self) -> bool {
        self.sums().shards.values().all(|worked| worked.stopped_by.is_none_or(|why| why == StoppedBy::Fence))
    }

    /// The size of the batch that comes next in a shard.
    pub(super) fn size(&self, shard: u32, size: BatchSize) {
        self.sums().shards.entry(shard).or_default().size = Some(size);
    }

    /// How many items a lane may still pass: its share of what is left of `max_items`, whatever becomes of the batches that
    /// are under way.
    pub(super) fn share(&self, max_items: u64) -> u64 {
        let sums = self.sums();
        let left = max_items.saturating_sub(sums.counters.items());
        left.saturating_sub(sums.reserved).min((left / sums.lanes.max(1)).max(1))
    }

    /// Keeps so many for a batch until it is over.
    pub(super) fn reserve(&self, keys: u64) -> Reserved<'_> {
        self.sums().reserved += keys;
        Reserved(self, keys)
    }

    /// A lane begins a batch.
    pub(super) fn within(&self) -> Within<'_> {
        let mut sums = self.sums();
        sums.within += 1;
        sums.since.get_or_insert_with(Instant::now);
        Within(self)
    }

    /// What the ledger says of all shards.
    pub(super) fn know(&self, shards: &[Shard]) {
        self.sums().known = shards.iter().map(|shard| (shard.number, shard.checkpoint.clone())).collect();
    }

    /// All shards that it knows of, its own as they were committed last.
    pub(super) fn checkpoints(&self) -> Vec<Checkpoint> {
        let sums = self.sums();
        let mut all = sums.known.clone();
        all.extend(sums.shards.iter().map(|(&shard, worked)| (shard, worked.checkpoint.clone())));
        all.into_values().collect()
    }

    /// Whether nothing was moved, or found equal, in any shard of this life, as far as the run knows.
    pub(super) fn is_untouched(&self, life: u64) -> bool {
        let sums = self.sums();
        let all = sums.known.values().chain(sums.shards.values().map(|worked| &worked.checkpoint));
        all.filter(|it| it.life == life).all(|it| it.counters.moved + it.counters.skipped == 0)
    }

    /// Time within batches.
    pub(super) fn batch_time(&self) -> Duration {
        self.sums().batch_time
    }

    /// Shard by shard.
    pub(super) fn reports(&self) -> Vec<ShardReport> {
        let report = |(&shard, worked): (&u32, &Worked)| ShardReport {
            shard: shards::name(shard),
            pass: worked.checkpoint.pass,
            cursor: worked.checkpoint.cursor.clone(),
            counters: worked.counters,
            stopped_by: worked.stopped_by.unwrap_or(StoppedBy::End),
            batch: worked.size,
        };
        self.sums().shards.iter().map(report).collect()
    }

    /// Seconds for so many keys, at this run's own speed.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rough figure"
    )]
    pub(super) fn eta(&self, keys: u64) -> Option<u64> {
        let sums = self.sums();
        let rate = sums.counters.scanned as f64 / sums.batch_time.as_secs_f64().max(1e-3);
        (rate > 0.0).then(|| (keys as f64 / rate).ceil() as u64)
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        self.0.sums().reserved -= self.1;
    }
}

impl Drop for Within<'_> {
    fn drop(&mut self) {
        let mut sums = self.0.sums();
        sums.within -= 1;
        if sums.within == 0 {
            let since = sums.since.take();
            sums.batch_time += since.map_or(Duration::ZERO, |since| since.elapsed());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_share_what_max_items_leaves_and_never_pass_more() {
        let (chunk, it) = (Chunk::default(), Checkpoint::default());
        assert_eq!(chunk.share(10), 10);
        chunk.lanes(2);
        assert_eq!(chunk.share(10), 5);
        let (one, two) = (chunk.reserve(5), chunk.reserve(5));
        assert_eq!(chunk.share(10), 0);
        // Three of the first five were items.
        chunk.count(0, &Counters { moved: 3, ..Counters::default() }, &it);
        drop(one);
        assert_eq!(chunk.share(10), 2);
        drop(two);
        assert!(!chunk.lane_over());
        assert_eq!(chunk.share(10), 7);
        assert!(chunk.lane_over());
    }

    #[test]
    fn what_was_moved_in_any_shard_of_this_life_was_moved() {
        let chunk = Chunk::default();
        let moved = |life, moved| Checkpoint {
            life,
            counters: Counters { moved, ..Counters::default() },
            ..Checkpoint::default()
        };
        let shard = |number, checkpoint| Shard { number, checkpoint, owner: None };
        chunk.enter(0, &moved(2, 0));
        assert!(chunk.is_untouched(2));
        chunk.know(&[shard(0, moved(2, 0)), shard(1, moved(1, 5))]);
        assert!(chunk.is_untouched(2), "another life's");
        chunk.know(&[shard(0, moved(2, 0)), shard(1, moved(2, 5))]);
        assert!(!chunk.is_untouched(2));
        chunk.know(&[]);
        chunk.leave(0, &moved(2, 1), StoppedBy::End);
        assert!(!chunk.is_untouched(2));
    }

    #[tokio::test(start_paused = true)]
    async fn time_side_by_side_counts_once() {
        let chunk = Chunk::default();
        let one = chunk.within();
        tokio::time::advance(Duration::from_secs(1)).await;
        let two = chunk.within();
        tokio::time::advance(Duration::from_secs(1)).await;
        drop(one);
        tokio::time::advance(Duration::from_secs(1)).await;
        drop(two);
        tokio::time::advance(Duration::from_secs(5)).await;
        drop(chunk.within());
        assert_eq!(chunk.batch_time(), Duration::from_secs(3));
    }
}
