//! The statement of the move itself.

use super::key::KeyError;
use super::mapping::{Fill, FillKind, Mapping, Stretch, stamp};
use crate::spec::ColumnValue;
use crate::sql::Dialect;
use crate::sql::statement::{Bind, Statement};
use std::time::SystemTime;

/// What `$now` and `$run` are for one batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The batch's time.
    pub now: SystemTime,
    /// The invocation's id.
    pub run: String,
}

impl Mapping {
    /// Writes the items of a stretch to the target: all of them, or those without a target.
    pub fn insert(
        &self,
        stretch: &Stretch<'_>,
        pass_started: SystemTime,
        stamp: &Stamp,
        missing_only: bool,
    ) -> Result<Statement, KeyError> {
        let mut statement = self.statement();
        self.inserting(&mut statement, stretch, pass_started, stamp, missing_only)?;
        Ok(statement)
    }

    /// Appends that statement.
    pub(super) fn inserting(
        &self,
        statement: &mut Statement,
        stretch: &Stretch<'_>,
        pass_started: SystemTime,
        stamp: &Stamp,
        missing_only: bool,
    ) -> Result<(), KeyError> {
        // On SQLite a column may be declared to replace what is there, or to ignore what is new: not for us.
        statement.sql(if self.dialect == Dialect::Sqlite { "INSERT OR ABORT INTO " } else { "INSERT INTO " });
        statement.sql(&self.target);
        // RETURNING names its columns by this alias.
        statement.sql(if self.dialect == Dialect::Postgres { " AS h (" } else { " (" });
        for (place, fill) in self.fills.iter().enumerate() {
            statement.sql(if place == 0 { "" } else { ", " }).name(&fill.column);
        }
        statement.sql(") ");
        self.selected(statement, stretch, pass_started, stamp, missing_only)
    }

    /// The select part of [`Mapping::insert`], which a user who may only read can have explained.
    pub fn select(
        &self,
        stretch: &Stretch<'_>,
        pass_started: SystemTime,
        stamp: &Stamp,
    ) -> Result<Statement, KeyError> {
        let mut statement = self.statement();
        self.selected(&mut statement, stretch, pass_started, stamp, false)?;
        Ok(statement)
    }

    fn selected(
        &self,
        statement: &mut Statement,
        stretch: &Stretch<'_>,
        pass_started: SystemTime,
        stamp: &Stamp,
        missing_only: bool,
    ) -> Result<(), KeyError> {
        // PostgreSQL would evaluate a document that is named twice, twice: there it is put behind a fence.
        let fenced = self.dialect == Dialect::Postgres
            && self.fills.iter().any(|fill| fill.value == ColumnValue::Digest)
            && self.document_column().is_some();
        statement.sql("SELECT ");
        let document = if fenced { "d.document" } else { self.document.as_str() };
        for (place, fill) in self.fills.iter().enumerate() {
            statement.sql(if place == 0 { "" } else { ", " });
            match &fill.value {
                ColumnValue::Column(_) if fenced => {
                    statement.sql("d.c").sql(&place.to_string());
                }
                _ => self.filled(statement, fill, document, stamp),
            }
        }
        if fenced {
            // Under names of ours: one of the source's own could be that of the table's alias.
            statement.sql(" FROM (SELECT ");
            for (place, fill) in self.fills.iter().enumerate() {
                if let ColumnValue::Column(name) = &fill.value {
                    statement.sql(&self.t(name)).sql(" AS c").sql(&place.to_string()).sql(", ");
                }
            }
            statement.sql(&self.document).sql(" AS document");
        }
        self.items(statement, stretch, pass_started)?;
        if missing_only {
            statement.sql(" WHERE ");
            self.untargeted(statement, stretch)?;
        }
        if fenced {
            statement.sql(" OFFSET 0) d");
        }
        Ok(())
    }

    /// Appends what fills a column, of the item `t`.
    pub(super) fn filled(&self, statement: &mut Statement, fill: &Fill, document: &str, stamp: &Stamp) {
        match &fill.value {
            ColumnValue::Column(name) => {
                statement.sql(&self.t(name));
            }
            ColumnValue::Document if self.dialect == Dialect::Postgres => {
                statement.sql("CAST(").sql(document).sql(" AS ").sql(&fill.cast).sql(")");
            }
            ColumnValue::Document => {
                statement.sql(document);
            }
            ColumnValue::Digest => {
                statement.sql(&self.digest(document));
            }
            ColumnValue::Now => self.now(statement, fill, stamp),
            ColumnValue::Run => self.word(statement, &stamp.run),
            ColumnValue::Definition => self.word(statement, &self.definition),
        }
    }

    fn now(&self, statement: &mut Statement, fill: &Fill, at: &Stamp) {
        if fill.kind == FillKind::Value && self.dialect != Dialect::Sqlite {
            self.moment(statement, at.now);
        } else {
            // Text says by itself that it is UTC.
            self.word(statement, &format!("{}Z", stamp(at.now).replace(' ', "T")));
        }
    }

    fn word(&self, statement: &mut Statement, word: &str) {
        statement.bind(Bind::Text(word.to_owned()));
        if self.dialect == Dialect::Postgres {
            statement.sql("::text");
        }
    }
}
