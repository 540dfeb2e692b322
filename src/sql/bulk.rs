//! Many rows into one table: COPY into PostgreSQL, INSERTs of many rows elsewhere, within what a packet and a statement hold.

use super::Dialect;
use super::copied::SIGNATURE;
use super::statement::Statement;

/// A value on its way into a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// NULL.
    Null,
    /// UTF-8 text, from which the database reads what its column holds.
    Text(&'a [u8]),
    /// Bytes.
    Bytes(&'a [u8]),
    /// SQLite: an integer.
    Int(i64),
    /// SQLite: a floating-point number, by its bits.
    Real(u64),
}

impl Value<'_> {
    /// How many bytes it is.
    pub fn len(&self) -> usize {
        match self {
            Self::Null => 0,
            Self::Text(bytes) | Self::Bytes(bytes) => bytes.len(),
            Self::Int(_) | Self::Real(_) => 8,
        }
    }

    /// It has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Rows that are to be inserted.
pub trait Rows: Send + Sync {
    /// How many.
    fn len(&self) -> usize;

    /// There are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of a column, counted as in [`Table::columns`].
    fn value(&self, row: usize, column: usize) -> Value<'_>;

    /// All values of a row as a line of COPY's text, less its end, where it came as one; as the fields of COPY's binary format where
    /// they are native.
    fn copied(&self, _row: usize) -> Option<&[u8]> {
        None
    }

    /// Every row was copied from PostgreSQL in the binary format, from columns of the same types.
    fn is_native(&self) -> bool {
        false
    }
}

/// Where rows go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Whose SQL it is.
    pub dialect: Dialect,
    /// The table, quoted.
    pub name: String,
    /// Its columns that are filled.
    pub columns: Vec<Column>,
}

/// A column that is filled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// SQL before the value's placeholder; PostgreSQL takes the values as they are.
    pub before: String,
    /// SQL behind it.
    pub behind: String,
}

/// Bytes of values in one statement, where a packet could hold more: the server keeps all of it in its memory.
const STATEMENT_BYTES: usize = 4 << 20;

/// Rows in one statement: each number of them is a text that the server reads and keeps.
const ROWS: usize = 512;

impl Table {
    /// Placeholders that one statement may have.
    fn placeholders(&self) -> usize {
        match self.dialect {
            Dialect::Sqlite => 32_766,
            Dialect::MySql | Dialect::Postgres => 65_535,
        }
    }

    /// How many of the rows from `from` on go into one statement: a power of two, so that few texts serve all, unless the
    /// values would be more than `packet`.
    pub(super) fn fitting(&self, rows: &dyn Rows, from: usize, packet: u64) -> usize {
        let left = rows.len().saturating_sub(from);
        let most = (self.placeholders() / self.columns.len().max(1)).min(ROWS).min(left).max(1);
        let room = usize::try_from(packet / 2).unwrap_or(usize::MAX).min(STATEMENT_BYTES);
        let (mut bytes, mut fitting) = (0, 0);
        while fitting < most {
            // A length, a type and a little more for each value.
            bytes += (0..self.columns.len()).map(|column| rows.value(from + fitting, column).len() + 12).sum::<usize>();
            if bytes > room && fitting > 0 {
                break;
            }
            fitting += 1;
        }
        1 << fitting.ilog2()
    }

    /// `INSERT INTO table (columns) VALUES (…), …` of that many rows.
    pub(super) fn insert(&self, rows: usize) -> Statement {
        let mut statement = Statement::new(self.dialect);
        // On SQLite a column may be declared to replace what is there, or to ignore what is new: not for us.
        statement.sql(if self.dialect == Dialect::Sqlite { "INSERT OR ABORT INTO " } else { "INSERT INTO " });
        self.named(&mut statement);
        let places: Vec<String> =
            self.columns.iter().map(|column| format!("{}?{}", column.before, column.behind)).collect();
        let row = format!("({})", places.join(", "));
        statement.sql(" VALUES ");
        for place in 0..rows {
            statement.sql(if place == 0 { "" } else { ", " }).sql(&row);
        }
        statement
    }

    /// `COPY table (columns) FROM STDIN`, in the binary format if rows are native.
    pub(super) fn copy(&self, native: bool) -> Statement {
        let mut statement = Statement::new(self.dialect);
        statement.sql("COPY ");
        self.named(&mut statement);
        statement.sql(if native { " FROM STDIN (FORMAT binary)" } else { " FROM STDIN" });
        statement
    }

    /// How rows are written to it, for `plan`.
    pub fn shown(&self) -> Statement {
        if self.dialect == Dialect::Postgres { self.copy(false) } else { self.insert(1) }
    }

