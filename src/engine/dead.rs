//! Dead letters: items set aside, durable before the cursor passes them.

use super::checkpoint::Pending;
use super::lease::nonce;
use super::migration::Aside;
use super::shards;
use crate::cursor::Cursor;
use crate::fault::{Class, Fault, chain};
use crate::ledger::{Ledger, LedgerError, Record, Swap, item};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// The classes of dead letters.
pub const CLASSES: [&str; 4] = ["conflict", "poison", "too_large", "killed"];

/// A dead letter's body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The life that it belongs to; older ones are gone with their `reset`.
    pub life: u64,
    /// The item's key.
    pub key: Vec<String>,
    /// The same with the kind of each part.
    pub cursor: Cursor,
    /// `conflict`, `poison`, `too_large`, `killed`.
    pub class: String,
    /// Why, without a value of any row.
    pub message: String,
    /// How often it was tried since it was set aside or put back.
    pub attempts: u32,
    /// When it was first set aside, in Unix milliseconds.
    pub first_at: u64,
    /// When it was last tried.
    pub last_at: u64,
    /// The request by which it was put back and waits to be retried; 0: it does not.
    #[serde(default)]
    pub retry: u64,
    /// The mark of the batch that set it aside: one whose commit never came is not counted, and is taken back by it.
    #[serde(default)]
    pub batch: String,
    /// The pass in which it was recorded or voided; 0: by a version that did not say.
    #[serde(default)]
    pub pass: u32,
    /// There is none any more: it was taken back, or retried and counted. The record stays for a while, so that no write that
    /// is still on its way brings it back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub void: bool,
}

impl DeadLetter {
    /// What a record holds.
    pub fn from_record(record: &Record) -> Result<Self, LedgerError> {
        serde_json::from_value(record.body.clone().into()).map_err(|error| LedgerError::Record {
            migration: record.migration.clone(),
            item: record.item.clone(),
            message: format!("cannot be read as a dead letter: {error}"),
        })
    }

    /// Whether it is one, and of this life.
    pub fn is_of(&self, life: u64) -> bool {
        self.life == life && !self.void
    }

    /// Whether it was written, under `epoch`, after whoever is at `rank` in `life` was replaced.
    fn is_later(&self, epoch: u64, life: u64, rank: Rank) -> bool {
        self.life > life || self.life == life && Rank { pass: self.pass, epoch } > rank
    }

    fn to_body(&self) -> serde_json::Map<String, serde_json::Value> {
        match serde_json::to_value(self) {
            Ok(serde_json::Value::Object(body)) => body,
            _ => serde_json::Map::new(),
        }
    }
}

/// Who may speak of an item. In each pass it is one shard's business, whose epochs say who came later; of which shard may change
/// from pass to pass, so epochs of different passes say nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    /// The pass that the shard is in.
    pub pass: u32,
    /// The shard's epoch.
    pub epoch: u64,
}

/// How long the record of one that is void stays, in seconds: far longer than any write is on its way.
const VOID_S: u64 = 30 * 86_400;
/// How many calls of the ledger are under way side by side.
pub(crate) const SIDE_BY_SIDE: usize = 16;
/// What one call may take.
pub(crate) const LIMIT: Duration = Duration::from_secs(5);
/// Records on a page.
const PAGE: usize = 500;

/// The dead letters of one life of a migration.
#[derive(Clone)]
pub struct Letters {
    /// Where they are.
    pub ledger: Arc<dyn Ledger>,
    /// Whose.
    pub migration: String,
    /// Which life's.
    pub life: u64,
}

