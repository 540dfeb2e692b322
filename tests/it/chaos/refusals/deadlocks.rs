//! A deadlock of which the batch is the victim.

use super::{CLOSED, LIMITS, SHOP, talkative, told, wait_until, with_a_target};
use crate::chaos::report;
use crate::purged::Purge;
use crate::support::database::Database;
use crate::support::job::Job;
use crate::support::servers::Kind;
use crate::support::shop::create_history;

/// The key of the closed order at this place.
fn key(job: &Job, place: u32) -> i64 {
    job.database.number(&format!("SELECT id FROM orders WHERE {CLOSED} ORDER BY id LIMIT 1 OFFSET {place}"))
}

/// A target by somebody else.
fn foreign(key: i64) -> String {
    format!(
        "INSERT INTO order_history (order_id, status, document, digest, migrated_at, run, definition)
         VALUES ({key}, 'cancelled', '{{}}', 'd', '2024-05-06 07:08:09.000000', 'r', 'd')"
    )
}

#[test]
fn a_deadlock_is_tried_again_on_mariadb() {
    deadlock(Kind::MariaDb, Kind::MariaDb);
}

#[test]
fn a_deadlock_is_tried_again_on_postgres() {
    deadlock(Kind::Postgres, Kind::Postgres);
}

#[test]
fn a_deadlock_is_tried_again_from_mariadb_to_postgres() {
    deadlock(Kind::MariaDb, Kind::Postgres);
}

#[test]
fn a_deadlock_is_tried_again_from_postgres_to_mariadb() {
    deadlock(Kind::Postgres, Kind::MariaDb);
}

#[test]
fn a_deadlock_is_tried_again_where_rows_are_deleted() {
    for (kind, keys) in [(Kind::MariaDb, false), (Kind::Postgres, true)] {
        let mut purge = Purge::new((kind, keys), SHOP, LIMITS);
        purge.job.set("RUST_LOG", "info");
        create_history(&purge.job.database);
        run_into_a_deadlock(&purge.job);
        purge.assert_done(0);
    }
}

fn deadlock(kind: Kind, target: Kind) {
    let job = if kind == target { Job::shop(kind, SHOP, LIMITS) } else { Job::between(kind, target, SHOP, LIMITS) };
    let job = talkative(job);
    if kind == target {
        with_a_target(&job);
    }
    run_into_a_deadlock(&job);
    job.assert_complete();
}

/// Somebody inserts a late key and then an early one, while the batch has inserted the early one and comes to the late one. The
/// batch is what the server rolls back.
fn run_into_a_deadlock(job: &Job) {
    let (target, [early, middle, late]) = (job.history(), [5, 50, 100].map(|place| key(job, place)));
    target.execute(&if target.is_mariadb() {
        // InnoDB rolls back whoever has changed less.
        format!(
            "CREATE TABLE ballast AS SELECT seq AS id FROM seq_1_to_5000;
             CREATE TRIGGER slow BEFORE INSERT ON order_history FOR EACH ROW
             SET @slept = IF(NEW.order_id = {middle}, SLEEP(0.7), 0)"
        )
    } else {
        // PostgreSQL rolls back whoever has waited for this long first.
        let name = target.rows("SELECT current_database()")[0][0].clone().unwrap();
        format!(
            "ALTER DATABASE {name} SET deadlock_timeout = '20ms';
             CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF NEW.order_id = {middle} THEN PERFORM pg_sleep(0.7); END IF; RETURN NEW; END $$;
             CREATE TRIGGER slow BEFORE INSERT ON order_history FOR EACH ROW EXECUTE FUNCTION slow()"
        )
    });
    let rival = Database::connect(target.url());
    rival.execute(if target.is_mariadb() {
        "BEGIN; DELETE FROM ballast"
    } else {
        "SET deadlock_timeout = '20s'; BEGIN"
    });
    rival.execute(&foreign(late));
    let running = job.cli().spawn(&["--json", "run", &job.name, "--until-done"]);
    wait_until("the batch between both keys", || {
        target.number(if target.is_mariadb() {
            "SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE() AND state = 'User sleep'"
        } else {
            "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
        }) > 0
    });
    // Waits for the batch, which comes to wait for this one.
    rival.execute(&foreign(early));
    rival.execute("ROLLBACK");
    let finished = running.wait().expect(0);
    told(&finished, "Transient", if target.is_mariadb() { "1213" } else { "40P01" });
    assert_eq!(finished.reply()["outcome"], "complete", "{finished:?}");
    report("refusals", &[("faults", 1)]);
}
