//! What the database user may do.

use crate::sql::{Session, SqlError};
use std::time::Duration;

/// What the user of a session may do with a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Privileges {
    /// Read every column.
    pub select: bool,
    /// Insert into every column.
    pub insert: bool,
    /// Update every column.
    pub update: bool,
    /// Delete rows.
    pub delete: bool,
    /// Create tables in the schema.
    pub create: bool,
    /// The columns that may be read.
    pub select_columns: Vec<String>,
    /// The columns that may be inserted into.
    pub insert_columns: Vec<String>,
}

/// What the user may do with a table. Of one that does not exist (yet) what it could do once it is there.
pub async fn privileges(
    _session: &mut Session,
    _schema: Option<&str>,
    _table: &str,
    _limit: Duration,
) -> Result<Privileges, SqlError> {
    Ok(Privileges::default())
}
