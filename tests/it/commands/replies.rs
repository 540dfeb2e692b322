//! What each command answers: every field of the design, of its type, and the numbers right.

use super::SMALL;
use crate::support::job::Job;
use crate::support::servers::Kind;
use crate::support::shape::assert_shape;
use serde_json::{Value, json};

pub(super) const RUN: &str = "v:count migration:text? run:text outcome:text until:time~ reason:text~ stopped_by:text? moved:count \
    skipped:count conflicts:count failed:count bytes:count batches:count shards:list elapsed_ms:count batch_ms:count \
    peak_memory_mb:count progress:object";
const SHARD: &str = "shard:text pass:count cursor:key? moved:count stopped_by:text batch:object?";
const PROGRESS: &str =
    "moved:count skipped:count conflicts:count failed:count left:count estimated_total:count eta_s:count?";
const STATUS: &str = "v:count migration:text state:text reason:text? paused:object~ pass:count progress:object rate:number \
    eta_s:count? dead:object dead_errors:object~ to_retry:count~ leases:list shards:list pinned:digest? definition:digest last_run:object?";
const VERIFY: &str = "v:count migration:text outcome:text until:time~ reason:text~ checked:count equal:count missing:count \
    different:count extra:count repaired:count examples:list";

#[track_caller]
pub(super) fn assert_run(reply: &Value) {
    assert_shape(reply, RUN);
    assert_shape(&reply["progress"], PROGRESS);
    for shard in reply["shards"].as_array().unwrap() {
        assert_shape(shard, SHARD);
        if shard["batch"].is_object() {
            assert_shape(&shard["batch"], "size:count bound_by:text");
        }
    }
}

#[track_caller]
fn assert_status(reply: &Value) {
    assert_shape(reply, STATUS);
    assert_shape(&reply["progress"], PROGRESS);
}

#[test]
fn runs_from_the_first_to_the_last() {
    let job = Job::shop(Kind::Sqlite, SMALL, "settle = \"0s\"");
    let fresh = job.status();
    assert_status(&fresh);
    assert_eq!((&fresh["state"], &fresh["pinned"], &fresh["last_run"]), (&json!("new"), &json!(null), &json!(null)));
    assert_eq!((&fresh["dead"], &fresh["leases"], &fresh["shards"]), (&json!({}), &json!([]), &json!([])));

    let first = job.reply(&["run", &job.name, "--max-items", "7"]);
    assert_run(&first);
    assert_eq!((&first["v"], &first["migration"]), (&json!(1), &json!("orders-history")));
    assert_eq!((&first["outcome"], &first["stopped_by"]), (&json!("more"), &json!("items")));
    assert_eq!((&first["moved"], &first["skipped"]), (&json!(7), &json!(0)), "{first}");
    assert_eq!(first["progress"]["estimated_total"], 30, "{first}");
    let shard = &first["shards"][0];
    assert_eq!((&shard["shard"], &shard["pass"], &shard["moved"]), (&json!("0000"), &json!(1), &json!(7)));
    // The cursor is the last key looked at, which the next one goes on from.
    let last = job.database.number("SELECT MAX(order_id) FROM order_history");
    assert!(shard["cursor"][0].as_str().unwrap().parse::<i64>().unwrap() >= last, "{first}");
    assert_eq!(first["bytes"], job.database.number("SELECT SUM(LENGTH(CAST(document AS BLOB))) FROM order_history"));

    let midway = job.status();
    assert_status(&midway);
    assert_eq!((&midway["state"], &midway["pass"], &midway["leases"]), (&json!("moving"), &json!(1), &json!([])));
    assert_eq!(midway["pinned"], midway["definition"]);
    assert_eq!(midway["shards"], json!([{"shard": "0000", "pass": 1, "cursor": shard["cursor"]}]));
    let lasting =
        |reply: &Value| ["moved", "skipped", "left", "estimated_total"].map(|name| reply["progress"][name].clone());
    assert_eq!(lasting(&midway), lasting(&first));
    assert_eq!((&midway["last_run"]["run"], &midway["last_run"]["moved"]), (&first["run"], &json!(7)));

    let last = job.reply(&["run", &job.name]);
    assert_run(&last);
    assert_eq!(
        (&last["outcome"], &last["stopped_by"], &last["moved"]),
        (&json!("complete"), &json!("end"), &json!(23))
    );
    assert_eq!((&last["progress"]["moved"], &last["progress"]["eta_s"]), (&json!(30), &json!(0)));
    assert_eq!(last["shards"][0]["pass"], 2);
    assert_ne!(first["run"], last["run"]);
    let done = job.status();
    assert_eq!((&done["state"], &done["rate"]), (&json!("complete"), &json!(0.0)), "{done}");
    job.assert_complete();

    let all = job.reply(&["status"]);
    assert_shape(&all, "v:count migration:text? migrations:list");
    assert_status(&all["migrations"][0]);
}

