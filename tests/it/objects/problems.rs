//! Buckets that are not there, and definitions that make no sense.

use super::Stage;
use crate::support::s3::Make;

#[test]
fn a_bucket_that_is_not_there_pauses_the_migration_and_is_named_by_plan() {
    for side in ["source", "target"] {
        let mut stage = Stage::new(Make::Ministack, Make::Ministack);
        stage.put("a", b"a");
        let bucket = if side == "source" { &mut stage.from.bucket } else { &mut stage.to.bucket };
        "nobodys-bucket".clone_into(bucket);
        stage.define("", "", "", "", "");
        let plan = stage.job.call(&["plan", "assets"]).expect(2).reply();
        assert_eq!(plan["problems"][0]["field"], format!("{side}.bucket"), "{plan}");
        // Without a source no pass begins.
        let reply = stage.job.call(&["run", "assets"]).expect(if side == "source" { 1 } else { 4 }).reply();
        let reason = reply[if side == "source" { "errorMessage" } else { "reason" }].as_str().unwrap();
        assert!(reason.contains(&format!("the {side}'s bucket does not exist: correct `{side}.bucket`")), "{reason}");
    }
}

#[test]
fn a_bucket_that_is_empty_is_copied_at_once() {
    let mut stage = Stage::new(Make::Ministack, Make::Ministack);
    stage.define("", "", "", "", "");
    let reply = stage.run();
    assert_eq!((&reply["outcome"], &reply["moved"]), (&"complete".into(), &0.into()), "{reply}");
    let plan = stage.job.call(&["plan", "assets"]).expect(0).reply();
    assert_eq!(plan["estimated_total"], 0, "{plan}");
}
