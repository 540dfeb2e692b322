//! Which version is a copy of which, where tags do not tell: known for as long as it is needed, and no longer.

use super::Stage;
use super::direct::{LIMIT, Place, between, effort, everything};
use crate::support::database::Database;
use crate::support::s3::{Make, bucket, endpoint};
use async_trait::async_trait;
use bytes::Bytes;
use milkrun::engine::migration::Migration as _;
use milkrun::engine::shelves::{Shelf, Shelves};
use milkrun::fault::{Class, Fault};
use milkrun::s3::{Checksum, Object};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A ledger that stumbles over the first pair.
#[derive(Default)]
struct Stumbling {
    kept: Mutex<HashMap<String, Map<String, Value>>>,
    has_stumbled: AtomicBool,
}

#[async_trait]
impl Shelves for Stumbling {
    async fn get(&self, on: Shelf, key: &str, _: Duration) -> Result<Option<Map<String, Value>>, Fault> {
        Ok(self.kept.lock().unwrap().get(&format!("{on:?}#{key}")).cloned())
    }

    async fn put(&self, on: Shelf, key: &str, record: Map<String, Value>, _: Duration) -> Result<(), Fault> {
        if on == Shelf::Pair && !self.has_stumbled.swap(true, Ordering::SeqCst) {
            return Err(Fault::new(Class::Transient, "the ledger cannot be reached"));
        }
        self.kept.lock().unwrap().insert(format!("{on:?}#{key}"), record);
        Ok(())
    }

    async fn forget(&self, on: Shelf, key: &str, _: Duration) -> Result<(), Fault> {
        self.kept.lock().unwrap().remove(&format!("{on:?}#{key}"));
        Ok(())
    }
}

/// Two objects between servers, of two parts each: the tags of such copies are not those of their sources.
fn stage(head: &str, copy: &str, limits: &str) -> Stage {
    let mut stage = Stage::new(Make::Ministack, Make::SeaweedFs);
    stage.define(head, "", "", copy, limits);
    for key in ["gone", "kept"] {
        stage.put(key, &vec![7; 9 << 20]);
    }
    let reply = stage.run();
    assert_eq!(reply["progress"]["moved"], 2, "{reply}");
    assert_eq!(pairs(&stage), [("gone", false), ("kept", false)].map(named));
    stage
}

fn named((key, ends): (&str, bool)) -> (String, bool) {
    (format!("pair#[\"{key}\"]"), ends)
}

/// The pairs in the ledger, and whether they have a term.
fn pairs(stage: &Stage) -> Vec<(String, bool)> {
    let ledger = Database::connect(&format!("sqlite://{}/ledger.db", stage.job.folder().display()));
    let rows = ledger.rows("SELECT item, expires FROM ledger WHERE item LIKE 'pair#%' ORDER BY item");
    rows.into_iter().map(|row| (row[0].clone().unwrap(), row[1].is_some())).collect()
}

#[test]
fn after_a_reset_pairs_go_that_are_not_looked_for_and_the_others_stay() {
    let stage = stage("", "", "");
    stage.job.reply(&["reset", "assets", "--confirm", "assets"]);
    assert_eq!(pairs(&stage), [("gone", true), ("kept", true)].map(named));
    stage.from.delete(&stage.runtime, "gone");
    let reply = stage.run();
    let progress = &reply["progress"];
    // By its pair a copy is known as one.
    assert_eq!(
        (&reply["outcome"], &progress["skipped"], &progress["conflicts"], &progress["moved"]),
        (&"complete".into(), &1.into(), &0.into(), &0.into()),
        "{reply}"
    );
    assert_eq!(pairs(&stage), [("gone", true), ("kept", false)].map(named));
    // Once more: those that have a term keep it.
    stage.job.reply(&["reset", "assets", "--confirm", "assets"]);
    assert_eq!(pairs(&stage), [("gone", true), ("kept", true)].map(named));
}

#[test]
fn a_pair_goes_with_the_copy_that_it_tells_of() {
    let stage = stage("mode = \"continuous\"", "delete_extra = \"50%\"", "sweep_every = \"1s\"");
    stage.from.delete(&stage.runtime, "gone");
    std::thread::sleep(Duration::from_millis(1100));
    let reply = stage.run();
    assert_eq!(reply["progress"]["moved"], 3, "{reply}");
    assert_eq!(stage.runtime.block_on(stage.to.keys()), ["kept"]);
    assert_eq!(pairs(&stage), [("kept", false)].map(named));
}

#[tokio::test]
async fn a_ledger_that_stumbles_over_a_pair_makes_no_conflict_of_its_copy() {
    let (from, _, source) = bucket(Make::Ministack).await;
    let (to, _, target) = bucket(Make::SeaweedFs).await;
    let film = Bytes::from(vec![7; 9 << 20]);
    let object = Object { bucket: source.clone(), key: "film".to_owned(), ..Object::default() };
    from.put(&object, film.clone(), Checksum::of(&film), LIMIT).await.unwrap();
    // Its copy is so much younger that by their times alone it is somebody else's.
    tokio::time::sleep(Duration::from_secs(4)).await;
    let (here, there) = (endpoint(Make::Ministack), endpoint(Make::SeaweedFs));
    let mut objects = between(
        Place { s3: from, bucket: &source, endpoint: &here },
        Place { s3: to, bucket: &target, endpoint: &there },
        "",
    );
    let shelves = Arc::new(Stumbling::default());
    objects.carry_over(shelves.clone(), LIMIT).await;
    let range = Box::pin(everything(&objects)).await;
    let read = Box::pin(objects.read(&range, None, 10, LIMIT)).await.unwrap().unwrap();
    let outcome = Box::pin(objects.write(&read.batch, &effort())).await.unwrap();
    assert_eq!((outcome.moved, outcome.skipped, outcome.aside), (1, 0, Vec::new()));
    assert!(shelves.has_stumbled.load(Ordering::SeqCst));
    let pairs = shelves.kept.lock().unwrap().keys().filter(|key| key.starts_with("Pair#")).count();
    assert_eq!(pairs, 1);
}
