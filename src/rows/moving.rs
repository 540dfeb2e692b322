//! The statements of a batch: where it ends, what is there already, the move itself, and the account of it.

use super::key::{KeyError, Side};
use super::mapping::{Fill, FillKind, Mapping, Stretch, stamp};
use crate::cursor::Cursor;
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
    /// The last key of the source, beyond `least` if there is one.
    pub fn last_key(&self, least: Option<&Cursor>) -> Result<Statement, KeyError> {
        let mut statement = self.statement();
        statement.sql("SELECT ");
        self.key.print(&mut statement, "t");
        statement.sql(" FROM ").sql(&self.source).sql(" t").sql(&self.hint);
        if let Some(least) = least {
            statement.sql(" WHERE ");
            self.key.compare(&mut statement, "t", Side::After, least)?;
        }
        statement.sql(" ORDER BY ");
        self.key.order(&mut statement, "t", true);
        statement.sql(" LIMIT 1");
        Ok(statement)
    }

    /// The key at which a batch of `size` keys ends; no row if there are fewer.
    pub fn boundary(&self, after: Option<&Cursor>, bound: &Cursor, size: u64) -> Result<Statement, KeyError> {
        let mut statement = self.statement();
        statement.sql("SELECT ");
        self.key.print(&mut statement, "t");
        self.walked(&mut statement, &Stretch::Range { after, end: bound })?;
        statement.sql(" ORDER BY ");
        self.key.order(&mut statement, "t", false);
        statement.sql(" LIMIT 1 OFFSET ");
        self.count(&mut statement, size.saturating_sub(1));
        Ok(statement)
    }

    /// How many keys a stretch holds, items or not.
    pub fn keys(&self, stretch: &Stretch<'_>) -> Result<Statement, KeyError> {
        let mut statement = self.statement();
        statement.sql(self.counted("COUNT(*)").as_str());
        self.walked(&mut statement, stretch)?;
        Ok(statement)
    }

    /// How many keys and how many items the source has.
    pub fn totals(&self, pass_started: SystemTime) -> Statement {
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
        statement
    }

    /// Over the items of a stretch whose target exists: how many, how many of them equal, sum and greatest of their
    /// documents' bytes.
    pub fn compare(&self, stretch: &Stretch<'_>, pass_started: SystemTime) -> Result<Statement, KeyError> {
        let mut statement = self.statement();
        let equal = self.equal();
        let sum = |x: &str| self.text(&format!("COALESCE(SUM({x}), 0)"));
        statement
            .sql("SELECT ")
            .sql(&self.text("COUNT(*)"))
            .sql(", ")
            .sql(&sum(&format!("CASE WHEN {equal} THEN 1 ELSE 0 END")))
            .sql(", ")
            .sql(&sum(&self.document_bytes()))
            .sql(", ")
            .sql(&self.text(&format!("COALESCE(MAX({}), 0)", self.document_bytes())));
        self.items(&mut statement, stretch, pass_started)?;
        statement.sql(" JOIN ").sql(&self.target).sql(" h ON ");
        self.matches(&mut statement);
        Ok(statement)
    }

    /// The items of a stretch whose target is different: key, both digests of the document, and for each compared column
    /// whether it is equal.
    pub fn conflicts(&self, stretch: &Stretch<'_>, pass_started: SystemTime) -> Result<Statement, KeyError> {
        let mut statement = self.statement();
        statement.sql("SELECT ");
        self.key.print(&mut statement, "t");
        match self.document_column() {
            Some(fill) => {
                let (ours, theirs) = (self.digested(&self.document, fill.kind), self.held(fill));
                statement.sql(", ").sql(&self.digest(&ours)).sql(", ").sql(&self.digest(&theirs));
            }
            None => {
                statement.sql(", NULL, NULL");
            }
        }
        for fill in self.compared() {
            let flag = format!("CASE WHEN {} THEN 1 ELSE 0 END", self.same(fill));
            statement.sql(", ").sql(&self.text(&flag));
        }
        self.items(&mut statement, stretch, pass_started)?;
        statement.sql(" JOIN ").sql(&self.target).sql(" h ON ");
        self.matches(&mut statement);
        statement.sql(" WHERE NOT (").sql(&self.equal()).sql(") ORDER BY ");
        self.key.order(&mut statement, "t", false);
        Ok(statement)
    }

    /// Writes the items of a stretch to the target: all of them, or those without a target.
    pub fn insert(
        &self,
        stretch: &Stretch<'_>,
        pass_started: SystemTime,
        stamp: &Stamp,
        missing_only: bool,
    ) -> Result<Statement, KeyError> {
        let mut statement = self.statement();
        statement.sql("INSERT INTO ").sql(&self.target).sql(" (");
        for (place, fill) in self.fills.iter().enumerate() {
            statement.sql(if place == 0 { "" } else { ", " }).name(&fill.column);
        }
        statement.sql(") ");
        self.selected(&mut statement, stretch, pass_started, stamp, missing_only)?;
        Ok(statement)
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

    /// Over the items of a stretch that have a target now: how many, and sum and greatest of their documents' bytes.
    pub fn account(&self, stretch: &Stretch<'_>, pass_started: SystemTime) -> Result<Statement, KeyError> {
        let bytes = self.document_bytes();
        let mut statement = self.statement();
        statement
            .sql("SELECT ")
            .sql(&self.text("COUNT(*)"))
            .sql(", ")
            .sql(&self.text(&format!("COALESCE(SUM({bytes}), 0)")))
            .sql(", ")
            .sql(&self.text(&format!("COALESCE(MAX({bytes}), 0)")));
        self.items(&mut statement, stretch, pass_started)?;
        statement.sql(" JOIN ").sql(&self.target).sql(" h ON ");
        self.matches(&mut statement);
        Ok(statement)
    }

    /// Key and bytes of the first item of a stretch whose target document is larger than `max_item`.
    pub fn oversized(
        &self,
        stretch: &Stretch<'_>,
        pass_started: SystemTime,
        max_item: u64,
    ) -> Result<Statement, KeyError> {
        let bytes = self.document_bytes();
        let mut statement = self.statement();
        statement.sql("SELECT ");
        self.key.print(&mut statement, "t");
        statement.sql(", ").sql(&self.text(&bytes));
        self.items(&mut statement, stretch, pass_started)?;
        statement.sql(" JOIN ").sql(&self.target).sql(" h ON ");
        self.matches(&mut statement);
        statement.sql(" WHERE ").sql(&bytes).sql(" > ");
        self.count(&mut statement, max_item);
        statement.sql(" ORDER BY ");
        self.key.order(&mut statement, "t", false);
        statement.sql(" LIMIT 1");
        Ok(statement)
    }

    /// Keys of up to `most` items of a stretch without a target, in the key's order.
    pub fn missing(&self, stretch: &Stretch<'_>, pass_started: SystemTime, most: u64) -> Result<Statement, KeyError> {
        let mut statement = self.statement();
        statement.sql("SELECT ");
        self.key.print(&mut statement, "t");
        self.items(&mut statement, stretch, pass_started)?;
        statement.sql(" WHERE ");
        self.untargeted(&mut statement);
        statement.sql(" ORDER BY ");
        self.key.order(&mut statement, "t", false);
        statement.sql(" LIMIT ");
        self.count(&mut statement, most);
        Ok(statement)
    }

    /// Appends `NOT EXISTS (target of t)`.
    pub(super) fn untargeted(&self, statement: &mut Statement) {
        statement.sql("NOT EXISTS (SELECT 1 FROM ").sql(&self.target).sql(" h WHERE ");
        self.matches(statement);
        statement.sql(")");
    }

    /// The fills that take part in comparisons: all but the moments, the run and the definition, and the digest, which
    /// follows from the document.
    pub(super) fn compared(&self) -> impl Iterator<Item = &Fill> {
        self.fills.iter().filter(|fill| matches!(fill.value, ColumnValue::Column(_) | ColumnValue::Document))
    }

    /// SQL that is true if every compared column of `h` is exactly what would be written for `t`; never NULL.
    pub(super) fn equal(&self) -> String {
        // The documents last: AND stops at the first difference.
        let (documents, columns): (Vec<&Fill>, Vec<&Fill>) =
            self.compared().partition(|fill| fill.value == ColumnValue::Document);
        columns.into_iter().chain(documents).map(|fill| self.same(fill)).collect::<Vec<_>>().join(" AND ")
    }

    fn same(&self, fill: &Fill) -> String {
        let theirs = self.h(&fill.column);
        let ours = match &fill.value {
            ColumnValue::Column(name) => self.t(name),
            _ => self.document.clone(),
        };
        match (self.dialect, fill.kind) {
            (Dialect::MySql, FillKind::Text) => format!(
                "CAST(CONVERT({theirs} USING utf8mb4) AS BINARY) <=> CAST(CONVERT({ours} USING utf8mb4) AS BINARY)"
            ),
            (Dialect::MySql, FillKind::Binary) => format!("CAST({theirs} AS BINARY) <=> CAST({ours} AS BINARY)"),
            (Dialect::MySql, FillKind::Value) => format!("{theirs} <=> {ours}"),
            (Dialect::MySql, FillKind::Json) => format!("{theirs} <=> CAST({ours} AS JSON)"),
            (Dialect::Postgres, FillKind::Json) => format!("{theirs} IS NOT DISTINCT FROM CAST({ours} AS jsonb)"),
            (Dialect::Postgres, _) => format!(
                "CAST({theirs} AS text) COLLATE \"C\" IS NOT DISTINCT FROM CAST(CAST({ours} AS {}) AS text) COLLATE \"C\"",
                fill.cast
            ),
            (Dialect::Sqlite, _) => format!("{theirs} IS {ours} COLLATE BINARY"),
        }
    }

    fn held(&self, fill: &Fill) -> String {
        let x = self.h(&fill.column);
        match (self.dialect, fill.kind) {
            (Dialect::MySql, FillKind::Json) => format!("CAST({x} AS CHAR)"),
            (Dialect::MySql, _) => format!("CONVERT({x} USING utf8mb4)"),
            (Dialect::Postgres, _) => format!("{x}::text"),
            (Dialect::Sqlite, _) => format!("CAST({x} AS TEXT)"),
        }
    }

    /// The document as the target would give it back: a JSON type rewrites its text.
    fn digested(&self, document: &str, kind: FillKind) -> String {
        match (self.dialect, kind) {
            (Dialect::MySql, FillKind::Json) => format!("CAST(CAST({document} AS JSON) AS CHAR)"),
            (Dialect::Postgres, FillKind::Json) => format!("{document}::jsonb::text"),
            _ => document.to_owned(),
        }
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
                ColumnValue::Column(name) if fenced => {
                    statement.sql("(d.t).").name(name);
                }
                ColumnValue::Column(name) => {
                    statement.sql(&self.t(name));
                }
                ColumnValue::Document => match (self.dialect, fill.kind) {
                    (Dialect::Postgres, _) => {
                        statement.sql("CAST(").sql(document).sql(" AS ").sql(&fill.cast).sql(")");
                    }
                    _ => {
                        statement.sql(document);
                    }
                },
                ColumnValue::Digest => {
                    statement.sql(&self.digest(document));
                }
                ColumnValue::Now => self.now(statement, fill, stamp),
                ColumnValue::Run => self.word(statement, &stamp.run),
                ColumnValue::Definition => self.word(statement, &self.definition),
            }
        }
        if fenced {
            statement.sql(" FROM (SELECT t, ").sql(&self.document).sql(" AS document");
        }
        self.items(statement, stretch, pass_started)?;
        if missing_only {
            statement.sql(" WHERE ");
            self.untargeted(statement);
        }
        if fenced {
            statement.sql(" OFFSET 0) d");
        }
        Ok(())
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

    /// Appends a bound count.
    pub(super) fn count(&self, statement: &mut Statement, count: u64) {
        match self.dialect {
            Dialect::Postgres => {
                statement.bind(Bind::Text(count.to_string())).sql("::text::bigint");
            }
            Dialect::MySql | Dialect::Sqlite => {
                statement.bind(Bind::Int(i64::try_from(count).unwrap_or(i64::MAX)));
            }
        }
    }

    /// `SELECT x`, as text.
    fn counted(&self, x: &str) -> String {
        format!("SELECT {}", self.text(x))
    }

    /// A number as text, which is what results are read as.
    pub(super) fn text(&self, x: &str) -> String {
        match self.dialect {
            Dialect::MySql => format!("CAST({x} AS CHAR)"),
            Dialect::Postgres | Dialect::Sqlite => format!("CAST({x} AS TEXT)"),
        }
    }
}
