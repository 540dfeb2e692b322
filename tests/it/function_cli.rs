//! `milkrun --function`: the same words and exit codes as in process, with a deployed function behind them.

use crate::support::child::free_port;
use crate::support::cli::Cli;
use crate::support::file_server::{FileServer, answer};
use crate::support::job::Job;
use crate::support::servers::Kind;
use crate::support::shop::{self, Size};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const SMALL: Size = Size { orders: 60, closed: 24, items: 2, discounts: 1 };

/// A command line that knows Lambda's address and nothing of the function's own settings.
fn remote(folder: &std::path::Path, endpoint: &str) -> Cli {
    Cli::new(
        folder,
        &[
            ("AWS_ENDPOINT_URL", endpoint),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ],
    )
}

#[test]
fn a_deployed_function_answers_like_the_handler_in_process() {
    let mut job = Job::new(Kind::MariaDb);
    shop::load(&job.database, SMALL);
    job.source = Some(shop::closed(&job.database));
    job.define(&shop::migration("settle = \"0s\""));
    let emulator = job.lambda(30, 1024);
    let cli = remote(job.folder(), &emulator.endpoint());
    let ask = |arguments: &[&str]| cli.run(&[&["--function", "function"], arguments].concat());

    let reply = ask(&["--json", "status", "orders-history"]).expect(0).reply();
    assert_eq!((&reply["state"], &reply["migration"]), (&json!("new"), &json!("orders-history")), "{reply}");
    let run = ask(&["run", "orders-history", "--until-done"]).expect(0);
    assert_eq!(
        run.stdout.lines().last(),
        Some("orders-history: complete, 24 moved, 0 skipped, 0 conflicts, 0 failed, 1 runs"),
        "{run:?}"
    );
    let verified = ask(&["verify", "orders-history"]).expect(0);
    assert_eq!(
        verified.stdout.lines().last(),
        Some("orders-history: complete, 24 checked, 24 equal, 0 missing, 0 different, 0 extra"),
        "{verified:?}"
    );
    let reply = ask(&["--json", "pause", "orders-history", "--reason", "month-end"]).expect(0).reply();
    assert_eq!((&reply["state"], &reply["reason"]), (&json!("paused"), &json!("month-end")), "{reply}");
    ask(&["run", "orders-history"]).expect(4);
    ask(&["resume", "orders-history"]).expect(0);

    let unknown = ask(&["--json", "status", "order-history"]).expect(2);
    let error = unknown.reply();
    assert_eq!(error["errorType"], "Definition", "{error}");
    assert!(error["errorMessage"].as_str().unwrap().contains("did you mean `orders-history`?"), "{error}");
    assert!(unknown.stderr.starts_with("error: there is no migration `order-history`"), "{unknown:?}");
    job.assert_complete();
}

#[test]
fn an_error_of_the_function_is_the_error_of_the_command() {
    let mut job = Job::new(Kind::MariaDb);
    job.define(&shop::migration("settle = \"0s\""));
    job.set("MILKRUN_LEDGER", "dynamodb://milkrun-elsewhere");
    let emulator = job.lambda(10, 1024);
    let cli = remote(job.folder(), &emulator.endpoint());
    let failed = cli.run(&["--function", "function", "--json", "run", "orders-history"]).expect(1);
    let error = failed.reply();
    assert_eq!(error["errorType"], "Ledger", "{error}");
    assert!(error["errorMessage"].as_str().unwrap().contains("create the table, or set MILKRUN_LEDGER"), "{error}");
    assert!(failed.stderr.contains("create the table"), "{failed:?}");
}

