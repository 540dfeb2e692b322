//! A ledger in memory that loses replies, answers late, applies what nobody waits for any more, and keeps account of what it
//! accepts: a checkpoint that moves back, a sequence number or an epoch that comes twice is a violation on the spot.

use async_trait::async_trait;
use milkrun::ledger::{Ledger, LedgerError, MAX_RECORD_BYTES, Page, Record, Swap, VERSION};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// It never arrives.
    Reject,
    /// It is done, and the reply is lost.
    LoseReply,
    /// It arrives when nobody waits any more.
    Late,
    /// It is done and answered, and arrives once more later.
    Twice,
    /// It takes longer than anybody waits.
    Slow,
}

/// What the stored records have to keep to, beside what the engine means by them.
pub(super) type Rule = Arc<dyn Fn(&Record) -> Result<(), String> + Send + Sync>;

/// A handle on the ledger; all handles see the same records.
#[derive(Clone)]
pub(super) struct LedgerDouble(Arc<Shared>);

struct Shared {
    records: Mutex<BTreeMap<(String, String), (Record, u64)>>,
    chance: Mutex<StdRng>,
    /// Faults in a thousand calls.
    rate: AtomicU64,
    injected: AtomicU64,
    accepted: AtomicU64,
    violation: Mutex<Option<String>>,
    rule: Rule,
}

impl LedgerDouble {
    /// An empty ledger in which so many of a thousand calls go wrong.
    pub(super) fn new(seed: u64, rate: u64, rule: Rule) -> Self {
        Self(Arc::new(Shared {
            records: Mutex::default(),
            chance: Mutex::new(StdRng::seed_from_u64(seed)),
            rate: AtomicU64::new(rate),
            injected: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
            violation: Mutex::default(),
            rule,
        }))
    }

    /// From now on nothing goes wrong any more.
    pub(super) fn calm(&self) {
        self.0.rate.store(0, Ordering::SeqCst);
    }

    /// How many faults there were.
    pub(super) fn injected(&self) -> u64 {
        self.0.injected.load(Ordering::SeqCst)
    }

    /// The first rule that was broken.
    pub(super) fn violation(&self) -> Option<String> {
        self.0.violation.lock().unwrap().clone()
    }

    /// What is stored, past all faults.
    pub(super) fn peek(&self, migration: &str, item: &str) -> Option<Record> {
        self.0.records.lock().unwrap().get(&key(migration, item)).map(|(record, _)| record.clone())
    }

    /// Every record whose item begins so, past all faults.
    pub(super) fn peek_all(&self, migration: &str, prefix: &str) -> Vec<Record> {
        let records = self.0.records.lock().unwrap();
        let of = |(name, item): &(String, String)| name == migration && item.starts_with(prefix);
        records.iter().filter(|(place, _)| of(place)).map(|(_, (record, _))| record.clone()).collect()
    }

    /// Makes a record look as if another version of milkrun had written it.
    pub(super) fn set_version(&self, migration: &str, item: &str, version: u64) {
        self.0.records.lock().unwrap().get_mut(&key(migration, item)).unwrap().1 = version;
    }

    fn draw(&self) -> Option<Fault> {
        let mut chance = self.0.chance.lock().unwrap();
        let fault = (chance.random_range(0..1000) < self.0.rate.load(Ordering::SeqCst)).then(|| {
            [Fault::Reject, Fault::LoseReply, Fault::Late, Fault::Twice, Fault::Slow][chance.random_range(0..5)]
        });
        self.0.injected.fetch_add(fault.is_some().into(), Ordering::SeqCst);
        fault
    }

    fn random(&self, most_ms: u64) -> Duration {
        Duration::from_millis(self.0.chance.lock().unwrap().random_range(0..=most_ms))
    }

    async fn travel(&self) {
        tokio::time::sleep(self.random(12)).await;
    }

