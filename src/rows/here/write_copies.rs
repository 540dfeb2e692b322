//! Writing the related rows of a batch to tables of their own, in the transaction of their items.

use super::write::{Before, Writing, Written};
use crate::cursor::Cursor;
use crate::rows::copy::Copy;
use crate::rows::faults::RowsError;
use crate::rows::link::{Deadline, execute, rows};
use crate::rows::mapping::{Mapping, Stretch};
use crate::rows::walk::numbers;
use crate::sql::statement::Statement;
use crate::sql::{Dialect, Session};
use std::fmt::Write as _;

/// What is known of a copy before it is written: of the related rows of a stretch's items.
#[derive(Clone, Copy, Debug)]
pub(in crate::rows) struct Survey {
    rows: u64,
    pub(in crate::rows) there: u64,
    equal: u64,
    bytes: u64,
}

impl Survey {
    /// Some row is in the target and different there.
    pub(in crate::rows) fn has_different(&self) -> bool {
        self.there > self.equal
    }
}

/// Items that are written by name at once.
const NAMED: usize = 500;

impl Mapping {
    /// Has PostgreSQL show all statements of the transaction one snapshot, so that an item and its related rows belong
    /// together. Nobody writes to SQLite meanwhile; MySQL's INSERT … SELECT would lock the source's rows instead: there
    /// [`Mapping::settle`] looks whether they still belong together at the end.
    pub(in crate::rows) async fn freeze(&self, session: &mut Session, deadline: Deadline) -> Result<(), RowsError> {
        if self.dialect == Dialect::Postgres && !self.copies.is_empty() {
            let mut statement = Statement::new(self.dialect);
            statement.sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ");
            session.execute(&statement, deadline.left()).await?;
        }
        Ok(())
    }

    /// Of the items that have no target, where there are some that have one (`missing_only`).
    pub(in crate::rows) async fn survey_all(
        &self,
        session: &mut Session,
        writing: &Writing<'_>,
        missing_only: bool,
        deadline: Deadline,
    ) -> Result<Vec<Survey>, RowsError> {
        let mut surveys = Vec::with_capacity(self.copies.len());
        for copy in &self.copies {
            let statement = self.survey(copy, &writing.stretch, writing.pass_started, missing_only)?;
            let [rows, there, equal, bytes] = numbers(session, &statement, deadline).await?;
            surveys.push(Survey { rows, there, equal, bytes });
        }
        Ok(surveys)
    }

    /// Inserts the items of a stretch that have no target, and their related rows that have none: no item is a conflict.
    pub(in crate::rows) async fn move_whole(
        &self,
        session: &mut Session,
        writing: &Writing<'_>,
        before: Before,
        surveys: &[Survey],
        deadline: Deadline,
    ) -> Result<Written, RowsError> {
        // Items before their rows, as foreign keys want it.
        let mut written = self.move_checked(session, writing, before, deadline).await?;
        for (copy, survey) in self.copies.iter().zip(surveys) {
            // Where all of them together are not too large, none is.
            if survey.bytes > writing.max_item {
                self.refuse_large(session, copy, writing, deadline).await?;
            }
            let expected = survey.rows.saturating_sub(survey.there);
            // On MySQL some may have come since: then `settle` refuses what is there.
            if expected == 0 {
                continue;
            }
            let missing_only = survey.there > 0 || before.there > 0;
            let insert =
                self.insert_copy(copy, &writing.stretch, writing.pass_started, &writing.stamp(), missing_only)?;
            let inserted = execute(session, &insert, deadline).await?;
            if inserted != expected && self.dialect != Dialect::MySql {
                return Err(RowsError::Swallowed);
            }
            written.bytes += survey.bytes;
        }
        Ok(written)
    }

