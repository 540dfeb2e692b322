//! `pause`, `resume` and `reset`, also of a run that is under way.

use super::exits::under_way;
use super::{LONG, ONE_BY_ONE, SMALL, replies::assert_run};
use crate::support::database::Database;
use crate::support::job::Job;
use crate::support::servers::Kind;
use crate::support::shop::migration;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

#[test]
fn pause_stops_a_run_at_the_next_batch() {
    let job = Job::shop(Kind::Sqlite, LONG, ONE_BY_ONE);
    let mut running = job.cli().spawn(&["--json", "run", &job.name, "--until-done"]);
    under_way(&job, &mut running);
    let paused = job.reply(&["pause", &job.name, "--reason", "the shop is on fire", "--by", "ann"]);
    assert_eq!((&paused["state"], &paused["reason"]), (&json!("paused"), &json!("the shop is on fire")));
    let asked = Instant::now();
    let stopped = running.wait().expect(4).reply();
    assert!(asked.elapsed() < Duration::from_secs(3));
    assert_run(&stopped);
    assert_eq!((&stopped["outcome"], &stopped["stopped_by"]), (&json!("paused"), &json!("pause")));
    assert_eq!(stopped["reason"], "the shop is on fire");
    let moved = job.database.number("SELECT COUNT(*) FROM order_history");
    let still = job.call(&["run", &job.name]).expect(4).reply();
    assert_run(&still);
    assert_eq!((&still["outcome"], &still["reason"]), (&json!("paused"), &json!("the shop is on fire")));
    // The newest reason counts; a pause without one takes none away.
    for arguments in
        [&["pause", "orders-history", "--reason", "the water too", "--by", "bob"][..], &["pause", "orders-history"]]
    {
        let again = job.reply(arguments);
        assert_eq!((&again["reason"], &again["paused"]["by"]), (&json!("the water too"), &json!("bob")));
    }
    assert_eq!(job.database.number("SELECT COUNT(*) FROM order_history"), moved);
    assert_eq!(job.reply(&["resume", &job.name])["state"], "moving");
    assert_eq!(job.reply(&["run", &job.name, "--max-items", "2"])["moved"], 2);
}

/// Each chunk of a verification looks at the switch; what was counted before is told all the same.
#[test]
fn a_verification_that_is_paused_tells_what_it_has_counted() {
    let mut job = Job::shop(Kind::Sqlite, LONG, "settle = \"0s\"");
    job.run_to_the_end();
    job.define(&migration(ONE_BY_ONE));
    let ledger = Database::connect(&format!("sqlite://{}/ledger.db", job.folder().display()));
    let counted =
        "SELECT COALESCE(MAX(json_extract(body, '$.tally.checked')), 0) FROM ledger WHERE item = 'verify#0000'";
    let mut verifying = job.cli().spawn(&["--json", "verify", &job.name, "--time-limit", "1s"]);
    let since = Instant::now();
    while ledger.number(counted) == 0 {
        assert!(verifying.is_running() && since.elapsed() < Duration::from_secs(20), "it ended, or never began");
        std::thread::sleep(Duration::from_millis(10));
    }
    job.reply(&["pause", &job.name]);
    let replies = verifying.wait().expect(4).replies();
    let [.., before, last] = replies.as_slice() else { panic!("{replies:?}") };
    assert_eq!((&before["outcome"], &last["outcome"]), (&json!("more"), &json!("paused")));
    assert!(last["checked"].as_u64().unwrap() > 0, "{last}");
    assert_eq!((&before["checked"], &before["equal"]), (&last["checked"], &last["equal"]));
}

#[test]
fn reset_needs_its_name_twice_and_fences_whoever_runs() {
    let mut job = Job::shop(Kind::Sqlite, LONG, ONE_BY_ONE);
    for arguments in [&["reset", "orders-history"][..], &["reset", "orders-history", "--confirm", "orders"]] {
        let refused = job.call(arguments).expect(2).reply();
        assert_eq!(
            refused["errorMessage"],
            "`reset` forgets all progress of `orders-history`: repeat its name as `\"confirm\": \"orders-history\"`, on the \
             command line `--confirm orders-history`"
        );
    }
    let mut running = job.cli().spawn(&["--json", "run", &job.name]);
    under_way(&job, &mut running);
    let epoch = epoch(&job);
    let reset = job.reply(&["reset", &job.name, "--confirm", &job.name]);
    assert_eq!(
        (&reset["state"], &reset["progress"]["moved"], &reset["leases"]),
        (&json!("new"), &json!(0), &json!([]))
    );
    let ended = running.wait().expect(4);
    let fenced = ended.reply();
    assert_run(&fenced);
    assert_eq!((&fenced["outcome"], &fenced["stopped_by"]), (&json!("fenced"), &json!("fence")));
    // Whoever sits beside it hears why.
    let why = fenced["reason"].as_str().unwrap();
    assert!(why.starts_with("the migration was `reset` while this run was under way"), "{fenced}");
    assert!(ended.stderr.contains(why) && !ended.stderr.contains("taken over"), "{}", ended.stderr);
    // The fenced run wrote nothing into the new life; what it had moved is found equal.
    assert_eq!(job.status()["progress"]["moved"], 0);
    assert_eq!(job.status()["state"], "new");
    let before = job.database.number("SELECT COUNT(*) FROM order_history");
    job.define(&crate::support::shop::migration("settle = \"0s\""));
    let end = job.run_to_the_end();
    assert_eq!((&end["progress"]["skipped"], &end["progress"]["moved"]), (&json!(before), &json!(3000 - before)));
    assert!(self::epoch(&job) > epoch + 1, "epochs go on through a reset");
}

