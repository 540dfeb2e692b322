//! The function as Lambda sees it: the real `bootstrap` gets every event of `events/`, wrong events and wrong settings; what it
//! answers, and what it writes to its log.

mod wrong;

use crate::support::database::Database;
use crate::support::job::Job;
use crate::support::rie::{Function, Invoked, Rie};
use crate::support::servers::{self, Kind};
use crate::support::shop::{self, Size};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

const PASSWORD: &str = "hunter2-the-password";
const AWS_SECRET: &str = "hunter2-the-aws-secret";
const CLOSED: u64 = 24;
const SMALL: Size = Size { orders: 60, closed: 24, items: 2, discounts: 1 };

/// A small shop on MariaDB, whose URL has a password in it, and the user who has it.
fn small_shop() -> (Job, String) {
    let mut job = Job::new(Kind::MariaDb);
    shop::load(&job.database, SMALL);
    let url = job.database.url().to_owned();
    let (server, database) = url.rsplit_once('/').unwrap();
    let address = server.rsplit_once('@').unwrap().1;
    let user = format!("u_{database}");
    job.database.execute(&format!(
        "CREATE USER {user}@'%' IDENTIFIED BY '{PASSWORD}'; GRANT ALL ON {database}.* TO {user}@'%'"
    ));
    job.set("SHOP_DATABASE_URL", &format!("mysql://{user}:{PASSWORD}@{address}/{database}"));
    job.set("AWS_SECRET_ACCESS_KEY", AWS_SECRET);
    job.define(&shop::migration("settle = \"0s\""));
    (job, user)
}

fn event(file: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("events").join(format!("{file}.json"));
    serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap()
}

/// Type and message of a failed invocation, which holds nothing else.
#[track_caller]
fn failure(invoked: &Invoked) -> (String, String) {
    let answer: Value = serde_json::from_str(&invoked.body).unwrap_or_else(|error| panic!("{error}: {invoked:?}"));
    let fields: Vec<&String> = answer.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["errorType", "errorMessage"], "{answer}");
    let text = |field: &str| answer[field].as_str().unwrap().to_owned();
    (text("errorType"), text("errorMessage"))
}

/// What the function itself has written; the emulator's own lines begin with its clock or with a word of the platform.
#[track_caller]
fn written(emulator: &Rie) -> Vec<Value> {
    let log = emulator.log();
    let platform = |line: &str| {
        ["START RequestId: ", "END RequestId: ", "REPORT RequestId: ", "INIT_REPORT "]
            .iter()
            .any(|word| line.starts_with(word))
            || (line.contains(" [") && line.contains("] (rapid) "))
            || line.contains("[INFO] (rapid)")
    };
    let ours = log.lines().filter(|line| !line.trim().is_empty() && !platform(line));
    ours.map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}\n\n{log}"))).collect()
}

/// Lambda files a line by these two; a metric line has neither, or CloudWatch would not take it.
#[track_caller]
fn assert_filed(line: &Value) {
    if line.get("_aws").is_some() {
        assert!(line.get("level").is_none(), "{line}");
        return;
    }
    assert!(matches!(line["level"].as_str(), Some("ERROR" | "WARN" | "INFO")), "{line}");
    let timestamp = OffsetDateTime::parse(line["timestamp"].as_str().unwrap(), &Rfc3339).unwrap();
    assert!(timestamp.offset().is_utc(), "{line}");
    assert!(line["message"].is_string(), "{line}");
}

#[track_caller]
fn assert_nothing_secret(text: &str, user: &str) {
    for secret in ["hunter2", &format!("{user}:"), "mysql://u"] {
        assert!(!text.contains(secret), "`{secret}` is in {text}");
    }
}

