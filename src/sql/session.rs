//! A session: one connection, pinned to one behaviour, on which every call has a time limit.

use super::bulk::{Rows, Table};
use super::deadline::GRACE;
use super::grid::{Form, Page};
use super::mysql::MySql;
use super::postgres::Postgres;
use super::sqlite::Sqlite;
use super::statement::Statement;
use super::{ConnectOptions, Dialect, Make, SqlError, connect};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// How long a goodbye may take.
const CLOSING: Duration = Duration::from_secs(2);

/// One connection: UTC, READ COMMITTED, utf8mb4, strict.
///
/// Each call takes the time that its statement may use: the server is told and stops the statement itself, with an error
/// of class capacity. What the server then says is [`SqlError::Statement`], and the session stays usable. If it says
/// nothing, or a call is abandoned before its end, the session is lost, and each further call answers
/// [`SqlError::Abandoned`]; the server rolls the open transaction back. So it is where the server takes no writes. After a statement of a transaction has failed,
/// nothing but [`Session::rollback`] is accepted.
pub struct Session {
    driver: Driver,
    make: Make,
    default_schema: String,
    max_packet: u64,
    /// A call is under way, or one was abandoned, or the connection broke.
    away: bool,
    transaction: Transaction,
    /// The transaction was begun as one that only reads.
    reads_only: bool,
}

/// A row, each value by the name of its column.
pub(super) type Named = Vec<(String, Option<String>)>;

enum Driver {
    MySql(Box<MySql>),
    Postgres(Box<Postgres>),
    Sqlite(Sqlite),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Transaction {
    None,
    Open,
    /// A statement of it failed.
    Spoiled,
}

impl Session {
    /// Connects, and pins the session, within `limit`.
    pub async fn open(options: &ConnectOptions, limit: Duration) -> Result<Self, SqlError> {
        let opening = async {
            let (driver, make, default_schema, max_packet) = match options.dialect {
                Dialect::MySql => {
                    let mut mysql = MySql::open(options).await?;
                    let (make, schema, packet) = (mysql.make, std::mem::take(&mut mysql.schema), mysql.max_packet);
                    (Driver::MySql(Box::new(mysql)), make, schema, packet)
                }
                Dialect::Postgres => {
                    let postgres = Postgres::open(options).await?;
                    // The longest text that PostgreSQL can hold.
                    (Driver::Postgres(Box::new(postgres)), Make::Postgres, "public".to_owned(), (1 << 30) - 1)
                }
                Dialect::Sqlite => {
                    let sqlite = Sqlite::open(options, limit).await?;
                    (Driver::Sqlite(sqlite), Make::Sqlite, "main".to_owned(), 1_000_000_000)
                }
            };
            Ok(Self {
                driver,
                make,
                default_schema,
                max_packet,
                away: false,
                transaction: Transaction::None,
                reads_only: false,
            })
        };
        tokio::time::timeout(limit, Box::pin(opening)).await.unwrap_or_else(|_| Err(connect::too_slow(options, limit)))
    }

    /// Which server it is.
    pub fn make(&self) -> Make {
        self.make
    }

    /// Where a table without a schema lies: MySQL: the URL's database; PostgreSQL: `public`; SQLite: `main`.
    pub fn default_schema(&self) -> &str {
        &self.default_schema
    }

    /// Bytes that a statement, and so a value in it, may have: MySQL's `max_allowed_packet`, elsewhere the most that a text
    /// can be.
    pub fn max_packet(&self) -> u64 {
        self.max_packet
    }

    /// Bytes that a value may have from now on, so that a document that grows too large fails with
    /// [`crate::fault::Class::TooLarge`] before it fills the memory. SQLite alone works in ours; elsewhere nothing changes.
    pub fn set_max_length(&mut self, bytes: u64) -> Result<(), SqlError> {
        match &mut self.driver {
            Driver::Sqlite(sqlite) => sqlite.set_max_length(bytes),
            Driver::MySql(_) | Driver::Postgres(_) => Ok(()),
        }
    }

    /// The rows of a query, each value as text. Columns of other types than text and integers are cast in the statement.
    pub async fn rows(&mut self, statement: &Statement, limit: Duration) -> Result<Vec<Vec<Option<String>>>, SqlError> {
        self.admit()?;
        let work = async {
            match &mut self.driver {
                Driver::MySql(mysql) => mysql.rows(statement, limit).await,
                Driver::Postgres(postgres) => postgres.rows(statement, limit).await,
                Driver::Sqlite(sqlite) => sqlite.rows(statement, limit).await,
            }
        };
        let result = within(limit, work).await;
        self.settle(result.inspect_err(|error| log(statement, error)))
    }

