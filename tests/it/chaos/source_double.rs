//! A source and a target in memory, whose writes fail, are done although they seem to fail, or are done when nobody waits for
//! them any more. Of every three keys two are items, and some of these cannot be moved until somebody mends them. It may tell
//! what changed when, and items may leave it once they are moved, from a database of its own or from the target's.

mod migration;
mod stirring;
mod tables;

use milkrun::cursor::{Cursor, KeyPart};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
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

    /// How many faults there were.
    pub(super) fn injected(&self) -> u64 {
        self.injected.load(Ordering::SeqCst)
    }
}
