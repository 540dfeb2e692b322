//! The batch size finds itself: how many source keys the next batch may look at, and which limit says so.
//!
//! It goes by what batches have cost. What was learned travels in the checkpoint: a cold start does not learn again.

use super::cost::{Cost, usual};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The size of the very first batch of a migration: a key for each millisecond that it may take, within these bounds. Growth is
/// limited, so one that begins much smaller would be on its way for the whole of a run.
const FIRST_SIZE: (u64, u64) = (64, 1000);
/// Growth from one batch to the next, at most.
const GROWTH: f64 = 1.5;
/// What a key is taken to hold as long as none was moved, where bytes have a rate.
const UNSEEN_BYTES: u64 = 4096;
/// Up to this size a batch may be all fixed cost.
const SMALL: u64 = 32;

/// Which limit decided a batch's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BoundBy {
    /// `batch_time`, or what is left of the run.
    Time,
    /// The byte budget of a batch.
    Bytes,
    /// `max_batch`.
    MaxBatch,
    /// Growth is limited from one batch to the next.
    Growth,
    /// `max_items`.
    Items,
    /// `items_per_second` or `bytes_per_second`.
    Rate,
    /// A batch that failed or was killed.
    Failure,
}

/// What a batch may use.
#[derive(Clone, Copy, Debug)]
pub struct Caps {
    /// What a batch should take.
    pub target: Duration,
    /// What is left of the run for batches.
    pub remaining: Duration,
    /// `max_batch`.
    pub max_batch: u64,
    /// Bytes that a batch may move.
    pub bytes: u64,
    /// Items that the run may still pass.
    pub items: Option<u64>,
    /// Keys that hold no more items than the rate allows now.
    pub rate: Option<u64>,
    /// Bytes that the rate allows now.
    pub rate_bytes: Option<u64>,
    /// No more than this, because a batch failed.
    pub failure: Option<u64>,
    /// The run has done nothing yet: something is started in any case, or what was learned from one bad moment would keep
    /// every run after it from starting anything.
    pub first: bool,
}

/// What was learned about the time and bytes of batches; part of the checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tuner {
    /// Size of the next batch before the limits of the moment; 0: nothing learned.
    size: u64,
    /// In the checkpoint it has always been one record.
    #[serde(flatten)]
    cost: Cost,
}

impl Tuner {
    /// The size for the next batch, or `None` when nothing worth starting fits what is left of the run.
    pub fn next(&self, caps: &Caps) -> Option<(u64, BoundBy)> {
        let first = || u64::try_from(caps.target.as_millis()).unwrap_or(u64::MAX).clamp(FIRST_SIZE.0, FIRST_SIZE.1);
        let mut size = if self.size == 0 { first() } else { self.size };
        let mut bound = if self.size == 0 { BoundBy::Growth } else { BoundBy::Time };
        if let Some((fixed, slope)) = self.cost.fit() {
            let target = caps.target.as_secs_f64().max(2.0 * fixed);
            let ideal = whole((target - fixed) / slope);
            if ideal <= size && (size > SMALL || self.cost.varied()) {
                (size, bound) = (ideal, BoundBy::Time);
            } else {
                bound = BoundBy::Growth;
            }
            let fits = (caps.remaining.as_secs_f64() / self.cost.factor() - fixed) / slope;
            if !caps.first && (fits < 1.0 || fits < usual(size) / 20.0) {
                return None;
            }
            if whole(fits) < size {
                (size, bound) = (whole(fits), BoundBy::Time);
            }
        }
        for (bytes, why) in [(Some(caps.bytes), BoundBy::Bytes), (caps.rate_bytes, BoundBy::Rate)] {
            if let (Some(bytes), true) = (bytes, self.cost.bytes_per_key() > 0.0) {
                let by_bytes = whole(usual(bytes) / self.cost.bytes_per_key());
                if by_bytes < size {
                    (size, bound) = (by_bytes, why);
                }
            }
        }
        let unseen = caps.rate_bytes.filter(|_| self.cost.is_unknown()).map(|bytes| bytes / UNSEEN_BYTES);
        for (cap, why) in [
            (Some(caps.max_batch), BoundBy::MaxBatch),
            (caps.items, BoundBy::Items),
            (caps.rate, BoundBy::Rate),
            (unseen, BoundBy::Rate),
            (caps.failure, BoundBy::Failure),
        ] {
            if let Some(cap) = cap.filter(|&cap| cap < size) {
                (size, bound) = (cap, why);
            }
        }
        Some((size.max(1), bound))
    }

