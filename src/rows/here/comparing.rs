//! What equal means, and the statements that hold targets which exist against what would be written there.

use crate::rows::key::KeyError;
use crate::rows::landing::{Fill, FillKind, Landing};
use crate::rows::mapping::{Mapping, Stretch};
use crate::rows::phrase::digest;
use crate::spec::ColumnValue;
use crate::sql::Dialect;
use crate::sql::statement::Statement;
use std::time::SystemTime;

impl Mapping {
    /// Over the items of a stretch whose target exists: how many, how many of them equal, the sum of their
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
            .sql(&sum(&self.landing.bytes()))
            .sql(", ");
        self.count_oversized(&mut statement, max_item);
        self.pairs(&mut statement, stretch, pass_started)?;
        Ok(statement)
    }

    /// Over the items of a stretch: how many, how many of them have a target, how many of these are equal, the sum of the targets'
    /// bytes, and how many are larger than `max_item`. Where as many are equal as there are items, each of them is.
    pub fn read_back(
        &self,
        stretch: &Stretch<'_>,
        pass_started: SystemTime,
        max_item: u64,
    ) -> Result<Statement, KeyError> {
        let mut statement = self.statement();
        let equal = format!("CASE WHEN {} THEN 0 WHEN {} THEN 1 ELSE 0 END", self.landing.absent(), self.equal());
        let there = format!("CASE WHEN {} THEN 0 ELSE 1 END", self.landing.absent());
        statement.sql("SELECT ").sql(&self.text("COUNT(*)"));
        for x in [&there, &equal, &self.landing.bytes()] {
            statement.sql(", ").sql(&self.text(&format!("COALESCE(SUM({x}), 0)")));
        }
        statement.sql(", ");
        self.count_oversized(&mut statement, max_item);
        self.items_and_targets(&mut statement, stretch, pass_started)?;
        Ok(statement)
    }

    /// The items of a stretch that are a conflict: those whose target is different, and those without one of whose related
    /// rows some are in their target and different there. Key, both digests of the document, for each compared column
    /// whether it is equal; and if any are copied, whether there is no target, and for each copy whether it is equal.
    pub fn conflicts(&self, stretch: &Stretch<'_>, pass_started: SystemTime) -> Result<Statement, KeyError> {
        let landing = &self.landing;
        let mut statement = self.statement();
        statement.sql("SELECT ");
        self.key().print(&mut statement, "t");
        match landing.document_column() {
            Some(fill) => {
                let (ours, theirs) = (landing.digested(&landing.document, fill.kind), landing.held(fill));
                let (ours, theirs) = (digest(self.dialect, &ours), digest(self.dialect, &theirs));
                statement.sql(", ").sql(&ours).sql(", ").sql(&theirs);
            }
            None => {
                statement.sql(", NULL, NULL");
            }
        }
        let mut flag = |condition: &str| {
            statement.sql(", ").sql(&self.text(&format!("CASE WHEN {condition} THEN 1 ELSE 0 END")));
        };
        for fill in landing.compared() {
            flag(&landing.same(fill));
        }
        if self.copies.is_empty() {
            self.pairs(&mut statement, stretch, pass_started)?;
            statement.sql(" WHERE NOT (").sql(&self.equal()).sql(")");
        } else {
            flag(&landing.absent());
            for copy in &self.copies {
                let (absent, taken, unequal) = (landing.absent(), copy.is_different(), copy.is_unequal());
                flag(&format!("CASE WHEN {absent} THEN NOT {taken} ELSE NOT {unequal} END"));
            }
            let absent = landing.absent();
            self.items_and_targets(&mut statement, stretch, pass_started)?;
            statement.sql(" WHERE CASE WHEN ").sql(&absent).sql(" THEN ").sql(&self.is_taken());
            statement.sql(" ELSE NOT (").sql(&self.equal()).sql(") END");
        }
        statement.sql(" ORDER BY ");
        self.key().order(&mut statement, "t", false);
        Ok(statement)
    }

    /// SQL that is true if the target is exactly what would be written for `t`, and so are those of all its related rows
    /// that are copied; never NULL.
    pub(in crate::rows) fn equal(&self) -> String {
        let copies = self.copies.iter().map(|copy| format!(" AND NOT {}", copy.is_unequal()));
        std::iter::once(self.landing.equal()).chain(copies).collect()
    }

    /// SQL that is true if a target of some related row of `t` exists and is different.
    pub(in crate::rows) fn is_taken(&self) -> String {
        let copies: Vec<String> = self.copies.iter().map(crate::rows::copy::Copy::is_different).collect();
        format!("({})", copies.join(" OR "))
    }
}

