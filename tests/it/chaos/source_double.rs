//! A source and a target in memory, whose writes fail, are done although they seem to fail, or are done when nobody waits for
//! them any more. Of every three keys two are items.

use milkrun::cursor::{Cursor, KeyPart};
use milkrun::engine::migration::{Effort, Estimate, Migration, Outcome, Range, Read};
use milkrun::fault::{Class, Fault};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The two tables.
#[derive(Debug, Default)]
struct Tables {
    source: BTreeSet<u64>,
    target: BTreeSet<u64>,
    /// Keys that appear while the first pass is under way, some of them behind it.
    arrivals: Vec<u64>,
}

/// The kind.
#[derive(Clone)]
pub(super) struct SourceDouble {
    tables: Arc<Mutex<Tables>>,
    chance: Arc<Mutex<StdRng>>,
    rate: Arc<AtomicU64>,
    injected: Arc<AtomicU64>,
    /// Where it was cut into shards; whoever asks again is told the same.
    cuts: Arc<Mutex<Vec<u64>>>,
}

fn is_item(key: u64) -> bool {
    !key.is_multiple_of(3)
}

fn cursor(key: u64) -> Cursor {
    Cursor(vec![KeyPart::Int(key.to_string())])
}

fn number(cursor: &Cursor) -> u64 {
    cursor.0[0].text().parse().unwrap()
}

impl SourceDouble {
    /// A source of `keys` keys; so many of a thousand calls go wrong.
    pub(super) fn new(seed: u64, keys: u64, rate: u64) -> Self {
        let mut chance = StdRng::seed_from_u64(seed);
        let source = (1..=keys).map(|key| key * 10).collect();
        let arrivals = (0..chance.random_range(0..6)).map(|_| chance.random_range(1..keys * 10 + 40)).collect();
        Self {
            tables: Arc::new(Mutex::new(Tables { source, target: BTreeSet::new(), arrivals })),
            chance: Arc::new(Mutex::new(chance)),
            rate: Arc::new(AtomicU64::new(rate)),
            injected: Arc::default(),
            cuts: Arc::default(),
        }
    }

    /// From now on nothing goes wrong any more.
    pub(super) fn calm(&self) {
        self.rate.store(0, Ordering::SeqCst);
    }

    /// How many faults there were.
    pub(super) fn injected(&self) -> u64 {
        self.injected.load(Ordering::SeqCst)
    }

    /// What has to be in the target in the end.
    pub(super) fn items(&self) -> BTreeSet<u64> {
        self.tables.lock().unwrap().source.iter().copied().filter(|&key| is_item(key)).collect()
    }

    /// What is in the target.
    pub(super) fn target(&self) -> BTreeSet<u64> {
        self.tables.lock().unwrap().target.clone()
    }

    /// Whether every item of a shard up to `cursor` that was there from the start is in the target.
    pub(super) fn has_all_up_to(&self, shard: usize, cursor: u64) -> bool {
        let cuts = self.cuts.lock().unwrap();
        let start = shard.checked_sub(1).map_or(0, |before| cuts[before]);
        let tables = self.tables.lock().unwrap();
        (start + 10..=cursor).step_by(10).all(|key| !is_item(key) || tables.target.contains(&key))
    }

    fn draw(&self) -> Option<u8> {
        let mut chance = self.chance.lock().unwrap();
        let fault =
            (chance.random_range(0..1000) < self.rate.load(Ordering::SeqCst)).then(|| chance.random_range(0..5));
        self.injected.fetch_add(fault.is_some().into(), Ordering::SeqCst);
        fault
    }

    fn random(&self, most_ms: u64) -> Duration {
        Duration::from_millis(self.chance.lock().unwrap().random_range(0..=most_ms))
    }

    async fn work(&self, keys: u64) {
        tokio::time::sleep(self.random(8 + keys)).await;
    }

    /// A read, which can only fail or be slow.
    async fn ask(&self, keys: u64) -> Result<(), Fault> {
        self.work(keys).await;
        match self.draw() {
            None => Ok(()),
            Some(0) => Err(Fault::new(Class::Capacity, "a fault was injected")),
            Some(1) => {
                tokio::time::sleep(self.random(3000)).await;
                Ok(())
            }
            Some(_) => Err(Fault::new(Class::Transient, "a fault was injected")),
        }
    }

