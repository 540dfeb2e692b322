//! Somebody else writes an object while its copy is under way.

use super::direct::{LIMIT, Place, between, effort, everything};
use crate::support::s3::{Make, bucket, endpoint};
use async_trait::async_trait;
use bytes::Bytes;
use milkrun::engine::migration::Migration as _;
use milkrun::engine::shelves::{Shelf, Shelves};
use milkrun::fault::Fault;
use milkrun::s3::{Bucket, Checksum, Object, Over, S3};
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;

/// Bytes of a part of what milkrun carries, and of what others write.
const PART: usize = 8 << 20;

/// A ledger that hears of an upload: by then somebody else has written the object, in as many parts.
struct Overtaken {
    s3: S3,
    object: Object,
    bytes: Vec<u8>,
}

#[async_trait]
impl Shelves for Overtaken {
    async fn get(&self, _: Shelf, _: &str, _: Duration) -> Result<Option<Map<String, Value>>, Fault> {
        Ok(None)
    }

    async fn put(&self, on: Shelf, _: &str, _: Map<String, Value>, _: Duration) -> Result<(), Fault> {
        if on == Shelf::Upload {
            let upload = self.s3.begin_upload(&self.object, false, LIMIT).await.unwrap();
            let mut parts = Vec::new();
            for (number, part) in (1..).zip(self.bytes.chunks(PART)) {
                parts.push(self.s3.put_part(&upload, number, Bytes::copy_from_slice(part), LIMIT).await.unwrap());
            }
            self.s3.complete_upload(&upload, &parts, LIMIT).await.unwrap();
        }
        Ok(())
    }

    async fn forget(&self, _: Shelf, _: &str, _: Duration) -> Result<(), Fault> {
        Ok(())
    }
}

#[tokio::test]
async fn what_is_as_long_and_of_as_many_parts_is_not_taken_for_the_copy() {
    let (from, _, source) = bucket(Make::Ministack).await;
    let (to, _, target) = bucket(Make::Ministack).await;
    let film = Bytes::from(vec![7; PART + 1000]);
    let object = Object { bucket: source.clone(), key: "film".to_owned(), ..Object::default() };
    from.put(&object, film.clone(), Checksum::of(&film), LIMIT).await.unwrap();
    // One server by two names: it is carried, part by part.
    let place = endpoint(Make::Ministack);
    let mut objects = between(
        Place { s3: from, bucket: &source, endpoint: &place.replace("127.0.0.1", "localhost") },
        Place { s3: to.clone(), bucket: &target, endpoint: &place },
        "existing = \"fail\"",
    );
    let theirs = Object { bucket: target.clone(), key: "film".to_owned(), over: Over::Anything, ..Object::default() };
    let other = Overtaken { s3: to.clone(), object: theirs, bytes: vec![8; PART + 1000] };
    objects.carry_over(Arc::new(other), LIMIT).await;
    let range = Box::pin(everything(&objects)).await;
    let read = Box::pin(objects.read(&range, None, 10, LIMIT)).await.unwrap().unwrap();
    let outcome = Box::pin(objects.write(&read.batch, &effort())).await.unwrap();
    assert_eq!((outcome.moved, outcome.skipped), (0, 0), "{outcome:?}");
    let classes: Vec<&str> = outcome.aside.iter().map(|aside| aside.class).collect();
    assert_eq!(classes, ["conflict"]);
    assert!(to.get(&target, "film", 16 << 20, LIMIT).await.unwrap() == vec![8; PART + 1000], "it is written over");
    let open = to.open_uploads(&Bucket { name: target, owner: None }, "", LIMIT).await.unwrap();
    assert_eq!(open, []);
}
