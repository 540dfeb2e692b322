//! A definition and the catalog put together: all that the statements are built from.

use super::document::column;
use super::key::{Collate, Key, KeyColumn, KeyError, Side};
use crate::cursor::Cursor;
use crate::spec::ColumnValue;
use crate::spec::filter::Piece;

use crate::sql::Dialect;
use crate::sql::statement::{Bind, Statement};
use std::time::SystemTime;
use time::OffsetDateTime;
use time::macros::format_description;

/// The source of a migration, what it becomes, and where that goes. Source and target are in one database.
#[derive(Clone, Debug, PartialEq)]
pub struct Mapping {
    /// Whose SQL it is.
    pub dialect: Dialect,
    /// The source table, quoted.
    pub source: String,
    /// What follows the table's alias so that the database walks the key's index, whatever it thinks of it; may be empty.
    pub hint: String,
    /// The source's key.
    pub key: Key,
    /// The source's columns that anything refers to.
    pub columns: Vec<String>,
    /// The predicate over the source alone.
    pub filter: Option<Vec<Piece>>,
    /// The document of the row `t`.
    pub document: String,
    /// The target table, quoted.
    pub target: String,
    /// Triggers of the target may drop or change what is inserted, and the insert itself would not show it.
    pub meddled: bool,
    /// Target column and key column, in the order of the source's key.
    pub target_key: Vec<KeyPair>,
    /// Target columns and what fills them.
    pub fills: Vec<Fill>,
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
    /// As JSON.
    Json,
}

/// Which items of the source a statement is about.
#[derive(Clone, Copy, Debug)]
pub enum Stretch<'a> {
    /// Beyond `after`, up to and including `end`.
    Range {
        /// `None`: from the start.
        after: Option<&'a Cursor>,
        /// The last key of it.
        end: &'a Cursor,
    },
    /// Exactly these.
    Keys(&'a [Cursor]),
}

impl Stretch<'_> {
    /// Appends the predicate of the stretch over a key.
    fn within(&self, key: &Key, statement: &mut Statement, alias: &str) -> Result<(), KeyError> {
        match self {
            Self::Range { after, end } => {
                if let Some(after) = after {
                    key.compare(statement, alias, Side::After, after)?;
                    statement.sql(" AND ");
                }
                key.compare(statement, alias, Side::UpTo, end)
            }
            Self::Keys(keys) => key.among(statement, alias, keys),
        }
    }
}

/// A point in time as every dialect reads it: UTC, microseconds.
pub(super) fn stamp(at: SystemTime) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second].[subsecond digits:6]");
    OffsetDateTime::from(at).format(format).unwrap_or_else(|_| "1970-01-01 00:00:00.000000".to_owned())
}

impl Mapping {
    pub(super) fn statement(&self) -> Statement {
        Statement::new(self.dialect)
    }

    pub(super) fn t(&self, name: &str) -> String {
        column(self.dialect, "t", name)
    }

    pub(super) fn h(&self, name: &str) -> String {
        column(self.dialect, "h", name)
    }

    /// Appends ` FROM source t … WHERE stretch`: keys alone, whatever `where` says of their rows.
    pub(super) fn walked(&self, statement: &mut Statement, stretch: &Stretch<'_>) -> Result<(), KeyError> {
        statement.sql(" FROM ").sql(&self.source).sql(" t").sql(&self.hint).sql(" WHERE ");
        self.within(statement, stretch)
    }

    /// Appends ` FROM `, and the items of the stretch.
    pub(super) fn items(
        &self,
        statement: &mut Statement,
        stretch: &Stretch<'_>,
        pass_started: SystemTime,
    ) -> Result<(), KeyError> {
        statement.sql(" FROM ");
        self.derived(statement, stretch, pass_started)
    }

    /// Appends `(SELECT … FROM source t WHERE stretch AND filter) t`: the items of the stretch, and no other table in the
    /// scope of `where`.
    pub(super) fn derived(
        &self,
        statement: &mut Statement,
        stretch: &Stretch<'_>,
        pass_started: SystemTime,
    ) -> Result<(), KeyError> {
        statement.sql("(SELECT ");
        for (place, name) in self.columns.iter().enumerate() {
            statement.sql(if place == 0 { "t." } else { ", t." }).name(name);
        }
        self.walked(statement, stretch)?;
        self.filtered(statement, pass_started);
        statement.sql(") t");
        Ok(())
    }

    /// Appends ` AND (where)`, if there is one.
    pub(super) fn filtered(&self, statement: &mut Statement, pass_started: SystemTime) {
        let Some(pieces) = &self.filter else { return };
        statement.sql(" AND (");
        for piece in pieces {
            match piece {
                Piece::Sql(text) => {
                    statement.sql(text);
                }
                Piece::PassStarted => self.moment(statement, pass_started),
            }
        }
        statement.sql(")");
    }

