//! What belongs to an object besides its bytes goes along however it goes: copied by its server, carried in one piece, or in parts. What cannot is
//! written down.

use super::{Side, Stage};
use crate::support::http_exchange::{Upstream, proxy};
use crate::support::s3::Make;
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{
    ServerSideEncryption, ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration, ServerSideEncryptionRule,
    StorageClass,
};
use serde_json::{Value, json};
use std::collections::HashMap;
use tokio::runtime::Runtime;

/// One that goes in one piece between servers, and one that goes in parts.
const SIZES: [(&str, usize); 2] = [("large", (8 << 20) + 9), ("small", 9)];

const KEY: &str = "arn:aws:kms:eu-central-1:000000000000:key/00000000-0000-0000-0000-000000000000";

/// Two buckets of one server, which is said to be two.
fn of_two_servers() -> Stage {
    let mut stage = Stage::new(Make::Ministack, Make::Ministack);
    stage.to.endpoint = stage.to.endpoint.replace("127.0.0.1", "localhost");
    stage
}

impl Side {
    fn putting(&self, key: &str, length: usize) -> PutObjectFluentBuilder {
        let put = self.client.put_object().bucket(&self.bucket).key(key);
        put.body(ByteStream::from(vec![7; length]))
    }

    /// Headers and storage class of an object, and what was written beside it.
    fn said(&self, runtime: &Runtime, key: &str) -> (Vec<Option<String>>, HashMap<String, String>) {
        let head = runtime.block_on(self.client.head_object().bucket(&self.bucket).key(key).send()).unwrap();
        let said = [
            head.content_type(),
            head.content_encoding(),
            head.cache_control(),
            head.content_disposition(),
            head.content_language(),
            head.expires_string(),
            head.storage_class().map(StorageClass::as_str),
        ];
        (said.map(|one| one.map(str::to_owned)).to_vec(), head.metadata.clone().unwrap_or_default())
    }
}

/// Puts an object into the source whose `Expires` is no date.
fn put_undated(stage: &Stage) {
    let put = stage.from.putting("undated", 9).cache_control("no-store").customize();
    let put = put.mutate_request(|request| {
        request.headers_mut().insert("expires", "0");
    });
    stage.runtime.block_on(put.send()).unwrap();
}

#[test]
fn headers_metadata_and_storage_class_go_along_however_an_object_goes() {
    for mut stage in [Stage::new(Make::Ministack, Make::Ministack), of_two_servers()] {
        stage.define("", "", "", "", "");
        for (key, length) in SIZES {
            let put = stage.from.putting(key, length).content_type("text/x-it").content_encoding("gzip");
            let put = put.cache_control("max-age=7").content_disposition("attachment; filename=\"a b.txt\"");
            let put = put.content_language("de-AT").expires(DateTime::from_secs(4_000_000_000));
            // As S3 says what is no ASCII.
            let put = put.metadata("name", "=?UTF-8?B?w6k=?=");
            stage.runtime.block_on(put.storage_class(StorageClass::StandardIa).send()).unwrap();
        }
        let reply = stage.run();
        assert_eq!((&reply["outcome"], &reply["progress"]["moved"]), (&"complete".into(), &2.into()), "{reply}");
        for (key, _) in SIZES {
            let ours = stage.from.said(&stage.runtime, key);
            assert!(ours.0.iter().all(Option::is_some) && ours.1.len() == 1, "{ours:?}");
            assert_eq!(stage.to.said(&stage.runtime, key), ours, "{key}");
        }
        assert_eq!(stage.losses(), Vec::<Value>::new());
    }
}

#[test]
fn an_expiry_that_is_no_date_is_written_down_where_it_is_lost() {
    let mut stage = Stage::new(Make::Ministack, Make::Ministack);
    stage.define("", "", "", "", "");
    put_undated(&stage);
    assert_eq!(stage.run()["progress"]["moved"], 1);
    // The server itself takes it along.
    assert_eq!(stage.to.said(&stage.runtime, "undated").0[5].as_deref(), Some("0"));
    assert_eq!(stage.losses(), Vec::<Value>::new());
    let mut stage = of_two_servers();
    stage.define("", "", "", "", "");
    put_undated(&stage);
    assert_eq!(stage.run()["progress"]["moved"], 1);
    assert_eq!(stage.losses(), [json!({"key": "undated", "lost": {"expires": "0"}})]);
    assert_eq!(stage.to.said(&stage.runtime, "undated").0[2].as_deref(), Some("no-store"));
}

