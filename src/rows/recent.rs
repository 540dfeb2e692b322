//! Sweeps over what changed since the last one began: the source is walked in the order of `changed`, and of the key where
//! several rows changed at one time, so that a cursor stands between two rows and none of them is looked at twice or not
//! at all. A row that changes while it is walked moves ahead of the cursor.

use super::faults::RowsError;
use super::key::{Key, KeyError, Side};
use super::link::{Deadline, rows};
use super::mapping::Mapping;
use super::phrase::{count, stamp};
use super::walk::{Step, found, number};
use crate::cursor::{Cursor, KeyPart};
use crate::engine::migration::Range;
use crate::sql::Session;
use crate::sql::statement::Statement;
use std::time::{Duration, SystemTime};

/// How the source is walked by its changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Recent {
    /// The column, and then the source's key.
    pub key: Key,
    /// What follows the table's alias so that the database walks the column's index; may be empty.
    pub hint: String,
}

impl Recent {
    /// Appends that the row changed after a point in time.
    fn since(&self, statement: &mut Statement, since: SystemTime) -> Result<(), KeyError> {
        let column = Key { dialect: self.key.dialect, columns: self.key.columns.iter().take(1).cloned().collect() };
        column.compare(statement, "t", Side::After, &Cursor(vec![KeyPart::Time(stamp(since))]))
    }
}

/// A stretch in the order of changes: beyond `after`, or else since then, up to and including `end`.
#[derive(Clone, Copy)]
pub(super) struct Changes<'a> {
    pub(super) since: SystemTime,
    pub(super) after: Option<&'a Cursor>,
    pub(super) end: Option<&'a Cursor>,
}

impl Mapping {
    /// The last change, if there was one since then.
    pub(super) async fn last_change(
        &self,
        recent: &Recent,
        session: &mut Session,
        since: SystemTime,
        deadline: Deadline,
    ) -> Result<Option<Cursor>, RowsError> {
        let answer = rows(session, &self.last_change_statement(recent, since)?, deadline).await?;
        Ok(answer.first().map(|row| recent.key.read(row, 0)).transpose()?)
    }

    pub(super) fn last_change_statement(&self, recent: &Recent, since: SystemTime) -> Result<Statement, KeyError> {
        let mut statement = self.statement();
        statement.sql("SELECT ");
        recent.key.print(&mut statement, "t");
        self.changed(recent, &mut statement, Changes { since, after: None, end: None })?;
        statement.sql(" ORDER BY ");
        recent.key.order(&mut statement, "t", true);
        statement.sql(" LIMIT 1");
        Ok(statement)
    }

    /// The next `size` changes, or as many as it takes to find so many items without a target that a record of the ledger
    /// holds their keys; and those.
    pub(super) async fn step_changed(
        &self,
        recent: &Recent,
        session: &mut Session,
        (range, since): (&Range, SystemTime),
        (after, size): (Option<&Cursor>, u64),
        deadline: Deadline,
    ) -> Result<(Step, Vec<Cursor>), RowsError> {
        let whole = Changes { since, after, end: Some(&range.bound) };
        let answer = rows(session, &self.change_at(recent, whole, size)?, deadline).await?;
        let mut step = if let Some(row) = answer.first() {
            let end = recent.key.read(row, 0)?;
            Step { last: end == range.bound, end, scanned: size.max(1) }
        } else {
            let scanned = number(session, &self.changes(recent, whole)?, deadline).await?;
            Step { last: true, end: range.bound.clone(), scanned }
        };
        let stretch = Changes { end: Some(&step.end), ..whole };
        let statement = self.changed_and_missing(recent, stretch, range.pass_started)?;
        let answer = rows(session, &statement, deadline).await.map_err(|error| self.of_query(error.into()))?;
        let read = answer.iter().map(|row| recent.key.read(row, 0)).collect::<Result<Vec<_>, _>>()?;
        let (changes, cut) = found(read.into_iter());
        if let (true, Some(end)) = (cut, changes.last()) {
            let scanned =
                number(session, &self.changes(recent, Changes { end: Some(end), ..whole })?, deadline).await?;
            step = Step { last: *end == range.bound, end: end.clone(), scanned };
        }
        let keys = changes.into_iter().map(|change| Cursor(change.0.into_iter().skip(1).collect()));
        Ok((step, keys.collect()))
    }

