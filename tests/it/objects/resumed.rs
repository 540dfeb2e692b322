//! An upload that a run has begun, and was killed over: the next one goes on with it, and sends what is lacking alone.

use super::direct::{LIMIT, Place, between, effort, everything};
use crate::support::http_exchange::{Upstream, proxy};
use crate::support::s3::{Make, bucket, endpoint};
use async_trait::async_trait;
use bytes::Bytes;
use milkrun::engine::migration::Migration as _;
use milkrun::engine::shelves::{Shelf, Shelves};
use milkrun::fault::Fault;
use milkrun::s3::{Bucket, Checksum, Object, S3};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Bytes of a part of what milkrun carries.
const PART: usize = 8 << 20;
/// Places of the parts that arrive at once; the third part does not.
const OTHERS: [usize; 3] = [0, 1, 3];

/// A ledger in memory.
#[derive(Default)]
pub(super) struct Kept(pub(super) Mutex<HashMap<String, Map<String, Value>>>);

#[async_trait]
impl Shelves for Kept {
    async fn get(&self, on: Shelf, key: &str, _: Duration) -> Result<Option<Map<String, Value>>, Fault> {
        Ok(self.0.lock().unwrap().get(&format!("{on:?}#{key}")).cloned())
    }

    async fn put(&self, on: Shelf, key: &str, record: Map<String, Value>, _: Duration) -> Result<(), Fault> {
        self.0.lock().unwrap().insert(format!("{on:?}#{key}"), record);
        Ok(())
    }

    async fn forget(&self, on: Shelf, key: &str, _: Duration) -> Result<(), Fault> {
        self.0.lock().unwrap().remove(&format!("{on:?}#{key}"));
        Ok(())
    }
}

/// How often each part has arrived, and whether the third one is let through.
#[derive(Default)]
struct Parts {
    arrived: [AtomicUsize; 4],
    open: AtomicBool,
}

impl Parts {
    fn all_but_one(&self) -> bool {
        OTHERS.iter().all(|place| self.arrived[*place].load(Ordering::SeqCst) > 0)
    }
}

#[tokio::test]
async fn the_next_run_sends_only_the_parts_that_are_lacking() {
    let (from, config, source) = bucket(Make::SeaweedFs).await;
    let (_, _, target) = bucket(Make::SeaweedFs).await;
    let film = Bytes::from([vec![1_u8; PART], vec![2; PART], vec![3; PART], vec![4; 1000]].concat());
    let object = Object { bucket: source.clone(), key: "film".to_owned(), ..Object::default() };
    from.put(&object, film.clone(), Checksum::of(&film), LIMIT).await.unwrap();
    let here = endpoint(Make::SeaweedFs);
    let (parts, server) = (Arc::new(Parts::default()), Upstream::at(&here));
    let counting = parts.clone();
    let before = proxy(move |request| {
        let number = request.path.split(['?', '&']).find_map(|word| word.strip_prefix("partNumber="));
        let number = number.and_then(|number| number.parse::<usize>().ok());
        if number == Some(3) && !counting.open.load(Ordering::SeqCst) {
            // Whoever sends it hears of it only once the others are there.
            while !counting.all_but_one() {
                std::thread::sleep(Duration::from_millis(5));
            }
            return None;
        }
        let reply = server.forward(&request)?;
        if let Some(number) = number {
            counting.arrived[number - 1].fetch_add(1, Ordering::SeqCst);
        }
        Some(reply)
    });
    let there = before.url();
    let to = S3::elsewhere(&config, None, Some(&there), None).await;
    let shelves = Arc::new(Kept::default());
    let run = || {
        let from = Place { s3: from.clone(), bucket: &source, endpoint: &here };
        between(from, Place { s3: to.clone(), bucket: &target, endpoint: &there }, "")
    };
    let mut killed = run();
    killed.carry_over(shelves.clone(), LIMIT).await;
    let range = Box::pin(everything(&killed)).await;
    let read = Box::pin(killed.read(&range, None, 10, LIMIT)).await.unwrap().unwrap();
    let effort = effort();
    let all_but_one = async {
        while !parts.all_but_one() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        outcome = Box::pin(killed.write(&read.batch, &effort)) => panic!("it ended: {outcome:?}"),
        () = all_but_one => {}
    }
    parts.open.store(true, Ordering::SeqCst);
    let mut next = run();
    next.carry_over(shelves.clone(), LIMIT).await;
    let read = Box::pin(next.read(&range, None, 10, LIMIT)).await.unwrap().unwrap();
    let outcome = Box::pin(next.write(&read.batch, &effort)).await.unwrap();
    assert_eq!((outcome.moved, outcome.skipped, outcome.aside.len()), (1, 0, 0), "{outcome:?}");
    assert_eq!(parts.arrived.each_ref().map(|count| count.load(Ordering::SeqCst)), [1; 4]);
    assert!(to.get(&target, "film", 32 << 20, LIMIT).await.unwrap()[..] == film[..]);
    let open = to.open_uploads(&Bucket { name: target.clone(), owner: None }, "", LIMIT).await.unwrap();
    assert_eq!(open, []);
    assert!(!shelves.0.lock().unwrap().keys().any(|key| key.starts_with("Upload#")), "the ledger still has it");
}
