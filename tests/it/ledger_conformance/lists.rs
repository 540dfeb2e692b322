//! Lists: in the order of their bytes, both ways, page by page and whole.

use super::{LIMIT, Subject, items, migration, object, record, stored};
use milkrun::ledger::{Ledger, Record};
use serde_json::json;

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

pub(super) async fn lists_are_in_order_both_ways(subject: &dyn Subject) {
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

pub(super) async fn pages_meet_without_gap_or_overlap(subject: &dyn Subject) {
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

pub(super) async fn a_page_may_start_anywhere(subject: &dyn Subject) {
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
pub(super) async fn large_records_are_listed_whole(subject: &dyn Subject) {
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
