//! Sessions, catalogs and errors of the three databases, on real servers.

mod connecting;
mod mariadb;
mod postgres;
mod sqlite;

use milkrun::sql::statement::Statement;
use milkrun::sql::{ConnectOptions, Session, SqlError};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Ample for what is quick.
const AMPLE: Duration = Duration::from_secs(20);
/// For what has to be stopped.
const SHORT: Duration = Duration::from_millis(400);

/// A name that no other test has.
fn fresh() -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    format!("t{}_{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed))
}

async fn open(url: &str) -> Session {
    Session::open(&ConnectOptions::from_url(url).unwrap(), AMPLE).await.unwrap()
}

fn statement(session: &Session, sql: &str) -> Statement {
    let mut statement = Statement::new(session.make().dialect());
    statement.sql(sql);
    statement
}

async fn execute(session: &mut Session, sql: &str) -> Result<u64, SqlError> {
    let statement = statement(session, sql);
    session.execute(&statement, AMPLE).await
}

async fn rows(session: &mut Session, sql: &str) -> Vec<Vec<String>> {
    let statement = statement(session, sql);
    let rows = session.rows(&statement, AMPLE).await.unwrap();
    rows.into_iter().map(|row| row.into_iter().map(|cell| cell.unwrap_or_else(|| "NULL".into())).collect()).collect()
}

/// The first row of a query, joined by blanks.
async fn one(session: &mut Session, sql: &str) -> String {
    rows(session, sql).await.first().expect("a row").join(" ")
}

/// An error's whole text, Display and Debug and its sources, holds no value of a row.
fn silent(error: &SqlError, value: &str) {
    let mut texts = vec![format!("{error} {error:?}")];
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        texts.push(format!("{inner} {inner:?}"));
        source = inner.source();
    }
    let text = texts.join(" ");
    assert!(!text.contains(value), "{text}");
}
