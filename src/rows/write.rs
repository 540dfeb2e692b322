//! Writing a batch: one transaction that compares what is there, moves what is missing, and accounts for both.

use super::faults::RowsError;
use super::link::{Deadline, Link, execute, rows};
use super::mapping::{Mapping, Stretch};
use super::moving::Stamp;
use super::walk::numbers;
use crate::cursor::Cursor;
use crate::engine::migration::{Aside, Effort, Outcome};
use crate::sql::{Dialect, Session};
use std::fmt::Write as _;
use std::time::SystemTime;

/// What there is to write.
pub(super) struct Writing<'a> {
    pub(super) stretch: Stretch<'a>,
    pub(super) pass_started: SystemTime,
    pub(super) effort: &'a Effort,
    pub(super) max_item: u64,
}

/// What a batch has added to the target.
pub(super) struct Written {
    pub(super) inserted: u64,
    bytes: u64,
    large: u64,
}

impl Mapping {
    pub(super) async fn write(
        &self,
        link: &mut Link,
        writing: &Writing<'_>,
        deadline: Deadline,
    ) -> Result<Outcome, RowsError> {
        let session = link.session(deadline).await?;
        session.begin(deadline.left()).await?;
        let mut there = 0;
        match self.apply(session, writing, &mut there, deadline).await {
            Ok(outcome) => {
                session.commit(deadline.left()).await?;
                Ok(outcome)
            }
            Err(error) => {
                // A session that cannot roll back is dropped with its transaction.
                let _ = session.rollback(deadline.left()).await;
                Err(self.explain(session, writing, error, there, deadline).await)
            }
        }
    }

    async fn apply(
        &self,
        session: &mut Session,
        writing: &Writing<'_>,
        existing: &mut u64,
        deadline: Deadline,
    ) -> Result<Outcome, RowsError> {
        let (stretch, pass_started, max_item) = (&writing.stretch, writing.pass_started, writing.max_item);
        let [there, equal, bytes_there, large_there] =
            numbers(session, &self.compare(stretch, pass_started, max_item)?, deadline).await?;
        *existing = there;
        let aside = if there > equal { self.set_aside(session, writing, deadline).await? } else { Vec::new() };
        if there.checked_sub(equal) != u64::try_from(aside.len()).ok() {
            return Err(RowsError::Overtaken);
        }
        // What was there before is not refused for its size, and must not hide what would be.
        let known = match large_there {
            0 => Vec::new(),
            _ => self.oversized_keys(session, writing, large_there, deadline).await?,
        };
        let Written { inserted, bytes, large } =
            self.move_missing(session, writing, [there, bytes_there, large_there], deadline).await?;
        if large > 0 {
            let found = self.oversized_keys(session, writing, large_there + large, deadline).await?;
            if let Some((key, bytes)) = found.into_iter().find(|(key, _)| known.iter().all(|(there, _)| there != key)) {
                return Err(RowsError::TooLarge { key: Box::new(key), bytes, max_item });
            }
        }
        let outcome = if writing.effort.recovered {
            Outcome { moved: inserted + equal, skipped: 0, aside, bytes: bytes_there + bytes }
        } else {
            Outcome { moved: inserted, skipped: equal, aside, bytes }
        };
        Ok(outcome)
    }

