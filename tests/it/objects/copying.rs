//! What is copied is the same, bytes and all that belongs to it.

use super::Stage;
use crate::support::s3::{ALL, MAKES, Make};
use crate::support::s3_faults::S3Faults;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{
    BucketLocationConstraint, CreateBucketConfiguration, IndexDocument, ObjectLockMode, WebsiteConfiguration,
};
use serde_json::{Value, json};
use std::time::Duration;

/// Each server shows it.
#[test]
fn a_bucket_is_copied_with_all_that_belongs_to_its_objects() {
    let pairs = MAKES.into_iter().flat_map(|from| MAKES.map(|to| (from, to)));
    // The third one, in each place that it can be in.
    let third = [(Make::Moto, Make::Moto), (Make::Moto, Make::SeaweedFs), (Make::Ministack, Make::Moto)];
    for (from, to) in pairs.chain(third) {
        let mut stage = Stage::new(from, to);
        stage.define("", "", "prefix = \"eu/\"", "", "max_batch = 60");
        stage.fill(200);
        let reply = stage.run();
        assert_eq!((&reply["outcome"], &reply["progress"]["moved"]), (&"complete".into(), &200.into()), "{reply}");
        stage.assert_same("eu/");
        let again = stage.run();
        assert_eq!((&again["outcome"], &again["moved"]), (&"complete".into(), &0.into()), "{again}");
        let verified = stage.verify();
        assert_eq!((&verified["outcome"], &verified["equal"]), (&"complete".into(), &200.into()), "{verified}");
        assert_eq!((&verified["missing"], &verified["extra"]), (&0.into(), &0.into()), "{verified}");
    }
}

/// Moto's copy of a changed object keeps the tags of the one before: what a sweep brings besides bytes the other two have to show.
#[test]
fn a_sweep_copies_what_was_changed_and_added_and_verify_names_what_is_extra() {
    for make in ALL {
        let mut stage = Stage::new(make, make);
        stage.define("mode = \"continuous\"", "", "", "", "sweep_every = \"1s\"");
        stage.fill(120);
        assert_eq!(stage.run()["progress"]["moved"], 120, "{make:?}");
        // Times are told in whole seconds.
        std::thread::sleep(Duration::from_millis(1100));
        for n in 0..10 {
            stage.put(&format!("a/{n:02}/{n}.txt"), b"changed");
            stage.put(&format!("b/{n}"), b"added");
        }
        for n in 20..23 {
            stage.from.delete(&stage.runtime, &format!("a/{:02}/{n}.txt", n % 17));
        }
        let mut moved = 0;
        for _ in 0..4 {
            moved += stage.run()["moved"].as_u64().unwrap();
            std::thread::sleep(Duration::from_millis(1100));
        }
        assert_eq!(moved, 20, "{make:?}");
        assert_eq!(stage.to.get(&stage.runtime, "a/03/3.txt").as_deref(), Some(&b"changed"[..]));
        let verified = stage.verify();
        assert_eq!(
            (&verified["equal"], &verified["different"], &verified["extra"]),
            (&127.into(), &0.into(), &3.into()),
            "{verified}"
        );
    }
}

/// Ministack and Moto heed a condition where an object is put, and not where they copy one by themselves. Of SeaweedFS nothing is said.
#[test]
fn a_server_that_heeds_no_condition_is_named_and_what_is_there_stays_all_the_same() {
    let (mini, moto) = (Make::Ministack, Make::Moto);
    for (from, to, named) in [(mini, mini, true), (moto, moto, true), (mini, moto, false), (moto, mini, false)] {
        let mut stage = Stage::new(from, to);
        stage.define("", "", "", "", "stop_when_failed = \"100%\"");
        stage.fill(20);
        stage.to.put(&stage.runtime, "a/03/3.txt", b"theirs");
        let reply = stage.job.call(&["run", "assets"]).reply();
        let found = reply["fallbacks"].to_string().contains("if-none-match");
        assert_eq!(found, named, "{from:?} to {to:?}: {reply}");
        assert_eq!((&reply["moved"], &reply["conflicts"]), (&19.into(), &1.into()), "{from:?} to {to:?}: {reply}");
        assert_eq!(stage.to.get(&stage.runtime, "a/03/3.txt").as_deref(), Some(&b"theirs"[..]), "{from:?} to {to:?}");
    }
}