    /// Appends a bound point in time as a value of the database's own type.
    pub(super) fn moment(&self, statement: &mut Statement, at: SystemTime) {
        let bind = Bind::Text(stamp(at));
        match self.dialect {
            Dialect::MySql => statement.sql("CAST(").bind(bind).sql(" AS DATETIME(6))"),
            Dialect::Postgres => statement.sql("CAST(").bind(bind).sql("::text AS timestamptz)"),
            Dialect::Sqlite => statement.bind(bind),
        };
    }

    /// Appends the predicate of a stretch over the source's key.
    pub(super) fn within(&self, statement: &mut Statement, stretch: &Stretch<'_>) -> Result<(), KeyError> {
        stretch.within(&self.key, statement, "t")
    }

    /// Appends `h.k = t.k AND …`, in the target's collation, so that its index serves.
    pub(super) fn matches(&self, statement: &mut Statement) {
        for (place, (pair, part)) in self.target_key.iter().zip(&self.key.columns).enumerate() {
            let ours = self.t(&part.name);
            let ours = pair.collate.as_ref().map_or(ours.clone(), |collate| collate.apply(&ours));
            statement.sql(if place == 0 { "" } else { " AND " }).sql(&self.h(&pair.target)).sql(" = ").sql(&ours);
        }
    }

    /// Appends the items of a stretch that have a target, as `t`, and these targets, as `h`.
    pub(super) fn pairs(
        &self,
        statement: &mut Statement,
        stretch: &Stretch<'_>,
        pass_started: SystemTime,
    ) -> Result<(), KeyError> {
        self.joined(statement, " JOIN ", stretch, pass_started)
    }

    /// Appends all items of a stretch, as `t`, and the targets of those that have one, as `h`.
    pub(super) fn items_and_targets(
        &self,
        statement: &mut Statement,
        stretch: &Stretch<'_>,
        pass_started: SystemTime,
    ) -> Result<(), KeyError> {
        self.joined(statement, " LEFT JOIN ", stretch, pass_started)
    }

    fn joined(
        &self,
        statement: &mut Statement,
        join: &str,
        stretch: &Stretch<'_>,
        pass_started: SystemTime,
    ) -> Result<(), KeyError> {
        self.items(statement, stretch, pass_started)?;
        statement.sql(join).sql(&self.target).sql(" h ON ");
        self.matches(statement);
        self.alongside(statement, stretch)
    }

    /// Appends `NOT EXISTS (target of t)`, of the items `t` of a stretch.
    pub(super) fn untargeted(&self, statement: &mut Statement, stretch: &Stretch<'_>) -> Result<(), KeyError> {
        statement.sql("NOT EXISTS (SELECT 1 FROM ").sql(&self.target).sql(" h WHERE ");
        self.matches(statement);
        self.alongside(statement, stretch)?;
        statement.sql(")");
        Ok(())
    }

    /// Appends the stretch as a range of the target's key too. It follows from the join, but PostgreSQL does not see that:
    /// its merge join would walk the target's index from the start, batch after batch.
    pub(super) fn alongside(&self, statement: &mut Statement, stretch: &Stretch<'_>) -> Result<(), KeyError> {
        if !self.in_step() {
            return Ok(());
        }
        statement.sql(" AND ");
        stretch.within(&self.key_of_target(), statement, "h")
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
            ..part.clone()
        });
        Key { dialect: self.dialect, columns: columns.collect() }
    }

    /// The target column that holds the document, and how it is compared.
    pub(super) fn document_column(&self) -> Option<&Fill> {
        self.fills.iter().find(|fill| fill.value == ColumnValue::Document)
    }

    /// The number of bytes of the target's document, as SQL; 0 where none is mapped.
    pub(super) fn document_bytes(&self) -> String {
        let Some(fill) = self.document_column() else { return "0".to_owned() };
        let x = self.h(&fill.column);
        match (self.dialect, fill.kind) {
            (Dialect::Postgres, FillKind::Json) => format!("octet_length({x}::text)"),
            (Dialect::Sqlite, _) => format!("length(CAST({x} AS BLOB))"),
            _ => format!("OCTET_LENGTH({x})"),
        }
    }

    /// The SHA-256 of an SQL expression's text, in lower-case hex.
    pub(super) fn digest(&self, text: &str) -> String {
        match self.dialect {
            Dialect::MySql => format!("SHA2({text}, 256)"),
            Dialect::Postgres => format!("encode(sha256(convert_to({text}, 'UTF8')), 'hex')"),
            Dialect::Sqlite => format!("milkrun_sha256({text})"),
        }
    }

    /// Appends a bound count.
    pub(super) fn count(&self, statement: &mut Statement, count: u64) {
        match self.dialect {
            Dialect::Postgres => {
                statement.bind(Bind::Text(count.to_string())).sql("::text::bigint");
            }
            Dialect::MySql | Dialect::Sqlite => {
                statement.bind(Bind::Int(i64::try_from(count).unwrap_or(i64::MAX)));
            }
        }
    }

    /// A number as text, which is what results are read as.
    pub(super) fn text(&self, x: &str) -> String {
        match self.dialect {
            Dialect::MySql => format!("CAST({x} AS CHAR)"),
            Dialect::Postgres | Dialect::Sqlite => format!("CAST({x} AS TEXT)"),
        }
    }
}
