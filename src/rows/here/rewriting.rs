//! The statements that rewrite targets which differ: all of them, or those that are sure to be as milkrun left them.

use super::write::Writing;
use crate::rows::faults::RowsError;
use crate::rows::key::KeyError;
use crate::rows::landing::Stamp;
use crate::rows::landing::{FillKind, Landing};
use crate::rows::link::{Deadline, execute};
use crate::rows::mapping::{Mapping, Stretch};
use crate::rows::phrase::digest;
use crate::rows::walk::numbers;
use crate::spec::ColumnValue;
use crate::sql::Dialect;
use crate::sql::Session;
use crate::sql::statement::Statement;
use std::time::SystemTime;

impl Mapping {
    /// Makes every target of a stretch that differs what would be written there now; of related rows none.
    pub fn rewrite(
        &self,
        stretch: &Stretch<'_>,
        pass_started: SystemTime,
        stamp: &Stamp,
    ) -> Result<Statement, KeyError> {
        self.rewriting(stretch, pass_started, stamp, None)
    }

    /// As [`Mapping::rewrite`], of copies that nobody has touched since milkrun wrote them; `None` if none says so by itself.
    pub fn rewrite_stale(
        &self,
        stretch: &Stretch<'_>,
        pass_started: SystemTime,
        stamp: &Stamp,
    ) -> Result<Option<Statement>, KeyError> {
        let Some(mut untouched) = self.landing.untouched() else { return Ok(None) };
        // Related rows say nothing of the kind by themselves.
        for copy in &self.copies {
            untouched.push_str(" AND NOT ");
            untouched.push_str(&copy.is_unequal());
        }
        self.rewriting(stretch, pass_started, stamp, Some(&untouched)).map(Some)
    }

    fn rewriting(
        &self,
        stretch: &Stretch<'_>,
        pass_started: SystemTime,
        stamp: &Stamp,
        only: Option<&str>,
    ) -> Result<Statement, KeyError> {
        let mut statement = self.statement();
        let (landing, mysql) = (&self.landing, self.dialect == Dialect::MySql);
        statement
            .sql(if self.dialect == Dialect::Sqlite { "UPDATE OR ABORT " } else { "UPDATE " })
            .sql(&landing.target)
            .sql(if mysql { " h" } else { " AS h" });
        if mysql {
            statement.sql(" JOIN ");
            self.derived(&mut statement, stretch, pass_started)?;
            statement.sql(" ON ");
            statement.sql(&landing.matches());
        }
        for (place, fill) in landing.fills.iter().enumerate() {
            statement.sql(if place == 0 { " SET " } else { ", " }).sql(if mysql { "h." } else { "" });
            statement.name(&fill.column).sql(" = ");
            landing.filled(&mut statement, fill, &landing.document, stamp);
        }
        if mysql {
            statement.sql(" WHERE ");
        } else {
            self.items(&mut statement, stretch, pass_started)?;
            statement.sql(" WHERE ");
            statement.sql(&landing.matches());
            self.alongside(&mut statement, stretch)?;
            statement.sql(" AND ");
        }
        statement.sql("NOT (").sql(&self.equal()).sql(")");
        if let Some(only) = only {
            statement.sql(" AND ").sql(only);
        }
        Ok(statement)
    }

    /// Makes stale copies what would be written there now, of which `large` are too large already; how many.
    pub(in crate::rows) async fn replace_stale(
        &self,
        session: &mut Session,
        writing: &Writing<'_>,
        large: u64,
        deadline: Deadline,
    ) -> Result<u64, RowsError> {
        let (stretch, pass_started, max_item) = (&writing.stretch, writing.pass_started, writing.max_item);
        let Some(rewrite) = self.rewrite_stale(stretch, pass_started, &writing.stamp())? else { return Ok(0) };
        let known = match large {
            0 => Vec::new(),
            large => self.oversized_keys(session, writing, large, deadline).await?,
        };
        let replaced = execute(session, &rewrite, deadline).await?;
        if replaced > 0 {
            let account = self.account(stretch, pass_started, max_item)?;
            let [_, _, _, large] = numbers(session, &account, deadline).await?;
            let found = self.oversized_keys(session, writing, large, deadline).await?;
            if let Some((key, bytes)) = found.into_iter().find(|(key, _)| known.iter().all(|(there, _)| there != key)) {
                return Err(RowsError::TooLarge { key: Box::new(key), bytes, max_item });
            }
        }
        Ok(replaced)
    }
}

impl Landing {
    /// SQL that is true if the target is as it was written: its document still has the digest beside it or, where there is no
    /// document, everything that was copied is still equal and the digest alone differs. `None`: nothing in it would tell.
    fn untouched(&self) -> Option<String> {
        let written = self.fills.iter().find(|fill| fill.value == ColumnValue::Digest)?;
        let Some(document) = self.document_column() else {
            let copied = self.compared().filter(|fill| fill.value != ColumnValue::Digest);
            return Some(copied.map(|fill| self.same(fill)).collect::<Vec<_>>().join(" AND "));
        };
        // A JSON type has rewritten its text.
        if document.kind == FillKind::Json {
            return None;
        }
        let (held, digest) = (self.held(written), digest(self.dialect, &self.held(document)));
        Some(match self.dialect {
            Dialect::MySql => format!("CAST({held} AS BINARY) = CAST({digest} AS BINARY)"),
            Dialect::Postgres => format!("{held} COLLATE \"C\" = {digest} COLLATE \"C\""),
            Dialect::Sqlite => format!("{held} = {digest} COLLATE BINARY"),
        })
    }
}