#[test]
fn what_is_extra_is_deleted_as_far_as_that_is_allowed() {
    for make in MAKES {
        let mut stage = Stage::new(make, make);
        let copy = "delete_extra = \"5%\"";
        stage.define("mode = \"continuous\"", "", "", copy, "sweep_every = \"1s\"");
        stage.fill(100);
        assert_eq!(stage.run()["progress"]["moved"], 100, "{make:?}");
        for n in 0..5 {
            stage.from.delete(&stage.runtime, &format!("a/{n:02}/{n}.txt"));
        }
        std::thread::sleep(Duration::from_millis(1100));
        let reply = stage.run();
        assert_eq!(reply["progress"]["moved"], 105, "{make:?}: {reply}");
        stage.assert_same("");
        for n in 5..10 {
            stage.from.delete(&stage.runtime, &format!("a/{n:02}/{n}.txt"));
        }
        std::thread::sleep(Duration::from_millis(1100));
        let paused = stage.job.call(&["run", "assets"]).expect(4).reply();
        let reason = paused["reason"].as_str().unwrap();
        assert!(reason.contains("5 of the target's 95 objects have no source, which is more"), "{make:?}: {reason}");
        assert_eq!(stage.runtime.block_on(stage.to.keys()).len(), 95);
        // What was missing is there again, so that what is extra is counted anew.
        for n in 5..9 {
            stage.put(&format!("a/{n:02}/{n}.txt"), b"back");
        }
        stage.job.reply(&["resume", "assets"]);
        let resumed = stage.job.call(&["run", "assets"]).reply();
        assert_ne!(resumed["outcome"], "paused", "{make:?}: {resumed}");
        std::thread::sleep(Duration::from_millis(1100));
        stage.run();
        assert_eq!(stage.runtime.block_on(stage.to.keys()).len(), 94);
        assert_eq!(stage.to.get(&stage.runtime, "a/05/5.txt").as_deref(), Some(&b"back"[..]), "{make:?}");
    }
}

