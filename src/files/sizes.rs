//! How many bytes rows have, which is asked before they are read: no more of them are held at once than there is room for, and one that
//! is larger than `max_item` is not held at all.

use super::Files;
use crate::cursor::Cursor;
use crate::rows::RowsError;
use crate::rows::link::{Deadline, rows};
use crate::rows::mapping::Stretch;
use crate::rows::phrase;
use crate::sql::statement::Statement;
use std::time::SystemTime;

/// The part of what transfers may hold that the rows of a batch may have: each is held several times over, as it was, as it will be and as
/// the journal has it, and another batch is read meanwhile.
const PART: u64 = 8;

/// A row's key, and how many bytes it has.
pub(super) type Size = (Cursor, u64);

impl Files {
    /// The items of a stretch, the first `most` of them, in the order of their keys, and how large each is.
    pub(super) async fn sizes_of(
        &self,
        stretch: &Stretch<'_>,
        pass_started: SystemTime,
        most: u64,
        deadline: Deadline,
    ) -> Result<Vec<Size>, RowsError> {
        let key = self.walker.key();
        let mut statement = Statement::new(self.walker.dialect());
        statement.sql("SELECT ");
        key.print(&mut statement, "t");
        statement.sql(", ").sql(&self.columns.bytes());
        self.walker.items(&mut statement, stretch, pass_started)?;
        statement.sql(" ORDER BY ");
        key.order(&mut statement, "t", false);
        statement.sql(" LIMIT ");
        phrase::count(&mut statement, most);
        self.sizes(&statement, deadline).await
    }

    /// The rows of these keys that are there, whatever `where` says of them, and how large each is.
    pub(super) async fn sizes_by_key(&self, keys: &[Cursor], deadline: Deadline) -> Result<Vec<Size>, RowsError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let key = self.walker.key();
        let mut statement = Statement::new(self.walker.dialect());
        statement.sql("SELECT ");
        key.print(&mut statement, "t");
        statement.sql(", ").sql(&self.columns.bytes()).sql(" FROM ").sql(self.walker.quoted()).sql(" t WHERE ");
        key.among(&mut statement, "t", keys)?;
        self.sizes(&statement, deadline).await
    }

    async fn sizes(&self, statement: &Statement, deadline: Deadline) -> Result<Vec<Size>, RowsError> {
        let key = self.walker.key();
        let mut link = self.walker.take().await;
        let answer = rows(link.session(deadline).await?, statement, deadline).await;
        let answer = answer.map_err(|error| self.walker.of_query(error.into()))?;
        let parts = key.columns.len();
        let size = |row: Vec<Option<String>>| -> Result<Size, RowsError> {
            let bytes = row.get(parts).and_then(Option::as_deref).and_then(|text| text.parse().ok());
            Ok((key.read(&row, 0)?, bytes.ok_or(RowsError::Shape("a length"))?))
        };
        answer.into_iter().map(size).collect()
    }

    /// How many of these rows, from the first on, are held at once: one at least, if there is any.
    pub(super) fn held_at_once(&self, sizes: &[Size]) -> usize {
        let limits = &self.definition.limits;
        let lanes = u64::from(limits.lanes.min(limits.shards)).max(1);
        fitting(sizes, self.most_memory * 1024 / PART / lanes, self.max_item)
    }

    /// The keys of these rows, those together that are held at once. One that is too large is alone.
    pub(super) fn portions(&self, sizes: &[Size]) -> Vec<Vec<Cursor>> {
        let (mut portions, mut rest) = (Vec::new(), sizes);
        while !rest.is_empty() {
            let (some, behind) = rest.split_at(self.held_at_once(rest));
            portions.push(some.iter().map(|(key, _)| key.clone()).collect());
            rest = behind;
        }
        portions
    }

    /// Whether a row is larger than any that is held.
    pub(super) fn is_too_large(&self, (_, bytes): &Size) -> bool {
        *bytes > self.max_item
    }
}

fn fitting(sizes: &[Size], room: u64, largest: u64) -> usize {
    let mut held = 0_u64;
    let fits = |(_, bytes): &&Size| {
        held = held.saturating_add(*bytes);
        *bytes <= largest && held <= room
    };
    sizes.iter().take_while(fits).count().max(usize::from(!sizes.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_rows_are_held_as_there_is_room_for_and_a_large_one_alone() {
        let sizes = |sizes: &[u64]| sizes.iter().map(|bytes| (Cursor(Vec::new()), *bytes)).collect::<Vec<_>>();
        for (rows, together) in [
            (&[1, 2, 3][..], 3),
            (&[], 0),
            (&[40, 60, 0, 1], 3),
            (&[40, 61], 1),
            (&[80, 80], 1),
            (&[1, 81, 1], 1),
            (&[81, 1], 1),
        ] {
            assert_eq!(fitting(&sizes(rows), 100, 80), together, "{rows:?}");
        }
        assert_eq!(fitting(&sizes(&[50, 50][..]), 10, 80), 1, "less room than one of them takes");
    }
}