    fn keys(&self, range: &Range, after: Option<&Cursor>, size: u64) -> Vec<u64> {
        let after = after.map_or(0, number);
        let most = usize::try_from(size).unwrap();
        let tables = self.tables.lock().unwrap();
        tables
            .source
            .range(after + 1..=number(&range.bound).max(after + 1))
            .copied()
            .take(most)
            .filter(|&key| key <= number(&range.bound))
            .collect()
    }

    /// One transaction.
    fn insert(&self, batch: &[u64]) -> u64 {
        let mut tables = self.tables.lock().unwrap();
        batch.iter().map(|&key| u64::from(tables.target.insert(key))).sum()
    }
}

fn read(keys: &[u64], batch: Vec<u64>, found: Vec<Cursor>) -> Option<Read<Vec<u64>>> {
    let scanned = keys.len() as u64;
    keys.last().map(|&end| Read { batch, end: cursor(end), scanned, bytes: scanned * 8, found })
}

impl Migration for SourceDouble {
    type Batch = Vec<u64>;

    async fn bound(&self, least: Option<&Cursor>, _limit: Duration) -> Result<Option<Cursor>, Fault> {
        self.ask(1).await?;
        let newest = self.tables.lock().unwrap().source.last().copied();
        Ok(newest.max(least.map(number)).map(cursor))
    }

    async fn split(
        &self,
        bound: &Cursor,
        parts: u32,
        _expected: Estimate,
        _limit: Duration,
    ) -> Result<Vec<Cursor>, Fault> {
        self.ask(1).await?;
        let mut cuts = self.cuts.lock().unwrap();
        if cuts.is_empty() {
            let keys: Vec<u64> = (10..number(bound)).step_by(10).collect();
            let size = (keys.len() / parts as usize).max(1);
            *cuts = keys.chunks(size).take(parts as usize - 1).map(|chunk| *chunk.last().unwrap()).collect();
        }
        Ok(cuts.iter().copied().map(cursor).collect())
    }

    async fn read(
        &self,
        range: &Range,
        after: Option<&Cursor>,
        size: u64,
        _limit: Duration,
    ) -> Result<Option<Read<Vec<u64>>>, Fault> {
        self.ask(size.min(20)).await?;
        let keys = self.keys(range, after, size);
        let arrives = self.chance.lock().unwrap().random_bool(0.3);
        if arrives {
            let mut tables = self.tables.lock().unwrap();
            if let Some(key) = tables.arrivals.pop() {
                tables.source.insert(key);
            }
        }
        let batch = keys.iter().copied().filter(|&key| is_item(key)).collect();
        Ok(read(&keys, batch, Vec::new()))
    }

    async fn sweep(
        &self,
        range: &Range,
        after: Option<&Cursor>,
        size: u64,
        _limit: Duration,
    ) -> Result<Option<Read<Vec<u64>>>, Fault> {
        self.ask(size.min(20)).await?;
        let keys = self.keys(range, after, size);
        let target = self.target();
        let batch: Vec<u64> = keys.iter().copied().filter(|key| is_item(*key) && !target.contains(key)).collect();
        let found = batch.iter().copied().map(cursor).collect();
        Ok(read(&keys, batch, found))
    }

    fn fetch(&self, _range: &Range, keys: &[Cursor]) -> Vec<u64> {
        keys.iter().map(number).collect()
    }

    async fn write(&self, batch: &Vec<u64>, effort: &Effort) -> Result<Outcome, Fault> {
        self.work(batch.len() as u64).await;
        let unknown = || Fault { uncertain: true, ..Fault::new(Class::Transient, "a fault was injected") };
        let fault = self.draw();
        match fault {
            Some(0) => return Err(Fault::new(Class::Transient, "a fault was injected")),
            Some(1) => return Err(Fault::new(Class::Capacity, "a fault was injected")),
            // It commits when nobody waits for it any more.
            Some(2) => {
                let (tables, batch, wait) = (self.clone(), batch.clone(), self.random(3000));
                tokio::spawn(async move {
                    tokio::time::sleep(wait).await;
                    tables.insert(&batch);
                });
                self.work(5).await;
                return Err(unknown());
            }
            Some(3) => tokio::time::sleep(self.random(3000)).await,
            _ => {}
        }
        let new = self.insert(batch);
        // What comes from here on is the reply to the commit.
        self.work(3).await;
        if fault == Some(4) {
            return Err(unknown());
        }
        let all = batch.len() as u64;
        let moved = if effort.recovered { all } else { new };
        Ok(Outcome { moved, skipped: all - moved, aside: Vec::new(), bytes: all * 8 })
    }
}
