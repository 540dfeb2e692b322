//! What every ledger promises, one function a promise. A new store, and every double, has to pass all of them.

use async_trait::async_trait;
use milkrun::ledger::{Ledger, LedgerError, MAX_RECORD_BYTES, Page, Record, Swap};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;

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

async fn a_first_swap_needs_absence(subject: &dyn Subject) {
    let (ledger, other) = (subject.handle(), subject.handle());
    let first = record(&migration(), "state");
    assert_eq!(ledger.swap(&first, None, LIMIT).await.unwrap(), Swap::Done);
    assert_eq!(stored(&*other, &first).await, Some(first.clone()));

    let second = after(&first);
    assert_eq!(other.swap(&second, None, LIMIT).await.unwrap(), Swap::Lost(Some(first.clone())));
    assert_eq!(stored(&*ledger, &first).await, Some(first.clone()));

    let elsewhere = Record { item: "move#0000".into(), ..after(&first) };
    assert_eq!(other.swap(&elsewhere, None, LIMIT).await.unwrap(), Swap::Done);
}

async fn a_swap_replaces_what_was_seen(subject: &dyn Subject) {
    let ledger = subject.handle();
    let held = record(&migration(), "state");
    ledger.swap(&held, None, LIMIT).await.unwrap();

    let freed = Record { owner: None, body: object(json!({ "other": true })), ..after(&held) };
    assert_eq!(ledger.swap(&freed, Some(&held), LIMIT).await.unwrap(), Swap::Done);
    assert_eq!(stored(&*ledger, &held).await, Some(freed.clone()), "the old body is gone");

    let taken = Record { owner: Some("nonce-2".into()), epoch: 2, ..after(&freed) };
    assert_eq!(ledger.swap(&taken, Some(&freed), LIMIT).await.unwrap(), Swap::Done);
    assert_eq!(stored(&*ledger, &held).await, Some(taken));
}

async fn one_of_many_swappers_wins(subject: &dyn Subject) {
    let handles = [subject.handle(), subject.handle()];
    let start = record(&migration(), "state");
    let mut seen = None;
    for round in 0..4 {
        let mut swappers = JoinSet::new();
        for number in 0..16 {
            let ledger = Arc::clone(&handles[number % 2]);
            let seen: Option<Record> = seen.clone();
            let write =
                Record { owner: Some(format!("nonce-{round}-{number}")), ..after(seen.as_ref().unwrap_or(&start)) };
            swappers.spawn(async move { (ledger.swap(&write, seen.as_ref(), LIMIT).await.unwrap(), write) });
        }
        let outcomes = swappers.join_all().await;
        let winners: Vec<_> = outcomes.iter().filter(|(swap, _)| *swap == Swap::Done).collect();
        assert_eq!(winners.len(), 1, "round {round}: {outcomes:?}");
        let winner = winners[0].1.clone();
        for (swap, _) in &outcomes {
            assert!(matches!(swap, Swap::Done) || *swap == Swap::Lost(Some(winner.clone())), "{swap:?}");
        }
        seen = Some(winner);
        assert_eq!(stored(&*handles[0], &start).await, seen);
    }
}

async fn a_swap_loses_if_anything_differs(subject: &dyn Subject) {
    let ledger = subject.handle();
    let held = Record { seq: 5, epoch: 3, ..record(&migration(), "state") };
    ledger.swap(&held, None, LIMIT).await.unwrap();
    for seen in [
        Record { seq: 4, ..held.clone() },
        Record { seq: 6, ..held.clone() },
        Record { epoch: 2, ..held.clone() },
        Record { epoch: 4, ..held.clone() },
        Record { owner: Some("nonce-9".into()), ..held.clone() },
        Record { owner: None, ..held.clone() },
    ] {
        let lost = ledger.swap(&after(&held), Some(&seen), LIMIT).await.unwrap();
        assert_eq!(lost, Swap::Lost(Some(held.clone())), "{seen:?}");
    }
    let freed = Record { owner: None, ..after(&held) };
    ledger.swap(&freed, Some(&held), LIMIT).await.unwrap();
    let owned = Record { owner: Some("nonce-1".into()), ..freed.clone() };
    assert_eq!(ledger.swap(&after(&freed), Some(&owned), LIMIT).await.unwrap(), Swap::Lost(Some(freed.clone())));
    assert_eq!(stored(&*ledger, &held).await, Some(freed.clone()));

    ledger.delete(&held.migration, &held.item, LIMIT).await.unwrap();
    assert_eq!(ledger.swap(&after(&freed), Some(&freed), LIMIT).await.unwrap(), Swap::Lost(None));
    assert_eq!(stored(&*ledger, &held).await, None, "a swap brings nothing back");
}

