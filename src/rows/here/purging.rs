//! The statements of archive and purge: which rows are held, which copies are equal by now, and what is deleted.

use crate::rows::copy::{Branch, join};
use crate::rows::key::KeyError;
use crate::rows::mapping::{Mapping, Stretch};
use crate::sql::Dialect;
use crate::sql::statement::Statement;
use std::time::SystemTime;

/// What leaves the source together with an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purge {
    /// The related tables, in the order in which their rows are deleted.
    pub limbs: Vec<Limb>,
    /// MySQL: no foreign key keeps new children away from a locked parent, so the gaps between the children have to be
    /// locked, which is done above READ COMMITTED alone.
    pub gaps: bool,
    /// SQLite: tables that are not named, and may keep rows from being deleted at the commit alone.
    pub referrers: Vec<Referrer>,
}

/// A table that refers to rows which leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Referrer {
    /// The tables from the item's row `t` down to the one that it refers to, and it itself, comma-separated.
    pub from: String,
    /// How they belong together.
    pub on: String,
}

/// A related table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limb {
    /// The tables from the item's row `t` down to it, which is the last.
    pub branches: Vec<Branch>,
    /// Its columns of `on`, comma-separated.
    pub theirs: String,
    /// Those of the table above it.
    pub ours: String,
}

impl Mapping {
    /// Keys of the items of a stretch, in their order; from now on nobody else changes their rows.
    pub fn lock(&self, stretch: &Stretch<'_>, pass_started: SystemTime) -> Result<Statement, KeyError> {
        let mut statement = self.statement();
        statement.sql("SELECT ");
        self.key().print(&mut statement, "t");
        self.walked(&mut statement, stretch)?;
        self.filtered(&mut statement, pass_started);
        statement.sql(" ORDER BY ");
        self.key().order(&mut statement, "t", false);
        statement.sql(self.for_update());
        Ok(statement)
    }

    /// How many items a stretch holds; from now on nobody else changes their rows.
    pub fn lock_counted(&self, stretch: &Stretch<'_>, pass_started: SystemTime) -> Result<Statement, KeyError> {
        let mut statement = self.statement();
        statement.sql("SELECT ").sql(&self.text("COUNT(*)")).sql(" FROM (");
        self.rows_of(&mut statement, stretch, pass_started)?;
        if self.dialect == Dialect::Postgres {
            // In one order, whichever index serves: two of them cannot wait for each other then.
            statement.sql(" ORDER BY ");
            self.key().order(&mut statement, "t", false);
        }
        statement.sql(self.for_update()).sql(") t");
        Ok(statement)
    }

    /// Those of these keys that the source has, whatever `where` says of them.
    pub fn present(&self, stretch: &Stretch<'_>) -> Result<Statement, KeyError> {
        let mut statement = self.statement();
        statement.sql("SELECT ");
        self.key().print(&mut statement, "t");
        self.walked(&mut statement, stretch)?;
        Ok(statement)
    }

    /// How many rows of a related table the items of a stretch have; from now on nobody else changes these, nor, by a
    /// foreign key or by the gaps between them, adds any.
    pub fn lock_limb(
        &self,
        limb: &Limb,
        stretch: &Stretch<'_>,
        pass_started: SystemTime,
    ) -> Result<Statement, KeyError> {
        let mut statement = self.statement();
        statement.sql("SELECT ").sql(&self.text("COUNT(*)")).sql(" FROM ");
        self.held(&mut statement, stretch, pass_started)?;
        for branch in &limb.branches {
            self.join_held(&mut statement, branch);
        }
        if self.dialect == Dialect::MySql {
            statement.sql(self.for_update());
        }
        Ok(statement)
    }

    /// Keys of the items of a stretch whose target is exactly what they are.
    pub fn equal_keys(&self, stretch: &Stretch<'_>, pass_started: SystemTime) -> Result<Statement, KeyError> {
        let mut statement = self.statement();
        statement.sql("SELECT ");
        self.key().print(&mut statement, "t");
        self.pairs(&mut statement, stretch, pass_started)?;
        statement.sql(" WHERE ").sql(&self.equal()).sql(" ORDER BY ");
        self.key().order(&mut statement, "t", false);
        Ok(statement)
    }

