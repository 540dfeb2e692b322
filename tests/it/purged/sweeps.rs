//! Sweeps: every row that still matches is looked at, and what stays for a reason keeps nobody from coming to an end.

use super::{KINDS, Purge, migration};
use crate::support::shop::Size;
use serde_json::json;

const SHOP: Size = Size { orders: 200, closed: 80, items: 2, discounts: 1 };
const LIMITS: &str = "settle = \"0s\"\nmax_batch = 60";

#[test]
fn rows_that_close_behind_the_cursor_leave_with_a_sweep() {
    for kind in KINDS {
        let mut purge = Purge::new(kind, SHOP, LIMITS);
        let first = purge.job.reply(&["run", &purge.job.name, "--max-items", "60"]);
        assert_eq!(first["outcome"], "more", "{kind:?}: {first}");
        let cursor: i64 = first["shards"][0]["cursor"][0].as_str().unwrap().parse().unwrap();
        purge.job.database.execute(&format!("UPDATE orders SET status = 'cancelled' WHERE id < {cursor}"));
        let closed = purge.gone.clone();
        purge.look();
        assert!(purge.gone.len() > closed.len());
        let last = purge.job.run_to_the_end();
        assert_eq!(last["progress"]["left"], 0, "{kind:?}: {last}");
        purge.assert_done(0);
    }
}

#[test]
fn a_definition_that_kept_and_now_deletes_purges_what_it_has_moved() {
    for kind in KINDS {
        let mut purge = Purge::new(kind, SHOP, LIMITS);
        purge.job.define(&migration(LIMITS, "keep"));
        purge.job.run_to_the_end();
        purge.job.define(&migration(LIMITS, "delete"));
        let paused = purge.job.call(&["run", &purge.job.name]).expect(4).reply();
        assert_eq!(paused["outcome"], "paused", "{kind:?}: {paused}");
        let definition = purge.job.status()["definition"].as_str().unwrap().to_owned();
        purge.job.reply(&["resume", &purge.job.name, "--accept", &definition]);
        purge.job.run_to_the_end();
        purge.assert_moved();
        let progress = &purge.job.status()["progress"];
        assert_eq!((&progress["moved"], &progress["skipped"]), (&json!(80), &json!(80)), "{kind:?}: {progress}");
    }
}

#[test]
fn conflicts_stay_and_are_no_reason_to_go_on() {
    for kind in KINDS {
        let purge = Purge::new(kind, SHOP, LIMITS);
        purge.job.reply(&["run", &purge.job.name, "--max-items", "1"]);
        // Somebody has written history by hand for two orders that are still to come.
        let ids = "SELECT id FROM orders WHERE status IN ('uncollected', 'cancelled', 'dispensed') ORDER BY id LIMIT 2 OFFSET 65";
        let ids: Vec<_> = purge.job.database.rows(ids).into_iter().filter_map(|mut row| row.remove(0)).collect();
        for id in &ids {
            purge.job.database.execute(&format!(
                "INSERT INTO order_history (order_id, status, document, digest, migrated_at, run, definition)
                 SELECT {id}, status, '{{}}', digest, migrated_at, run, definition FROM order_history LIMIT 1"
            ));
        }
        let finished = purge.job.call(&["run", &purge.job.name, "--until-done"]).expect(3).reply();
        let counts =
            ["moved", "skipped", "conflicts", "failed"].map(|name| finished["progress"][name].as_u64().unwrap());
        assert_eq!((&finished["outcome"], counts), (&json!("complete"), [78, 0, 2, 0]), "{kind:?}: {finished}");
        let verified = purge.job.call(&["verify", &purge.job.name]).expect(3).reply();
        assert_eq!((&verified["checked"], &verified["different"]), (&json!(2), &json!(2)), "{kind:?}: {verified}");
        // Mended and put back, they leave too.
        purge.job.database.execute(&format!("DELETE FROM order_history WHERE order_id IN ({})", ids.join(", ")));
        assert_eq!(purge.job.reply(&["retry", &purge.job.name])["retried"], 2, "{kind:?}");
        purge.job.run_to_the_end();
        purge.assert_done(0);
    }
}

#[test]
fn in_four_shards_and_two_lanes_everything_goes_too() {
    for kind in KINDS {
        let size = Size { orders: 400, closed: 200, items: 2, discounts: 1 };
        let purge = Purge::new(kind, size, "settle = \"0s\"\nmax_batch = 20\nshards = 4\nlanes = 2");
        let reply = purge.job.run_once("30s").expect(0).reply();
        assert_eq!(reply["shards"].as_array().unwrap().len(), 4, "{kind:?}: {reply}");
        purge.job.run_to_the_end();
        purge.assert_done(0);
    }
}
