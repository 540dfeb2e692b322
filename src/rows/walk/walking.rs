//! The statements of the walk: where the source and its batches end, how much there is, and what has no target yet.

use crate::cursor::Cursor;
use crate::rows::key::{KeyError, Side};
use crate::rows::mapping::{Mapping, Stretch};
use crate::rows::phrase::count;
use crate::sql::Dialect;
use crate::sql::statement::Statement;
use std::time::SystemTime;

impl Mapping {
    /// The last key of the source, beyond `least` if there is one.
    pub fn last_key(&self, least: Option<&Cursor>) -> Result<Statement, KeyError> {
        let mut statement = self.statement();
        statement.sql("SELECT ");
        self.key().print(&mut statement, "t");
        statement.sql(" FROM ").sql(&self.source).sql(" t").sql(&self.hint);
        if let Some(least) = least {
            statement.sql(" WHERE ");
            self.key().compare(&mut statement, "t", Side::After, least)?;
        }
        statement.sql(" ORDER BY ");
        self.key().order(&mut statement, "t", true);
        statement.sql(" LIMIT 1");
        Ok(statement)
    }

    /// The key at which a batch of `size` keys ends; no row if there are fewer.
    pub fn boundary(&self, after: Option<&Cursor>, bound: &Cursor, size: u64) -> Result<Statement, KeyError> {
        let mut statement = self.statement();
        self.bounded(&mut statement, after, bound, size)?;
        Ok(statement)
    }

    /// The same, as a part of another statement.
    pub(in crate::rows) fn bounded(
        &self,
        statement: &mut Statement,
        after: Option<&Cursor>,
        bound: &Cursor,
        size: u64,
    ) -> Result<(), KeyError> {
        statement.sql("SELECT ");
        self.key().print(statement, "t");
        self.walked(statement, &Stretch::Range { after, end: bound })?;
        statement.sql(" ORDER BY ");
        self.key().order(statement, "t", false);
        statement.sql(" LIMIT 1 OFFSET ");
        count(statement, size.saturating_sub(1));
        Ok(())
    }

    /// How many keys a stretch holds, items or not.
    pub fn keys(&self, stretch: &Stretch<'_>) -> Result<Statement, KeyError> {
        let mut statement = self.statement();
        statement.sql("SELECT ").sql(&self.text("COUNT(*)"));
        self.walked(&mut statement, stretch)?;
        Ok(statement)
    }

    /// How many keys and how many items the source has.
    pub fn totals(
        &self,
        part: (Option<&Cursor>, Option<&Cursor>),
        pass_started: SystemTime,
    ) -> Result<Statement, KeyError> {
        let mut statement = self.statement();
        statement.sql("SELECT ").sql(&self.text("COUNT(*)")).sql(", ");
        if self.filter.is_some() {
            statement.sql("CAST(COALESCE(SUM(CASE WHEN 1 = 1");
            self.filtered(&mut statement, pass_started);
            statement.sql(" THEN 1 ELSE 0 END), 0) AS ").sql(if self.dialect == Dialect::MySql {
                "CHAR)"
            } else {
                "TEXT)"
            });
        } else {
            statement.sql(&self.text("COUNT(*)"));
        }
        statement.sql(" FROM ").sql(&self.source).sql(" t");
        let (after, end) = part;
        if after.is_some() || end.is_some() {
            statement.sql(&self.hint).sql(" WHERE ");
        }
        if let Some(after) = after {
            self.key().compare(&mut statement, "t", Side::After, after)?;
        }
        if let Some(end) = end {
            statement.sql(if after.is_some() { " AND " } else { "" });
            self.key().compare(&mut statement, "t", Side::UpTo, end)?;
        }
        Ok(statement)
    }

    /// Keys of up to `most` items of a stretch that a sweep has to move, in the key's order: those without a target, or all of
    /// them where none should be left in the source.
    pub fn missing(&self, stretch: &Stretch<'_>, pass_started: SystemTime, most: u64) -> Result<Statement, KeyError> {
        let mut statement = self.statement();
        statement.sql("SELECT ");
        self.key().print(&mut statement, "t");
        match (&self.purge, self.dialect) {
            (Some(_), _) => self.items(&mut statement, stretch, pass_started)?,
            // MySQL would set a subquery up anew for each row: that costs twice as much as a join.
            (None, Dialect::MySql) => {
                self.items_and_targets(&mut statement, stretch, pass_started)?;
                statement.sql(" WHERE ").sql(&self.landing.absent());
            }
            (None, Dialect::Postgres | Dialect::Sqlite) => {
                self.items(&mut statement, stretch, pass_started)?;
                statement.sql(" WHERE ");
                self.untargeted(&mut statement, stretch)?;
            }
        }
        statement.sql(" ORDER BY ");
        self.key().order(&mut statement, "t", false);
        statement.sql(" LIMIT ");
        count(&mut statement, most);
        Ok(statement)
    }

    /// Answers a row if some target lies in a stretch of keys, an item's or not; `None` where the target's keys are not known to
    /// sort as the source's by an index of theirs.
    pub(in crate::rows) fn occupied(&self, stretch: &Stretch<'_>) -> Result<Option<Statement>, KeyError> {
        let (Some(hint), Stretch::Range { .. }) = (&self.landing.walk, stretch) else { return Ok(None) };
        let mut statement = self.statement();
        statement.sql("SELECT 1 FROM ").sql(&self.landing.target).sql(" h").sql(hint).sql(" WHERE ");
        stretch.within(&self.landing.key_of_target(), &mut statement, "h")?;
        statement.sql(" LIMIT 1");
        Ok(Some(statement))
    }
}