impl Landing {
    /// The fills that take part in comparisons: all but the moments, the run and the definition, and the digest where
    /// the document that it follows from is there too.
    pub(in crate::rows) fn compared(&self) -> impl Iterator<Item = &Fill> {
        let document = self.document_column().is_some();
        self.fills.iter().filter(move |fill| match fill.value {
            ColumnValue::Column(_) | ColumnValue::Document => true,
            ColumnValue::Digest => !document,
            ColumnValue::Now | ColumnValue::Run | ColumnValue::Definition => false,
        })
    }

    /// SQL that is true if every compared column of `h` is exactly what would be written for `t`; never NULL.
    pub(in crate::rows) fn equal(&self) -> String {
        // The documents last: AND stops at the first difference.
        let (documents, columns): (Vec<&Fill>, Vec<&Fill>) =
            self.compared().partition(|fill| !matches!(fill.value, ColumnValue::Column(_)));
        columns.into_iter().chain(documents).map(|fill| self.same(fill)).collect::<Vec<_>>().join(" AND ")
    }

    pub(in crate::rows) fn same(&self, fill: &Fill) -> String {
        let theirs = self.theirs(&fill.column);
        let ours = match &fill.value {
            ColumnValue::Column(name) => self.ours(name),
            ColumnValue::Digest => digest(self.dialect, &self.document),
            _ => self.document.clone(),
        };
        match (self.dialect, fill.kind) {
            (Dialect::MySql, FillKind::Text) => format!(
                "CAST(CONVERT({theirs} USING utf8mb4) AS BINARY) <=> CAST(CONVERT({ours} USING utf8mb4) AS BINARY)"
            ),
            (Dialect::MySql, FillKind::Binary) => format!("CAST({theirs} AS BINARY) <=> CAST({ours} AS BINARY)"),
            // A zero below zero, which MySQL keeps and MariaDB does not, equals zero.
            (Dialect::MySql, FillKind::Float) => {
                format!("{theirs} <=> {ours} AND (LEFT({theirs}, 1) = '-') <=> (LEFT({ours}, 1) = '-')")
            }
            (Dialect::MySql, FillKind::Value | FillKind::Stored) => format!("{theirs} <=> {ours}"),
            (Dialect::MySql, FillKind::Json) => format!("{theirs} <=> CAST({ours} AS JSON)"),
            (Dialect::Postgres, FillKind::Json) => format!("{theirs} IS NOT DISTINCT FROM CAST({ours} AS jsonb)"),
            (Dialect::Postgres, _) => format!(
                "CAST({theirs} AS text) COLLATE \"C\" IS NOT DISTINCT FROM CAST(CAST({ours} AS {}) AS text) COLLATE \"C\"",
                fill.cast
            ),
            (Dialect::Sqlite, FillKind::Stored) => {
                format!("typeof({theirs}) = typeof({ours}) AND {theirs} IS {ours} COLLATE BINARY")
            }
            // The pluses take the columns' affinities away: of a text and a number one would make the text a number.
            (Dialect::Sqlite, _) => format!("+{theirs} IS +{ours} COLLATE BINARY"),
        }
    }

    pub(in crate::rows) fn held(&self, fill: &Fill) -> String {
        let x = self.theirs(&fill.column);
        match (self.dialect, fill.kind) {
            (Dialect::MySql, FillKind::Json) => format!("CAST({x} AS CHAR)"),
            (Dialect::MySql, _) => format!("CONVERT({x} USING utf8mb4)"),
            (Dialect::Postgres, _) => format!("{x}::text"),
            (Dialect::Sqlite, _) => format!("CAST({x} AS TEXT)"),
        }
    }

    /// The document as the target would give it back: a JSON type rewrites its text.
    pub(in crate::rows) fn digested(&self, document: &str, kind: FillKind) -> String {
        match (self.dialect, kind) {
            (Dialect::MySql, FillKind::Json) => format!("CAST(CAST({document} AS JSON) AS CHAR)"),
            (Dialect::Postgres, FillKind::Json) => format!("{document}::jsonb::text"),
            _ => document.to_owned(),
        }
    }
}