#[test]
fn an_object_of_many_parts_goes_from_one_server_to_the_other() {
    for (from, to) in [(Make::Ministack, Make::SeaweedFs), (Make::SeaweedFs, Make::Ministack)] {
        let mut stage = Stage::new(from, to);
        stage.define("", "", "", "", "");
        let body: Vec<u8> =
            (0..(29 << 20) / 4_u32).flat_map(|n: u32| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        stage.put("large", &body);
        stage.put("empty", b"");
        let reply = stage.run();
        assert_eq!((&reply["outcome"], &reply["progress"]["moved"]), (&"complete".into(), &2.into()), "{reply}");
        assert!(stage.to.get(&stage.runtime, "large").is_some_and(|got| got == body));
        assert_eq!(stage.to.open_uploads(&stage.runtime), 0);
        let verified = stage.verify();
        assert_eq!((&verified["equal"], &verified["different"]), (&2.into(), &0.into()), "{verified}");
    }
}

#[test]
fn what_an_object_has_beside_its_bytes_can_be_left_behind_or_refused() {
    let mut stage = Stage::new(Make::Ministack, Make::Ministack);
    stage.define("", "", "", "metadata = \"drop\"\ntags = \"drop\"", "");
    stage.fill(6);
    assert_eq!(stage.run()["outcome"], "complete");
    for whole in stage.to.all(&stage.runtime).into_values() {
        assert!(whole.metadata.is_empty() && whole.tags.is_empty() && whole.cache_control.is_none(), "{whole:?}");
    }
    let mut stage = Stage::new(Make::Ministack, Make::SeaweedFs);
    stage.define("", "", "", "tags = \"fail\"", "stop_when_failed = \"100%\"");
    stage.fill(6);
    let reply = stage.run();
    assert_eq!((&reply["progress"]["moved"], &reply["progress"]["failed"]), (&4.into(), &2.into()), "{reply}");
    let failed = stage.job.reply(&["failed", "assets"]);
    assert_eq!(failed["items"][0]["class"], "poison", "{failed}");
}

/// A bucket that is a website, with an object that redirects, behind a proxy.
fn website() -> (Stage, S3Faults) {
    let mut stage = Stage::new(Make::Ministack, Make::Ministack);
    stage.from.make_website(&stage.runtime);
    let put =
        stage.from.client.put_object().bucket(&stage.from.bucket).key("moved").body(ByteStream::from_static(b"x"));
    stage.runtime.block_on(put.website_redirect_location("/elsewhere").send()).unwrap();
    let faults = S3Faults::before(&stage.from.endpoint, 0, 0);
    stage.from.endpoint = faults.url();
    stage.to.endpoint = faults.url();
    stage.define("", "", "", "", "");
    (stage, faults)
}

#[test]
fn a_redirect_is_not_left_behind_because_a_server_is_busy_when_it_is_asked_for_websites() {
    let (stage, faults) = website();
    faults.refuse("GET ", "website", "503 Slow Down", "SlowDown");
    stage.job.call(&["run", "assets", "--time-limit", "5s"]);
    assert_eq!(stage.to.get(&stage.runtime, "moved"), None, "nobody knew yet whether it has a redirect");
    faults.allow_all();
    let reply = stage.run();
    assert_eq!((&reply["outcome"], &reply["progress"]["moved"]), (&"complete".into(), &1.into()), "{reply}");
    let head = stage.to.client.head_object().bucket(&stage.to.bucket).key("moved").send();
    let head = stage.runtime.block_on(head).unwrap();
    assert_eq!(head.website_redirect_location.as_deref(), Some("/elsewhere"));
}

#[test]
fn a_server_that_does_not_know_websites_is_copied_from_and_named_for_it() {
    let (stage, faults) = website();
    faults.refuse("GET ", "website", "405 Method Not Allowed", "MethodNotAllowed");
    let reply = stage.job.reply(&["run", "assets"]);
    assert_eq!(reply["moved"], 1, "{reply}");
    assert!(reply["fallbacks"].to_string().contains("website-redirect"), "{reply}");
}

#[test]
fn a_redirect_goes_along_and_a_lock_that_does_not_is_written_down() {
    let mut stage = Stage::new(Make::Ministack, Make::Ministack);
    // Locks are for buckets that are made with them.
    stage.from.bucket = format!("{}-locked", stage.from.bucket);
    stage.runtime.block_on(async {
        let client = &stage.from.client;
        let place = CreateBucketConfiguration::builder().location_constraint(BucketLocationConstraint::EuCentral1);
        let made = client.create_bucket().bucket(&stage.from.bucket).object_lock_enabled_for_bucket(true);
        made.create_bucket_configuration(place.build()).send().await.unwrap();
        let index = IndexDocument::builder().suffix("index.html").build().unwrap();
        let website = WebsiteConfiguration::builder().index_document(index).build();
        client.put_bucket_website().bucket(&stage.from.bucket).website_configuration(website).send().await.unwrap();
        let put =
            |key: &str| client.put_object().bucket(&stage.from.bucket).key(key).body(ByteStream::from_static(b"x"));
        put("moved").website_redirect_location("/elsewhere").send().await.unwrap();
        let until = DateTime::from_secs(4_000_000_000);
        let locked = put("locked").object_lock_mode(ObjectLockMode::Governance).object_lock_retain_until_date(until);
        locked.send().await.unwrap();
        put("plain").send().await.unwrap();
    });
    stage.define("", "", "", "", "");
    let plan = stage.job.reply(&["plan", "assets"]);
    let warnings = plan["warnings"].to_string();
    for said in ["the source's bucket locks objects", "s3:GetObjectRetention", "s3:GetObjectLegalHold"] {
        assert!(warnings.contains(said), "{said}: {plan}");
    }
    let reply = stage.run();
    assert_eq!((&reply["outcome"], &reply["progress"]["moved"]), (&"complete".into(), &3.into()), "{reply}");
    let head = stage.to.client.head_object().bucket(&stage.to.bucket).key("moved").send();
    let head = stage.runtime.block_on(head).unwrap();
    assert_eq!(head.website_redirect_location.as_deref(), Some("/elsewhere"));
    let losses = stage.runtime.block_on(async {
        let list = stage.to.client.list_objects_v2().bucket(&stage.to.bucket).prefix(".milkrun/assets/loss/");
        list.send().await.unwrap().contents.unwrap_or_default()
    });
    let body = stage.to.get(&stage.runtime, losses[0].key().unwrap()).unwrap();
    let line: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((losses.len(), &line["key"]), (1, &json!("locked")), "{line}");
    assert!(line["lost"]["lock"].as_str().unwrap().starts_with("GOVERNANCE until 2096-"), "{line}");
}
