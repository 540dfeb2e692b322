//! What was read of a batch, and what has been made of it for the target.

use super::super::faults::RowsError;
use super::copy::Related;
use super::route::{Origin, Route};
use crate::sql::grid::Grid;
use std::ops::Range;

/// Rows that were read, values as the target will say them.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) struct Cargo {
    page: Grid,
    /// Values that are written otherwise than they were read: the column of each, and those of the column read.
    turned: Vec<(usize, Grid)>,
    /// Rows of related tables that go with them, for each copy.
    pub(super) related: Vec<Related>,
}

impl Cargo {
    /// Turns what has to be turned; the first value that the target cannot hold is an error.
    pub(super) fn of(route: &Route, page: Grid) -> Result<Self, RowsError> {
        let mut turned = Vec::new();
        for (fill, what) in route.fills.iter().enumerate() {
            let (Origin::Cell(column), Some(carry)) = (what.origin, what.turning()) else { continue };
            let mut values = Grid::new(1);
            for row in 0..page.len() {
                let value = page.cell(row, column).map(|value| carry.turn(value)).transpose();
                let value = value.map_err(|why| RowsError::Unfit { column: route.name(fill).to_owned(), why })?;
                values.push(value.as_deref());
            }
            turned.push((column, values));
        }
        Ok(Self { page, turned, related: Vec::new() })
    }

    /// With these related rows.
    pub(super) fn beside(self, related: Vec<Related>) -> Self {
        Self { related, ..self }
    }

    /// How many rows.
    pub(in super::super) fn len(&self) -> usize {
        self.page.len()
    }

    /// As it was read: its keys.
    pub(super) fn page(&self) -> &Grid {
        &self.page
    }

    /// The same rows, values as text, if they are in a server's own form; `None` if they are text.
    pub(super) fn as_text(&self) -> Option<Result<Self, RowsError>> {
        let page = self.page.is_native().then(|| self.page.as_text())?;
        let text = |page| Self { page, turned: self.turned.clone(), related: Vec::new() };
        Some(page.map(text).ok_or(RowsError::Shape("rows as they are kept")))
    }

    /// They are in a server's own form, and go into another one so.
    pub(super) fn is_native(&self) -> bool {
        self.page.is_native()
    }

    /// A value as it is written.
    pub(super) fn cell(&self, row: usize, column: usize) -> Option<&[u8]> {
        match self.turned.iter().find(|(turned, _)| *turned == column) {
            Some((_, values)) => values.cell(row, 0),
            None => self.page.cell(row, column),
        }
    }

    /// These columns of a row as PostgreSQL's COPY gave them, if nothing was turned in any row.
    pub(super) fn copied(&self, row: usize, columns: &Range<usize>) -> Option<&[u8]> {
        if self.turned.is_empty() { self.page.span(row, columns) } else { None }
    }

    /// Bytes of these columns of a row as they are written.
    pub(super) fn bytes_of(&self, row: usize, columns: &Range<usize>) -> u64 {
        if self.turned.is_empty() {
            return self.page.bytes_of(row, columns);
        }
        columns.clone().filter_map(|column| self.cell(row, column)).map(|bytes| bytes.len() as u64).sum()
    }

    /// Bytes of memory.
    pub(super) fn bytes(&self) -> u64 {
        let turned = self.turned.iter().map(|(_, values)| values.bytes());
        let related = self.related.iter().map(|one| one.cargo.bytes());
        self.page.bytes() + turned.chain(related).sum::<u64>()
    }
}