    fn named(&self, statement: &mut Statement) {
        statement.sql(&self.name).sql(" (");
        for (place, column) in self.columns.iter().enumerate() {
            statement.sql(if place == 0 { "" } else { ", " }).name(&column.name);
        }
        statement.sql(")");
    }
}

/// Appends what stands before the first row in COPY's binary format: its signature, no flags, and an extension of no bytes.
pub(super) fn head(data: &mut Vec<u8>) {
    data.extend_from_slice(SIGNATURE);
    data.extend_from_slice(&[0; 8]);
}

/// Appends a row in COPY's binary format: how many fields it has, and those; `None` if it did not come so.
pub(super) fn tuple(data: &mut Vec<u8>, table: &Table, rows: &dyn Rows, row: usize) -> Option<()> {
    let fields = rows.copied(row)?;
    data.extend_from_slice(&i16::try_from(table.columns.len()).ok()?.to_be_bytes());
    data.extend_from_slice(fields);
    Some(())
}

/// Appends a row as a line of COPY's text format. Bytes are written as bytea's hex.
pub(super) fn line(text: &mut Vec<u8>, table: &Table, rows: &dyn Rows, row: usize) {
    if let Some(copied) = rows.copied(row) {
        text.extend_from_slice(copied);
        text.push(b'\n');
        return;
    }
    for column in 0..table.columns.len() {
        if column > 0 {
            text.push(b'\t');
        }
        match rows.value(row, column) {
            Value::Null => text.extend_from_slice(b"\\N"),
            Value::Text(value) => escape(text, value),
            Value::Bytes(value) => {
                text.extend_from_slice(b"\\\\x");
                for byte in value {
                    text.extend_from_slice(&HEX[usize::from(*byte)]);
                }
            }
            Value::Int(number) => text.extend_from_slice(number.to_string().as_bytes()),
            Value::Real(bits) => text.extend_from_slice(format!("{:?}", f64::from_bits(bits)).as_bytes()),
        }
    }
    text.push(b'\n');
}

/// The two digits of each byte.
const HEX: [[u8; 2]; 256] = {
    let digits = b"0123456789abcdef";
    let mut table = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = [digits[byte >> 4], digits[byte & 15]];
        byte += 1;
    }
    table
};

fn escape(text: &mut Vec<u8>, value: &[u8]) {
    let mut rest = value;
    while let Some(place) = rest.iter().position(|byte| matches!(byte, b'\\' | b'\n' | b'\r' | b'\t')) {
        let (plain, special) = rest.split_at(place);
        text.extend_from_slice(plain);
        let (first, behind) = special.split_at(1);
        text.push(b'\\');
        text.push(match first {
            b"\n" => b'n',
            b"\r" => b'r',
            b"\t" => b't',
            _ => b'\\',
        });
        rest = behind;
    }
    text.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Few(Vec<Vec<&'static [u8]>>);

    impl Rows for Few {
        fn len(&self) -> usize {
            self.0.len()
        }

        fn value(&self, row: usize, column: usize) -> Value<'_> {
            Value::Text(self.0[row][column])
        }
    }

    fn table(dialect: Dialect, columns: usize) -> Table {
        let columns = (0..columns).map(|place| Column { name: format!("c{place}"), ..Column::default() });
        Table { dialect, name: "t".into(), columns: columns.collect() }
    }

    #[test]
    fn a_line_of_copy_escapes_what_would_end_it() {
        let rows = Few(vec![vec![b"a\tb\\c\nd\re", b""]]);
        let mut text = Vec::new();
        line(&mut text, &table(Dialect::Postgres, 2), &rows, 0);
        assert_eq!(text, b"a\\tb\\\\c\\nd\\re\t\n");
    }

    #[test]
    fn a_statement_keeps_within_packet_and_placeholders() {
        let rows = Few(vec![vec![b"0123456789"; 100]; 1000]);
        let wide = table(Dialect::MySql, 100);
        assert_eq!(wide.fitting(&rows, 0, 16 << 20), 512);
        assert_eq!(wide.fitting(&rows, 990, 16 << 20), 8, "a power of two of the ten that are left");
        assert_eq!(wide.fitting(&rows, 0, 10_000), 2);
        assert_eq!(wide.fitting(&rows, 0, 10), 1, "one in any case");
        assert_eq!(table(Dialect::Sqlite, 100).fitting(&rows, 0, 16 << 20), 256);
        assert_eq!(wide.insert(2).text().matches('?').count(), 200);
    }
}
