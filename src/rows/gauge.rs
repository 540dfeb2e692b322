//! What `[throttle]` names: how far a replica is behind, or a number that a query answers.

use super::link::{Deadline, Link};
use crate::engine::throttle;
use crate::fault::chain;
use crate::spec::Throttle;
use crate::sql::statement::Statement;
use crate::sql::{ConnectOptions, Lag, Session, SqlError};
use async_trait::async_trait;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;

/// A session with what is asked, opened when it is first asked.
pub struct Gauge {
    throttle: Throttle,
    link: Mutex<Link>,
    refused: AtomicBool,
}

impl Gauge {
    /// Over the database that the throttle names.
    pub fn new(throttle: Throttle, options: ConnectOptions) -> Self {
        Self { throttle, link: Mutex::new(Link::new(options, None)), refused: AtomicBool::new(false) }
    }

    /// User or password were refused: the secret may have been rotated.
    pub fn is_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    /// Says goodbye.
    pub async fn close(&self) {
        if let Some(session) = self.link.lock().await.take() {
            session.close().await;
        }
    }

    async fn look(&self, deadline: Deadline) -> Result<Option<String>, SqlError> {
        let mut link = self.link.lock().await;
        let session = link.session(deadline).await?;
        match &self.throttle {
            Throttle::Lag { most, .. } => Ok(behind(session.replica_lag(deadline.left()).await?, *most)),
            Throttle::Query { query, most, .. } => {
                // What it holds is not ours: a transaction that may not write, and no more rows than tell that there is one.
                session.begin_read_only(deadline.left()).await?;
                let answer = ask(session, query, deadline).await;
                session.rollback(deadline.left()).await?;
                Ok(above(&answer?, *most))
            }
        }
    }
}

async fn ask(session: &mut Session, query: &str, deadline: Deadline) -> Result<Vec<Vec<Option<String>>>, SqlError> {
    let mut statement = Statement::new(session.make().dialect());
    statement.sql("SELECT * FROM (").sql(query).sql(") AS asked LIMIT 2");
    session.rows(&statement, deadline.left()).await
}

fn behind(lag: Lag, most: Duration) -> Option<String> {
    match lag {
        Lag::Seconds(seconds) if seconds <= most.as_secs_f64() => None,
        Lag::Seconds(seconds) => {
            Some(format!("the replica is {seconds:.0} s behind, above `max_lag` ({} s)", most.as_secs()))
        }
        Lag::Stopped => Some("the replica does not say how far it is behind: is its replication running?".to_owned()),
        Lag::NoReplica => Some("`throttle.replica` is no replica of anybody: name one, or write a `query`".to_owned()),
    }
}

fn above(rows: &[Vec<Option<String>>], most: f64) -> Option<String> {
    let [row] = rows else {
        return Some(format!("`throttle.query` answered {} rows: write it so that it answers one", count(rows)));
    };
    let [value] = row.as_slice() else {
        return Some(format!("`throttle.query` answered {} columns: write it so that it answers one", row.len()));
    };
    match value.as_deref().map(|text| text.trim().parse::<f64>()) {
        Some(Ok(number)) if number <= most => None,
        Some(Ok(number)) if number > most => Some(format!("`throttle.query` answers {number}, above {most}")),
        Some(_) => Some("`throttle.query` answered something that is no number".to_owned()),
        None => Some("`throttle.query` answered NULL".to_owned()),
    }
}

fn count(rows: &[Vec<Option<String>>]) -> &'static str {
    if rows.is_empty() { "no" } else { "several" }
}

#[async_trait]
impl throttle::Gauge for Gauge {
    async fn reason(&self, limit: Duration) -> Option<String> {
        match self.look(Deadline::after(limit)).await {
            Ok(reason) => reason,
            Err(error) => {
                self.refused.fetch_or(error.is_authentication(), Ordering::Relaxed);
                Some(format!("the throttle cannot be read: {}", chain(&error)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_below_the_limit_says_no() {
        let one = |value: Option<&str>| vec![vec![value.map(str::to_owned)]];
        for allowed in ["5", "-1", "4.5", " 5 ", "5e0"] {
            assert_eq!(above(&one(Some(allowed)), 5.0), None, "{allowed}");
        }
        for refused in [Some("5.01"), Some("NaN"), Some("Infinity"), Some(""), Some("many"), None] {
            assert!(above(&one(refused), 5.0).is_some(), "{refused:?}");
        }
        assert!(above(&[], 5.0).is_some());
        assert!(above(&[vec![Some("1".to_owned()), Some("1".to_owned())]], 5.0).is_some());
        assert!(above(&[vec![Some("1".to_owned())], vec![Some("1".to_owned())]], 5.0).is_some());
    }

    #[test]
    fn a_lag_above_the_limit_or_unknown_says_no() {
        let most = Duration::from_secs(5);
        assert_eq!(behind(Lag::Seconds(5.0), most), None);
        for lag in [Lag::Seconds(5.5), Lag::Seconds(f64::NAN), Lag::Stopped, Lag::NoReplica] {
            assert!(behind(lag, most).is_some(), "{lag:?}");
        }
    }
}
