//! The statements that copy related rows, each of them about one copy and all the items of a stretch.

use crate::rows::copy::Copy;
use crate::rows::key::KeyError;
use crate::rows::landing::Stamp;
use crate::rows::mapping::{Mapping, Stretch};
use crate::rows::phrase::count;
use crate::sql::statement::Statement;
use std::time::SystemTime;

impl Mapping {
    /// Over the related rows of the items of a stretch, or of those without a target: how many, how many of them are in
    /// their target, how many of these are equal there, and the sum of the others' bytes.
    pub fn survey(
        &self,
        copy: &Copy,
        stretch: &Stretch<'_>,
        pass_started: SystemTime,
        missing_only: bool,
    ) -> Result<Statement, KeyError> {
        let landing = &copy.landing;
        let (absent, bytes) = (landing.absent(), landing.source_bytes());
        let sum = |condition: &str, x: &str| {
            self.text(&format!("COALESCE(SUM(CASE WHEN {condition} THEN {x} ELSE 0 END), 0)"))
        };
        let mut statement = self.statement();
        statement.sql("SELECT ").sql(&self.text("COUNT(*)")).sql(", ").sql(&sum(&format!("NOT ({absent})"), "1"));
        statement.sql(", ").sql(&sum(&format!("NOT ({absent}) AND {}", landing.equal()), "1"));
        statement.sql(", ").sql(&sum(&absent, &bytes));
        self.rows_and_targets(&mut statement, copy, stretch, pass_started)?;
        if missing_only {
            statement.sql(" WHERE ");
            self.untargeted(&mut statement, stretch)?;
        }
        Ok(statement)
    }

    /// Copies the related rows of the items of a stretch: all of them, or those that are not in the target.
    pub fn insert_copy(
        &self,
        copy: &Copy,
        stretch: &Stretch<'_>,
        pass_started: SystemTime,
        stamp: &Stamp,
        missing_only: bool,
    ) -> Result<Statement, KeyError> {
        let mut statement = self.statement();
        copy.landing.insert_into(&mut statement);
        self.copied(&mut statement, copy, stretch, pass_started, stamp)?;
        if missing_only {
            copy.join_targets(&mut statement);
            statement.sql(" WHERE ").sql(&copy.landing.absent());
        }
        Ok(statement)
    }

    /// The select part of [`Mapping::insert_copy`], which a user who may only read can have explained.
    pub fn select_copy(
        &self,
        copy: &Copy,
        stretch: &Stretch<'_>,
        pass_started: SystemTime,
        stamp: &Stamp,
    ) -> Result<Statement, KeyError> {
        let mut statement = self.statement();
        self.copied(&mut statement, copy, stretch, pass_started, stamp)?;
        Ok(statement)
    }

    fn copied(
        &self,
        statement: &mut Statement,
        copy: &Copy,
        stretch: &Stretch<'_>,
        pass_started: SystemTime,
        stamp: &Stamp,
    ) -> Result<(), KeyError> {
        statement.sql("SELECT ");
        copy.landing.values(statement, stamp, false);
        self.items(statement, stretch, pass_started)?;
        copy.join_rows(statement);
        Ok(())
    }

    fn rows_and_targets(
        &self,
        statement: &mut Statement,
        copy: &Copy,
        stretch: &Stretch<'_>,
        pass_started: SystemTime,
    ) -> Result<(), KeyError> {
        self.items(statement, stretch, pass_started)?;
        copy.join_rows(statement);
        copy.join_targets(statement);
        Ok(())
    }

    /// Key of the first item of a stretch with a related row that is not in the target and is larger than `max_item`, and
    /// that row's bytes.
    pub fn oversized_copy(
        &self,
        copy: &Copy,
        stretch: &Stretch<'_>,
        pass_started: SystemTime,
        max_item: u64,
    ) -> Result<Statement, KeyError> {
        let bytes = copy.landing.source_bytes();
        let mut statement = self.statement();
        statement.sql("SELECT ");
        self.key().print(&mut statement, "t");
        statement.sql(", ").sql(&self.text(&bytes));
        self.rows_and_targets(&mut statement, copy, stretch, pass_started)?;
        statement.sql(" WHERE ").sql(&copy.landing.absent()).sql(" AND ").sql(&bytes).sql(" > ");
        count(&mut statement, max_item);
        statement.sql(" ORDER BY ");
        self.key().order(&mut statement, "t", false);
        statement.sql(" LIMIT 1");
        Ok(statement)
    }

    /// Keys of the items of a stretch that have no target and can be written: none of their related rows is in its target
    /// and different there.
    pub fn writable(&self, stretch: &Stretch<'_>, pass_started: SystemTime) -> Result<Statement, KeyError> {
        let mut statement = self.statement();
        statement.sql("SELECT ");
        self.key().print(&mut statement, "t");
        self.items(&mut statement, stretch, pass_started)?;
        statement.sql(" WHERE ");
        self.untargeted(&mut statement, stretch)?;
        statement.sql(" AND NOT ").sql(&self.is_taken()).sql(" ORDER BY ");
        self.key().order(&mut statement, "t", false);
        Ok(statement)
    }
}
