//! `mode = "continuous"`: it keeps sweeping on the schedule, rests in between as `idle`, and never completes.

mod changes;

use crate::support::job::Job;
use crate::support::servers::Kind;
use crate::support::shop::{self, Size};
use crate::sweep::{close, insert};
use serde_json::{Value, json};
use std::time::Duration;

const KINDS: [Kind; 3] = [Kind::MariaDb, Kind::Postgres, Kind::Sqlite];

const SHOP: Size = Size { orders: 120, closed: 50, items: 1, discounts: 0 };
const EVERY: &str = "settle = \"0s\"\nsweep_every = \"3s\"";
/// A day is longer than any test.
const DAILY: &str = "settle = \"0s\"";

fn continuous(limits: &str) -> String {
    shop::migration(limits).replace("kind = \"rows\"", "kind = \"rows\"\nmode = \"continuous\"")
}

fn job(kind: Kind, limits: &str) -> Job {
    let mut job = Job::shop(kind, SHOP, "");
    job.define(&continuous(limits));
    job
}

/// Runs until it has done what there is; the last reply.
#[track_caller]
fn until_idle(job: &Job) -> Value {
    let reply = job.reply(&["run", &job.name, "--until-done"]);
    assert_eq!((&reply["outcome"], &reply["stopped_by"]), (&json!("idle"), &json!("end")), "{reply}");
    reply
}

#[track_caller]
fn assert_moved(reply: &Value, moved: u64) {
    assert_eq!((&reply["progress"]["moved"], &reply["progress"]["failed"]), (&json!(moved), &json!(0)), "{reply}");
}

/// A target of another making, in which one record differs: the key of that.
fn stand_in_the_way(job: &Job) -> i64 {
    job.database.execute("CREATE TABLE order_history (order_id INTEGER PRIMARY KEY, status TEXT, document TEXT, digest TEXT, migrated_at TEXT, run TEXT, definition TEXT)");
    let key = job.database.number("SELECT MIN(id) FROM orders WHERE status = 'dispensed'");
    job.database.execute(&format!("INSERT INTO order_history (order_id, status) VALUES ({key}, 'other')"));
    key
}

#[test]
fn it_moves_what_there_is_rests_and_sweeps_again_when_it_is_time() {
    for kind in KINDS {
        let mut job = job(kind, EVERY);
        let planned = job.reply(&["plan", &job.name]);
        assert_eq!((&planned["sweep"]["every_s"], &planned["sweep"]["keys"]), (&json!(3), &json!(120)), "{planned}");
        assert!(planned["sweep"]["cost_usd"].as_f64().unwrap() > 0.0, "{planned}");
        assert_moved(&until_idle(&job), 50);
        close(&job.database, 1_000_000, 7);
        insert(&job.database, 1_000_000);
        std::thread::sleep(Duration::from_millis(3100));
        let reply = job.reply(&["run", &job.name]);
        assert_moved(&reply, 58);
        assert_eq!((&reply["moved"], &reply["outcome"]), (&json!(8), &json!("idle")), "{kind:?}: {reply}");
        assert!(reply["until"].is_string() && reply["progress"]["left"] == 8, "{reply}");

        // Until then it is idle, and does not even ask the database.
        close(&job.database, 1_000_000, 2);
        let url = job.variable("SHOP_DATABASE_URL").to_owned();
        job.define(&continuous(DAILY));
        job.set("SHOP_DATABASE_URL", "mysql://nobody@127.0.0.1:9/nowhere");
        let reply = until_idle(&job);
        assert!(reply["until"].is_string() && reply["batches"] == 0 && reply["shards"] == json!([]), "{reply}");
        job.set("SHOP_DATABASE_URL", &url);
        let status = job.status();
        assert_eq!((&status["state"], &status["leases"]), (&json!("sweeping"), &json!([])), "{status}");

        // Anything is moved once.
        job.define(&continuous(EVERY));
        std::thread::sleep(Duration::from_millis(3100));
        assert_moved(&until_idle(&job), 60);
        let verified = job.reply(&["verify", &job.name]);
        assert_eq!((&verified["checked"], &verified["equal"]), (&json!(60), &json!(60)), "{verified}");
    }
}

