//! What a batch holds that was read ahead, and has to wait for its turn.

use super::ledger_double::LedgerDouble;
use async_trait::async_trait;
use milkrun::cursor::{Cursor, KeyPart};
use milkrun::engine::migration::{Effort, Migration, Outcome, Range, Read};
use milkrun::engine::report;
use milkrun::engine::run::Run;
use milkrun::engine::throttle::{Gauge, Throttle};
use milkrun::fault::Fault;
use milkrun::ledger::Ledger;
use milkrun::spec::Limits;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

/// The last key; the first is 1.
const LAST: u64 = 20;

/// A throttle that says no for ten seconds once something was written.
#[derive(Default)]
struct Closed(Mutex<Option<Instant>>);

#[async_trait]
impl Gauge for Closed {
    async fn reason(&self, _: Duration) -> Option<String> {
        let since = *self.0.lock().unwrap();
        since.filter(|since| since.elapsed() < Duration::from_secs(10)).map(|_| "later".to_owned())
    }
}

/// A source of which each key is read with the moment at which it was.
struct Dated {
    closed: Arc<Closed>,
    /// How old each was when it was written.
    ages: Mutex<Vec<Duration>>,
}

type Found = Result<Option<Read<Vec<Instant>>>, Fault>;

fn key(number: u64) -> Cursor {
    Cursor(vec![KeyPart::Int(number.to_string())])
}

fn number(key: &Cursor) -> u64 {
    key.0[0].text().parse().unwrap()
}

impl Migration for Dated {
    type Batch = Vec<Instant>;

    async fn bound(&self, _: Option<&Cursor>, _: Duration) -> Result<Option<Cursor>, Fault> {
        Ok(Some(key(LAST)))
    }

    async fn read(&self, range: &Range, after: Option<&Cursor>, size: u64, _: Duration) -> Found {
        let first = after.map_or(1, |after| number(after) + 1);
        let last = (first + size - 1).min(number(&range.bound));
        let batch: Vec<Instant> = (first..=last).map(|_| Instant::now()).collect();
        let scanned = batch.len() as u64;
        Ok((scanned > 0).then(|| Read { batch, end: key(last), scanned, bytes: 0, found: Vec::new() }))
    }

    async fn sweep(&self, range: &Range, after: Option<&Cursor>, _: u64, _: Duration) -> Found {
        let end = range.bound.clone();
        let is_over = after == Some(&end);
        Ok((!is_over).then(|| Read { batch: Vec::new(), end, scanned: 1, bytes: 0, found: Vec::new() }))
    }

    fn fetch(&self, _: &Range, _: &[Cursor]) -> Vec<Instant> {
        Vec::new()
    }

    async fn write(&self, batch: &Vec<Instant>, _: &Effort) -> Result<Outcome, Fault> {
        self.ages.lock().unwrap().extend(batch.iter().map(Instant::elapsed));
        self.closed.0.lock().unwrap().get_or_insert_with(Instant::now);
        Ok(Outcome { moved: batch.len() as u64, ..Outcome::default() })
    }
}

/// It would be written as it was before the wait.
#[tokio::test(start_paused = true)]
async fn what_was_read_ahead_is_read_again_after_a_long_wait() {
    let closed = Arc::new(Closed::default());
    let kind = Dated { closed: Arc::clone(&closed), ages: Mutex::default() };
    let limits = Limits { max_batch: 5, settle: Duration::ZERO, ..Limits::default() };
    let ledger: Arc<dyn Ledger> = Arc::new(LedgerDouble::new(1, 0, Arc::new(|_| Ok(()))));
    let mut run = Run::new("job", &kind, &limits, ledger, Duration::from_mins(1), 1 << 30);
    run.throttle = Throttle::by(closed);
    let began = Instant::now();
    let report = run.chunk().await.unwrap();
    assert_eq!((report.outcome, report.counters.moved), (report::Outcome::Complete, LAST));
    assert!(began.elapsed() > Duration::from_secs(10), "it did not wait");
    let ages = kind.ages.lock().unwrap();
    assert!(ages.iter().all(|age| *age < Duration::from_secs(3)), "{ages:?}");
}
