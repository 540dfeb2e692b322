//! Sessions with SQLite, which runs inside this process: each call works on a thread where blocking is allowed.

mod functions;
mod watch;

use super::bulk::{self, Rows, Table};
use super::deadline::lock_wait;
use super::error::Refusal;
use super::grid::{Grid, Page};
use super::statement::{Bind, Statement};
use super::{ConnectOptions, SqlError, class, wording};
use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, params_from_iter};
use std::sync::Arc;
use std::time::Duration;
use watch::Watch;

/// How many name-value pairs one call of `milkrun_members` takes for certain: SQLite bounds a function's arguments.
pub const MEMBERS_AT_ONCE: usize = 50;

/// Instructions of SQLite's machine between two looks at the clock: well under a millisecond.
const STEPS: i32 = 1_000;

/// One connection. It is away while a call works with it; a call that is abandoned does not bring it back.
pub(super) struct Sqlite {
    connection: Option<Connection>,
    watch: Watch,
}

impl Sqlite {
    pub(super) async fn open(options: &ConnectOptions, limit: Duration) -> Result<Self, SqlError> {
        let watch = Watch::new();
        let (options, seen) = (options.clone(), watch.clone());
        let connection = on_thread(&watch, limit, move || open(&options, &seen, limit)).await??;
        Ok(Self { connection: Some(connection), watch })
    }

    pub(super) async fn rows(
        &mut self,
        statement: &Statement,
        limit: Duration,
    ) -> Result<Vec<Vec<Option<String>>>, SqlError> {
        let statement = statement.clone();
        self.work(limit, move |connection| rows(connection, &statement)).await
    }

    pub(super) async fn execute(&mut self, statement: &Statement, limit: Duration) -> Result<u64, SqlError> {
        let statement = statement.clone();
        self.work(limit, move |connection| execute(connection, &statement)).await
    }

    pub(super) async fn read(&mut self, statement: &Statement, bytes: u64, limit: Duration) -> Result<Page, SqlError> {
        let statement = statement.clone();
        self.work(limit, move |connection| read(connection, &statement, bytes)).await
    }

    /// How many rows arrived.
    pub(super) async fn insert(
        &mut self,
        table: &Table,
        rows: &Arc<dyn Rows>,
        limit: Duration,
    ) -> Result<u64, SqlError> {
        let (table, rows) = (table.clone(), Arc::clone(rows));
        self.work(limit, move |connection| insert(connection, &table, &*rows)).await
    }

    /// A transaction that will write takes the lock at once: two that read first and write later would deadlock.
    pub(super) async fn begin(&mut self, snapshot: bool, limit: Duration) -> Result<(), SqlError> {
        let text = if snapshot { "BEGIN" } else { "BEGIN IMMEDIATE" };
        self.work(limit, move |connection| connection.execute_batch(text).map_err(failed)).await
    }

    pub(super) async fn commit(&mut self, limit: Duration) -> Result<(), SqlError> {
        self.work(limit, |connection| connection.execute_batch("COMMIT").map_err(failed)).await
    }

    /// SQLite rolls some failures back by itself: then there is nothing left to do.
    pub(super) async fn rollback(&mut self, limit: Duration) -> Result<(), SqlError> {
        self.work(limit, |connection| {
            if connection.is_autocommit() { Ok(()) } else { connection.execute_batch("ROLLBACK").map_err(failed) }
        })
        .await
    }

    pub(super) async fn ping(&mut self, limit: Duration) -> Result<(), SqlError> {
        self.work(limit, |connection| connection.execute_batch("PRAGMA schema_version").map_err(failed)).await
    }

    pub(super) async fn close(mut self, limit: Duration) -> Result<(), SqlError> {
        let connection = self.connection.take();
        on_thread(&self.watch, limit, move || drop(connection)).await
    }

