//! A session that is opened when it is first needed, and again after it was lost.

use crate::sql::statement::Statement;
use crate::sql::{ConnectOptions, Session, SqlError};
use std::time::{Duration, Instant};

/// A session with one database.
pub(crate) struct Link {
    options: ConnectOptions,
    session: Option<Session>,
    /// Bytes that a value may have in a session that is opened here.
    max_length: Option<u64>,
}

/// The end of a call, shared by its statements.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    pub(crate) fn after(limit: Duration) -> Self {
        Self(Instant::now() + limit)
    }

    /// What is left; a millisecond at least, so that the server says that time is up.
    pub(crate) fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
    }
}

impl Link {
    pub(crate) fn new(options: ConnectOptions, session: Option<Session>) -> Self {
        Self { options, session, max_length: None }
    }

    /// The same, in whose sessions a value may have so many bytes, however often one is opened again.
    pub(crate) fn with_max_length(self, max_length: Option<u64>) -> Self {
        Self { max_length, ..self }
    }

    /// Takes the session out, if there is one.
    pub(crate) fn take(&mut self) -> Option<Session> {
        self.session.take()
    }

    /// Takes the session out, if there is one that still answers.
    pub(crate) async fn alive(&mut self, deadline: Deadline) -> Option<Session> {
        let mut session = self.session.take()?;
        let answers = session.rollback(deadline.left()).await.is_ok() && session.ping(deadline.left()).await.is_ok();
        answers.then_some(session)
    }

    /// The session, opened if it has to be, and without a transaction that somebody left open.
    pub(crate) async fn session(&mut self, deadline: Deadline) -> Result<&mut Session, SqlError> {
        let usable = match self.session.as_mut() {
            Some(session) if !session.is_lost() => session.rollback(deadline.left()).await.is_ok(),
            _ => false,
        };
        if !usable {
            self.session = None;
        }
        match &mut self.session {
            Some(session) => Ok(session),
            empty => {
                let mut session = Session::open(&self.options, deadline.left()).await?;
                if let Some(bytes) = self.max_length {
                    session.set_max_length(bytes)?;
                }
                Ok(empty.insert(session))
            }
        }
    }
}

/// The rows of a query that must not leave a warning: a truncated aggregate is one.
pub(crate) async fn rows(
    session: &mut Session,
    statement: &Statement,
    deadline: Deadline,
) -> Result<Vec<Vec<Option<String>>>, SqlError> {
    let rows = session.rows(statement, deadline.left()).await?;
    without_warnings(session, deadline).await?;
    Ok(rows)
}

/// Executes a statement that must not leave a warning.
pub(crate) async fn execute(session: &mut Session, statement: &Statement, deadline: Deadline) -> Result<u64, SqlError> {
    let changed = session.execute(statement, deadline.left()).await?;
    without_warnings(session, deadline).await?;
    Ok(changed)
}

pub(crate) async fn without_warnings(session: &mut Session, deadline: Deadline) -> Result<(), SqlError> {
    match session.warnings(deadline.left()).await?.first() {
        None => Ok(()),
        Some(code) => Err(SqlError::of_warning(session.make().dialect(), *code)),
    }
}
