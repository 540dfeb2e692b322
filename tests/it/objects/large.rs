//! An object that is more than one run can copy: part by part, by the server itself and through the function. Of 12 and 6 GB with
//! `MILKRUN_FULL`. SeaweedFS alone, which keeps on disk what it holds; what is said of two servers it plays both of, by two names.

use super::Stage;
use crate::support::job::full;
use crate::support::s3::{Make, gigabytes, give_back};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use serde_json::json;

/// Bytes that are alike but for their number.
const BLOCK: u64 = 1 << 20;
/// Blocks of a part of the source.
const PART: u64 = 64;
const KEY: &str = "films/the longest.mov";

/// The blocks of a part.
fn part(number: u64) -> Vec<u8> {
    let word = |at: u64| (number * PART * BLOCK / 8 + at).to_le_bytes();
    (0..PART * BLOCK / 8).flat_map(word).collect()
}

/// Puts an object of so many parts into the source.
fn put(stage: &Stage, parts: u64) {
    let (client, bucket) = (&stage.from.client, &stage.from.bucket);
    stage.runtime.block_on(async {
        let begun = client.create_multipart_upload().bucket(bucket).key(KEY).content_type("video/quicktime");
        let upload = begun.send().await.unwrap().upload_id.unwrap();
        let mut done = CompletedMultipartUpload::builder();
        for number in 0..parts {
            let place = i32::try_from(number).unwrap() + 1;
            let sent = client.upload_part().bucket(bucket).key(KEY).upload_id(&upload).part_number(place);
            let sent = sent.body(ByteStream::from(part(number))).send().await.unwrap();
            done = done.parts(CompletedPart::builder().part_number(place).set_e_tag(sent.e_tag).build());
        }
        let complete = client.complete_multipart_upload().bucket(bucket).key(KEY).upload_id(upload);
        complete.multipart_upload(done.build()).send().await.unwrap();
    });
}

/// What has arrived is that, read part by part.
fn assert_arrived(stage: &Stage, parts: u64) {
    stage.runtime.block_on(async {
        let (client, bucket) = (&stage.to.client, &stage.to.bucket);
        let head = client.head_object().bucket(bucket).key(KEY).send().await.unwrap();
        let length = i64::try_from(parts * PART * BLOCK).unwrap();
        assert_eq!((head.content_length, head.content_type.as_deref()), (Some(length), Some("video/quicktime")));
        for number in 0..parts {
            let from = number * PART * BLOCK;
            let range = format!("bytes={from}-{}", from + PART * BLOCK - 1);
            let got = client.get_object().bucket(bucket).key(KEY).range(range).send().await.unwrap();
            assert!(got.body.collect().await.unwrap().to_vec() == part(number), "part {number} of {parts} is another");
        }
    });
}

fn arrives_over_several_runs(stage: &mut Stage, parts: u64) {
    put(stage, parts);
    stage.define("", "", "", "", "");
    let time = if full() { "10s" } else { "5s" };
    let mut runs = 0;
    loop {
        let reply = stage.job.call(&["run", "assets", "--time-limit", time, "--memory-limit", "128MB"]).reply();
        runs += 1;
        assert_eq!(reply["failed"], 0, "{reply}: {}", stage.job.reply(&["failed", "assets"]));
        assert!(reply["peak_memory_mb"].as_u64().unwrap() < 120, "{reply}");
        if reply["outcome"] == "complete" {
            break;
        }
        assert_eq!(reply["outcome"], "more", "{reply}");
        assert!(runs < 300, "{reply}");
    }
    println!("{} MiB in {runs} runs of {time}", (parts * PART * BLOCK) >> 20);
    assert!(runs > 1 || !full(), "{runs}");
    assert_arrived(stage, parts);
    assert_eq!(stage.to.open_uploads(&stage.runtime), 0);
    let verified = stage.verify();
    assert_eq!((&verified["checked"], &verified["equal"]), (&json!(1), &json!(1)), "{verified}");
    for side in [&stage.from, &stage.to] {
        stage.runtime.block_on(give_back(&side.client, &side.bucket, KEY));
    }
}

#[test]
fn a_server_copies_what_is_too_large_for_one_call_part_by_part() {
    let _room = gigabytes();
    let mut stage = Stage::new(Make::SeaweedFs, Make::SeaweedFs);
    arrives_over_several_runs(&mut stage, if full() { 192 } else { 10 });
}

#[test]
fn what_no_run_can_carry_alone_is_carried_by_several() {
    let _room = gigabytes();
    let mut stage = Stage::new(Make::SeaweedFs, Make::SeaweedFs);
    stage.to.endpoint = stage.to.endpoint.replace("127.0.0.1", "localhost");
    arrives_over_several_runs(&mut stage, if full() { 96 } else { 4 });
}

#[test]
fn objects_that_the_server_copies_take_no_memory_and_are_not_counted_against_it() {
    let mut stage = Stage::new(Make::SeaweedFs, Make::SeaweedFs);
    for n in 0..12 {
        stage.put(&format!("films/{n}"), &part(n)[..8 << 20]);
    }
    stage.define("", "", "", "", "max_batch = 4");
    // Two such objects would be all that a batch may hold there.
    let reply = stage.job.reply(&["run", "assets", "--max-items", "12", "--memory-limit", "256MB"]);
    assert_eq!(reply["moved"], 12, "{reply}");
    assert!(reply["batches"].as_u64().unwrap() <= 4, "{reply}");
}