    /// One call, with everything that may happen to it. `apply` may be done more than once.
    async fn call<T: Send + 'static>(
        &self,
        limit: Duration,
        apply: impl Fn(&Self) -> T + Send + 'static,
    ) -> Result<T, LedgerError> {
        let lost = || LedgerError::Unreachable { ledger: "double".into(), message: "a fault was injected".into() };
        let exchange = async {
            self.travel().await;
            let answer = match self.draw() {
                None => apply(self),
                Some(Fault::Reject) => return Err(lost()),
                Some(Fault::LoseReply) => {
                    apply(self);
                    self.travel().await;
                    return Err(lost());
                }
                Some(Fault::Late) => {
                    self.later(apply);
                    tokio::time::sleep(self.random(300)).await;
                    return Err(lost());
                }
                Some(Fault::Twice) => {
                    let answer = apply(self);
                    self.later(apply);
                    answer
                }
                Some(Fault::Slow) => {
                    let first = self.0.chance.lock().unwrap().random_bool(0.5);
                    if first {
                        apply(self);
                    }
                    tokio::time::sleep(limit).await;
                    return Err(lost());
                }
            };
            self.travel().await;
            Ok(answer)
        };
        tokio::time::timeout(limit, exchange).await.unwrap_or_else(|_| Err(lost()))
    }

    fn later<T: Send + 'static>(&self, apply: impl Fn(&Self) -> T + Send + 'static) {
        let (ledger, wait) = (self.clone(), self.random(4000));
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            apply(&ledger);
        });
    }

    fn read(&self, migration: &str, item: &str) -> Result<Option<Record>, LedgerError> {
        self.0.records.lock().unwrap().get(&key(migration, item)).map(known).transpose()
    }

    fn write(&self, record: &Record, seen: Option<&Record>) -> Result<Swap, LedgerError> {
        let condition = |record: &Record| (record.seq, record.epoch, record.owner.clone());
        let stored = self.read(&record.migration, &record.item)?;
        if stored.as_ref().map(condition) != seen.map(condition) {
            let own = stored.as_ref().is_some_and(|stored| stored.stamp == record.stamp);
            return Ok(if own { Swap::Done } else { Swap::Lost(stored) });
        }
        self.accept(stored.as_ref(), record);
        Ok(Swap::Done)
    }

    fn accept(&self, before: Option<&Record>, record: &Record) {
        self.0.accepted.fetch_add(1, Ordering::SeqCst);
        let broken = before.and_then(|before| moved_back(before, record)).or_else(|| (self.0.rule)(record).err());
        if let Some(broken) = broken {
            self.0.violation.lock().unwrap().get_or_insert(broken);
        }
        let place = key(&record.migration, &record.item);
        self.0.records.lock().unwrap().insert(place, (record.clone(), VERSION));
    }
}

/// What a checkpoint may never do.
fn moved_back(before: &Record, after: &Record) -> Option<String> {
    let broken = if after.seq <= before.seq {
        "two writes were accepted for one sequence number"
    } else if after.epoch < before.epoch && era(before) == era(after) {
        "an older epoch wrote after a newer one"
    } else if before.item.starts_with("move#") && place(after) < place(before) {
        "life, pass or cursor moved back"
    } else {
        return None;
    };
    Some(format!("{broken}:\n{before:?}\n{after:?}"))
}

/// Epochs are of one life; those of dead letters of one pass, since the next one may be another shard's business.
fn era(record: &Record) -> [Option<&Value>; 2] {
    let pass = record.item.starts_with("dead#").then(|| record.body.get("pass")).flatten();
    [record.body.get("life"), pass]
}

/// Life, pass and cursor of a checkpoint whose key is one integer.
pub(super) fn place(record: &Record) -> (u64, u64, u64) {
    let number = |name: &str| record.body.get(name).and_then(Value::as_u64).unwrap_or_default();
    let cursor = record.body.get("cursor").and_then(|it| it[0]["int"].as_str()).map_or(0, |it| it.parse().unwrap());
    (number("life"), number("pass"), cursor)
}

fn key(migration: &str, item: &str) -> (String, String) {
    (migration.to_owned(), item.to_owned())
}

fn known((record, version): &(Record, u64)) -> Result<Record, LedgerError> {
    if *version <= VERSION {
        return Ok(record.clone());
    }
    let Record { migration, item, .. } = record.clone();
    Err(LedgerError::Newer { migration, item, found: *version })
}