#[test]
fn complete_is_answered_again_without_the_database() {
    let mut job = Job::shop(Kind::Sqlite, SMALL, "settle = \"0s\"");
    job.run_to_the_end();
    // What closes afterwards belongs to another migration: this one moved once.
    job.database.execute("UPDATE orders SET status = 'cancelled'");
    let again = job.reply(&["run", &job.name]);
    assert_run(&again);
    assert_eq!((&again["outcome"], &again["moved"], &again["batches"]), (&json!("complete"), &json!(0), &json!(0)));
    assert_eq!(again["progress"]["moved"], 30);
    assert_eq!(job.database.number("SELECT COUNT(*) FROM order_history"), 30);
    std::fs::remove_file(job.folder().join("shop.db")).unwrap();
    let gone = job.reply(&["run", &job.name]);
    assert_eq!((&gone["outcome"], &gone["progress"]), (&json!("complete"), &again["progress"]));
    job.set("SHOP_DATABASE_URL", "");
    assert_eq!(job.reply(&["run", &job.name])["outcome"], "complete");
}

#[test]
fn verify_counts_and_begins_anew_after_its_end() {
    let job = Job::shop(Kind::Sqlite, SMALL, "settle = \"0s\"\nmax_batch = 10");
    let nothing = job.reply(&["verify", &job.name]);
    assert_shape(&nothing, VERIFY);
    assert_eq!((&nothing["outcome"], &nothing["checked"]), (&json!("complete"), &json!(0)));

    let half = job.reply(&["run", &job.name, "--max-items", "12"]);
    let upto = half["shards"][0]["cursor"][0].as_str().unwrap();
    // Beyond the cursor nothing is missing yet, and nothing too much.
    job.database.execute(
        "INSERT INTO order_history SELECT 1000000 + order_id, status, document, digest, definition, run, migrated_at FROM order_history",
    );
    let verified = job.reply(&["verify", &job.name]);
    assert_eq!((&verified["checked"], &verified["equal"]), (&json!(12), &json!(12)), "{upto}: {verified}");
    assert_eq!(verified["extra"], json!(0), "{verified}");
    job.run_to_the_end();
    let verified = job.call(&["verify", &job.name]).expect(3).reply();
    assert_eq!((&verified["checked"], &verified["extra"]), (&json!(30), &json!(12)), "{verified}");
    job.database.execute("DELETE FROM order_history WHERE order_id > 1000000");
    job.database.execute(
        "DELETE FROM order_history WHERE order_id = (SELECT MIN(order_id) FROM order_history);
         UPDATE order_history SET document = '{}' WHERE order_id = (SELECT MAX(order_id) FROM order_history)",
    );
    for _ in 0..2 {
        let found = job.call(&["verify", &job.name]).expect(3).reply();
        assert_shape(&found, VERIFY);
        let counts = ["checked", "equal", "missing", "different", "extra", "repaired"].map(|name| found[name].as_u64());
        assert_eq!(counts, [30, 28, 1, 1, 0, 0].map(Some), "{found}");
        let examples = found["examples"].as_array().unwrap();
        assert_eq!(examples.len(), 2, "{found}");
        for example in examples {
            assert_shape(example, "key:key kind:text");
        }
    }
    let line = job.cli().run(&["verify", &job.name]).expect(3).stdout;
    assert_eq!(line, "orders-history: complete, 30 checked, 28 equal, 1 missing, 1 different, 0 extra\n");
}

