//! CSV of RFC 4180, cut into records out of bytes that come piece by piece.

use memchr::{memchr, memchr2};

/// Bytes of one record, at most. A key has 1,024, each of them up to three where it is encoded; the other columns are short.
const LONGEST: usize = 64 << 10;

/// A record: its fields, without quotes.
#[derive(Debug, Default)]
pub(super) struct Record {
    bytes: Vec<u8>,
    /// Where each field ends.
    ends: Vec<usize>,
}

impl Record {
    /// How many fields there are.
    pub(super) fn count(&self) -> usize {
        self.ends.len()
    }

    /// A field, from 0.
    pub(super) fn field(&self, place: usize) -> Option<&[u8]> {
        let start = place.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied())?;
        self.bytes.get(start..*self.ends.get(place)?)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Before a field.
    #[default]
    Before,
    /// Within one that has no quotes.
    Plain,
    /// Within one that has.
    Quoted,
    /// Behind a quote within such a one: it ends there, or another quote follows.
    Closed,
}

/// Cuts bytes into records.
#[derive(Debug, Default)]
pub(super) struct Records {
    record: Record,
    state: State,
}

impl Records {
    /// Takes the next bytes in, and gives each record that they end to `each`. `Err`: what is wrong with them.
    pub(super) fn take(
        &mut self,
        mut bytes: &[u8],
        each: &mut impl FnMut(&Record) -> Result<(), &'static str>,
    ) -> Result<(), &'static str> {
        while let Some((&first, rest)) = bytes.split_first() {
            match (self.state, first) {
                (State::Before, b'"') => (self.state, bytes) = (State::Quoted, rest),
                (State::Before | State::Plain, _) => {
                    self.state = State::Plain;
                    bytes = self.fill(bytes, memchr2(b',', b'\n', bytes))?;
                    if let Some((&separator, rest)) = bytes.split_first() {
                        self.end_field(separator, each)?;
                        bytes = rest;
                    }
                }
                (State::Quoted, _) => {
                    bytes = self.fill(bytes, memchr(b'"', bytes))?;
                    if let Some((_, rest)) = bytes.split_first() {
                        (self.state, bytes) = (State::Closed, rest);
                    }
                }
                (State::Closed, b'"') => {
                    self.record.bytes.push(b'"');
                    (self.state, bytes) = (State::Quoted, rest);
                }
                (State::Closed, b',' | b'\n') => {
                    self.end_field(first, each)?;
                    bytes = rest;
                }
                (State::Closed, b'\r') => bytes = rest,
                (State::Closed, _) => {
                    return Err("something stands between a field's last quote and what separates it");
                }
            }
        }
        Ok(())
    }

    /// Nothing comes any more: the last record may have no line's end.
    pub(super) fn finish(
        &mut self,
        each: &mut impl FnMut(&Record) -> Result<(), &'static str>,
    ) -> Result<(), &'static str> {
        match self.state {
            State::Quoted => Err("it is cut off"),
            State::Before if self.record.ends.is_empty() => Ok(()),
            _ => self.end_field(b'\n', each),
        }
    }

    /// Adds bytes up to a place, or all of them, to the field; what is left.
    fn fill<'a>(&mut self, bytes: &'a [u8], end: Option<usize>) -> Result<&'a [u8], &'static str> {
        let (inside, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
        if self.record.bytes.len() + inside.len() > LONGEST {
            return Err("it is longer than 64 KB");
        }
        self.record.bytes.extend_from_slice(inside);
        Ok(rest)
    }

    fn end_field(
        &mut self,
        separator: u8,
        each: &mut impl FnMut(&Record) -> Result<(), &'static str>,
    ) -> Result<(), &'static str> {
        let quoted = self.state == State::Closed;
        self.state = State::Before;
        let Record { bytes, ends } = &mut self.record;
        let ends_line = separator == b'\n';
        if ends_line && !quoted && bytes.len() > ends.last().copied().unwrap_or(0) && bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
        // An empty line is none.
        let blank = ends_line && !quoted && ends.is_empty() && bytes.is_empty();
        ends.push(bytes.len());
        if !ends_line {
            return Ok(());
        }
        let done = if blank { Ok(()) } else { each(&self.record) };
        self.record.bytes.clear();
        self.record.ends.clear();
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The records of a text that comes in pieces of so many bytes.
    fn read(text: &[u8], piece: usize) -> Result<Vec<Vec<String>>, &'static str> {
        let mut found = Vec::new();
        let mut each = |record: &Record| -> Result<(), &'static str> {
            assert_eq!(record.field(record.count()), None);
            let field = |place| String::from_utf8(record.field(place).unwrap().to_vec()).unwrap();
            found.push((0..record.count()).map(field).collect());
            Ok(())
        };
        let mut records = Records::default();
        for piece in text.chunks(piece) {
            records.take(piece, &mut each)?;
        }
        records.finish(&mut each)?;
        Ok(found)
    }

    #[test]
    fn fields_are_read_with_and_without_quotes_wherever_the_text_is_cut() {
        let text = "\"a\",\"b,c\"\"d\"\"\",\"\"\r\n\n\r\nplain,,1 \"x\"\n\"two\nlines\",\"\",end,\n\"\"\n,\nlast";
        let records: [&[&str]; 6] = [
            &["a", "b,c\"d\"", ""],
            &["plain", "", "1 \"x\""],
            &["two\nlines", "", "end", ""],
            &[""],
            &["", ""],
            &["last"],
        ];
        for piece in 1..=text.len() {
            assert_eq!(read(text.as_bytes(), piece).unwrap(), records, "pieces of {piece}");
        }
        assert_eq!(read(b"", 1), Ok(Vec::new()));
        assert_eq!(read(b"\"a\",", 9), Ok(vec![vec!["a".to_owned(), String::new()]]));
    }

    #[test]
    fn what_was_written_is_read_again() {
        let fields = ["", "a", ",", "\"", "\n", "\r\n", "a\"\"b", "ü%2F+", "\",\"", " "];
        for _ in 0..200 {
            let width = 1 + usize::from(rand::random::<u8>() % 5);
            let field = || fields[usize::from(rand::random::<u8>()) % fields.len()].to_owned();
            let records: Vec<Vec<String>> =
                (0..rand::random::<u8>() % 20).map(|_| (0..width).map(|_| field()).collect()).collect();
            let quoted = |field: &String| format!("\"{}\"", field.replace('"', "\"\""));
            let line = |record: &Vec<String>| record.iter().map(quoted).collect::<Vec<_>>().join(",") + "\n";
            let text: String = records.iter().map(line).collect();
            let piece = 1 + usize::from(rand::random::<u8>());
            assert_eq!(read(text.as_bytes(), piece).as_ref(), Ok(&records), "{text:?} in pieces of {piece}");
        }
    }

    #[test]
    fn what_is_no_csv_is_refused() {
        assert!(read(b"\"a\" \"b\"\n", 3).unwrap_err().contains("quote"));
        assert!(read(b"\"a\",\"b\n", 3).unwrap_err().contains("cut off"));
        assert!(read("x".repeat(LONGEST + 1).as_bytes(), 1000).unwrap_err().contains("64 KB"));
        assert_eq!(read("x".repeat(LONGEST).as_bytes(), 1000).unwrap().len(), 1);
    }
}
