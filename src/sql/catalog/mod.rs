//! What a database says about its tables: columns, types, indexes, and what the user may do with them.

mod bonds;
mod grants;
mod indexes;
mod json;
mod mysql;
mod postgres;
mod privileges;
mod sqlite;

use super::{Make, Session, SqlError};
use std::time::Duration;

pub use bonds::{Bonds, Reference, bonds};
pub use privileges::{Privileges, privileges};

/// A table or a view.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// The schema that it lies in; MySQL's database.
    pub schema: String,
    /// Its name, as the database spells it.
    pub name: String,
    /// Its columns, in their order.
    pub columns: Vec<Column>,
    /// Its indexes.
    pub indexes: Vec<Index>,
    /// Rows, by the database's own estimate; 0 if it has none.
    pub rows_estimate: u64,
    /// It is a view.
    pub is_view: bool,
    /// MySQL and MariaDB: the storage engine.
    pub engine: Option<String>,
    /// PostgreSQL: a rule that rewrites what is inserted.
    pub insert_rule: Option<String>,
    /// Triggers fire on what is inserted, and may drop or change it; on MySQL also where the user could not see any.
    pub insert_triggers: bool,
    /// PostgreSQL: row-level security applies to the user, and may hide rows.
    pub hides_rows: bool,
    /// PostgreSQL: schema and name of each table whose rows are among its own, or among whose rows its own are: partitions, heirs,
    /// and what they are part of.
    pub kin: Vec<(String, String)>,
}

/// A column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Column {
    /// Its name.
    pub name: String,
    /// The type as declared, good for CREATE TABLE and for casts: `bigint(20) unsigned`, `numeric(10,2)`. SQLite may have
    /// none.
    pub type_name: String,
    /// The type alone, in lower case: `bigint`, `tinyint`, `timestamptz`, `_int4` for an array. Of a domain, what it is
    /// made of, as are the numbers below.
    pub base: String,
    /// MySQL's UNSIGNED.
    pub unsigned: bool,
    /// It takes NULL.
    pub nullable: bool,
    /// MySQL and MariaDB: the character set of a text.
    pub charset: Option<String>,
    /// The collation of a text, unless (PostgreSQL, SQLite) it is the database's default. PostgreSQL's is quoted, and has its
    /// schema where that is not the system's.
    pub collation: Option<String>,
    /// Digits of a decimal or an integer, as far as declared.
    pub precision: Option<u32>,
    /// Digits after the point of a decimal.
    pub scale: Option<u32>,
    /// Fraction digits of a time; `None` where PostgreSQL's are undeclared.
    pub fraction: Option<u32>,
    /// Characters of a text, bytes of a binary, bits of a bit string; `None` where unbounded.
    pub length: Option<u64>,
    /// json, jsonb, and MariaDB's JSON: a longtext that is checked by `json_valid`.
    pub is_json: bool,
    /// PostgreSQL: the base type of an array's elements, once domains are resolved. The numbers above are then theirs.
    pub element: Option<String>,
    /// PostgreSQL: the domain that it is declared with.
    pub domain: Option<String>,
    /// PostgreSQL: the type as declared, once domains are resolved; elsewhere as `type_name`.
    pub resolved: String,
    /// The database computes it: it cannot be written.
    pub generated: bool,
    /// It has a value if none is given.
    pub has_default: bool,
    /// MySQL: what it makes of NULL is a value of its own, a number of `AUTO_INCREMENT` or the present time.
    pub replaces_null: bool,
}

/// An index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Index {
    /// Its name.
    pub name: String,
    /// Its whole columns up to the first part that is none: a prefix of a text, an expression.
    pub columns: Vec<String>,
    /// No two rows have the same values in `columns`: so not for partial indexes, nor ones with prefixes or expressions,
    /// nor deferrable constraints.
    pub unique: bool,
    /// It is the primary key.
    pub primary: bool,
    /// It serves a range over `columns` in the columns' own order: a valid, visible B-tree over all rows, with the columns'
    /// own collations.
    pub usable: bool,
}

impl Table {
    /// The column of this name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The primary key.
    pub fn primary(&self) -> Option<&Index> {
        self.indexes.iter().find(|index| index.primary)
    }

    /// A unique index over exactly these columns, in any order.
    pub fn unique_over(&self, columns: &[String]) -> Option<&Index> {
        self.indexes.iter().find(|index| {
            index.unique
                && index.columns.len() == columns.len()
                && columns.iter().all(|column| index.columns.contains(column))
        })
    }

    /// An index that serves ranges over these columns, in this order, as its first.
    pub fn index_over(&self, columns: &[String]) -> Option<&Index> {
        self.indexes.iter().find(|index| index.usable && index.columns.starts_with(columns))
    }
}

/// The table of this name, `None` if there is none that the user may see. `schema` defaults to the session's.
pub async fn table(
    session: &mut Session,
    schema: Option<&str>,
    table: &str,
    limit: Duration,
) -> Result<Option<Table>, SqlError> {
    let schema = schema.unwrap_or(session.default_schema()).to_owned();
    match session.make() {
        Make::MySql | Make::MariaDb => mysql::table(session, &schema, table, limit).await,
        Make::Postgres => postgres::table(session, &schema, table, limit).await,
        Make::Sqlite => sqlite::table(session, &schema, table, limit).await,
    }
}
