//! Two accounts of a local AWS: each bucket is reached by a role of its own account, by way of STS, and by nobody else.
//!
//! Ministack alone shows this: it has STS and keeps accounts apart. What it cannot show: it lets anybody assume any role, so that a refusal
//! comes from a proxy here; it ends no session before its time, and that does the proxy, too; and its own copy call looks for the source
//! in the target's account, so that here both buckets are of one account where their server copies by itself. SeaweedFS knows no accounts
//! by itself, and Moto shows every bucket to all of them.

use super::{Side, Stage};
use crate::support::dynamodb::config;
use crate::support::s3::Make;
use crate::support::sessions::Sessions;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Builder, Credentials};
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use serde_json::{Value, json};

const SOURCE: &str = "111111111111";
const TARGET: &str = "222222222222";
const OBJECTS: u64 = 120;

fn role(account: &str, name: &str) -> String {
    format!("expected_owner = \"{account}\"\nrole = \"arn:aws:iam::{account}:role/{name}\"")
}

/// Buckets of two accounts, neither of them the one that milkrun itself runs in, and the way to STS.
fn stage(from: &str, to: &str) -> Stage {
    let mut stage = Stage::new(Make::Ministack, Make::Ministack);
    give(&mut stage.from, &stage.runtime, from);
    give(&mut stage.to, &stage.runtime, to);
    let sts = stage.from.endpoint.clone();
    stage.job.set("AWS_ENDPOINT_URL_STS", &sts);
    stage
}

/// Another bucket in the place of this one, of an account that Ministack tells by its access key.
fn give(side: &mut Side, runtime: &tokio::runtime::Runtime, account: &str) {
    side.bucket = format!("{}-{account}", side.bucket);
    side.client = runtime.block_on(async {
        let shared = config(&side.endpoint).await;
        let own = Credentials::new(account, "test", None, None, "tests");
        let client = Client::from_conf(Builder::from(&shared).credentials_provider(own).force_path_style(true).build());
        let place = CreateBucketConfiguration::builder().location_constraint(BucketLocationConstraint::EuCentral1);
        let made = client.create_bucket().bucket(&side.bucket).create_bucket_configuration(place.build());
        made.send().await.unwrap();
        client
    });
}

fn fields(plan: &Value) -> Vec<&str> {
    plan["problems"].as_array().unwrap().iter().map(|one| one["field"].as_str().unwrap()).collect()
}

/// All arrived, was counted once, and is the same.
fn assert_copied(stage: &Stage) {
    let reply = stage.run();
    let progress = ["moved", "skipped", "failed", "conflicts"].map(|name| reply["progress"][name].clone());
    assert_eq!(progress, [json!(OBJECTS), json!(0), json!(0), json!(0)], "{reply}");
    assert_eq!(reply["outcome"], "complete", "{reply}");
    stage.assert_same("");
    let verified = stage.verify();
    assert_eq!((&verified["equal"], &verified["extra"]), (&json!(OBJECTS), &json!(0)), "{verified}");
}

#[test]
fn each_bucket_is_reached_by_its_own_role_and_by_nobody_else() {
    let mut stage = stage(SOURCE, TARGET);
    // Another way to the same server: objects go through milkrun, as between two.
    let way = Sessions::before(&stage.to.endpoint, 0, 0);
    stage.to.endpoint = way.url();
    stage.fill(usize::try_from(OBJECTS).unwrap());
    let ways = [("", String::new(), String::new()), ("swapped", role(TARGET, "x"), role(SOURCE, "x"))];
    for (what, of_source, of_target) in ways {
        stage.define("", &of_source, &of_target, "", "");
        let plan = stage.job.call(&["plan", "assets"]).expect(2).reply();
        assert_eq!(fields(&plan), ["source.bucket", "target.bucket"], "{what}: {plan}");
        for problem in plan["problems"].as_array().unwrap() {
            assert!(problem["message"].as_str().unwrap().contains("does not allow s3:ListBucket"), "{what}: {plan}");
        }
    }
    stage.define("", &role(SOURCE, "reader"), &role(TARGET, "writer"), "", "");
    let plan = stage.job.reply(&["plan", "assets"]);
    assert_eq!(plan["problems"], json!([]), "{plan}");
    assert_copied(&stage);
    assert!(way.begun() > 0, "the target's role was not assumed");
}

#[test]
fn a_session_that_ends_in_mid_run_is_followed_by_another_within_the_run() {
    let mut stage = stage(SOURCE, TARGET);
    let (source, target) = (Sessions::before(&stage.from.endpoint, 1, 30), Sessions::before(&stage.to.endpoint, 1, 30));
    (stage.from.endpoint, stage.to.endpoint) = (source.url(), target.url());
    stage.define("", &role(SOURCE, "reader"), &role(TARGET, "writer"), "concurrency = 16", "max_batch = 40");
    stage.fill(usize::try_from(OBJECTS).unwrap());
    let reply = stage.job.reply(&["run", "assets"]);
    assert_eq!((&reply["moved"], &reply["failed"]), (&json!(OBJECTS), &json!(0)), "{reply}");
    for (side, sessions) in [("source", &source), ("target", &target)] {
        assert!(sessions.refused() > 0, "{side}: no session has ended");
        // Many requests learn at once that it is over, and one of them begins another. A late one may begin one more.
        assert!((2..=6).contains(&sessions.begun()), "{side}: {} sessions", sessions.begun());
    }
    assert_copied(&stage);
}

#[test]
fn a_server_that_copies_by_itself_is_asked_again_by_another_session() {
    let mut stage = stage(SOURCE, SOURCE);
    let sessions = Sessions::before(&stage.from.endpoint, 2, 40);
    (stage.from.endpoint, stage.to.endpoint) = (sessions.url(), sessions.url());
    stage.define("", &role(SOURCE, "reader"), &role(SOURCE, "writer"), "concurrency = 16", "max_batch = 40");
    stage.fill(usize::try_from(OBJECTS).unwrap());
    let reply = stage.job.reply(&["run", "assets"]);
    assert_eq!((&reply["moved"], &reply["failed"]), (&json!(OBJECTS), &json!(0)), "{reply}");
    assert!(sessions.refused() > 0, "no session has ended");
    // That of the source may be short enough to last.
    assert!((3..=10).contains(&sessions.begun()), "{} sessions", sessions.begun());
    assert_copied(&stage);
}

#[test]
fn a_role_that_may_not_be_assumed_is_named_with_what_it_lacks() {
    let mut stage = stage(SOURCE, TARGET);
    let sts = Sessions::before(&stage.from.endpoint, 0, 0);
    sts.shut();
    stage.job.set("AWS_ENDPOINT_URL_STS", &sts.url());
    stage.define("", &role(SOURCE, "reader"), &role(TARGET, "writer"), "", "");
    stage.put("a", b"a");
    let plan = stage.job.call(&["plan", "assets"]).expect(2).reply();
    assert_eq!(fields(&plan), ["source.role", "target.role"], "{plan}");
    let hint = plan["problems"][1]["hint"].as_str().unwrap();
    let expected =
        "the target's role could not be assumed (AccessDenied): allow the function's role `sts:AssumeRole` on it";
    assert!(hint.starts_with(expected), "{hint}");
    let failed = stage.job.call(&["run", "assets"]).expect(1).reply();
    let message = failed["errorMessage"].as_str().unwrap();
    assert!(message.contains("the source's role could not be assumed (AccessDenied)"), "{message}");
}
