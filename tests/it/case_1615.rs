//! The case that milkrun was made for: 1,615 closed orders, a Lambda with 30 seconds and 1,024 MB, and the migration file that
//! ships with the function.

use crate::support::job::Job;
use crate::support::servers::Kind;
use crate::support::shop;

#[test]
fn one_invocation_is_enough_on_mariadb() {
    one_invocation(Kind::MariaDb, &shipped());
}

#[test]
fn one_invocation_is_enough_on_postgres() {
    one_invocation(Kind::Postgres, &shipped());
}

#[test]
fn one_invocation_is_enough_on_sqlite() {
    one_invocation(Kind::Sqlite, &shop::migration("settle = \"0s\""));
}

/// The worked example that ships, but for the time that it waits before it calls itself complete.
fn shipped() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/orders-history.toml");
    let shipped = std::fs::read_to_string(path).unwrap();
    let kept: Vec<&str> = shipped.lines().filter(|line| !line.starts_with("settle")).collect();
    let (kept, limits) = (kept.join("\n"), "\n[limits]\nsettle = \"0s\"\n");
    if kept.contains("\n[limits]") { kept.replacen("\n[limits]", limits, 1) } else { kept + limits }
}

fn one_invocation(kind: Kind, definition: &str) {
    let mut job = Job::new(kind);
    shop::load(&job.database, shop::CASE_1615);
    job.source = Some(shop::closed(&job.database));
    job.define(definition);
    let emulator = job.lambda(30, 1024);

    let first = emulator.invoke(&job.event()).reply();
    assert_eq!(first["outcome"], "complete", "{first}");
    assert_eq!(first["moved"], 1615, "{first}");
    let second = emulator.invoke(&job.event()).reply();
    assert_eq!(second["outcome"], "complete", "{second}");
    assert_eq!(second["moved"], 0, "{second}");
    assert_eq!(second["progress"]["moved"], 1615, "{second}");
    job.assert_complete();
}
