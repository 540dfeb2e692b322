//! Cutting the source's key into shards of about equal size: by what the database estimates (PostgreSQL's histogram of the key's
//! first column, MariaDB's and MySQL's row estimates of ranges of it), or by a walk along its index.

use crate::cursor::Cursor;
use crate::engine::migration::Estimate;
use crate::fault::Class;
use crate::rows::Rows;
use crate::rows::faults::RowsError;
use crate::rows::key::{Key, Side};
use crate::rows::link::{Deadline, rows};
use crate::rows::mapping::Mapping;
use crate::rows::phrase::count;
use crate::rows::pool::Pool;
use crate::sql::catalog::Table;
use crate::sql::statement::Statement;
use crate::sql::{Dialect, Session};
use std::time::Duration;

/// A shard holds at least so many keys: fewer of them are not worth a lease.
pub(super) const LEAST: u64 = 10;
/// Keys that one statement may pass to find all cuts at once, each from the start; beyond it they are found one by one.
const AT_ONCE: u64 = 4_000_000;
/// Cuts that one statement may look for: SQLite takes so many parts of a query.
const TERMS: u32 = 64;
/// Where nobody knows how many keys there are, a walk stops so many times as often.
const FINER: u64 = 8;

/// How a source is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// By walking its index.
    Walk,
    /// By what the database estimates.
    Statistics,
}

/// A source that is to be walked, and its sessions.
#[derive(Clone, Copy)]
pub(in crate::rows) struct Ground<'a> {
    pub(in crate::rows) mapping: &'a Mapping,
    pub(in crate::rows) source: Option<&'a Table>,
    pub(in crate::rows) sessions: &'a Pool,
}

impl Rows {
    pub(in crate::rows) fn ground(&self) -> Ground<'_> {
        Ground { mapping: &self.mapping, source: self.tables.source.as_ref(), sessions: &self.sessions }
    }

    /// Cuts the keys up to `bound` into up to `parts`: the last key of each but the last. None: it cannot be cut so, or not
    /// within `limit`.
    pub async fn cut(
        &self,
        by: By,
        bound: &Cursor,
        parts: u32,
        expected: Estimate,
        limit: Duration,
    ) -> Result<Vec<Cursor>, RowsError> {
        self.ground().cut(by, bound, parts, expected, limit).await
    }
}

