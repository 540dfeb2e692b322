//! Swaps: one wins, and whoever repeats itself, loses a reply or comes late is told what is so.

use super::{LIMIT, Subject, after, migration, object, record, stored};
use milkrun::ledger::{Record, Swap};
use serde_json::json;
use std::sync::Arc;
use tokio::task::JoinSet;

pub(super) async fn a_first_swap_needs_absence(subject: &dyn Subject) {
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

pub(super) async fn a_swap_replaces_what_was_seen(subject: &dyn Subject) {
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

pub(super) async fn one_of_many_swappers_wins(subject: &dyn Subject) {
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

pub(super) async fn a_swap_loses_if_anything_differs(subject: &dyn Subject) {
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
pub(super) async fn a_repeated_swap_is_done(subject: &dyn Subject) {
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
pub(super) async fn a_late_duplicate_is_lost(subject: &dyn Subject) {
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
