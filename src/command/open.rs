//! From a definition to open sessions with its database: kept from one invocation to the next, read again when a
//! password was rotated, tried again while a server is away.

use super::Handler;
use super::error::CommandError;
use super::kind::Kind;
use crate::engine::budget::Budget;
use crate::engine::stop::Stop;
use crate::files::{Files, Outside};
use crate::rows::{Rows, RowsError};
use crate::spec::{Definition, FileError, Problem, Source};
use crate::sql::{ConnectOptions, SqlError};
use std::time::Duration;
use tokio::time::Instant;

/// A database that is about to answer is waited for all the same.
const GRACE: Duration = Duration::from_secs(1);
/// How long is waited before what failed for a passing reason is tried again: at first, and at most.
const WAITS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(3));

/// Sessions that outlive an invocation.
pub(super) struct Kept {
    digest: String,
    sides: Sides,
    kind: Kind,
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
    ) -> Result<Kind, CommandError> {
        Box::pin(self.connect(definition, budget, stop)).await?.map_err(|problems| {
            let file = format!("{}.toml", definition.name());
            FileError { file, problems }.into()
        })
    }

    /// The same, or everything about the definition that does not fit the database.
    pub(super) async fn connect(
        &self,
        definition: &Definition,
        budget: &Budget,
        stop: &Stop,
    ) -> Result<Result<Kind, Vec<Problem>>, CommandError> {
        let table = match definition {
            Definition::Rows(rows) => &rows.source,
            Definition::Files(files) => &files.source.table,
            Definition::Objects(objects) => {
                return Ok(Ok(Kind::Objects(Box::new(self.buckets(objects).await))));
            }
        };
        let mut wait = WAITS.0;
        let mut forgot = false;
        let clients = match definition {
            Definition::Files(files) => Some(self.clients(files, budget).await?),
            Definition::Rows(_) | Definition::Objects(_) => None,
        };
        loop {
            let sides = self.options(definition, table, budget).await?;
            let error = match Box::pin(self.in_time(definition, (&sides, clients.as_ref()), budget, stop)).await {
                Ok(kind) => return Ok(Ok(kind)),
                Err(RowsError::Problems(problems)) => return Ok(Err(problems)),
                Err(error) => error,
            };
            if error.is_authentication() && !forgot {
                // Both, or a password that was rotated would make them two logins.
                forgot = self.databases.forget(&table.database);
                if let Definition::Rows(rows) = definition {
                    forgot |= self.databases.forget(&rows.target.database);
                }
                if forgot {
                    continue;
                }
            }
            wait = wait_out(definition, error, wait, (budget, stop)).await?;
        }
    }

    /// Waits for the database no longer than the run can afford, whatever a server that is silent makes of its limit; and not much longer
    /// once somebody asks to stop.
    async fn in_time(
        &self,
        definition: &Definition,
        ends: (&Sides, Option<&Outside>),
        budget: &Budget,
        stop: &Stop,
    ) -> Result<Kind, RowsError> {
        let (limit, began) = (budget.remaining(), Instant::now());
        let opening = Box::pin(self.sessions(definition, ends, limit));
        let late = |limit| RowsError::Sql(SqlError::Timeout { limit });
        let stopped = async {
            stop.asked().await;
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            biased;
            opened = tokio::time::timeout(limit + budget.reserve() / 4, opening) => opened.unwrap_or_else(|_| Err(late(limit))),
            () = stopped => Err(late(began.elapsed())),
        }
    }

    /// Keeps sessions for the next invocation. They are checked before they are used again.
    pub(super) async fn keep(&self, definition: &Definition, kind: Kind) {
        // Of buckets nothing is kept: their clients share what connections there are.
        let Some((source, target)) = kind.sides() else { return };
        let kept = Kept { digest: definition.digest().to_owned(), sides: Sides { source, target }, kind };
        *self.kept.lock().await = Some(kept);
    }

    async fn sessions(
        &self,
        definition: &Definition,
        (sides, clients): (&Sides, Option<&Outside>),
        limit: Duration,
    ) -> Result<Kind, RowsError> {
        let kept = self.kept.lock().await.take();
        if let Some(kept) = kept {
            if kept.digest == definition.digest() && kept.sides == *sides {
                // A session that died while the sandbox was frozen is nobody's fault: open another.
                if let Some(kind) = again(kept.kind, definition, clients, limit).await {
                    return Ok(kind);
                }
            } else {
                kept.kind.close().await;
            }
        }
        match (definition, clients) {
            (Definition::Rows(rows), _) => {
                let rows = Rows::between(rows, &sides.source, &sides.target, limit).await?;
                Ok(Kind::Rows(Box::new(rows)))
            }
            (Definition::Files(files), Some(clients)) => {
                let files = Files::open(files, &sides.source, clients.clone(), limit).await?;
                Ok(Kind::Files(Box::new(files)))
            }
            (Definition::Files(_) | Definition::Objects(_), _) => Err(RowsError::Shape("nothing")),
        }
    }

    /// Where the source and the target are.
    async fn options(&self, definition: &Definition, table: &Source, budget: &Budget) -> Result<Sides, CommandError> {
        let limit = budget.call();
        let source = self.databases.resolve(&table.database, limit).await?;
        let target = match definition {
            Definition::Rows(rows) if rows.target.database != rows.source.database => {
                self.databases.resolve(&rows.target.database, limit).await?
            }
            _ => source.clone(),
        };
        Ok(Sides { source, target })
    }
}

/// Creates the targets that are missing. Somebody who holds the database meanwhile is waited for.
pub(super) async fn create_targets(
    definition: &Definition,
    rows: &Rows,
    budget: &Budget,
    stop: &Stop,
) -> Result<(), CommandError> {
    let mut wait = WAITS.0;
    while let Err(error) = rows.prepare(budget.remaining()).await {
        wait = wait_out(definition, error, wait, (budget, stop)).await?;
    }
    Ok(())
}

/// Waits before another attempt, and says how long the next wait is. An error that does not pass, or for which there is no time left, is
/// the end.
async fn wait_out(
    definition: &Definition,
    error: RowsError,
    wait: Duration,
    (budget, stop): (&Budget, &Stop),
) -> Result<Duration, CommandError> {
    if !error.class().passes() || budget.remaining() < wait * 2 || stop.is_set() {
        return Err(error.into());
    }
    tracing::warn!(migration = %definition.name(), "{}; trying again", crate::fault::chain(&error));
    stop.sleep(wait.mul_f64(0.5 + rand::random::<f64>())).await;
    Ok((wait * 2).min(WAITS.1))
}

/// The same migration over the sessions of an earlier invocation, if they still serve.
async fn again(kept: Kind, definition: &Definition, clients: Option<&Outside>, limit: Duration) -> Option<Kind> {
    match (kept, definition, clients) {
        (Kind::Rows(kept), Definition::Rows(rows), _) => {
            let rows = Box::pin(kept.again(rows, limit)).await.ok()?;
            Some(Kind::Rows(Box::new(rows)))
        }
        (Kind::Files(kept), Definition::Files(files), Some(outside)) => {
            let files = Box::pin(kept.again(files, outside.clone(), limit)).await.ok()?;
            Some(Kind::Files(Box::new(files)))
        }
        _ => None,
    }
}
