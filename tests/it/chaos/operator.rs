//! Somebody at the migration's side: mends what is wrong with items, puts dead letters back while runs are under way, and may
//! begin everything anew. Over the same faulty ledger as the runs.

use super::ledger_double::LedgerDouble;
use super::source_double::SourceDouble;
use milkrun::engine::dead::{DeadLetter, Letters};
use milkrun::engine::stop::Stop;
use milkrun::engine::{reset, retry, state};
use milkrun::ledger::{Ledger, LedgerError};
use rand::Rng;
use rand::rngs::StdRng;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(2);

/// What the operator has done.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) retries: AtomicU64,
    pub(super) resets: AtomicU64,
}

/// The operator of one migration.
pub(super) struct Operator {
    pub(super) name: &'static str,
    pub(super) ledger: LedgerDouble,
    pub(super) kind: SourceDouble,
    /// Whether everything may be begun anew.
    pub(super) resets: bool,
    /// Whether items may match no more for a while, as nobody misses in a migration that goes on for ever.
    pub(super) wanders: bool,
}

impl Operator {
    /// Meddles until `end`, and then mends all that can be mended.
    pub(super) async fn work(&self, mut random: StdRng, end: tokio::time::Instant, done: &Done) {
        while tokio::time::Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(random.random_range(100..6000))).await;
            if random.random_bool(0.5) {
                self.kind.cure_one(random.random_range(0..1000));
            }
            if self.wanders && random.random_bool(0.5) {
                self.kind.wander(random.random_range(0..1000));
            }
            if random.random_bool(0.3) {
                self.kind.touch_one(random.random_range(0..1000));
            }
            let asked = match random.random_range(0..10) {
                0 if self.resets => {
                    done.resets.fetch_add(1, Ordering::Relaxed);
                    let ledger: Arc<dyn Ledger> = Arc::new(self.ledger.clone());
                    reset::begin_anew(&ledger, self.name, 1_700_000_000_000, LIMIT).await.map(drop)
                }
                0..=3 => self.put_back(None).await,
                4..=6 => {
                    let class = ["poison", "too_large", "conflict"][random.random_range(0..3)];
                    self.put_back(Some(class)).await
                }
                _ => Ok(()),
            };
            // Whoever is not answered looks again later.
            if asked.is_ok() {
                done.retries.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.kind.cure_all();
        self.kind.settle_down();
    }

    /// Puts back all that there are, until it is heard.
    pub(super) async fn ask_for_all(&self) {
        while self.put_back(None).await.is_err() {
            tokio::time::sleep(Duration::from_millis(700)).await;
        }
    }

    /// As `retry` does it.
    pub(super) async fn put_back(&self, class: Option<&str>) -> Result<(), LedgerError> {
        let stored = state::load(&self.ledger, self.name, LIMIT).await?;
        let letters = self.letters(stored.state.life);
        let request = stored.state.retry + 1;
        let end = tokio::time::Instant::now() + Duration::from_mins(1);
        let (retried, all) = retry::many(&letters, class, request, end, &Stop::default()).await?;
        if all && retried > 0 {
            retry::request(&letters, stored, request, LIMIT).await?;
        }
        Ok(())
    }

    fn letters(&self, life: u64) -> Letters {
        Letters { ledger: Arc::new(self.ledger.clone()), migration: self.name.to_owned(), life }
    }
}

/// The letters that there are, past all faults: key and class.
pub(super) fn letters(ledger: &LedgerDouble, name: &str, life: u64) -> Vec<(u64, String)> {
    let all = ledger.peek_all(name, "dead#");
    let letters = all.iter().map(|record| DeadLetter::from_record(record).unwrap());
    let mut found: Vec<_> = letters
        .filter(|letter| letter.is_of(life))
        .map(|letter| (letter.key[0].parse().unwrap(), letter.class))
        .collect();
    found.sort();
    found
}
