//! The databases: sessions that are pinned to one behaviour, statements, catalogs, errors. Nothing here knows a migration.

pub mod statement;

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
