//! A first pass that goes by an inventory, which is older than the bucket: it copies what is still there, as it is now, and a sweep finds the
//! rest.

use super::Stage;
use crate::support::s3::{Make, bucket};
use crate::support::s3_faults::S3Faults;
use aws_sdk_s3::primitives::ByteStream;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::StreamExt as _;
use futures_util::stream::iter;
use md5::Digest as _;
use milkrun::hex;
use serde_json::{Value, json};
use std::io::Write as _;
use std::time::Duration;

const COLUMNS: &str = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag, StorageClass";
const KEYS: [&str; 4] = ["odd/a b+c%2F\"d\",'e'", "odd/é/日本語", "odd//100%", "odd/?x=1&y"];
const MANIFEST: &str = "daily/2026-01-31T01-00Z/manifest.json";

type Row = Vec<String>;

/// An inventory, in a bucket of its own.
struct Inventory {
    bucket: String,
    manifest: Value,
}

impl Inventory {
    /// What stands in the source's section.
    fn line(&self) -> String {
        format!("inventory = \"s3://{}/{MANIFEST}\"", self.bucket)
    }
}

impl Stage {
    /// A record of each object, as it is now.
    fn records(&self) -> Vec<Row> {
        self.runtime.block_on(async {
            let record = |key: String| async move {
                let head = self.from.client.head_object().bucket(&self.from.bucket).key(&key).send().await.unwrap();
                // As S3 does it, a blank is a plus.
                let encoded = urlencoding::encode(&key).replace("%20", "+");
                let bytes = head.content_length.unwrap_or_default().to_string();
                let etag = head.e_tag.unwrap_or_default();
                let fields = [
                    self.from.bucket.as_str(),
                    encoded.as_str(),
                    "v1",
                    "true",
                    "false",
                    bytes.as_str(),
                    "2026-01-30T12:00:00.000Z",
                    etag.trim_matches('"'),
                    "STANDARD",
                ];
                fields.map(str::to_owned).to_vec()
            };
            iter(self.from.keys().await).map(record).buffered(16).collect().await
        })
    }

    /// An inventory of these records, in three data files.
    fn inventory(&self, columns: &str, records: &[Row]) -> Inventory {
        let (_, _, bucket) = self.runtime.block_on(bucket(Make::Ministack));
        let files = records.chunks(records.len().div_ceil(3)).enumerate().map(|(number, records)| {
            let (key, body) = (format!("daily/data/{number}.csv.gz"), packed(records, Compression::default()));
            self.put_into(&bucket, &key, &body);
            json!({"key": key, "size": body.len(), "MD5checksum": hex::encode(&md5::Md5::digest(&body))})
        });
        let files: Vec<Value> = files.collect();
        let manifest = json!({
            "sourceBucket": self.from.bucket,
            "destinationBucket": format!("arn:aws:s3:::{bucket}"),
            "version": "2016-11-30",
            "creationTimestamp": "1769821200000",
            "fileFormat": "CSV",
            "fileSchema": columns,
            "files": files,
        });
        let inventory = Inventory { bucket, manifest };
        self.publish(&inventory.bucket, &inventory.manifest);
        inventory
    }

    fn publish(&self, bucket: &str, manifest: &Value) {
        self.put_into(bucket, MANIFEST, manifest.to_string().as_bytes());
    }

    fn put_into(&self, bucket: &str, key: &str, bytes: &[u8]) {
        let body = ByteStream::from(bytes.to_vec());
        self.runtime.block_on(self.from.client.put_object().bucket(bucket).key(key).body(body).send()).unwrap();
    }
}

/// Records as a data file holds them.
fn packed(records: &[Row], how: Compression) -> Vec<u8> {
    let field = |field: &String| format!("\"{}\"", field.replace('"', "\"\""));
    let line = |record: &Row| record.iter().map(field).collect::<Vec<_>>().join(",") + "\n";
    let mut gzip = GzEncoder::new(Vec::new(), how);
    gzip.write_all(records.iter().map(line).collect::<String>().as_bytes()).unwrap();
    gzip.finish().unwrap()
}

fn counted(reply: &Value) -> [u64; 4] {
    ["moved", "skipped", "conflicts", "failed"].map(|name| reply["progress"][name].as_u64().unwrap())
}