#[test]
fn metadata_that_no_header_can_say_is_written_down_as_lost() {
    let mut stage = Stage::new(Make::Ministack, Make::Ministack);
    let server = Upstream::at(&stage.from.endpoint);
    let before = proxy(move |request| {
        let reply = server.forward(&request)?;
        Some(if request.path.contains("/odd") { reply.with("x-amz-missing-meta: 2") } else { reply })
    });
    stage.from.endpoint = before.url();
    stage.define("", "", "", "", "");
    stage.put("odd", b"odd");
    stage.put("plain", b"plain");
    assert_eq!(stage.run()["progress"]["moved"], 2);
    let lost = json!({"key": "odd", "lost": {"metadata": "2 more, which no header can say"}});
    assert_eq!(stage.losses(), [lost]);
}

/// Objects of which two have a key of KMS, in a bucket of one server whose objects are each asked, and in one of two servers.
fn with_keys() -> [Stage; 2] {
    let stages = [Stage::new(Make::Ministack, Make::Ministack), of_two_servers()];
    stages[0].from.make_website(&stages[0].runtime);
    for stage in &stages {
        stage.put("plain", b"plain");
        for (key, length) in SIZES {
            let put = stage.from.putting(key, length).server_side_encryption(ServerSideEncryption::AwsKms);
            stage.runtime.block_on(put.ssekms_key_id(KEY).send()).unwrap();
        }
    }
    stages
}

#[test]
fn a_key_of_kms_is_written_down_as_lost_where_the_copy_is_encrypted_otherwise() {
    for mut stage in with_keys() {
        stage.define("", "", "", "", "");
        let reply = stage.run();
        assert_eq!((&reply["outcome"], &reply["progress"]["moved"]), (&"complete".into(), &3.into()), "{reply}");
        let mut losses = stage.losses();
        losses.sort_by_key(|line| line["key"].to_string());
        assert_eq!(losses, SIZES.map(|(key, _)| json!({"key": key, "lost": {"kms_key": KEY}})));
    }
}

#[test]
fn no_key_of_kms_is_lost_where_one_is_asked_for_or_the_target_has_the_same() {
    for (mut stage, asked) in with_keys().into_iter().zip([true, false]) {
        stage.define("", "", if asked { "kms_key = \"alias/copies\"" } else { "" }, "", "");
        if !asked {
            let by_default = ServerSideEncryptionByDefault::builder().kms_master_key_id(KEY);
            let by_default = by_default.sse_algorithm(ServerSideEncryption::AwsKms).build().unwrap();
            let rule = ServerSideEncryptionRule::builder().apply_server_side_encryption_by_default(by_default);
            let rules = ServerSideEncryptionConfiguration::builder().rules(rule.build()).build().unwrap();
            let put = stage.to.client.put_bucket_encryption().bucket(&stage.to.bucket);
            stage.runtime.block_on(put.server_side_encryption_configuration(rules).send()).unwrap();
        }
        let reply = stage.run();
        assert_eq!((&reply["outcome"], &reply["progress"]["moved"]), (&"complete".into(), &3.into()), "{reply}");
        assert_eq!(stage.losses(), Vec::<Value>::new());
    }
}

#[test]
fn plan_warns_of_a_key_of_kms_that_does_not_go_along() {
    let mut stage = Stage::new(Make::Ministack, Make::Ministack);
    stage.define("", "", "", "", "");
    stage.put("plain", b"plain");
    let plan = stage.job.reply(&["plan", "assets"]);
    assert!(!plan["warnings"].to_string().contains("KMS"), "{plan}");
    let put = stage.from.putting("a", 1).server_side_encryption(ServerSideEncryption::AwsKms);
    let put = put.ssekms_key_id(KEY);
    stage.runtime.block_on(put.send()).unwrap();
    let plan = stage.job.reply(&["plan", "assets"]);
    assert!(plan["warnings"].to_string().contains("encrypted with a key of KMS, which does not go along"), "{plan}");
}
