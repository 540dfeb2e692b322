//! A source and a target in memory, whose writes fail, are done although they seem to fail, or are done when nobody waits for
//! them any more. Of every three keys two are items, and some of these cannot be moved until somebody mends them. It may tell
//! what changed when, and items may leave it once they are moved, from a database of its own or from the target's.

use milkrun::cursor::{Cursor, KeyPart};
use milkrun::engine::migration::{Aside, Effort, Layout, Migration, Outcome, Range, Read, Recent};
use milkrun::fault::{Class, Fault};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

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
    /// When a row changed last, in Unix microseconds, if that is told; those that are not named, long ago.
    changed: Option<BTreeMap<u64, u64>>,
    /// Items that were moved and have left.
    gone: BTreeSet<u64>,
    /// Bad items that matched no more at some time, and those of them that do not now.
    wandered: BTreeSet<u64>,
    away: BTreeSet<u64>,
}

/// What happens to an item in the source once it is moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum After {
    /// It stays.
    #[default]
    Keep,
    /// It leaves in the transaction that moves it.
    Delete,
    /// It leaves in a transaction of the source, which commits after that of the target.
    DeleteApart,
}

/// What a batch holds, and whether it was named item by item.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    keys: Vec<u64>,
    named: bool,
}

/// What the virtual clock begins with, in Unix microseconds.
const BEGINNING: u64 = 1_700_000_000_000_000;

/// The server says that a write is too much for it.
pub(super) const TOO_MUCH: u8 = 1;
/// The reply to a commit is lost.
pub(super) const LOST: u8 = 4;

