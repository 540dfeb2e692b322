//! Servers that have no connection left, for a while.

use super::{LIMITS, SHOP, as_a_mere_user, on, talkative};
use crate::chaos::report;
use crate::support::database::Database;
use crate::support::job::Job;
use crate::support::mariadb::own_mariadb;
use crate::support::servers::Kind;
use std::time::Duration;

#[test]
fn a_server_that_is_full_is_waited_for_on_mariadb() {
    let server = own_mariadb();
    let mut job = talkative(on(&server.url(""), SHOP, ""));
    as_a_mere_user(&mut job, "");
    job.database.execute("SET GLOBAL max_connections = 10");
    full(&mut job, 9, "1040");
}

#[test]
fn a_server_that_is_full_is_waited_for_on_postgres() {
    let mut job = talkative(Job::shop(Kind::Postgres, SHOP, LIMITS));
    as_a_mere_user(&mut job, "CONNECTION LIMIT 3");
    full(&mut job, 3, "53300");
}

/// `others` connections are all that a mere user gets.
fn full(job: &mut Job, others: usize, code: &str) {
    let url = job.variable("SHOP_DATABASE_URL").to_owned();
    let mut held: Vec<Database> = (0..others).map(|_| Database::connect(&url)).collect();
    let refused = job.run_once("3s").expect(1).reply();
    assert_eq!(refused["errorType"], "Database", "{refused}");
    let message = refused["errorMessage"].as_str().unwrap();
    assert!(message.contains(&format!("error {code}")) && message.contains("busy"), "{message}");
    // Full for a part of a run only: that one waits, and goes on by itself.
    let running = job.cli().spawn(&["--json", "run", &job.name, "--until-done"]);
    std::thread::sleep(Duration::from_secs(3));
    held.clear();
    let finished = running.wait().expect(0);
    let met = format!("(error {code}, the server is busy");
    let waited = |line: &str| line.contains(&met) && line.contains("; trying again");
    assert!(finished.stderr.lines().any(waited), "{finished:?}");
    assert_eq!(finished.reply()["outcome"], "complete", "{finished:?}");
    job.assert_complete();
    report("refusals", &[("faults", 2)]);
}
