//! What a database may refuse in the middle of a job, each for real: a deadlock, a table that somebody alters, a server that takes
//! no writes or no connections any more, a column that is gone. It goes on by itself, or pauses and says why, and then it is exact.

mod altered;
mod deadlocks;
mod full;
mod read_only;

use crate::support::cli::Finished;
use crate::support::database::Database;
use crate::support::job::Job;
use crate::support::shop::Size;
use crate::support::slow::Slow;
use std::time::{Duration, Instant};

const SHOP: Size = Size { orders: 240, closed: 120, items: 2, discounts: 1 };
const LIMITS: &str = "settle = \"0s\"\nlease = \"2s\"";
const CLOSED: &str = "status IN ('uncollected', 'cancelled', 'dispensed')";

/// The command line says what it does about faults.
fn talkative(mut job: Job) -> Job {
    job.set("RUST_LOG", "info");
    job
}

/// Makes the target, which stays empty.
fn with_a_target(job: &Job) {
    job.reply(&["run", &job.name, "--max-items", "1"]);
    job.reply(&["reset", &job.name, "--confirm", &job.name]);
    job.database.execute("DELETE FROM order_history");
}

/// Asserts that a run has met this code, and what it took it for.
#[track_caller]
fn told(finished: &Finished, class: &str, code: &str) {
    let class = format!("class={class}");
    let met = |line: &str| line.contains(&class) && line.contains(&format!("(error {code}"));
    assert!(finished.stderr.lines().any(met), "no {class} by error {code}: {finished:?}");
}

fn wait_until(what: &str, mut is: impl FnMut() -> bool) {
    let since = Instant::now();
    while !is() {
        assert!(since.elapsed() < Duration::from_secs(30), "never seen: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A run in small steps, interrupted once this many items have arrived.
fn interrupted(job: &mut Job, items: i64, interrupt: impl FnOnce(&Database)) -> Finished {
    let direct = job.database.url().to_owned();
    let target = job.variable("SHOP_DATABASE_URL").to_owned();
    let (_slow, url) = Slow::before(&target, Duration::from_millis(10));
    job.set("SHOP_DATABASE_URL", &url);
    let watch = Database::connect(&direct);
    let running = job.cli().spawn(&["--json", "run", &job.name, "--time-limit", "20s"]);
    wait_until("items that arrive", || watch.number("SELECT COUNT(*) FROM order_history") >= items);
    interrupt(&watch);
    let finished = running.wait();
    job.set("SHOP_DATABASE_URL", &target);
    finished
}

/// A user who may do anything with the database, but is no administrator of the server.
fn as_a_mere_user(job: &mut Job, limit: &str) -> String {
    let url = job.database.url().to_owned();
    let (head, name) = url.rsplit_once('/').unwrap();
    let user = format!("u_{name}");
    let admin = if job.database.is_mariadb() {
        job.database.execute(&format!("CREATE USER {user}@'%'; GRANT ALL ON {name}.* TO {user}@'%'"));
        "root"
    } else {
        job.database.execute(&format!(
            "CREATE ROLE {user} LOGIN {limit}; GRANT ALL ON SCHEMA public TO {user};
             GRANT ALL ON ALL TABLES IN SCHEMA public TO {user}"
        ));
        "postgres"
    };
    job.set(
        "SHOP_DATABASE_URL",
        &format!("{}/{name}", head.replacen(&format!("//{admin}@"), &format!("//{user}@"), 1)),
    );
    user
}

/// A job on a server of the test's own.
fn on(server: &str, size: Size, limits: &str) -> Job {
    Database::connect(server).execute("CREATE DATABASE shop");
    let mut job = Job::over(|_| format!("{server}shop")).with_shop(size, &format!("{LIMITS}\n{limits}"));
    job.set("MILKRUN_LEDGER", "sqlite://ledger.db");
    job
}