impl Letters {
    /// Makes dead letters durable, under the mark of their batch and the rank of its run. One that is there already was
    /// found by a run that could not commit: it keeps its first time.
    pub async fn record(
        &self,
        asides: &[Aside],
        attempts: u32,
        batch: &str,
        rank: Rank,
        now: u64,
    ) -> Result<(), LedgerError> {
        let letters = asides.iter().map(|aside| DeadLetter {
            life: self.life,
            key: aside.key.texts(),
            cursor: aside.key.clone(),
            class: aside.class.to_owned(),
            message: aside.message.clone(),
            attempts,
            first_at: now,
            last_at: now,
            retry: 0,
            batch: batch.to_owned(),
            pass: rank.pass,
            void: false,
        });
        let calls = letters.map(|letter| {
            let this = self.clone();
            async move { this.keep(letter, rank.epoch).await }
        });
        side_by_side(calls, "writing a dead letter").await.map(drop)
    }

    async fn keep(&self, mut letter: DeadLetter, epoch: u64) -> Result<(), LedgerError> {
        let mut seen: Option<Record> = None;
        loop {
            if let Some(there) = &seen {
                let known = DeadLetter::from_record(there)?;
                // Whoever came later knows better, and has said so.
                if known.is_later(there.epoch, self.life, Rank { pass: letter.pass, epoch }) {
                    return Ok(());
                }
                if known.is_of(self.life) {
                    if known.batch == letter.batch {
                        return Ok(());
                    }
                    letter.first_at = known.first_at;
                }
            }
            let record = self.written(&letter, epoch, seen.as_ref());
            match self.ledger.swap(&record, seen.as_ref(), LIMIT).await? {
                Swap::Done => return Ok(()),
                Swap::Lost(there) => seen = there,
            }
        }
    }

    fn written(&self, letter: &DeadLetter, epoch: u64, seen: Option<&Record>) -> Record {
        Record {
            migration: self.migration.clone(),
            item: item_of(&letter.cursor),
            seq: seen.map_or(0, |seen| seen.seq) + 1,
            epoch,
            owner: None,
            stamp: nonce(),
            expires: None,
            body: letter.to_body(),
        }
    }

    /// Takes those back whose batch has this mark: it was never committed, so nobody has counted them. `in_flight` are those
    /// among them that may still be on their way; the records that are left behind do not let them in.
    pub async fn take_back(
        &self,
        batch: &str,
        in_flight: Vec<Cursor>,
        rank: Rank,
        now: u64,
    ) -> Result<(), LedgerError> {
        self.shut_out(in_flight, batch, rank, now).await?;
        let mut after = None;
        loop {
            let (letters, next) = self.page(after.as_deref()).await?;
            let stale = letters.into_iter().filter(|(_, letter)| letter.batch == batch);
            self.shut_out(stale.map(|(_, letter)| letter.cursor).collect(), batch, rank, now).await?;
            if next.is_none() {
                return Ok(());
            }
            after = next;
        }
    }

    /// Voids the letters of these items that have this mark, those that have not arrived yet included.
    pub async fn shut_out(&self, keys: Vec<Cursor>, batch: &str, rank: Rank, now: u64) -> Result<(), LedgerError> {
        let calls = keys.into_iter().map(|key| {
            let (this, batch) = (self.clone(), batch.to_owned());
            async move {
                let mut seen = this.ledger.get(&this.migration, &item_of(&key), LIMIT).await?;
                loop {
                    if let Some(there) = &seen {
                        let known = DeadLetter::from_record(there)?;
                        let later = known.is_later(there.epoch, this.life, rank);
                        if later || known.is_of(this.life) && known.batch != batch {
                            return Ok(());
                        }
                    }
                    let void = this.voided(&key, rank, seen.as_ref(), now);
                    match this.ledger.swap(&void, seen.as_ref(), LIMIT).await? {
                        Swap::Done => return Ok(()),
                        Swap::Lost(there) => seen = there,
                    }
                }
            }
        });
        side_by_side(calls, "taking a dead letter back").await.map(drop)
    }

    fn voided(&self, key: &Cursor, rank: Rank, seen: Option<&Record>, now: u64) -> Record {
        let letter = DeadLetter {
            life: self.life,
            key: key.texts(),
            cursor: key.clone(),
            class: String::new(),
            message: String::new(),
            attempts: 0,
            first_at: now,
            last_at: now,
            retry: 0,
            batch: String::new(),
            pass: rank.pass,
            void: true,
        };
        Record { expires: Some(now / 1000 + VOID_S), ..self.written(&letter, rank.epoch, seen) }
    }