/// Refuses what no store takes.
fn check(record: &Record) -> Result<(), LedgerError> {
    const RESERVED: [&str; 8] = ["migration", "item", "v", "seq", "epoch", "owner", "stamp", "expires"];
    fn sound(value: &Value, depth: usize) -> bool {
        match value {
            Value::Array(_) | Value::Object(_) if depth == 0 => false,
            Value::Array(values) => values.iter().all(|value| sound(value, depth - 1)),
            Value::Object(fields) => fields.iter().all(|(name, value)| !name.is_empty() && sound(value, depth - 1)),
            Value::Number(number) => {
                number.as_f64().is_none_or(|number| number == 0.0 || (1e-130..1e126).contains(&number.abs()))
            }
            _ => true,
        }
    }
    let body = Value::Object(record.body.clone()).to_string();
    let bytes = record.migration.len() + record.item.len() + record.stamp.len() + body.len();
    let named = record.body.keys().all(|name| !name.is_empty() && !RESERVED.contains(&name.as_str()));
    let message = if bytes > MAX_RECORD_BYTES {
        format!("would grow to {bytes} bytes, {MAX_RECORD_BYTES} fit")
    } else if record.migration.is_empty() || record.item.is_empty() || record.item.len() > 1024 {
        "has a key that no store takes".to_owned()
    } else if !named || !record.body.values().all(|value| sound(value, 30)) {
        "has a field that no store takes".to_owned()
    } else {
        return Ok(());
    };
    Err(LedgerError::Record { migration: record.migration.clone(), item: record.item.clone(), message })
}

#[async_trait]
impl Ledger for LedgerDouble {
    async fn get(&self, migration: &str, item: &str, limit: Duration) -> Result<Option<Record>, LedgerError> {
        let (migration, item) = key(migration, item);
        self.call(limit, move |ledger| ledger.read(&migration, &item)).await?
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
        let (migration, prefix) = key(migration, prefix);
        let after = after.map(str::to_owned);
        self.call(limit, move |ledger| {
            let records = ledger.0.records.lock().unwrap();
            let beyond = |item: &str| {
                after.as_deref().is_none_or(|after| if newest_first { item < after } else { item > after })
            };
            let found = records
                .iter()
                .filter(|((name, item), _)| *name == migration && item.starts_with(&prefix) && beyond(item));
            let mut found: Vec<_> = found.map(|(_, stored)| known(stored)).collect::<Result<_, _>>()?;
            if newest_first {
                found.reverse();
            }
            let more = found.len() > most.max(1);
            found.truncate(most.max(1));
            let next = found.last().filter(|_| more).map(|record| record.item.clone());
            Ok(Page { records: found, next })
        })
        .await?
    }

    async fn swap(&self, record: &Record, seen: Option<&Record>, limit: Duration) -> Result<Swap, LedgerError> {
        check(record)?;
        let (record, seen) = (record.clone(), seen.cloned());
        self.call(limit, move |ledger| ledger.write(&record, seen.as_ref())).await?
    }

    async fn put(&self, record: &Record, limit: Duration) -> Result<(), LedgerError> {
        check(record)?;
        let record = record.clone();
        self.call(limit, move |ledger| {
            ledger.read(&record.migration, &record.item)?;
            ledger.accept(None, &record);
            Ok(())
        })
        .await?
    }

    async fn delete(&self, migration: &str, item: &str, limit: Duration) -> Result<(), LedgerError> {
        let place = key(migration, item);
        self.call(limit, move |ledger| {
            ledger.0.records.lock().unwrap().remove(&place);
        })
        .await
    }
}

mod conforms {
    use super::*;
    use crate::ledger_conformance::{Subject, exercise};

    struct InMemory(LedgerDouble);

    #[async_trait]
    impl Subject for InMemory {
        fn handle(&self) -> Arc<dyn Ledger> {
            Arc::new(self.0.clone())
        }

        async fn set_version(&self, migration: &str, item: &str, v: u64) {
            self.0.set_version(migration, item, v);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_faults_the_double_keeps_what_every_ledger_promises() {
        exercise(&InMemory(LedgerDouble::new(1, 0, Arc::new(|_| Ok(()))))).await;
    }
}
