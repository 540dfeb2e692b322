//! Rows as PostgreSQL copies them out. In its binary format text and bytes are what they are, and all else is cast to one of them, or
//! stays in the form that the server keeps it in. In its text format every type is printed as itself, which takes the server half the
//! time of a cast, but bytes are not.

use super::SqlError;
use super::grid::Grid;
use super::native::Native;
use std::sync::Arc;

/// What stands before the first row.
pub(super) const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";

/// Appends the row of one message, values in the server's own form.
pub(super) fn fields(rows: &mut Grid, columns: &Arc<[Native]>, message: &[u8]) -> Result<(), SqlError> {
    let Some((width, fields)) = tuple(message)? else { return Ok(()) };
    if rows.is_empty() {
        *rows = Grid::native(columns);
    }
    if width == columns.len() && rows.push_fields(fields) { Ok(()) } else { Err(unclear()) }
}

/// How many fields one message holds, and those; the first message has a head, and the last one none of them.
fn tuple(message: &[u8]) -> Result<Option<(usize, &[u8])>, SqlError> {
    let mut rest = message;
    if let Some(behind) = message.strip_prefix(SIGNATURE) {
        // Flags, and an extension of so many bytes.
        let (_, behind) = number::<4>(behind)?;
        let (length, behind) = number::<4>(behind)?;
        let length = usize::try_from(i32::from_be_bytes(length)).map_err(|_| unclear())?;
        rest = behind.get(length..).ok_or_else(unclear)?;
    }
    if rest.is_empty() {
        return Ok(None);
    }
    let (width, rest) = number::<2>(rest)?;
    Ok(usize::try_from(i16::from_be_bytes(width)).ok().map(|width| (width, rest)))
}

/// Appends the row of one message, values as text or bytes.
pub(super) fn row(rows: &mut Grid, message: &[u8]) -> Result<(), SqlError> {
    let Some((width, mut rest)) = tuple(message)? else { return Ok(()) };
    if rows.is_empty() {
        *rows = Grid::new(width);
    }
    for _ in 0..width {
        let (length, behind) = number::<4>(rest)?;
        // NULL has a length below zero.
        let value = match usize::try_from(i32::from_be_bytes(length)) {
            Ok(length) => Some(behind.split_at_checked(length).ok_or_else(unclear)?),
            Err(_) => None,
        };
        if !rows.push(value.map(|(value, _)| value)) {
            return Err(SqlError::Unsendable("a batch of more than 4 GB"));
        }
        rest = value.map_or(behind, |(_, behind)| behind);
    }
    if rest.is_empty() { Ok(()) } else { Err(unclear()) }
}

/// Appends the row of one line of the text format: a message holds one.
pub(super) fn line(rows: &mut Grid, message: &[u8]) -> Result<(), SqlError> {
    let line = message.strip_suffix(b"\n").ok_or_else(unclear)?;
    if rows.is_empty() {
        *rows = Grid::new(line.split(|byte| *byte == b'\t').count());
    }
    // Most lines hold what they stand for: such a row goes into another table as it is.
    let is_plain = |cell: &[u8]| cell == b"\\N" || !cell.contains(&b'\\');
    if !line.contains(&b'\\') || line.split(|byte| *byte == b'\t').all(is_plain) {
        return if rows.push_line(line, b'\t', b"\\N") { Ok(()) } else { Err(unclear()) };
    }
    let mut width = 0;
    for cell in line.split(|byte| *byte == b'\t') {
        width += 1;
        let fits = match cell {
            b"\\N" => rows.push(None),
            cell => rows.push(Some(&unescaped(cell)?)),
        };
        if !fits {
            return Err(SqlError::Unsendable("a batch of more than 4 GB"));
        }
    }
    if width == rows.width() { Ok(()) } else { Err(unclear()) }
}

fn unescaped(cell: &[u8]) -> Result<Vec<u8>, SqlError> {
    let mut value = Vec::with_capacity(cell.len());
    let mut rest = cell.iter();
    while let Some(&byte) = rest.next() {
        value.push(match byte {
            b'\\' => match rest.next().ok_or_else(unclear)? {
                b'b' => 8,
                b't' => b'\t',
                b'n' => b'\n',
                b'v' => 11,
                b'f' => 12,
                b'r' => b'\r',
                b'\\' => b'\\',
                _ => return Err(unclear()),
            },
            byte => byte,
        });
    }
    Ok(value)
}

fn number<const N: usize>(bytes: &[u8]) -> Result<([u8; N], &[u8]), SqlError> {
    let (number, behind) = bytes.split_first_chunk::<N>().ok_or_else(unclear)?;
    Ok((*number, behind))
}

pub(super) fn unclear() -> SqlError {
    SqlError::Lost { what: "rows that were copied out are not as PostgreSQL writes them", source: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_from_the_first_message_to_the_last() {
        let mut rows = Grid::default();
        let first = [SIGNATURE, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 1, b'a', 0xff, 0xff, 0xff, 0xff]].concat();
        row(&mut rows, &first).expect("a header and a row");
        row(&mut rows, &[0, 2, 0, 0, 0, 0, 0, 0, 0, 2, 0, 255]).expect("a row");
        row(&mut rows, &[0xff, 0xff]).expect("the end");
        let cells = [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(row, column)| rows.cell(row, column));
        assert_eq!((rows.len(), cells), (2, [Some(&b"a"[..]), None, Some(b""), Some(&[0, 255])]));
        for broken in [&[0][..], &[0, 1], &[0, 1, 0, 0, 0, 2, 1], &[0, 1, 0, 0, 0, 1, 1, 1]] {
            assert!(row(&mut Grid::default(), broken).is_err(), "{broken:?}");
        }
    }

    #[test]
    fn lines_are_read_with_what_they_escape() {
        let mut rows = Grid::default();
        line(&mut rows, b"1\t\\N\t\n").expect("a line");
        line(&mut rows, "\\\\N\t\\b\\t\\n\\v\\f\\r\\\\\té\n".as_bytes()).expect("a line");
        let cells = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)].map(|(row, column)| rows.cell(row, column));
        assert_eq!(cells[..3], [Some(&b"1"[..]), None, Some(b"")]);
        assert_eq!(cells[3..], [Some(&b"\\N"[..]), Some(b"\x08\t\n\x0b\x0c\r\\"), Some("é".as_bytes())]);
        for broken in [&b"1\t2\t3"[..], b"1\t2\n", b"1\t2\t3\t4\n", b"1\t2\t\\\n", b"1\t2\t\\x\n"] {
            assert!(line(&mut rows, broken).is_err(), "{broken:?}");
        }
    }
}