    /// Those of these items that have a dead letter.
    pub async fn among(&self, keys: &[Cursor]) -> Result<HashSet<Cursor>, LedgerError> {
        let calls = keys.iter().map(|key| {
            let (this, key) = (self.clone(), key.clone());
            async move {
                let there = this.ledger.get(&this.migration, &item_of(&key), LIMIT).await?;
                let ours = there.as_ref().map(DeadLetter::from_record).transpose()?;
                Ok(ours.is_some_and(|letter| letter.is_of(this.life)).then_some(key))
            }
        });
        Ok(side_by_side(calls, "looking for a dead letter").await?.into_iter().flatten().collect())
    }

    /// A page of them, with the records that they were read from.
    pub async fn page(&self, after: Option<&str>) -> Result<(Vec<(Record, DeadLetter)>, Option<String>), LedgerError> {
        let page = self.ledger.list(&self.migration, item::DEAD, after, PAGE, false, LIMIT).await?;
        let mut letters = Vec::with_capacity(page.records.len());
        for record in page.records {
            let letter = DeadLetter::from_record(&record)?;
            if letter.is_of(self.life) {
                letters.push((record, letter));
            }
        }
        Ok((letters, page.next))
    }

    /// Of each of those that wait to be retried: whether the shard that set it aside has counted it. One that is just being
    /// recorded bears a mark that stands in that shard's record; the mark goes when the letter is counted, or taken back.
    pub async fn counted(&self, page: &[(Record, DeadLetter)]) -> Result<Vec<bool>, LedgerError> {
        if page.iter().all(|(_, letter)| letter.retry == 0) {
            return Ok(vec![true; page.len()]);
        }
        // In this order: after the letters their marks, and then which letters are still there.
        let shards = shards::all(&*self.ledger, &self.migration, LIMIT).await?;
        let marks: HashSet<&String> = shards.iter().filter_map(|shard| shard.checkpoint.recording.as_ref()).collect();
        let calls =
            page.iter().enumerate().filter(|(_, (_, letter))| letter.retry > 0).map(|(place, (record, letter))| {
                let (this, item, batch) = (self.clone(), record.item.clone(), letter.batch.clone());
                async move {
                    let there = this.get(&item).await?;
                    Ok((place, there.is_some_and(|(_, letter)| letter.batch == batch)))
                }
            });
        let mut counted = vec![true; page.len()];
        for (place, there) in side_by_side(calls.collect::<Vec<_>>().into_iter(), "looking for a dead letter").await? {
            counted[place] = there && !marks.contains(&page[place].1.batch);
        }
        Ok(counted)
    }

    /// One of them.
    pub async fn get(&self, item: &str) -> Result<Option<(Record, DeadLetter)>, LedgerError> {
        let Some(record) = self.ledger.get(&self.migration, item, LIMIT).await? else { return Ok(None) };
        let letter = DeadLetter::from_record(&record)?;
        Ok(letter.is_of(self.life).then_some((record, letter)))
    }

    /// Puts them back, to be retried by the request `retry`; how many there still were to be put back.
    pub async fn put_back(&self, letters: Vec<(Record, DeadLetter)>, retry: u64) -> Result<u64, LedgerError> {
        let calls = letters.into_iter().map(|(record, _)| {
            let this = self.clone();
            async move {
                let there = this.change(record, |letter| (letter.retry, letter.attempts) = (retry, 0)).await?;
                Ok(u64::from(there))
            }
        });
        Ok(side_by_side(calls, "putting a dead letter back").await?.into_iter().sum())
    }

