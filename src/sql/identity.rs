//! Whether two sessions lead to one server, by whatever names it was called: a lock that nobody else can know of is taken by the one,
//! and looked for by the other.

use super::statement::Statement;
use super::{Dialect, Session, SqlError};
use std::time::Duration;

impl Session {
    /// Both lead to one server; on PostgreSQL to one database of it. A server that keeps no such locks is not recognised, nor is
    /// another one that holds the same data.
    pub async fn shares_a_server(&mut self, other: &mut Self, limit: Duration) -> Result<bool, SqlError> {
        let found = match (self.make().dialect(), other.make().dialect()) {
            (Dialect::MySql, Dialect::MySql) => self.shares_a_name(other, limit).await,
            (Dialect::Postgres, Dialect::Postgres) => self.shares_a_number(other, limit).await,
            _ => Ok(false),
        };
        match found {
            Err(error) if error.refusal().is_some() => Ok(false),
            found => found,
        }
    }

    async fn shares_a_name(&mut self, other: &mut Self, limit: Duration) -> Result<bool, SqlError> {
        let name = format!("milkrun {:032x}", rand::random::<u128>());
        let call = |function: &str, more: &str| {
            let mut statement = Statement::new(Dialect::MySql);
            statement.sql("SELECT CAST(").sql(function).sql("(").literal(&name).sql(more).sql(") AS CHAR)");
            statement
        };
        let is_taken = self.answer(&call("GET_LOCK", ", 0"), limit).await?.as_deref() == Some("1");
        let seen = other.answer(&call("IS_USED_LOCK", ""), limit).await;
        self.answer(&call("RELEASE_LOCK", ""), limit).await?;
        Ok(is_taken && seen?.is_some())
    }

    async fn shares_a_number(&mut self, other: &mut Self, limit: Duration) -> Result<bool, SqlError> {
        let mut take = Statement::new(Dialect::Postgres);
        take.sql("SELECT pg_catalog.pg_try_advisory_xact_lock(");
        take.literal(&rand::random::<i64>().to_string()).sql("::bigint)::text");
        self.begin(limit).await?;
        other.begin(limit).await?;
        let taken = self.answer(&take, limit).await;
        let free = other.answer(&take, limit).await;
        other.rollback(limit).await?;
        self.rollback(limit).await?;
        let is_true = |answer: Option<String>| answer.as_deref() == Some("true");
        Ok(is_true(taken?) && !is_true(free?))
    }

    async fn answer(&mut self, statement: &Statement, limit: Duration) -> Result<Option<String>, SqlError> {
        let rows = self.rows(statement, limit).await?;
        Ok(rows.into_iter().next().and_then(|row| row.into_iter().next()).flatten())
    }
}
