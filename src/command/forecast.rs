//! How many runs, how long and how much money: a forecast from what earlier runs have learned, or from an assumption.

use crate::engine::budget::Budget;
use crate::engine::migration::Estimate;
use crate::engine::sizer::{BoundBy, Caps, Tuner};
use crate::spec::Limits;
use std::time::Duration;

/// Keys per second before any run has measured it.
const ASSUMED_RATE: f64 = 5000.0;
/// The template's schedule: a run a minute.
const SCHEDULE_S: f64 = 60.0;
/// The part of a run that is spent within batches.
const USEFUL: f64 = 0.85;
/// A sweep walks the keys once more, but writes nothing: it is counted as a fifth of the pass.
const SWEEP: f64 = 0.2;
/// What each lane beyond the first adds to a run's speed: they share one database.
const LANE: f64 = 0.5;
/// Lambda on x86 in us-east-1: dollars for a GB-second and for a request, as listed on the AWS pricing page in 2026.
const GB_SECOND: f64 = 0.000_016_666_7;
const REQUEST: f64 = 0.000_000_2;
/// DynamoDB on demand, likewise: dollars for a write request unit; a checkpoint of up to 2 KB is two.
const CHECKPOINT: f64 = 2.0 * 0.000_000_625;

/// What a migration will take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Forecast {
    /// What limits a batch.
    pub(super) bound_by: BoundBy,
    /// Runs of the first pass and of the sweep after it.
    pub(super) runs: u64,
    /// Seconds at a run a minute.
    pub(super) wall_clock_s: u64,
    /// Dollars.
    pub(super) cost_usd: f64,
    /// Dollars of one sweep of everything.
    pub(super) sweep_usd: f64,
    /// Nothing was measured yet.
    pub(super) assumed: bool,
}

impl Forecast {
    pub(super) const ASSUMPTION: &str =
        "no run has measured the speed yet: runs, wall clock and cost assume 5,000 keys a second and a run a minute";

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "rough figures"
    )]
    pub(super) fn of(tuner: &Tuner, estimate: Estimate, limits: &Limits, lanes: u32, budget: &Budget) -> Self {
        let caps = Caps {
            target: budget.batch_time(limits.batch_time),
            remaining: budget.total(),
            max_batch: limits.max_batch,
            bytes: u64::MAX / 2,
            items: None,
            rate: None,
            rate_bytes: None,
            failure: None,
            first: true,
        };
        let (size, bound_by) = tuner.next(&caps).unwrap_or((1, BoundBy::Time));
        let measured = tuner.p95(size).map(|time| size as f64 / time.max(Duration::from_millis(1)).as_secs_f64());
        let rate = measured.unwrap_or(ASSUMED_RATE) * (1.0 + LANE * f64::from(lanes.saturating_sub(1)));
        let seconds = budget.total().as_secs_f64();
        let busy_s = estimate.keys as f64 / rate * (1.0 + SWEEP);
        let count = (busy_s / (seconds * USEFUL)).ceil().max(1.0);
        let batches = estimate.keys as f64 * 2.0 / size as f64;
        let gigabytes = budget.memory_mb() as f64 / 1024.0;
        let cost = busy_s / USEFUL * gigabytes * GB_SECOND + count * REQUEST + batches * CHECKPOINT;
        let wall = if count > 1.0 { (count - 1.0) * SCHEDULE_S.max(seconds) + seconds } else { busy_s };
        Self {
            bound_by,
            runs: count as u64,
            wall_clock_s: (wall + limits.settle.as_secs_f64()).ceil() as u64,
            cost_usd: (cost * 10_000.0).ceil() / 10_000.0,
            assumed: measured.is_none(),
            sweep_usd: ((cost * SWEEP / (1.0 + SWEEP)).max(REQUEST) * 10_000.0).ceil() / 10_000.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_take_fewer_runs_and_less_time() {
        let estimate = Estimate { keys: 10_000_000, items: 10_000_000, exact: true };
        let (limits, budget) = (Limits::default(), Budget::new(Duration::from_mins(1), 1024));
        let [one, two, three] =
            [1, 2, 3].map(|lanes| Forecast::of(&Tuner::default(), estimate, &limits, lanes, &budget));
        // 10 million keys at 5,000 a second and a fifth again, of which 51 seconds of each run are spent.
        assert_eq!([one.runs, two.runs, three.runs], [48, 32, 24]);
        assert!(one.wall_clock_s > two.wall_clock_s && two.wall_clock_s > three.wall_clock_s);
        assert!(one.cost_usd > two.cost_usd);
    }
}
