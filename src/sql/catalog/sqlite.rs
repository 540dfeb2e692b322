//! The catalog, stub for sqlite.

use super::Table;
use crate::sql::{Session, SqlError};
use std::time::Duration;

pub(super) async fn table(
    _session: &mut Session,
    _schema: &str,
    _table: &str,
    _limit: Duration,
) -> Result<Option<Table>, SqlError> {
    Ok(None)
}
