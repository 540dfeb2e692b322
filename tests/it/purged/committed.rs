//! The one moment that cannot be repeated: the database has committed, the ledger has not. In the first pass, in a sweep and
//! while dead letters are retried. And where the history is in another database, that between the two commits: copies are
//! there, and the rows are still where they were.

use super::{KINDS, Purge};
use crate::support::history;
use crate::support::refusing::{closed, cure, letters, progress, refuse, spoil};
use crate::support::servers::Kind;
use crate::support::shop::Size;
use std::collections::BTreeSet;

const SHOP: Size = Size { orders: 120, closed: 60, items: 2, discounts: 1 };
const LIMITS: &str = "settle = \"0s\"\nlease = \"1s\"\nmax_batch = 25\nmax_attempts = 1000";
const MOMENTS: [&str; 4] = ["EffectsBegun", "EffectsCommitted", "BeforeCommit", "AfterCommit"];

fn die(purge: &mut Purge, orders: &str) {
    purge.job.set("FAILPOINTS", orders);
    assert_eq!(purge.job.run_once("30s").code, None, "{orders}");
    purge.job.set("FAILPOINTS", "");
    std::thread::sleep(std::time::Duration::from_millis(1100));
}

#[test]
fn a_batch_of_the_first_pass_is_counted_once() {
    for kind in KINDS {
        for moment in MOMENTS {
            let mut purge = Purge::new(kind, SHOP, LIMITS);
            die(&mut purge, &format!("{moment}=1*off->1*return(abort)"));
            // And the one that has taken over, in the middle of what was announced.
            die(&mut purge, &format!("{moment}=1*return(abort)"));
            purge.job.run_to_the_end();
            purge.assert_done(0);
        }
    }
}

#[test]
fn a_batch_of_a_sweep_is_counted_once() {
    for kind in KINDS {
        for moment in MOMENTS {
            let mut purge = Purge::new(kind, SHOP, LIMITS);
            purge.job.reply(&["run", &purge.job.name, "--max-items", "60"]);
            purge.job.database.execute("UPDATE orders SET status = 'cancelled' WHERE id % 3 = 0");
            purge.look();
            die(&mut purge, &format!("{moment}=1*return(abort)"));
            purge.job.run_to_the_end();
            purge.assert_done(0);
        }
    }
}

#[test]
fn dead_letters_that_are_retried_are_counted_once() {
    for kind in KINDS {
        for moment in ["EffectsCommitted", "BeforeCommit", "LettersCounted"] {
            let mut purge = Purge::new(kind, SHOP, LIMITS);
            // One leaves on the way, in a life that is over then.
            refuse(&purge.job);
            let bad = closed(&purge.job, &[30, 31, 46]);
            spoil(&purge.job, &bad);
            purge.job.call(&["run", &purge.job.name, "--until-done"]).expect(3);
            assert_eq!(letters(&purge.job).len(), 3, "{kind:?}");
            cure(&purge.job, &bad);
            purge.gone.clear();
            purge.look();
            let gone = purge.gone.len() as u64;
            assert_eq!(gone, 3, "{kind:?}: only they are left");
            assert_eq!(purge.job.reply(&["retry", &purge.job.name])["retried"], 3, "{kind:?}");
            die(&mut purge, &format!("{moment}=1*return(abort)"));
            purge.job.run_to_the_end();
            assert_eq!(letters(&purge.job), [], "{kind:?} {moment}");
            let progress = purge.job.status()["progress"].clone();
            let counts = ["moved", "skipped", "conflicts", "failed"].map(|name| progress[name].as_u64().unwrap());
            assert_eq!(counts, [59, 0, 0, 0], "{kind:?} {moment}: {progress}");
        }
    }
}

/// From where to where, and whether the source has foreign keys.
const PAIRS: [(Kind, bool, Kind); 5] = [
    (Kind::MariaDb, false, Kind::Postgres),
    (Kind::MariaDb, true, Kind::Sqlite),
    (Kind::Postgres, true, Kind::MariaDb),
    (Kind::Postgres, true, Kind::Postgres),
    (Kind::Sqlite, false, Kind::Postgres),
];

