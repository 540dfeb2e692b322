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

/// S3 Standard, likewise: dollars for a PUT, and for a GET or HEAD.
const PUT: f64 = 0.000_005;
const GET: f64 = 0.000_000_4;
/// Bytes per second that a function receives and sends on, files of whatever size: an assumption.
const THROUGH: f64 = 40e6;
/// Seconds that two calls to S3 and a share of the journal and of the rows' transaction take: an assumption.
const STORING_S: f64 = 0.06;

/// Seconds that a call to S3 takes: an assumption.
const CALL_S: f64 = 0.05;

/// What one item takes, where it takes more than a share of a batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Work {
    /// Items per second before any run has measured it.
    rate: f64,
    /// Requests to S3.
    requests: f64,
    /// Dollars for these.
    usd: f64,
}

impl Work {
    /// A row whose files are fetched and stored: so many files a row of so many bytes, each asked for in so long, so many at once.
    pub(super) fn of_files(files: f64, bytes: f64, waited: Duration, at_once: f64, part: f64) -> Self {
        let each = waited.as_secs_f64() + STORING_S;
        let rate = (at_once / each).min(THROUGH / bytes.max(1.0)) / files.max(0.01);
        // A file of several parts is begun and completed too; each is asked for its head once it is there.
        let parts = (bytes / part).ceil().max(1.0);
        let puts = if parts > 1.0 { parts + 2.0 } else { 1.0 };
        Self { rate, requests: files * (puts + 1.0), usd: files * (puts * PUT + GET) }
    }

    /// An object of so many bytes, so many at once, copied by its server or carried from one to another; each `asked` for its ACL, or not.
    pub(super) fn of_objects(bytes: f64, at_once: f64, one_server: bool, asked: bool) -> Self {
        let gets = f64::from(u8::from(asked)) + if one_server { 0.0 } else { 2.0 };
        let called = at_once / CALL_S / (1.0 + gets);
        let rate = if one_server { called } else { called.min(THROUGH / bytes.max(1.0)) };
        Self { rate, requests: 1.0 + gets, usd: PUT + gets * GET }
    }
}

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
    /// Requests to S3, for a kind that makes them.
    pub(super) requests: Option<u64>,
    /// Nothing was measured yet.
    pub(super) assumed: bool,
}

impl Forecast {
    pub(super) const ASSUMPTION: &str =
        "no run has measured the speed yet: runs, wall clock and cost assume 5,000 keys a second and a run a minute";

    pub(super) const SAMPLED: &str = "no run has measured the speed yet: runs, wall clock and cost follow from the files that were looked at, and a run a minute";

    pub(super) const LISTED: &str = "no run has measured the speed yet: runs, wall clock and cost follow from the listing, 50 ms for a call to S3, and a run a minute";

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "rough figures"
    )]
    pub(super) fn of(
        tuner: &Tuner,
        estimate: Estimate,
        work: Option<Work>,
        limits: &Limits,
        lanes: u32,
        budget: &Budget,
    ) -> Self {
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
        let (items, faster) = (estimate.items as f64, 1.0 + LANE * f64::from(lanes.saturating_sub(1)));
        let seconds = budget.total().as_secs_f64();
        // Keys that are no items are walked, and no more.
        let slow = work.filter(|_| measured.is_none()).map_or(0.0, |work| items / work.rate);
        let busy_s = (estimate.keys as f64 / measured.unwrap_or(ASSUMED_RATE) / faster + slow) * (1.0 + SWEEP);
        let count = (busy_s / (seconds * USEFUL)).ceil().max(1.0);
        let batches = estimate.keys as f64 * 2.0 / size as f64;
        let gigabytes = budget.memory_mb() as f64 / 1024.0;
        let stored = work.map_or(0.0, |work| work.usd * items);
        let cost = busy_s / USEFUL * gigabytes * GB_SECOND + count * REQUEST + batches * CHECKPOINT;
        let wall = if count > 1.0 { (count - 1.0) * SCHEDULE_S.max(seconds) + seconds } else { busy_s };
        Self {
            bound_by,
            runs: count as u64,
            wall_clock_s: (wall + limits.settle.as_secs_f64()).ceil() as u64,
            cost_usd: ((cost + stored) * 10_000.0).ceil() / 10_000.0,
            requests: work.map(|work| (work.requests * items).ceil() as u64),
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
            [1, 2, 3].map(|lanes| Forecast::of(&Tuner::default(), estimate, None, &limits, lanes, &budget));
        // 10 million keys at 5,000 a second and a fifth again, of which 51 seconds of each run are spent.
        assert_eq!([one.runs, two.runs, three.runs], [48, 32, 24]);
        assert!(one.wall_clock_s > two.wall_clock_s && two.wall_clock_s > three.wall_clock_s);
        assert!(one.cost_usd > two.cost_usd);
    }

    #[test]
    fn files_take_what_their_servers_and_s3_take() {
        let (limits, budget) = (Limits::default(), Budget::new(Duration::from_mins(1), 1024));
        let estimate = Estimate { keys: 1_000_000, items: 1_000_000, exact: true };
        let of = |bytes, at_once| {
            let work = Work::of_files(2.0, bytes, Duration::from_millis(40), at_once, 8e6);
            Forecast::of(&Tuner::default(), estimate, Some(work), &limits, 1, &budget)
        };
        let (small, large, slow) = (of(100e3, 16.0), of(50e6, 16.0), of(100e3, 1.0));
        // A PUT and a HEAD each; seven parts, the beginning, the end and a HEAD.
        assert_eq!((small.requests, large.requests), (Some(4_000_000), Some(20_000_000)));
        // Sixteen at once, each a tenth of a second: eighty rows a second, the keys, and a fifth again for the sweep.
        assert_eq!(small.runs, 299);
        let few = Estimate { items: 1000, ..estimate };
        let work = Work::of_files(2.0, 100e3, Duration::from_millis(40), 16.0, 8e6);
        let few = Forecast::of(&Tuner::default(), few, Some(work), &limits, 1, &budget);
        assert_eq!((few.runs, few.requests), (5, Some(4000)), "what does not match is not fetched");
        assert!(slow.runs > 15 * small.runs && large.runs > 25 * small.runs, "{slow:?} {large:?}");
        assert!(small.cost_usd > 10.8 && large.cost_usd > 90.0, "{small:?} {large:?}");
    }
}