    /// Those that were retried and failed again stay, with what went wrong now, and wait no longer, unless a later request
    /// has put them back meanwhile.
    pub async fn again(&self, asides: &[(Pending, Aside)], attempts: u32, now: u64) -> Result<(), LedgerError> {
        let calls = asides.iter().cloned().map(|(pending, aside)| {
            let this = self.clone();
            async move {
                let Some((record, _)) = this.get(&item_of(&pending.key)).await? else { return Ok(()) };
                let change = |letter: &mut DeadLetter| {
                    aside.class.clone_into(&mut letter.class);
                    letter.message.clone_from(&aside.message);
                    letter.last_at = now;
                    if letter.retry <= pending.retry {
                        (letter.retry, letter.attempts) = (0, attempts);
                    }
                };
                this.change(record, change).await.map(drop)
            }
        });
        side_by_side(calls, "writing a dead letter").await.map(drop)
    }

    /// Changes a letter as it is now; false if it is gone.
    async fn change(&self, record: Record, change: impl Fn(&mut DeadLetter)) -> Result<bool, LedgerError> {
        let mut seen = record;
        loop {
            let mut letter = DeadLetter::from_record(&seen)?;
            if !letter.is_of(self.life) {
                return Ok(false);
            }
            change(&mut letter);
            let record = Record { seq: seen.seq + 1, stamp: nonce(), body: letter.to_body(), ..seen.clone() };
            match self.ledger.swap(&record, Some(&seen), LIMIT).await? {
                Swap::Done => return Ok(true),
                Swap::Lost(None) => return Ok(false),
                Swap::Lost(Some(there)) => seen = there,
            }
        }
    }

    /// Voids them: they were retried and counted.
    pub async fn settle(&self, keys: Vec<Cursor>, now: u64) -> Result<(), LedgerError> {
        let calls = keys.into_iter().map(|key| {
            let this = self.clone();
            async move {
                let mut there = this.get(&item_of(&key)).await?;
                while let Some((seen, letter)) = there {
                    let rank = Rank { pass: letter.pass, epoch: seen.epoch };
                    let void = this.voided(&key, rank, Some(&seen), now);
                    there = match this.ledger.swap(&void, Some(&seen), LIMIT).await? {
                        Swap::Done => None,
                        Swap::Lost(_) => this.get(&item_of(&key)).await?,
                    };
                }
                Ok(())
            }
        });
        side_by_side(calls, "settling a dead letter").await.map(drop)
    }

    /// Voids those of earlier lives. They stay in theirs: in this one their epochs mean nothing.
    pub async fn forget_earlier_lives(&self, now: u64) -> Result<(), LedgerError> {
        let mut after = None;
        loop {
            let page = self.ledger.list(&self.migration, item::DEAD, after.as_deref(), PAGE, false, LIMIT).await?;
            let mut earlier = Vec::new();
            for record in page.records {
                let letter = DeadLetter::from_record(&record)?;
                if letter.life < self.life && !letter.void {
                    earlier.push((record, letter));
                }
            }
            let calls = earlier.into_iter().map(|(seen, letter)| {
                let this = Self { life: letter.life, ..self.clone() };
                async move {
                    let rank = Rank { pass: letter.pass, epoch: seen.epoch };
                    let void = this.voided(&letter.cursor, rank, Some(&seen), now);
                    // Whoever was there before knows of the new life.
                    this.ledger.swap(&void, Some(&seen), LIMIT).await.map(drop)
                }
            });
            side_by_side(calls, "forgetting a dead letter").await?;
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }
}

/// The item of a key's letter.
fn item_of(key: &Cursor) -> String {
    item::dead(&key.json())
}

/// Carries calls out, so many at a time. Owned by this call: dropping the set aborts what is under way.
async fn side_by_side<T: Send + 'static>(
    calls: impl Iterator<Item = impl Future<Output = Result<T, LedgerError>> + Send + 'static>,
    task: &'static str,
) -> Result<Vec<T>, LedgerError> {
    let mut calls = calls;
    let (mut under_way, mut done) = (JoinSet::new(), Vec::new());
    for call in calls.by_ref().take(SIDE_BY_SIDE) {
        under_way.spawn(call);
    }
    while let Some(finished) = under_way.join_next().await {
        done.push(finished.map_err(|source| LedgerError::Stopped { task, source })??);
        if let Some(call) = calls.next() {
            under_way.spawn(call);
        }
    }
    Ok(done)
}

