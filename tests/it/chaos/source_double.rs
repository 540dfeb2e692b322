//! A source and a target in memory, whose writes fail, are done although they seem to fail, or are done when nobody waits for
//! them any more. Of every three keys two are items, and some of these cannot be moved until somebody mends them.

use milkrun::cursor::{Cursor, KeyPart};
use milkrun::engine::migration::{Aside, Effort, Estimate, Migration, Outcome, Range, Read};
use milkrun::fault::{Class, Fault};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The two tables.
#[derive(Debug, Default)]
struct Tables {
    source: BTreeSet<u64>,
    /// The last of those that were there from the start.
    first_end: u64,
    target: BTreeSet<u64>,
    /// Keys that appear while the first pass is under way, some of them behind it.
    arrivals: Vec<u64>,
    /// Items that cannot be moved, each with the class of its dead letter. The target refuses a whole batch for one that is
    /// `poison`; the others are told apart.
    bad: BTreeMap<u64, &'static str>,
    /// Those among them that stay so.
    incurable: BTreeSet<u64>,
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
    /// The reply to the next commit is lost, whatever chance says.
    lose: Arc<AtomicBool>,
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
        let tables = Tables { source, first_end: keys * 10, arrivals, ..Tables::default() };
        Self {
            tables: Arc::new(Mutex::new(tables)),
            chance: Arc::new(Mutex::new(chance)),
            rate: Arc::new(AtomicU64::new(rate)),
            injected: Arc::default(),
            cuts: Arc::default(),
            lose: Arc::default(),
        }
    }

    /// The reply to the next commit will be lost.
    pub(super) fn lose_a_reply(&self) {
        self.lose.store(true, Ordering::SeqCst);
    }

    /// This item cannot be moved.
    pub(super) fn refuse(&self, key: u64) {
        self.tables.lock().unwrap().bad.insert(key, "poison");
    }

    /// So many of a hundred items cannot be moved, and a part of them never can.
    pub(super) fn spoil(&self, percent: u32) {
        let (mut tables, mut chance) = (self.tables.lock().unwrap(), self.chance.lock().unwrap());
        let all: Vec<u64> = tables.source.iter().chain(&tables.arrivals).copied().filter(|&key| is_item(key)).collect();
        for key in all {
            if chance.random_ratio(percent, 100) {
                // A target of somebody else's hides what appears behind the cursor from every sweep.
                let classes = if tables.source.contains(&key) { 4 } else { 3 };
                let class = ["poison", "poison", "too_large", "conflict"][chance.random_range(0..classes)];
                tables.bad.insert(key, class);
                if chance.random_bool(0.2) {
                    tables.incurable.insert(key);
                }
            }
        }
    }

    /// Mends one item, if there is one that can be mended.
    pub(super) fn cure_one(&self, which: usize) {
        let mut tables = self.tables.lock().unwrap();
        let curable: Vec<u64> = tables.bad.keys().copied().filter(|key| !tables.incurable.contains(key)).collect();
        if !curable.is_empty() {
            tables.bad.remove(&curable[which % curable.len()]);
        }
    }

    /// Mends all that can be mended.
    pub(super) fn cure_all(&self) {
        let tables = &mut *self.tables.lock().unwrap();
        tables.bad.retain(|key, _| tables.incurable.contains(key));
    }

    /// Items of the source that cannot be moved, with the class of each.
    pub(super) fn bad(&self) -> Vec<(u64, String)> {
        let tables = self.tables.lock().unwrap();
        let there = tables.bad.iter().filter(|(key, _)| tables.source.contains(key));
        there.map(|(key, class)| (*key, (*class).to_owned())).collect()
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
        let tables = self.tables.lock().unwrap();
        tables.source.iter().copied().filter(|key| is_item(*key) && !tables.bad.contains_key(key)).collect()
    }

    /// What is in the target.
    pub(super) fn target(&self) -> BTreeSet<u64> {
        self.tables.lock().unwrap().target.clone()
    }

    /// Items of a shard up to `cursor` that were there from the start and are not in the target.
    pub(super) fn lacks_up_to(&self, shard: usize, cursor: u64) -> Vec<u64> {
        let cuts = self.cuts.lock().unwrap();
        let start = shard.checked_sub(1).map_or(0, |before| cuts[before]);
        let tables = self.tables.lock().unwrap();
        let end = cursor.min(tables.first_end);
        (start + 10..=end).step_by(10).filter(|key| is_item(*key) && !tables.target.contains(key)).collect()
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

    /// What a transaction would do: items that can be moved, and those that cannot; or it is refused altogether.
    fn judge(&self, batch: &[u64]) -> Result<(Vec<u64>, Vec<Aside>), Fault> {
        let tables = self.tables.lock().unwrap();
        let refused = |key: &u64| tables.bad.get(key).filter(|_| !tables.target.contains(key)).copied();
        if batch.iter().any(|key| refused(key) == Some("poison")) {
            return Err(Fault::new(Class::Poison, "an item is refused"));
        }
        let (moves, bad): (Vec<u64>, Vec<u64>) = batch.iter().partition(|key| refused(key).is_none());
        let aside =
            |key| Some(Aside { key: cursor(key), class: refused(&key)?, message: "cannot be moved".to_owned() });
        Ok((moves, bad.into_iter().filter_map(aside).collect()))
    }

    /// One transaction; how many were new.
    fn insert(&self, moves: &[u64]) -> u64 {
        let mut tables = self.tables.lock().unwrap();
        moves.iter().map(|&key| u64::from(tables.target.insert(key))).sum()
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
        if least.is_some() {
            // What appears from here on, the last sweep need not find.
            self.tables.lock().unwrap().arrivals.clear();
        }
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
        // What is in conflict has a target, of somebody else's.
        let foreign = |key: &u64| self.tables.lock().unwrap().bad.get(key) == Some(&"conflict");
        let missing = |key: &u64| is_item(*key) && !target.contains(key) && !foreign(key);
        let batch: Vec<u64> = keys.iter().copied().filter(missing).collect();
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
                let ((moves, _), tables, wait) = (self.judge(batch)?, self.clone(), self.random(3000));
                tokio::spawn(async move {
                    tokio::time::sleep(wait).await;
                    tables.insert(&moves);
                });
                self.work(5).await;
                return Err(unknown());
            }
            Some(3) => tokio::time::sleep(self.random(3000)).await,
            _ => {}
        }
        let (fit, aside) = self.judge(batch)?;
        let new = self.insert(&fit);
        // What comes from here on is the reply to the commit.
        self.work(3).await;
        if fault == Some(4) || self.lose.swap(false, Ordering::SeqCst) {
            return Err(unknown());
        }
        let all = fit.len() as u64;
        let moved = if effort.recovered { all } else { new };
        Ok(Outcome { moved, skipped: all - moved, aside, bytes: all * 8 })
    }

    async fn is_item(&self, _range: &Range, key: &Cursor, _limit: Duration) -> Result<bool, Fault> {
        self.ask(1).await?;
        Ok(is_item(number(key)))
    }
}