    pub(super) fn set_max_length(&mut self, bytes: u64) -> Result<(), SqlError> {
        let connection = self.connection.as_ref().ok_or(SqlError::Abandoned)?;
        let bytes = i32::try_from(bytes).unwrap_or(i32::MAX);
        connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, bytes).map(|_| ()).map_err(failed)
    }

    /// Lends the connection to `job` on a blocking thread.
    pub(super) async fn work<T: Send + 'static>(
        &mut self,
        limit: Duration,
        job: impl FnOnce(&mut Connection) -> Result<T, SqlError> + Send + 'static,
    ) -> Result<T, SqlError> {
        let mut connection = self.connection.take().ok_or(SqlError::Abandoned)?;
        let (connection, result) = on_thread(&self.watch, limit, move || {
            let result = connection.busy_timeout(lock_wait(limit)).map_err(failed).and_then(|()| job(&mut connection));
            (connection, result)
        })
        .await?;
        self.connection = Some(connection);
        result
    }
}

/// Works on a thread until `limit`, or until nobody waits for the result any more.
async fn on_thread<T: Send + 'static>(
    watch: &Watch,
    limit: Duration,
    job: impl FnOnce() -> T + Send + 'static,
) -> Result<T, SqlError> {
    let waiting = watch.begin(limit);
    let done = tokio::task::spawn_blocking(job).await;
    waiting.over();
    done.map_err(|_| SqlError::Lost { what: "the thread that worked on it died", source: None })
}

