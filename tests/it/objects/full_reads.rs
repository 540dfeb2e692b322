//! `verify --full`: what only looks the same is found out by its bytes, and what only looks different, too.

use super::Stage;
use super::direct::{LIMIT, Place, between, effort, everything};
use super::resumed::Kept;
use crate::support::http_exchange::{Upstream, proxy};
use crate::support::s3::{Make, bucket, endpoint};
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use milkrun::engine::migration::Migration as _;
use milkrun::s3::{Checksum, Object, Over, S3};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Bytes that are read at once.
const PIECE: usize = 4 << 20;

impl Stage {
    fn counts(&self, arguments: &[&str]) -> [u64; 5] {
        let reply = self.job.call(&[&["verify", "assets"], arguments].concat()).reply();
        assert_eq!(reply["outcome"], "complete", "{reply}");
        ["checked", "equal", "missing", "different", "repaired"].map(|name| reply[name].as_u64().unwrap())
    }

    /// What the last report says of an object.
    fn said(&self, key: &str) -> Value {
        self.noted("verify").into_iter().rfind(|line| line["key"] == key).unwrap()
    }
}

#[test]
fn bytes_that_differ_under_one_tag_are_found_by_reading_and_are_mended() {
    let mut stage = Stage::new(Make::Ministack, Make::Ministack);
    // The server has lost a bit of one object, until that is written anew.
    let (server, is_rotten) = (Upstream::at(&stage.to.endpoint), Arc::new(AtomicBool::new(false)));
    let rotten = is_rotten.clone();
    let before = proxy(move |request| {
        let concerns_it = request.path.contains("/rotten");
        if concerns_it && !request.body.is_empty() {
            rotten.store(false, Ordering::SeqCst);
        }
        let reply = server.forward(&request)?;
        let is_read = concerns_it && request.header("range").is_some();
        Some(if is_read && rotten.load(Ordering::SeqCst) { reply.altered() } else { reply })
    });
    stage.to.endpoint = before.url();
    stage.define("", "", "", "", "");
    for (key, bytes) in [("empty", ""), ("rotten", "some bytes"), ("sound", "some bytes")] {
        stage.put(key, bytes.as_bytes());
    }
    assert_eq!(stage.run()["progress"]["moved"], 3);
    assert_eq!(stage.counts(&["--full"]), [3, 3, 0, 0, 0]);
    for (key, bytes) in [("empty", 0), ("rotten", 10), ("sound", 10)] {
        assert_eq!(stage.said(key), json!({"key": key, "bytes": bytes, "same_by": "bytes"}));
    }
    is_rotten.store(true, Ordering::SeqCst);
    assert_eq!(stage.counts(&[]), [3, 3, 0, 0, 0]);
    assert_eq!(stage.said("rotten"), json!({"key": "rotten", "bytes": 10, "same_by": "tag"}));
    assert_eq!(stage.counts(&["--full"]), [3, 2, 0, 1, 0]);
    assert_eq!(stage.said("rotten"), json!({"key": "rotten", "bytes": 10, "different": true, "differs_by": "bytes"}));
    assert_eq!(stage.said("sound")["same_by"], "bytes");
    // Told by their tags alone there would be nothing to mend.
    assert_eq!(stage.counts(&["--full", "--overwrite"]), [3, 2, 0, 1, 1]);
    assert!(!is_rotten.load(Ordering::SeqCst), "it is not written anew");
    assert_eq!(stage.counts(&["--full"]), [3, 3, 0, 0, 0]);
}