/// A ledger that did not take or give dead letters, as a batch's fault: its effects may be there, but may not be passed.
pub(super) fn fault(error: &LedgerError) -> Fault {
    let class = match error {
        LedgerError::Unreachable { .. } | LedgerError::Stopped { .. } => Class::Transient,
        _ => Class::Fatal,
    };
    let message = format!("the dead letters of a batch could not be written: {}", chain(error));
    Fault { uncertain: true, ..Fault::new(class, message) }
}

/// A ledger that did not take all of them in time.
pub(super) fn late() -> Fault {
    let message = "the ledger did not take the dead letters of a batch within what is left of the run";
    Fault { uncertain: true, ..Fault::new(Class::Capacity, message) }
}

/// A ledger that did not give dead letters: nothing was done yet.
pub(super) fn unread(error: &LedgerError) -> Fault {
    let message = format!("the dead letters could not be read: {}", chain(error));
    Fault::new(fault(error).class, message)
}

/// The class of the letter that a fault of a single item makes.
pub(super) fn class_of(fault: &Fault) -> &'static str {
    match fault.class {
        Class::TooLarge => "too_large",
        Class::Capacity => "killed",
        _ => "poison",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cursor::{Cursor, KeyPart};
    use crate::engine::checkpoint::Checkpoint;
    use crate::ledger::Page;
    use async_trait::async_trait;

    /// A ledger whose every call dies.
    struct Broken;

    #[async_trait]
    impl Ledger for Broken {
        async fn get(&self, _: &str, _: &str, _: Duration) -> Result<Option<Record>, LedgerError> {
            panic!("broken")
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
            panic!("broken")
        }

        async fn swap(&self, _: &Record, _: Option<&Record>, _: Duration) -> Result<Swap, LedgerError> {
            panic!("broken")
        }

        async fn put(&self, _: &Record, _: Duration) -> Result<(), LedgerError> {
            panic!("broken")
        }

        async fn delete(&self, _: &str, _: &str, _: Duration) -> Result<(), LedgerError> {
            panic!("broken")
        }
    }

    #[tokio::test]
    async fn a_write_that_was_stopped_is_tried_again_and_blames_no_setting() {
        let ledger: Arc<dyn Ledger> = Arc::new(Broken);
        let key = Cursor(vec![KeyPart::Int("7".into())]);
        let aside = Aside { key, class: "conflict", message: "m".into() };
        let error = Letters { ledger, migration: "m".to_owned(), life: 0 }
            .record(&[aside], 1, "b", at(1), 1)
            .await
            .unwrap_err();
        assert!(matches!(error, LedgerError::Stopped { .. }), "{error}");
        assert_eq!(error.to_string(), "writing a dead letter was stopped before its end");
        assert_eq!((fault(&error).class, fault(&error).uncertain), (Class::Transient, true));
    }

    /// In the first pass, under this epoch.
    fn at(epoch: u64) -> Rank {
        Rank { pass: 1, epoch }
    }

    fn letters(folder: &std::path::Path) -> Letters {
        let ledger = crate::ledger::Sqlite::open(&folder.join("ledger.db")).unwrap();
        Letters { ledger: Arc::new(ledger), migration: "m".to_owned(), life: 0 }
    }

    fn aside(number: u32, message: &str) -> Aside {
        let key = Cursor(vec![KeyPart::Int(number.to_string())]);
        Aside { key, class: "poison", message: message.to_owned() }
    }

    async fn all(letters: &Letters) -> Vec<DeadLetter> {
        letters.page(None).await.unwrap().0.into_iter().map(|(_, letter)| letter).collect()
    }

    #[tokio::test]
    async fn what_was_put_back_again_meanwhile_still_waits() {
        let folder = tempfile::tempdir().unwrap();
        let letters = letters(folder.path());
        letters.record(&[aside(1, "a"), aside(2, "a")], 3, "b", at(1), 100).await.unwrap();
        let page = letters.page(None).await.unwrap().0;
        assert_eq!(letters.put_back(page.clone(), 1).await.unwrap(), 2);
        let pending = |number| Pending { key: aside(number, "").key, class: "poison".to_owned(), retry: 1 };
        // While both are being retried the second one is put back once more, read before or not.
        assert_eq!(letters.put_back(page[1..].to_vec(), 2).await.unwrap(), 1);
        let again = [(pending(1), aside(1, "b")), (pending(2), aside(2, "b"))];
        letters.again(&again, 1, 200).await.unwrap();
        let seen: Vec<_> = all(&letters)
            .await
            .into_iter()
            .map(|it| (it.retry, it.attempts, it.first_at, it.last_at, it.message))
            .collect();
        assert_eq!(seen, [(0, 1, 100, 200, "b".to_owned()), (2, 0, 100, 200, "b".to_owned())]);
        // What is gone is not put back, and not made again.
        letters.settle(vec![aside(1, "").key], 250).await.unwrap();
        assert_eq!(letters.put_back(page, 3).await.unwrap(), 1);
        letters.again(&again, 1, 300).await.unwrap();
        assert_eq!(all(&letters).await.len(), 1);
        let keys = [aside(1, "").key, aside(2, "").key];
        assert_eq!(letters.among(&keys).await.unwrap(), HashSet::from([keys[1].clone()]));
        let other = Letters { life: 1, ..letters };
        assert_eq!(other.among(&keys).await.unwrap(), HashSet::new());
    }

    #[tokio::test]
    async fn what_another_shard_has_not_counted_is_not_retried() {
        let folder = tempfile::tempdir().unwrap();
        let letters = letters(folder.path());
        letters.record(&[aside(1, "a"), aside(2, "a")], 1, "mark", at(1), 100).await.unwrap();
        letters.put_back(letters.page(None).await.unwrap().0, 1).await.unwrap();
        let page = letters.page(None).await.unwrap().0;
        let shard = |recording: Option<&str>, seq| Record {
            migration: "m".to_owned(),
            item: item::shard(2),
            seq,
            epoch: 1,
            owner: None,
            stamp: nonce(),
            expires: None,
            body: Checkpoint { recording: recording.map(str::to_owned), ..Checkpoint::default() }.to_body(),
        };
        letters.ledger.put(&shard(Some("mark"), 1), LIMIT).await.unwrap();
        assert_eq!(letters.counted(&page).await.unwrap(), [false, false]);
        letters.ledger.put(&shard(None, 2), LIMIT).await.unwrap();
        assert_eq!(letters.counted(&page).await.unwrap(), [true, true]);
        // Taken back, and perhaps recorded again, after the page was read.
        letters.take_back("mark", Vec::new(), at(1), 150).await.unwrap();
        letters.record(&[aside(2, "b")], 1, "other", at(2), 200).await.unwrap();
        assert_eq!(letters.counted(&page).await.unwrap(), [false, false]);
    }

    #[tokio::test]
    async fn a_letter_belongs_to_the_latest_run_that_found_it_and_to_its_batch() {
        let folder = tempfile::tempdir().unwrap();
        let letters = letters(folder.path());
        letters.record(&[aside(1, "old"), aside(2, "old")], 1, "lost", at(5), 100).await.unwrap();
        // Found again by a later run; and by an earlier one, which does not know yet that it was replaced.
        letters.record(&[aside(1, "new")], 1, "kept", at(6), 200).await.unwrap();
        letters.record(&[aside(1, "late")], 1, "late", at(5), 300).await.unwrap();
        let seen: Vec<_> = all(&letters).await.into_iter().map(|it| (it.message, it.batch, it.first_at)).collect();
        assert_eq!(seen[0], ("new".to_owned(), "kept".to_owned(), 100));
        letters.take_back("lost", Vec::new(), at(6), 400).await.unwrap();
        letters.take_back("late", Vec::new(), at(6), 400).await.unwrap();
        assert_eq!(all(&letters).await.into_iter().map(|it| it.key).collect::<Vec<_>>(), [["1"]]);
    }

    #[tokio::test]
    async fn what_was_on_its_way_when_it_was_taken_back_is_not_let_in() {
        let folder = tempfile::tempdir().unwrap();
        let letters = letters(folder.path());
        let keys = [1, 2, 3].map(|number| aside(number, "").key);
        letters.record(&[aside(1, "there")], 1, "lost", at(5), 100).await.unwrap();
        letters.take_back("lost", keys.to_vec(), at(6), 200).await.unwrap();
        assert_eq!(all(&letters).await, []);
        // The run before wakes up, goes on, and has not heard of its end.
        letters.record(&[aside(1, "late"), aside(2, "late"), aside(3, "late")], 1, "lost", at(5), 300).await.unwrap();
        assert_eq!((all(&letters).await, letters.among(&keys).await.unwrap()), (Vec::new(), HashSet::new()));
        // Whoever took them back meets an item again, and may set it aside.
        letters.record(&[aside(2, "new")], 1, "kept", at(6), 400).await.unwrap();
        letters.shut_out(keys.to_vec(), "lost", at(5), 500).await.unwrap();
        let seen: Vec<_> = all(&letters).await.into_iter().map(|it| (it.message, it.first_at)).collect();
        assert_eq!(seen, [("new".to_owned(), 400)]);
        // One of an earlier life is void in the next, and comes back to none.
        let next = Letters { life: 1, ..letters.clone() };
        next.forget_earlier_lives(600).await.unwrap();
        letters.record(&[aside(2, "late")], 1, "late", at(9), 700).await.unwrap();
        assert_eq!(all(&next).await, []);
    }

    #[tokio::test]
    async fn epochs_of_another_shard_in_an_earlier_pass_say_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let letters = letters(folder.path());
        let rank = |pass, epoch| Rank { pass, epoch };
        // Set aside by a shard that was taken over often, retried, counted; then refused again in a sweep by changes, which is
        // another shard's.
        letters.record(&[aside(1, "first"), aside(2, "first")], 1, "third", rank(1, 9), 100).await.unwrap();
        letters.settle(vec![aside(1, "").key, aside(2, "").key], 200).await.unwrap();
        letters.record(&[aside(1, "again"), aside(2, "again")], 1, "sweep", rank(2, 3), 300).await.unwrap();
        // Whoever held that shard wakes up.
        letters.record(&[aside(1, "late")], 1, "third", rank(1, 9), 400).await.unwrap();
        letters.shut_out(vec![aside(2, "").key], "sweep", rank(1, 10), 500).await.unwrap();
        let seen: Vec<_> = all(&letters).await.into_iter().map(|it| (it.key[0].clone(), it.message)).collect();
        assert_eq!(seen, [("1".to_owned(), "again".to_owned()), ("2".to_owned(), "again".to_owned())]);
        // A killed holder's letters are taken back under the epoch of its successor in the sweep, though it is the lower one.
        letters.take_back("sweep", Vec::new(), rank(2, 4), 600).await.unwrap();
        assert_eq!(all(&letters).await, []);
    }

    #[tokio::test]
    async fn a_letter_of_a_version_that_names_no_pass_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let letters = letters(folder.path());
        letters.record(&[aside(1, "old")], 1, "old", at(9), 100).await.unwrap();
        let (mut record, _) = letters.page(None).await.unwrap().0.remove(0);
        record.body.remove("pass");
        record.seq += 1;
        letters.ledger.put(&record, LIMIT).await.unwrap();
        assert_eq!(all(&letters).await.len(), 1);
        letters.record(&[aside(1, "new")], 1, "new", at(2), 200).await.unwrap();
        let seen = all(&letters).await;
        assert_eq!((seen[0].message.as_str(), seen[0].first_at, seen[0].pass), ("new", 100, 1));
    }
}