#[test]
fn switches_answer_as_status_does_and_failed_lists_pages() {
    let job = Job::shop(Kind::Sqlite, SMALL, "settle = \"0s\"");
    let closed = "status IN ('uncollected', 'cancelled', 'dispensed')";
    // A target that was there before and says something else about three of the orders.
    job.reply(&["run", &job.name, "--max-items", "1"]);
    job.database.execute(&format!(
        "DELETE FROM order_history; INSERT INTO order_history SELECT id, status, '{{\"forged\":true}}', 'x', 'x', 'x', 'x'
         FROM orders WHERE {closed} ORDER BY id LIMIT 3"
    ));
    for arguments in [
        &["pause", "orders-history", "--reason", "lunch", "--by", "ann"][..],
        &["resume", "orders-history", "--by", "bob"],
        &["reset", "orders-history", "--confirm", "orders-history"],
    ] {
        let reply = job.reply(arguments);
        assert_status(&reply);
        let paused = arguments[0] == "pause";
        assert_eq!(reply["state"] == "paused", paused, "{reply}");
        assert_eq!(reply["reason"] == "lunch", paused, "{reply}");
        if paused {
            assert_shape(&reply["paused"], "by:text at:time");
            assert_eq!(reply["paused"]["by"], "ann");
        }
    }
    let done = job.call(&["run", &job.name]).expect(3).reply();
    assert_run(&done);
    assert_eq!((&done["outcome"], &done["moved"], &done["conflicts"]), (&json!("complete"), &json!(27), &json!(3)));
    assert_eq!(job.status()["dead"], json!({"conflict": 3}));
    let mut keys = Vec::new();
    let mut page = job.reply(&["failed", &job.name, "--limit", "2"]);
    loop {
        assert_shape(&page, "v:count migration:text items:list next:text?");
        for letter in page["items"].as_array().unwrap() {
            assert_shape(letter, "key:key class:text message:text attempts:count first_at:time last_at:time");
            assert_eq!((&letter["class"], &letter["attempts"]), (&json!("conflict"), &json!(1)));
            let digests = letter["message"].as_str().unwrap().split(|c: char| !c.is_ascii_hexdigit());
            assert_eq!(digests.filter(|word| word.len() == 64).count(), 2, "{letter}");
            keys.push(letter["key"][0].as_str().unwrap().to_owned());
        }
        let Some(next) = page["next"].as_str() else { break };
        page = job.reply(&["failed", &job.name, "--limit", "2", "--next", next]);
    }
    keys.sort_by_key(|key| key.parse::<i64>().unwrap());
    let first = job.database.rows(&format!("SELECT id FROM orders WHERE {closed} ORDER BY id LIMIT 3"));
    assert_eq!(keys.into_iter().map(Some).collect::<Vec<_>>(), first.concat());
    assert_eq!(job.call(&["run", &job.name]).expect(3).reply()["progress"], done["progress"]);
    // `retry` answers as `status` does, and adds how many were put back.
    let mut asked = job.reply(&["retry", &job.name, "--by", "ann"]);
    assert_eq!((&asked["retried"], &asked["to_retry"]), (&json!(3), &json!(3)), "{asked}");
    asked.as_object_mut().unwrap().remove("retried");
    assert_status(&asked);
    for which in ["first", "last"] {
        assert_shape(&asked["dead_errors"]["conflict"][which], "key:key message:text at:time");
    }
    let shown = job.cli().run(&["status", &job.name]).expect(0).stdout;
    assert!(shown.contains("dead_errors:\n  conflict:\n    first:\n      key: "), "{shown}");
}

#[test]
fn without_json_the_last_line_says_it_all_and_the_rest_goes_to_stderr() {
    let job = Job::shop(Kind::Sqlite, SMALL, "settle = \"0s\"");
    let cli = job.cli();
    let one = cli.run(&["run", &job.name, "--max-items", "10"]).expect(0);
    assert_eq!(one.stdout, "orders-history: more, 10 moved, 0 skipped, 0 conflicts, 0 failed, 1 runs\n");
    let rest = cli.run(&["run", &job.name, "--until-done", "--max-items", "9"]).expect(0);
    assert_eq!(rest.stdout, "orders-history: complete, 20 moved, 0 skipped, 0 conflicts, 0 failed, 3 runs\n");
    let paused = cli.run(&["pause", &job.name, "--reason", "lunch"]).expect(0);
    assert!(paused.stdout.contains("state: paused\nreason: lunch\n"), "{paused:?}");
    let waits = cli.run(&["run", &job.name]).expect(4);
    assert_eq!(waits.stdout, "orders-history: paused, 0 moved, 0 skipped, 0 conflicts, 0 failed, 1 runs\n");
    let at = job.status()["paused"]["at"].as_str().unwrap().to_owned();
    let told = format!("lunch\npaused at {at}; `milkrun resume orders-history` goes on\n");
    assert_eq!(waits.stderr, told);
    let waits = cli.run(&["verify", &job.name]).expect(4);
    assert!(waits.stdout.starts_with("orders-history: paused, 0 checked"), "{waits:?}");
    assert_eq!(waits.stderr, told);
    let idle = cli.run(&["run"]).expect(0);
    assert_eq!(idle.stdout, "milkrun: idle, 0 moved, 0 skipped, 0 conflicts, 0 failed, 1 runs\n");
}

#[test]
fn people_are_told_until_when_to_wait() {
    let job = Job::shop(Kind::Sqlite, SMALL, "settle = \"1h\"");
    for (arguments, code, why) in [
        (&["run", "orders-history"][..], 0, "the pass is over, and `settle` is not until "),
        (&["run"], 4, "everything that is left to do waits or is held until "),
    ] {
        let until = job.call(arguments).expect(code).reply()["until"].as_str().unwrap().to_owned();
        let told = job.cli().run(arguments).expect(code);
        assert_eq!(told.stderr, format!("{why}{until}\n"));
    }
}
