//! Keys in SQL: how each part is printed for a cursor, bound again as the column's own type, compared and put in order.

use super::document::column;
use crate::cursor::{Cursor, KeyPart};
use crate::debug::debug_is_display;
use crate::hex;
use crate::sql::Dialect;
use crate::sql::statement::{Bind, Statement};

/// What a key column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// Integers.
    Int,
    /// Decimal numbers.
    Decimal,
    /// Dates and times.
    Time,
    /// UUIDs.
    Uuid,
    /// Text.
    Text,
    /// Bytes.
    Binary,
}

/// One column of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyColumn {
    /// Its name.
    pub name: String,
    /// What it holds; on SQLite only what it declares.
    pub kind: KeyKind,
    /// The type to cast a bound value to: PostgreSQL's name of it, MySQL's `DECIMAL(p, s)` of a decimal.
    pub cast: String,
    /// The collation in which it is compared and ordered, if not its own.
    pub collate: Option<Collate>,
}

/// A character set and collation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collate {
    /// MySQL's character set.
    pub charset: Option<String>,
    /// The collation, quoted where the dialect has it so.
    pub collation: String,
}

impl Collate {
    pub(super) fn apply(&self, x: &str) -> String {
        match &self.charset {
            Some(charset) => format!("CONVERT({x} USING {charset}) COLLATE {}", self.collation),
            None => format!("{x} COLLATE {}", self.collation),
        }
    }
}

/// A key: the columns of a unique index, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Whose SQL it is.
    pub dialect: Dialect,
    /// The columns.
    pub columns: Vec<KeyColumn>,
}

/// A key that a result or a cursor does not really hold.
#[derive(thiserror::Error, PartialEq, Eq)]
pub enum KeyError {
    /// Another number of parts.
    #[error("a key of {found} parts where the table's has {expected}: `reset` the migration if its key was changed")]
    Parts {
        /// In the cursor.
        found: usize,
        /// In the table.
        expected: usize,
    },
    /// A part that is not of its kind.
    #[error(
        "part {place} of a key is not of the column's type: `reset` the migration if the column's type was changed"
    )]
    Part {
        /// Counted from 1.
        place: usize,
    },
}

debug_is_display!(KeyError);

/// Which side of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Beyond it.
    After,
    /// Up to it, itself included.
    UpTo,
}

impl Key {
    /// Appends the columns as text, to be read back by [`Key::read`].
    pub fn print(&self, statement: &mut Statement, alias: &str) {
        for (place, text) in self.printed(alias).enumerate() {
            statement.sql(if place == 0 { "" } else { ", " }).sql(&text);
        }
    }

    /// SQL of each column as text.
    pub(super) fn printed(&self, alias: &str) -> impl Iterator<Item = String> {
        self.columns.iter().map(move |part| {
            let x = column(self.dialect, alias, &part.name);
            match (self.dialect, part.kind) {
                (Dialect::MySql, KeyKind::Binary) => format!("LOWER(HEX({x}))"),
                (Dialect::MySql, _) => format!("CAST({x} AS CHAR)"),
                (Dialect::Postgres, KeyKind::Binary) => format!("encode({x}, 'hex')"),
                (Dialect::Postgres, _) => format!("{x}::text"),
                (Dialect::Sqlite, _) => format!(
                    "substr(typeof({x}), 1, 1) || CASE typeof({x}) WHEN 'blob' THEN lower(hex({x})) \
                     WHEN 'real' THEN CASE {x} WHEN 9e999 THEN '9e999' WHEN -9e999 THEN '-9e999' ELSE printf('%!.17g', {x}) END ELSE CAST({x} AS TEXT) END"
                ),
            }
        })
    }