/// The kind.
#[derive(Clone)]
pub(super) struct SourceDouble {
    tables: Arc<Mutex<Tables>>,
    chance: Arc<Mutex<StdRng>>,
    rate: Arc<AtomicU64>,
    injected: Arc<AtomicU64>,
    /// Where it was cut into shards; whoever asks again is told the same.
    cuts: Arc<Mutex<Vec<u64>>>,
    /// What goes wrong with the next writes, whatever chance says.
    next: Arc<Mutex<VecDeque<Option<u8>>>>,
    /// Reads that are answered; those after them are not.
    reads: Arc<AtomicU64>,
    /// How long the answer to where the source ends is on its way.
    late_ms: Arc<AtomicU64>,
    after: After,
    /// Keys go on to appear after the first pass.
    restless: bool,
    /// How often something appeared.
    stirred: Arc<AtomicU64>,
    /// Rows are locked from before they are moved until they have left.
    locks: Arc<tokio::sync::Mutex<()>>,
    began: Instant,
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
            next: Arc::default(),
            reads: Arc::new(AtomicU64::new(u64::MAX)),
            late_ms: Arc::default(),
            after: After::Keep,
            restless: false,
            stirred: Arc::default(),
            locks: Arc::default(),
            began: Instant::now(),
        }
    }

    /// The same, with what becomes of moved items. Where they leave, what a killed run has moved is counted by what is lacking:
    /// while the first pass lasts, nothing else may come or go there, or come again.
    pub(super) fn then(self, after: After) -> Self {
        if after != After::Keep {
            let tables = &mut *self.tables.lock().unwrap();
            tables.arrivals.sort_unstable();
            tables.arrivals.dedup();
            tables.arrivals.retain(|key| !tables.source.contains(key));
        }
        Self { after, ..self }
    }

    /// The same, telling when rows changed.
    pub(super) fn tracked(self) -> Self {
        self.tables.lock().unwrap().changed = Some(BTreeMap::new());
        self
    }

    /// The same, in which keys go on to appear after the first pass.
    pub(super) fn restless(self) -> Self {
        Self { restless: true, ..self }
    }

    /// The same, in which nothing appears by itself.
    pub(super) fn settled(self) -> Self {
        self.tables.lock().unwrap().arrivals.clear();
        self
    }

    /// What time it is here, in Unix microseconds.
    pub(super) fn now(&self) -> u64 {
        BEGINNING + u64::try_from(self.began.elapsed().as_micros()).unwrap()
    }

    /// Only so many reads are answered from now on.
    pub(super) fn answer_reads(&self, many: u64) {
        self.reads.store(many, Ordering::SeqCst);
    }

    /// A row appears, or changes.
    pub(super) fn touch(&self, key: u64) {
        let (now, mut tables) = (self.now(), self.tables.lock().unwrap());
        tables.source.insert(key);
        if let Some(changed) = &mut tables.changed {
            changed.insert(key, now);
        }
        drop(tables);
        self.stirred.fetch_add(1, Ordering::SeqCst);
    }

    /// A row that is there changes.
    pub(super) fn touch_one(&self, which: usize) {
        let there: Vec<u64> = self.tables.lock().unwrap().source.iter().copied().collect();
        if !there.is_empty() {
            self.touch(there[which % there.len()]);
        }
    }

    /// The answer to where the source ends takes so long.
    pub(super) fn answer_late(&self, by: Duration) {
        self.late_ms.store(u64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// How often something appeared, and whether more is to come.
    pub(super) fn stirred(&self) -> (u64, bool) {
        let tables = self.tables.lock().unwrap();
        (self.stirred.load(Ordering::SeqCst), !tables.arrivals.is_empty() || !tables.away.is_empty())
    }

    /// A bad item matches no more, or one that did not matches again.
    pub(super) fn wander(&self, which: usize) {
        let mut tables = self.tables.lock().unwrap();
        // What is in conflict has a target, so that no sweep finds it again, unless it looks at all.
        let found = |class: &str| class != "conflict" || self.after != After::Keep;
        let bad = tables.bad.iter().filter(|(key, class)| !tables.target.contains(key) && found(class));
        let bad: Vec<u64> = bad.map(|(key, _)| *key).collect();
        let Some(&key) = bad.get(which % bad.len().max(1)) else { return };
        if tables.source.remove(&key) {
            tables.wandered.insert(key);
            tables.away.insert(key);
        } else if tables.away.remove(&key) {
            drop(tables);
            self.touch(key);
        }
    }

    /// All of those match again, and nothing more appears.
    pub(super) fn settle_down(&self) {
        let mut tables = self.tables.lock().unwrap();
        tables.arrivals.clear();
        let away = std::mem::take(&mut tables.away);
        drop(tables);
        for key in away {
            self.touch(key);
        }
    }

    /// The reply to the next commit will be lost.
    pub(super) fn lose_a_reply(&self) {
        self.go_wrong([Some(LOST)]);
    }

    /// This is what goes wrong with the next writes, one after the other.
    pub(super) fn go_wrong(&self, with: impl IntoIterator<Item = Option<u8>>) {
        self.next.lock().unwrap().extend(with);
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
        let all = tables.source.union(&tables.gone).copied();
        all.filter(|key| is_item(*key) && !tables.bad.contains_key(key)).collect()
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
        let there = |key: &u64| is_item(*key) && !tables.wandered.contains(key);
        (start + 10..=end).step_by(10).filter(|key| there(key) && !tables.target.contains(key)).collect()
    }

    /// One of the keys that are to come may come now.
    fn arrive(&self) {
        let arrives = self.chance.lock().unwrap().random_bool(0.3);
        let next = if arrives { self.tables.lock().unwrap().arrivals.pop() } else { None };
        if let Some(key) = next {
            self.touch(key);
        }
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

    /// The next changes since then, each with its key, in their order.
    fn changes(&self, range: &Range, since: SystemTime, after: Option<&Cursor>, size: u64) -> Vec<(u64, u64)> {
        let since = u64::try_from(since.duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap();
        let beyond = after.map_or((since, u64::MAX), change);
        let most = usize::try_from(size).unwrap();
        let tables = self.tables.lock().unwrap();
        let all: BTreeSet<(u64, u64)> = changes(&tables).collect();
        let within = |one: &(u64, u64)| *one > beyond && (range.open_end || *one <= change(&range.bound));
        all.into_iter().filter(within).take(most).collect()
    }

    /// What a sweep has to look at.
    fn wanted(&self, key: u64) -> bool {
        let tables = self.tables.lock().unwrap();
        // What is in conflict has a target, of somebody else's.
        let there = tables.target.contains(&key) || tables.bad.get(&key) == Some(&"conflict");
        is_item(key) && (self.after != After::Keep || !there)
    }

    /// What a transaction would do: items that can be moved, and those that cannot; or it is refused altogether. What is not
    /// there any more is no item.
    fn judge(&self, batch: &[u64]) -> Result<(Vec<u64>, Vec<Aside>), Fault> {
        let tables = self.tables.lock().unwrap();
        let batch: Vec<u64> = batch.iter().copied().filter(|key| tables.source.contains(key)).collect();
        let refused = |key: &u64| tables.bad.get(key).filter(|_| !tables.target.contains(key)).copied();
        if batch.iter().any(|key| refused(key) == Some("poison")) {
            return Err(Fault::new(Class::Poison, "an item is refused"));
        }
        let (moves, bad): (Vec<u64>, Vec<u64>) = batch.into_iter().partition(|key| refused(key).is_none());
        let aside =
            |key| Some(Aside { key: cursor(key), class: refused(&key)?, message: "cannot be moved".to_owned() });
        Ok((moves, bad.into_iter().filter_map(aside).collect()))
    }

    /// One transaction; how many were new.
    fn insert(&self, moves: &[u64]) -> u64 {
        let mut tables = self.tables.lock().unwrap();
        let new = moves.iter().map(|&key| u64::from(tables.target.insert(key))).sum();
        if self.after == After::Delete {
            take(&mut tables, moves);
        }
        new
    }

    /// The transaction of a source that lets its rows go once they are in the target.
    fn take_apart(&self, moves: &[u64]) {
        if self.after == After::DeleteApart {
            take(&mut self.tables.lock().unwrap(), moves);
        }
    }

    /// Of these keys those that were moved and have left.
    fn vanished(&self, keys: &[u64]) -> u64 {
        let tables = self.tables.lock().unwrap();
        keys.iter().filter(|key| tables.gone.contains(key) && !tables.source.contains(key)).count() as u64
    }
}

fn take(tables: &mut Tables, moves: &[u64]) {
    for key in moves {
        if tables.source.remove(key) {
            tables.gone.insert(*key);
        }
    }
}

fn changes(tables: &Tables) -> impl Iterator<Item = (u64, u64)> {
    let changed = tables.changed.iter().flatten();
    changed.filter(|(key, _)| tables.source.contains(key)).map(|(key, at)| (*at, *key))
}

/// A cursor in the order of changes.
fn change(cursor: &Cursor) -> (u64, u64) {
    (number(cursor), cursor.0[1].text().parse().unwrap())
}

fn change_cursor((at, key): (u64, u64)) -> Cursor {
    Cursor(vec![KeyPart::Int(at.to_string()), KeyPart::Int(key.to_string())])
}

fn read(ends: &[Cursor], keys: Vec<u64>, found: Vec<Cursor>) -> Option<Read<Keys>> {
    let (scanned, named) = (ends.len() as u64, !found.is_empty());
    ends.last().map(|end| Read { batch: Keys { keys, named }, end: end.clone(), scanned, bytes: scanned * 8, found })
}

impl Migration for SourceDouble {
    type Batch = Keys;

    fn takes_away(&self) -> bool {
        self.after != After::Keep
    }

    async fn recent(&self, since: SystemTime, _limit: Duration) -> Result<Option<Recent>, Fault> {
        self.ask(1).await?;
        let since = u64::try_from(since.duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap();
        let tables = self.tables.lock().unwrap();
        if tables.changed.is_none() {
            return Ok(None);
        }
        let last = changes(&tables).max().filter(|(at, _)| *at > since);
        Ok(Some(Recent { bound: last.map(change_cursor) }))
    }

    async fn count(&self, batch: &Keys, _limit: Duration) -> Result<Option<u64>, Fault> {
        self.ask(1).await?;
        let tables = self.tables.lock().unwrap();
        Ok(Some(batch.keys.iter().filter(|key| tables.source.contains(key)).count() as u64))
    }

    async fn bound(&self, least: Option<&Cursor>, _limit: Duration) -> Result<Option<Cursor>, Fault> {
        self.ask(1).await?;
        if least.is_some() && !self.restless {
            // What appears from here on, the last sweep need not find.
            self.tables.lock().unwrap().arrivals.clear();
        }
        let newest = self.tables.lock().unwrap().source.last().copied();
        tokio::time::sleep(Duration::from_millis(self.late_ms.load(Ordering::SeqCst))).await;
        Ok(newest.max(least.map(number)).map(cursor))
    }

    async fn lay_out(
        &self,
        bound: &Cursor,
        pass_started: SystemTime,
        parts: u32,
        limit: Duration,
    ) -> Result<Layout, Fault> {
        let expected = self.estimate(pass_started, limit).await;
        if parts < 2 {
            return Ok(Layout { expected, cuts: Vec::new() });
        }
        self.ask(1).await?;
        let mut cuts = self.cuts.lock().unwrap();
        if cuts.is_empty() {
            let keys: Vec<u64> = (10..number(bound)).step_by(10).collect();
            let size = (keys.len() / parts as usize).max(1);
            *cuts = keys.chunks(size).take(parts as usize - 1).map(|chunk| *chunk.last().unwrap()).collect();
        }
        Ok(Layout { expected, cuts: cuts.iter().copied().map(cursor).collect() })
    }

    async fn read(
        &self,
        range: &Range,
        after: Option<&Cursor>,
        size: u64,
        _limit: Duration,
    ) -> Result<Option<Read<Keys>>, Fault> {
        let answered = |left: u64| left.checked_sub(1);
        if self.reads.fetch_update(Ordering::SeqCst, Ordering::SeqCst, answered).is_err() {
            std::future::pending::<()>().await;
        }
        self.ask(size.min(20)).await?;
        let keys = self.keys(range, after, size);
        if self.after == After::Keep {
            self.arrive();
        }
        let ends: Vec<Cursor> = keys.iter().copied().map(cursor).collect();
        Ok(read(&ends, keys.into_iter().filter(|&key| is_item(key)).collect(), Vec::new()))
    }

    async fn sweep(
        &self,
        range: &Range,
        after: Option<&Cursor>,
        size: u64,
        _limit: Duration,
    ) -> Result<Option<Read<Keys>>, Fault> {
        self.ask(size.min(20)).await?;
        let (keys, ends): (Vec<u64>, Vec<Cursor>) = match range.since {
            Some(since) => {
                let changes = self.changes(range, since, after, size);
                changes.into_iter().map(|one| (one.1, change_cursor(one))).unzip()
            }
            None => self.keys(range, after, size).into_iter().map(|key| (key, cursor(key))).unzip(),
        };
        if self.restless {
            self.arrive();
        }
        let batch: Vec<u64> = keys.into_iter().filter(|&key| self.wanted(key)).collect();
        let found = batch.iter().copied().map(cursor).collect();
        Ok(read(&ends, batch, found))
    }

    fn fetch(&self, _range: &Range, keys: &[Cursor]) -> Keys {
        Keys { keys: keys.iter().map(number).collect(), named: true }
    }

    async fn write(&self, batch: &Keys, effort: &Effort) -> Result<Outcome, Fault> {
        let Keys { keys: batch, named } = batch;
        self.work(batch.len() as u64).await;
        let _locked = if self.takes_away() { Some(self.locks.lock().await) } else { None };
        let unknown = || Fault { uncertain: true, ..Fault::new(Class::Transient, "a fault was injected") };
        let planned = self.next.lock().unwrap().pop_front();
        let fault = planned.unwrap_or_else(|| self.draw());
        match fault {
            Some(0) => return Err(Fault::new(Class::Transient, "a fault was injected")),
            Some(TOO_MUCH) => return Err(Fault::new(Class::Capacity, "a fault was injected")),
            // It commits when nobody waits for it any more.
            Some(2) => {
                let ((moves, _), tables, wait) = (self.judge(batch)?, self.clone(), self.random(3000));
                tokio::spawn(async move {
                    tokio::time::sleep(wait).await;
                    let _locked = tables.locks.lock().await;
                    let there = tables.judge(&moves).map_or(Vec::new(), |(there, _)| there);
                    tables.insert(&there);
                    let both = tables.chance.lock().unwrap().random_bool(0.5);
                    if both {
                        tables.take_apart(&there);
                    }
                });
                self.work(5).await;
                return Err(unknown());
            }
            Some(3) => tokio::time::sleep(self.random(3000)).await,
            _ => {}
        }
        let (fit, aside) = self.judge(batch)?;
        let gone = if *named && effort.recovered { self.vanished(batch) } else { 0 };
        let new = self.insert(&fit);
        if self.after == After::DeleteApart {
            self.work(3).await;
            if self.draw() == Some(0) {
                return Err(unknown());
            }
            self.take_apart(&fit);
        }
        // What comes from here on is the reply to the commit.
        self.work(3).await;
        if fault == Some(LOST) {
            return Err(unknown());
        }
        let all = fit.len() as u64;
        let moved = if effort.recovered { all } else { new };
        Ok(Outcome { moved: moved + gone, skipped: all - moved, aside, bytes: all * 8 })
    }

    async fn is_item(&self, _range: &Range, key: &Cursor, _limit: Duration) -> Result<bool, Fault> {
        self.ask(1).await?;
        Ok(is_item(number(key)) && self.tables.lock().unwrap().source.contains(&number(key)))
    }
}
