//! Tables that somebody alters in the middle of a job.

use super::{LIMITS, SHOP, interrupted, talkative, told, wait_until, with_a_target};
use crate::chaos::report;
use crate::support::database::Database;
use crate::support::job::Job;
use crate::support::servers::Kind;
use serde_json::json;

#[test]
fn a_table_that_somebody_alters_is_waited_for() {
    for kind in [Kind::MariaDb, Kind::Postgres] {
        let job = talkative(Job::shop(kind, SHOP, LIMITS));
        with_a_target(&job);
        let rival = Database::connect(job.database.url());
        rival.execute(if kind == Kind::MariaDb {
            "LOCK TABLES order_history WRITE"
        } else {
            "BEGIN; LOCK TABLE order_history IN ACCESS EXCLUSIVE MODE"
        });
        let blocked = job.run_once("3s");
        if kind == Kind::MariaDb {
            told(&blocked, "Locked", "1205");
            let reply = blocked.expect(0).reply();
            assert_eq!((&reply["outcome"], &reply["stopped_by"]), (&json!("more"), &json!("time")), "{reply}");
        } else {
            // Not even its columns can be asked for.
            let reply = blocked.expect(1).reply();
            let message = reply["errorMessage"].as_str().unwrap();
            let hint = "look for the transaction that holds the lock; the next run goes on by itself";
            assert!(message.contains("(error 55P03)") && message.ends_with(hint), "{message}");
        }
        // Held for a part of the next run only: that one goes on by itself.
        let running = job.cli().spawn(&["--json", "run", &job.name, "--until-done"]);
        wait_until("a run that waits", || {
            job.database.number(if kind == Kind::MariaDb {
                "SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE() AND state LIKE 'Waiting for table%'"
            } else {
                "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            }) > 0
        });
        rival.execute(if kind == Kind::MariaDb { "UNLOCK TABLES" } else { "ROLLBACK" });
        let finished = running.wait().expect(0);
        assert_eq!(finished.reply()["outcome"], "complete", "{kind:?}: {finished:?}");
        job.assert_complete();
        report("refusals", &[("faults", 1)]);
    }
}

#[test]
fn a_column_that_is_dropped_during_a_run_pauses_it_with_the_reason() {
    for kind in [Kind::MariaDb, Kind::Postgres] {
        let mut job = talkative(Job::shop(kind, SHOP, &format!("{LIMITS}\nmax_batch = 5")));
        with_a_target(&job);
        job.database.execute(if kind == Kind::MariaDb {
            "CREATE TABLE orders_before LIKE orders"
        } else {
            "CREATE TABLE orders_before (LIKE orders INCLUDING ALL)"
        });
        job.database.execute("INSERT INTO orders_before SELECT * FROM orders");
        let finished =
            interrupted(&mut job, 30, |watch| watch.execute("ALTER TABLE orders DROP COLUMN remark")).expect(4);
        let code = if kind == Kind::MariaDb { "1054" } else { "42703" };
        told(&finished, "Fatal", code);
        let paused = finished.reply();
        assert_eq!((&paused["outcome"], &paused["stopped_by"]), (&json!("paused"), &json!("error")), "{paused}");
        let reason = paused["reason"].as_str().unwrap();
        let hint = "compare the migration file with the database's schema";
        assert!(reason.contains(code) && reason.contains(hint) && reason.ends_with("then `resume`"), "{reason}");
        assert_eq!(job.status()["reason"], reason, "{kind:?}");
        // Let on with the column still missing, it says so and moves nothing.
        let moved = job.database.number("SELECT COUNT(*) FROM order_history");
        job.reply(&["resume", &job.name]);
        let again = job.call(&["run", &job.name]);
        assert_ne!(again.code, Some(0), "{kind:?}: {again:?}");
        assert_eq!(job.database.number("SELECT COUNT(*) FROM order_history"), moved, "{kind:?}: {again:?}");
        job.database.execute("DROP TABLE orders; ALTER TABLE orders_before RENAME TO orders");
        job.call(&["resume", &job.name]).expect(0);
        job.run_to_the_end();
        job.assert_complete();
        report("refusals", &[("faults", 1)]);
    }
}
