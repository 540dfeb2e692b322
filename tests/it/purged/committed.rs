//! The one moment that cannot be repeated: the database has committed, the ledger has not. In the first pass, in a sweep and
//! while dead letters are retried.

use super::{KINDS, Purge};
use crate::support::refusing::{closed, cure, letters, refuse, spoil};
use crate::support::shop::Size;

const SHOP: Size = Size { orders: 120, closed: 60, items: 2, discounts: 1 };
const LIMITS: &str = "settle = \"0s\"\nlease = \"1s\"\nmax_batch = 25\nmax_attempts = 1000";
const MOMENTS: [&str; 4] = ["EffectsBegun", "EffectsCommitted", "BeforeCommit", "AfterCommit"];

fn die(purge: &mut Purge, orders: &str) {
    purge.job.set("FAILPOINTS", orders);
    assert_eq!(purge.job.run_once("3s").code, None, "{orders}");
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
