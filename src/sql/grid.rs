//! Rows as they came from a database, in one piece of memory: no value of them is an allocation of its own.

/// A cell that is NULL.
const NULL: u32 = u32::MAX;

/// Rows of one width, values as the bytes of the database's own text, or as bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grid {
    width: usize,
    data: Vec<u8>,
    /// Where each cell begins and how long it is.
    cells: Vec<(u32, u32)>,
}

impl Grid {
    /// No rows, of that many columns.
    pub fn new(width: usize) -> Self {
        Self { width, data: Vec::new(), cells: Vec::new() }
    }

    /// How many columns it has.
    pub fn width(&self) -> usize {
        self.width
    }

    /// How many rows it holds.
    pub fn len(&self) -> usize {
        self.cells.len().checked_div(self.width).unwrap_or(0)
    }

    /// It holds none.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// A value; `None` is NULL. So is what lies outside.
    pub fn cell(&self, row: usize, column: usize) -> Option<&[u8]> {
        let &(start, length) = self.cells.get(row * self.width + column).filter(|_| column < self.width)?;
        if length == NULL {
            return None;
        }
        let start = start as usize;
        self.data.get(start..start + length as usize)
    }

    /// A value as text; `None` also if it is none.
    pub fn text(&self, row: usize, column: usize) -> Option<&str> {
        std::str::from_utf8(self.cell(row, column)?).ok()
    }

    /// Bytes of memory that its values take.
    pub fn bytes(&self) -> u64 {
        self.data.len() as u64 + 8 * self.cells.len() as u64
    }

    /// Appends a cell; false if there is no more room for it, which is at 4 GB.
    pub fn push(&mut self, value: Option<&[u8]>) -> bool {
        let (Ok(start), Ok(length)) = (u32::try_from(self.data.len()), u32::try_from(value.map_or(0, <[u8]>::len)))
        else {
            return false;
        };
        self.data.extend_from_slice(value.unwrap_or_default());
        self.cells.push((start, if value.is_some() { length } else { NULL }));
        length < NULL
    }

    /// Drops the rows behind the first `rows`. Their bytes stay until the end.
    pub fn truncate(&mut self, rows: usize) {
        self.cells.truncate(rows * self.width);
    }
}

/// What the columns of a query are whose rows are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Text or bytes: what is of another type was cast.
    Cast,
    /// PostgreSQL: of any type but bytes, and each value is printed as its type prints it.
    Printed,
}

/// What was read of a query's rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The rows.
    pub rows: Grid,
    /// There are more: reading stopped because the bytes were enough.
    pub is_cut: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_where_they_were_put() {
        let mut grid = Grid::new(2);
        for value in [Some(&b"a"[..]), None, Some(b""), Some("é".as_bytes())] {
            assert!(grid.push(value));
        }
        assert_eq!((grid.len(), grid.cell(0, 0), grid.cell(0, 1)), (2, Some(&b"a"[..]), None));
        assert_eq!((grid.cell(1, 0), grid.text(1, 1)), (Some(&b""[..]), Some("é")));
        assert_eq!((grid.cell(2, 0), grid.cell(0, 2)), (None, None));
        grid.truncate(1);
        assert_eq!((grid.len(), grid.cell(1, 0)), (1, None));
    }
}
