use super::*;
use crate::cursor::KeyPart;
use crate::engine::checkpoint::{Checkpoint, Pending};
use crate::engine::lease::nonce;
use crate::engine::migration::Aside;
use crate::fault::Class;
use crate::ledger::{Ledger, Page, Swap, item};
use async_trait::async_trait;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

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
    let error =
        Letters { ledger, migration: "m".to_owned(), life: 0 }.record(&[aside], 1, "b", at(1), 1).await.unwrap_err();
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