#[test]
fn a_function_without_room_is_busy() {
    let full = refusing(
        429,
        "TooManyRequestsException",
        r#"{"Reason":"ReservedFunctionConcurrentInvocationLimitExceeded","Type":"User","message":"Rate Exceeded."}"#,
    );
    let folder = tempfile::tempdir().unwrap();
    let cli = remote(folder.path(), &full.url(""));
    let ask = |command| cli.run(&["--function", "milkrun", "--json", command, "orders-history"]).expect(4).reply();
    assert_eq!(ask("status"), json!({"v": 1, "migration": "orders-history", "outcome": "busy"}));
    let run = ask("run");
    assert_eq!((&run["outcome"], &run["migration"]), (&json!("busy"), &json!("orders-history")), "{run}");
    // A run that did not begin has moved nothing; how far the others are it cannot know.
    for count in ["moved", "skipped", "conflicts", "failed", "bytes", "batches", "elapsed_ms", "batch_ms"] {
        assert_eq!(run[count], 0, "{run}");
    }
    assert_eq!((&run["shards"], &run["stopped_by"], run.get("progress")), (&json!([]), &Value::Null, None), "{run}");
    let bare = cli.run(&["--function", "milkrun", "--json", "run"]).expect(4).reply();
    assert_eq!((&bare["outcome"], &bare["migration"]), (&json!("busy"), &Value::Null));
}

#[test]
fn a_signal_ends_the_wait_for_a_function_that_goes_on_for_long() {
    let silent = FileServer::start(|_, _| Ok(true));
    let folder = tempfile::tempdir().unwrap();
    let cli = remote(folder.path(), &silent.url(""));
    for (number, (name, code)) in [("INT", 130), ("TERM", 143)].into_iter().enumerate() {
        let mut waiting = cli.spawn(&["--function", "milkrun", "--json", "run", "orders-history", "--until-done"]);
        while silent.asked().len() <= number {
            assert!(waiting.is_running(), "{:?}", waiting.wait());
            std::thread::sleep(Duration::from_millis(20));
        }
        let signalled = Instant::now();
        assert!(waiting.signal(name));
        while waiting.is_running() {
            assert!(signalled.elapsed() < Duration::from_secs(10), "it waits for the function all the same");
            std::thread::sleep(Duration::from_millis(20));
        }
        let ended = waiting.wait();
        assert_eq!(ended.code, Some(code), "{ended:?}");
        let message = ended.reply()["errorMessage"].as_str().unwrap().to_owned();
        assert!(message.starts_with("interrupted before the function `milkrun` has answered"), "{message}");
    }
}

#[test]
fn a_function_that_is_not_there_is_named() {
    let message = "Function not found: arn:aws:lambda:eu-central-1:123456789012:function:milkrum";
    let body = json!({"Type": "User", "Message": message}).to_string();
    let missing = refusing(404, "ResourceNotFoundException", &body);
    let folder = tempfile::tempdir().unwrap();
    let failed = remote(folder.path(), &missing.url("")).run(&["--function", "milkrum", "--json", "status"]).expect(2);
    let text = format!(
        "the function `milkrum` could not be invoked: ResourceNotFoundException: {message}; check its name, the account and the region"
    );
    assert_eq!(failed.reply(), json!({"errorType": "Usage", "errorMessage": text}));
    assert_eq!(failed.stderr, format!("error: {text}\n"));
}

#[test]
fn a_lambda_that_is_away_or_says_no_is_named_without_the_request() {
    let folder = tempfile::tempdir().unwrap();
    let ask =
        |endpoint: &str| remote(folder.path(), endpoint).run(&["--function", "milkrun", "--json", "status"]).expect(1);
    let text = |reply: &Value| reply["errorMessage"].as_str().unwrap().to_owned();
    let away = ask(&format!("http://127.0.0.1:{}", free_port()));
    let message = text(&away.reply());
    assert!(
        message.starts_with("the function `milkrun` could not be invoked: ") && message.contains("onnection refused"),
        "{message}"
    );
    let body = json!({"message": "The signature does not match.\nx-amz-security-token: abc"}).to_string();
    let denied = ask(&refusing(403, "InvalidSignatureException", &body).url(""));
    let message = text(&denied.reply());
    assert!(
        message.contains("InvalidSignatureException: The signature does not match.; look at the credentials"),
        "{message}"
    );
    assert!(!message.contains("token"), "{message}");
}

/// Plays a Lambda that lets nobody in, in Lambda's own words.
fn refusing(status: u16, code: &str, body: &str) -> FileServer {
    let head = format!("content-type: application/json\r\nx-amzn-errortype: {code}\r\nconnection: close\r\n");
    let (status, body) = (format!("{status} X"), body.to_owned());
    FileServer::start(move |_, stream| answer(stream, &status, &head, body.as_bytes()).map(|_| false))
}
