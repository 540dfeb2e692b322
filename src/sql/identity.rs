//! Whether two sessions lead to one server, by whatever names it was called: a lock that nobody else can know of is taken by the one,
//! and looked for by the other.

use super::statement::Statement;
use super::{Dialect, Refusal, Session, SqlError};
use std::time::Duration;

/// What was found out about two sessions.
pub enum Sharing {
    /// Both lead to one server; on PostgreSQL to one database of it.
    Yes,
    /// They lead to two, or to one that holds the same data and keeps locks of its own.
    No,
    /// One of the servers, or what stands before it, did not say.
    Unknown {
        /// What was called, as a message shows it.
        asked: &'static str,
        /// Why the call was refused; `None`: it was answered, and gave no lock.
        refused: Option<Box<Refusal>>,
    },
}

impl Session {
    /// Whether both lead to one server. Whatever comes of it, no transaction is left open in either.
    pub async fn shares_a_server(&mut self, other: &mut Self, limit: Duration) -> Result<Sharing, SqlError> {
        let (asked, found) = match (self.make().dialect(), other.make().dialect()) {
            (Dialect::MySql, Dialect::MySql) => {
                ("`GET_LOCK` and `IS_USED_LOCK`", self.shares_a_name(other, limit).await)
            }
            (Dialect::Postgres, Dialect::Postgres) => {
                ("`pg_try_advisory_xact_lock`", self.shares_a_number(other, limit).await)
            }
            _ => return Ok(Sharing::No),
        };
        match found {
            Ok(Some(true)) => Ok(Sharing::Yes),
            Ok(Some(false)) => Ok(Sharing::No),
            Ok(None) => Ok(Sharing::Unknown { asked, refused: None }),
            // One that forbids such locks has not said that it is another.
            Err(SqlError::Statement(refusal)) => Ok(Sharing::Unknown { asked, refused: Some(refusal) }),
            Err(error) => Err(error),
        }
    }

    /// `None`: there was no lock to look for.
    async fn shares_a_name(&mut self, other: &mut Self, limit: Duration) -> Result<Option<bool>, SqlError> {
        let name = format!("milkrun {:032x}", rand::random::<u128>());
        let call = |function: &str, more: &str| {
            let mut statement = Statement::new(Dialect::MySql);
            statement.sql("SELECT CAST(").sql(function).sql("(").literal(&name).sql(more).sql(") AS CHAR)");
            statement
        };
        if self.answer(&call("GET_LOCK", ", 0"), limit).await?.as_deref() != Some("1") {
            return Ok(None);
        }
        let seen = other.answer(&call("IS_USED_LOCK", ""), limit).await;
        self.answer(&call("RELEASE_LOCK", ""), limit).await?;
        Ok(Some(seen?.is_some()))
    }

    /// `None`: there was no lock to look for.
    async fn shares_a_number(&mut self, other: &mut Self, limit: Duration) -> Result<Option<bool>, SqlError> {
        let mut take = Statement::new(Dialect::Postgres);
        take.sql("SELECT pg_catalog.pg_try_advisory_xact_lock(");
        take.literal(&rand::random::<i64>().to_string()).sql("::bigint)::text");
        let answers = self.both_take(other, &take, limit).await;
        // Also where one of them was refused: what was begun ends here.
        let theirs = other.rollback(limit).await;
        let ours = self.rollback(limit).await;
        let (taken, free) = answers?;
        theirs?;
        ours?;
        Ok(taken.then_some(!free))
    }

    /// Whether this one gets a lock, and whether the other one gets it too meanwhile.
    async fn both_take(
        &mut self,
        other: &mut Self,
        take: &Statement,
        limit: Duration,
    ) -> Result<(bool, bool), SqlError> {
        let is_true = |answer: Option<String>| answer.as_deref() == Some("true");
        self.begin(limit).await?;
        other.begin(limit).await?;
        let taken = is_true(self.answer(take, limit).await?);
        let free = is_true(other.answer(take, limit).await?);
        Ok((taken, free))
    }

    async fn answer(&mut self, statement: &Statement, limit: Duration) -> Result<Option<String>, SqlError> {
        let rows = self.rows(statement, limit).await?;
        Ok(rows.into_iter().next().and_then(|row| row.into_iter().next()).flatten())
    }
}
