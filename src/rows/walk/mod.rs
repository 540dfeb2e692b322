//! Reading: where the source ends, how much there is, and where a batch ends.

mod bisect;
mod histogram;
mod layout;
pub(in crate::rows) mod recent;
pub(in crate::rows) mod split;
mod walking;

use crate::cursor::Cursor;
use crate::engine::migration::Range;
use crate::fault::Class;
use crate::rows::faults::RowsError;
use crate::rows::link::{Deadline, Link, rows};
use crate::rows::mapping::{Mapping, Stretch};
use crate::spec::Problem;
use crate::spec::filter::{Piece, called, foreign};
use crate::sql::statement::Statement;
use crate::sql::{Dialect, Session, SqlError};
use std::time::SystemTime;

/// Keys that one sweep finds at most.
pub(in crate::rows) const FOUND: u64 = 500;
/// Bytes of keys that one sweep finds at most: they are announced in a record of the ledger.
const FOUND_BYTES: usize = 48 * 1024;
/// What the longest name of a kind adds to a part of a key in the ledger.
const KIND_BYTES: usize = r#"{"decimal":}"#.len();

/// What the database said about a condition, less what to do about statements in general.
fn refused(error: &SqlError) -> String {
    error.refusal().map_or_else(String::new, |refusal| {
        let column = refusal.column.as_ref().map(|name| format!(", column `{name}`")).unwrap_or_default();
        format!(": {} (error {}{column})", refusal.meaning.what, refusal.code)
    })
}

/// A stretch of keys that is about to be worked on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::rows) struct Step {
    /// The last key of it.
    pub(in crate::rows) end: Cursor,
    /// How many keys it holds.
    pub(in crate::rows) scanned: u64,
    /// Nothing lies between it and the bound.
    pub(in crate::rows) last: bool,
}

impl Mapping {
    /// Has the database read `where`: names of columns are its business.
    pub(in crate::rows) async fn try_filter(
        &self,
        session: &mut Session,
        deadline: Deadline,
    ) -> Result<Option<Problem>, RowsError> {
        let Some(condition) = self.condition() else { return Ok(None) };
        if let Some(problem) = foreign(&condition, self.dialect) {
            return Ok(Some(problem));
        }
        let mut statement = self.statement();
        statement.sql("SELECT 1 FROM ").sql(&self.source).sql(" t WHERE 1 = 0");
        self.filtered(&mut statement, SystemTime::UNIX_EPOCH);
        match session.rows(&statement, deadline.left()).await {
            Ok(_) => self.volatile(&condition, session, deadline).await,
            // That is not the condition's fault; `plan` names what is missing.
            Err(error) if error.is_forbidden() => Ok(None),
            Err(error) if error.refusal().is_some() && error.class() == Class::Fatal => Ok(Some(Problem {
                field: "source.where".to_owned(),
                message: format!("is no condition that the database understands{}", refused(&error)),
                hint: if error.is_syntax() {
                    "write it as it would stand behind WHERE in this database's SQL, less the word".to_owned()
                } else if self.dialect == Dialect::Sqlite {
                    // It has one code for a mistake in the grammar and for a name that is not there.
                    "write it as it would stand behind WHERE in SQLite's SQL, less the word; it sees the columns of the source \
                     table alone, as `t`"
                        .to_owned()
                } else {
                    "the condition sees the columns of the source table alone, as `t`".to_owned()
                },
            })),
            Err(error) => Err(error.into()),
        }
    }

    /// `where` as it is written.
    fn condition(&self) -> Option<String> {
        let pieces = self.filter.as_ref()?;
        Some(
            pieces
                .iter()
                .map(|piece| if let Piece::Sql(text) = piece { text.as_str() } else { ":pass_started" })
                .collect(),
        )
    }

    /// A function of the user's own that PostgreSQL takes for one whose answer changes: nobody can say what it reads.
    async fn volatile(
        &self,
        condition: &str,
        session: &mut Session,
        deadline: Deadline,
    ) -> Result<Option<Problem>, RowsError> {
        let names = called(condition);
        if self.dialect != Dialect::Postgres || names.is_empty() {
            return Ok(None);
        }
        let mut statement = self.statement();
        statement.sql("SELECT min(p.proname::text) FROM pg_catalog.pg_proc p WHERE lower(p.proname::text) IN (");
        for (place, name) in names.iter().enumerate() {
            statement.sql(if place == 0 { "" } else { ", " }).literal(name);
        }
        statement.sql(") GROUP BY lower(p.proname::text) HAVING bool_and(p.provolatile = 'v') ORDER BY 1 LIMIT 1");
        let found = session.rows(&statement, deadline.left()).await?;
        let name = found.into_iter().next().and_then(|row| row.into_iter().next().flatten());
        Ok(name.map(|name| Problem {
            field: "source.where".to_owned(),
            message: format!(
                "calls `{name}()`, which PostgreSQL takes for VOLATILE: it may answer otherwise each time"
            ),
            hint: "if it always answers the same of the same row, declare it: ALTER FUNCTION … STABLE".to_owned(),
        }))
    }

    /// What a query of the source failed with, told apart from what a target refuses: with a `where`, that is what cannot
    /// be computed.
    pub(in crate::rows) fn of_query(&self, error: RowsError) -> RowsError {
        match &error {
            RowsError::Sql(sql) if self.is_suspect(sql) => {
                RowsError::Condition { code: sql.code().unwrap_or_default().to_owned() }
            }
            _ => error,
        }
    }

