//! An item that the target refuses: the migration pauses, names exactly that one, and all before it has moved.

use crate::support::job::Job;
use crate::support::servers::Kind;
use crate::support::shop::{self, Size};
use serde_json::json;

#[test]
fn an_item_that_the_target_refuses_is_named_and_what_came_before_it_has_moved() {
    for kind in [Kind::MariaDb, Kind::Postgres, Kind::Sqlite] {
        let job = Job::shop(kind, Size { orders: 600, closed: 250, items: 1, discounts: 1 }, "settle = \"0s\"");
        // The target of an earlier life, with a rule of its own: made by milkrun, then tightened.
        job.reply(&["run", &job.name, "--max-items", "1"]);
        job.reply(&["reset", &job.name, "--confirm", &job.name]);
        job.database.execute("DELETE FROM order_history");
        if kind == Kind::Sqlite {
            job.database.execute(
                "CREATE TRIGGER rule BEFORE INSERT ON order_history WHEN NEW.status = 'uncollected'
                 AND NEW.document LIKE '%hunter2%' BEGIN SELECT RAISE(ABORT, 'hunter2 is refused'); END",
            );
        } else {
            job.database.execute("ALTER TABLE order_history ADD CONSTRAINT rule CHECK (document NOT LIKE '%hunter2%')");
        }
        let closed = "status IN ('uncollected', 'cancelled', 'dispensed')";
        let nth = |place: u32| {
            job.database.number(&format!("SELECT id FROM orders WHERE {closed} ORDER BY id LIMIT 1 OFFSET {place}"))
        };
        let bad = [nth(117), nth(180)];
        for key in bad {
            job.database
                .execute(&format!("UPDATE orders SET status = 'uncollected', customer = 'hunter2' WHERE id = {key}"));
        }
        for (place, key) in bad.into_iter().enumerate() {
            let before = [117, 180][place];
            let finished = job.call(&["run", &job.name, "--until-done"]).expect(4);
            let paused = finished.reply();
            assert_eq!(
                (&paused["outcome"], &paused["stopped_by"]),
                (&json!("paused"), &json!("error")),
                "{kind:?}: {paused}"
            );
            let reason = paused["reason"].as_str().unwrap();
            assert!(reason.starts_with(&format!("item [\"{key}\"]: ")), "{kind:?}: {reason}");
            assert!(reason.ends_with("; then `resume`"), "{kind:?}: {reason}");
            assert!(kind == Kind::Sqlite || reason.contains("constraint `rule`"), "{kind:?}: {reason}");
            for text in [&finished.stdout, &finished.stderr] {
                assert!(!text.contains("hunter2"), "{kind:?}: {text}");
            }
            assert_eq!(job.database.number("SELECT COUNT(*) FROM order_history"), before, "{kind:?}");
            assert_eq!(
                job.database.number("SELECT MAX(order_id) FROM order_history"),
                nth(u32::try_from(before).unwrap() - 1)
            );
            assert_eq!(paused["progress"]["moved"], before, "{kind:?}");
            // To people it is said once.
            job.reply(&["resume", &job.name]);
            let told = job.cli().run(&["run", &job.name]).expect(4);
            assert_eq!(told.stderr, format!("{reason}\n"), "{kind:?}");
            assert_eq!(reason.matches("correct ").count(), 1, "{kind:?}: {reason}");
            // Resumed without a cure it is found again, at once.
            job.reply(&["resume", &job.name]);
            let again = job.call(&["run", &job.name]).expect(4).reply();
            assert_eq!((&again["reason"], &again["progress"]["moved"]), (&json!(reason), &json!(before)), "{kind:?}");
            job.database.execute(&format!("UPDATE orders SET customer = 'cured' WHERE id = {key}"));
            job.reply(&["resume", &job.name]);
        }
        job.run_to_the_end();
        job.assert_complete();
    }
}

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