    /// What a SHOW of MySQL and MariaDB answers, whose columns differ from version to version, by their names. Elsewhere nothing.
    pub(super) async fn named(&mut self, show: &'static str, limit: Duration) -> Result<Vec<Named>, SqlError> {
        let Driver::MySql(mysql) = &mut self.driver else { return Ok(Vec::new()) };
        if self.away {
            return Err(SqlError::Abandoned);
        }
        self.away = true;
        let result = within(limit, mysql.named(show, limit)).await;
        self.settle(result)
    }

    /// Executes a statement; the number of rows that it changed. MySQL counts rows that an update found, changed or not.
    pub async fn execute(&mut self, statement: &Statement, limit: Duration) -> Result<u64, SqlError> {
        self.admit()?;
        let work = async {
            match &mut self.driver {
                Driver::MySql(mysql) => mysql.execute(statement, limit).await,
                Driver::Postgres(postgres) => postgres.execute(statement, limit).await,
                Driver::Sqlite(sqlite) => sqlite.execute(statement, limit).await,
            }
        };
        let result = within(limit, work).await;
        self.settle(result.inspect_err(|error| log(statement, error)))
    }

    /// The first rows of a query that has values, until they have `bytes`; the last of them may make it more. All columns
    /// are text or bytes.
    pub async fn read(&mut self, statement: &Statement, bytes: u64, limit: Duration) -> Result<Page, SqlError> {
        self.admit()?;
        let work = async {
            match &mut self.driver {
                // Boxed: they are too large to be moved about.
                Driver::MySql(mysql) => Box::pin(mysql.read(statement, bytes, limit)).await,
                Driver::Postgres(postgres) => Box::pin(postgres.read(statement, bytes, limit)).await,
                Driver::Sqlite(sqlite) => sqlite.read(statement, bytes, limit).await,
            }
        };
        let result = within(limit, work).await;
        self.settle(result.inspect_err(|error| log(statement, error)))
    }

    /// The same for many rows: PostgreSQL copies them out, whose plan is made for these values alone.
    pub async fn read_many(
        &mut self,
        statement: &Statement,
        form: Form<'_>,
        bytes: u64,
        limit: Duration,
    ) -> Result<Page, SqlError> {
        if !matches!(self.driver, Driver::Postgres(_)) {
            return self.read(statement, bytes, limit).await;
        }
        self.admit()?;
        let (mut out_of_step, mut result) = (false, Err(SqlError::Abandoned));
        if let Driver::Postgres(postgres) = &mut self.driver {
            // Boxed: it is too large to be moved about.
            result = within(limit, Box::pin(postgres.copy(statement, form, bytes, limit))).await;
            out_of_step = postgres.is_out_of_step();
        }
        let result = self.settle(result.inspect_err(|error| log(statement, error)));
        self.away |= out_of_step;
        result
    }

    /// Inserts rows, in the open transaction: how many arrived. A warning of the database is an error.
    pub async fn insert(&mut self, table: &Table, rows: &Arc<dyn Rows>, limit: Duration) -> Result<u64, SqlError> {
        self.admit()?;
        let work = async {
            match &mut self.driver {
                Driver::MySql(mysql) => {
                    let (arrived, warnings) = mysql.insert(table, &**rows, limit).await?;
                    match warnings.first() {
                        None => Ok(arrived),
                        Some(code) => Err(SqlError::of_warning(Dialect::MySql, *code)),
                    }
                }
                Driver::Postgres(postgres) => postgres.insert(table, &**rows, limit).await,
                Driver::Sqlite(sqlite) => sqlite.insert(table, rows, limit).await,
            }
        };
        let result = within(limit, work).await;
        self.settle(result.inspect_err(|error| log(&table.shown(), error)))
    }

    /// Begins a transaction that writes, after rolling back one that was left open. On SQLite it holds the file's write
    /// lock from its start. After an error there is no transaction.
    pub async fn begin(&mut self, limit: Duration) -> Result<(), SqlError> {
        self.start(false, limit).await
    }

    /// Begins a transaction that only reads, all of it from one snapshot; otherwise as [`Session::begin`].
    pub async fn begin_read_only(&mut self, limit: Duration) -> Result<(), SqlError> {
        self.start(true, limit).await
    }

    /// Commits. An error leaves open whether it happened.
    pub async fn commit(&mut self, limit: Duration) -> Result<(), SqlError> {
        self.admit()?;
        let work = async {
            match &mut self.driver {
                Driver::MySql(mysql) => mysql.end("COMMIT").await,
                Driver::Postgres(postgres) => postgres.end("COMMIT").await,
                Driver::Sqlite(sqlite) => sqlite.commit(limit).await,
            }
        };
        let result = within(limit, work).await;
        if result.is_ok() {
            self.transaction = Transaction::None;
        }
        self.settle(result)
    }