    /// Inserts what has no target, and holds the result against what was found before: targets that are `there`, the bytes of
    /// their documents, and how many of them are too large.
    pub(super) async fn move_missing(
        &self,
        session: &mut Session,
        writing: &Writing<'_>,
        [there, bytes_there, large_there]: [u64; 3],
        deadline: Deadline,
    ) -> Result<Written, RowsError> {
        let (stretch, pass_started, max_item) = (&writing.stretch, writing.pass_started, writing.max_item);
        let stamp = Stamp { now: SystemTime::now(), run: writing.effort.run.clone() };
        // Where nothing is there, a plain INSERT … SELECT is quicker than one that looks into the table it fills; what
        // arrives meanwhile is a duplicate key.
        let missing_only = there > 0;
        if self.dialect == Dialect::Postgres {
            let insert = self.insert_accounted(stretch, pass_started, &stamp, missing_only, max_item)?;
            let [items, had_target, inserted, bytes, large] = numbers(session, &insert, deadline).await?;
            if had_target != there {
                return Err(RowsError::Overtaken);
            }
            if items != there + inserted {
                return Err(RowsError::Swallowed);
            }
            if self.meddled {
                // What RETURNING showed may be gone again, or was put elsewhere.
                let account = self.account(stretch, pass_started, max_item)?;
                let [items, targets, _, _] = numbers(session, &account, deadline).await?;
                if targets < items && targets < there + inserted {
                    return Err(RowsError::Swallowed);
                }
            }
            return Ok(Written { inserted, bytes, large });
        }
        let insert = self.insert(stretch, pass_started, &stamp, missing_only)?;
        let inserted = execute(session, &insert, deadline).await?;
        let account = self.account(stretch, pass_started, max_item)?;
        let [items, targets, bytes, large] = numbers(session, &account, deadline).await?;
        if targets > there + inserted {
            return Err(RowsError::Overtaken);
        }
        // On SQLite a trigger may drop the row, and nobody else writes meanwhile. Elsewhere a trigger may put it under another
        // key, and the source may have lost or got an item since.
        if targets < items && (self.dialect == Dialect::Sqlite || targets < there + inserted) {
            return Err(RowsError::Swallowed);
        }
        Ok(Written { inserted, bytes: bytes.saturating_sub(bytes_there), large: large.saturating_sub(large_there) })
    }

    /// Key and bytes of the first `most` targets whose document is larger than `max_item`.
    pub(super) async fn oversized_keys(
        &self,
        session: &mut Session,
        writing: &Writing<'_>,
        most: u64,
        deadline: Deadline,
    ) -> Result<Vec<(Cursor, u64)>, RowsError> {
        let statement = self.oversized(&writing.stretch, writing.pass_started, writing.max_item, most)?;
        let found = rows(session, &statement, deadline).await?;
        found
            .iter()
            .map(|row| {
                let bytes = row.last().and_then(|text| text.as_deref()?.parse().ok());
                Ok((self.key.read(row, 0)?, bytes.ok_or(RowsError::Shape("a number of bytes"))?))
            })
            .collect()
    }

    async fn set_aside(
        &self,
        session: &mut Session,
        writing: &Writing<'_>,
        deadline: Deadline,
    ) -> Result<Vec<Aside>, RowsError> {
        let found = rows(session, &self.conflicts(&writing.stretch, writing.pass_started)?, deadline).await?;
        let parts = self.key.columns.len();
        found
            .iter()
            .map(|row| {
                let key = self.key.read(row, 0)?;
                let differing: Vec<String> = self
                    .compared()
                    .zip(row.get(parts + 2..).unwrap_or_default())
                    .filter(|(_, same)| same.as_deref() != Some("1"))
                    .map(|(fill, _)| format!("`{}`", fill.column))
                    .collect();
                let mut message = format!("the target exists and differs in {}", differing.join(", "));
                if let (Some(Some(ours)), Some(Some(theirs))) = (row.get(parts), row.get(parts + 1)) {
                    let _ = write!(message, "; SHA-256 of the document: source {ours}, target {theirs}");
                }
                Ok(Aside { key, class: "conflict", message })
            })
            .collect()
    }

    /// A duplicate key is somebody else's insert, if there are more targets now than there were; otherwise an index of the
    /// target refuses the row, and would again.
    async fn explain(
        &self,
        session: &mut Session,
        writing: &Writing<'_>,
        error: RowsError,
        there: u64,
        deadline: Deadline,
    ) -> RowsError {
        let RowsError::Sql(sql) = &error else { return error };
        if !sql.is_duplicate() || session.is_lost() {
            return error;
        }
        let constraint = sql.constraint().map(ToOwned::to_owned);
        let Ok(statement) = self.account(&writing.stretch, writing.pass_started, writing.max_item) else {
            return error;
        };
        match numbers::<4>(session, &statement, deadline).await {
            Ok([_, now, ..]) if now <= there => RowsError::Duplicate { constraint },
            _ => RowsError::Overtaken,
        }
    }
}