/// The reply was lost, so the caller tries again with the very same record.
async fn a_repeated_swap_is_done(subject: &dyn Subject) {
    let (ledger, other) = (subject.handle(), subject.handle());
    let first = record(&migration(), "state");
    for ledger in [&ledger, &other, &ledger] {
        assert_eq!(ledger.swap(&first, None, LIMIT).await.unwrap(), Swap::Done);
    }
    let second = after(&first);
    for ledger in [&other, &ledger, &other] {
        assert_eq!(ledger.swap(&second, Some(&first), LIMIT).await.unwrap(), Swap::Done);
    }
    assert_eq!(stored(&*ledger, &first).await, Some(second));
}

/// An old write that was held up on its way arrives after a newer one.
async fn a_late_duplicate_is_lost(subject: &dyn Subject) {
    let ledger = subject.handle();
    let first = record(&migration(), "state");
    let second = after(&first);
    let third = Record { owner: Some("nonce-2".into()), epoch: 2, ..after(&second) };
    ledger.swap(&first, None, LIMIT).await.unwrap();
    ledger.swap(&second, Some(&first), LIMIT).await.unwrap();
    ledger.swap(&third, Some(&second), LIMIT).await.unwrap();
    assert_eq!(ledger.swap(&second, Some(&first), LIMIT).await.unwrap(), Swap::Lost(Some(third.clone())));
    assert_eq!(ledger.swap(&first, None, LIMIT).await.unwrap(), Swap::Lost(Some(third.clone())));
    assert_eq!(stored(&*ledger, &first).await, Some(third));
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

/// Items in the order of their bytes, with neighbours on both sides of the prefix `dead#`.
fn strange_items() -> Vec<String> {
    let mut items = vec![
        r#"dead#["\"quoted\""]"#.to_owned(),
        r#"dead#["'; DROP TABLE ledger; --"]"#.to_owned(),
        r#"dead#["%_*"]"#.to_owned(),
        r###"dead#["#","##"]"###.to_owned(),
        r#"dead#["10"]"#.to_owned(),
        r#"dead#["9"]"#.to_owned(),
        r#"dead#["A"]"#.to_owned(),
        r#"dead#["a"]"#.to_owned(),
        r#"dead#["é"]"#.to_owned(),
        r#"dead#["e\u0301"]"#.to_owned(),
        "dead#[\"\u{ffff}\"]".to_owned(),
        r#"dead#["🥛"]"#.to_owned(),
        "dead#[\"\u{10ffff}\"]".to_owned(),
        "dead#\u{10ffff}".to_owned(),
        format!("dead#[\"{}\"]", "k".repeat(896)),
        format!("dead#[\"{}\"]", "é".repeat(448)),
        "dead#".to_owned(),
    ];
    items.sort();
    items
}

async fn fill(ledger: &dyn Ledger, name: &str) -> Vec<String> {
    let strange = strange_items();
    let around = ["DEAD#x", "dead", "dead\"", "dead$", "deaf#", "state"].map(str::to_owned);
    for item in strange.iter().chain(&around) {
        ledger.put(&record(name, item), LIMIT).await.unwrap();
    }
    ledger.put(&record(&format!("{name}-other"), "dead#other"), LIMIT).await.unwrap();
    strange
}

async fn lists_are_in_order_both_ways(subject: &dyn Subject) {
    let ledger = subject.handle();
    let name = migration();
    let mut expected = fill(&*ledger, &name).await;
    let page = ledger.list(&name, "dead#", None, 100, false, LIMIT).await.unwrap();
    assert_eq!(items(&page), expected);
    assert_eq!(page.next, None);
    for record in &page.records {
        assert_eq!(stored(&*ledger, record).await.as_ref(), Some(record), "a listed record is the whole record");
    }
    expected.reverse();
    let page = ledger.list(&name, "dead#", None, 100, true, LIMIT).await.unwrap();
    assert_eq!(items(&page), expected);

    let all = ledger.list(&name, "", None, 100, false, LIMIT).await.unwrap();
    assert_eq!(all.records.len(), expected.len() + 6);
    assert!(items(&all).is_sorted());
    assert_eq!(items(&ledger.list(&name, "dead#[\"é", None, 9, false, LIMIT).await.unwrap()).len(), 2);
}

async fn pages_meet_without_gap_or_overlap(subject: &dyn Subject) {
    let ledger = subject.handle();
    let name = migration();
    let strange = fill(&*ledger, &name).await;
    for newest_first in [false, true] {
        let mut expected = strange.clone();
        if newest_first {
            expected.reverse();
        }
        for most in [1, 4, expected.len() - 1, expected.len(), expected.len() + 1] {
            let (mut found, mut pages, mut next) = (Vec::new(), 0, None);
            loop {
                let page = ledger.list(&name, "dead#", next.as_deref(), most, newest_first, LIMIT).await.unwrap();
                assert!(!page.records.is_empty() && page.records.len() <= most);
                found.extend(page.records.into_iter().map(|record| record.item));
                pages += 1;
                assert!(pages <= expected.len(), "the pages do not end");
                next = page.next;
                if next.is_none() {
                    break;
                }
                assert_eq!(next.as_ref(), found.last());
            }
            assert_eq!(found, expected, "{most} a page, newest first: {newest_first}");
            assert_eq!(pages, expected.len().div_ceil(most), "the last page knows that it is the last");
        }
    }
}

async fn a_page_may_start_anywhere(subject: &dyn Subject) {
    let ledger = subject.handle();
    let name = migration();
    for item in ["a", "run#1", "run#3", "run#5", "z"] {
        ledger.put(&record(&name, item), LIMIT).await.unwrap();
    }
    for (start, forwards, backwards) in [
        ("run#2", vec!["run#3", "run#5"], vec!["run#1"]),
        ("run#3", vec!["run#5"], vec!["run#1"]),
        ("run#9", vec![], vec!["run#5", "run#3", "run#1"]),
        ("run#", vec!["run#1", "run#3", "run#5"], vec![]),
        ("b", vec!["run#1", "run#3", "run#5"], vec![]),
        ("y", vec![], vec!["run#5", "run#3", "run#1"]),
    ] {
        for (newest_first, expected) in [(false, forwards), (true, backwards)] {
            let page = ledger.list(&name, "run#", Some(start), 9, newest_first, LIMIT).await.unwrap();
            assert_eq!(items(&page), expected, "beyond {start}, newest first: {newest_first}");
        }
    }
}

/// Together more than a store hands over at once: DynamoDB cuts its replies at 1 MB.
async fn large_records_are_listed_whole(subject: &dyn Subject) {
    let ledger = subject.handle();
    let name = migration();
    for number in 0..25 {
        let body = object(json!({ "text": "x".repeat(90 * 1024) }));
        ledger.put(&Record { body, ..record(&name, &format!("run#{number:02}")) }, LIMIT).await.unwrap();
    }
    for newest_first in [false, true] {
        let page = ledger.list(&name, "run#", None, 24, newest_first, LIMIT).await.unwrap();
        assert_eq!(page.records.len(), 24);
        assert_eq!(page.next.as_deref(), Some(if newest_first { "run#01" } else { "run#23" }));
    }
}

/// Lists within lists.
fn nested(depth: usize) -> Value {
    (0..depth).fold(Value::Null, |inner, _| json!([inner]))
}

async fn bodies_come_back_exactly(subject: &dyn Subject) {
    let ledger = subject.handle();
    for body in [
        json!({}),
        json!({ "most": u64::MAX, "near": u64::MAX - 1, "least": i64::MIN, "odd": 9_007_199_254_740_993_u64, "zero": 0 }),
        json!({ "tenth": 0.1, "third": 1.0 / 3.0, "small": 1.5e-9, "large": 1.25e30, "below": -2.5 }),
        json!({ "null": null, "yes": true, "no": false, "list": [], "map": {}, "mixed": [null, [1, "1"], { "x": "" }] }),
        json!({ "empty": "", "blank": " ", "zero": "a\u{0}b", "lines": "a\r\nb\t\u{1f}", "quote": "\"'\\`" }),
        json!({ "emoji": "🥛🚚👩‍👩‍👧", "é": "e\u{301}", "last": "\u{10ffff}\u{ffff}", "rtl": "\u{202e}abc" }),
        json!({ "deep": nested(30), "smallest": 1e-130, "greatest": -9.99e125 }),
        json!({ "a": { "b": { "c": [{ "d": { "e": [[["deep"]]] } }] } }, "name": "n", "size": 1, "status": "s", "#x": 1, ":y": 2, "a.b": 3 }),
    ] {
        let written = Record { body: object(body), ..record(&migration(), "state") };
        ledger.swap(&written, None, LIMIT).await.unwrap();
        assert_eq!(stored(&*ledger, &written).await, Some(written));
    }
}

async fn a_record_beyond_the_limit_is_refused(subject: &dyn Subject) {
    let ledger = subject.handle();
    let with = |bytes: usize, name: &str| {
        let body = object(json!({ "text": "x".repeat(bytes) }));
        Record { body, ..record(name, "state") }
    };
    let name = migration();
    let large = with(MAX_RECORD_BYTES - 200, &name);
    ledger.swap(&large, None, LIMIT).await.unwrap();
    assert_eq!(stored(&*ledger, &large).await, Some(large.clone()));

    let too_large = Record { seq: 2, ..with(MAX_RECORD_BYTES, &name) };
    for refused in [ledger.swap(&too_large, Some(&large), LIMIT).await.err(), ledger.put(&too_large, LIMIT).await.err()]
    {
        let Some(LedgerError::Record { item, message, .. }) = refused else { panic!("{refused:?}") };
        assert_eq!(item, "state");
        assert!(message.starts_with("would grow to ") && message.ends_with(" bytes, 102400 fit"), "{message}");
    }
    assert_eq!(stored(&*ledger, &large).await, Some(large), "nothing was written");

    let long = "k".repeat(1025);
    for (name, item) in [("", "state"), ("orders", ""), ("orders", &long)] {
        let refused = ledger.put(&record(name, item), LIMIT).await;
        assert!(matches!(refused, Err(LedgerError::Record { .. })), "{refused:?}");
    }
}

async fn a_body_that_not_every_store_holds_is_refused(subject: &dyn Subject) {
    let ledger = subject.handle();
    let reserved =
        ["migration", "item", "v", "seq", "epoch", "owner", "stamp", "expires"].map(|name| json!({ name: "x" }));
    let others = [
        json!({ "": 1 }),
        json!({ "a": [{ "": 1 }] }),
        json!({ "a": nested(31) }),
        json!({ "a": 1e126 }),
        json!({ "a": [-1e-131] }),
    ];
    for body in reserved.into_iter().chain(others) {
        let write = Record { body: object(body), ..record(&migration(), "state") };
        for refused in [ledger.swap(&write, None, LIMIT).await.err(), ledger.put(&write, LIMIT).await.err()] {
            assert!(matches!(refused, Some(LedgerError::Record { .. })), "{:?}: {refused:?}", write.body);
        }
        assert_eq!(stored(&*ledger, &write).await, None);
    }
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
