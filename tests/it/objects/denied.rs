//! What may not be read or written: one object's own fault, or the migration's, and what `plan` says of it beforehand.

use super::Stage;
use crate::support::s3::{MAKES, Make};
use crate::support::s3_faults::S3Faults;
use crate::support::sessions::Sessions;
use serde_json::{Value, json};

/// A migration whose source, or whose both sides, are behind a proxy that refuses what it is told to.
fn behind(stage: &mut Stage, both: bool, limits: &str) -> S3Faults {
    let faults = S3Faults::before(&stage.from.endpoint, 0, 0);
    let (from, to) = (stage.from.endpoint.clone(), stage.to.endpoint.clone());
    stage.from.endpoint = faults.url();
    if both {
        stage.to.endpoint = faults.url();
    }
    stage.define("", "", "", "", limits);
    (stage.from.endpoint, stage.to.endpoint) = (from, to);
    faults
}

fn classes(stage: &Stage) -> Vec<(String, String)> {
    let failed = stage.job.reply(&["failed", "assets"]);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let items = failed["items"].as_array().unwrap().iter();
    items.map(|item| (text(&item["key"][0]), text(&item["class"]))).collect()
}

#[test]
fn an_object_that_may_not_be_read_stops_no_other() {
    for (from, to) in [(Make::Ministack, Make::Ministack), (Make::Ministack, Make::SeaweedFs)] {
        let mut stage = Stage::new(from, to);
        let one_server = from == to;
        let faults = behind(&mut stage, one_server, "stop_when_failed = \"100%\"");
        stage.fill(30);
        // Nobody may read it; its tags alone; it is encrypted with a key that only its owner has.
        for method in ["GET ", "HEAD "] {
            faults.forbid(method, "/a/05/5.txt");
        }
        faults.forbid("GET ", "/a/06/6.txt?tagging");
        faults.refuse("GET ", "/a/07/7.txt", "400 Bad Request", "InvalidRequest");
        faults.refuse("HEAD ", "/a/07/7.txt", "400 Bad Request", "");
        // A server that copies by itself is asked to.
        faults.forbid("PUT ", "/a/05/5.txt");
        faults.forbid("PUT ", "/a/06/6.txt");
        faults.refuse("PUT ", "/a/07/7.txt", "400 Bad Request", "InvalidRequest");
        let run = || stage.job.call(&["run", "assets", "--until-done"]).expect(3).reply();
        let set_aside = |class: &str, n: u32| (format!("a/{n:02}/{n}.txt"), class.to_owned());
        let all = [set_aside("forbidden", 5), set_aside("forbidden", 6), set_aside("poison", 7)];
        let reply = run();
        let counted = |reply: &Value| (reply["progress"]["moved"].clone(), reply["progress"]["failed"].clone());
        assert_eq!((&reply["outcome"], counted(&reply)), (&json!("complete"), (json!(27), json!(3))), "{reply}");
        assert_eq!(classes(&stage), all, "{from:?} to {to:?}");
        // It is still so.
        stage.job.reply(&["retry", "assets"]);
        let reply = run();
        assert_eq!((&reply["outcome"], counted(&reply)), (&json!("complete"), (json!(27), json!(3))), "{reply}");
        assert_eq!(classes(&stage), all, "{from:?} to {to:?}");
        let verified = stage.job.call(&["verify", "assets"]).reply();
        assert_eq!((&verified["checked"], &verified["equal"]), (&json!(30), &json!(27)), "{verified}");
        faults.allow_all();
        stage.job.reply(&["retry", "assets"]);
        let reply = stage.run();
        assert_eq!(counted(&reply), (json!(30), json!(0)), "{reply}");
        stage.assert_same("");
    }
}

#[test]
fn an_archived_object_stops_no_other_whatever_a_copy_calls_it() {
    let mut stage = Stage::new(Make::Ministack, Make::Ministack);
    let faults = behind(&mut stage, true, "stop_when_failed = \"100%\"");
    stage.fill(10);
    faults.refuse("PUT ", "/a/05/5.txt", "403 Forbidden", "ObjectNotInActiveTierError");
    let reply = stage.job.call(&["run", "assets", "--until-done"]).expect(3).reply();
    let counted = (&reply["outcome"], &reply["progress"]["moved"], &reply["progress"]["failed"]);
    assert_eq!(counted, (&json!("complete"), &json!(9), &json!(1)), "{reply}");
    assert_eq!(classes(&stage), [("a/05/5.txt".to_owned(), "archived".to_owned())]);
}

#[test]
fn where_nothing_may_be_read_from_the_beginning_the_migration_waits() {
    let mut stage = Stage::new(Make::Ministack, Make::SeaweedFs);
    let faults = behind(&mut stage, false, "");
    stage.fill(30);
    faults.forbid("GET ", ".txt");
    let reply = stage.job.call(&["run", "assets"]).expect(4).reply();
    assert_eq!((&reply["outcome"], &reply["progress"]["failed"]), (&json!("paused"), &json!(0)), "{reply}");
    faults.allow_all();
    stage.job.reply(&["resume", "assets"]);
    assert_eq!(stage.run()["progress"]["moved"], 30);
}