    /// What a sweep over the last hour asks at its beginning, and once it is under way.
    pub(super) fn explained_changes(
        &self,
        recent: &Recent,
        last: &Cursor,
        now: SystemTime,
    ) -> Result<[(&'static str, Statement); 3], KeyError> {
        let since = now.checked_sub(Duration::from_hours(1)).unwrap_or(now);
        let after =
            Cursor(std::iter::once(KeyPart::Time(stamp(since))).chain(last.0.iter().skip(1).cloned()).collect());
        let begun = Changes { since, after: None, end: Some(last) };
        let under_way = Changes { after: Some(&after), ..begun };
        Ok([
            ("first changes", self.change_at(recent, begun, super::plan::SAMPLED)?),
            ("next changes", self.change_at(recent, under_way, super::plan::SAMPLED)?),
            ("changes without a target", self.changed_and_missing(recent, under_way, now)?),
        ])
    }

    /// The change at which a batch of `size` ends; no row if there are fewer.
    pub(super) fn change_at(&self, recent: &Recent, stretch: Changes<'_>, size: u64) -> Result<Statement, KeyError> {
        let mut statement = self.statement();
        statement.sql("SELECT ");
        recent.key.print(&mut statement, "t");
        self.changed(recent, &mut statement, stretch)?;
        statement.sql(" ORDER BY ");
        recent.key.order(&mut statement, "t", false);
        statement.sql(" LIMIT 1 OFFSET ");
        count(&mut statement, size.saturating_sub(1));
        Ok(statement)
    }

    /// How many rows changed, items or not.
    fn changes(&self, recent: &Recent, stretch: Changes<'_>) -> Result<Statement, KeyError> {
        let mut statement = self.statement();
        statement.sql("SELECT ").sql(&self.text("COUNT(*)"));
        self.changed(recent, &mut statement, stretch)?;
        Ok(statement)
    }

    /// The items of a stretch without a target, or all of them where none should be left in the source.
    pub(super) fn changed_and_missing(
        &self,
        recent: &Recent,
        stretch: Changes<'_>,
        pass_started: SystemTime,
    ) -> Result<Statement, KeyError> {
        let mut statement = self.statement();
        statement.sql("SELECT ");
        recent.key.print(&mut statement, "t");
        statement.sql(" FROM (SELECT ");
        for (place, name) in self.columns.iter().enumerate() {
            statement.sql(if place == 0 { "t." } else { ", t." }).name(name);
        }
        self.changed(recent, &mut statement, stretch)?;
        self.filtered(&mut statement, pass_started);
        statement.sql(") t");
        if self.purge.is_none() {
            statement.sql(" WHERE NOT EXISTS (SELECT 1 FROM ").sql(&self.landing.target).sql(" h WHERE ");
            statement.sql(&self.landing.matches()).sql(")");
        }
        statement.sql(" ORDER BY ");
        recent.key.order(&mut statement, "t", false);
        statement.sql(" LIMIT ");
        count(&mut statement, super::walk::FOUND);
        Ok(statement)
    }

    /// Appends ` FROM source t … WHERE stretch`.
    fn changed(&self, recent: &Recent, statement: &mut Statement, stretch: Changes<'_>) -> Result<(), KeyError> {
        statement.sql(" FROM ").sql(&self.source).sql(" t").sql(&recent.hint).sql(" WHERE ");
        match stretch.after {
            Some(after) => recent.key.compare(statement, "t", Side::After, after)?,
            None => recent.since(statement, stretch.since)?,
        }
        if let Some(end) = stretch.end {
            statement.sql(" AND ");
            recent.key.compare(statement, "t", Side::UpTo, end)?;
        }
        Ok(())
    }
}
