//! Servers that take no writes any more, for a while.

use super::{LIMITS, SHOP, as_a_mere_user, interrupted, on, talkative, told, wait_until, with_a_target};
use crate::chaos::report;
use crate::support::database::Database;
use crate::support::job::Job;
use crate::support::mariadb::own_mariadb;
use crate::support::servers::Kind;
use serde_json::json;
use std::time::Duration;

#[test]
fn a_server_that_takes_no_writes_any_more_is_waited_for_on_mariadb() {
    let server = own_mariadb();
    let mut job = talkative(on(&server.url(""), SHOP, "max_batch = 5"));
    with_a_target(&job);
    as_a_mere_user(&mut job, "");
    // For as long as the run is under way.
    let finished = interrupted(&mut job, 30, |watch| watch.execute("SET GLOBAL read_only = 1"));
    told(&finished, "Transient", "1290");
    let reply = finished.expect(0).reply();
    assert_eq!((&reply["outcome"], &reply["stopped_by"]), (&json!("more"), &json!("error")), "{reply}");
    let reason = reply["reason"].as_str().unwrap();
    assert!(reason.contains("takes no writes now") && reason.contains("name the writer's host"), "{reason}");
    // From the start.
    let nothing = job.run_once("3s").expect(1).reply();
    assert_eq!(nothing["errorType"], "Database", "{nothing}");
    assert!(nothing["errorMessage"].as_str().unwrap().contains("error 1290"), "{nothing}");
    // For a moment.
    let running = job.cli().spawn(&["--json", "run", &job.name, "--until-done"]);
    std::thread::sleep(Duration::from_millis(700));
    job.database.execute("SET GLOBAL read_only = 0");
    assert_eq!(running.wait().expect(0).reply()["outcome"], "complete");
    job.assert_complete();
    report("refusals", &[("faults", 3)]);
}

/// The writer has become a reader: sessions that were opened while it was stay readers, as those with the old writer do after a
/// failover. So each of them has to be opened again.
#[test]
fn a_server_that_takes_no_writes_any_more_is_connected_to_again_on_postgres() {
    let mut job = Job::new(Kind::Postgres).with_shop(SHOP, &format!("{LIMITS}\nmax_batch = 5"));
    let name = job.database.rows("SELECT current_database()")[0][0].clone().unwrap();
    with_a_target(&job);
    let watch = Database::connect(job.database.url());
    let read_only = |on: bool| {
        let change = if on { "SET default_transaction_read_only = on" } else { "RESET default_transaction_read_only" };
        watch.execute(&format!("SET default_transaction_read_only = off; ALTER DATABASE {name} {change}"));
    };
    read_only(true);
    let emulator = job.lambda(4, 1024);
    let failed = emulator.invoke(&job.event());
    assert!(failed.body.contains("25006") && failed.body.contains("name the writer's host"), "{failed:?}");
    let process = emulator.bootstrap_pid();
    read_only(false);
    // The same process, whose sessions are kept from one invocation to the next.
    wait_until("the end", || {
        let invoked = emulator.invoke(&job.event());
        let reply = invoked.reply_if_any().unwrap_or_else(|| panic!("{invoked:?}\n{}", emulator.log()));
        reply["outcome"] == "complete"
    });
    assert_eq!(emulator.bootstrap_pid(), process);
    assert!(process.is_some());
    job.set("RUST_LOG", "info");
    job.assert_complete();
    report("refusals", &[("faults", 1)]);
}