impl Ground<'_> {
    /// As [`Rows::cut`].
    pub(in crate::rows) async fn cut(
        &self,
        by: By,
        bound: &Cursor,
        parts: u32,
        expected: Estimate,
        limit: Duration,
    ) -> Result<Vec<Cursor>, RowsError> {
        let deadline = Deadline::after(limit);
        let most = u32::try_from(expected.keys / LEAST).unwrap_or(u32::MAX);
        let parts = if expected.exact { parts.min(most) } else { parts };
        if parts < 2 {
            return Ok(Vec::new());
        }
        let mut link = self.sessions.take().await;
        let session = link.session(deadline).await?;
        let cuts = match (by, session.make().dialect()) {
            (By::Walk, _) => self.mapping.walk_for_cuts(session, bound, parts, expected, deadline).await,
            (By::Statistics, Dialect::Postgres) => {
                let Some(source) = self.source else { return Ok(Vec::new()) };
                self.mapping.histogram(session, source, parts, deadline).await
            }
            (By::Statistics, Dialect::MySql) => self.mapping.range_estimates(session, bound, parts, deadline).await,
            (By::Statistics, Dialect::Sqlite) => Ok(Vec::new()),
        };
        match cuts {
            Ok(mut cuts) => {
                cuts.dedup();
                cuts.retain(|cut| cut != bound);
                Ok(cuts)
            }
            // The time is up.
            Err(error) if matches!(error.class(), Class::Capacity) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

impl Mapping {
    /// Walks the index from cut to cut.
    async fn walk_for_cuts(
        &self,
        session: &mut Session,
        bound: &Cursor,
        parts: u32,
        expected: Estimate,
        deadline: Deadline,
    ) -> Result<Vec<Cursor>, RowsError> {
        let finer = if expected.exact { 1 } else { FINER };
        let size = expected.keys.div_ceil(u64::from(parts) * finer).max(1);
        if expected.exact && parts <= TERMS && expected.keys.saturating_mul(parts.into()) <= AT_ONCE {
            return self.cuts_at_once(session, bound, parts, size, deadline).await;
        }
        let (mut ends, mut after) = (Vec::new(), None);
        // An estimate that was far too low would have it stop forever.
        let most = usize::try_from(u64::from(parts) * finer * FINER).unwrap_or(usize::MAX);
        while ends.len() < most {
            let found = rows(session, &self.boundary(after.as_ref(), bound, size)?, deadline).await?;
            let Some(row) = found.first() else { return Ok(every(&ends, parts)) };
            let end = self.key().read(row, 0)?;
            after = Some(end.clone());
            ends.push(end);
        }
        Ok(Vec::new())
    }

    async fn cuts_at_once(
        &self,
        session: &mut Session,
        bound: &Cursor,
        parts: u32,
        size: u64,
        deadline: Deadline,
    ) -> Result<Vec<Cursor>, RowsError> {
        let mut statement = self.statement();
        for place in 1..parts {
            statement.sql(if place == 1 { "SELECT " } else { " UNION ALL SELECT " }).literal(&format!("{place:04}"));
            statement.sql(" AS place, c.* FROM (");
            self.bounded(&mut statement, None, bound, size * u64::from(place))?;
            statement.sql(") AS c");
        }
        let mut found = rows(session, &statement, deadline).await?;
        found.sort_by(|one, other| one.first().cmp(&other.first()));
        found.iter().map(|row| Ok(self.key().read(row, 1)?)).collect()
    }

    /// The last key whose first column is not above these values, of each of them.
    pub(in crate::rows) async fn last_keys_up_to(
        &self,
        session: &mut Session,
        values: Vec<Cursor>,
        deadline: Deadline,
    ) -> Result<Vec<Cursor>, RowsError> {
        let mut cuts = Vec::new();
        for value in values {
            let mut statement = self.statement();
            statement.sql("SELECT ");
            self.key().print(&mut statement, "t");
            statement.sql(" FROM ").sql(&self.source).sql(" t").sql(&self.hint).sql(" WHERE ");
            self.first_column().compare(&mut statement, "t", Side::UpTo, &value)?;
            statement.sql(" ORDER BY ");
            self.key().order(&mut statement, "t", true);
            statement.sql(" LIMIT ");
            count(&mut statement, 1);
            if let Some(row) = rows(session, &statement, deadline).await?.first() {
                cuts.push(self.key().read(row, 0)?);
            }
        }
        Ok(cuts)
    }

    /// A key of the first column alone.
    pub(in crate::rows) fn first_column(&self) -> Key {
        Key { dialect: self.dialect, columns: self.key().columns.iter().take(1).cloned().collect() }
    }

    /// Appends ` FROM source t WHERE` the first column lies beyond the one value and up to the other.
    pub(in crate::rows) fn between(
        &self,
        statement: &mut Statement,
        after: Option<&Cursor>,
        end: &Cursor,
    ) -> Result<(), RowsError> {
        let first = self.first_column();
        statement.sql(" FROM ").sql(&self.source).sql(" t").sql(&self.hint).sql(" WHERE ");
        if let Some(after) = after {
            first.compare(statement, "t", Side::After, after)?;
            statement.sql(" AND ");
        }
        Ok(first.compare(statement, "t", Side::UpTo, end)?)
    }
}

/// Of ends in equal distances those that cut everything into so many parts. What follows the last of them is less than one
/// distance.
pub(in crate::rows) fn every<T: Clone>(ends: &[T], parts: u32) -> Vec<T> {
    let (distances, parts) = (ends.len() + 1, usize::try_from(parts).unwrap_or(usize::MAX));
    let parts = parts.min(distances);
    (1..parts).filter_map(|place| ends.get((place * distances / parts).checked_sub(1)?).cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::every;

    #[test]
    fn ends_in_equal_distances_are_gathered_into_parts_that_are_alike() {
        for (distances, parts) in [(64u32, 8u32), (61, 8), (9, 4), (3, 8), (1, 8), (100, 7)] {
            let ends: Vec<u32> = (1..distances).collect();
            let cuts = every(&ends, parts);
            let bounds: Vec<u32> = std::iter::once(0).chain(cuts).chain([distances]).collect();
            let sizes: Vec<u32> = bounds.windows(2).map(|pair| pair[1] - pair[0]).collect();
            let count = parts.min(distances);
            assert_eq!(sizes.len(), count as usize);
            let mean = distances.div_ceil(count);
            assert!(sizes.iter().all(|&size| size > 0 && size < 2 * mean), "{distances} into {parts}: {sizes:?}");
        }
    }
}
