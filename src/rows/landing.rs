//! How a row lands in a target: which table, which columns, what fills them, and how it is found there again. The
//! migration's own target has one, and so has each table that related rows are copied to.

use super::document::column;
use super::key::{Collate, Key, KeyColumn};
use super::phrase::{digest, moment, stamp, word};
use crate::spec::ColumnValue;
use crate::sql::Dialect;
use crate::sql::statement::Statement;
use std::time::SystemTime;

/// A target table, and how a row of the source becomes one of its rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Landing {
    /// Whose SQL it is.
    pub dialect: Dialect,
    /// The alias of the row of the source.
    pub ours: String,
    /// The alias of the row of the target.
    pub theirs: &'static str,
    /// The target table, quoted.
    pub target: String,
    /// Triggers of the target may drop or change what is inserted, and the insert itself would not show it.
    pub meddled: bool,
    /// What follows the target's alias so that a stretch of the source's keys is a range of an index of the target;
    /// `None` where it is not known to be one.
    pub walk: Option<String>,
    /// The source's key.
    pub key: Key,
    /// Target column and key column, in the order of the source's key.
    pub target_key: Vec<KeyPair>,
    /// Target columns and what fills them.
    pub fills: Vec<Fill>,
    /// The document of the row of the source.
    pub document: String,
    /// The definition's digest, for `$definition`.
    pub definition: String,
}

/// A column of the target's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPair {
    /// The target's column.
    pub target: String,
    /// The collation and, on MySQL, the character set that the source's value takes on to be compared with it by its
    /// index; `None` where both are the same.
    pub collate: Option<Collate>,
    /// The collation that the target's value takes on to be compared in the source's order; `None` where both are the same.
    pub order: Option<Collate>,
    /// PostgreSQL: the source's value is filled up with blanks (`char(n)`), the target's is not.
    pub padded: bool,
}

/// A target column and what fills it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fill {
    /// The target's column.
    pub column: String,
    /// What fills it.
    pub value: ColumnValue,
    /// How the target compares it, and PostgreSQL's name of its type.
    pub kind: FillKind,
    /// The target's own type, as casts name it: PostgreSQL alone.
    pub cast: String,
    /// How the bytes of the target's value are counted.
    pub width: Width,
    /// How those of the source's value are.
    pub source_width: Width,
    /// PostgreSQL: the characters that the target has room for, where a longer value may end in blanks. Those it would cut off
    /// without a word.
    pub room: Option<u64>,
}

/// How a value of the target is compared with what would be written there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FillKind {
    /// By the bytes of its text.
    Text,
    /// By its bytes.
    Binary,
    /// By its value.
    Value,
    /// By its value, a zero with its sign.
    Float,
    /// By its value and what SQLite stores it as: both columns are declared alike.
    Stored,
    /// As JSON.
    Json,
}

/// How the bytes of a value are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// Always that many.
    Fixed(u32),
    /// Those of the value.
    Bytes,
    /// Those of its text.
    Text,
}

/// What `$now` and `$run` are for one batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The batch's time.
    pub now: SystemTime,
    /// The invocation's id.
    pub run: String,
}

impl Landing {
    /// A column of the source's row.
    pub(super) fn ours(&self, name: &str) -> String {
        column(self.dialect, &self.ours, name)
    }

    /// A column of the target's row.
    pub(super) fn theirs(&self, name: &str) -> String {
        column(self.dialect, self.theirs, name)
    }

    /// `h.k = t.k AND …`, in the target's collation, so that its index serves.
    pub(super) fn matches(&self) -> String {
        let pair = |(pair, part): (&KeyPair, &KeyColumn)| {
            let (ours, theirs) = (self.ours(&part.name), self.theirs(&pair.target));
            let shown = if pair.padded { format!("CAST({ours} AS text)") } else { ours.clone() };
            let shown = pair.collate.as_ref().map_or(shown.clone(), |collate| collate.apply(&shown));
            if pair.padded && pair.collate.is_none() {
                // It follows, and lets the source's own index serve too.
                return format!("{theirs} = {shown} AND {ours} = CAST({theirs} AS bpchar)");
            }
            format!("{theirs} = {shown}")
        };
        self.target_key.iter().zip(&self.key.columns).map(pair).collect::<Vec<_>>().join(" AND ")
    }

    /// The target's key sorts as the source's, on the database that needs to be told.
    pub(super) fn in_step(&self) -> bool {
        self.dialect == Dialect::Postgres && self.target_key.iter().all(|pair| pair.order.is_none())
    }

