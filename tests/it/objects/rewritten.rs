//! An object is written again while its copy is under way: with other bytes, or with the same ones and other metadata, so that its tag stays what
//! it was. What arrives is wholly the new one.

use super::direct::{LIMIT, Place, between, effort, everything};
use crate::support::s3::{Make, bucket, endpoint};
use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use milkrun::engine::migration::Migration as _;
use milkrun::engine::shelves::{Shelf, Shelves};
use milkrun::fault::Fault;
use milkrun::s3::Bucket;
use serde_json::{Map, Value};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Bytes of the object: it goes in two parts.
const LENGTH: usize = (8 << 20) + 1000;

/// A ledger that hears of an upload: by then somebody has written the source again, once.
struct Rewritten {
    client: Client,
    bucket: String,
    bytes: Bytes,
    done: AtomicBool,
}

/// Writes a version of the object.
async fn write(client: &Client, bucket: &str, version: &str, bytes: Bytes) {
    let put = client.put_object().bucket(bucket).key("film").metadata("version", version);
    put.body(ByteStream::from(bytes)).send().await.unwrap();
}

#[async_trait]
impl Shelves for Rewritten {
    async fn get(&self, _: Shelf, _: &str, _: Duration) -> Result<Option<Map<String, Value>>, Fault> {
        Ok(None)
    }

    async fn put(&self, on: Shelf, _: &str, _: Map<String, Value>, _: Duration) -> Result<(), Fault> {
        if on == Shelf::Upload && !self.done.swap(true, Ordering::SeqCst) {
            // Times are told in whole seconds.
            tokio::time::sleep(Duration::from_millis(1100)).await;
            write(&self.client, &self.bucket, "second", self.bytes.clone()).await;
        }
        Ok(())
    }

    async fn forget(&self, _: Shelf, _: &str, _: Duration) -> Result<(), Fault> {
        Ok(())
    }
}

#[tokio::test]
async fn metadata_that_changes_while_an_object_is_copied_in_parts_is_not_lost() {
    Box::pin(is_copied_anew(vec![7_u8; LENGTH].into())).await;
}

#[tokio::test]
async fn bytes_that_change_while_an_object_is_copied_in_parts_are_never_mixed() {
    Box::pin(is_copied_anew(vec![8_u8; LENGTH].into())).await;
}

/// An object of sevens is written again, with these bytes.
async fn is_copied_anew(again: Bytes) {
    let (from, config, source) = bucket(Make::Ministack).await;
    let (to, _, target) = bucket(Make::Ministack).await;
    let client = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
    let client = Client::from_conf(client);
    write(&client, &source, "first", vec![7_u8; LENGTH].into()).await;
    // One server by two names: it is carried, part by part.
    let place = endpoint(Make::Ministack);
    let mut objects = between(
        Place { s3: from, bucket: &source, endpoint: &place.replace("127.0.0.1", "localhost") },
        Place { s3: to.clone(), bucket: &target, endpoint: &place },
        "",
    );
    let other = Rewritten { client, bucket: source.clone(), bytes: again.clone(), done: AtomicBool::new(false) };
    objects.carry_over(Arc::new(other), LIMIT).await;
    let range = Box::pin(everything(&objects)).await;
    let read = Box::pin(objects.read(&range, None, 10, LIMIT)).await.unwrap().unwrap();
    let outcome = Box::pin(objects.write(&read.batch, &effort())).await.unwrap();
    assert_eq!((outcome.moved, outcome.skipped, outcome.aside.len()), (1, 0, 0), "{outcome:?}");
    let head = to.head(&target, "film", LIMIT).await.unwrap().unwrap();
    assert_eq!(head.metadata.get("version").map(String::as_str), Some("second"));
    assert!(to.get(&target, "film", 16 << 20, LIMIT).await.unwrap()[..] == again[..]);
    let open = to.open_uploads(&Bucket { name: target, owner: None }, "", LIMIT).await.unwrap();
    assert_eq!(open, []);
}
