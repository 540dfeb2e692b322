//! Bodies: they come back exactly, and what not every store holds is refused by all.

use super::{LIMIT, Subject, migration, object, record, stored};
use milkrun::ledger::{LedgerError, MAX_RECORD_BYTES, Record};
use serde_json::{Value, json};

/// Lists within lists.
fn nested(depth: usize) -> Value {
    (0..depth).fold(Value::Null, |inner, _| json!([inner]))
}

pub(super) async fn bodies_come_back_exactly(subject: &dyn Subject) {
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

pub(super) async fn a_record_beyond_the_limit_is_refused(subject: &dyn Subject) {
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

pub(super) async fn a_body_that_not_every_store_holds_is_refused(subject: &dyn Subject) {
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