/// The epoch of the only shard, from the ledger's file.
fn epoch(job: &Job) -> i64 {
    let ledger = crate::support::database::Database::connect(&format!("sqlite://{}/ledger.db", job.folder().display()));
    ledger.number("SELECT epoch FROM ledger WHERE item = 'move#0000'")
}

#[test]
fn reset_forgets_counters_dead_letters_and_the_pause() {
    let job = Job::shop(Kind::Sqlite, SMALL, "settle = \"0s\"");
    job.reply(&["run", &job.name, "--max-items", "9"]);
    job.database.execute("UPDATE order_history SET status = 'forged'");
    job.reply(&["reset", &job.name, "--confirm", &job.name]);
    job.call(&["run", &job.name]).expect(3);
    assert_eq!(job.status()["dead"], json!({"conflict": 9}));
    job.reply(&["pause", &job.name]);
    job.database.execute("DELETE FROM order_history");
    let reset = job.reply(&["reset", &job.name, "--confirm", &job.name]);
    let cleared = ["state", "reason", "pass", "dead", "pinned", "last_run"].map(|name| reset[name].clone());
    assert_eq!(cleared, [json!("new"), Value::Null, json!(0), json!({}), Value::Null, Value::Null], "{reset}");
    let counters = ["moved", "skipped", "conflicts", "failed", "left", "estimated_total"];
    assert!(counters.iter().all(|name| reset["progress"][*name] == 0), "{reset}");
    assert_eq!(job.reply(&["failed", &job.name])["items"], json!([]));
    job.run_to_the_end();
    job.assert_complete();
    // Of a migration that never ran there is nothing to forget, which is no error.
    let other = Job::shop(Kind::Sqlite, SMALL, "");
    assert_eq!(other.reply(&["reset", &other.name, "--confirm", &other.name])["state"], "new");
}

#[test]
fn a_file_that_is_wrong_keeps_nobody_from_looking_pausing_and_beginning_anew() {
    let mut job = Job::shop(Kind::Sqlite, SMALL, "settle = \"0s\"");
    job.reply(&["run", &job.name, "--max-items", "9"]);
    job.database.execute("UPDATE order_history SET status = 'forged'");
    job.reply(&["reset", &job.name, "--confirm", &job.name]);
    job.call(&["run", &job.name, "--max-items", "9"]).expect(3);
    let pinned = job.status()["pinned"].clone();
    let good = crate::support::shop::migration("settle = \"0s\"");
    job.define(&good.replacen("key = [\"id\"]", "keys = [\"id\"]", 1));
    let own = job.call(&["run", &job.name]).expect(2).reply();
    let shown = job.status();
    assert_eq!((&shown["state"], &shown["pinned"], &shown["definition"]), (&json!("moving"), &pinned, &Value::Null));
    assert_eq!((&shown["problem"], &shown["progress"]["conflicts"]), (&own["errorMessage"], &json!(9)), "{shown}");
    // Without the file nobody knows whether keys may be shown.
    let dead = job.reply(&["failed", &job.name]);
    assert_eq!(dead["items"].as_array().unwrap().len(), 9);
    assert!(dead["items"][0]["key"][0].as_str().unwrap().len() > 9, "{dead}");
    let paused = job.reply(&["pause", &job.name, "--reason", "mending", "--by", "ann"]);
    assert_eq!((&paused["state"], &paused["reason"]), (&json!("paused"), &json!("mending")));
    assert_eq!((&paused["definition"], &paused["problem"]), (&Value::Null, &own["errorMessage"]));
    assert_eq!(job.call(&["resume", &job.name]).expect(2).reply(), own);
    let reset = job.reply(&["reset", &job.name, "--confirm", &job.name]);
    assert_eq!(
        (&reset["state"], &reset["problem"], &reset["pinned"]),
        (&json!("new"), &own["errorMessage"], &Value::Null)
    );
    for command in [&["status", "nobody"][..], &["pause", "nobody"], &["reset", "nobody", "--confirm", "nobody"]] {
        assert_eq!(job.call(command).expect(2).reply()["errorType"], "Definition");
    }
    job.define(&good);
    assert!(job.status().get("problem").is_none() && job.status()["definition"].is_string());
}
