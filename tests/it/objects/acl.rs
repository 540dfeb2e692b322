//! ACLs: they go along where the target's bucket keeps any, are written down as lost where it keeps none, or set an object aside.

use super::{Side, Stage};
use crate::support::s3::Make;
use crate::support::s3_faults::S3Faults;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ObjectOwnership, OwnershipControls, OwnershipControlsRule};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

const EVERYBODY: &str = "http://acs.amazonaws.com/groups/global/AllUsers";

/// Somebody else's canonical id.
fn friend() -> String {
    "f".repeat(64)
}

/// The headers of an ACL that lets everybody read, and a friend read the ACL too: as they are sorted, in lower case.
fn headers(owner: &str) -> Vec<String> {
    let friend = friend();
    let lines = [
        format!("x-amz-grant-full-control: id=\"{owner}\""),
        format!("x-amz-grant-read-acp: id=\"{friend}\""),
        format!("x-amz-grant-read: uri=\"{EVERYBODY}\", id=\"{friend}\""),
    ];
    lines.map(|line| line.to_ascii_lowercase()).to_vec()
}

impl Side {
    /// From now on its objects keep the ACLs that they come with.
    fn keep_acls(&self, runtime: &Runtime) {
        let rule = OwnershipControlsRule::builder().object_ownership(ObjectOwnership::ObjectWriter).build().unwrap();
        let controls = OwnershipControls::builder().rules(rule).build().unwrap();
        let put = self.client.put_bucket_ownership_controls().bucket(&self.bucket).ownership_controls(controls);
        runtime.block_on(put.send()).unwrap();
    }

    /// The canonical id of whoever owns its objects.
    fn owner(&self, runtime: &Runtime) -> String {
        let acl = runtime.block_on(self.client.get_bucket_acl().bucket(&self.bucket).send()).unwrap();
        acl.owner.unwrap().id.unwrap()
    }

    /// An object that everybody may read, and whose ACL a friend may read, too.
    fn put_open(&self, runtime: &Runtime, key: &str, bytes: Vec<u8>) {
        let friend = friend();
        let put = self.client.put_object().bucket(&self.bucket).key(key).body(ByteStream::from(bytes));
        let put = put.grant_full_control(format!("id=\"{}\"", self.owner(runtime)));
        let put = put.grant_read(format!("uri=\"{EVERYBODY}\", id=\"{friend}\""));
        runtime.block_on(put.grant_read_acp(format!("id=\"{friend}\"")).send()).unwrap();
    }

    /// What is granted to whom, sorted.
    fn acl(&self, runtime: &Runtime, key: &str) -> Vec<(String, String)> {
        let acl = runtime.block_on(self.client.get_object_acl().bucket(&self.bucket).key(key).send()).unwrap();
        let grant = |grant: &aws_sdk_s3::types::Grant| {
            let grantee = grant.grantee().unwrap();
            let whom = grantee.id().or(grantee.uri()).unwrap();
            (grant.permission().unwrap().as_str().to_owned(), whom.to_owned())
        };
        let mut grants: Vec<_> = acl.grants().iter().map(grant).collect();
        grants.sort();
        grants
    }
}

impl Stage {
    /// A migration between two buckets of one server, whose target, or whose both sides, are behind a proxy. Two addresses are two servers.
    fn through(&mut self, both: bool, copy: &str) -> S3Faults {
        let faults = S3Faults::before(&self.to.endpoint, 0, 0);
        let (from, to) = (self.from.endpoint.clone(), self.to.endpoint.clone());
        self.to.endpoint = faults.url();
        if both {
            self.from.endpoint = faults.url();
        }
        self.define("", "", "", copy, "stop_when_failed = \"100%\"");
        (self.from.endpoint, self.to.endpoint) = (from, to);
        faults
    }
}

#[test]
fn an_acl_goes_along_whether_an_object_is_copied_or_carried() {
    for both in [true, false] {
        let mut stage = Stage::new(Make::Ministack, Make::Ministack);
        let faults = stage.through(both, "acl = \"keep\"");
        stage.from.keep_acls(&stage.runtime);
        stage.to.keep_acls(&stage.runtime);
        stage.from.put_open(&stage.runtime, "open", b"open".to_vec());
        stage.put("private", b"private");
        let reply = stage.run();
        assert_eq!((&reply["outcome"], &reply["progress"]["moved"]), (&json!("complete"), &json!(2)), "{reply}");
        let (open, owner) = (stage.to.acl(&stage.runtime, "open"), stage.to.owner(&stage.runtime));
        assert_eq!(open, stage.from.acl(&stage.runtime, "open"));
        assert_eq!(open.len(), 4, "{open:?}");
        assert_eq!(stage.to.acl(&stage.runtime, "private"), [("FULL_CONTROL".to_owned(), owner.clone())]);
        // By the request that made it; what is its owner's alone needs no word.
        let acls = faults.acls();
        let [(line, said)] = acls.as_slice() else { panic!("{acls:?}") };
        let mut said = said.clone();
        said.sort();
        assert!(line.starts_with("PUT ") && line.contains("/open?"), "{line}");
        assert_eq!(said, headers(&owner));
        assert_eq!(stage.losses(), Vec::<Value>::new());
    }
}

