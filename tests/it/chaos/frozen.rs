//! A holder that is stopped with SIGSTOP past its lease, while another finishes its work. When it wakes up it believes to hold
//! the lease, and may not do anything that counts.

use super::report;
use crate::support::database::Database;
use crate::support::fault_proxy::FaultProxy;
use crate::support::job::Job;
use crate::support::servers::Kind;
use crate::support::shop::Size;
use crate::support::slow::Slow;
use std::time::Duration;

const SHOP: Size = Size { orders: 800, closed: 400, items: 2, discounts: 1 };
const LIMITS: &str = "settle = \"0s\"\nlease = \"1s\"\nmax_batch = 10\nmax_attempts = 1000";

#[test]
fn a_holder_that_slept_through_its_lease_commits_nothing_on_mariadb() {
    freeze(Kind::MariaDb);
}

#[test]
fn a_holder_that_slept_through_its_lease_commits_nothing_on_postgres() {
    freeze(Kind::Postgres);
}

fn freeze(kind: Kind) {
    let mut job = Job::new(kind).with_shop(SHOP, LIMITS);
    job.set("MILKRUN_LEASE_MARGIN", "0s");
    let proxy = FaultProxy::before(job.variable("AWS_ENDPOINT_URL_DYNAMODB"), 1, 0);
    job.set("AWS_ENDPOINT_URL_DYNAMODB", &proxy.url());
    let direct = job.database.url().to_owned();
    let (_slow, url) = Slow::before(&direct, Duration::from_millis(10));
    let watch = Database::connect(&direct);

    job.set("SHOP_DATABASE_URL", &url);
    let mut zombie = job.cli().spawn(&["--json", "run", &job.name, "--time-limit", "60s"]);
    while !proxy.accepted("move#0000").iter().any(|it| it.place.2 > 0) {
        assert!(zombie.is_running(), "{:?}", zombie.wait());
        std::thread::sleep(Duration::from_millis(5));
    }
    // Not while it holds locks, which would stop the other one as well.
    for attempt in 0.. {
        assert!(zombie.signal("STOP") && attempt < 500);
        std::thread::sleep(Duration::from_millis(120));
        if crate::killed::open_transactions(&watch) == 0 {
            break;
        }
        zombie.signal("CONT");
        std::thread::sleep(Duration::from_millis(7));
    }
    let epoch = proxy.accepted("move#0000").last().unwrap().epoch;
    job.set("SHOP_DATABASE_URL", &direct);
    job.run_to_the_end();
    let accepted = proxy.accepted("move#0000");
    assert!(accepted.last().unwrap().epoch > epoch, "nobody has taken over: {accepted:?}");

    assert!(zombie.signal("CONT"));
    let finished = zombie.wait();
    let reply = finished.reply();
    // Fenced at its next write; or its time was up, or its connection gone, before it came to one but the release.
    let refused = finished.stderr.contains("release refused: somebody has taken over");
    assert!(reply["outcome"] == "fenced" || refused || finished.code == Some(1), "{finished:?}");
    assert_eq!(proxy.accepted("move#0000"), accepted, "the sleeper has committed: {finished:?}");
    proxy.assert_forward();
    job.assert_complete();
    report("frozen", &[("stopped", 1)]);
}