fn open(options: &ConnectOptions, watch: &Watch, limit: Duration) -> Result<Connection, SqlError> {
    let path = options.file();
    let unusable = |message: String| SqlError::File { path: path.to_path_buf(), message };
    let explain = |error: rusqlite::Error| {
        match error.sqlite_error_code() {
        Some(ErrorCode::CannotOpen) if !path.exists() => {
            unusable("does not exist: check the path, which is relative to the working directory unless it begins with sqlite:///".into())
        }
        Some(ErrorCode::CannotOpen) => unusable("cannot be opened: check that it is a file and its permissions".into()),
        Some(ErrorCode::NotADatabase) => unusable("is no SQLite database: check the path".into()),
        _ => failed(error),
    }
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(explain)?;
    connection.busy_timeout(lock_wait(limit)).map_err(failed)?;
    // Otherwise a column that does not exist would be read as a string of its name.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false).map_err(failed)?;
    let watch = watch.clone();
    connection.progress_handler(STEPS, Some(move || watch.is_over())).map_err(failed)?;
    functions::register(&connection).map_err(failed)?;
    connection
        .execute_batch("PRAGMA cache_size = -8192; PRAGMA mmap_size = 0; PRAGMA schema_version")
        .map_err(explain)?;
    Ok(connection)
}

pub(super) fn rows(connection: &Connection, statement: &Statement) -> Result<Vec<Vec<Option<String>>>, SqlError> {
    let mut prepared = connection.prepare(statement.text()).map_err(failed)?;
    let columns = prepared.column_count();
    let mut found = prepared.query(params_from_iter(values(statement)?)).map_err(failed)?;
    let mut rows = Vec::new();
    while let Some(row) = found.next().map_err(failed)? {
        let value = |column| text(row.get_ref(column).map_err(failed)?, column);
        rows.push((0..columns).map(value).collect::<Result<_, SqlError>>()?);
    }
    Ok(rows)
}

fn read(connection: &Connection, statement: &Statement, bytes: u64) -> Result<Page, SqlError> {
    let mut prepared = connection.prepare(statement.text()).map_err(failed)?;
    let columns = prepared.column_count();
    let mut found = prepared.query(params_from_iter(values(statement)?)).map_err(failed)?;
    let mut page = Page { rows: Grid::new(columns), is_cut: false };
    while let Some(row) = found.next().map_err(failed)? {
        for column in 0..columns {
            let value = match row.get_ref(column).map_err(failed)? {
                ValueRef::Null => None,
                ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(bytes),
                ValueRef::Integer(_) | ValueRef::Real(_) => {
                    return Err(SqlError::Unreadable { column: column + 1, found: "a number".to_owned() });
                }
            };
            if !page.rows.push(value) {
                return Err(SqlError::Unsendable("a batch of more than 4 GB"));
            }
        }
        if page.rows.bytes() >= bytes {
            page.is_cut = true;
            break;
        }
    }
    Ok(page)
}

/// One statement for all of them: here nothing travels, and a long one would only be longer to read.
fn insert(connection: &Connection, table: &Table, rows: &dyn Rows) -> Result<u64, SqlError> {
    let mut prepared = connection.prepare(table.insert(1).text()).map_err(failed)?;
    let mut arrived = 0;
    for row in 0..rows.len() {
        for column in 0..table.columns.len() {
            let value = match rows.value(row, column) {
                bulk::Value::Null => ValueRef::Null,
                bulk::Value::Text(bytes) => ValueRef::Text(bytes),
                bulk::Value::Bytes(bytes) => ValueRef::Blob(bytes),
                bulk::Value::Int(number) => ValueRef::Integer(number),
                bulk::Value::Real(bits) => ValueRef::Real(f64::from_bits(bits)),
            };
            prepared.raw_bind_parameter(column + 1, ToSqlOutput::Borrowed(value)).map_err(failed)?;
        }
        arrived += prepared.raw_execute().map_err(failed)? as u64;
    }
    Ok(arrived)
}

fn execute(connection: &Connection, statement: &Statement) -> Result<u64, SqlError> {
    let before = connection.total_changes();
    let mut prepared = connection.prepare(statement.text()).map_err(failed)?;
    let changes = prepared.execute(params_from_iter(values(statement)?)).map_err(failed)?;
    // `changes` keeps its old value across statements that change no rows, such as CREATE TABLE.
    if connection.total_changes() == before { Ok(0) } else { Ok(changes as u64) }
}

fn values(statement: &Statement) -> Result<Vec<Value>, SqlError> {
    let value = |bind: &Bind| {
        Ok(match bind {
            Bind::Null => Value::Null,
            Bind::Text(text) => Value::Text(text.clone()),
            Bind::Int(number) => Value::Integer(*number),
            Bind::Unsigned(number) => Value::Integer(
                i64::try_from(*number).map_err(|_| SqlError::Unsendable("SQLite's integers are signed"))?,
            ),
            Bind::Bytes(bytes) => Value::Blob(bytes.clone()),
        })
    };
    statement.binds().iter().map(value).collect()
}

fn text(value: ValueRef<'_>, column: usize) -> Result<Option<String>, SqlError> {
    let unreadable = |found: &str| SqlError::Unreadable { column: column + 1, found: found.to_owned() };
    match value {
        ValueRef::Null => Ok(None),
        ValueRef::Integer(number) => Ok(Some(number.to_string())),
        ValueRef::Real(number) => Ok(Some(format!("{number:?}"))),
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Some(text.to_owned())),
            Err(_) => Err(unreadable("bytes that are not UTF-8")),
        },
        ValueRef::Blob(_) => Err(unreadable("a blob")),
    }
}

pub(super) fn failed(error: rusqlite::Error) -> SqlError {
    let (code, text) = match error {
        rusqlite::Error::SqliteFailure(code, text) => (code.extended_code, text.unwrap_or_default()),
        rusqlite::Error::SqlInputError { error, msg, .. } => (error.extended_code, msg),
        rusqlite::Error::InvalidParameterCount(..) => {
            return SqlError::Unsendable("it has no placeholder, or one has no value");
        }
        // What is left are mistakes in the use of the library, of which the text may quote a value.
        _ => return SqlError::Unsendable("SQLite's library refused the call"),
    };
    let mut refusal = Refusal::new(code.to_string(), class::sqlite(code));
    wording::sqlite(&mut refusal, code, &text);
    SqlError::Statement(Box::new(refusal))
}