#[test]
fn an_upload_in_parts_begins_with_the_acl() {
    let mut stage = Stage::new(Make::Ministack, Make::Ministack);
    let faults = stage.through(false, "acl = \"keep\"");
    stage.from.keep_acls(&stage.runtime);
    stage.to.keep_acls(&stage.runtime);
    stage.from.put_open(&stage.runtime, "large", vec![7; 9 << 20]);
    let reply = stage.run();
    assert_eq!((&reply["outcome"], &reply["progress"]["moved"]), (&json!("complete"), &json!(1)), "{reply}");
    assert!(stage.to.get(&stage.runtime, "large").is_some_and(|got| got == vec![7; 9 << 20]));
    // Unlike S3, ministack forgets it: what was said is all that there is to see.
    let acls = faults.acls();
    let [(line, said)] = acls.as_slice() else { panic!("{acls:?}") };
    let mut said = said.clone();
    said.sort();
    assert!(line.starts_with("POST ") && line.contains("/large?uploads"), "{line}");
    assert_eq!(said, headers(&stage.to.owner(&stage.runtime)));
}

#[test]
fn a_bucket_that_owns_all_of_its_objects_is_sent_no_acl_and_what_is_lost_is_written_down() {
    for both in [true, false] {
        let mut stage = Stage::new(Make::Ministack, Make::Ministack);
        let faults = stage.through(both, "acl = \"keep\"");
        stage.from.keep_acls(&stage.runtime);
        stage.from.put_open(&stage.runtime, "open", b"open".to_vec());
        stage.put("private", b"private");
        let plan = stage.job.reply(&["plan", "assets"]);
        assert!(plan["warnings"].to_string().contains("owns every object and keeps no ACL"), "{plan}");
        let reply = stage.run();
        assert_eq!((&reply["outcome"], &reply["progress"]["moved"]), (&json!("complete"), &json!(2)), "{reply}");
        let acls = faults.acls();
        assert!(acls.is_empty(), "{acls:?}");
        let friend = friend();
        let lost = [format!("READ uri={EVERYBODY}"), format!("READ id={friend}"), format!("READ_ACP id={friend}")];
        assert_eq!(stage.losses(), [json!({"key": "open", "lost": {"acl": lost}})]);
    }
}

#[test]
fn what_others_may_use_is_set_aside_where_that_is_asked() {
    let mut stage = Stage::new(Make::Ministack, Make::Ministack);
    stage.define("", "", "", "acl = \"fail\"", "stop_when_failed = \"100%\"");
    stage.from.keep_acls(&stage.runtime);
    stage.from.put_open(&stage.runtime, "open", b"open".to_vec());
    stage.put("private", b"private");
    let reply = stage.run();
    assert_eq!((&reply["progress"]["moved"], &reply["progress"]["failed"]), (&json!(1), &json!(1)), "{reply}");
    let failed = stage.job.reply(&["failed", "assets"]);
    let item = &failed["items"][0];
    assert_eq!((&item["key"][0], &item["class"]), (&json!("open"), &json!("poison")), "{failed}");
    assert!(item["message"].as_str().unwrap().contains("open to others than its owner"), "{failed}");
}

#[test]
fn plan_names_what_keeping_acls_needs_and_a_run_waits_for_it() {
    let mut stage = Stage::new(Make::Ministack, Make::Ministack);
    let faults = stage.through(true, "acl = \"keep\"");
    stage.from.keep_acls(&stage.runtime);
    stage.to.keep_acls(&stage.runtime);
    stage.from.put_open(&stage.runtime, "open", b"open".to_vec());
    let plan = stage.job.reply(&["plan", "assets"]);
    assert_eq!((&plan["problems"], &plan["statements"]), (&json!([]), &json!([])), "{plan}");
    let lacking = |stage: &Stage| {
        let plan = stage.job.call(&["plan", "assets"]).expect(2).reply();
        let problems = plan["problems"].as_array().unwrap().iter();
        problems.map(|problem| problem["message"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (from, to) = (stage.from.bucket.clone(), stage.to.bucket.clone());

    faults.forbid("GET ", "?acl");
    faults.forbid("POST ", "x-amz-acl");
    let expected =
        [format!("`{from}` does not allow s3:GetObjectAcl"), format!("`{to}` does not allow s3:PutObjectAcl")];
    assert_eq!(lacking(&stage), expected);
    faults.allow_all();
    faults.forbid("GET ", "?ownershipControls");
    assert_eq!(lacking(&stage), [format!("`{to}` does not allow s3:GetBucketOwnershipControls")]);

    let paused = stage.job.call(&["run", "assets"]).expect(4).reply();
    assert!(paused["reason"].as_str().unwrap().contains("s3:GetBucketOwnershipControls"), "{paused}");
    faults.allow_all();
    faults.forbid("GET ", "?acl");
    stage.job.reply(&["resume", "assets"]);
    let failed = stage.run();
    assert_eq!((&failed["progress"]["moved"], &failed["progress"]["failed"]), (&json!(0), &json!(1)), "{failed}");
    let failed = stage.job.reply(&["failed", "assets"]);
    assert_eq!(failed["items"][0]["class"], "forbidden", "{failed}");
    faults.allow_all();
    stage.job.reply(&["retry", "assets"]);
    let reply = stage.run();
    assert_eq!(reply["progress"]["moved"], 1, "{reply}");
    assert_eq!(stage.to.acl(&stage.runtime, "open"), stage.from.acl(&stage.runtime, "open"));
}