#[test]
fn plan_tries_out_what_a_run_needs_and_says_what_to_paste() {
    let mut stage = Stage::new(Make::Ministack, Make::Ministack);
    let faults = behind(&mut stage, true, "");
    stage.fill(12);
    let plan = stage.job.reply(&["plan", "assets"]);
    assert_eq!((&plan["problems"], &plan["statements"]), (&json!([]), &json!([])), "{plan}");
    assert_eq!((&plan["estimated_total"], &plan["sample_document"]["objects"]), (&json!(12), &json!(12)), "{plan}");
    assert!(plan["requests"].as_u64().unwrap() >= 12 && plan["cost_usd"].as_f64().unwrap() > 0.0, "{plan}");

    faults.forbid("GET ", "?tagging");
    faults.forbid("POST ", "uploads");
    let plan = stage.job.call(&["plan", "assets"]).expect(2).reply();
    let problems: Vec<_> =
        plan["problems"].as_array().unwrap().iter().map(|one| (&one["field"], &one["message"])).collect();
    let (from, to) = (&stage.from.bucket, &stage.to.bucket);
    let expected = [
        (json!("source.bucket"), json!(format!("`{from}` does not allow s3:GetObjectTagging"))),
        (json!("target.bucket"), json!(format!("`{to}` does not allow s3:PutObject"))),
    ];
    assert_eq!(problems, expected.iter().map(|(field, message)| (field, message)).collect::<Vec<_>>(), "{plan}");
    let of_role = &plan["statements"][0];
    assert_eq!(of_role["purpose"], "policy of the source's role", "{plan}");
    let statement: Value = serde_json::from_str(of_role["statement"].as_str().unwrap()).unwrap();
    let arn = format!("arn:aws:s3:::{from}");
    let resources = [arn.clone(), format!("{arn}/*")];
    assert_eq!(statement, json!({"Effect": "Allow", "Action": ["s3:GetObjectTagging"], "Resource": resources}));
    faults.allow_all();
    // Nothing of it is left.
    let keys = stage.runtime.block_on(stage.to.client.list_objects_v2().bucket(to).send()).unwrap();
    assert_eq!((keys.contents.unwrap_or_default().len(), stage.to.open_uploads(&stage.runtime)), (0, 0));
}

#[test]
fn what_to_paste_names_a_bucket_as_the_partition_of_its_region_does() {
    let mut stage = Stage::new(Make::Ministack, Make::Ministack);
    // Nothing is allowed, so that it does not matter in which region the server's buckets are.
    let faults = S3Faults::before(&stage.from.endpoint, 0, 0);
    for method in ["GET ", "HEAD ", "POST "] {
        faults.forbid(method, "");
    }
    (stage.from.endpoint, stage.to.endpoint) = (faults.url(), faults.url());
    let source = "region = \"us-gov-west-1\"\ninventory = \"s3://inventories/daily/manifest.json\"";
    stage.define("", source, "region = \"cn-north-1\"", "", "");
    let plan = stage.job.call(&["plan", "assets"]).expect(2).reply();
    let statements = plan["statements"].to_string();
    for arn in [
        format!("arn:aws-us-gov:s3:::{}/*", stage.from.bucket),
        "arn:aws-us-gov:s3:::inventories/".to_owned(),
        format!("arn:aws-cn:s3:::{}/*", stage.to.bucket),
    ] {
        assert!(statements.contains(&arn), "{arn}: {plan}");
    }
    assert!(!statements.contains("arn:aws:"), "{plan}");
}

#[test]
fn plan_says_what_to_paste_where_the_function_may_not_take_on_a_role() {
    let mut stage = Stage::new(Make::Ministack, Make::Ministack);
    let role = "arn:aws:iam::123456789012:role/reader";
    stage.define("", &format!("role = \"{role}\""), "", "", "");
    stage.put("a", b"a");
    // STS, which refuses.
    let sts = Sessions::before(&stage.from.endpoint, 0, 0);
    sts.shut();
    stage.job.set("AWS_ENDPOINT_URL_STS", &sts.url());
    let plan = stage.job.call(&["plan", "assets"]).expect(2).reply();
    assert_eq!(plan["problems"][0]["field"], "source.role", "{plan}");
    let statements = plan["statements"].as_array().unwrap().iter();
    let statements: Vec<(&str, Value)> = statements
        .map(|one| {
            let statement: Value = serde_json::from_str(one["statement"].as_str().unwrap()).unwrap();
            (one["purpose"].as_str().unwrap(), statement)
        })
        .collect();
    let taking_on = json!({"Effect": "Allow", "Action": ["sts:AssumeRole"], "Resource": role});
    let own = json!({"AWS": "the ARN of the function's role"});
    let trust = json!({"Effect": "Allow", "Action": ["sts:AssumeRole"], "Principal": own});
    let expected =
        [("policy of the function's role, unless it has it", taking_on), ("trust policy of the source's role", trust)];
    assert_eq!(statements, expected, "{plan}");
}

#[test]
fn a_bucket_that_is_missing_is_made_if_that_is_asked() {
    for make in MAKES {
        let mut stage = Stage::new(make, make);
        stage.to.bucket = format!("{}-made", stage.to.bucket);
        stage.fill(5);
        stage.define("", "", "create = true", "", "");
        let plan = stage.job.reply(&["plan", "assets"]);
        assert!(plan["warnings"].to_string().contains("the first run makes it"), "{plan}");
        let arn = format!("arn:aws:s3:::{}", stage.to.bucket);
        let making = json!({"Effect": "Allow", "Action": ["s3:CreateBucket"], "Resource": arn});
        let purpose = "policy of the target's role, unless it has it";
        assert_eq!(plan["statements"], json!([{"purpose": purpose, "statement": making.to_string()}]), "{plan}");
        let reply = stage.run();
        assert_eq!(
            (&reply["outcome"], &reply["progress"]["moved"]),
            (&json!("complete"), &json!(5)),
            "{make:?}: {reply}"
        );
        stage.assert_same("");
    }
}
