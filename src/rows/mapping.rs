//! A definition and the catalog put together: all that the statements are built from.

use super::copy::Copy;
use super::here::purging::Purge;
use super::key::{Key, KeyError, Side};
use super::landing::Landing;
use super::phrase::{moment, text};
use super::walk::recent::Recent;
use crate::cursor::Cursor;
use crate::spec::filter::Piece;
use crate::sql::Dialect;
use crate::sql::statement::Statement;
use std::time::SystemTime;

/// The source of a migration, what it becomes and, within one database, where that goes; where it goes in another one the
/// module `across` knows.
#[derive(Clone, Debug, PartialEq)]
pub struct Mapping {
    /// Whose SQL it is.
    pub dialect: Dialect,
    /// The source table, quoted.
    pub source: String,
    /// What follows the table's alias so that the database walks the key's index, whatever it thinks of it; may be empty.
    pub hint: String,
    /// The source's columns that anything refers to.
    pub columns: Vec<String>,
    /// How it is walked by its changes, if the definition says which column tells them.
    pub recent: Option<Recent>,
    /// The predicate over the source alone.
    pub filter: Option<Vec<Piece>>,
    /// How a row `t` of the source becomes a row `h` of the target.
    pub landing: Landing,
    /// The related tables whose rows are copied too, those above before those beneath.
    pub copies: Vec<Copy>,
    /// What is deleted from the source once it was copied; `None`: nothing is.
    pub purge: Option<Purge>,
}

/// Which items of the source a statement is about.
#[derive(Clone, Copy, Debug)]
pub enum Stretch<'a> {
    /// Beyond `after`, up to and including `end`.
    Range {
        /// `None`: from the start.
        after: Option<&'a Cursor>,
        /// The last key of it.
        end: &'a Cursor,
    },
    /// Exactly these.
    Keys(&'a [Cursor]),
}

impl Stretch<'_> {
    /// Appends the predicate of the stretch over a key.
    pub(super) fn within(&self, key: &Key, statement: &mut Statement, alias: &str) -> Result<(), KeyError> {
        match self {
            Self::Range { after, end } => {
                if let Some(after) = after {
                    key.compare(statement, alias, Side::After, after)?;
                    statement.sql(" AND ");
                }
                key.compare(statement, alias, Side::UpTo, end)
            }
            Self::Keys(keys) => key.among(statement, alias, keys),
        }
    }
}

impl Mapping {
    pub(super) fn statement(&self) -> Statement {
        Statement::new(self.dialect)
    }

    /// The source's key.
    pub(super) fn key(&self) -> &Key {
        &self.landing.key
    }

    /// Appends ` FROM source t … WHERE stretch`: keys alone, whatever `where` says of their rows.
    pub(super) fn walked(&self, statement: &mut Statement, stretch: &Stretch<'_>) -> Result<(), KeyError> {
        statement.sql(" FROM ").sql(&self.source).sql(" t").sql(&self.hint).sql(" WHERE ");
        self.within(statement, stretch)
    }

    /// Appends ` FROM `, and the items of the stretch.
    pub(super) fn items(
        &self,
        statement: &mut Statement,
        stretch: &Stretch<'_>,
        pass_started: SystemTime,
    ) -> Result<(), KeyError> {
        statement.sql(" FROM ");
        self.derived(statement, stretch, pass_started)
    }

    /// Appends `(SELECT … FROM source t WHERE stretch AND filter) t`: the items of the stretch, and no other table in the
    /// scope of `where`.
    pub(super) fn derived(
        &self,
        statement: &mut Statement,
        stretch: &Stretch<'_>,
        pass_started: SystemTime,
    ) -> Result<(), KeyError> {
        statement.sql("(");
        self.rows_of(statement, stretch, pass_started)?;
        statement.sql(") t");
        Ok(())
    }

    /// Appends `SELECT … FROM source t WHERE stretch AND filter`.
    pub(super) fn rows_of(
        &self,
        statement: &mut Statement,
        stretch: &Stretch<'_>,
        pass_started: SystemTime,
    ) -> Result<(), KeyError> {
        statement.sql("SELECT ");
        for (place, name) in self.columns.iter().enumerate() {
            statement.sql(if place == 0 { "t." } else { ", t." }).name(name);
        }
        self.walked(statement, stretch)?;
        self.filtered(statement, pass_started);
        Ok(())
    }

    /// Appends ` AND (where)`, if there is one.
    pub(super) fn filtered(&self, statement: &mut Statement, pass_started: SystemTime) {
        let Some(pieces) = &self.filter else { return };
        statement.sql(" AND (");
        for piece in pieces {
            match piece {
                Piece::Sql(text) => {
                    statement.sql(text);
                }
                Piece::PassStarted => moment(statement, pass_started),
            }
        }
        statement.sql(")");
    }

    /// Appends the predicate of a stretch over the source's key.
    pub(super) fn within(&self, statement: &mut Statement, stretch: &Stretch<'_>) -> Result<(), KeyError> {
        stretch.within(self.key(), statement, "t")
    }

    /// Appends the items of a stretch that have a target, as `t`, and these targets, as `h`.
    pub(super) fn pairs(
        &self,
        statement: &mut Statement,
        stretch: &Stretch<'_>,
        pass_started: SystemTime,
    ) -> Result<(), KeyError> {
        self.joined(statement, " JOIN ", stretch, pass_started)
    }

    /// Appends all items of a stretch, as `t`, and the targets of those that have one, as `h`.
    pub(super) fn items_and_targets(
        &self,
        statement: &mut Statement,
        stretch: &Stretch<'_>,
        pass_started: SystemTime,
    ) -> Result<(), KeyError> {
        self.joined(statement, " LEFT JOIN ", stretch, pass_started)
    }

    fn joined(
        &self,
        statement: &mut Statement,
        join: &str,
        stretch: &Stretch<'_>,
        pass_started: SystemTime,
    ) -> Result<(), KeyError> {
        self.items(statement, stretch, pass_started)?;
        statement.sql(join).sql(&self.landing.target).sql(" h ON ").sql(&self.landing.matches());
        self.alongside(statement, stretch)
    }

    /// Appends `NOT EXISTS (target of t)`, of the items `t` of a stretch.
    pub(super) fn untargeted(&self, statement: &mut Statement, stretch: &Stretch<'_>) -> Result<(), KeyError> {
        statement.sql("NOT EXISTS (SELECT 1 FROM ").sql(&self.landing.target).sql(" h WHERE ");
        statement.sql(&self.landing.matches());
        self.alongside(statement, stretch)?;
        statement.sql(")");
        Ok(())
    }

    /// Appends the stretch as a range of the target's key too. It follows from the join, but PostgreSQL does not see that:
    /// its merge join would walk the target's index from the start, batch after batch.
    pub(super) fn alongside(&self, statement: &mut Statement, stretch: &Stretch<'_>) -> Result<(), KeyError> {
        if !self.landing.in_step() {
            return Ok(());
        }
        statement.sql(" AND ");
        stretch.within(&self.landing.key_of_target(), statement, "h")
    }

    /// From now on `$definition` is this digest.
    pub(super) fn define(&mut self, digest: &str) {
        for landing in std::iter::once(&mut self.landing).chain(self.copies.iter_mut().map(|copy| &mut copy.landing)) {
            digest.clone_into(&mut landing.definition);
        }
    }

    /// A number as text, which is what results are read as.
    pub(super) fn text(&self, x: &str) -> String {
        text(self.dialect, x)
    }
}