    /// The cursor in the printed columns of a result, the first of them at `at`.
    pub fn read(&self, row: &[Option<String>], at: usize) -> Result<Cursor, KeyError> {
        let parts = row.get(at..at + self.columns.len());
        let parts =
            parts.ok_or(KeyError::Parts { found: row.len().saturating_sub(at), expected: self.columns.len() })?;
        let part = |(place, (column, text)): (usize, (&KeyColumn, &Option<String>))| {
            let text = text.as_deref().ok_or(KeyError::Part { place: place + 1 })?;
            if self.dialect == Dialect::Sqlite {
                return dynamic(text).ok_or(KeyError::Part { place: place + 1 });
            }
            let text = text.to_owned();
            Ok(match column.kind {
                KeyKind::Int => KeyPart::Int(text),
                KeyKind::Decimal => KeyPart::Decimal(text),
                KeyKind::Time => KeyPart::Time(text),
                KeyKind::Uuid => KeyPart::Uuid(text),
                KeyKind::Text => KeyPart::Text(text),
                KeyKind::Binary => KeyPart::Binary(text),
            })
        };
        self.columns.iter().zip(parts).enumerate().map(part).collect::<Result<_, _>>().map(Cursor)
    }

    /// Appends the columns, comma-separated, for ORDER BY: themselves, never their text.
    pub fn order(&self, statement: &mut Statement, alias: &str, backwards: bool) {
        for (place, part) in self.columns.iter().enumerate() {
            statement.sql(if place == 0 { "" } else { ", " }).sql(&self.compared(alias, part));
            if backwards {
                statement.sql(" DESC");
            }
        }
    }

    /// Appends a predicate that the database can walk as a range of the key's index: the row value on PostgreSQL and
    /// SQLite, nested ORs on MySQL.
    pub fn compare(&self, statement: &mut Statement, alias: &str, side: Side, cursor: &Cursor) -> Result<(), KeyError> {
        self.fits(cursor)?;
        if self.dialect == Dialect::MySql {
            return self.nested(statement, alias, side, cursor, 0);
        }
        let several = self.columns.len() > 1;
        statement.sql(if several { "(" } else { "" });
        self.order(statement, alias, false);
        statement.sql(if several { ") " } else { " " });
        statement.sql(if side == Side::After { "> " } else { "<= " });
        self.tuple(statement, cursor)
    }

    /// Appends a predicate for exactly these keys; none at all match an empty list.
    pub fn among(&self, statement: &mut Statement, alias: &str, cursors: &[Cursor]) -> Result<(), KeyError> {
        if cursors.is_empty() {
            statement.sql("1 = 0");
            return Ok(());
        }
        let several = self.columns.len() > 1;
        if several && self.dialect != Dialect::Sqlite {
            for (place, cursor) in cursors.iter().enumerate() {
                self.fits(cursor)?;
                statement.sql(if place == 0 { "((" } else { " OR (" });
                for (at, (part, value)) in self.columns.iter().zip(&cursor.0).enumerate() {
                    statement.sql(if at == 0 { "" } else { " AND " }).sql(&self.compared(alias, part)).sql(" = ");
                    self.bind(statement, at, value)?;
                }
                statement.sql(")");
            }
            statement.sql(")");
            return Ok(());
        }
        statement.sql(if several { "(" } else { "" });
        self.order(statement, alias, false);
        statement.sql(if several { ") IN (VALUES " } else { " IN (" });
        for (place, cursor) in cursors.iter().enumerate() {
            statement.sql(if place == 0 { "" } else { ", " });
            self.fits(cursor)?;
            self.tuple(statement, cursor)?;
        }
        statement.sql(")");
        Ok(())
    }

    /// A column in the collation in which it is compared.
    fn compared(&self, alias: &str, part: &KeyColumn) -> String {
        let x = column(self.dialect, alias, &part.name);
        part.collate.as_ref().map_or(x.clone(), |collate| collate.apply(&x))
    }

    fn fits(&self, cursor: &Cursor) -> Result<(), KeyError> {
        let (found, expected) = (cursor.0.len(), self.columns.len());
        if found == expected { Ok(()) } else { Err(KeyError::Parts { found, expected }) }
    }

