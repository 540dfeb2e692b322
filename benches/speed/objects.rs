//! Objects from one bucket into another of the same S3 on this machine, by its own copy call: beside `s5cmd cp` and `rclone copy`, each with as
//! many copies side by side. milkrun's side also lists both buckets once more at the end, for its closing sweep.

use super::contest::{Measure, Promise, Side, contest};
use super::files::{body, tool};
use super::timed::{Took, milkrun, timed};
use crate::support::job::Job;
use crate::support::s3::{Make, bucket};
use crate::support::servers::Kind;
use crate::support::slow::Slow;
use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use futures_util::stream::{StreamExt as _, iter};
use std::cell::{Cell, RefCell};
use std::process::Command;
use std::time::Duration;
use tokio::runtime::Runtime;

/// How many objects, and how long each is.
const SMALL: (usize, usize) = (20_000, 1 << 10);
const LARGE: (usize, usize) = (200, 16 << 20);
/// By so much each request is later, of a server that is far away.
const LATENCY: Duration = Duration::from_millis(30);
/// Copies at once, of each side.
const AT_ONCE: usize = 64;
/// Bytes that a round may leave behind: all rounds of all sides together are eighteen.
const LEFT: usize = 256 << 20;
/// What milkrun's first run has found out about a target's bucket.
const BEGAN: &str = ".milkrun/assets/began.json";
const NEAR: [Promise; 4] = [
    Promise { of: "milkrun", over: "s5cmd cp", least: 0.95, measure: Measure::Rate },
    Promise { of: "milkrun", over: "rclone copy", least: 1.5, measure: Measure::Rate },
    Promise { of: "milkrun", over: "s5cmd cp", least: 1.0, measure: Measure::Processor },
    Promise { of: "milkrun", over: "rclone copy", least: 2.0, measure: Measure::Processor },
];

/// Small objects.
pub(crate) fn small() -> bool {
    contest_of("Objects of 1 KB", SMALL, None, &NEAR)
}

/// Large ones.
pub(crate) fn large() -> bool {
    contest_of("Objects of 16 MB", LARGE, None, &NEAR)
}

/// Small ones of a server that is far away.
pub(crate) fn far() -> bool {
    let promise = Promise { of: "milkrun", over: "s5cmd cp", least: 1.0, measure: Measure::Rate };
    contest_of("Objects of 1 KB, each request 30 ms later", SMALL, Some(LATENCY), &[promise])
}

/// Where copies go: each round begins where there is nothing yet.
struct Rooms<'a> {
    runtime: &'a Runtime,
    client: &'a Client,
    first: &'a str,
    /// The bucket of the last round.
    last: RefCell<String>,
    round: Cell<usize>,
    /// Each round has a bucket of its own, and the one before is given back with all that is in it: the disk would not hold all of them.
    gives_back: bool,
}

impl Rooms<'_> {
    /// A bucket, and a folder in it.
    fn another(&self) -> (String, String) {
        let round = self.round.get() + 1;
        self.round.set(round);
        if self.gives_back && round > 1 {
            let bucket = format!("{}-{round}", self.first);
            let before = self.last.replace(bucket.clone());
            self.runtime.block_on(self.renew(&before, &bucket));
        }
        (self.last.borrow().clone(), format!("round{round}"))
    }

    async fn renew(&self, before: &str, bucket: &str) {
        if before != self.first {
            self.client.delete_bucket().bucket(before).send().await.expect("it is given back");
        }
        let here = CreateBucketConfiguration::builder().location_constraint(BucketLocationConstraint::EuCentral1);
        let made = self.client.create_bucket().bucket(bucket).create_bucket_configuration(here.build());
        made.send().await.expect("a bucket");
        // The very first run has found that out, which takes it a second; none of the others has to.
        let known = self.client.copy_object().copy_source(format!("{}/{BEGAN}", self.first));
        known.bucket(bucket).key(BEGAN).send().await.expect("milkrun went first");
    }
}