#[test]
fn a_first_pass_goes_by_the_inventory_and_a_sweep_finds_what_it_lacks() {
    let mut stage = Stage::new(Make::Ministack, Make::Ministack);
    stage.fill(120);
    for key in KEYS {
        stage.put(key, key.as_bytes());
    }
    let mut records = stage.records();
    let there = records.len() as u64;
    assert_eq!(there, 124);
    // Neither an older version nor the mark of a deletion is an object.
    let (mut older, mut deleted) = (records[3].clone(), records[4].clone());
    (older[3], older[5]) = ("false".to_owned(), "1".to_owned());
    (deleted[1], deleted[4], deleted[5]) = ("a%2Fgone".to_owned(), "true".to_owned(), String::new());
    records.insert(2, older);
    records.insert(70, deleted);
    let inventory = stage.inventory(COLUMNS, &records);
    let limits = "lease = \"1s\"\nmax_attempts = 1000\nmax_batch = 7";
    stage.define("", &inventory.line(), "", "concurrency = 4", limits);
    stage.job.set("MILKRUN_LEASE_MARGIN", "-5s");
    let plan = stage.job.reply(&["plan", "assets"]);
    assert_eq!((&plan["estimated_total"], &plan["problems"]), (&json!(there), &json!([])), "{plan}");

    // It is of yesterday.
    stage.from.delete(&stage.runtime, "a/07/7.txt");
    stage.put("a/08/8.txt", b"changed, and of another length");
    stage.put("added", b"added");
    let first = stage.job.reply(&["run", "assets", "--max-items", "10"]);
    let moved = counted(&first)[0];
    assert!((1..=10).contains(&moved), "{first}");
    let cursor = first["shards"][0]["cursor"].as_array().unwrap();
    assert_eq!((cursor.len(), &cursor[1]), (5, &json!("0")), "a place in the first data file: {first}");
    // So far, and no farther, is what `verify` compares while this pass is open.
    let verified = stage.verify();
    let found = ["checked", "equal", "missing", "different", "extra"].map(|name| verified[name].as_u64().unwrap());
    assert_eq!(found, [moved, moved, 0, 0, 0], "{verified}");

    for kill in 0..6 {
        let mut running = stage.job.cli().spawn(&["--json", "run", "assets", "--max-items", "25"]);
        std::thread::sleep(Duration::from_millis(60 + 45 * kill));
        running.signal("KILL");
        running.wait();
        stage.job.call(&["run", "assets", "--max-items", "5"]);
    }
    let reply = stage.run();
    assert_eq!(reply["outcome"], "complete", "{reply}");
    let [moved, skipped, conflicts, failed] = counted(&reply);
    // One is gone, one was added.
    assert_eq!((moved + skipped, conflicts, failed), (there, 0, 0), "{reply}");
    stage.assert_same("");
    let verified = stage.verify();
    let found = ["equal", "missing", "different", "extra"].map(|name| verified[name].as_u64().unwrap());
    assert_eq!(found, [there, 0, 0, 0], "{verified}");
}

#[test]
fn an_inventory_of_keys_alone_will_do_and_dead_letters_name_objects() {
    let mut stage = Stage::new(Make::Ministack, Make::SeaweedFs);
    stage.fill(30);
    stage.put("b/elsewhere", b"not under the prefix");
    let keys: Vec<Row> = stage.records().iter().map(|record| record[..2].to_vec()).collect();
    let inventory = stage.inventory("Bucket, Key", &keys);
    let source = format!("prefix = \"a/\"\n{}", inventory.line());
    stage.define("", &source, "prefix = \"a/\"", "", "max_batch = 7\nstop_when_failed = \"100%\"");
    stage.to.put(&stage.runtime, "a/05/5.txt", b"somebody else's");
    let reply = stage.job.call(&["run", "assets", "--until-done"]).expect(3).reply();
    assert_eq!((&reply["outcome"], counted(&reply)), (&json!("complete"), [29, 0, 1, 0]), "{reply}");
    let failed = stage.job.reply(&["failed", "assets"]);
    assert_eq!(failed["items"][0]["key"], json!(["a/05/5.txt"]), "{failed}");
    stage.to.delete(&stage.runtime, "a/05/5.txt");
    stage.job.reply(&["retry", "assets"]);
    assert_eq!(counted(&stage.run()), [30, 0, 0, 0]);
    stage.from.delete(&stage.runtime, "b/elsewhere");
    stage.assert_same("");
}

