//! The databases: sessions that are pinned to one behaviour, statements, catalogs, errors. Nothing here knows a migration.

pub mod bulk;
pub mod catalog;
pub mod class;
mod connect;
mod copied;
mod deadline;
mod error;
pub mod grid;
mod identity;
mod mysql;
pub mod native;
mod options;
mod postgres;
mod replica;
mod session;
mod sqlite;
pub mod statement;
mod stream;
mod text;
mod trust;
mod url;
mod wire;
mod wording;

pub use error::{Refusal, SqlError};
pub use identity::Sharing;
pub use options::ConnectOptions;
pub use replica::Lag;
pub use session::Session;
pub use sqlite::MEMBERS_AT_ONCE;
pub use url::UrlError;

/// Which SQL is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// MySQL and MariaDB.
    MySql,
    /// PostgreSQL.
    Postgres,
    /// SQLite.
    Sqlite,
}

/// Which server it is: MySQL and MariaDB share a dialect and differ in functions and in how a statement is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Make {
    /// Oracle's.
    MySql,
    /// MariaDB.
    MariaDb,
    /// PostgreSQL.
    Postgres,
    /// SQLite, in this process.
    Sqlite,
}

impl Make {
    /// The dialect it speaks.
    pub fn dialect(self) -> Dialect {
        match self {
            Self::MySql | Self::MariaDb => Dialect::MySql,
            Self::Postgres => Dialect::Postgres,
            Self::Sqlite => Dialect::Sqlite,
        }
    }
}
