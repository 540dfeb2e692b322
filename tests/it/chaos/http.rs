//! Whole jobs of the real command line whose every request to DynamoDB goes through a proxy that loses, delays, doubles and
//! throttles.

use super::{report, seed, soaking};
use crate::support::fault_proxy::FaultProxy;
use crate::support::job::Job;
use crate::support::servers::Kind;
use crate::support::shop::Size;

const SHOP: Size = Size { orders: 500, closed: 240, items: 2, discounts: 1 };
const LIMITS: &str = "settle = \"0s\"\nlease = \"2s\"\nmax_batch = 12\nmax_attempts = 1000";

fn job(kind: Kind) -> Job {
    let mut job = Job::new(kind).with_shop(SHOP, LIMITS);
    job.set("MILKRUN_LEASE_MARGIN", "0s");
    job
}

#[test]
fn a_ledger_that_loses_delays_and_doubles_costs_nothing_from_sqlite() {
    through_the_proxy(Kind::Sqlite);
}

#[test]
fn a_ledger_that_loses_delays_and_doubles_costs_nothing_on_postgres() {
    through_the_proxy(Kind::Postgres);
}

fn through_the_proxy(kind: Kind) {
    let (seed, _) = seed();
    println!("{kind:?}: MILKRUN_SEED={seed}");
    let undisturbed = job(kind);
    undisturbed.run_to_the_end();
    let right = undisturbed.fingerprint("status");

    let (mut faults, mut runs) = (0, 0);
    for round in 0..if soaking() { 4 } else { 1 } {
        let mut job = job(kind);
        let direct = job.variable("AWS_ENDPOINT_URL_DYNAMODB").to_owned();
        let proxy = FaultProxy::before(&direct, seed.wrapping_add(round), 35);
        job.set("AWS_ENDPOINT_URL_DYNAMODB", &proxy.url());
        let complete = (0..150).any(|_| {
            runs += 1;
            let finished = job.run_once("4s");
            // A run whose ledger did not answer at all fails, and says so.
            assert!(matches!(finished.code, Some(0 | 1 | 4)), "{finished:?}");
            let reply = finished.reply();
            let known = finished.code != Some(1) || reply["errorType"] == "Ledger";
            assert!(known, "MILKRUN_SEED={seed}: {finished:?}");
            reply["outcome"] == "complete"
        });
        assert!(complete, "MILKRUN_SEED={seed}: no end in 150 runs: {}", job.status());
        proxy.calm();
        let injected = proxy.injected();
        println!("{kind:?}: {injected:?}, {} checkpoints", proxy.accepted("move#0000").len());
        proxy.assert_forward();
        job.set("AWS_ENDPOINT_URL_DYNAMODB", &direct);
        job.assert_complete();
        assert!(job.fingerprint("status") == right, "MILKRUN_SEED={seed}: differs from an undisturbed run");
        assert!(injected.iter().all(|(_, count)| *count > 0), "{injected:?}: not every kind of fault was there");
        let sum: u64 = injected.iter().map(|(_, count)| count).sum();
        assert!(sum >= 20, "{injected:?}: too few for this to mean anything");
        faults += sum;
    }
    report("http", &[("faults", faults), ("runs", runs)]);
}
