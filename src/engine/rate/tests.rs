//! Several runs at one ledger, in virtual time: how much they move together.

use super::*;
use crate::engine::empty::Empty;
use crate::engine::lease::Clock;
use crate::ledger::{Ledger, Page, Record, Swap};
use crate::spec::Limits;
use async_trait::async_trait;
use std::sync::Arc;

/// One record, each call to which takes a while.
#[derive(Default)]
struct Memory(Mutex<Option<Record>>);

#[async_trait]
impl Ledger for Memory {
    async fn get(&self, _: &str, _: &str, _: Duration) -> Result<Option<Record>, LedgerError> {
        tokio::time::sleep(Duration::from_millis(3)).await;
        Ok(self.0.lock().await.clone())
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
        unreachable!("a rate lists nothing")
    }
    async fn swap(&self, record: &Record, seen: Option<&Record>, _: Duration) -> Result<Swap, LedgerError> {
        tokio::time::sleep(Duration::from_millis(4)).await;
        let mut stored = self.0.lock().await;
        if stored.as_ref().map(|stored| stored.seq) != seen.map(|seen| seen.seq) {
            return Ok(Swap::Lost(stored.clone()));
        }
        *stored = Some(record.clone());
        Ok(Swap::Done)
    }
    async fn put(&self, _: &Record, _: Duration) -> Result<(), LedgerError> {
        unreachable!("a rate is swapped")
    }
    async fn delete(&self, _: &str, _: &str, _: Duration) -> Result<(), LedgerError> {
        unreachable!("a rate is kept")
    }
}

/// How one run works: how far off its clock is, and what a batch takes and needs.
#[derive(Clone, Copy)]
struct Way {
    skew: i64,
    takes: Duration,
    /// Of a claim: items that the batch turns out to hold, bytes of each.
    share: f64,
    bytes: u64,
}

const STEADY: Way = Way { skew: 0, takes: Duration::from_millis(60), share: 1.0, bytes: 100 };

/// Items and bytes that such runs move in `time`, and what stops each.
async fn moved(limits: &Limits, ways: &[Way], time: Duration) -> (u64, u64, usize) {
    let ledger: Arc<dyn Ledger> = Arc::new(Memory::default());
    let began = Instant::now();
    let each = ways.iter().map(|&way| {
        let ledger = Arc::clone(&ledger);
        async move {
            let kind = Empty::default();
            let mut run = Run::new("m", &kind, limits, ledger, time, 512);
            let clock: Clock = Arc::new(move || {
                let elapsed = u64::try_from(began.elapsed().as_millis()).unwrap();
                (1_700_000_000_000 + elapsed).saturating_add_signed(way.skew)
            });
            run.terms.clock = clock;
            let (mut items, mut bytes) = (0, 0);
            loop {
                match run.claim(run.budget.remaining()).await.unwrap() {
                    Turn::Never => break,
                    Turn::Wait(wait) => tokio::time::sleep(wait).await,
                    Turn::Now(claim) => {
                        let most = claim.items.unwrap_or(10);
                        let held = whole(usual(most) * way.share).unwrap();
                        tokio::time::sleep(way.takes).await;
                        run.spent(claim, held, held * way.bytes).await;
                        (items, bytes) = (items + held, bytes + held * way.bytes);
                    }
                }
            }
            run.pay_debt().await.unwrap();
            (items, bytes)
        }
    });
    let all = futures(each).await;
    let idle = all.iter().filter(|(items, _)| *items == 0).count();
    (all.iter().map(|(items, _)| items).sum(), all.iter().map(|(_, bytes)| bytes).sum(), idle)
}

/// All of them at once, on this thread.
async fn futures<T>(each: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut pending: Vec<_> = each.map(|one| (Box::pin(one), None)).collect();
    std::future::poll_fn(|context| {
        for (one, done) in &mut pending {
            if done.is_none()
                && let std::task::Poll::Ready(value) = one.as_mut().poll(context)
            {
                *done = Some(value);
            }
        }
        let over = pending.iter().all(|(_, done)| done.is_some());
        if over { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    pending.into_iter().filter_map(|(_, done)| done).collect()
}

fn limits(items: u64, bytes: u64) -> Limits {
    Limits { items_per_second: items, bytes_per_second: bytes, ..Limits::default() }
}

/// The reserve that a run keeps back ends it before its time.
const MINUTE: Duration = Duration::from_millis(61_500);

#[tokio::test(start_paused = true)]
async fn fifty_a_second_by_one_run_and_by_three_at_once() {
    for ways in [vec![STEADY], vec![STEADY; 3], vec![STEADY; 8]] {
        let (items, _, idle) = moved(&limits(50, 0), &ways, MINUTE).await;
        assert!((2940..=3060).contains(&items), "{} runs moved {items} in a minute", ways.len());
        assert_eq!(idle, 0, "each of {} has its turn", ways.len());
    }
}

#[tokio::test(start_paused = true)]
async fn slow_batches_and_batches_that_hold_less_lose_nothing_of_the_rate() {
    let slow = Way { takes: Duration::from_millis(450), ..STEADY };
    let sparse = Way { share: 0.3, takes: Duration::from_millis(20), ..STEADY };
    for way in [slow, sparse] {
        let (items, _, _) = moved(&limits(50, 0), &[way], MINUTE).await;
        assert!((2900..=3060).contains(&items), "{items}");
    }
}

#[tokio::test(start_paused = true)]
async fn rates_of_one_and_of_a_million() {
    let (items, _, _) = moved(&limits(1, 0), &[STEADY], MINUTE).await;
    assert!((59..=61).contains(&items), "{items}");
    let (items, _, _) = moved(&limits(1_000_000, 0), &[STEADY; 3], MINUTE).await;
    assert!((58_000_000..=61_200_000).contains(&items), "{items}");
}

#[tokio::test(start_paused = true)]
async fn bytes_that_only_the_end_of_a_batch_tells_are_paid_for() {
    // A batch takes ten items of a megabyte each, whatever it was told.
    let heavy = Way { bytes: 1 << 20, ..STEADY };
    let (_, bytes, _) = moved(&limits(0, 4 << 20), &[heavy; 2], MINUTE).await;
    let rate = bytes / 60;
    assert!(((4 << 20) * 9 / 10..=(4 << 20) * 11 / 10).contains(&rate), "{rate} bytes a second");
}

#[tokio::test(start_paused = true)]
async fn clocks_that_disagree_keep_nobody_out_and_let_nobody_run_away() {
    for skew in [-3_600_000, -5_000, 5_000, 3_600_000] {
        let (items, _, idle) = moved(&limits(50, 0), &[STEADY, Way { skew, ..STEADY }], MINUTE).await;
        assert!((2000..=3060).contains(&items) && idle == 0, "{skew} ms: {items} in a minute, {idle} had no turn");
    }
}
