//! Rows of a query, read one after another until their bytes are enough.

use super::grid::{Grid, Page};
use super::statement::Statement;
use super::wire::{Wire, failed};
use super::{SqlError, text};
use futures_util::TryStreamExt as _;
use sqlx::{Connection, Executor, IntoArguments, Row};

/// What sets the drivers apart: how the bytes of a value are found.
pub(super) trait Cells: Wire {
    /// A column's values are text or bytes: those of other types would be the protocol's own form.
    fn admit(row: &Self::Row, column: usize) -> Result<(), SqlError>;

    /// A value's bytes, as they came.
    fn bytes(row: &Self::Row, column: usize) -> Result<Option<&[u8]>, SqlError>;
}

/// The first rows of a query that has values, up to the first one with which they have at least `bytes`. What the server
/// sends beyond that is thrown away when the connection is used next. All columns are text or bytes.
pub(super) async fn read<W: Cells, C>(connection: &mut C, statement: &Statement, bytes: u64) -> Result<Page, SqlError>
where
    C: Connection<Database = W>,
    W::Arguments: IntoArguments<W>,
    for<'c> &'c mut C: Executor<'c, Database = W>,
{
    let mut rows = connection.fetch(sqlx::query_with(text::safe(statement), W::arguments(statement)?));
    let mut page = Page::default();
    while let Some(row) = rows.try_next().await.map_err(failed::<W>)? {
        if page.rows.is_empty() {
            page.rows = Grid::new(row.len());
            (0..row.len()).try_for_each(|column| W::admit(&row, column))?;
        }
        for column in 0..row.len() {
            if !page.rows.push(W::bytes(&row, column)?) {
                return Err(SqlError::Unsendable("a batch of more than 4 GB"));
            }
        }
        if page.rows.bytes() >= bytes {
            page.is_cut = true;
            break;
        }
        give_way(page.rows.len()).await;
    }
    Ok(page)
}

/// Lets others have their turn every so many rows: what is read ahead must not hold up what is written, which waits for a server
/// several times a batch.
pub(super) async fn give_way(rows: usize) {
    const EVERY: usize = 128;
    if rows.is_multiple_of(EVERY) {
        tokio::task::yield_now().await;
    }
}
