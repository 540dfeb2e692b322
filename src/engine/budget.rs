//! The time and memory that this run may still use.

use std::time::Duration;
use tokio::time::Instant;

/// Time kept back for the last commit, the release, the log line and the reply.
const RESERVE: (Duration, Duration) = (Duration::from_millis(150), Duration::from_millis(1500));

/// A run's budget. The wall clock is read once, when the run begins; from there on only a monotonic one.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    started: Instant,
    end: Instant,
    reserve: Duration,
    total: Duration,
    memory_mb: u64,
}

impl Budget {
    /// A budget that begins now.
    pub fn new(time: Duration, memory_mb: u64) -> Self {
        let started = Instant::now();
        let reserve = (time / 10).clamp(RESERVE.0, RESERVE.1).min(time / 4);
        Self { started, end: started + time, reserve, total: time, memory_mb }
    }

    /// What is left for batches: up to the reserve.
    pub fn remaining(&self) -> Duration {
        self.left().saturating_sub(self.reserve)
    }

    /// What is kept back.
    pub fn reserve(&self) -> Duration {
        self.reserve
    }

    /// What is left until the very end.
    pub fn left(&self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }

    /// How long a call that belongs to finishing (a commit, a release) may take. At the very end it is more than is left: the
    /// platform may end it, but giving up early would lose it for sure.
    pub fn call(&self) -> Duration {
        self.left().clamp(Duration::from_millis(500), Duration::from_secs(5))
    }

    /// The run's whole time.
    pub fn total(&self) -> Duration {
        self.total
    }

    /// Since the run began.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// The memory limit in MB (2^20 bytes).
    pub fn memory_mb(&self) -> u64 {
        self.memory_mb
    }

    /// What a batch should take: `batch_time`, but at most a tenth of the run.
    pub fn batch_time(&self, wanted: Duration) -> Duration {
        wanted.min(self.total / 10)
    }

    /// Whether the process holds so much that another batch could be its last.
    pub fn memory_is_short(&self) -> bool {
        resident_mb().is_some_and(|now| now * 10 >= self.memory_mb * 9)
    }
}

/// The process's resident memory now, in MB.
pub fn resident_mb() -> Option<u64> {
    status_field("VmRSS:")
}

/// The most that it ever was, in MB.
pub fn peak_mb() -> Option<u64> {
    status_field("VmHWM:")
}

fn status_field(name: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(name))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes.div_ceil(1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_reserve_is_not_for_batches() {
        let budget = Budget::new(Duration::from_secs(3), 1024);
        assert_eq!(budget.remaining(), Duration::from_millis(2700));
        tokio::time::advance(Duration::from_millis(2900)).await;
        assert_eq!(budget.remaining(), Duration::ZERO);
        assert_eq!(budget.left(), Duration::from_millis(100));
        assert_eq!(budget.batch_time(Duration::from_secs(1)), Duration::from_millis(300));
    }

    #[test]
    fn memory_is_read() {
        assert!(resident_mb().is_some_and(|now| now > 0));
        assert!(peak_mb() >= resident_mb());
    }
}