/// Orders that are in both databases.
fn doubled(purge: &Purge) -> Vec<i64> {
    let copied = history::actual(purge.job.history(), "order_history", "order_id");
    let copied: BTreeSet<String> = copied.into_iter().map(|(id, _)| id).collect();
    let rows = purge.job.database.rows("SELECT id FROM orders ORDER BY id");
    let ids = rows.into_iter().filter_map(|mut row| row.remove(0));
    ids.filter(|id| copied.contains(id)).map(|id| id.parse().unwrap()).collect()
}

#[test]
fn between_the_two_commits_nothing_is_lost_and_nothing_doubled() {
    for (kind, keys, target) in PAIRS {
        let mut purge = Purge::between((kind, keys), target, SHOP, LIMITS);
        die(&mut purge, "TargetCommitted=1*off->1*return(abort)");
        assert!(!doubled(&purge).is_empty(), "{kind:?} {target:?}");
        // The one that takes over, and then a sweep: 25 of the 60 were counted before.
        die(&mut purge, "TargetCommitted=1*return(abort)");
        purge.job.reply(&["run", &purge.job.name, "--max-items", "35"]);
        purge.job.database.execute("UPDATE orders SET status = 'cancelled' WHERE id % 3 = 0");
        purge.look();
        die(&mut purge, "TargetCommitted=1*return(abort)");
        assert!(!doubled(&purge).is_empty(), "{kind:?} {target:?}");
        purge.job.run_to_the_end();
        purge.assert_done(0);
    }
}

/// Whoever changes such a row meanwhile finds it unlocked. What it has become leaves in place of the stale copy, where that says
/// of itself that nobody has touched it; otherwise the row stays, with all that belongs to it.
#[test]
fn a_row_that_changes_between_the_two_commits_leaves_as_it_is_then_or_stays() {
    for ((kind, keys, target), digest) in
        PAIRS.into_iter().zip([true, false, true, true, true]).chain([(PAIRS[0], false)])
    {
        let mut purge = Purge::between((kind, keys), target, SHOP, LIMITS);
        if !digest {
            purge.job.define(&super::across(LIMITS).replace("digest = \"$digest\"\n", ""));
        }
        die(&mut purge, "TargetCommitted=1*off->1*return(abort)");
        let both = doubled(&purge);
        let ([changed, reopened, grown], database) = ([both[0], both[2], both[4]], &purge.job.database);
        let items = |purge: &Purge, id| {
            purge.job.database.number(&format!("SELECT COUNT(*) FROM order_items WHERE order_id = {id}"))
        };
        database.execute(&format!(
            "UPDATE orders SET remark = 'later' WHERE id = {changed}; UPDATE orders SET status = 'paid' WHERE id = {reopened};
             INSERT INTO order_items VALUES (900000, {grown}, 'SKU-LATE', 1, 0.5)"
        ));
        let stay = if digest { vec![reopened] } else { vec![changed, reopened, grown] };
        if digest {
            purge.look();
        }
        let before: Vec<_> = stay.iter().map(|&id| items(&purge, id)).collect();
        let last = purge.job.call(&["run", &purge.job.name, "--until-done"]).expect(if digest { 0 } else { 3 }).reply();
        // The one that was opened again is none of its business any more; its copy was counted as it was lacking.
        let conflicts = if digest { 0 } else { 2 };
        assert_eq!(progress(&last), [60 - conflicts, 0, conflicts, 0], "{kind:?} {target:?}: {last}");
        let listed: BTreeSet<i64> = letters(&purge.job).into_iter().map(|letter| letter.0).collect();
        let expected = if digest { BTreeSet::new() } else { BTreeSet::from([changed, grown]) };
        assert_eq!(listed, expected, "{kind:?} {target:?}");
        assert_eq!(doubled(&purge), stay, "{kind:?} {target:?}");
        assert_eq!(stay.iter().map(|&id| items(&purge, id)).collect::<Vec<_>>(), before, "{kind:?} {target:?}");
        let left = i64::try_from(60 + stay.len()).unwrap();
        assert_eq!(purge.job.database.number("SELECT COUNT(*) FROM orders"), left, "{kind:?} {target:?}");
        history::assert_equal(&purge.gone, history::actual(purge.job.history(), "order_history", "order_id"));
    }
}