#[tokio::test]
async fn what_nobody_can_tell_by_tags_is_told_by_bytes() {
    let (from, config, source) = bucket(Make::Ministack).await;
    let (to, _, target) = bucket(Make::Ministack).await;
    let film = Bytes::from_static(b"the same film");
    // Of the source the server has another checksum, and the tag of what came in parts is not that of its bytes.
    let client = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
    let put = aws_sdk_s3::Client::from_conf(client).put_object().bucket(&source).key("film");
    put.body(ByteStream::from(film.clone())).send().await.unwrap();
    let object = Object { bucket: target.clone(), key: "film".to_owned(), over: Over::Anything, ..Object::default() };
    let upload = to.begin_upload(&object, false, LIMIT).await.unwrap();
    let part = to.put_part(&upload, 1, film, LIMIT).await.unwrap();
    to.complete_upload(&upload, &[part], LIMIT).await.unwrap();
    let place = endpoint(Make::Ministack);
    let mut objects = between(
        Place { s3: from, bucket: &source, endpoint: &place },
        Place { s3: to, bucket: &target, endpoint: &place },
        "",
    );
    let range = Box::pin(everything(&objects)).await;
    let told = Box::pin(objects.verify(&range, None, 10, None, LIMIT)).await.unwrap().unwrap().batch;
    assert_eq!((told.checked, told.equal, told.different), (1, 0, 1), "{told:?}");
    objects.read_in_full(true);
    let read = Box::pin(objects.verify(&range, None, 10, None, LIMIT)).await.unwrap().unwrap().batch;
    assert_eq!((read.checked, read.equal, read.different), (1, 1, 0), "{read:?}");
}

#[tokio::test]
async fn an_object_that_one_run_does_not_read_to_its_end_is_read_on_by_the_next() {
    let (from, config, source) = bucket(Make::Ministack).await;
    let (_, _, target) = bucket(Make::Ministack).await;
    let film = Bytes::from([vec![1_u8; PIECE], vec![2; PIECE], vec![3; 1000]].concat());
    let object = Object { bucket: source.clone(), key: "film".to_owned(), ..Object::default() };
    from.put(&object, film.clone(), Checksum::of(&film), LIMIT).await.unwrap();
    let here = endpoint(Make::Ministack);
    let server = Upstream::at(&here);
    // Where pieces of the target begin that were read; the last one is not given as long as this is closed.
    let (pieces, is_open) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
    let (seen, open) = (pieces.clone(), is_open.clone());
    let before = proxy(move |request| {
        let piece = request.header("range").and_then(|range| range.strip_prefix("bytes=")?.split('-').next());
        let Some(start) = piece.and_then(|start| start.parse::<usize>().ok()) else { return server.forward(&request) };
        if start == 2 * PIECE && !open.load(Ordering::SeqCst) {
            return None;
        }
        let reply = server.forward(&request)?;
        seen.lock().unwrap().push(start);
        Some(reply)
    });
    let there = before.url();
    let to = S3::elsewhere(&config, None, Some(&there), None).await;
    let shelves = Arc::new(Kept::default());
    let run = || {
        let from = Place { s3: from.clone(), bucket: &source, endpoint: &here };
        between(from, Place { s3: to.clone(), bucket: &target, endpoint: &there }, "")
    };
    let mut first = run();
    first.carry_over(shelves.clone(), LIMIT).await;
    first.read_in_full(true);
    let range = Box::pin(everything(&first)).await;
    let read = Box::pin(first.read(&range, None, 10, LIMIT)).await.unwrap().unwrap();
    let outcome = Box::pin(first.write(&read.batch, &effort())).await.unwrap();
    assert_eq!(outcome.moved, 1, "{outcome:?}");
    pieces.lock().unwrap().clear();
    let kept = async {
        while !shelves.0.lock().unwrap().contains_key("Read#film") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        read = Box::pin(first.verify(&range, None, 10, None, LIMIT)) => panic!("it ended: {read:?}"),
        () = kept => {}
    }
    let mut begun: Vec<usize> = std::mem::take(&mut *pieces.lock().unwrap());
    begun.sort_unstable();
    assert_eq!(begun, [0, PIECE], "each of them is read once");
    assert_eq!(shelves.0.lock().unwrap()["Read#film"]["bytes"], 2 * PIECE);
    is_open.store(true, Ordering::SeqCst);
    let mut next = run();
    next.carry_over(shelves.clone(), LIMIT).await;
    next.read_in_full(true);
    let compared = Box::pin(next.verify(&range, None, 10, None, LIMIT)).await.unwrap().unwrap().batch;
    assert_eq!((compared.checked, compared.equal), (1, 1), "{compared:?}");
    assert_eq!(*pieces.lock().unwrap(), [2 * PIECE]);
    assert!(!shelves.0.lock().unwrap().contains_key("Read#film"), "the ledger still has it");
}
