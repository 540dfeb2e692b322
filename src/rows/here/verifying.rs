//! The statements that compare source and target.

use crate::cursor::Cursor;
use crate::rows::key::{KeyError, Side};
use crate::rows::mapping::{Mapping, Stretch};
use crate::rows::phrase::count;
use crate::sql::statement::Statement;
use std::time::SystemTime;

impl Mapping {
    /// Over the items of a stretch: how many, how many of them without a target, how many with an equal one.
    pub fn tally(&self, stretch: &Stretch<'_>, pass_started: SystemTime) -> Result<Statement, KeyError> {
        let absent = self.landing.absent();
        let equal = self.equal();
        let sum = |condition: &str| self.text(&format!("COALESCE(SUM(CASE WHEN {condition} THEN 1 ELSE 0 END), 0)"));
        let mut statement = self.statement();
        statement
            .sql("SELECT ")
            .sql(&self.text("COUNT(*)"))
            .sql(", ")
            .sql(&sum(&absent))
            .sql(", ")
            .sql(&sum(&format!("NOT ({absent}) AND {equal}")));
        self.items_and_targets(&mut statement, stretch, pass_started)?;
        Ok(statement)
    }

    /// Over the items of a stretch: how many, and how many of them without a target. What these hold is not looked at.
    pub fn presence(&self, stretch: &Stretch<'_>, pass_started: SystemTime) -> Result<Statement, KeyError> {
        let absent = format!("COALESCE(SUM(CASE WHEN {} THEN 1 ELSE 0 END), 0)", self.landing.absent());
        let mut statement = self.statement();
        statement.sql("SELECT ").sql(&self.text("COUNT(*)")).sql(", ").sql(&self.text(&absent));
        self.items_and_targets(&mut statement, stretch, pass_started)?;
        Ok(statement)
    }

    /// Key and kind of the first few items of a stretch that are missing or different.
    pub fn mismatches(
        &self,
        stretch: &Stretch<'_>,
        pass_started: SystemTime,
        most: u64,
    ) -> Result<Statement, KeyError> {
        let absent = self.landing.absent();
        let mut statement = self.statement();
        statement.sql("SELECT ");
        self.key().print(&mut statement, "t");
        statement.sql(", CASE WHEN ").sql(&absent).sql(" THEN 'missing' ELSE 'different' END");
        self.items_and_targets(&mut statement, stretch, pass_started)?;
        statement.sql(" WHERE ").sql(&absent).sql(" OR NOT (").sql(&self.equal()).sql(") ORDER BY ");
        self.key().order(&mut statement, "t", false);
        statement.sql(" LIMIT ");
        count(&mut statement, most);
        Ok(statement)
    }

    /// How many targets beyond `after`, up to `end` if there is one, have no item in the source.
    pub fn extras(
        &self,
        after: Option<&Cursor>,
        end: Option<&Cursor>,
        pass_started: SystemTime,
    ) -> Result<Statement, KeyError> {
        let mut statement = self.statement();
        statement.sql("SELECT ").sql(&self.text("COUNT(*)"));
        self.without_source(&mut statement, after, end, pass_started)?;
        Ok(statement)
    }

    /// Keys of the first few of them.
    pub fn extra_keys(
        &self,
        after: Option<&Cursor>,
        end: Option<&Cursor>,
        pass_started: SystemTime,
        most: u64,
    ) -> Result<Statement, KeyError> {
        let mut statement = self.statement();
        let key = self.landing.key_of_target();
        statement.sql("SELECT ");
        key.print(&mut statement, "h");
        self.without_source(&mut statement, after, end, pass_started)?;
        statement.sql(" ORDER BY ");
        self.target_order(&mut statement);
        statement.sql(" LIMIT ");
        count(&mut statement, most);
        Ok(statement)
    }

    /// The key at which a stretch with that many targets ends, up to `end` if there is one; no row if it has fewer.
    pub fn target_boundary(
        &self,
        after: Option<&Cursor>,
        end: Option<&Cursor>,
        size: u64,
    ) -> Result<Statement, KeyError> {
        let mut statement = self.statement();
        statement.sql("SELECT ");
        self.landing.key_of_target().print(&mut statement, "h");
        statement.sql(" FROM ").sql(&self.landing.target).sql(" h WHERE ");
        self.target_range(&mut statement, after, end)?;
        statement.sql(" ORDER BY ");
        self.target_order(&mut statement);
        statement.sql(" LIMIT 1 OFFSET ");
        count(&mut statement, size.saturating_sub(1));
        Ok(statement)
    }

    fn without_source(
        &self,
        statement: &mut Statement,
        after: Option<&Cursor>,
        end: Option<&Cursor>,
        pass_started: SystemTime,
    ) -> Result<(), KeyError> {
        statement.sql(" FROM ").sql(&self.landing.target).sql(" h WHERE ");
        self.target_range(statement, after, end)?;
        // A derived table, so that `where` sees the source alone.
        statement.sql(" AND NOT EXISTS (SELECT 1 FROM (SELECT ");
        self.key().order(statement, "t", false);
        statement.sql(" FROM ").sql(&self.source).sql(" t WHERE 1 = 1");
        if self.landing.in_step() {
            // As the targets' own range: see `alongside`.
            for (side, cursor) in [(Side::After, after), (Side::UpTo, end)] {
                let Some(cursor) = cursor else { continue };
                statement.sql(" AND ");
                self.key().compare(statement, "t", side, cursor)?;
            }
        }
        self.filtered(statement, pass_started);
        statement.sql(") t WHERE ");
        statement.sql(&self.landing.matches());
        statement.sql(")");
        Ok(())
    }

    /// Appends the range over the target's own key columns, in the source's order.
    fn target_range(
        &self,
        statement: &mut Statement,
        after: Option<&Cursor>,
        end: Option<&Cursor>,
    ) -> Result<(), KeyError> {
        let key = self.landing.key_of_target();
        let mut empty = true;
        for (side, cursor) in [(Side::After, after), (Side::UpTo, end)] {
            let Some(cursor) = cursor else { continue };
            statement.sql(if empty { "" } else { " AND " });
            empty = false;
            key.compare(statement, "h", side, cursor)?;
        }
        statement.sql(if empty { "1 = 1" } else { "" });
        Ok(())
    }

    fn target_order(&self, statement: &mut Statement) {
        self.landing.key_of_target().order(statement, "h", false);
    }
}

/// Targets that one stretch of a comparison looks at, for each key of the source that it may look at.
pub(in crate::rows) const TARGETS_PER_KEY: u64 = 2;
