//! What the target's bucket does with copies by itself, as `plan` foretells it.

use super::{Side, Stage};
use crate::support::s3::Make;
use crate::support::s3_faults::S3Faults;
use aws_sdk_s3::types::{
    BucketLifecycleConfiguration, EventBridgeConfiguration, ExpirationStatus, LifecycleExpiration, LifecycleRule,
    LifecycleRuleFilter, NotificationConfiguration, Transition, TransitionStorageClass,
};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

const EXPIRES: &str = "deletes objects where copies go";
const MOVES: &str = "moves objects where copies go";
const TELLS: &str = "tells others of objects";

impl Side {
    /// Objects under `eu/` are moved after a week, and gone after a month.
    fn age(&self, runtime: &Runtime) {
        let rule = LifecycleRule::builder().id("old").status(ExpirationStatus::Enabled);
        let rule = rule.filter(LifecycleRuleFilter::builder().prefix("eu/").build());
        let rule = rule.expiration(LifecycleExpiration::builder().days(30).build());
        let moved = Transition::builder().days(7).storage_class(TransitionStorageClass::Glacier).build();
        let rule = rule.transitions(moved).build().unwrap();
        let rules = BucketLifecycleConfiguration::builder().rules(rule).build().unwrap();
        let put = self.client.put_bucket_lifecycle_configuration().bucket(&self.bucket);
        runtime.block_on(put.lifecycle_configuration(rules).send()).unwrap();
    }

    /// EventBridge hears of each object.
    fn tell(&self, runtime: &Runtime) {
        let bridge = EventBridgeConfiguration::builder().build();
        let told = NotificationConfiguration::builder().event_bridge_configuration(bridge).build();
        let put = self.client.put_bucket_notification_configuration().bucket(&self.bucket);
        runtime.block_on(put.notification_configuration(told).send()).unwrap();
    }
}

/// Which of these `plan` warns of; it finds no problem.
fn warned(stage: &Stage) -> Vec<&'static str> {
    let plan = stage.job.reply(&["plan", "assets"]);
    assert_eq!((&plan["problems"], &plan["statements"]), (&json!([]), &json!([])), "{plan}");
    let warnings = plan["warnings"].to_string();
    [EXPIRES, MOVES, TELLS].into_iter().filter(|said| warnings.contains(said)).collect()
}

#[test]
fn plan_warns_of_rules_and_notifications_that_meet_copies() {
    let mut stage = Stage::new(Make::Ministack, Make::Ministack);
    stage.define("", "", "prefix = \"eu/\"", "", "");
    stage.put("a", b"a");
    assert_eq!(warned(&stage), [""; 0]);
    stage.to.age(&stage.runtime);
    assert_eq!(warned(&stage), [EXPIRES, MOVES]);
    stage.to.tell(&stage.runtime);
    assert_eq!(warned(&stage), [EXPIRES, MOVES, TELLS]);
    // The rules are about other keys; whoever hears of objects hears of all.
    stage.define("", "", "prefix = \"us/\"", "", "");
    assert_eq!(warned(&stage), [TELLS]);
}

#[test]
fn plan_goes_without_a_server_that_knows_rules_and_notifications() {
    let mut stage = Stage::new(Make::Ministack, Make::Ministack);
    let faults = S3Faults::before(&stage.to.endpoint, 0, 0);
    stage.to.endpoint = faults.url();
    stage.define("", "", "", "", "");
    stage.put("a", b"a");
    faults.refuse("GET ", "lifecycle", "501 Not Implemented", "NotImplemented");
    faults.refuse("GET ", "notification", "405 Method Not Allowed", "MethodNotAllowed");
    assert_eq!(warned(&stage), [""; 0]);
}

#[test]
fn plan_says_what_to_paste_where_rules_and_notifications_may_not_be_seen() {
    let mut stage = Stage::new(Make::Ministack, Make::Ministack);
    let faults = S3Faults::before(&stage.to.endpoint, 0, 0);
    stage.to.endpoint = faults.url();
    stage.define("", "", "", "", "");
    stage.put("a", b"a");
    faults.forbid("GET ", "lifecycle");
    faults.forbid("GET ", "notification");
    let plan = stage.job.reply(&["plan", "assets"]);
    assert_eq!(plan["problems"], json!([]), "{plan}");
    let statements = plan["statements"].as_array().unwrap();
    assert_eq!(statements.len(), 1, "{plan}");
    assert!(statements[0]["purpose"].as_str().unwrap().contains("the target's role, optional"), "{plan}");
    let statement: Value = serde_json::from_str(statements[0]["statement"].as_str().unwrap()).unwrap();
    let resource = format!("arn:aws:s3:::{}", stage.to.bucket);
    let actions = ["s3:GetLifecycleConfiguration", "s3:GetBucketNotification"];
    assert_eq!(statement, json!({"Effect": "Allow", "Action": actions, "Resource": resource}));
}