    fn tuple(&self, statement: &mut Statement, cursor: &Cursor) -> Result<(), KeyError> {
        let several = self.columns.len() > 1;
        statement.sql(if several { "(" } else { "" });
        for (place, value) in cursor.0.iter().enumerate() {
            statement.sql(if place == 0 { "" } else { ", " });
            self.bind(statement, place, value)?;
        }
        statement.sql(if several { ")" } else { "" });
        Ok(())
    }

    fn nested(
        &self,
        statement: &mut Statement,
        alias: &str,
        side: Side,
        cursor: &Cursor,
        place: usize,
    ) -> Result<(), KeyError> {
        let last = place + 1 == self.columns.len();
        let (Some(part), Some(value)) = (self.columns.get(place), cursor.0.get(place)) else { return Ok(()) };
        let x = self.compared(alias, part);
        let sign = match (side, last) {
            (Side::After, _) => ">",
            (Side::UpTo, false) => "<",
            (Side::UpTo, true) => "<=",
        };
        statement.sql(if last { "" } else { "(" }).sql(&x).sql(" ").sql(sign).sql(" ");
        self.bind(statement, place, value)?;
        if !last {
            statement.sql(" OR (").sql(&x).sql(" = ");
            self.bind(statement, place, value)?;
            statement.sql(" AND ");
            self.nested(statement, alias, side, cursor, place + 1)?;
            statement.sql("))");
        }
        Ok(())
    }

    /// Appends a bound value, cast to what the column is. The text of the statement depends on the column alone, except
    /// on SQLite, whose values have types of their own.
    fn bind(&self, statement: &mut Statement, place: usize, value: &KeyPart) -> Result<(), KeyError> {
        let Some(part) = self.columns.get(place) else { return Ok(()) };
        let wrong = || KeyError::Part { place: place + 1 };
        match (self.dialect, value) {
            (Dialect::MySql | Dialect::Sqlite, KeyPart::Int(text)) => {
                let bind = match text.parse() {
                    Ok(signed) => Bind::Int(signed),
                    Err(_) => Bind::Unsigned(text.parse().map_err(|_| wrong())?),
                };
                // One text for all batches: MySQL infers nothing from the parameter's type.
                statement.bind(bind);
            }
            (Dialect::MySql, KeyPart::Decimal(text)) => {
                statement.sql("CAST(").bind(Bind::Text(text.clone())).sql(" AS ").sql(&part.cast).sql(")");
            }
            (Dialect::MySql, KeyPart::Binary(text)) => {
                statement.sql("UNHEX(").bind(Bind::Text(text.clone())).sql(")");
            }
            (Dialect::MySql | Dialect::Sqlite, KeyPart::Time(text) | KeyPart::Uuid(text) | KeyPart::Text(text)) => {
                statement.bind(Bind::Text(text.clone()));
            }
            (Dialect::Sqlite, KeyPart::Decimal(text)) => {
                // The plus takes the cast's affinity away: it would make numbers of the texts that it is compared with.
                statement.sql("+CAST(").bind(Bind::Text(text.clone())).sql(" AS REAL)");
            }
            (Dialect::Sqlite, KeyPart::Binary(text)) => {
                statement.bind(Bind::Bytes(hex::decode(text).ok_or_else(wrong)?));
            }
            (Dialect::Postgres, KeyPart::Binary(text)) => {
                statement.sql("decode(").bind(Bind::Text(text.clone())).sql("::text, 'hex')");
            }
            (Dialect::Postgres, value) => {
                statement.bind(Bind::Text(value.text().to_owned())).sql("::text::").sql(&part.cast);
            }
        }
        Ok(())
    }
}

/// SQLite's values carry their type: its first letter stands before the text.
fn dynamic(text: &str) -> Option<KeyPart> {
    let (kind, text) = text.split_at_checked(1)?;
    let text = text.to_owned();
    match kind {
        "i" => Some(KeyPart::Int(text)),
        "r" => Some(KeyPart::Decimal(text)),
        "t" => Some(KeyPart::Text(text)),
        "b" => Some(KeyPart::Binary(text)),
        _ => None,
    }
}