fn contest_of(title: &str, (count, length): (usize, usize), latency: Option<Duration>, promises: &[Promise]) -> bool {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let (_, config, from) = runtime.block_on(bucket(Make::SeaweedFs));
    let (.., to) = runtime.block_on(bucket(Make::SeaweedFs));
    let near = config.endpoint_url().expect("an endpoint").to_owned();
    let client = Client::from_conf(aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build());
    runtime.block_on(fill(&client, &from, (count, length)));
    let slow = latency.map(|latency| {
        let address = near.trim_start_matches("http://").parse().expect("an address");
        Slow::start(address, latency)
    });
    let endpoint = slow.as_ref().map_or(near, Slow::url);
    let job = RefCell::new(Job::new(Kind::Sqlite));
    let items = i64::try_from(count).expect("few");
    let rooms = Rooms {
        runtime: &runtime,
        client: &client,
        first: &to,
        last: RefCell::new(to.clone()),
        round: Cell::new(0),
        gives_back: count * length > LEFT,
    };
    let ours = || {
        let (to, folder) = rooms.another();
        job.borrow_mut().define(&migration(&endpoint, &from, &to, &folder));
        let job = job.borrow();
        job.cli().run(&["--json", "reset", &job.name, "--confirm", &job.name]).expect(0);
        milkrun(&job, items)
    };
    let s5cmd = || {
        let (job, (to, folder)) = (job.borrow(), rooms.another());
        let mut command = Command::new(tool("s5cmd/s5cmd"));
        command.args(["--endpoint-url", &endpoint, "--numworkers", &AT_ONCE.to_string(), "cp"]);
        command.args([format!("s3://{from}/*"), format!("s3://{to}/{folder}/")]);
        command.envs([
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_REGION", "eu-central-1"),
        ]);
        timed(&command, &job).0
    };
    let rclone = || {
        let (job, (to, folder)) = (job.borrow(), rooms.another());
        let mut command = Command::new(tool("rclone/bin/rclone"));
        command.args(["copy", &format!("milkrun:{from}"), &format!("milkrun:{to}/{folder}")]);
        // As fast as it goes: one listing, nothing asked of each object, none is looked for in what is empty.
        command.args(["--transfers", &AT_ONCE.to_string(), "--checkers", &AT_ONCE.to_string()]);
        command.args(["--s3-no-check-bucket", "--s3-no-head", "--no-traverse", "--fast-list", "--size-only"]);
        for (name, value) in [
            ("TYPE", "s3"),
            ("PROVIDER", "SeaweedFS"),
            ("ACCESS_KEY_ID", "test"),
            ("SECRET_ACCESS_KEY", "test"),
            ("ENDPOINT", endpoint.as_str()),
            ("FORCE_PATH_STYLE", "true"),
        ] {
            command.env(format!("RCLONE_CONFIG_MILKRUN_{name}"), value);
        }
        let took: Took = timed(&command, &job).0;
        took
    };
    let mut sides = vec![Side::new("milkrun", ours), Side::new("s5cmd cp", s5cmd)];
    if latency.is_none() {
        sides.push(Side::new("rclone copy", rclone));
    }
    contest(title, items, "objects", sides, promises)
}

/// Puts so many objects of one length into a bucket.
pub(super) async fn fill(client: &Client, bucket: &str, (count, length): (usize, usize)) {
    let body = bytes::Bytes::from(body(length));
    let puts = (0..count).map(|n| {
        let put = client.put_object().bucket(bucket).key(format!("{:03}/{n}.bin", n % 100));
        let put = put.body(ByteStream::from(body.clone()));
        async move { put.send().await.expect("it is stored") }
    });
    iter(puts).buffer_unordered(16).for_each(|_| async {}).await;
}

pub(super) fn migration(endpoint: &str, from: &str, to: &str, folder: &str) -> String {
    format!(
        "name = \"assets\"\nkind = \"objects\"\n[source]\nbucket = \"{from}\"\nendpoint = \"{endpoint}\"\n\
         [target]\nbucket = \"{to}\"\nendpoint = \"{endpoint}\"\nprefix = \"{folder}/\"\n[copy]\nconcurrency = {AT_ONCE}\n\
         [limits]\nsettle = \"0s\"\n"
    )
}
