//! What a database may refuse in the middle of a job, each for real: a deadlock, a table that somebody alters, a server that takes
//! no writes or no connections any more, a column that is gone. It goes on by itself, or pauses and says why, and then it is exact.

use super::report;
use crate::purged::Purge;
use crate::support::cli::Finished;
use crate::support::database::Database;
use crate::support::job::Job;
use crate::support::mariadb::own_mariadb;
use crate::support::servers::Kind;
use crate::support::shop::{Size, create_history};
use crate::support::slow::Slow;
use serde_json::json;
use std::time::{Duration, Instant};

const SHOP: Size = Size { orders: 240, closed: 120, items: 2, discounts: 1 };
const LIMITS: &str = "settle = \"0s\"\nlease = \"2s\"";
const CLOSED: &str = "status IN ('uncollected', 'cancelled', 'dispensed')";

/// The command line says what it does about faults.
fn talkative(mut job: Job) -> Job {
    job.set("RUST_LOG", "info");
    job
}

/// Makes the target, which stays empty.
fn with_a_target(job: &Job) {
    job.reply(&["run", &job.name, "--max-items", "1"]);
    job.reply(&["reset", &job.name, "--confirm", &job.name]);
    job.database.execute("DELETE FROM order_history");
}

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

/// Asserts that a run has met this code, and what it took it for.
#[track_caller]
fn told(finished: &Finished, class: &str, code: &str) {
    let class = format!("class={class}");
    let met = |line: &str| line.contains(&class) && line.contains(&format!("(error {code}"));
    assert!(finished.stderr.lines().any(met), "no {class} by error {code}: {finished:?}");
}

