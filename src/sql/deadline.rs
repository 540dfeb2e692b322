//! How long a statement may take: what the server is told, and when we stop believing that it will obey.

use std::time::Duration;

/// How long the server may take, beyond a statement's limit, to stop it and to say so.
pub(super) const GRACE: Duration = Duration::from_secs(1);

/// From this limit on, the server is told a little less than it, so that the setting serves the next statements too.
const ROOMY: Duration = Duration::from_secs(2);

/// The longest wait for somebody else's lock: what the longest of runs keep back for their end.
const LONGEST_LOCK_WAIT: Duration = Duration::from_millis(1500);

/// A time limit as a server was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Armed(Duration);

impl Armed {
    /// What to tell the server for statements that may take `limit`: never more, and never nothing, which to servers
    /// means for ever.
    pub(super) fn new(limit: Duration) -> Self {
        let limit = if limit > ROOMY { limit.mul_f64(0.8) } else { limit };
        Self(limit.max(Duration::from_millis(1)))
    }

    /// Whether it serves a statement that may take `limit` too: it ends no later (give or take what a clock tick is)
    /// and leaves at least half of it.
    pub(super) fn serves(self, limit: Duration) -> bool {
        self.0 <= limit + Duration::from_millis(20) && self.0 >= limit / 2
    }

    /// The time, for a server that counts milliseconds.
    pub(super) fn millis(self) -> u128 {
        self.0.as_millis().max(1)
    }

    /// The time, for a server that counts seconds with a fraction.
    pub(super) fn seconds(self) -> f64 {
        self.0.as_secs_f64().max(0.001)
    }
}

/// How long a statement that may take `limit` may wait for somebody else's lock: less than a run keeps back for its end, of
/// which `limit` is the rest, so that there is time left to give up in good order.
pub(super) fn lock_wait(limit: Duration) -> Duration {
    (limit / 10).clamp(Duration::from_millis(1), LONGEST_LOCK_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_waited_for_no_longer_than_a_run_keeps_back() {
        for run in [100, 500, 1000, 2000, 3000, 15_000, 30_000, 900_000].map(Duration::from_millis) {
            let kept_back = (run / 10).min(Duration::from_millis(1500));
            assert!(lock_wait(run.saturating_sub(kept_back)) <= kept_back, "{run:?}");
        }
    }

    #[test]
    fn a_shrinking_budget_is_told_a_few_times_and_never_exceeded() {
        let mut armed = Armed::new(Duration::from_secs(27));
        let mut told = 1;
        for left in (1..=270).rev().map(|tenths| Duration::from_millis(tenths * 100)) {
            if !armed.serves(left) {
                armed = Armed::new(left);
                told += 1;
            }
            assert!(armed.millis() <= left.as_millis() + 20);
        }
        assert!(told < 40, "{told}");
        assert!(!Armed::new(Duration::from_secs(1)).serves(Duration::from_secs(27)));
        assert_eq!(Armed::new(Duration::ZERO).millis(), 1);
    }
}