/// The wide lines, as the replies that they hold.
fn wide(lines: &[Value]) -> Vec<Value> {
    let mut wide = Vec::new();
    for line in lines.iter().filter(|line| line["message"] == "run") {
        let mut reply = line.as_object().unwrap().clone();
        for added in ["timestamp", "level", "message"] {
            assert!(reply.shift_remove(added).is_some(), "{line}");
        }
        wide.push(Value::Object(reply));
    }
    wide
}

#[test]
fn every_event_of_the_folder_gets_its_reply_and_every_run_its_two_lines() {
    let (job, user) = small_shop();
    let emulator = job.lambda(30, 1024);
    let mut sent = BTreeSet::new();
    let mut runs = Vec::new();
    let mut said = String::new();
    let mut ask = |file: &str| {
        let invoked = emulator.invoke(&event(file));
        sent.insert(format!("{file}.json"));
        said.push_str(&invoked.body);
        let reply = invoked.reply();
        assert_eq!(reply["v"], 1, "{reply}");
        if reply.get("stopped_by").is_some() {
            runs.push(reply.clone());
        }
        reply
    };

    let reply = ask("status-all");
    assert_eq!(reply["migrations"][0]["migration"], "orders-history", "{reply}");
    assert_eq!(reply["migrations"][0]["state"], "new", "{reply}");
    assert_eq!(reply["migrations"][0]["rate"].to_string(), "0.0", "{reply}");
    let reply = ask("pause");
    assert_eq!((&reply["state"], &reply["reason"]), (&json!("paused"), &json!("month-end closing")), "{reply}");
    let reply = ask("run-migration");
    assert_eq!((&reply["outcome"], &reply["reason"]), (&json!("paused"), &json!("month-end closing")), "{reply}");
    let reply = ask("run");
    assert_eq!((&reply["outcome"], &reply["migration"]), (&json!("idle"), &Value::Null), "{reply}");
    let reply = ask("resume");
    assert_eq!(reply["state"], "new", "{reply}");

    // The schedule's event, of EventBridge Scheduler, of an EventBridge rule, and of a schedule that was given no input.
    let reply = ask("scheduler");
    assert_eq!((&reply["outcome"], &reply["moved"]), (&json!("complete"), &json!(CLOSED)), "{reply}");
    let reply = ask("reset");
    assert_eq!((&reply["state"], &reply["progress"]["moved"]), (&json!("new"), &json!(0)), "{reply}");
    let reply = ask("schedule-rule");
    assert_eq!((&reply["outcome"], &reply["skipped"]), (&json!("complete"), &json!(CLOSED)), "{reply}");
    let reply = ask("scheduler-bare");
    assert_eq!((&reply["outcome"], &reply["migration"]), (&json!("idle"), &Value::Null), "{reply}");

    let reply = ask("run-shard");
    assert_eq!((&reply["outcome"], &reply["moved"]), (&json!("complete"), &json!(0)), "{reply}");

    let reply = ask("verify");
    assert_eq!((&reply["outcome"], &reply["equal"]), (&json!("complete"), &json!(CLOSED)), "{reply}");
    let reply = ask("verify-repair");
    assert_eq!((&reply["outcome"], &reply["repaired"]), (&json!("complete"), &json!(0)), "{reply}");
    let reply = ask("verify-overwrite");
    assert_eq!((&reply["outcome"], &reply["repaired"]), (&json!("complete"), &json!(0)), "{reply}");
    let reply = ask("failed");
    assert_eq!((&reply["items"], &reply["next"]), (&json!([]), &Value::Null), "{reply}");
    let reply = ask("retry");
    assert_eq!((&reply["retried"], &reply["state"]), (&json!(0), &json!("complete")), "{reply}");
    let reply = ask("status");
    assert_eq!(reply["state"], "complete", "{reply}");
    let planned = emulator.invoke(&event("plan"));
    sent.insert("plan.json".to_owned());
    assert_eq!(planned.reply()["problems"], json!([]), "{planned:?}");
    said.push_str(&planned.body);
    // The example names no digest: nobody accepts what nobody has looked at.
    let refused = emulator.invoke(&event("resume-accept"));
    sent.insert("resume-accept.json".to_owned());
    assert!(refused.body.contains("\"errorType\":\"Usage\"") && refused.body.contains("`accept`"), "{refused:?}");

    let refused = emulator.invoke(&event("retry-key"));
    sent.insert("retry-key.json".to_owned());
    assert!(refused.body.contains("there is no dead letter with the key"), "{refused:?}");

    for file in ["rollback", "verify-sample"] {
        let refused = emulator.invoke(&event(file));
        sent.insert(format!("{file}.json"));
        assert!(refused.body.contains("there is no migration `profile-photos`"), "{refused:?}");
    }
    let refused = emulator.invoke(&event("verify-full"));
    sent.insert("verify-full.json".to_owned());
    assert!(refused.body.contains("there is no migration `assets-to-eu`"), "{refused:?}");

    let folder = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("events")).unwrap();
    let there: BTreeSet<String> = folder.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(sent, there, "each event is sent");

    let lines = written(&emulator);
    lines.iter().for_each(assert_filed);
    assert_eq!(wide(&lines), runs, "each run has one line, which holds its whole reply");
    let metrics: Vec<&Value> = lines.iter().filter(|line| line.get("_aws").is_some()).collect();
    assert_eq!(metrics.len(), runs.len(), "each run has one line of metrics");
    for (line, reply) in metrics.iter().zip(&runs) {
        assert_eq!((&line["run"], &line["Moved"]), (&reply["run"], &reply["moved"]), "{line}");
        assert_eq!((&line["function"], &line["migration"]), (&json!("milkrun"), &reply["migration"]), "{line}");
        let sets = &line["_aws"]["CloudWatchMetrics"][0]["Dimensions"];
        let named = if reply["migration"].is_null() {
            json!([["function"]])
        } else {
            json!([["function", "migration"], ["function"]])
        };
        assert_eq!(*sets, named, "{line}");
    }
    assert_nothing_secret(&said, &user);
    assert_nothing_secret(&emulator.log(), &user);
}