fn wait_until(what: &str, mut is: impl FnMut() -> bool) {
    let since = Instant::now();
    while !is() {
        assert!(since.elapsed() < Duration::from_secs(30), "never seen: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
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
        std::thread::sleep(Duration::from_millis(500));
        rival.execute(if kind == Kind::MariaDb { "UNLOCK TABLES" } else { "ROLLBACK" });
        let finished = running.wait().expect(0);
        assert_eq!(finished.reply()["outcome"], "complete", "{kind:?}: {finished:?}");
        job.assert_complete();
        report("refusals", &[("faults", 1)]);
    }
}

/// A run in small steps, interrupted once this many items have arrived.
fn interrupted(job: &mut Job, items: i64, interrupt: impl FnOnce(&Database)) -> Finished {
    let direct = job.database.url().to_owned();
    let target = job.variable("SHOP_DATABASE_URL").to_owned();
    let (_slow, url) = Slow::before(&target, Duration::from_millis(10));
    job.set("SHOP_DATABASE_URL", &url);
    let watch = Database::connect(&direct);
    let running = job.cli().spawn(&["--json", "run", &job.name, "--time-limit", "20s"]);
    wait_until("items that arrive", || watch.number("SELECT COUNT(*) FROM order_history") >= items);
    interrupt(&watch);
    let finished = running.wait();
    job.set("SHOP_DATABASE_URL", &target);
    finished
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

/// A user who may do anything with the database, but is no administrator of the server.
fn as_a_mere_user(job: &mut Job, limit: &str) -> String {
    let url = job.database.url().to_owned();
    let (head, name) = url.rsplit_once('/').unwrap();
    let user = format!("u_{name}");
    let admin = if job.database.is_mariadb() {
        job.database.execute(&format!("CREATE USER {user}@'%'; GRANT ALL ON {name}.* TO {user}@'%'"));
        "root"
    } else {
        job.database.execute(&format!(
            "CREATE ROLE {user} LOGIN {limit}; GRANT ALL ON SCHEMA public TO {user};
             GRANT ALL ON ALL TABLES IN SCHEMA public TO {user}"
        ));
        "postgres"
    };
    job.set(
        "SHOP_DATABASE_URL",
        &format!("{}/{name}", head.replacen(&format!("//{admin}@"), &format!("//{user}@"), 1)),
    );
    user
}

#[test]
fn a_server_that_takes_no_writes_any_more_is_waited_for_on_mariadb() {
    let server = own_mariadb();
    let mut job = talkative(on(&server.url(""), SHOP, "max_batch = 5"));
    with_a_target(&job);
    as_a_mere_user(&mut job, "");
    // For as long as the run is under way.
    let finished = interrupted(&mut job, 30, |watch| watch.execute("SET GLOBAL read_only = 1"));
    told(&finished, "Transient", "1290");
    let reply = finished.expect(0).reply();
    assert_eq!((&reply["outcome"], &reply["stopped_by"]), (&json!("more"), &json!("error")), "{reply}");
    let reason = reply["reason"].as_str().unwrap();
    assert!(reason.contains("takes no writes now") && reason.contains("name the writer's host"), "{reason}");
    // From the start.
    let nothing = job.run_once("3s").expect(1).reply();
    assert_eq!(nothing["errorType"], "Database", "{nothing}");
    assert!(nothing["errorMessage"].as_str().unwrap().contains("error 1290"), "{nothing}");
    // For a moment.
    let running = job.cli().spawn(&["--json", "run", &job.name, "--until-done"]);
    std::thread::sleep(Duration::from_millis(700));
    job.database.execute("SET GLOBAL read_only = 0");
    assert_eq!(running.wait().expect(0).reply()["outcome"], "complete");
    job.assert_complete();
    report("refusals", &[("faults", 3)]);
}

/// The writer has become a reader: sessions that were opened while it was stay readers, as those with the old writer do after a
/// failover. So each of them has to be opened again.
#[test]
fn a_server_that_takes_no_writes_any_more_is_connected_to_again_on_postgres() {
    let mut job = Job::new(Kind::Postgres).with_shop(SHOP, &format!("{LIMITS}\nmax_batch = 5"));
    let name = job.database.rows("SELECT current_database()")[0][0].clone().unwrap();
    with_a_target(&job);
    let watch = Database::connect(job.database.url());
    let read_only = |on: bool| {
        let change = if on { "SET default_transaction_read_only = on" } else { "RESET default_transaction_read_only" };
        watch.execute(&format!("SET default_transaction_read_only = off; ALTER DATABASE {name} {change}"));
    };
    read_only(true);
    let emulator = job.lambda(4, 1024);
    let failed = emulator.invoke(&job.event());
    assert!(failed.body.contains("25006") && failed.body.contains("name the writer's host"), "{failed:?}");
    let process = emulator.bootstrap_pid();
    read_only(false);
    // The same process, whose sessions are kept from one invocation to the next.
    wait_until("the end", || {
        let invoked = emulator.invoke(&job.event());
        let reply = invoked.reply_if_any().unwrap_or_else(|| panic!("{invoked:?}\n{}", emulator.log()));
        reply["outcome"] == "complete"
    });
    assert_eq!(emulator.bootstrap_pid(), process);
    assert!(process.is_some());
    job.set("RUST_LOG", "info");
    job.assert_complete();
    report("refusals", &[("faults", 1)]);
}

/// A job on a server of the test's own.
fn on(server: &str, size: Size, limits: &str) -> Job {
    Database::connect(server).execute("CREATE DATABASE shop");
    let mut job = Job::over(|_| format!("{server}shop")).with_shop(size, &format!("{LIMITS}\n{limits}"));
    job.set("MILKRUN_LEDGER", "sqlite://ledger.db");
    job
}

#[test]
fn a_server_that_is_full_is_waited_for_on_mariadb() {
    let server = own_mariadb();
    let mut job = talkative(on(&server.url(""), SHOP, ""));
    as_a_mere_user(&mut job, "");
    job.database.execute("SET GLOBAL max_connections = 10");
    full(&mut job, 9, "1040");
}

#[test]
fn a_server_that_is_full_is_waited_for_on_postgres() {
    let mut job = talkative(Job::shop(Kind::Postgres, SHOP, LIMITS));
    as_a_mere_user(&mut job, "CONNECTION LIMIT 3");
    full(&mut job, 3, "53300");
}

/// `others` connections are all that a mere user gets.
fn full(job: &mut Job, others: usize, code: &str) {
    let url = job.variable("SHOP_DATABASE_URL").to_owned();
    let mut held: Vec<Database> = (0..others).map(|_| Database::connect(&url)).collect();
    let refused = job.run_once("3s").expect(1).reply();
    assert_eq!(refused["errorType"], "Database", "{refused}");
    let message = refused["errorMessage"].as_str().unwrap();
    assert!(message.contains(&format!("error {code}")) && message.contains("busy"), "{message}");
    // Full for a part of a run only: that one waits, and goes on by itself.
    let running = job.cli().spawn(&["--json", "run", &job.name, "--until-done"]);
    std::thread::sleep(Duration::from_secs(3));
    held.clear();
    let finished = running.wait().expect(0);
    let met = format!("(error {code}, the server is busy");
    let waited = |line: &str| line.contains(&met) && line.contains("; trying again");
    assert!(finished.stderr.lines().any(waited), "{finished:?}");
    assert_eq!(finished.reply()["outcome"], "complete", "{finished:?}");
    job.assert_complete();
    report("refusals", &[("faults", 2)]);
}
