//! CSV of RFC 4180, cut into records out of bytes that come piece by piece.
//!
//! `csv_core` says where fields end and what is in them, and finds some meaning in any text. That it was CSV, and a record no longer than it
//! may be, is seen to here.

use csv_core::{ReadFieldResult, Reader};
use memchr::memchr_iter;

/// Bytes of one record, at most. A key has 1,024, each of them up to three where it is encoded; the other columns are short.
const LONGEST: usize = 64 << 10;
const QUOTE: u8 = b'"';

/// A record: its fields, without quotes.
#[derive(Debug)]
pub(super) struct Record {
    /// Room for the longest one, and for a byte that shows that another one is longer.
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

/// The text of a field.
#[derive(Debug, Default)]
struct Text {
    bytes: usize,
    /// It begins with a quote.
    quoted: bool,
    last: u8,
}

impl Text {
    fn add(&mut self, piece: &[u8]) {
        let (Some(&first), Some(&last)) = (piece.first(), piece.last()) else { return };
        if self.bytes == 0 {
            self.quoted = first == QUOTE;
        }
        (self.bytes, self.last) = (self.bytes + piece.len(), last);
    }

    /// Whether it is that of this field and nothing else: what begins with a quote ends with one, and within these each one is doubled.
    fn is_of(&self, field: &[u8]) -> bool {
        let length = || field.len() + memchr_iter(QUOTE, field).count() + 2;
        !self.quoted || self.last == QUOTE && self.bytes == length()
    }
}

/// Cuts bytes into records.
#[derive(Debug)]
pub(super) struct Records {
    csv: Reader,
    record: Record,
    /// Bytes of the record so far.
    filled: usize,
    /// The text of the field that is under way.
    text: Text,
}

impl Default for Records {
    fn default() -> Self {
        let record = Record { bytes: vec![0; LONGEST + 1], ends: Vec::new() };
        Self { csv: Reader::new(), record, filled: 0, text: Text::default() }
    }
}

impl Records {
    /// Takes the next bytes in, and gives each record that they end to `each`. `Err`: what is wrong with them.
    pub(super) fn take(
        &mut self,
        mut bytes: &[u8],
        each: &mut impl FnMut(&Record) -> Result<(), &'static str>,
    ) -> Result<(), &'static str> {
        loop {
            if self.record.ends.is_empty() && self.text.bytes == 0 {
                // An empty line is none, nor the beginning of a field.
                let blank = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
                bytes = &bytes[blank..];
            }
            // To `csv_core` nothing means the end.
            if bytes.is_empty() {
                return Ok(());
            }
            let (found, read, written) = self.csv.read_field(bytes, &mut self.record.bytes[self.filled..]);
            let (text, rest) = bytes.split_at(read);
            bytes = rest;
            self.filled += written;
            // A separator takes its room, too: nor are there more fields than that.
            if self.filled + self.record.ends.len() > LONGEST {
                return Err("it is longer than 64 KB");
            }
            let ReadFieldResult::Field { record_end } = found else {
                self.text.add(text);
                continue;
            };
            // The last of it is what separates the field.
            self.text.add(text.split_last().map_or(text, |(_, field)| field));
            self.end_field("something stands between a field's last quote and what separates it")?;
            if record_end {
                self.end_record(each)?;
            }
        }
    }

    /// Nothing comes any more: the last record may have no line's end.
    pub(super) fn finish(
        &mut self,
        each: &mut impl FnMut(&Record) -> Result<(), &'static str>,
    ) -> Result<(), &'static str> {
        if let (ReadFieldResult::Field { .. }, ..) = self.csv.read_field(&[], &mut []) {
            self.end_field("it is cut off, or something stands behind its last quote")?;
            self.end_record(each)?;
        }
        Ok(())
    }

    /// `otherwise`: what to say of a text that is more, or less, than the field.
    fn end_field(&mut self, otherwise: &'static str) -> Result<(), &'static str> {
        let Record { bytes, ends } = &mut self.record;
        let start = ends.last().copied().unwrap_or(0);
        let whole = std::mem::take(&mut self.text).is_of(&bytes[start..self.filled]);
        ends.push(self.filled);
        if whole { Ok(()) } else { Err(otherwise) }
    }

    fn end_record(&mut self, each: &mut impl FnMut(&Record) -> Result<(), &'static str>) -> Result<(), &'static str> {
        let done = each(&self.record);
        self.record.ends.clear();
        self.filled = 0;
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

    #[test]
    fn each_record_may_be_as_long_as_the_longest_and_no_longer_by_its_fields_either() {
        let line = |bytes| format!("{}\r\n\"{}\"\n", "x".repeat(bytes), "\"\"".repeat(bytes));
        for piece in [1, 1000, LONGEST, usize::MAX] {
            let records = read(line(LONGEST).repeat(2).as_bytes(), piece).unwrap();
            assert_eq!(records.iter().map(|record| record[0].len()).collect::<Vec<_>>(), [LONGEST; 4]);
            assert!(read(line(LONGEST + 1).as_bytes(), piece).unwrap_err().contains("64 KB"));
            let fields = format!("{}\n", ",".repeat(2 * LONGEST));
            assert!(read(fields.as_bytes(), piece).unwrap_err().contains("64 KB"));
        }
    }

    #[test]
    fn what_stands_behind_a_last_quote_is_refused_wherever_the_text_is_cut() {
        let fields =
            [r#""a"b"#, r#""a" "#, r#"""a"#, r#""a"b""#, r#""a"""b"#, r#""a"b"""#, r#""a" "b""#, r#""a"b"c""d"#];
        for field in fields {
            for text in [format!("{field}\n"), format!("x,{field},y\n"), format!("\r\n{field}\r\n"), field.to_owned()] {
                for piece in 1..=text.len() {
                    assert!(
                        read(text.as_bytes(), piece).unwrap_err().contains("quote"),
                        "{text:?} in pieces of {piece}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_is_cut_off_within_quotes_is_no_record() {
        let text = "\"a\",\"b\"\"\"\"c,\"\"\nd\"";
        for end in 5..text.len() {
            // Then what came so far may be a whole field.
            let even = text[..end].matches('"').count().is_multiple_of(2);
            for piece in 1..=end {
                match read(&text.as_bytes()[..end], piece) {
                    Ok(found) => assert!(even, "{found:?} of {:?}", &text[..end]),
                    Err(why) => assert!(!even && why.contains("cut off"), "{why}: {:?}", &text[..end]),
                }
            }
        }
        assert_eq!(read(text.as_bytes(), 1).unwrap(), [["a", "b\"\"c,\"\nd"]]);
    }
}