#[test]
fn the_log_level_of_lambda_silences_what_is_below_it() {
    let (mut job, user) = small_shop();
    job.set("AWS_LAMBDA_LOG_LEVEL", "ERROR");
    let emulator = job.lambda(30, 1024);
    assert_eq!(emulator.invoke(&event("run")).reply()["moved"], CLOSED);
    let lines = written(&emulator);
    assert!(lines.iter().all(|line| line.get("_aws").is_some()), "{lines:?}");
    failure(&emulator.invoke(&json!({"command": "walk"})));
    let lines = written(&emulator);
    let levels: Vec<&Value> = lines.iter().filter_map(|line| line.get("level")).collect();
    assert_eq!(levels, ["ERROR"], "{lines:?}");
    assert_nothing_secret(&emulator.log(), &user);
}

/// Without a region, credentials or an endpoint, where looking for them would take seconds.
#[test]
fn a_machine_without_aws_is_not_searched_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let url = servers::fresh_database(Kind::Sqlite, folder.path());
    shop::load(&Database::connect(&url), SMALL);
    fs::create_dir(at("migrations")).unwrap();
    fs::write(at("migrations/orders-history.toml"), shop::migration("settle = \"0s\"")).unwrap();
    let environment = [
        ("SHOP_DATABASE_URL", url),
        ("MILKRUN_LEDGER", format!("sqlite://{}", at("ledger.db"))),
        ("MILKRUN_MIGRATIONS", at("migrations")),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value)).to_vec();
    let emulator = Rie::start(folder.path(), &Function { timeout_s: 30, memory_mb: 128, environment });
    let invoked = emulator.invoke(&event("run"));
    let reply = invoked.reply();
    assert_eq!((&reply["outcome"], &reply["moved"]), (&json!("complete"), &json!(CLOSED)), "{reply}");
    assert!(invoked.took < Duration::from_secs(3), "{invoked:?}");
}
