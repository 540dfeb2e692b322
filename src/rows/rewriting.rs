//! The statement that rewrites targets which differ.

use super::key::KeyError;
use super::landing::Stamp;
use super::mapping::{Mapping, Stretch};
use crate::sql::Dialect;
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
        Ok(statement)
    }
}
