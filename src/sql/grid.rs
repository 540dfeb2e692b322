//! Rows as they came from a database, in one piece of memory: no value of them is an allocation of its own.

use super::native::Native;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

/// A cell that is NULL.
const NULL: u32 = u32::MAX;

/// Rows of one width, values as the bytes of the database's own text, or as bytes; all of them in PostgreSQL's own form where
/// [`Grid::is_native`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grid {
    width: usize,
    data: Vec<u8>,
    /// Where each cell begins and how long it is.
    cells: Vec<(u32, u32)>,
    /// Where each row ends whose cells stand behind one another as in the line that they came in; [`NULL`] of others, and rows
    /// beyond these are others too.
    ends: Vec<u32>,
    /// In which form each column is, where it is PostgreSQL's own; each value then stands behind its length, as it came.
    native: Option<Arc<[Native]>>,
    /// Bytes that a row's text may have beyond those of its values in that form.
    beyond: usize,
}

/// Bytes of a value's length.
const LENGTH: usize = 4;

impl Grid {
    /// No rows, of that many columns.
    pub fn new(width: usize) -> Self {
        Self { width, ..Self::default() }
    }

    /// No rows, of columns in PostgreSQL's own form.
    pub fn native(columns: &Arc<[Native]>) -> Self {
        let beyond = columns.iter().map(|column| column.longest()).sum();
        Self { width: columns.len(), native: Some(Arc::clone(columns)), beyond, ..Self::default() }
    }

    /// Its values are in PostgreSQL's own form.
    pub fn is_native(&self) -> bool {
        self.native.is_some()
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

    /// A value's text whatever its form, as [`Grid::text`].
    pub fn printed(&self, row: usize, column: usize) -> Option<Cow<'_, str>> {
        let Some(kinds) = &self.native else { return self.text(row, column).map(Cow::Borrowed) };
        match kinds.get(column)?.print(self.cell(row, column)?)? {
            Cow::Borrowed(bytes) => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
            Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
        }
    }

    /// The same rows as text; `None` if a value is not of the form that it should have.
    pub fn as_text(&self) -> Option<Self> {
        let Some(kinds) = &self.native else { return Some(self.clone()) };
        let mut text = Self::new(self.width);
        for row in 0..self.len() {
            for (column, kind) in kinds.iter().enumerate() {
                let value = match self.cell(row, column) {
                    Some(value) => Some(kind.print(value)?),
                    None => None,
                };
                if !text.push(value.as_deref()) {
                    return None;
                }
            }
        }
        Some(text)
    }

    /// Bytes of the values of these columns, as text.
    pub fn bytes_of(&self, row: usize, columns: &Range<usize>) -> u64 {
        if let Some(kinds) = &self.native {
            let bytes = |column: usize| Some(kinds.get(column)?.printed_bytes(self.cell(row, column)?) as u64);
            return columns.clone().filter_map(bytes).sum();
        }
        let cells = self.cells.get(row * self.width + columns.start..row * self.width + columns.end);
        let lengths = cells.unwrap_or_default().iter().map(|(_, length)| *length).filter(|length| *length != NULL);
        lengths.map(u64::from).sum()
    }

    /// A row's text may have more than `most` bytes, as far as can be told without a look at its values.
    pub fn may_exceed(&self, row: usize, most: u64) -> bool {
        let whole = self.span(row, &(0..self.width)).map(<[u8]>::len);
        whole.is_none_or(|bytes| (bytes + self.beyond) as u64 > most)
    }

