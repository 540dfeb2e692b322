//! Which migration a bare `run` takes.

use super::{LONG, ONE_BY_ONE, SMALL, exits::under_way, replies::assert_run};
use crate::support::database::Database;
use crate::support::job::Job;
use crate::support::servers::Kind;
use crate::support::shop;
use serde_json::{Value, json};

/// Several migrations of the same shop, each with a target of its own; `settle` as given.
fn several(names: &[&str], limits: &str) -> Job {
    let mut job = Job::shop(Kind::Sqlite, SMALL, "");
    job.remove("orders-history");
    for name in names {
        job.define(&named(name, limits));
    }
    job
}

fn named(name: &str, limits: &str) -> String {
    let table = format!("table = \"history_{name}\"");
    shop::migration(limits).replace("orders-history", name).replace("table = \"order_history\"", &table)
}

/// The migration that a bare run of one item took.
#[track_caller]
fn taken(job: &Job) -> Value {
    let reply = job.reply(&["run", "--max-items", "1"]);
    assert_run(&reply);
    reply["migration"].clone()
}

#[test]
fn never_run_first_then_the_oldest_then_by_name() {
    let mut job = several(&["b", "a", "c"], "settle = \"0s\"");
    job.reply(&["run", "b", "--max-items", "1"]);
    assert_eq!([taken(&job), taken(&job), taken(&job), taken(&job)], ["a", "c", "b", "a"]);
    job.define(&named("aa", "settle = \"0s\""));
    assert_eq!([taken(&job), taken(&job)], ["aa", "c"]);
    // Paused and complete ones are passed over.
    job.reply(&["pause", "b"]);
    job.reply(&["run", "a"]);
    assert_eq!([taken(&job), taken(&job), taken(&job)], ["aa", "c", "aa"]);
    job.reply(&["resume", "b"]);
    assert_eq!(taken(&job), "b");
    // A new life is one that has never run.
    job.reply(&["reset", "aa", "--confirm", "aa"]);
    assert_eq!([taken(&job), taken(&job)], ["aa", "c"]);
}

#[test]
fn to_the_end_of_all_and_idle_after_it() {
    let job = several(&["a", "b"], "settle = \"0s\"");
    let replies = job.call(&["run", "--until-done"]).expect(0).replies();
    let seen: Vec<_> =
        replies.iter().map(|reply| (reply["migration"].as_str(), reply["outcome"].as_str().unwrap())).collect();
    assert_eq!(seen, [(Some("a"), "complete"), (Some("b"), "complete"), (None, "idle")]);
    let idle = replies.last().unwrap();
    assert_run(idle);
    assert_eq!((&idle["shards"], &idle["moved"], &idle["batches"]), (&json!([]), &json!(0), &json!(0)));
}

#[test]
fn what_waits_or_is_held_makes_it_busy() {
    let mut job = several(&["a"], "settle = \"1h\"");
    let until = job.reply(&["run"])["until"].clone();
    let busy = job.call(&["run"]).expect(4).reply();
    assert_run(&busy);
    assert_eq!((&busy["outcome"], &busy["migration"], &busy["until"]), (&json!("busy"), &Value::Null, &until));
    // What does not wait goes first.
    job.define(&named("z", "settle = \"0s\""));
    assert_eq!(taken(&job), "z");

    let mut job = Job::shop(Kind::Sqlite, LONG, ONE_BY_ONE);
    let mut running = job.cli().spawn(&["--json", "run"]);
    under_way(&job, &mut running);
    assert_eq!(job.call(&["run"]).expect(4).reply()["outcome"], "busy");
    let held = std::mem::take(&mut job.name);
    job.define(&named("other", "settle = \"0s\""));
    assert_eq!(taken(&job), "other");
    assert!(running.is_running(), "{held} was to be held meanwhile");
    running.signal("KILL");
    running.wait();
}

