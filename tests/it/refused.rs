//! A target that is gone: it is not made again over what was moved into it. (Items that a target refuses: `dead_letters`.)

use crate::support::job::Job;
use crate::support::servers::Kind;
use crate::support::shop::{self, Size};
use serde_json::json;

#[test]
fn a_target_that_is_gone_is_not_made_again_over_what_was_moved_into_it() {
    for kind in [Kind::MariaDb, Kind::Postgres, Kind::Sqlite] {
        let job = Job::shop(kind, Size { orders: 70, closed: 30, items: 1, discounts: 1 }, "settle = \"0s\"");
        job.reply(&["run", &job.name, "--max-items", "12"]);
        job.database.execute("ALTER TABLE order_history RENAME TO elsewhere");
        let reason = "the target table `order_history` is missing, though 12 items were moved into it or compared with it: \
                      restore it and `resume`, or `reset` the migration, which then begins anew";
        for _ in 0..2 {
            let paused = job.call(&["run", &job.name]).expect(4).reply();
            assert_eq!(
                (&paused["outcome"], &paused["reason"]),
                (&json!("paused"), &json!(reason)),
                "{kind:?}: {paused}"
            );
            assert_eq!(paused["progress"]["moved"], 12, "{kind:?}: {paused}");
            assert_eq!(job.status()["reason"], reason);
            job.reply(&["resume", &job.name]);
        }
        // Restored, it goes on where it was; forgotten, it begins anew with a target of its own.
        job.database.execute("ALTER TABLE elsewhere RENAME TO order_history");
        assert_eq!(job.run_to_the_end()["progress"]["moved"], 30, "{kind:?}");
        job.assert_complete();
        job.reply(&["reset", &job.name, "--confirm", &job.name]);
        job.database.execute("DROP TABLE order_history");
        assert_eq!(job.run_to_the_end()["progress"]["moved"], 30, "{kind:?}");
        job.assert_complete();
    }
}

#[test]
fn a_target_that_nothing_was_moved_into_is_made_again() {
    let shop = Size { orders: 70, closed: 30, items: 1, discounts: 1 };
    let mut job = Job::shop(Kind::Sqlite, shop, "settle = \"1h\"");
    job.database.execute("UPDATE orders SET status = 'new'");
    let walked = job.reply(&["run", &job.name]);
    assert_eq!((&walked["outcome"], &walked["progress"]["moved"]), (&json!("more"), &json!(0)), "{walked}");
    job.database.execute("DROP TABLE order_history");
    job.define(&shop::migration("settle = \"0s\""));
    job.database.execute("UPDATE orders SET status = 'cancelled' WHERE id = (SELECT MIN(id) FROM orders)");
    assert_eq!(job.run_to_the_end()["progress"]["moved"], 1);
    job.assert_complete();
}
