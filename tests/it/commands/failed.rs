//! `failed --class`: the dead letters of one class, page by page, whether their keys are shown or not; and keys as `retry` takes them.

use super::SMALL;
use crate::support::job::Job;
use crate::support::refusing::{closed, refuse, spoil};
use crate::support::servers::Kind;
use crate::support::shop;
use serde_json::{Value, json};

/// A job of which three items are poison and two are conflicts.
fn with_letters() -> Job {
    let job = Job::shop(Kind::Sqlite, SMALL, "settle = \"0s\"");
    refuse(&job);
    spoil(&job, &closed(&job, &[2, 11, 29]));
    for key in closed(&job, &[5, 17]) {
        job.database.execute(&format!(
            "INSERT INTO order_history (order_id, status, document, digest, migrated_at, run, definition)
             VALUES ({key}, 'cancelled', '{{}}', 'd', '2024-05-06 07:08:09.000000', 'r', 'd')"
        ));
    }
    job.call(&["run", &job.name, "--until-done"]).expect(3);
    job
}

/// Every page of a class, `limit` at a time: how many items there are on each.
fn pages(job: &Job, class: &str, limit: &str) -> Vec<usize> {
    let (mut pages, mut next) = (Vec::new(), Value::Null);
    loop {
        let mut arguments = vec!["failed", &job.name, "--class", class, "--limit", limit];
        if let Some(next) = next.as_str() {
            arguments.extend(["--next", next]);
        }
        let page = job.reply(&arguments);
        let items = page["items"].as_array().unwrap();
        assert!(items.iter().all(|item| item["class"] == class), "{class}: {page}");
        pages.push(items.len());
        next = page["next"].clone();
        if next.is_null() {
            return pages;
        }
    }
}

#[test]
fn those_of_one_class_are_listed_page_by_page() {
    let mut job = with_letters();
    for shown in [true, false] {
        job.define(&shop::migration(&format!("settle = \"0s\"\nlog_keys = {shown}")));
        assert_eq!(job.reply(&["failed", &job.name])["items"].as_array().unwrap().len(), 5);
        assert_eq!(pages(&job, "poison", "2"), [2, 1], "{shown}");
        assert_eq!(pages(&job, "poison", "3"), [3], "{shown}");
        assert_eq!(pages(&job, "conflict", "1"), [1, 1], "{shown}");
        assert_eq!(pages(&job, "killed", "100"), [0], "{shown}");
    }
    let refused = job.call(&["failed", &job.name, "--class", "conflicts"]).expect(2).reply();
    assert_eq!(refused["errorType"], json!("Usage"), "{refused}");
    assert!(refused["errorMessage"].as_str().unwrap().contains("did you mean `conflict`?"), "{refused}");
}

#[test]
fn a_key_is_put_back_as_it_is_shown_to_people() {
    let job = with_letters();
    let shown = job.cli().run(&["failed", &job.name, "--class", "poison"]).expect(0).stdout;
    let keys: Vec<&str> = shown.lines().filter_map(|line| line.trim().strip_prefix("key: ")).collect();
    assert_eq!(keys.len(), 3, "{shown}");
    for key in keys {
        assert_eq!(job.call(&["retry", &job.name, "--key", key]).expect(3).reply()["retried"], 1, "{key}");
    }
    assert_eq!(job.status()["to_retry"], 3);
}