    /// The time that a batch of `keys` will stay under, nineteen times of twenty; `None` while nothing is known.
    pub fn p95(&self, keys: u64) -> Option<Duration> {
        self.cost.p95(keys)
    }

    /// Learns from a batch that looked at `keys`, took `took` with its commit, and moved `bytes`.
    pub fn observe(&mut self, keys: u64, took: Duration, bytes: u64) {
        self.cost.observe(keys, took, bytes);
    }

    /// Settles the size that the next batch starts from: the ideal for `target`, but at most half as much again as `keys`,
    /// the size of a batch that went well. A batch that was cut short for another reason does not shrink it.
    pub fn settle(&mut self, keys: u64, target: Duration, max_batch: u64) {
        let Some((fixed, slope)) = self.cost.fit() else { return };
        let mut ideal = whole((target.as_secs_f64().max(2.0 * fixed) - fixed) / slope);
        if keys <= SMALL && !self.cost.varied() {
            // Small batches of one size do not tell what a batch costs from what a key costs: a larger one does.
            ideal = ideal.max(keys + 1 + keys / 4);
        }
        let most = whole(usual(keys.max(self.size)) * GROWTH).max(keys + 1);
        self.size = ideal.min(most).clamp(1, max_batch);
    }

    /// A batch failed: the next ones are no larger than `size` until they have grown again.
    pub fn shrink(&mut self, size: u64) {
        self.size = self.size.min(size).max(1);
    }