#[test]
fn a_bad_file_fails_only_its_own_runs() {
    let job = several(&["good"], "settle = \"0s\"");
    std::fs::write(job.folder().join("migrations/bad.toml"), "name = \"bad\"\nkind = \"rows\"\n").unwrap();
    let fine = job.call(&["run"]).expect(0);
    assert_eq!(fine.reply()["outcome"], "complete");
    assert!(fine.stderr.contains("bad.toml") && fine.stderr.contains("source: is missing"), "{}", fine.stderr);
    let own = job.call(&["run", "bad"]).expect(2).reply();
    assert_eq!(own["errorType"], "Definition");
    let all = job.reply(&["status"]);
    let told: Vec<_> = all["migrations"].as_array().unwrap().iter().collect();
    let [bad, good] = told.as_slice() else { panic!("{all}") };
    assert_eq!(
        (&bad["migration"], &bad["state"], &bad["problem"]),
        (&json!("bad"), &json!("new"), &own["errorMessage"])
    );
    assert_eq!((&good["migration"], &good["state"], good.get("problem")), (&json!("good"), &json!("complete"), None));
    // One that is wrong by now keeps the state that it came to.
    std::fs::write(job.folder().join("migrations/good.toml"), "name = \"good\"\nkind = \"rows\"\n").unwrap();
    assert_eq!(job.reply(&["status"])["migrations"][1]["state"], "complete");
    job.remove("good");
    let none = job.call(&["run"]).expect(2).reply();
    assert_eq!(none["errorType"], "Definition");
    assert!(none["errorMessage"].as_str().unwrap().starts_with("no migration in `"), "{none}");
    job.remove("bad");
    let none = job.call(&["run"]).expect(2).reply();
    assert!(none["errorMessage"].as_str().unwrap().starts_with("there is no migration in `"), "{none}");
}

#[test]
fn one_whose_runs_fail_does_not_starve_the_others() {
    let mut job = several(&["b"], "settle = \"0s\"");
    // A file that is valid by itself, over a table that is not there.
    job.define(&named("a", "settle = \"0s\"").replacen("table = \"orders\"", "table = \"ordrs\"", 1));
    let failed = job.call(&["run"]).expect(2).reply();
    assert!(
        failed["errorMessage"].as_str().unwrap().starts_with("a.toml: source.table: there is no table"),
        "{failed}"
    );
    assert_eq!(taken(&job), "b");
    let shown = job.status()["last_run"].clone();
    assert_eq!((&shown["outcome"], &shown["errorType"]), (&json!("failed"), &json!("Definition")), "{shown}");
    job.call(&["run"]).expect(2);
    assert_eq!(taken(&job), "b");
}

#[test]
fn one_whose_records_cannot_be_read_fails_only_its_own_runs() {
    let mut job = several(&["a", "b"], "settle = \"0s\"");
    let file = job.folder().join("ledger.db").display().to_string();
    job.set("MILKRUN_LEDGER", &format!("sqlite://{file}"));
    job.reply(&["run", "a", "--max-items", "1"]);
    // As a newer milkrun would have left it, which is deployed no more.
    Database::connect(&format!("sqlite://{file}"))
        .execute("UPDATE ledger SET v = 2 WHERE migration = 'a' AND item = 'state'");
    let own = job.call(&["run", "a"]).expect(1).reply();
    assert_eq!(own["errorType"], "Ledger", "{own}");
    let other = job.call(&["run"]).expect(0);
    assert_eq!((&other.reply()["migration"], &other.reply()["outcome"]), (&json!("b"), &json!("complete")));
    assert!(other.stderr.contains("the record `state` of `a` has version 2"), "{}", other.stderr);
    // It is named among the others, which are told as ever.
    assert_eq!(job.call(&["status", "a"]).expect(1).reply()["errorMessage"], own["errorMessage"]);
    let all = job.reply(&["status"]);
    let [a, b] = all["migrations"].as_array().unwrap().as_slice() else { panic!("{all}") };
    assert_eq!(
        (&a["migration"], &a["state"], &a["problem"]),
        (&json!("a"), &Value::Null, &own["errorMessage"]),
        "{all}"
    );
    assert_eq!((&b["migration"], &b["state"], b.get("problem")), (&json!("b"), &json!("complete"), None), "{all}");
    // Nothing else is left to do: then it is what there is to say.
    assert_eq!(job.call(&["run"]).expect(1).reply()["errorMessage"], own["errorMessage"]);
}
