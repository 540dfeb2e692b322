//! From `[throttle]` to what a run asks before each batch.

use super::Handler;
use super::error::CommandError;
use crate::rows::Gauge;
use crate::spec::{DatabaseRef, Definition, Throttle};
use crate::sql::Dialect;
use std::sync::Arc;
use std::time::Duration;

/// What a definition's throttle asks; nothing is asked yet.
pub(super) struct Asked<'a> {
    reference: &'a DatabaseRef,
    pub(super) gauge: Arc<Gauge>,
}

impl Handler {
    /// The gauge of a definition, if it has a throttle.
    pub(super) async fn throttle<'a>(
        &self,
        definition: &'a Definition,
        limit: Duration,
    ) -> Result<Option<Asked<'a>>, CommandError> {
        let Some(throttle) = definition.throttle() else { return Ok(None) };
        let reference = match throttle {
            Throttle::Lag { replica, .. } => replica,
            // Where there is no table, the file names a database.
            Throttle::Query { database, .. } => {
                match database.as_ref().or(definition.table().map(|table| &table.database)) {
                    Some(database) => database,
                    None => return Ok(None),
                }
            }
        };
        let options = self.databases.resolve(reference, limit).await?;
        if options.dialect == Dialect::Sqlite && matches!(throttle, Throttle::Lag { .. }) {
            return Err(CommandError::Definition(format!(
                "{}.toml: throttle.replica: is an SQLite file, which has no replicas; name a replica of MariaDB, MySQL or \
                 PostgreSQL, or write `query` and `above`",
                definition.name()
            )));
        }
        Ok(Some(Asked { reference, gauge: Arc::new(Gauge::new(throttle.clone(), options)) }))
    }

    /// Is done with it. A password that was refused is read again next time.
    pub(super) async fn asked(&self, asked: Option<Asked<'_>>) {
        let Some(Asked { reference, gauge }) = asked else { return };
        if gauge.is_refused() {
            self.databases.forget(reference);
        }
        gauge.close().await;
    }
}