    /// Inserts the items of a stretch that are no conflict, where others are: by their names.
    pub(in crate::rows) async fn move_others(
        &self,
        session: &mut Session,
        writing: &Writing<'_>,
        deadline: Deadline,
    ) -> Result<Written, RowsError> {
        let found = rows(session, &self.writable(&writing.stretch, writing.pass_started)?, deadline).await?;
        let keys = found.iter().map(|row| self.key().read(row, 0)).collect::<Result<Vec<Cursor>, _>>()?;
        let mut sum = Written::default();
        for keys in keys.chunks(NAMED) {
            let part = writing.of(Stretch::Keys(keys));
            let surveys = self.survey_all(session, &part, false, deadline).await?;
            let written = self.move_whole(session, &part, Before::default(), &surveys, deadline).await?;
            sum.inserted += written.inserted;
            sum.bytes += written.bytes;
        }
        Ok(sum)
    }

    /// Names the item that has a related row which is too large, if one has.
    async fn refuse_large(
        &self,
        session: &mut Session,
        copy: &Copy,
        writing: &Writing<'_>,
        deadline: Deadline,
    ) -> Result<(), RowsError> {
        let statement = self.oversized_copy(copy, &writing.stretch, writing.pass_started, writing.max_item)?;
        let found = rows(session, &statement, deadline).await?;
        let Some(row) = found.first() else { return Ok(()) };
        let bytes = row.last().and_then(|text| text.as_deref()?.parse().ok());
        Err(RowsError::TooLarge {
            key: Box::new(self.key().read(row, 0)?),
            bytes: bytes.ok_or(RowsError::Shape("a number of bytes"))?,
            max_item: writing.max_item,
        })
    }

    /// On MySQL every statement sees the source as it is by then. One last one sees items and related rows at once: they
    /// have to be what was written: `inserted` items beside those that were `equal`. Elsewhere it has to be so by now, unless
    /// a trigger has made something else of what the inserts counted.
    pub(in crate::rows) async fn settle(
        &self,
        session: &mut Session,
        writing: &Writing<'_>,
        (equal, inserted): (u64, u64),
        deadline: Deadline,
    ) -> Result<(), RowsError> {
        let moving = self.dialect == Dialect::MySql;
        let meddled = self.copies.iter().any(|copy| copy.landing.meddled);
        if self.copies.is_empty() || inserted == 0 || !(moving || meddled) {
            return Ok(());
        }
        let tally = self.tally(&writing.stretch, writing.pass_started)?;
        let [_, _, now] = numbers(session, &tally, deadline).await?;
        match now == equal + inserted {
            true => Ok(()),
            false if moving => Err(RowsError::Moving),
            false => Err(RowsError::Swallowed),
        }
    }

    /// What is said of a conflict: which columns and which related tables differ, from what [`Mapping::conflicts`] answers
    /// behind the key.
    pub(in crate::rows) fn conflict(&self, row: &[Option<String>]) -> String {
        let is = |cell: &Option<String>| cell.as_deref() == Some("1");
        let flags = row.get(2..).unwrap_or_default();
        let compared: Vec<&str> = self.landing.compared().map(|fill| fill.column.as_str()).collect();
        let (own, rest) = flags.split_at(compared.len().min(flags.len()));
        let without_target = rest.first().is_some_and(is);
        let copies = self.copies.iter().zip(rest.iter().skip(1)).filter(|(_, equal)| !is(equal));
        let related = copies.map(|(copy, _)| format!("related `{}`", copy.name));
        if without_target {
            let related: Vec<String> = related.collect();
            return format!("there is no target, but some rows of {} are in theirs and differ", related.join(", "));
        }
        let own = compared.iter().zip(own).filter(|(_, equal)| !is(equal)).map(|(column, _)| format!("`{column}`"));
        let differing: Vec<String> = own.chain(related).collect();
        let mut message = format!("the target exists and differs in {}", differing.join(", "));
        if let [Some(ours), Some(theirs), ..] = row {
            let _ = write!(message, "; SHA-256 of the document: source {ours}, target {theirs}");
        }
        message
    }
}
