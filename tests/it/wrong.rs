//! What is wrong outside of the migration files: the database, the ledger, the settings, the arguments, the events. Each says
//! what to do, word for word, and none shows a row's value, a password or the login of a URL.

mod asked;
mod databases;
mod settings;

use crate::support::job::Job;
use crate::support::shop::Size;
use serde_json::json;

const SHOP: Size = Size { orders: 20, closed: 10, items: 1, discounts: 1 };

/// What must not be seen in any output.
const SECRETS: [&str; 3] = ["hunter2", "O'Brien", "4000000"];

/// A call that fails: its exit status, and the whole message, on stderr and with `--json` on stdout alike.
#[track_caller]
fn fails(job: &Job, arguments: &[&str], code: i32, kind: &str, message: &str) {
    let machines = job.call(arguments);
    let people = job.cli().run(arguments);
    for text in [&machines.stdout, &machines.stderr, &people.stdout, &people.stderr] {
        assert!(SECRETS.iter().all(|secret| !text.contains(secret)), "{text}");
    }
    let reply = machines.expect(code).reply();
    assert_eq!(reply, json!({"errorType": kind, "errorMessage": message}), "\n{reply:#}\n");
    let people = people.expect(code);
    assert_eq!(people.stdout, "");
    assert!(people.stderr.ends_with(&format!("error: {message}\n")), "{}", people.stderr);
}

const RUN: &[&str] = &["run", "orders-history", "--time-limit", "500ms"];
