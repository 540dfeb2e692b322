//! Sweeps over what changed since the last one began: the source is walked in the order of `changed`, and of the key where
//! several rows changed at one time, so that a cursor stands between two rows and none of them is looked at twice or not
//! at all. A row that changes while it is walked moves ahead of the cursor.

use crate::cursor::{Cursor, KeyPart};
use crate::engine::migration::Range;
use crate::rows::across::Across;
use crate::rows::faults::RowsError;
use crate::rows::key::{Key, KeyError, Side};
use crate::rows::link::{Deadline, rows};
use crate::rows::mapping::Mapping;
use crate::rows::phrase::{count, stamp};
use crate::rows::walk::{Step, found, number};
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
pub(in crate::rows) struct Changes<'a> {
    pub(in crate::rows) since: SystemTime,
    pub(in crate::rows) after: Option<&'a Cursor>,
    pub(in crate::rows) end: Option<&'a Cursor>,
}

/// Which of the items that changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::rows) enum Which {
    /// As many of those without a target as one sweep finds.
    Missing,
    /// As many of all as one sweep finds.
    Some,
    /// All.
    All,
}

/// The key of a change.
fn key_of(change: &Cursor) -> Cursor {
    Cursor(change.0.iter().skip(1).cloned().collect())
}

impl Mapping {
    /// The last change, if there was one since then.
    pub(in crate::rows) async fn last_change(
        &self,
        recent: &Recent,
        session: &mut Session,
        since: SystemTime,
        deadline: Deadline,
    ) -> Result<Option<Cursor>, RowsError> {
        let answer = rows(session, &self.last_change_statement(recent, since)?, deadline).await?;
        Ok(answer.first().map(|row| recent.key.read(row, 0)).transpose()?)
    }

    pub(in crate::rows) fn last_change_statement(
        &self,
        recent: &Recent,
        since: SystemTime,
    ) -> Result<Statement, KeyError> {
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
    pub(in crate::rows) async fn step_changed(
        &self,
        recent: &Recent,
        session: &mut Session,
        (range, since): (&Range, SystemTime),
        (after, size): (Option<&Cursor>, u64),
        across: Option<&Across>,
        deadline: Deadline,
    ) -> Result<(Step, Vec<Cursor>), RowsError> {
        let whole = Changes { since, after, end: Some(&range.bound).filter(|_| !range.open_end) };
        let answer = rows(session, &self.change_at(recent, whole, size)?, deadline).await?;
        let mut step = if let Some(row) = answer.first() {
            let end = recent.key.read(row, 0)?;
            Step { last: end == range.bound && !range.open_end, end, scanned: size.max(1) }
        } else {
            let scanned = number(session, &self.changes(recent, whole)?, deadline).await?;
            Step { last: true, end: range.bound.clone(), scanned }
        };
        let stretch = Changes { end: Some(&step.end).filter(|_| !(step.last && range.open_end)), ..whole };
        // What is in another database is asked for by key. Where nothing should be left in the source, nothing is asked.
        let across = across.filter(|_| self.purge.is_none());
        let which = self.which(across.is_some());
        let statement = self.changed_items(recent, stretch, range.pass_started, which)?;
        let answer = rows(session, &statement, deadline).await.map_err(|error| self.of_query(error.into()))?;
        let mut changes = answer.iter().map(|row| recent.key.read(row, 0)).collect::<Result<Vec<_>, _>>()?;
        if let Some(across) = across {
            let keys: Vec<Cursor> = changes.iter().map(key_of).collect();
            let there = across.with_target(&keys, deadline).await?;
            let mut place = 0..;
            changes.retain(|_| place.next().is_none_or(|place| !there.contains(&place)));
        }
        let (changes, cut) = found(changes.into_iter());
        if let (true, Some(end)) = (cut, changes.last()) {
            let scanned =
                number(session, &self.changes(recent, Changes { end: Some(end), ..whole })?, deadline).await?;
            step = Step { last: *end == range.bound, end: end.clone(), scanned };
        }
        Ok((step, changes.iter().map(key_of).collect()))
    }

    /// Which items a sweep by changes asks the source for.
    fn which(&self, across: bool) -> Which {
        match (&self.purge, across) {
            (Some(_), _) => Which::Some,
            (None, true) => Which::All,
            // Where there is no table of targets, whoever asks has to look at each of them.
            (None, false) if self.landing.target.is_empty() => Which::Some,
            (None, false) => Which::Missing,
        }
    }

    /// What a sweep over the last hour asks at its beginning, and once it is under way.
    pub(in crate::rows) fn explained_changes(
        &self,
        recent: &Recent,
        last: &Cursor,
        now: SystemTime,
        across: bool,
    ) -> Result<[(&'static str, Statement); 3], KeyError> {
        let since = now.checked_sub(Duration::from_hours(1)).unwrap_or(now);
        let after =
            Cursor(std::iter::once(KeyPart::Time(stamp(since))).chain(last.0.iter().skip(1).cloned()).collect());
        let begun = Changes { since, after: None, end: Some(last) };
        let under_way = Changes { after: Some(&after), ..begun };
        let which = self.which(across);
        let purpose = if which == Which::Missing { "changes without a target" } else { "changed items" };
        let found = (purpose, self.changed_items(recent, under_way, now, which)?);
        Ok([
            ("first changes", self.change_at(recent, begun, crate::rows::plan::SAMPLED)?),
            ("next changes", self.change_at(recent, under_way, crate::rows::plan::SAMPLED)?),
            found,
        ])
    }

    /// The change at which a batch of `size` ends; no row if there are fewer.
    pub(in crate::rows) fn change_at(
        &self,
        recent: &Recent,
        stretch: Changes<'_>,
        size: u64,
    ) -> Result<Statement, KeyError> {
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

    /// Items of a stretch, in the order of their changes.
    pub(in crate::rows) fn changed_items(
        &self,
        recent: &Recent,
        stretch: Changes<'_>,
        pass_started: SystemTime,
        which: Which,
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
        if which == Which::Missing {
            statement.sql(" WHERE NOT EXISTS (SELECT 1 FROM ").sql(&self.landing.target).sql(" h WHERE ");
            statement.sql(&self.landing.matches()).sql(")");
        }
        statement.sql(" ORDER BY ");
        recent.key.order(&mut statement, "t", false);
        if which != Which::All {
            statement.sql(" LIMIT ");
            count(&mut statement, crate::rows::walk::FOUND);
        }
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
