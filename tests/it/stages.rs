//! Stages of a migration, told to an SNS topic by name: each once, with the reply that it came with.

use crate::support::dynamodb::config;
use crate::support::file_server::{FileServer, answer};
use crate::support::http_exchange::{Upstream, proxy};
use crate::support::job::Job;
use crate::support::s3::{Make, endpoint};
use crate::support::servers::Kind;
use crate::support::shop::{self, Size};
use aws_sdk_sns::Client;
use serde_json::Value;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

const ORDERS: Size = Size { orders: 60, closed: 30, items: 2, discounts: 1 };

/// A topic, and somebody who hears what it says.
pub(crate) struct Audience {
    hook: FileServer,
    pub(crate) endpoint: String,
    pub(crate) arn: String,
}

impl Audience {
    pub(crate) fn new(name: &str) -> Self {
        let hook = FileServer::start(|_, stream| answer(stream, "200 OK", "", b""));
        let endpoint = endpoint(Make::Ministack);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let arn = runtime.block_on(async {
            let client = Client::new(&config(&endpoint).await);
            let arn = client.create_topic().name(name).send().await.unwrap().topic_arn.unwrap();
            client.subscribe().topic_arn(&arn).protocol("http").endpoint(hook.url("/stages")).send().await.unwrap();
            let token = loop {
                let asked: Vec<Value> = said(&hook);
                if let Some(token) = asked.iter().find_map(|one| one["Token"].as_str()) {
                    break token.to_owned();
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            };
            client.confirm_subscription().topic_arn(&arn).token(token).send().await.unwrap();
            arn
        });
        Self { hook, endpoint, arn }
    }

    /// The messages, once there are so many, in the order in which they were sent: a topic keeps none.
    pub(crate) fn messages(&self, count: usize) -> Vec<Value> {
        let patience = Instant::now() + Duration::from_secs(10);
        loop {
            let said: Vec<Value> = said(&self.hook);
            let mut messages: Vec<Value> = said
                .iter()
                .filter(|one| one["Type"] == "Notification")
                .map(|one| serde_json::from_str(one["Message"].as_str().unwrap()).unwrap())
                .collect();
            messages.sort_by_key(|one| OffsetDateTime::parse(one["at"].as_str().unwrap(), &Rfc3339).unwrap());
            if messages.len() >= count || Instant::now() > patience {
                return messages;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn said(hook: &FileServer) -> Vec<Value> {
    hook.asked().iter().filter_map(|asked| serde_json::from_slice(&asked.body).ok()).collect()
}

#[test]
fn a_topic_hears_of_each_stage_once() {
    let audience = Audience::new("stages");
    let mut job = Job::shop(Kind::Sqlite, ORDERS, "settle = \"0s\"");
    job.set("MILKRUN_TOPIC_ARN", &audience.arn);
    job.set("AWS_ENDPOINT_URL", &audience.endpoint);
    let name = job.name.clone();
    let reply = job.reply(&["run", &name, "--until-done"]);
    assert_eq!(reply["outcome"], "complete", "{reply}");
    job.reply(&["run", &name]);
    job.reply(&["verify", &name]);
    job.reply(&["pause", &name, "--reason", "lunch"]);
    job.reply(&["resume", &name]);
    let messages = audience.messages(5);
    let stages: Vec<&str> = messages.iter().map(|one| one["stage"].as_str().unwrap()).collect();
    assert_eq!(stages, ["started", "pass done", "complete", "verified", "paused"]);
    for message in &messages {
        assert_eq!((&message["v"], &message["migration"]), (&1.into(), &Value::from(name.as_str())), "{message}");
        assert_eq!(message["reply"]["migration"], message["migration"], "{message}");
        assert!(message["at"].as_str().is_some_and(|at| at.ends_with('Z')), "{message}");
    }
    assert_eq!(messages[2]["reply"]["outcome"], "complete");
    assert_eq!(messages[4]["reply"]["reason"], "lunch");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(audience.messages(6).len(), 5, "nothing is said twice");
}

#[test]
fn a_topic_that_is_not_there_is_no_reason_to_fail_and_is_told_later() {
    let audience = Audience::new("later");
    let mut job = Job::shop(Kind::Sqlite, ORDERS, "settle = \"0s\"");
    job.set("AWS_ENDPOINT_URL", &audience.endpoint);
    job.set("MILKRUN_TOPIC_ARN", &format!("{}-gone", audience.arn));
    let name = job.name.clone();
    let run = job.cli().run(&["--json", "run", &name, "--until-done"]).expect(0);
    assert_eq!(run.reply()["outcome"], "complete");
    assert!(run.stderr.contains("does not exist: correct `MILKRUN_TOPIC_ARN`"), "{}", run.stderr);
    job.set("MILKRUN_TOPIC_ARN", &audience.arn);
    job.reply(&["run", &name]);
    let stages: Vec<Value> = audience.messages(3).into_iter().map(|one| one["stage"].clone()).collect();
    assert_eq!(stages, ["started", "pass done", "complete"]);
}

#[test]
fn what_a_topic_did_not_hear_of_one_that_is_over_it_hears_from_the_schedule() {
    let audience = Audience::new("schedule");
    let mut job = Job::shop(Kind::Sqlite, ORDERS, "settle = \"0s\"");
    job.set("AWS_ENDPOINT_URL", &audience.endpoint);
    job.set("MILKRUN_TOPIC_ARN", &format!("{}-gone", audience.arn));
    let done = job.name.clone();
    job.reply(&["run", &done, "--until-done"]);
    let halted = shop::migration("").replace("orders-history", "halted");
    job.define(&halted.replace("table = \"order_history\"", "table = \"halted_history\""));
    job.reply(&["pause", "halted", "--reason", "lunch"]);
    // A bare run takes neither of them, whoever hears of it.
    assert_eq!(job.reply(&["run"])["outcome"], "idle");
    job.set("MILKRUN_TOPIC_ARN", &audience.arn);
    for _ in 0..2 {
        let reply = job.reply(&["run"]);
        assert_eq!((&reply["outcome"], &reply["migration"]), (&Value::from("idle"), &Value::Null), "{reply}");
    }
    let messages = audience.messages(4);
    let told = |name: &str| -> Vec<&str> {
        let ours = messages.iter().filter(|one| one["migration"] == name);
        ours.map(|one| one["stage"].as_str().unwrap()).collect()
    };
    assert_eq!((told("halted"), told(&done)), (vec!["paused"], vec!["started", "pass done", "complete"]));
    let of = |stage: &str| messages.iter().find(|one| one["stage"] == stage).map(|one| one["reply"]["state"].clone());
    assert_eq!((of("paused"), of("complete")), (Some("paused".into()), Some("complete".into())));
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(audience.messages(5).len(), 4, "nothing is said twice");
}

#[test]
fn what_a_topic_hears_while_a_migration_is_reset_is_news_again_in_its_new_life() {
    let audience = Audience::new("lives");
    let mut job = Job::shop(Kind::Sqlite, ORDERS, "settle = \"0s\"");
    let (cli, name) = (job.cli(), job.name.clone());
    let (server, is_reset) = (Upstream::at(&audience.endpoint), AtomicBool::new(false));
    let before = proxy(move |request| {
        let body = String::from_utf8_lossy(&request.body);
        // What was told is about to be written down.
        if body.contains("StringValue=complete") && !is_reset.swap(true, Ordering::SeqCst) {
            cli.run(&["--json", "reset", &name, "--confirm", &name]).expect(0);
        }
        server.forward(&request)
    });
    job.set("MILKRUN_TOPIC_ARN", &audience.arn);
    job.set("AWS_ENDPOINT_URL", &before.url());
    for (moved, skipped) in [(30, 0), (0, 30)] {
        let reply = job.reply(&["run", &job.name, "--until-done"]);
        assert_eq!(reply["outcome"], "complete", "{reply}");
        let counted = (&reply["progress"]["moved"], &reply["progress"]["skipped"]);
        assert_eq!(counted, (&moved.into(), &skipped.into()), "{reply}");
    }
    let stages: Vec<Value> = audience.messages(6).into_iter().map(|one| one["stage"].clone()).collect();
    let life = ["started", "pass done", "complete"];
    assert_eq!(stages, [life, life].concat());
}
