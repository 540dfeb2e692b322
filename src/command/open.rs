//! From a definition to open sessions with its database: kept from one invocation to the next, read again when a
//! password was rotated, tried again while a server is away.

use super::Handler;
use super::error::CommandError;
use crate::engine::budget::Budget;
use crate::engine::stop::Stop;
use crate::rows::{Rows, RowsError};
use crate::spec::{Definition, FileError, Problem};
use crate::sql::{ConnectOptions, SqlError};
use std::time::Duration;

/// Sessions that outlive an invocation.
pub(super) struct Kept {
    digest: String,
    sides: Sides,
    rows: Rows,
}

/// Where the source and the target are; often it is one database.
#[derive(Clone, PartialEq, Eq)]
struct Sides {
    source: ConnectOptions,
    target: ConnectOptions,
}

impl Handler {
    /// The migration's database, checked against its definition. Nothing is changed there.
    pub(super) async fn open(
        &self,
        definition: &Definition,
        budget: &Budget,
        stop: &Stop,
    ) -> Result<Rows, CommandError> {
        Box::pin(self.connect(definition, budget, stop)).await?.map_err(|problems| {
            let file = format!("{}.toml", definition.name);
            FileError { file, problems }.into()
        })
    }

    /// The same, or everything about the definition that does not fit the database.
    pub(super) async fn connect(
        &self,
        definition: &Definition,
        budget: &Budget,
        stop: &Stop,
    ) -> Result<Result<Rows, Vec<Problem>>, CommandError> {
        let mut wait = Duration::from_millis(100);
        let mut forgot = false;
        loop {
            let sides = self.options(definition, budget).await?;
            let error = match Box::pin(self.in_time(definition, &sides, budget)).await {
                Ok(rows) => return Ok(Ok(rows)),
                Err(RowsError::Problems(problems)) => return Ok(Err(problems)),
                Err(error) => error,
            };
            if error.is_authentication() && !forgot {
                // Both, or a password that was rotated would make them two logins.
                forgot = self.databases.forget(&definition.source.database);
                forgot |= self.databases.forget(&definition.target.database);
                if forgot {
                    continue;
                }
            }
            if !error.class().passes() || budget.remaining() < wait * 2 || stop.is_set() {
                return Err(error.into());
            }
            tracing::warn!(migration = %definition.name, "{}; trying again", crate::fault::chain(&error));
            stop.sleep(wait.mul_f64(0.5 + rand::random::<f64>())).await;
            wait = (wait * 2).min(Duration::from_secs(3));
        }
    }

    /// Waits for the database no longer than the run can afford, whatever a server that is silent makes of its limit.
    async fn in_time(&self, definition: &Definition, sides: &Sides, budget: &Budget) -> Result<Rows, RowsError> {
        let limit = budget.remaining();
        let opening = Box::pin(self.sessions(definition, sides, limit));
        let late = || RowsError::Sql(SqlError::Timeout { limit });
        tokio::time::timeout(limit + budget.reserve() / 4, opening).await.unwrap_or_else(|_| Err(late()))
    }

    /// Keeps sessions for the next invocation. They are checked before they are used again.
    pub(super) async fn keep(&self, definition: &Definition, rows: Rows) {
        let source = rows.options().clone();
        let target = rows.target_options().unwrap_or(&source).clone();
        let kept = Kept { digest: definition.digest.clone(), sides: Sides { source, target }, rows };
        *self.kept.lock().await = Some(kept);
    }

    async fn sessions(&self, definition: &Definition, sides: &Sides, limit: Duration) -> Result<Rows, RowsError> {
        let kept = self.kept.lock().await.take();
        if let Some(kept) = kept {
            if kept.digest == definition.digest && kept.sides == *sides {
                // A session that died while the sandbox was frozen is nobody's fault: open another.
                if let Ok(rows) = Box::pin(kept.rows.again(definition, limit)).await {
                    return Ok(rows);
                }
            } else {
                kept.rows.close().await;
            }
        }
        Rows::between(definition, &sides.source, &sides.target, limit).await
    }

    /// Where the source and the target are.
    async fn options(&self, definition: &Definition, budget: &Budget) -> Result<Sides, CommandError> {
        let limit = budget.call();
        let source = self.databases.resolve(&definition.source.database, limit).await?;
        let target = if definition.target.database == definition.source.database {
            source.clone()
        } else {
            self.databases.resolve(&definition.target.database, limit).await?
        };
        Ok(Sides { source, target })
    }
}