    /// Whether it may be `where` that raised it. SQLite has one code for all that a statement can be wrong about.
    fn is_suspect(&self, error: &SqlError) -> bool {
        let poison = error.class() == Class::Poison;
        self.filter.is_some() && (poison || self.dialect == Dialect::Sqlite && error.code() == Some("1"))
    }

    /// What a batch failed with, told apart by asking for the items of its stretch alone: `where` may be at fault.
    pub(in crate::rows) async fn of_batch(
        &self,
        link: &mut Link,
        error: RowsError,
        stretch: &Stretch<'_>,
        pass_started: SystemTime,
        deadline: Deadline,
    ) -> RowsError {
        if !matches!(&error, RowsError::Sql(sql) if self.is_suspect(sql)) {
            return error;
        }
        let counted = self.count_items(link, stretch, pass_started, deadline).await;
        match counted.map_err(|error| self.of_query(error)) {
            Err(condition @ RowsError::Condition { .. }) => condition,
            _ => error,
        }
    }

    /// How many items a stretch holds.
    pub(in crate::rows) async fn count_items(
        &self,
        link: &mut Link,
        stretch: &Stretch<'_>,
        pass_started: SystemTime,
        deadline: Deadline,
    ) -> Result<u64, RowsError> {
        let mut statement = self.statement();
        statement.sql("SELECT ").sql(&self.text("COUNT(*)"));
        self.items(&mut statement, stretch, pass_started)?;
        number(link.session(deadline).await?, &statement, deadline).await
    }

    pub(in crate::rows) async fn find_bound(
        &self,
        link: &mut Link,
        least: Option<&Cursor>,
        deadline: Deadline,
    ) -> Result<Option<Cursor>, RowsError> {
        let session = link.session(deadline).await?;
        let found = rows(session, &self.last_key(least)?, deadline).await?;
        match found.first() {
            Some(row) => Ok(Some(self.key().read(row, 0)?)),
            None => Ok(least.cloned()),
        }
    }

    /// The next `size` keys of a range. Fewer are left: all of them, with the range's bound as their end, even if there
    /// are none. A step of one key ends at it, so that whatever becomes of it is said of that key.
    pub(in crate::rows) async fn step(
        &self,
        session: &mut Session,
        range: &Range,
        after: Option<&Cursor>,
        size: u64,
        deadline: Deadline,
    ) -> Result<Step, RowsError> {
        let found = rows(session, &self.boundary(after, &range.bound, size.max(1))?, deadline).await?;
        if let Some(row) = found.first() {
            let end = self.key().read(row, 0)?;
            return Ok(Step { last: end == range.bound, end, scanned: size.max(1) });
        }
        let scanned = number(session, &self.keys(&Stretch::Range { after, end: &range.bound })?, deadline).await?;
        if scanned == 1
            && let Some(row) = rows(session, &self.boundary(after, &range.bound, 1)?, deadline).await?.first()
        {
            let end = self.key().read(row, 0)?;
            return Ok(Step { last: end == range.bound, end, scanned });
        }
        Ok(Step { end: range.bound.clone(), scanned, last: true })
    }

    /// The next `size` keys, or as many as it takes to find so many items without a target that a record of the ledger
    /// holds their keys; and those.
    pub(in crate::rows) async fn step_missing(
        &self,
        session: &mut Session,
        range: &Range,
        after: Option<&Cursor>,
        size: u64,
        deadline: Deadline,
    ) -> Result<(Step, Vec<Cursor>), RowsError> {
        let mut step = self.step(session, range, after, size, deadline).await?;
        let stretch = Stretch::Range { after, end: &step.end };
        let statement = self.missing(&stretch, range.pass_started, FOUND)?;
        let answer = rows(session, &statement, deadline).await.map_err(|error| self.of_query(error.into()))?;
        let keys = answer.iter().map(|row| self.key().read(row, 0)).collect::<Result<Vec<_>, _>>()?;
        let (keys, cut) = found(keys.into_iter());
        if let (true, Some(end)) = (cut, keys.last()) {
            let scanned = number(session, &self.keys(&Stretch::Range { after, end })?, deadline).await?;
            step = Step { last: *end == range.bound, end: end.clone(), scanned };
        }
        Ok((step, keys))
    }
}

/// As many of these keys as one sweep finds, and whether there may be more.
pub(in crate::rows) fn found(missing: impl Iterator<Item = Cursor>) -> (Vec<Cursor>, bool) {
    let (mut keys, mut bytes) = (Vec::new(), 0);
    for key in missing {
        // In a record each part stands with its kind.
        bytes += key.json().len() + KIND_BYTES * key.0.len() + 1;
        if bytes > FOUND_BYTES && !keys.is_empty() {
            return (keys, true);
        }
        keys.push(key);
        if keys.len() as u64 == FOUND {
            return (keys, true);
        }
    }
    (keys, false)
}

/// The one number that a statement answers.
pub(in crate::rows) async fn number(
    session: &mut Session,
    statement: &Statement,
    deadline: Deadline,
) -> Result<u64, RowsError> {
    let numbers = numbers::<1>(session, statement, deadline).await?;
    Ok(numbers[0])
}

/// The numbers of the one row that a statement answers.
pub(in crate::rows) async fn numbers<const N: usize>(
    session: &mut Session,
    statement: &Statement,
    deadline: Deadline,
) -> Result<[u64; N], RowsError> {
    let found = rows(session, statement, deadline).await?;
    let row = found.first().ok_or(RowsError::Shape("a count"))?;
    let mut numbers = [0; N];
    for (number, text) in numbers.iter_mut().zip(row) {
        *number = text.as_deref().and_then(|text| text.parse().ok()).ok_or(RowsError::Shape("a count"))?;
    }
    Ok(numbers)
}
