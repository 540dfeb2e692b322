//! How statements travel to a server and values come back: what the drivers of MySQL and PostgreSQL have in common.

use super::statement::Statement;
use super::{SqlError, text};
use sqlx::error::DatabaseError;
use sqlx::{ColumnIndex, Connection, Database, Decode, Executor, IntoArguments, Row};

/// What is found where the driver cannot read a value.
pub(super) const UNREAD: &str = "a value that the driver cannot read";
/// What is found where a text is none.
pub(super) const NOT_UTF8: &str = "bytes that are not UTF-8";

/// What sets the drivers apart.
pub(super) trait Wire: Database {
    /// The values of a statement as the driver sends them.
    fn arguments(statement: &Statement) -> Result<Self::Arguments, SqlError>;

    /// A value as text. In a `plain` statement's result everything is; in a prepared one's, other types are read or refused.
    fn value(row: &Self::Row, column: usize, plain: bool) -> Result<Option<String>, SqlError>;

    /// How many rows a statement changed.
    fn changed(done: &Self::QueryResult) -> u64;

    /// What an error of the server means; `None` if it is another server's.
    fn refused(error: &dyn DatabaseError) -> Option<SqlError>;
}

/// The rows of a statement. Text without values goes as it is, in one round trip; text with values is prepared once and
/// kept.
pub(super) async fn fetch<W: Wire, C>(
    connection: &mut C,
    statement: &Statement,
) -> Result<Vec<Vec<Option<String>>>, SqlError>
where
    C: Connection<Database = W>,
    W::Arguments: IntoArguments<W>,
    for<'c> &'c mut C: Executor<'c, Database = W>,
{
    let plain = statement.binds().is_empty();
    let rows = if plain {
        connection.fetch_all(sqlx::raw_sql(text::safe(statement))).await
    } else {
        connection.fetch_all(sqlx::query_with(text::safe(statement), W::arguments(statement)?)).await
    };
    rows.map_err(failed::<W>)?
        .into_iter()
        .map(|row| (0..row.len()).map(|column| W::value(&row, column, plain)).collect())
        .collect()
}

/// Executes a statement, which travels as in [`fetch`]; the number of rows that it changed.
pub(super) async fn execute<W: Wire, C>(connection: &mut C, statement: &Statement) -> Result<u64, SqlError>
where
    C: Connection<Database = W>,
    W::Arguments: IntoArguments<W>,
    for<'c> &'c mut C: Executor<'c, Database = W>,
{
    let done = if statement.binds().is_empty() {
        connection.execute(sqlx::raw_sql(text::safe(statement))).await
    } else {
        connection.execute(sqlx::query_with(text::safe(statement), W::arguments(statement)?)).await
    };
    Ok(W::changed(&done.map_err(failed::<W>)?))
}

/// The error that a failed call on a connection is.
pub(super) fn failed<W: Wire>(error: sqlx::Error) -> SqlError {
    match error {
        sqlx::Error::Database(error) => {
            W::refused(error.as_ref()).unwrap_or(SqlError::Lost { what: "an error of another database", source: None })
        }
        sqlx::Error::Io(error) => SqlError::Lost { what: "the network failed", source: Some(error) },
        sqlx::Error::Encode(_) => unencodable(()),
        // The texts of the others may quote what was read.
        _ => SqlError::Lost { what: "the driver did not understand the server", source: None },
    }
}

/// The error that a value is which the driver does not take, whatever it says of it.
pub(super) fn unencodable<E>(_: E) -> SqlError {
    SqlError::Unsendable("the driver cannot encode it")
}

/// What the server says before it closes the connection.
pub(super) fn closed() -> SqlError {
    SqlError::Lost { what: "the server closed it", source: None }
}

/// The error that a value is which cannot be read: what was `found` in a column, counted from 0.
pub(super) fn unreadable(column: usize, found: &str) -> SqlError {
    SqlError::Unreadable { column: column + 1, found: found.to_owned() }
}

/// A value of a prepared statement's result, whatever type the driver takes its column for.
pub(super) fn read<'r, T, R>(row: &'r R, column: usize) -> Result<Option<T>, SqlError>
where
    T: Decode<'r, R::Database>,
    R: Row,
    usize: ColumnIndex<R>,
{
    let found = row.try_get_unchecked::<Option<T>, _>(column);
    found.map_err(|_| unreadable(column, UNREAD))
}

/// A number of a prepared statement's result, as text.
pub(super) fn number<'r, T, R>(row: &'r R, column: usize) -> Result<Option<String>, SqlError>
where
    T: Decode<'r, R::Database> + ToString,
    R: Row,
    usize: ColumnIndex<R>,
{
    Ok(read::<T, R>(row, column)?.map(|number| number.to_string()))
}
