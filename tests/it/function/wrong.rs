//! Wrong events and wrong settings: errors that say what was expected.

use super::{PASSWORD, assert_filed, assert_nothing_secret, event, failure, small_shop, written};
use crate::support::child::free_port;
use crate::support::job::Job;
use serde_json::{Value, json};

#[test]
fn a_wrong_event_is_an_error_that_says_what_was_expected() {
    let (job, user) = small_shop();
    let emulator = job.lambda(30, 1024);
    let example = r#"{"command": "run", "migration": "orders-history"}"#;
    let cases = [
        (json!([]), "Usage", format!("the event is an array, but has to be an object such as {example}")),
        (
            json!({"detail-type": "Object Created", "source": "aws.s3", "detail": {}}),
            "Usage",
            format!(
                "an EventBridge event of the source `aws.s3` (`Object Created`) says nothing to milkrun: send a scheduled \
                 event, or {example}"
            ),
        ),
        (
            json!({"command": "status", "migration": "order-history"}),
            "Definition",
            format!(
                "there is no migration `order-history` in `{}`: did you mean `orders-history`?",
                job.folder().join("migrations").display()
            ),
        ),
        (
            json!({"command": "reset", "migration": "orders-history", "confirm": "yes"}),
            "Usage",
            "`reset` forgets all progress of `orders-history`: repeat its name as `\"confirm\": \"orders-history\"`, \
             on the command line `--confirm orders-history`"
                .to_owned(),
        ),
    ];
    let mut expected = Vec::new();
    for (event, kind, message) in cases {
        let found = failure(&emulator.invoke(&event));
        assert_eq!(found, (kind.to_owned(), message), "{event}");
        expected.push(found);
    }
    let lines = written(&emulator);
    lines.iter().for_each(assert_filed);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let logged: Vec<_> = lines.iter().map(|line| (text(&line["error_type"]), text(&line["message"]))).collect();
    assert_eq!(logged, expected, "each error has one line, with its type and its whole message");
    assert!(lines.iter().all(|line| line["level"] == "ERROR" && line["run"].is_string()));
    let about: Vec<&str> = lines.iter().filter_map(|line| line["migration"].as_str()).collect();
    assert_eq!(about, ["order-history", "orders-history"], "{lines:?}");
    assert_nothing_secret(&emulator.log(), &user);
}

/// What a function answers to `run` when one of its settings is another.
#[track_caller]
fn with(job: &mut Job, user: &str, settings: &[(&str, &str)]) -> (String, String) {
    for (name, value) in settings {
        job.set(name, value);
    }
    let emulator = job.lambda(4, 1024);
    let invoked = emulator.invoke(&event("run"));
    assert!(!invoked.timed_out(), "{invoked:?}");
    let found = failure(&invoked);
    let lines = written(&emulator);
    lines.iter().for_each(assert_filed);
    let last = lines.iter().rfind(|line| line["level"] == "ERROR").unwrap();
    assert_eq!((last["error_type"].as_str(), last["message"].as_str()), (Some(&*found.0), Some(&*found.1)), "{last}");
    assert_nothing_secret(&invoked.body, user);
    assert_nothing_secret(&emulator.log(), user);
    found
}

#[test]
fn a_wrong_ledger_is_an_error_that_says_what_to_do() {
    let (mut job, user) = small_shop();
    let setting = format!("mysql://{user}:{PASSWORD}@127.0.0.1/shop");
    let (kind, message) = with(&mut job, &user, &[("MILKRUN_LEDGER", &setting)]);
    assert_eq!(kind, "Ledger");
    assert_eq!(
        message,
        "a ledger cannot be kept in `mysql://`: write dynamodb://TABLE or sqlite://PATH (sqlite:///PATH is absolute)"
    );

    let (kind, message) = with(&mut job, &user, &[("MILKRUN_LEDGER", "")]);
    assert_eq!(kind, "Ledger");
    assert_eq!(
        message,
        "the environment's variable `MILKRUN_LEDGER` is set, but empty: set it to `dynamodb://TABLE` or `sqlite://PATH`"
    );

    let (kind, message) = with(&mut job, &user, &[("MILKRUN_LEDGER", "dynamodb://milkrun-elsewhere")]);
    assert_eq!(kind, "Ledger");
    assert!(
        message.starts_with("the ledger dynamodb://milkrun-elsewhere refused GetItem: ResourceNotFoundException: "),
        "{message}"
    );
    assert!(message.ends_with("; create the table, or set MILKRUN_LEDGER; the region counts too"), "{message}");

    let nobody = format!("http://127.0.0.1:{}", free_port());
    let (kind, message) = with(&mut job, &user, &[("AWS_ENDPOINT_URL_DYNAMODB", &nobody)]);
    assert_eq!(kind, "Ledger");
    assert!(message.starts_with("the ledger dynamodb://milkrun-elsewhere cannot be reached: "), "{message}");
    assert!(message.contains("onnection refused"), "the cause is named: {message}");
    assert!(
        message.ends_with(
            "; look at the network and AWS_ENDPOINT_URL_DYNAMODB; a function in a VPC needs the gateway endpoint"
        ),
        "{message}"
    );
}

#[test]
fn missing_migrations_are_an_error_that_says_what_to_do() {
    let (mut job, user) = small_shop();
    let gone = job.folder().join("gone").display().to_string();
    let (kind, message) = with(&mut job, &user, &[("MILKRUN_MIGRATIONS", &gone)]);
    assert_eq!(kind, "Definition");
    assert_eq!(
        message,
        format!(
            "the folder of migrations `{gone}` cannot be read: correct the setting `MILKRUN_MIGRATIONS` (on the command line \
             also `--migrations`): No such file or directory (os error 2)"
        )
    );
}

#[test]
fn a_wrong_database_is_an_error_that_says_what_to_do() {
    let (mut job, user) = small_shop();
    let url = job.database.url().to_owned();
    let (server, database) = url.rsplit_once('/').unwrap();
    let address = server.rsplit_once('@').unwrap().1.to_owned();

    let wrong = format!("mysql://{user}:hunter2-is-wrong@{address}/{database}");
    let (kind, message) = with(&mut job, &user, &[("SHOP_DATABASE_URL", &wrong)]);
    assert_eq!(kind, "Database");
    assert!(message.contains(&format!("refused the user `{user}` (error 1045): ")), "{message}");

    let away = format!("mysql://{user}:{PASSWORD}@127.0.0.1:{}/{database}", free_port());
    let (kind, message) = with(&mut job, &user, &[("SHOP_DATABASE_URL", &away)]);
    assert_eq!(kind, "Database");
    assert!(message.contains(" cannot be reached: ") && message.contains("onnection refused"), "{message}");

    let (kind, message) = with(&mut job, &user, &[("SHOP_DATABASE_URL", "")]);
    assert_eq!(kind, "Definition");
    assert!(
        message.contains("the environment's variable `SHOP_DATABASE_URL` is set, but empty: set it to a database URL"),
        "{message}"
    );
}