    /// Starts over from a quarter of `size`: its batch was killed, or outlived its lease.
    pub fn quarter(&mut self, size: u64) {
        self.size = (size / 4).max(1);
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to what fits")]
fn whole(number: f64) -> u64 {
    number.clamp(1.0, 1e15) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caps() -> Caps {
        Caps {
            target: Duration::from_secs(1),
            remaining: Duration::from_secs(30),
            max_batch: 10_000,
            bytes: u64::MAX / 2,
            items: None,
            rate: None,
            rate_bytes: None,
            failure: None,
            first: false,
        }
    }

    /// Runs `batches` over a database with a fixed cost and a cost per key; returns the last size.
    fn walk(tuner: &mut Tuner, batches: usize, fixed: f64, per_key: f64) -> u64 {
        let mut last = 0;
        for _ in 0..batches {
            let (size, _) = tuner.next(&caps()).expect("there is time");
            let took = Duration::from_secs_f64(fixed + per_key * usual(size));
            tuner.observe(size, took, size * 100);
            tuner.settle(size, caps().target, caps().max_batch);
            last = size;
        }
        last
    }

    #[test]
    fn finds_the_size_that_takes_the_batch_time() {
        let mut tuner = Tuner::default();
        let size = walk(&mut tuner, 30, 0.02, 0.001);
        assert!((900..=1000).contains(&size), "{size}");
    }

    #[test]
    fn grows_by_at_most_half() {
        let mut tuner = Tuner::default();
        let mut last = walk(&mut tuner, 1, 0.001, 0.000_01);
        for _ in 0..10 {
            let size = walk(&mut tuner, 1, 0.001, 0.000_01);
            assert!(size <= last * 3 / 2 + 1, "{last} → {size}");
            last = size;
        }
        assert_eq!(last, 10_000);
    }

    /// A database whose batches cost so much, each up to a tenth more or less than that: the same with a seed.
    struct Simulated {
        fixed: f64,
        per_key: f64,
        seed: u64,
    }

    impl Simulated {
        /// Every speed from a file beside the function to a far server with large documents.
        fn all() -> impl Iterator<Item = Self> {
            let speeds = [0.001, 0.005, 0.02, 0.05, 0.1]
                .into_iter()
                .flat_map(|fixed| [5e-6, 2e-5, 1e-4, 5e-4, 2e-3, 1e-2].map(|per_key| (fixed, per_key)));
            speeds.flat_map(|(fixed, per_key)| (0..20).map(move |seed| Self { fixed, per_key, seed }))
        }

        fn mean(&self, keys: u64) -> f64 {
            self.fixed + self.per_key * usual(keys)
        }

        /// Keys per second in batches of this size.
        fn rate(&self, keys: u64) -> f64 {
            usual(keys) / self.mean(keys)
        }

        fn batch(&mut self, tuner: &mut Tuner) -> u64 {
            self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let noise = 0.9 + 0.2 * usual(self.seed >> 33) / usual(u64::MAX >> 33);
            let (size, _) = tuner.next(&Caps { first: true, ..caps() }).expect("the first batch of a run");
            tuner.observe(size, Duration::from_secs_f64(self.mean(size) * noise), size * 100);
            tuner.settle(size, caps().target, caps().max_batch);
            size
        }
    }

    #[test]
    fn a_cold_start_reaches_four_fifths_of_its_steady_rate_within_six_batches() {
        for mut database in Simulated::all() {
            let mut tuner = Tuner::default();
            let sizes: Vec<u64> = (0..60).map(|_| database.batch(&mut tuner)).collect();
            let rates: Vec<f64> = sizes.iter().map(|&size| database.rate(size)).collect();
            let steady = rates[40..].iter().sum::<f64>() / 20.0;
            let (fixed, per_key) = (database.fixed, database.per_key);
            assert!(rates[5] >= 0.8 * steady, "{fixed} s + {per_key} s a key: {:.0?}, steady {steady:.0}", &rates[..8]);
        }
    }

    #[test]
    fn follows_a_database_that_turns_five_times_slower_within_two_batches() {
        let mut followed = 0;
        for mut database in Simulated::all() {
            let mut tuner = Tuner::default();
            let before = (0..60).map(|_| database.batch(&mut tuner)).last().unwrap_or_default();
            (database.fixed, database.per_key) = (database.fixed * 5.0, database.per_key * 5.0);
            database.batch(&mut tuner);
            database.batch(&mut tuner);
            let third = tuner.next(&caps()).expect("there is time").0;
            let (fixed, per_key) = (database.fixed, database.per_key);
            let most = (1.5 * caps().target.as_secs_f64()).max(3.0 * fixed);
            let took = database.mean(third);
            assert!(took <= most, "{fixed} s + {per_key} s a key: {before} → {third} keys, {took:.2} s");
            // Nor has it overreacted: the fixed part is not most of a batch.
            assert!(
                took >= 0.4 * caps().target.as_secs_f64().min(database.mean(before)),
                "{fixed}, {per_key}: {third}"
            );
            followed += u32::from(third < before);
        }
        assert!(followed > 200, "{followed} of them had to become smaller: too few for this to mean anything");
    }

    #[test]
    fn a_killed_batch_is_followed_by_a_quarter_of_it_whatever_was_learned() {
        for mut database in Simulated::all() {
            let mut tuner = Tuner::default();
            let killed = (0..20).map(|_| database.batch(&mut tuner)).last().unwrap_or_default();
            tuner.quarter(killed);
            let next = tuner.next(&Caps { first: true, ..caps() }).expect("the first batch of a run").0;
            assert!(next <= (killed / 4).max(1), "{killed} → {next}");
            assert!(next * 8 >= killed, "{killed} → {next}");
        }
    }

    #[test]
    fn slow_round_trips_do_not_shrink_batches_to_nothing() {
        let mut tuner = Tuner::default();
        let short = Caps { target: Duration::from_millis(300), ..caps() };
        let mut size = 0;
        for _ in 0..30 {
            (size, _) = tuner.next(&short).expect("there is time");
            tuner.observe(size, Duration::from_secs_f64(0.4 + 0.0005 * usual(size)), 0);
            tuner.settle(size, short.target, short.max_batch);
        }
        assert!(size >= 400, "{size}");
    }

    #[test]
    fn batches_of_one_grow_again_where_round_trips_are_slow() {
        let mut tuner = Tuner::default();
        let short = Caps { target: Duration::from_millis(200), remaining: Duration::from_secs(2), ..caps() };
        tuner.quarter(1);
        let mut size = 0;
        for _ in 0..20 {
            (size, _) = tuner.next(&Caps { first: true, ..short }).expect("there is time");
            tuner.observe(size, Duration::from_secs_f64(0.25 + 0.001 * usual(size)), 0);
            tuner.settle(size, short.target, short.max_batch);
        }
        assert!(size >= 100, "{size}");
    }

    #[test]
    fn nothing_starts_that_will_not_fit() {
        let mut tuner = Tuner::default();
        walk(&mut tuner, 30, 0.02, 0.001);
        let late = Caps { remaining: Duration::from_millis(20), ..caps() };
        assert_eq!(tuner.next(&late), None);
        let (size, bound) = tuner.next(&Caps { remaining: Duration::from_millis(500), ..caps() }).expect("half fits");
        assert_eq!(bound, BoundBy::Time);
        assert!(size < 480, "{size}");
        assert!(tuner.p95(size).expect("known") <= Duration::from_millis(510));
    }

    #[test]
    fn one_bad_moment_does_not_stop_every_run_after_it() {
        let mut tuner = Tuner::default();
        walk(&mut tuner, 5, 0.02, 0.001);
        tuner.observe(1, Duration::from_mins(1), 0);
        tuner.settle(1, caps().target, caps().max_batch);
        assert_eq!(tuner.next(&caps()), None);
        let (size, _) = tuner.next(&Caps { first: true, ..caps() }).expect("the first batch of a run");
        tuner.observe(size, Duration::from_secs_f64(0.02), 0);
        tuner.settle(size, caps().target, caps().max_batch);
        assert!(tuner.next(&caps()).is_some(), "{tuner:?}");
    }

    #[test]
    fn the_least_limit_is_named() {
        let mut tuner = Tuner::default();
        walk(&mut tuner, 30, 0.02, 0.001);
        assert_eq!(tuner.next(&Caps { items: Some(7), ..caps() }), Some((7, BoundBy::Items)));
        assert_eq!(tuner.next(&Caps { rate: Some(9), ..caps() }), Some((9, BoundBy::Rate)));
        assert_eq!(tuner.next(&Caps { rate_bytes: Some(1000), ..caps() }), Some((10, BoundBy::Rate)));
        let fresh = Tuner::default();
        assert_eq!(fresh.next(&Caps { rate_bytes: Some(8 << 10), ..caps() }), Some((2, BoundBy::Rate)));
        assert_eq!(tuner.next(&Caps { failure: Some(3), ..caps() }), Some((3, BoundBy::Failure)));
        assert_eq!(tuner.next(&Caps { max_batch: 50, ..caps() }), Some((50, BoundBy::MaxBatch)));
        assert_eq!(tuner.next(&Caps { bytes: 1000, ..caps() }), Some((10, BoundBy::Bytes)));
    }

    #[test]
    fn what_a_checkpoint_holds_is_one_flat_record() {
        let stored = serde_json::json!({
            "size": 120, "weight": 1.5, "keys": 180.0, "secs": 0.25, "keys_keys": 2250.0, "keys_secs": 31.5,
            "overhead": 0.125, "spread": [1.0, 1.25], "bytes_per_key": 512.0,
        });
        let tuner: Tuner = serde_json::from_value(stored.clone()).expect("a tuner");
        assert_eq!(serde_json::to_string(&tuner).expect("JSON"), stored.to_string());
        // DynamoDB gives 180.0 back as 180.
        let whole = stored.to_string().replace(".0", "");
        assert_eq!(serde_json::from_str::<Tuner>(&whole).expect("a tuner"), tuner);
    }
}
