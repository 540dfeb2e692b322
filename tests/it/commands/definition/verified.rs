//! `verify` goes by the pinned definition, and says so.

use super::{LIMITS, begun, change, paused};
use crate::commands::LONG;
use crate::support::job::Job;
use crate::support::servers::Kind;
use crate::support::shop;
use serde_json::json;

/// `verify` says what `run` would say, and says it to the ledger too.
#[track_caller]
fn verify_waits(job: &Job) {
    let verified = job.call(&["verify", &job.name]).expect(4).reply();
    assert_eq!((&verified["outcome"], &verified["checked"]), (&json!("paused"), &json!(0)), "{verified}");
    let status = job.status();
    assert_eq!((&status["state"], &status["reason"]), (&json!("paused"), &verified["reason"]), "{status}");
    job.reply(&["resume", &job.name]);
    assert_eq!(paused(job)["reason"], verified["reason"]);
    // Now that somebody has to look at it, it still says so.
    assert_eq!(job.call(&["verify", &job.name]).expect(4).reply(), verified);
}

#[test]
fn verify_compares_by_no_other_definition_than_the_pinned_one() {
    for (from, to) in [
        ("'dispensed')", "'dispensed', 'open')"),
        ("table = \"order_history\"", "table = \"other_history\""),
        ("exclude = [\"card_number\"]", "exclude = []"),
    ] {
        let mut job = begun();
        change(&mut job, from, to);
        verify_waits(&job);
    }
    let job = begun();
    job.database.execute("ALTER TABLE orders ADD COLUMN gift VARCHAR(9)");
    verify_waits(&job);
}

#[test]
fn a_verification_under_way_begins_anew_under_another_definition() {
    let mut job = Job::shop(Kind::Sqlite, LONG, LIMITS);
    job.run_to_the_end();
    job.define(&shop::migration("settle = \"0s\"\nmax_batch = 1"));
    let part = job.lambda(1, 1024).invoke(&json!({"command": "verify", "migration": job.name})).reply();
    assert_eq!((&part["outcome"], &part["equal"]), (&json!("more"), &part["checked"]), "{part}");
    assert_ne!(part["checked"], 0, "{part}");
    change(&mut job, "exclude = [\"card_number\"]", "exclude = [\"card_number\", \"remark\"]");
    let digest = job.status()["definition"].as_str().unwrap().to_owned();
    job.reply(&["resume", &job.name, "--accept", &digest]);
    // Every document would be another one now, also those that were compared before.
    let all = job.call(&["verify", &job.name]).expect(3).reply();
    assert_eq!(
        ["checked", "equal", "different"].map(|name| all[name].as_u64()),
        [Some(3000), Some(0), Some(3000)],
        "{all}"
    );
}
