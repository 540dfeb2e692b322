//! Cuts by PostgreSQL's histogram of the key's first column.

use super::split::every;
use crate::cursor::Cursor;
use crate::rows::faults::RowsError;
use crate::rows::link::{Deadline, rows};
use crate::rows::mapping::Mapping;
use crate::sql::Session;
use crate::sql::catalog::Table;

impl Mapping {
    /// Where the histogram cuts the table into parts of about equal size. None: there is no histogram yet, it is too coarse, or
    /// it leaves frequent values out, as that of the first of several columns may.
    pub(in crate::rows) async fn histogram(
        &self,
        session: &mut Session,
        source: &Table,
        parts: u32,
        deadline: Deadline,
    ) -> Result<Vec<Cursor>, RowsError> {
        let Some(column) = self.key().columns.first() else { return Ok(Vec::new()) };
        let mut statement = self.statement();
        // Of a table with partitions those of the whole come first.
        statement.sql(
            "SELECT unnest(s.histogram_bounds::text::text[]) FROM (SELECT histogram_bounds, most_common_vals \
             FROM pg_catalog.pg_stats WHERE schemaname = ",
        );
        statement.literal(&source.schema).sql(" AND tablename = ").literal(&source.name);
        statement.sql(" AND attname = ").literal(&column.name);
        statement.sql(" ORDER BY inherited DESC LIMIT 1) s WHERE s.most_common_vals IS NULL");
        let found = rows(session, &statement, deadline).await?;
        // The first and the last are the least and the greatest value, between which lie buckets of equal size.
        let inner = found.get(1..found.len().saturating_sub(1)).unwrap_or_default();
        if inner.len() < usize::try_from(parts).unwrap_or(usize::MAX) {
            return Ok(Vec::new());
        }
        let first = self.first_column();
        let values: Result<Vec<Cursor>, _> = every(inner, parts).iter().map(|row| first.read(row, 0)).collect();
        self.last_keys_up_to(session, values?, deadline).await
    }
}
