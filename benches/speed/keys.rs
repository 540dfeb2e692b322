//! Whether many keys cost more than few: a bucket of a million objects beside one of ten thousand, copied by runs of thirty seconds and
//! compared afterwards. Peak memory of either, and the time that a key takes where both sides are listed and nothing is copied. The objects are
//! empty, for it is their number that counts, and most of the time is the S3 server's: a quarter of an hour on two cores.

use super::objects::{fill, migration};
use super::timed::timed;
use crate::support::job::Job;
use crate::support::s3::{Make, bucket};
use crate::support::servers::Kind;
use aws_sdk_s3::Client;
use serde_json::Value;
use std::process::Command;
use std::time::Duration;

const FEW: usize = 10_000;
const MANY: usize = 1_000_000;
const MIB_AT_MOST: u64 = 64;
const MORE_MIB_AT_MOST: u64 = 6;
const SLOWER_AT_MOST: f64 = 1.10;

/// What a bucket took.
struct Bucket {
    /// Peak resident memory in KiB, copying and comparing.
    peaks: [u64; 2],
    /// Microseconds a key where nothing is copied.
    key: f64,
}

pub(crate) fn compare() -> bool {
    let (few, many) = (whole(FEW), whole(MANY));
    println!("\nMany keys: {MANY} objects, and {FEW}");
    for (what, bucket) in [(FEW, &few), (MANY, &many)] {
        let [copied, compared] = bucket.peaks.map(|peak| peak / 1024);
        println!(
            "{what} keys: peak {copied} MiB copying, {compared} MiB comparing, {:.0} µs a key compared",
            bucket.key
        );
    }
    let peak = |bucket: &Bucket| bucket.peaks.into_iter().max().unwrap_or_default();
    let lean = peak(&many) < MIB_AT_MOST * 1024 && peak(&many).saturating_sub(peak(&few)) <= MORE_MIB_AT_MOST * 1024;
    println!(
        "peak memory, promised below {MIB_AT_MOST} MiB and within {MORE_MIB_AT_MOST} of that of few: {}",
        verdict(lean)
    );
    let ratio = many.key / few.key;
    let flat = ratio <= SLOWER_AT_MOST;
    println!("a key of many over a key of few: {ratio:.2}, promised at most {SLOWER_AT_MOST}: {}", verdict(flat));
    lean && flat
}

fn verdict(kept: bool) -> &'static str {
    if kept { "kept" } else { "MISSED" }
}

/// A bucket of so many objects, copied and compared.
fn whole(count: usize) -> Bucket {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let (_, config, from) = runtime.block_on(bucket(Make::SeaweedFs));
    let (.., to) = runtime.block_on(bucket(Make::SeaweedFs));
    let client = Client::from_conf(aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build());
    runtime.block_on(fill(&client, &from, (count, 0)));
    let mut job = Job::new(Kind::Sqlite);
    job.define(&migration(config.endpoint_url().expect("an endpoint"), &from, &to, "copied"));
    let (_, copying, last) = repeated(&job, &["run", &job.name, "--until-done", "--time-limit", "30s"]);
    assert!(last["outcome"] == "complete" && last["progress"]["moved"] == count, "{last}");
    let (took, comparing, last) = repeated(&job, &["verify", &job.name, "--time-limit", "30s"]);
    assert!(last["outcome"] == "complete" && last["equal"] == count, "{last}");
    let keys = f64::from(u32::try_from(count).expect("few enough"));
    Bucket { peaks: [copying, comparing], key: took.as_secs_f64() * 1e6 / keys }
}

/// A command that repeats itself to its end: how long it took, its peak memory in KiB, its last reply.
fn repeated(job: &Job, arguments: &[&str]) -> (Duration, u64, Value) {
    let cli = job.cli();
    let mut command = Command::new(env!("CARGO_BIN_EXE_milkrun"));
    command.arg("--json").args(arguments).current_dir(&cli.folder);
    command.envs(cli.environment.iter().map(|(name, value)| (name, value)));
    let (took, printed) = timed(&command, job);
    let last = printed.lines().last().expect("there is a reply");
    (took.wall, took.peak_kib.expect("it was measured"), serde_json::from_str(last).expect("a reply"))
}
