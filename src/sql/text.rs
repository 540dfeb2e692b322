//! The one door through which text becomes SQL on a server.

use super::statement::Statement;
use sqlx::AssertSqlSafe;

/// A statement's text for the driver, which wants to be assured that nothing foreign is in it: [`Statement`] holds words of
/// our own, quoted names and checked filters, and its values travel apart.
pub(super) fn safe(statement: &Statement) -> AssertSqlSafe<String> {
    AssertSqlSafe(statement.text().to_owned())
}