    /// Bytes of memory that its values take.
    pub fn bytes(&self) -> u64 {
        self.data.len() as u64 + 8 * self.cells.len() as u64 + 4 * self.ends.len() as u64
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

    /// Appends a row as the line that holds its cells, with `separator` between them and `null` for NULL; false if they are not as
    /// many as the grid is wide, or there is no more room.
    pub fn push_line(&mut self, line: &[u8], separator: u8, null: &[u8]) -> bool {
        let (row, first) = (self.len(), self.data.len());
        let Some(end) = u32::try_from(first + line.len()).ok().filter(|end| *end < NULL) else { return false };
        let mut begin = 0;
        for stop in memchr::memchr_iter(separator, line).chain([line.len()]) {
            // All of them fit: the end does.
            let place = |bytes| u32::try_from(bytes).unwrap_or(NULL);
            let length = if line.get(begin..stop) == Some(null) { NULL } else { place(stop - begin) };
            self.cells.push((place(first + begin), length));
            begin = stop + 1;
        }
        self.data.extend_from_slice(line);
        self.ends.resize(row, NULL);
        self.ends.push(end);
        self.cells.len() == (row + 1) * self.width
    }

    /// Appends a row as its fields came, each of them behind its length, which is below zero for NULL; false if they are not as many
    /// as the grid is wide, or there is no more room.
    pub fn push_fields(&mut self, fields: &[u8]) -> bool {
        let (row, first) = (self.len(), self.data.len());
        let Some(end) = u32::try_from(first + fields.len()).ok().filter(|end| *end < NULL) else { return false };
        let mut begin = 0;
        for _ in 0..self.width {
            let Some((length, rest)) = fields.get(begin..).and_then(<[u8]>::split_first_chunk::<LENGTH>) else {
                return false;
            };
            begin += LENGTH;
            // All of them fit: the end does.
            let start = u32::try_from(first + begin).unwrap_or(NULL);
            match u32::try_from(i32::from_be_bytes(*length)) {
                Ok(length) if length as usize <= rest.len() => {
                    self.cells.push((start, length));
                    begin += length as usize;
                }
                Ok(_) => return false,
                Err(_) => self.cells.push((start, NULL)),
            }
        }
        self.data.extend_from_slice(fields);
        self.ends.resize(row, NULL);
        self.ends.push(end);
        begin == fields.len()
    }

    /// What a row holds of these columns as it came, between separators or behind lengths; `None` if it did not come in one piece.
    pub fn span(&self, row: usize, columns: &Range<usize>) -> Option<&[u8]> {
        let end = *self.ends.get(row).filter(|end| **end != NULL)?;
        let (length, separator) = if self.is_native() { (LENGTH, 0) } else { (0, 1) };
        let begin = |column| {
            let (start, _) = self.cells.get(row * self.width + column)?;
            (*start as usize).checked_sub(length)
        };
        let stop = if columns.end < self.width { begin(columns.end)?.checked_sub(separator)? } else { end as usize };
        self.data.get(begin(columns.start).filter(|_| columns.start < columns.end)?..stop)
    }

    /// Drops the rows behind the first `rows`. Their bytes stay until the end.
    pub fn truncate(&mut self, rows: usize) {
        self.cells.truncate(rows * self.width);
        self.ends.truncate(rows);
    }
}

/// What the columns of a query are whose rows are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form<'a> {
    /// Text or bytes: what is of another type was cast.
    Cast,
    /// PostgreSQL: of any type but bytes, and each value is printed as its type prints it.
    Printed,
    /// PostgreSQL: of these types, and each value is as the server keeps it.
    Native(&'a Arc<[Native]>),
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
        assert_eq!((grid.bytes_of(0, &(0..2)), grid.bytes_of(1, &(0..2)), grid.bytes_of(1, &(0..1))), (1, 2, 0));
        assert_eq!(grid.bytes_of(9, &(0..2)), 0);
        grid.truncate(1);
        assert_eq!((grid.len(), grid.cell(1, 0)), (1, None));
    }

    #[test]
    fn a_line_is_its_cells_and_stays_in_one_piece() {
        let mut grid = Grid::new(3);
        assert!([Some(&b"x"[..]), None, None].into_iter().all(|value| grid.push(value)));
        assert!(grid.push_line(b"1\t-\tc", b'\t', b"-"));
        assert!(grid.push_line(b"\t\t", b'\t', b"-"));
        let cells = |row| [0, 1, 2].map(|column| grid.cell(row, column));
        assert_eq!(cells(1), [Some(&b"1"[..]), None, Some(b"c")]);
        assert_eq!(cells(2), [Some(&b""[..]); 3]);
        assert_eq!((grid.span(1, &(0..3)), grid.span(1, &(1..3))), (Some(&b"1\t-\tc"[..]), Some(&b"-\tc"[..])));
        assert_eq!((grid.span(1, &(0..2)), grid.span(2, &(0..3))), (Some(&b"1\t-"[..]), Some(&b"\t\t"[..])));
        assert_eq!((grid.span(0, &(0..3)), grid.span(3, &(0..3)), grid.span(1, &(1..1))), (None, None, None));
        assert_eq!([0, 1, 2].map(|row| grid.may_exceed(row, 4)), [true, true, false], "unknown, 5 and 2 bytes");
        assert!(!grid.clone().push_line(b"1\t2", b'\t', b"-"), "too few");
        assert!(!grid.clone().push_line(b"1\t2\t3\t4", b'\t', b"-"), "too many");
        grid.truncate(2);
        assert!(grid.push(Some(b"y")) && grid.push(None) && grid.push(None));
        assert_eq!(grid.span(2, &(0..3)), None);
    }
    #[test]
    fn fields_are_values_behind_their_lengths() {
        let kinds: Arc<[Native]> = Arc::new([Native::Int(2), Native::Text, Native::Bool]);
        let mut grid = Grid::native(&kinds);
        let fields = [0, 0, 0, 2, 1, 0, 0, 0, 0, 1, b'a', 255, 255, 255, 255];
        assert!(grid.push_fields(&fields));
        assert_eq!((grid.len(), grid.cell(0, 0), grid.cell(0, 2)), (1, Some(&[1, 0][..]), None));
        assert_eq!((grid.printed(0, 0).as_deref(), grid.printed(0, 2)), (Some("256"), None));
        assert_eq!(grid.bytes_of(0, &(0..3)), 4);
        assert_eq!(
            [37, 38].map(|most| grid.may_exceed(0, most)),
            [true, false],
            "15 bytes, and 23 that two of them may grow by"
        );
        assert_eq!((grid.span(0, &(0..3)), grid.span(0, &(1..2))), (Some(&fields[..]), Some(&fields[6..11])));
        let text = grid.as_text().expect("values of their types");
        assert_eq!([0, 1, 2].map(|column| text.text(0, column)), [Some("256"), Some("a"), None]);
        for broken in [&fields[..10], &fields[..11], &[&fields[..], &[0]].concat()] {
            assert!(!grid.clone().push_fields(broken), "{broken:?}");
        }
    }
}
