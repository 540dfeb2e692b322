//! The statements of the account: what a batch found, what it wrote, and how large that is.

use crate::rows::key::KeyError;
use crate::rows::landing::Stamp;
use crate::rows::mapping::{Mapping, Stretch};
use crate::rows::phrase::{count, counted};
use crate::sql::Dialect;
use crate::sql::statement::Statement;
use std::time::SystemTime;

impl Mapping {
    /// PostgreSQL: inserts, and answers one row: how many items the stretch holds, how many of them had a target, how many
    /// rows were inserted, the sum of their bytes, and how many are larger than `max_item`. All of it is one
    /// snapshot, so that a row that the target swallows (a trigger that returns NULL) is missing in the sum for certain.
    pub fn insert_accounted(
        &self,
        stretch: &Stretch<'_>,
        pass_started: SystemTime,
        stamp: &Stamp,
        missing_only: bool,
        max_item: u64,
    ) -> Result<Statement, KeyError> {
        let bytes = self.landing.bytes();
        let mut statement = self.statement();
        statement.sql("WITH w AS (");
        self.inserting(&mut statement, stretch, pass_started, stamp, missing_only)?;
        statement.sql(" RETURNING CAST(").sql(&bytes).sql(" AS bigint) AS bytes), i AS (SELECT COUNT(*) AS items, ");
        if missing_only {
            self.targets(&mut statement);
            statement.sql(" AS there");
            self.items_and_targets(&mut statement, stretch, pass_started)?;
        } else {
            statement.sql("0 AS there");
            self.items(&mut statement, stretch, pass_started)?;
        }
        // The items by name, as the one row that there is.
        statement.sql(") SELECT (SELECT i.items::text FROM i), (SELECT i.there::text FROM i), ");
        statement.sql("COUNT(*)::text, COALESCE(SUM(w.bytes), 0)::text, COUNT(*) FILTER (WHERE w.bytes > ");
        count(&mut statement, max_item);
        statement.sql(")::text FROM w");
        Ok(statement)
    }

    /// Over the items of a stretch: how many, how many of them have a target now, the sum of these targets' bytes, and how
    /// many of these are larger than `max_item`.
    pub fn account(
        &self,
        stretch: &Stretch<'_>,
        pass_started: SystemTime,
        max_item: u64,
    ) -> Result<Statement, KeyError> {
        let bytes = self.landing.bytes();
        let mut statement = self.statement();
        statement.sql("SELECT ").sql(&self.text("COUNT(*)")).sql(", CAST(");
        self.targets(&mut statement);
        statement
            .sql(if self.dialect == Dialect::MySql { " AS CHAR), " } else { " AS TEXT), " })
            .sql(&self.text(&format!("COALESCE(SUM({bytes}), 0)")))
            .sql(", ");
        self.count_oversized(&mut statement, max_item);
        self.items_and_targets(&mut statement, stretch, pass_started)?;
        Ok(statement)
    }

    /// The same of what lies in the target in a stretch of keys, an item's target or not: as many as were inserted there where
    /// there was none before, unless a trigger put some elsewhere.
    pub(in crate::rows) fn account_of_range(
        &self,
        hint: &str,
        stretch: &Stretch<'_>,
        max_item: u64,
    ) -> Result<Statement, KeyError> {
        let bytes = self.landing.bytes();
        let mut statement = self.statement();
        statement.sql("SELECT ").sql(&self.text("COUNT(*)")).sql(", ");
        statement.sql(&self.text(&format!("COALESCE(SUM({bytes}), 0)"))).sql(", ");
        self.count_oversized(&mut statement, max_item);
        statement.sql(" FROM ").sql(&self.landing.target).sql(" h").sql(hint).sql(" WHERE ");
        stretch.within(&self.landing.key_of_target(), &mut statement, "h")?;
        Ok(statement)
    }

    /// Appends the number of targets, after a LEFT JOIN.
    fn targets(&self, statement: &mut Statement) {
        match self.landing.presence() {
            Some(x) => statement.sql("COUNT(").sql(&x).sql(")"),
            None => statement.sql("0"),
        };
    }

    /// Appends how many of the targets are larger than `max_item`.
    pub(in crate::rows) fn count_oversized(&self, statement: &mut Statement, max_item: u64) {
        counted(statement, &format!("{} > ", self.landing.bytes()), |statement| count(statement, max_item));
    }

    /// Key and bytes of the first `most` items of a stretch whose target is larger than `max_item`.
    pub fn oversized(
        &self,
        stretch: &Stretch<'_>,
        pass_started: SystemTime,
        max_item: u64,
        most: u64,
    ) -> Result<Statement, KeyError> {
        let bytes = self.landing.bytes();
        let mut statement = self.statement();
        statement.sql("SELECT ");
        self.key().print(&mut statement, "t");
        statement.sql(", ").sql(&self.text(&bytes));
        self.pairs(&mut statement, stretch, pass_started)?;
        statement.sql(" WHERE ").sql(&bytes).sql(" > ");
        count(&mut statement, max_item);
        statement.sql(" ORDER BY ");
        self.key().order(&mut statement, "t", false);
        statement.sql(" LIMIT ");
        count(&mut statement, most);
        Ok(statement)
    }
}
