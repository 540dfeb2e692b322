//! What is asked side by side: both listings, and no more objects than `copy.concurrency` says, by all lanes together.

use super::direct::{LIMIT, Place, between, effort, everything};
use crate::support::http_exchange::{Upstream, proxy};
use crate::support::s3::{Make, bucket};
use bytes::Bytes;
use milkrun::engine::migration::Migration as _;
use milkrun::s3::{Checksum, Object, S3};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const OBJECTS: usize = 6;

/// Requests for objects: how many are under way, how many were at once, and how many there have been.
#[derive(Default)]
struct Asked {
    now: AtomicUsize,
    most: AtomicUsize,
    all: AtomicUsize,
}

impl Asked {
    fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        self.all.fetch_add(1, Ordering::SeqCst);
        // So long that whoever would ask side by side does.
        std::thread::sleep(Duration::from_millis(30));
        let done = work();
        self.now.fetch_sub(1, Ordering::SeqCst);
        done
    }
}

#[tokio::test]
async fn lanes_look_at_no_more_objects_at_once_than_are_agreed() {
    let (s3, config, source) = bucket(Make::Ministack).await;
    let (_, _, target) = bucket(Make::Ministack).await;
    for n in 0..OBJECTS {
        let object = Object { bucket: source.clone(), key: format!("looked/{n}"), ..Object::default() };
        let body = Bytes::from_static(b"object");
        s3.put(&object, body.clone(), Checksum::of(&body), LIMIT).await.unwrap();
    }
    let (asked, server) = (Arc::new(Asked::default()), Upstream::at(config.endpoint_url().unwrap()));
    let counting = asked.clone();
    let before = proxy(move |request| {
        if request.path.contains("/looked/") {
            counting.during(|| server.forward(&request))
        } else {
            server.forward(&request)
        }
    });
    let endpoint = before.url();
    let counted = S3::elsewhere(&config, None, Some(&endpoint), None).await;
    let from = Place { s3: counted.clone(), bucket: &source, endpoint: &endpoint };
    let to = Place { s3: counted, bucket: &target, endpoint: &endpoint };
    let objects = between(from, to, "concurrency = 2");
    let range = Box::pin(everything(&objects)).await;
    // Nothing is in the target yet: no listing tells of it.
    let sweep = || Box::pin(objects.sweep(&range, None, 10, LIMIT));
    let (one, other) = tokio::join!(sweep(), sweep());
    let found = one.unwrap().unwrap().found;
    assert_eq!((found.len(), other.unwrap().unwrap().found.len()), (OBJECTS, OBJECTS));
    let most = asked.most.swap(0, Ordering::SeqCst);
    assert!((1..=2).contains(&most), "{most} targets at once");
    let batch = objects.fetch(&range, &found);
    let count = || Box::pin(objects.count(&batch, LIMIT));
    let (one, other) = tokio::join!(count(), count());
    assert_eq!((one.unwrap(), other.unwrap()), (Some(OBJECTS as u64), Some(OBJECTS as u64)));
    let most = asked.most.load(Ordering::SeqCst);
    assert!((1..=2).contains(&most), "{most} sources at once");
    assert!(asked.all.load(Ordering::SeqCst) >= 4 * OBJECTS);
}

/// Whether a request is for the listing of a bucket.
fn lists(path: &str, bucket: &str) -> bool {
    path.contains("list-type=2") && path.trim_start_matches('/').split(['/', '?']).next() == Some(bucket)
}

#[tokio::test]
async fn a_sweep_asks_for_both_listings_at_the_same_time() {
    let (s3, config, source) = bucket(Make::Ministack).await;
    let (_, _, target) = bucket(Make::Ministack).await;
    let object = Object { bucket: source.clone(), key: "one".to_owned(), ..Object::default() };
    let body = Bytes::from_static(b"object");
    s3.put(&object, body.clone(), Checksum::of(&body), LIMIT).await.unwrap();
    // Whether the target was asked, and whether the source was, and was waited for, while it was not.
    let (asked, server) =
        (Arc::new([AtomicBool::new(false), AtomicBool::new(false)]), Upstream::at(config.endpoint_url().unwrap()));
    let (seen, of_source, of_target) = (asked.clone(), source.clone(), target.clone());
    let before = proxy(move |request| {
        let [both, alone] = &*seen;
        if lists(&request.path, &of_target) {
            both.store(true, Ordering::SeqCst);
        }
        let patience = Instant::now() + Duration::from_secs(5);
        while lists(&request.path, &of_source) && !both.load(Ordering::SeqCst) {
            if Instant::now() >= patience {
                alone.store(true, Ordering::SeqCst);
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        server.forward(&request)
    });
    let endpoint = before.url();
    let through = S3::elsewhere(&config, None, Some(&endpoint), None).await;
    let of = |s3: &S3| {
        let from = Place { s3: s3.clone(), bucket: &source, endpoint: &endpoint };
        between(from, Place { s3: s3.clone(), bucket: &target, endpoint: &endpoint }, "")
    };
    let range = Box::pin(everything(&of(&s3))).await;
    let objects = of(&through);
    let read = Box::pin(objects.sweep(&range, None, 10, LIMIT)).await.unwrap().unwrap();
    assert_eq!(read.found.len(), 1);
    assert_eq!(asked.each_ref().map(|flag| flag.load(Ordering::SeqCst)), [true, false], "one after the other");
}

/// Where a server is slow none of many might arrive within a run.
#[tokio::test]
async fn parts_begin_two_at_a_time_until_one_has_arrived() {
    let (s3, config, source) = bucket(Make::SeaweedFs).await;
    let (_, _, target) = bucket(Make::SeaweedFs).await;
    let object = Object { bucket: source.clone(), key: "large".to_owned(), ..Object::default() };
    let body = Bytes::from(vec![7; 40 << 20]);
    s3.put(&object, body.clone(), Checksum::of(&body), LIMIT).await.unwrap();
    // Parts that have begun: of all, and before the first of them was passed on.
    let (begun, server) =
        (Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]), Upstream::at(config.endpoint_url().unwrap()));
    let counting = begun.clone();
    let before = proxy(move |request| {
        if request.path.contains("partNumber=") {
            let [all, at_first] = &*counting;
            all.fetch_add(1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(300));
            let _ = at_first.compare_exchange(0, all.load(Ordering::SeqCst), Ordering::SeqCst, Ordering::SeqCst);
        }
        server.forward(&request)
    });
    let (near, endpoint) = (config.endpoint_url().unwrap(), before.url());
    let through = S3::elsewhere(&config, None, Some(&endpoint), None).await;
    let from = Place { s3, bucket: &source, endpoint: near };
    let objects = between(from, Place { s3: through, bucket: &target, endpoint: &endpoint }, "");
    let range = Box::pin(everything(&objects)).await;
    let read = Box::pin(objects.read(&range, None, 10, LIMIT)).await.unwrap().unwrap();
    assert_eq!(Box::pin(objects.write(&read.batch, &effort())).await.unwrap().moved, 1);
    assert_eq!(begun.each_ref().map(|count| count.load(Ordering::SeqCst)), [5, 2]);
}
