//! How a SQLite file keeps it: shared by processes, locked by others, swept of what has expired.

use super::{LIMIT, record};
use milkrun::ledger::{Ledger, LedgerError, Record, Sqlite, Swap};
use std::path::Path;
use std::time::{Duration, Instant};

#[tokio::test]
async fn a_locked_sqlite_file_costs_no_more_than_the_limit() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("ledger.db");
    let ledger = Sqlite::open(&path).unwrap();
    ledger.put(&record("state"), LIMIT).await.unwrap();
    let holder = rusqlite::Connection::open(&path).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();

    let limit = Duration::from_millis(300);
    let begun = Instant::now();
    let (one, other) = (record("one"), record("other"));
    let (one, other) = tokio::join!(ledger.put(&one, limit), ledger.put(&other, limit));
    assert!(begun.elapsed() < limit * 5, "{:?}", begun.elapsed());
    for error in [one.unwrap_err(), other.unwrap_err()] {
        assert!(matches!(error, LedgerError::Unreachable { .. }), "{error:?}");
        let message = error.to_string();
        let named = message.split_once("another process kept it locked for ").map(|(_, rest)| rest);
        let named = named.and_then(|rest| rest.strip_suffix(" s; try again")?.parse::<f64>().ok());
        // What it really was, however busy the machine is.
        assert!(named.is_some_and(|seconds| (0.3..1.6).contains(&seconds)), "{message}");
    }
    assert!(ledger.get("orders", "state", limit).await.unwrap().is_some(), "readers pass");
    holder.execute_batch("ROLLBACK").unwrap();
    ledger.put(&record("one"), limit).await.unwrap();
}

/// Counts up 25 times by swaps. Not a test by itself: the one below runs it in many processes.
#[tokio::test]
#[ignore = "run in processes of its own by many_processes_share_one_sqlite_file"]
async fn count_up() {
    let ledger = Sqlite::open(Path::new(&std::env::var("LEDGER").unwrap())).unwrap();
    let mut seen = ledger.get("orders", "state", LIMIT).await.unwrap();
    for number in 0..25 {
        loop {
            let seq = seen.as_ref().map_or(1, |seen| seen.seq + 1);
            let next = Record { seq, stamp: format!("{} {number}", std::process::id()), ..record("state") };
            match ledger.swap(&next, seen.as_ref(), LIMIT).await.unwrap() {
                Swap::Done => break seen = Some(next),
                Swap::Lost(stored) => seen = stored,
            }
        }
    }
}

#[tokio::test]
async fn many_processes_share_one_sqlite_file() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("ledger.db");
    let counters: Vec<_> = (0..8)
        .map(|_| {
            tokio::process::Command::new(std::env::current_exe().unwrap())
                .args(["--ignored", "--exact", "ledger::in_sqlite::count_up"])
                .env("LEDGER", &path)
                .kill_on_drop(true)
                .output()
        })
        .map(tokio::spawn)
        .collect();
    for counter in counters {
        let output = counter.await.unwrap().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
    let state = Sqlite::open(&path).unwrap().get("orders", "state", LIMIT).await.unwrap().unwrap();
    assert_eq!(state.seq, 8 * 25, "no count is lost and none counts twice");
}

pub(super) fn items_of(path: &Path) -> Vec<String> {
    let connection = rusqlite::Connection::open(path).unwrap();
    let mut statement = connection.prepare("SELECT item FROM ledger ORDER BY item").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[tokio::test]
async fn sqlite_removes_what_has_expired_when_a_run_is_recorded() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("ledger.db");
    let ledger = Sqlite::open(&path).unwrap();
    for (item, expires) in [("run#2", Some(4_102_444_800)), ("run#1", Some(1)), ("state", None)] {
        ledger.put(&Record { expires, ..record(item) }, LIMIT).await.unwrap();
    }
    assert_eq!(items_of(&path), ["run#1", "run#2", "state"], "what does not expire sweeps nothing");
    ledger.put(&Record { expires: Some(4_102_444_800), ..record("run#3") }, LIMIT).await.unwrap();
    assert_eq!(items_of(&path), ["run#2", "run#3", "state"]);
}
