//! What a batch costs: time, of which a fixed part (round trips, the commit) and a part that grows with its keys; and bytes.
//!
//! Both parts are fitted to the batches seen, recent ones counting more, so that a slow network does not shrink batches to
//! nothing.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The weight of everything before, as a new batch comes in.
const MEMORY: f64 = 0.75;
/// Less than this much of a byte a key is none.
const NOTHING: f64 = 1e-3;
/// Batches whose spread around the prediction is remembered.
const SPREAD: usize = 20;
/// A batch that took this many times its prediction, or a small part of it, says that the database has changed: what was
/// learned is dropped.
const BREAK: f64 = 2.0;

/// What was learned from the batches seen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Cost {
    /// Decayed sums over batches: weight, keys, seconds, keys², keys·seconds.
    weight: f64,
    keys: f64,
    secs: f64,
    keys_keys: f64,
    keys_secs: f64,
    /// The fixed part in seconds, where the sums cannot tell it.
    overhead: f64,
    /// Actual over predicted time of the last batches.
    spread: Vec<f64>,
    /// Bytes moved per key scanned, decayed.
    bytes_per_key: f64,
}

impl Cost {
    /// Learns from a batch that looked at `keys`, took `took` with its commit, and moved `bytes`.
    pub(super) fn observe(&mut self, keys: u64, took: Duration, bytes: u64) {
        let (n, t) = (usual(keys.max(1)), took.as_secs_f64().max(1e-6));
        let mut surprised = false;
        if let Some(predicted) = self.predict(keys) {
            let ratio = t / predicted;
            self.spread.push(ratio.min(4.0));
            if self.spread.len() > SPREAD {
                self.spread.remove(0);
            }
            surprised = !(1.0 / (2.0 * BREAK)..=BREAK).contains(&ratio);
        }
        if surprised {
            *self = Self {
                spread: std::mem::take(&mut self.spread),
                overhead: self.overhead.min(t / 2.0),
                bytes_per_key: self.bytes_per_key,
                ..Self::default()
            };
        }
        for sum in [&mut self.weight, &mut self.keys, &mut self.secs, &mut self.keys_keys, &mut self.keys_secs] {
            *sum *= MEMORY;
        }
        self.weight += 1.0;
        self.keys += n;
        self.secs += t;
        self.keys_keys += n * n;
        self.keys_secs += n * t;
        let per_key = usual(bytes) / n;
        self.bytes_per_key = if self.bytes_per_key == 0.0 {
            per_key
        } else {
            (self.bytes_per_key * MEMORY + per_key * (1.0 - MEMORY)).max(per_key)
        };
        // What halves forever becomes a number that DynamoDB does not take.
        if self.bytes_per_key < NOTHING {
            self.bytes_per_key = 0.0;
        }
        if let Some((fixed, _)) = self.fit() {
            self.overhead = fixed;
        }
    }

    /// The time that a batch of `keys` will stay under, nineteen times of twenty; `None` while nothing is known.
    pub(super) fn p95(&self, keys: u64) -> Option<Duration> {
        self.predict(keys).map(|secs| Duration::from_secs_f64(secs * self.factor()))
    }

    /// Whether no batch was seen yet.
    pub(super) fn is_unknown(&self) -> bool {
        self.weight <= 0.0
    }

    /// Bytes moved per key scanned; 0: none were.
    pub(super) fn bytes_per_key(&self) -> f64 {
        self.bytes_per_key
    }

    fn predict(&self, keys: u64) -> Option<f64> {
        self.fit().map(|(fixed, slope)| fixed + slope * usual(keys))
    }

    /// Whether the batches seen were of sizes so different that they tell the fixed part from the rest.
    pub(super) fn varied(&self) -> bool {
        let mean = self.keys / self.weight.max(1e-9);
        self.keys_keys / self.weight.max(1e-9) - mean * mean > (0.1 * mean).powi(2)
    }

    /// Seconds that every batch costs, and seconds per key.
    pub(super) fn fit(&self) -> Option<(f64, f64)> {
        if self.weight <= 0.0 {
            return None;
        }
        let (mean_n, mean_t) = (self.keys / self.weight, self.secs / self.weight);
        let variance = self.keys_keys / self.weight - mean_n * mean_n;
        let slope = if self.varied() {
            (self.keys_secs / self.weight - mean_n * mean_t) / variance
        } else {
            (mean_t - self.overhead) / mean_n
        };
        let slope = slope.clamp(0.05 * mean_t / mean_n, mean_t / mean_n);
        Some(((mean_t - slope * mean_n).max(0.0), slope))
    }

    /// How many times its prediction a batch takes at most, nineteen times of twenty.
    pub(super) fn factor(&self) -> f64 {
        let mut sorted = self.spread.clone();
        sorted.sort_by(f64::total_cmp);
        let place = sorted.len() * 95 / 100;
        sorted.get(place.min(sorted.len().saturating_sub(1))).copied().unwrap_or(1.5).clamp(1.1, 3.0)
    }
}

#[expect(clippy::cast_precision_loss, reason = "sizes stay far below 2^52")]
pub(super) fn usual(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn very_many_batches_without_an_item_leave_no_number_too_small_to_be_stored() {
        let mut cost = Cost::default();
        cost.observe(100, Duration::from_millis(10), 50_000);
        for _ in 0..3000 {
            cost.observe(100, Duration::from_millis(10), 0);
        }
        let stored = serde_json::to_value(&cost).expect("a cost is JSON");
        let small =
            |value: &serde_json::Value| value.as_f64().is_some_and(|number| number != 0.0 && number.abs() < 1e-9);
        let fields = stored.as_object().expect("an object");
        assert!(!fields.values().any(small), "{stored}");
        assert_eq!(cost.bytes_per_key.to_bits(), 0);
    }

    #[test]
    fn the_fixed_part_is_told_from_that_of_the_keys() {
        let mut cost = Cost::default();
        assert!(cost.is_unknown() && cost.p95(1).is_none());
        for keys in [100, 400, 200, 800] {
            cost.observe(keys, Duration::from_secs_f64(0.05 + 0.001 * usual(keys)), 0);
        }
        let (fixed, per_key) = cost.fit().expect("four batches");
        assert!((fixed - 0.05).abs() < 1e-6 && (per_key - 0.001).abs() < 1e-6, "{fixed} s + {per_key} s a key");
    }
}
