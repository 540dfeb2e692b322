//! How far a replica is behind its primary, as it says itself.

use super::session::Named;
use super::statement::Statement;
use super::{Dialect, Session, SqlError};
use std::time::Duration;

/// What a server says of its own replication.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Lag {
    /// It is so many seconds behind.
    Seconds(f64),
    /// Replication does not run, so nobody knows.
    Stopped,
    /// It replicates from nobody.
    NoReplica,
}

/// Where MySQL and MariaDB show it, older names last, and in which column.
const COLUMNS: [&str; 2] = ["Seconds_Behind_Source", "Seconds_Behind_Master"];

/// A replica that has replayed all that it received is not behind, however long ago the primary last wrote; unless nobody
/// receives, for then it does not know what it lacks.
const POSTGRES: &str = "SELECT CAST(CASE WHEN NOT pg_is_in_recovery() THEN 'primary' \
    WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() AND EXISTS (SELECT 1 FROM pg_stat_wal_receiver) THEN '0' \
    ELSE CAST(EXTRACT(EPOCH FROM clock_timestamp() - pg_last_xact_replay_timestamp()) AS text) END AS text)";

impl Session {
    /// How far this server is behind.
    pub async fn replica_lag(&mut self, limit: Duration) -> Result<Lag, SqlError> {
        match self.make().dialect() {
            Dialect::MySql => {
                let mut found = self.named("SHOW REPLICA STATUS", limit).await;
                // MySQL before 8.0.22 knows the old word alone.
                if found.as_ref().is_err_and(|error| !error.is_lost() && error.code() == Some("1064")) {
                    found = self.named("SHOW SLAVE STATUS", limit).await;
                }
                Ok(slowest(&found?))
            }
            Dialect::Postgres => {
                let mut statement = Statement::new(Dialect::Postgres);
                statement.sql(POSTGRES);
                let rows = self.rows(&statement, limit).await?;
                let text = rows.into_iter().next().and_then(|row| row.into_iter().next()).flatten();
                Ok(match text.as_deref() {
                    Some("primary") => Lag::NoReplica,
                    Some(seconds) => seconds.parse().map_or(Lag::Stopped, Lag::Seconds),
                    None => Lag::Stopped,
                })
            }
            Dialect::Sqlite => Ok(Lag::NoReplica),
        }
    }
}

/// Of several sources the one that is furthest behind counts, and one that is stopped most of all.
fn slowest(sources: &[Named]) -> Lag {
    let lag = |source: &Named| {
        let column = source.iter().find(|(name, _)| COLUMNS.contains(&name.as_str()));
        column.and_then(|(_, value)| value.as_deref()?.parse::<f64>().ok())
    };
    if sources.is_empty() {
        return Lag::NoReplica;
    }
    let lags: Option<Vec<f64>> = sources.iter().map(lag).collect();
    lags.map_or(Lag::Stopped, |lags| Lag::Seconds(lags.into_iter().fold(0.0, f64::max)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(seconds: Option<&str>) -> Named {
        vec![
            ("Relay_Log_File".to_owned(), Some("relay.000001".to_owned())),
            ("Seconds_Behind_Master".to_owned(), seconds.map(str::to_owned)),
        ]
    }

    #[test]
    fn the_slowest_source_counts_and_one_that_is_stopped_most_of_all() {
        assert_eq!(slowest(&[]), Lag::NoReplica);
        assert_eq!(slowest(&[source(Some("0"))]), Lag::Seconds(0.0));
        assert_eq!(slowest(&[source(Some("3")), source(Some("41"))]), Lag::Seconds(41.0));
        assert_eq!(slowest(&[source(Some("3")), source(None)]), Lag::Stopped);
        assert_eq!(slowest(&[vec![("Other".to_owned(), Some("1".to_owned()))]]), Lag::Stopped);
    }
}
