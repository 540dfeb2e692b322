//! No upload is left open: not one whose beginning reached the server twice, nor one that began right before its run was killed, whose object is
//! gone since.

use super::direct::{LIMIT, Place, between, effort, everything};
use crate::support::s3::{Make, bucket, endpoint};
use async_trait::async_trait;
use bytes::Bytes;
use milkrun::engine::migration::Migration as _;
use milkrun::engine::shelves::{Shelf, Shelves};
use milkrun::fault::{Class, Fault};
use milkrun::objects::Objects;
use milkrun::s3::{Bucket, Checksum, Object, S3};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A ledger that hears of an upload's id.
struct Ledger {
    kept: Mutex<HashMap<String, Map<String, Value>>>,
    /// By then the upload was begun once more, by this and for that.
    twice: Option<(S3, Object)>,
}

#[async_trait]
impl Shelves for Ledger {
    async fn get(&self, on: Shelf, key: &str, _: Duration) -> Result<Option<Map<String, Value>>, Fault> {
        Ok(self.kept.lock().unwrap().get(&format!("{on:?}#{key}")).cloned())
    }

    async fn put(&self, on: Shelf, key: &str, record: Map<String, Value>, _: Duration) -> Result<(), Fault> {
        if on == Shelf::Upload && record.contains_key("id") {
            match &self.twice {
                Some((s3, object)) => drop(s3.begin_upload(object, false, LIMIT).await.unwrap()),
                None => return Err(Fault::new(Class::Fatal, "the run is killed")),
            }
        }
        self.kept.lock().unwrap().insert(format!("{on:?}#{key}"), record);
        Ok(())
    }

    async fn forget(&self, on: Shelf, key: &str, _: Duration) -> Result<(), Fault> {
        self.kept.lock().unwrap().remove(&format!("{on:?}#{key}"));
        Ok(())
    }
}

/// A bucket with an object of two parts, and an empty one.
struct Buckets {
    s3: S3,
    from: Bucket,
    to: Bucket,
}

impl Buckets {
    async fn new() -> Self {
        let (s3, _, from) = bucket(Make::SeaweedFs).await;
        let (_, _, to) = bucket(Make::SeaweedFs).await;
        let film = Bytes::from(vec![7; 9 << 20]);
        let object = Object { bucket: from.clone(), key: "film".to_owned(), ..Object::default() };
        s3.put(&object, film.clone(), Checksum::of(&film), LIMIT).await.unwrap();
        let of = |name| Bucket { name, owner: None };
        Self { s3, from: of(from), to: of(to) }
    }

    /// The migration between them. One server by two names: the object is carried, part by part.
    async fn migration(&self, ledger: &Arc<Ledger>) -> Objects {
        let place = endpoint(Make::SeaweedFs);
        let other = place.replace("127.0.0.1", "localhost");
        let of = |bucket: &Bucket| (self.s3.clone(), bucket.name.clone());
        let ((ours, source), (theirs, target)) = (of(&self.from), of(&self.to));
        let from = Place { s3: ours, bucket: &source, endpoint: &other };
        let mut objects = between(from, Place { s3: theirs, bucket: &target, endpoint: &place }, "");
        objects.carry_over(ledger.clone(), LIMIT).await;
        objects
    }

    async fn open(&self) -> usize {
        self.s3.open_uploads(&self.to, "", LIMIT).await.unwrap().len()
    }
}

fn ledger(twice: Option<(S3, Object)>) -> Arc<Ledger> {
    Arc::new(Ledger { kept: Mutex::default(), twice })
}

#[tokio::test]
async fn an_upload_that_was_begun_twice_is_not_left_open() {
    let buckets = Box::pin(Buckets::new()).await;
    let object = Object { bucket: buckets.to.name.clone(), key: "film".to_owned(), ..Object::default() };
    let ledger = ledger(Some((buckets.s3.clone(), object)));
    let objects = Box::pin(buckets.migration(&ledger)).await;
    let range = Box::pin(everything(&objects)).await;
    let read = Box::pin(objects.read(&range, None, 10, LIMIT)).await.unwrap().unwrap();
    let outcome = Box::pin(objects.write(&read.batch, &effort())).await.unwrap();
    assert_eq!((outcome.moved, outcome.aside.len()), (1, 0), "{outcome:?}");
    assert_eq!(buckets.open().await, 0);
}

#[tokio::test]
async fn an_upload_whose_run_is_killed_as_it_begins_is_given_up_once_its_object_is_gone() {
    let buckets = Box::pin(Buckets::new()).await;
    let ledger = ledger(None);
    let killed = Box::pin(buckets.migration(&ledger)).await;
    let range = Box::pin(everything(&killed)).await;
    let read = Box::pin(killed.read(&range, None, 10, LIMIT)).await.unwrap().unwrap();
    assert!(Box::pin(killed.write(&read.batch, &effort())).await.is_err());
    assert_eq!(buckets.open().await, 1);
    buckets.s3.delete(&buckets.from, "film", LIMIT).await.unwrap();
    let next = Box::pin(buckets.migration(&ledger)).await;
    let left = Box::pin(next.left_overs(LIMIT)).await.unwrap();
    assert_eq!(left.len(), 1);
    Box::pin(next.tidy_up(&left, LIMIT)).await.unwrap();
    assert_eq!(buckets.open().await, 0);
    assert!(ledger.kept.lock().unwrap().is_empty());
}