    /// Deletes the rows of a related table that the items of a stretch have.
    pub fn delete_limb(
        &self,
        limb: &Limb,
        stretch: &Stretch<'_>,
        pass_started: SystemTime,
    ) -> Result<Statement, KeyError> {
        let mut statement = self.statement();
        let Some((own, above)) = limb.branches.split_last() else { return Ok(statement) };
        match self.dialect {
            Dialect::MySql => {
                statement.sql("DELETE ").sql(&own.alias).sql(" FROM ");
                self.derived(&mut statement, stretch, pass_started)?;
                for branch in &limb.branches {
                    statement.sql(&join(self.dialect, branch));
                }
            }
            Dialect::Postgres => {
                statement.sql("DELETE FROM ").sql(&own.table).sql(" ").sql(&own.alias).sql(" USING ");
                self.derived(&mut statement, stretch, pass_started)?;
                for branch in above {
                    statement.sql(&join(self.dialect, branch));
                }
                statement.sql(" WHERE ").sql(&own.on);
            }
            // It joins nothing to what it deletes from; the index of `on` serves all the same.
            Dialect::Sqlite => {
                statement.sql("DELETE FROM ").sql(&own.table).sql(" WHERE (").sql(&limb.theirs);
                statement.sql(") IN (SELECT ").sql(&limb.ours).sql(" FROM ");
                self.derived(&mut statement, stretch, pass_started)?;
                for branch in above {
                    statement.sql(&join(self.dialect, branch));
                }
                statement.sql(")");
            }
        }
        Ok(statement)
    }

    /// Deletes the rows of the items of a stretch.
    pub fn delete(&self, stretch: &Stretch<'_>, pass_started: SystemTime) -> Result<Statement, KeyError> {
        let mut statement = self.statement();
        statement.sql(if self.dialect == Dialect::MySql { "DELETE t FROM " } else { "DELETE FROM " });
        statement.sql(&self.source).sql(if self.dialect == Dialect::MySql { " t" } else { " AS t" });
        statement.sql(&self.hint).sql(" WHERE ");
        self.within(&mut statement, stretch)?;
        self.filtered(&mut statement, pass_started);
        Ok(statement)
    }

    /// How many of these items a row of another table refers to, or to a row that leaves with them.
    pub fn referred(&self, referrer: &Referrer, stretch: &Stretch<'_>) -> Result<Statement, KeyError> {
        let mut statement = self.statement();
        statement.sql("SELECT ").sql(&self.text("COUNT(*)"));
        self.walked(&mut statement, stretch)?;
        statement.sql(" AND EXISTS (SELECT 1 FROM ").sql(&referrer.from).sql(" WHERE ").sql(&referrer.on).sql(")");
        Ok(statement)
    }

    /// How many of these keys have a target and no row of the source any more.
    pub fn vanished(&self, stretch: &Stretch<'_>) -> Result<Statement, KeyError> {
        let mut statement = self.statement();
        statement.sql("SELECT ").sql(&self.text("COUNT(*)")).sql(" FROM ").sql(&self.landing.target).sql(" h WHERE ");
        stretch.within(&self.landing.key_of_target(), &mut statement, "h")?;
        statement.sql(" AND NOT EXISTS (SELECT 1 FROM ").sql(&self.source).sql(" t WHERE ");
        statement.sql(&self.landing.matches()).sql(")");
        Ok(statement)
    }

    /// The items of a stretch, as `t`. On MySQL they are locked here too: a read that locks nothing would fix what the
    /// transaction sees of the other tables before these are locked.
    fn held(&self, statement: &mut Statement, stretch: &Stretch<'_>, pass_started: SystemTime) -> Result<(), KeyError> {
        if self.dialect != Dialect::MySql {
            return self.derived(statement, stretch, pass_started);
        }
        statement.sql("(");
        self.rows_of(statement, stretch, pass_started)?;
        statement.sql(self.for_update()).sql(") t");
        Ok(())
    }

    fn join_held(&self, statement: &mut Statement, branch: &Branch) {
        let Branch { table, alias, on, .. } = branch;
        statement.sql(&match self.dialect {
            Dialect::Postgres => format!(
                " CROSS JOIN LATERAL (SELECT {alias}.* FROM {table} {alias} WHERE {on} OFFSET 0 FOR UPDATE) {alias}"
            ),
            dialect => join(dialect, branch),
        });
    }

    /// SQLite's transaction has locked the whole file.
    fn for_update(&self) -> &'static str {
        if self.dialect == Dialect::Sqlite { "" } else { " FOR UPDATE" }
    }
}
