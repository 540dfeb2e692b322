//! The statement of the move itself.

use crate::rows::key::KeyError;
use crate::rows::landing::Stamp;
use crate::rows::mapping::{Mapping, Stretch};
use crate::spec::ColumnValue;
use crate::sql::Dialect;
use crate::sql::statement::Statement;
use std::time::SystemTime;

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
    pub(in crate::rows) fn inserting(
        &self,
        statement: &mut Statement,
        stretch: &Stretch<'_>,
        pass_started: SystemTime,
        stamp: &Stamp,
        missing_only: bool,
    ) -> Result<(), KeyError> {
        self.landing.insert_into(statement);
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
        let landing = &self.landing;
        let fenced = self.dialect == Dialect::Postgres
            && landing.fills.iter().any(|fill| fill.value == ColumnValue::Digest)
            && landing.document_column().is_some();
        statement.sql("SELECT ");
        landing.values(statement, stamp, fenced);
        if fenced {
            // Under names of ours: one of the source's own could be that of the table's alias.
            statement.sql(" FROM (SELECT ");
            for (place, fill) in landing.fills.iter().enumerate() {
                if let ColumnValue::Column(name) = &fill.value {
                    statement.sql(&landing.copied(fill, name)).sql(" AS c").sql(&place.to_string()).sql(", ");
                }
            }
            statement.sql(&landing.document).sql(" AS document");
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
}