    /// Rolls back. Without a transaction it does nothing.
    pub async fn rollback(&mut self, limit: Duration) -> Result<(), SqlError> {
        if self.transaction == Transaction::None && !self.away {
            return Ok(());
        }
        self.transaction = Transaction::None;
        self.admit()?;
        let work = async {
            match &mut self.driver {
                Driver::MySql(mysql) => mysql.end("ROLLBACK").await,
                Driver::Postgres(postgres) => postgres.end("ROLLBACK").await,
                Driver::Sqlite(sqlite) => sqlite.rollback(limit).await,
            }
        };
        let result = within(limit, work).await;
        self.settle(result)
    }

    /// The codes of the warnings and notes that the statement just executed left: MySQL and MariaDB alone have any.
    pub async fn warnings(&mut self, limit: Duration) -> Result<Vec<u32>, SqlError> {
        let Driver::MySql(mysql) = &mut self.driver else { return Ok(Vec::new()) };
        if self.away {
            return Err(SqlError::Abandoned);
        }
        self.away = true;
        let result = within(limit, mysql.warnings()).await;
        self.settle(result)
    }

    /// Whether the server still answers.
    pub async fn ping(&mut self, limit: Duration) -> Result<(), SqlError> {
        self.admit()?;
        let work = async {
            match &mut self.driver {
                Driver::MySql(mysql) => mysql.ping().await,
                Driver::Postgres(postgres) => postgres.ping().await,
                Driver::Sqlite(sqlite) => sqlite.ping(limit).await,
            }
        };
        let result = within(limit, work).await;
        self.settle(result)
    }

    /// Says goodbye, so that the server need not find out by itself. What fails here harms nothing.
    pub async fn close(self) {
        let goodbye = async {
            match self.driver {
                Driver::MySql(mysql) => mysql.close().await,
                Driver::Postgres(postgres) => postgres.close().await,
                Driver::Sqlite(sqlite) => sqlite.close(CLOSING).await,
            }
        };
        if !self.away {
            let _ = tokio::time::timeout(CLOSING, goodbye).await;
        }
    }

    /// The session is lost: open another.
    pub fn is_lost(&self) -> bool {
        self.away
    }

    /// A transaction is open: reading belongs to it, and must not begin another.
    pub fn is_in_transaction(&self) -> bool {
        self.transaction != Transaction::None
    }

    /// SQLite's own connection, for what has no SQL.
    pub(super) async fn with_sqlite<T: Send + 'static>(
        &mut self,
        limit: Duration,
        job: impl FnOnce(&mut rusqlite::Connection) -> Result<T, SqlError> + Send + 'static,
    ) -> Result<T, SqlError> {
        self.admit()?;
        let result = match &mut self.driver {
            Driver::Sqlite(sqlite) => within(limit, sqlite.work(limit, job)).await,
            Driver::MySql(_) | Driver::Postgres(_) => Err(SqlError::Unsendable("this is no SQLite database")),
        };
        self.settle(result)
    }

    async fn start(&mut self, snapshot: bool, limit: Duration) -> Result<(), SqlError> {
        // One that was given up on the way, by an early return, is over by now.
        self.rollback(limit).await?;
        self.admit()?;
        self.transaction = Transaction::Open;
        self.reads_only = snapshot;
        let work = async {
            match &mut self.driver {
                Driver::MySql(mysql) => mysql.begin(snapshot, limit).await,
                Driver::Postgres(postgres) => postgres.begin(snapshot, limit).await,
                Driver::Sqlite(sqlite) => sqlite.begin(snapshot, limit).await,
            }
        };
        let result = within(limit, work).await;
        let result = self.settle(result);
        if result.is_err() && !self.away {
            self.rollback(limit).await?;
        }
        result
    }

    fn admit(&mut self) -> Result<(), SqlError> {
        if self.away {
            return Err(SqlError::Abandoned);
        }
        if self.transaction == Transaction::Spoiled {
            return Err(SqlError::Spoiled);
        }
        // Until the call comes back, so that one that is dropped on the way leaves it set.
        self.away = true;
        Ok(())
    }

    fn settle<T>(&mut self, result: Result<T, SqlError>) -> Result<T, SqlError> {
        // After a failover the old writer takes no writes any more, and the host's name leads to another: a session that stayed
        // would meet it again and again. Within a transaction that only reads it is the statement's fault.
        let own = self.transaction != Transaction::None && self.reads_only;
        self.away = result.as_ref().is_err_and(|error| error.is_lost() || error.is_read_only() && !own);
        if result.is_err() && self.transaction == Transaction::Open {
            self.transaction = Transaction::Spoiled;
        }
        result
    }
}

/// The text of a statement that failed: names and placeholders, no values.
fn log(statement: &Statement, error: &SqlError) {
    tracing::debug!(statement = statement.text(), "{error}");
}

/// The server was told the limit; this is for one that does not keep to it.
async fn within<T>(limit: Duration, work: impl Future<Output = Result<T, SqlError>>) -> Result<T, SqlError> {
    let limit = limit + GRACE;
    tokio::time::timeout(limit, work).await.unwrap_or(Err(SqlError::Timeout { limit }))
}
