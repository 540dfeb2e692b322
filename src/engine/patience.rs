//! Patience with a ledger that does not answer: what a run asks of it is asked again, as long as the call may take. No call is waited for
//! much longer than the run lasts.

use super::budget::Budget;
use super::chance::fraction;
use crate::ledger::{Ledger, LedgerError, Page, Record, Swap};
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The wait before the second try, at most; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_millis(25);
/// What a call may take also when the run's time is over, if its own limit allows: what was moved is still to be written down.
const LEAST: Duration = Duration::from_secs(1);

/// The ledger as a run has it: reads are as patient as commits, which `swap_until_answered` repeats.
pub struct Patient {
    /// The ledger itself.
    pub ledger: Arc<dyn Ledger>,
    /// The run's time.
    pub budget: Budget,
}

impl Patient {
    fn within(&self, limit: Duration) -> Duration {
        limit.min(self.budget.left().max(LEAST))
    }
}

#[async_trait]
impl Ledger for Patient {
    async fn get(&self, migration: &str, item: &str, limit: Duration) -> Result<Option<Record>, LedgerError> {
        let mut patience = Patience::new(self.within(limit));
        loop {
            let answer = self.ledger.get(migration, item, patience.left()).await;
            if !is_silence(&answer) || !patience.lasts().await {
                return answer;
            }
        }
    }

    async fn list(
        &self,
        migration: &str,
        prefix: &str,
        after: Option<&str>,
        most: usize,
        newest_first: bool,
        limit: Duration,
    ) -> Result<Page, LedgerError> {
        let mut patience = Patience::new(self.within(limit));
        loop {
            let answer = self.ledger.list(migration, prefix, after, most, newest_first, patience.left()).await;
            if !is_silence(&answer) || !patience.lasts().await {
                return answer;
            }
        }
    }

    async fn swap(&self, record: &Record, seen: Option<&Record>, limit: Duration) -> Result<Swap, LedgerError> {
        self.ledger.swap(record, seen, self.within(limit)).await
    }

    async fn put(&self, record: &Record, limit: Duration) -> Result<(), LedgerError> {
        self.ledger.put(record, self.within(limit)).await
    }

    async fn delete(&self, migration: &str, item: &str, limit: Duration) -> Result<(), LedgerError> {
        self.ledger.delete(migration, item, self.within(limit)).await
    }
}

/// Repeats a conditional write that the ledger did not answer, as long as `limit` lasts. The stamp stays the same, so an
/// attempt that had succeeded without a reply is recognised.
pub(super) async fn swap_until_answered(
    ledger: &dyn Ledger,
    record: &Record,
    seen: Option<&Record>,
    limit: Duration,
) -> Result<Swap, LedgerError> {
    let mut patience = Patience::new(limit);
    loop {
        let answer = ledger.swap(record, seen, patience.left()).await;
        if !is_silence(&answer) || !patience.lasts().await {
            return answer;
        }
    }
}

fn is_silence<T>(answer: &Result<T, LedgerError>) -> bool {
    matches!(answer, Err(LedgerError::Unreachable { .. }))
}

/// What is left of a call's time, over all its tries.
struct Patience {
    end: Instant,
    wait: Duration,
}

impl Patience {
    fn new(limit: Duration) -> Self {
        Self { end: Instant::now() + limit, wait: FIRST_WAIT }
    }

    fn left(&self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }

    /// Waits for the next try. `false`: there is no time for one.
    async fn lasts(&mut self) -> bool {
        if self.left() <= self.wait * 2 {
            return false;
        }
        tokio::time::sleep(self.wait.mul_f64(0.5 + fraction() / 2.0)).await;
        self.wait *= 2;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::empty::Empty;
    use crate::engine::run::{EngineError, Run};
    use crate::spec::Limits;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// A ledger that holds nothing. Of its reads so many fail at once; of its writes only the first is answered.
    struct Away {
        failing: AtomicU32,
        writes: AtomicU32,
    }

    impl Away {
        fn new(failing: u32) -> Self {
            Self { failing: AtomicU32::new(failing), writes: AtomicU32::new(0) }
        }

        fn read<T>(&self, answer: T) -> Result<T, LedgerError> {
            let left = self.failing.load(Ordering::SeqCst);
            self.failing.store(left.saturating_sub(1), Ordering::SeqCst);
            if left > 0 { Err(away()) } else { Ok(answer) }
        }
    }

    fn away() -> LedgerError {
        LedgerError::Unreachable { ledger: "double".to_owned(), message: "away".to_owned() }
    }

    #[async_trait]
    impl Ledger for Away {
        async fn get(&self, _: &str, _: &str, _: Duration) -> Result<Option<Record>, LedgerError> {
            self.read(None)
        }

        async fn list(
            &self,
            _: &str,
            _: &str,
            _: Option<&str>,
            _: usize,
            _: bool,
            _: Duration,
        ) -> Result<Page, LedgerError> {
            self.read(Page { records: Vec::new(), next: None })
        }

        async fn swap(&self, _: &Record, _: Option<&Record>, limit: Duration) -> Result<Swap, LedgerError> {
            if self.writes.fetch_add(1, Ordering::SeqCst) == 0 {
                return Ok(Swap::Done);
            }
            tokio::time::sleep(limit).await;
            Err(away())
        }

        async fn put(&self, _: &Record, limit: Duration) -> Result<(), LedgerError> {
            tokio::time::sleep(limit).await;
            Err(away())
        }

        async fn delete(&self, _: &str, _: &str, _: Duration) -> Result<(), LedgerError> {
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_read_is_repeated_as_long_as_its_call_may_take() {
        let (limit, budget) = (Duration::from_secs(5), Budget::new(Duration::from_secs(30), 512));
        let failing = |times| Patient { ledger: Arc::new(Away::new(times)), budget };
        assert_eq!(failing(6).get("m", "state", limit).await.unwrap(), None);
        assert_eq!(failing(6).list("m", "", None, 9, false, limit).await.unwrap().records, []);
        let begun = Instant::now();
        assert!(is_silence(&failing(u32::MAX).get("m", "state", limit).await));
        assert!(begun.elapsed() > limit / 5 && begun.elapsed() <= limit, "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_lasts_little_longer_than_the_run() {
        let patient = Patient { ledger: Arc::new(Away::new(0)), budget: Budget::new(Duration::from_secs(2), 512) };
        let record = Record {
            migration: "m".to_owned(),
            item: "run#1".to_owned(),
            seq: 1,
            epoch: 0,
            owner: None,
            stamp: "s".to_owned(),
            expires: None,
            body: serde_json::Map::new(),
        };
        let begun = Instant::now();
        assert!(is_silence(&patient.put(&record, Duration::from_secs(5)).await));
        assert!(begun.elapsed() < Duration::from_millis(2100), "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_ledger_that_falls_silent_costs_a_run_little_more_than_its_time() {
        let (kind, limits, ledger) = (Empty::default(), Limits::default(), Arc::new(Away::new(0)));
        let run = Run::new("m", &kind, &limits, ledger.clone(), Duration::from_secs(2), 512);
        let begun = Instant::now();
        let error = run.chunk().await.unwrap_err();
        assert!(matches!(error, EngineError::Ledger(LedgerError::Unreachable { .. })), "{error}");
        assert!(begun.elapsed() < Duration::from_millis(2300), "{:?}", begun.elapsed());
        // The lease, the pass that could not be opened, and the lease given back.
        assert_eq!(ledger.writes.load(Ordering::SeqCst), 3);
    }
}