#[test]
fn an_inventory_that_cannot_be_used_is_refused_by_plan_and_by_run() {
    let mut stage = Stage::new(Make::Ministack, Make::Ministack);
    stage.fill(9);
    let inventory = stage.inventory(COLUMNS, &stage.records());
    stage.define("", &inventory.line(), "", "", "");
    stage.job.reply(&["plan", "assets"]);
    let wrong: [(&str, Value, &str); 6] = [
        ("/fileFormat", json!("ORC"), "configure it to be in CSV"),
        ("/fileFormat", json!("Parquet"), "configure it to be in CSV"),
        ("/sourceBucket", json!("another-bucket"), "is one of the bucket `another-bucket`"),
        ("/fileSchema", json!("Bucket, Size"), "has no column `Key`"),
        (
            "/files/0/MD5checksum",
            json!("900150983cd24fb0d6963f7d28e17f72"),
            "`files[0]` of the inventory's manifest is damaged",
        ),
        ("/files/0/key", json!("daily/data/none.csv.gz"), "`files[0]` of the inventory's manifest is not there"),
    ];
    for (field, value, said) in wrong {
        let mut manifest = inventory.manifest.clone();
        *manifest.pointer_mut(field).unwrap() = value;
        stage.publish(&inventory.bucket, &manifest);
        let plan = stage.job.call(&["plan", "assets"]).expect(2).reply();
        let problem = &plan["problems"][0];
        assert_eq!(problem["field"], "source.inventory", "{plan}");
        assert!(problem["hint"].as_str().unwrap().contains(said), "{said}: {plan}");
    }
    // The last one pauses a pass that was begun; without a manifest none begins.
    let reply = stage.job.call(&["run", "assets"]).expect(4).reply();
    assert!(reply["reason"].as_str().unwrap().contains("is not there"), "{reply}");
    stage.job.reply(&["reset", "assets", "--confirm", "assets"]);
    stage.define("", "inventory = \"s3://nobodys-bucket/manifest.json\"", "", "", "");
    let reply = stage.job.call(&["run", "assets"]).expect(1).reply();
    assert!(reply["errorMessage"].as_str().unwrap().contains("`source.inventory` names is not there"), "{reply}");
    assert!(stage.runtime.block_on(stage.to.keys()).is_empty(), "nothing of it was believed");
}

#[test]
fn an_inventory_that_is_another_one_by_now_stops_the_pass_until_it_is_put_back() {
    let mut stage = Stage::new(Make::Ministack, Make::Ministack);
    stage.fill(60);
    let records = stage.records();
    let inventory = stage.inventory(COLUMNS, &records);
    stage.define("", &inventory.line(), "", "", "max_batch = 7");
    stage.job.reply(&["run", "assets", "--max-items", "10"]);
    let refused = |what: &str| {
        let reply = stage.job.call(&["run", "assets"]).expect(4).reply();
        let reason = reply["reason"].as_str().unwrap();
        assert!(reason.contains(what) && reason.contains("`reset`"), "{what}: {reply}");
    };
    let mut newer = inventory.manifest.clone();
    newer["creationTimestamp"] = json!("1769907600000");
    stage.publish(&inventory.bucket, &newer);
    refused("the manifest that `source.inventory` names is not what it was");
    stage.publish(&inventory.bucket, &inventory.manifest);
    stage.job.reply(&["resume", "assets"]);

    let file = |how| packed(&records[..20], how);
    stage.put_into(&inventory.bucket, "daily/data/0.csv.gz", &file(Compression::none()));
    refused("`files[0]` of the inventory's manifest is not what it was");
    stage.put_into(&inventory.bucket, "daily/data/0.csv.gz", &file(Compression::default()));
    stage.job.reply(&["resume", "assets"]);
    let reply = stage.run();
    assert_eq!((&reply["outcome"], counted(&reply)), (&json!("complete"), [60, 0, 0, 0]), "{reply}");
    stage.assert_same("");
}

#[test]
fn plan_says_what_to_paste_where_the_inventory_may_not_be_read() {
    let mut stage = Stage::new(Make::Ministack, Make::Ministack);
    stage.fill(3);
    let inventory = stage.inventory(COLUMNS, &stage.records());
    let faults = S3Faults::before(&stage.from.endpoint, 0, 0);
    (stage.from.endpoint, stage.to.endpoint) = (faults.url(), faults.url());
    stage.define("", &inventory.line(), "", "", "");
    stage.job.reply(&["plan", "assets"]);
    faults.forbid("HEAD ", "/manifest.json");
    let plan = stage.job.call(&["plan", "assets"]).expect(2).reply();
    assert_eq!(plan["problems"][0]["field"], "source.inventory", "{plan}");
    let of_role = &plan["statements"][0];
    assert_eq!(of_role["purpose"], "policy of the source's role", "{plan}");
    let statement: Value = serde_json::from_str(of_role["statement"].as_str().unwrap()).unwrap();
    let resource = format!("arn:aws:s3:::{}/daily/*", inventory.bucket);
    assert_eq!(statement, json!({"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": [resource]}));
}