    /// The target's key, in the source's order and as its values are bound there.
    pub(super) fn key_of_target(&self) -> Key {
        let columns = self.target_key.iter().zip(&self.key.columns).map(|(pair, part)| KeyColumn {
            name: pair.target.clone(),
            collate: pair.order.clone(),
            // As the target's own index has them.
            cast: if pair.padded { "text".to_owned() } else { part.cast.clone() },
            ..part.clone()
        });
        Key { dialect: self.dialect, columns: columns.collect() }
    }

    /// A column of the target that is NULL, after a LEFT JOIN, only where there is no target: a column of its key, which
    /// matched.
    pub(super) fn presence(&self) -> Option<String> {
        self.target_key.first().map(|pair| self.theirs(&pair.target))
    }

    /// There is no target, after a LEFT JOIN.
    pub(super) fn absent(&self) -> String {
        // MySQL's WHERE takes a date of zeros for NULL too, in a column that is NOT NULL and is asked whether it IS NULL.
        let null = if self.dialect == Dialect::MySql { "<=> NULL" } else { "IS NULL" };
        self.presence().map_or_else(|| "1 = 0".to_owned(), |x| format!("{x} {null}"))
    }

    /// The target column that holds the document, and how it is compared.
    pub(super) fn document_column(&self) -> Option<&Fill> {
        self.fills.iter().find(|fill| fill.value == ColumnValue::Document)
    }

    /// Appends `INSERT INTO target (columns) `.
    pub(super) fn insert_into(&self, statement: &mut Statement) {
        // On SQLite a column may be declared to replace what is there, or to ignore what is new: not for us.
        statement.sql(if self.dialect == Dialect::Sqlite { "INSERT OR ABORT INTO " } else { "INSERT INTO " });
        statement.sql(&self.target);
        // RETURNING names its columns by this alias.
        if self.dialect == Dialect::Postgres {
            statement.sql(" AS ").sql(self.theirs);
        }
        statement.sql(" (");
        for (place, fill) in self.fills.iter().enumerate() {
            statement.sql(if place == 0 { "" } else { ", " }).name(&fill.column);
        }
        statement.sql(") ");
    }

    /// Appends what fills the target's columns. `fenced`: columns and document have names of ours by now.
    pub(super) fn values(&self, statement: &mut Statement, at: &Stamp, fenced: bool) {
        let document = if fenced { "d.document" } else { self.document.as_str() };
        for (place, fill) in self.fills.iter().enumerate() {
            statement.sql(if place == 0 { "" } else { ", " });
            match &fill.value {
                ColumnValue::Column(_) if fenced => {
                    statement.sql("d.c").sql(&place.to_string());
                }
                _ => self.filled(statement, fill, document, at),
            }
        }
    }

    /// A column of the source's row on its way into a column of the target; a value that is too long ends in no blanks, so that
    /// the target refuses it.
    pub(super) fn copied(&self, fill: &Fill, name: &str) -> String {
        let x = self.ours(name);
        match fill.room {
            Some(room) => {
                let text = format!("CAST({x} AS text)");
                format!("CASE WHEN char_length({text}) > {room} THEN concat({text}, '.') ELSE {text} END")
            }
            None => x,
        }
    }

    /// Appends what fills one column, of the source's row.
    pub(super) fn filled(&self, statement: &mut Statement, fill: &Fill, document: &str, at: &Stamp) {
        match &fill.value {
            ColumnValue::Column(name) => {
                statement.sql(&self.copied(fill, name));
            }
            ColumnValue::Document if self.dialect == Dialect::Postgres => {
                statement.sql("CAST(").sql(document).sql(" AS ").sql(&fill.cast).sql(")");
            }
            ColumnValue::Document => {
                statement.sql(document);
            }
            ColumnValue::Digest => {
                statement.sql(&digest(self.dialect, document));
            }
            ColumnValue::Now => self.now(statement, fill, at),
            ColumnValue::Run => word(statement, &at.run),
            ColumnValue::Definition => word(statement, &self.definition),
        }
    }

    fn now(&self, statement: &mut Statement, fill: &Fill, at: &Stamp) {
        if fill.kind == FillKind::Value && self.dialect != Dialect::Sqlite {
            moment(statement, at.now);
        } else {
            // Text says by itself that it is UTC.
            word(statement, &format!("{}Z", stamp(at.now).replace(' ', "T")));
        }
    }
}
