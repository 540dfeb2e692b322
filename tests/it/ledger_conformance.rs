//! What every ledger promises, one function a promise. A new store, and every double, has to pass all of them.

mod bodies;
mod lists;
mod swaps;

use async_trait::async_trait;
use bodies::{
    a_body_that_not_every_store_holds_is_refused, a_record_beyond_the_limit_is_refused, bodies_come_back_exactly,
};
use lists::{
    a_page_may_start_anywhere, large_records_are_listed_whole, lists_are_in_order_both_ways,
    pages_meet_without_gap_or_overlap,
};
use milkrun::ledger::{Ledger, LedgerError, Page, Record};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use swaps::{
    a_first_swap_needs_absence, a_late_duplicate_is_lost, a_repeated_swap_is_done, a_swap_loses_if_anything_differs,
    a_swap_replaces_what_was_seen, one_of_many_swappers_wins,
};

/// A store under test.
#[async_trait]
pub(crate) trait Subject: Sync {
    /// A handle of its own on the one store, as another process would have it.
    fn handle(&self) -> Arc<dyn Ledger>;

    /// Makes a stored record look as if a milkrun of version `v` had written it.
    async fn set_version(&self, migration: &str, item: &str, v: u64);
}

const LIMIT: Duration = Duration::from_secs(20);

/// Runs the whole suite.
pub(crate) async fn exercise(subject: &dyn Subject) {
    what_is_not_there_is_none(subject).await;
    a_first_swap_needs_absence(subject).await;
    a_swap_replaces_what_was_seen(subject).await;
    one_of_many_swappers_wins(subject).await;
    a_swap_loses_if_anything_differs(subject).await;
    a_repeated_swap_is_done(subject).await;
    a_late_duplicate_is_lost(subject).await;
    put_and_delete_may_be_repeated(subject).await;
    lists_are_in_order_both_ways(subject).await;
    pages_meet_without_gap_or_overlap(subject).await;
    a_page_may_start_anywhere(subject).await;
    large_records_are_listed_whole(subject).await;
    bodies_come_back_exactly(subject).await;
    a_record_beyond_the_limit_is_refused(subject).await;
    a_body_that_not_every_store_holds_is_refused(subject).await;
    a_newer_version_is_refused(subject).await;
    expiry_is_stored(subject).await;
}

/// A name that no other promise uses.
fn migration() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    format!("orders-{}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

fn stamp() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    format!("stamp-{}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

fn record(migration: &str, item: &str) -> Record {
    Record {
        migration: migration.to_owned(),
        item: item.to_owned(),
        seq: 1,
        epoch: 1,
        owner: Some("nonce-1".to_owned()),
        stamp: stamp(),
        expires: None,
        body: object(json!({ "cursor": ["17"] })),
    }
}

/// The next write after `record`, with a stamp of its own.
fn after(record: &Record) -> Record {
    Record { seq: record.seq + 1, stamp: stamp(), ..record.clone() }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        other => panic!("{other} is no object"),
    }
}

fn items(page: &Page) -> Vec<&str> {
    page.records.iter().map(|record| record.item.as_str()).collect()
}

async fn stored(ledger: &dyn Ledger, like: &Record) -> Option<Record> {
    ledger.get(&like.migration, &like.item, LIMIT).await.unwrap()
}

async fn what_is_not_there_is_none(subject: &dyn Subject) {
    let ledger = subject.handle();
    let name = migration();
    assert_eq!(ledger.get(&name, "state", LIMIT).await.unwrap(), None);
    for prefix in ["", "dead#"] {
        let page = ledger.list(&name, prefix, None, 10, false, LIMIT).await.unwrap();
        assert_eq!(page, Page { records: Vec::new(), next: None });
    }
}

async fn put_and_delete_may_be_repeated(subject: &dyn Subject) {
    let ledger = subject.handle();
    let letter = Record { owner: None, epoch: 0, ..record(&migration(), r#"dead#["17"]"#) };
    ledger.delete(&letter.migration, &letter.item, LIMIT).await.unwrap();
    ledger.put(&letter, LIMIT).await.unwrap();
    ledger.put(&letter, LIMIT).await.unwrap();
    assert_eq!(stored(&*ledger, &letter).await, Some(letter.clone()));
    let other = Record { body: object(json!({ "attempts": 2 })), ..after(&letter) };
    ledger.put(&other, LIMIT).await.unwrap();
    assert_eq!(stored(&*ledger, &letter).await, Some(other));
    let neighbour = Record { item: r#"dead#["18"]"#.into(), ..letter.clone() };
    ledger.put(&neighbour, LIMIT).await.unwrap();
    ledger.delete(&letter.migration, &letter.item, LIMIT).await.unwrap();
    ledger.delete(&letter.migration, &letter.item, LIMIT).await.unwrap();
    assert_eq!(stored(&*ledger, &letter).await, None);
    assert_eq!(stored(&*ledger, &neighbour).await, Some(neighbour));
}

async fn a_newer_version_is_refused(subject: &dyn Subject) {
    let ledger = subject.handle();
    let old = record(&migration(), "state");
    ledger.swap(&old, None, LIMIT).await.unwrap();
    subject.set_version(&old.migration, &old.item, 2).await;

    let next = after(&old);
    let stale = Record { seq: 9, ..old.clone() };
    for refused in [
        ledger.get(&old.migration, &old.item, LIMIT).await.err(),
        ledger.list(&old.migration, "", None, 9, false, LIMIT).await.err(),
        ledger.swap(&next, None, LIMIT).await.err(),
        ledger.swap(&next, Some(&stale), LIMIT).await.err(),
        ledger.put(&next, LIMIT).await.err(),
    ] {
        assert!(matches!(&refused, Some(LedgerError::Newer { found: 2, item, .. }) if item == "state"), "{refused:?}");
    }
    subject.set_version(&old.migration, &old.item, 1).await;
    assert_eq!(stored(&*ledger, &old).await, Some(old), "nothing was written");
}

async fn expiry_is_stored(subject: &dyn Subject) {
    let ledger = subject.handle();
    let name = migration();
    let run = Record { expires: Some(4_102_444_800), ..record(&name, "run#2026-11-21T20:51:00.123456Z#id") };
    ledger.put(&run, LIMIT).await.unwrap();
    assert_eq!(stored(&*ledger, &run).await, Some(run.clone()));
    let kept = Record { expires: None, ..after(&run) };
    ledger.swap(&kept, Some(&run), LIMIT).await.unwrap();
    assert_eq!(stored(&*ledger, &run).await, Some(kept));
}
