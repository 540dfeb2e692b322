//! What equal means, and the statements that hold targets which exist against what would be written there.

use super::key::KeyError;
use super::mapping::{Fill, FillKind, Mapping, Stretch};
use crate::spec::ColumnValue;
use crate::sql::Dialect;
use crate::sql::statement::Statement;
use std::time::SystemTime;

impl Mapping {
    /// Over the items of a stretch whose target exists: how many, how many of them equal, the sum of their documents'
    /// bytes, and how many are larger than `max_item`.
    pub fn compare(
        &self,
        stretch: &Stretch<'_>,
        pass_started: SystemTime,
        max_item: u64,
    ) -> Result<Statement, KeyError> {
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
            .sql(", ");
        self.count_oversized(&mut statement, max_item);
        self.pairs(&mut statement, stretch, pass_started)?;
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
        self.pairs(&mut statement, stretch, pass_started)?;
        statement.sql(" WHERE NOT (").sql(&self.equal()).sql(") ORDER BY ");
        self.key.order(&mut statement, "t", false);
        Ok(statement)
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
}
