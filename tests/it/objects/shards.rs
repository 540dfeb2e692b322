//! Shards of a bucket: each key is in one of them, also when the key at which one ends is gone by now, and whatever order a server lists
//! in.

use super::Stage;
use crate::support::s3::Make;
use serde_json::{Value, json};
use std::time::Duration;

const OBJECTS: usize = 2400;

fn names(reply: &Value) -> Vec<&str> {
    reply["shards"].as_array().unwrap().iter().map(|one| one["shard"].as_str().unwrap()).collect()
}

fn sorted(stage: &Stage) -> Vec<String> {
    let mut keys = stage.runtime.block_on(stage.from.keys());
    keys.sort_unstable();
    keys
}

#[test]
fn a_bucket_in_four_shards_is_the_same_bucket() {
    for to in [Make::Ministack, Make::SeaweedFs] {
        let mut stage = Stage::new(Make::Ministack, to);
        let limits = "max_batch = 200\nshards = 4\nlanes = 2\nsweep_every = \"1s\"";
        stage.define("mode = \"continuous\"", "", "prefix = \"eu/\"", "", limits);
        stage.fill(OBJECTS);
        let first = stage.job.call(&["run", "assets", "--max-items", "100"]).reply();
        assert_eq!(names(&first), ["0000", "0001"], "{to:?}: {first}");
        assert!((1..=100).contains(&first["moved"].as_u64().unwrap()), "{to:?}: {first}");
        // Of two runs at once each takes what the other one has not.
        let arguments = ["--json", "run", "assets"];
        let both = [stage.job.cli().spawn(&arguments), stage.job.cli().spawn(&arguments)];
        for running in both {
            running.wait();
        }
        let reply = stage.run();
        assert_eq!(reply["progress"]["moved"], OBJECTS, "{to:?}: {reply}");
        let status = stage.job.status();
        assert_eq!(names(&status), ["0000", "0001", "0002", "0003"], "{to:?}: {status}");
        let keys = sorted(&stage);
        let cuts: Vec<String> =
            (0..3).map(|shard| status["shards"][shard]["cursor"][0].as_str().unwrap().to_owned()).collect();
        let mut from = 0;
        for cut in &cuts {
            let to = keys.partition_point(|key| key <= cut);
            assert!((500..=700).contains(&(to - from)), "{from} to {to}: {cuts:?}");
            from = to;
        }

        // Times are told in whole seconds.
        std::thread::sleep(Duration::from_millis(1100));
        // One cut is gone, with keys before and behind it; another one has got neighbours.
        let place = keys.binary_search(&cuts[1]).unwrap();
        for key in &keys[place - 1..=place + 1] {
            stage.from.delete(&stage.runtime, key);
        }
        for (key, n) in [(&cuts[1], 1), (&cuts[1], 2), (&cuts[2], 1)] {
            stage.put(&format!("{key}{n}"), b"behind");
        }
        stage.put(&keys[place - 1], b"back");
        for _ in 0..3 {
            std::thread::sleep(Duration::from_millis(1100));
            stage.run();
        }
        let verified = stage.verify();
        let counted = ["equal", "missing", "different", "extra"].map(|name| verified[name].clone());
        assert_eq!(counted, [json!(OBJECTS + 1), json!(0), json!(0), json!(2)], "{to:?}: {verified}");
        let progress = stage.job.status()["progress"].clone();
        assert_eq!(progress["failed"], 0, "{to:?}: {progress}");
    }
}

#[test]
fn a_bucket_that_is_not_listed_in_the_order_of_bytes_arrives_all_the_same() {
    let mut stage = Stage::new(Make::SeaweedFs, Make::SeaweedFs);
    stage.define("", "", "", "", "max_batch = 150\nshards = 4\nlanes = 2");
    // As a tree the folder `t/7` comes before the file `t/7-x`; as bytes it comes behind it.
    let keys = (0..600).flat_map(|n| [format!("t/{n}/x"), format!("t/{n}-x")]);
    stage.put_all(keys.collect());
    let reply = stage.run();
    assert_eq!((&reply["outcome"], &reply["progress"]["moved"]), (&json!("complete"), &json!(1200)), "{reply}");
    let verified = stage.verify();
    assert_eq!((&verified["equal"], &verified["missing"]), (&json!(1200), &json!(0)), "{verified}");
}