#[test]
fn a_bare_run_passes_over_one_that_rests() {
    let mut job = job(Kind::Sqlite, DAILY);
    let name = job.name.clone();
    let other = shop::migration("settle = \"0s\"").replace("orders-history", "z-once");
    job.define(&other.replace("\"order_history\"", "\"other_history\""));
    let replies = job.call(&["run", "--until-done"]).expect(0).replies();
    let outcomes: Vec<_> = replies.iter().map(|reply| (reply["migration"].clone(), reply["outcome"].clone())).collect();
    assert!(outcomes.contains(&(json!(name), json!("idle"))), "{outcomes:?}");
    assert!(outcomes.contains(&(json!("z-once"), json!("complete"))), "{outcomes:?}");
    assert_eq!(outcomes.last(), Some(&(Value::Null, json!("idle"))), "{outcomes:?}");
}

#[test]
fn a_bare_run_waits_for_settle_and_not_for_one_that_rests() {
    let mut job = job(Kind::Sqlite, DAILY);
    until_idle(&job);
    let rests = job.reply(&["run"]);
    assert_eq!((&rests["outcome"], &rests["migration"], rests.get("until")), (&json!("idle"), &Value::Null, None));
    let other = shop::migration("settle = \"1h\"").replace("orders-history", "z-once");
    job.define(&other.replace("\"order_history\"", "\"other_history\""));
    let settles = job.reply(&["run", "z-once"]);
    let busy = job.call(&["run"]).expect(4).reply();
    assert_eq!((&busy["outcome"], &busy["migration"]), (&json!("busy"), &Value::Null), "{busy}");
    assert!(busy["until"].is_string() && busy["until"] == settles["until"], "{busy}, {settles}");
}

#[test]
fn a_bare_run_does_not_forget_the_conflict_of_one_that_rests() {
    let job = job(Kind::Sqlite, DAILY);
    stand_in_the_way(&job);
    let replies = job.call(&["run", "--until-done"]).expect(3).replies();
    let [own, nothing] = replies.as_slice() else { panic!("{replies:?}") };
    assert_eq!((&own["outcome"], &own["progress"]["conflicts"]), (&json!("idle"), &json!(1)), "{own}");
    assert_eq!((&nothing["outcome"], &nothing["migration"]), (&json!("idle"), &Value::Null), "{nothing}");
}

#[test]
fn what_completed_once_goes_on_when_it_becomes_continuous_and_completes_again_when_it_is_not() {
    let mut job = Job::shop(Kind::Sqlite, SHOP, DAILY);
    job.run_to_the_end();
    close(&job.database, 1_000_000, 3);
    job.define(&continuous("settle = \"0s\"\nsweep_every = \"1s\""));
    std::thread::sleep(Duration::from_millis(1100));
    assert_moved(&until_idle(&job), 53);
    assert_eq!(job.status()["state"], "sweeping");
    job.define(&shop::migration(DAILY));
    job.run_to_the_end();
    job.assert_complete();
}

#[test]
fn an_accepted_definition_and_dead_letters_wait_for_no_sweep() {
    let mut job = job(Kind::Sqlite, DAILY);
    let key = stand_in_the_way(&job);
    let reply = job.call(&["run", &job.name, "--until-done"]).expect(3).reply();
    assert_eq!((&reply["outcome"], &reply["progress"]["conflicts"]), (&json!("idle"), &json!(1)), "{reply}");

    job.database.execute(&format!("DELETE FROM order_history WHERE order_id = {key}"));
    job.reply(&["retry", &job.name]);
    let reply = until_idle(&job);
    assert_eq!((&reply["moved"], &reply["progress"]["conflicts"]), (&json!(1), &json!(0)), "{reply}");
    assert_moved(&reply, 50);

    // Now open orders are history too.
    job.define(&continuous(DAILY).replace("'cancelled', ", "'cancelled', 'paid', "));
    let digest = job.status()["definition"].as_str().unwrap().to_owned();
    let reply = job.call(&["run", &job.name]).expect(4).reply();
    assert_eq!(reply["outcome"], "paused", "{reply}");
    job.reply(&["resume", &job.name, "--accept", &digest]);
    let paid = job.database.number("SELECT COUNT(*) FROM orders WHERE status = 'paid'");
    assert!(paid > 0);
    assert_moved(&until_idle(&job), 50 + u64::try_from(paid).unwrap());
}
