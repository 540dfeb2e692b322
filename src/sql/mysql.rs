//! Sessions with MySQL and MariaDB.

use super::bulk::{Rows, Table, Value};
use super::deadline::{Armed, lock_wait};
use super::error::Refusal;
use super::grid::Page;
use super::session::Named;
use super::statement::{Bind, Statement};
use super::stream::{self, Cells};
use super::wire::{self, Wire, execute, failed, fetch};
use super::{ConnectOptions, Dialect, Make, SqlError, class, connect, text, trust, wording};
use sqlx::error::DatabaseError;
use sqlx::mysql::{
    MySqlArguments, MySqlColumn, MySqlConnectOptions, MySqlConnection, MySqlDatabaseError, MySqlQueryResult, MySqlRow,
    MySqlSslMode,
};
use sqlx::{Arguments as _, Column as _, ConnectOptions as _, Connection as _, Executor as _, Row as _, TypeInfo as _};
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

/// What each session is pinned to, in one round trip with what we need to know of the server. MariaDB alone reads
/// `/*M! */`. Bound text takes the collation of the column beside it whatever NAMES says; a general collation, other
/// than a binary one, never wins over a column's in silence either. That blanks were cut off a text is a note, which is an
/// error here: no server may keep its notes to itself, nor leave a check out.
const PIN: &str = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED;\
    SET autocommit = 1, time_zone = '+00:00',\
    sql_mode = 'STRICT_TRANS_TABLES,STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO',\
    group_concat_max_len = 1073741824, sql_select_limit = DEFAULT, sql_safe_updates = 0, sql_quote_show_create = 1, max_error_count = 64,\
    sql_notes = 1, foreign_key_checks = 1, unique_checks = 1, wait_timeout = 600,\
    /*M! optimizer_switch = 'exists_to_in=off', idle_transaction_timeout = 60, check_constraint_checks = 1,*/\
    NAMES utf8mb4 COLLATE utf8mb4_general_ci;\
    SELECT VERSION(), CONNECTION_ID(), DATABASE(), @@max_allowed_packet";

/// One connection.
pub(super) struct MySql {
    connection: MySqlConnection,
    options: ConnectOptions,
    id: u64,
    armed: Option<Armed>,
    pub(super) make: Make,
    pub(super) schema: String,
    pub(super) max_packet: u64,
}

impl MySql {
    pub(super) async fn open(options: &ConnectOptions) -> Result<Self, SqlError> {
        let mut connection = login(options).await?;
        let mut pin = Statement::new(Dialect::MySql);
        pin.sql(PIN);
        let rows = fetch(&mut connection, &pin).await?;
        let mut facts = rows.into_iter().next().unwrap_or_default().into_iter().map(Option::unwrap_or_default);
        let version = facts.next().unwrap_or_default();
        let id = facts.next().and_then(|id| id.parse().ok());
        let schema = facts.next().unwrap_or_default();
        let max_packet = facts.next().and_then(|size| size.parse().ok());
        let (Some(id), Some(max_packet)) = (id, max_packet) else {
            return Err(SqlError::Lost { what: "the server did not say who it is", source: None });
        };
        let make = make_of(&version).ok_or_else(|| SqlError::Unsupported {
            server: options.server(),
            found: format!("version {version}"),
            needed: "MySQL 8.0 or MariaDB 10.6, or a later one",
        })?;
        let make = options.make.unwrap_or(make);
        Ok(Self { connection, options: options.clone(), id, armed: None, make, schema, max_packet })
    }

    pub(super) async fn rows(
        &mut self,
        statement: &Statement,
        limit: Duration,
    ) -> Result<Vec<Vec<Option<String>>>, SqlError> {
        self.arm(limit).await?;
        stopped_after(limit, self.make, self.id, &self.options, fetch(&mut self.connection, statement)).await
    }

    /// The rows of a SHOW, with the names of their columns.
    pub(super) async fn named(&mut self, show: &'static str, limit: Duration) -> Result<Vec<Named>, SqlError> {
        self.arm(limit).await?;
        let rows = self.connection.fetch_all(sqlx::raw_sql(show)).await.map_err(failed::<sqlx::MySql>)?;
        let value = |row: &MySqlRow, column: &MySqlColumn| {
            Ok((column.name().to_owned(), sqlx::MySql::value(row, column.ordinal(), true)?))
        };
        rows.iter().map(|row| row.columns().iter().map(|column| value(row, column)).collect()).collect()
    }

    pub(super) async fn execute(&mut self, statement: &Statement, limit: Duration) -> Result<u64, SqlError> {
        self.arm(limit).await?;
        stopped_after(limit, self.make, self.id, &self.options, execute(&mut self.connection, statement)).await
    }

    pub(super) async fn read(&mut self, statement: &Statement, bytes: u64, limit: Duration) -> Result<Page, SqlError> {
        self.arm(limit).await?;
        let work = stream::read(&mut self.connection, statement, bytes);
        stopped_after(limit, self.make, self.id, &self.options, work).await
    }

    /// How many rows arrived, and the codes of the warnings that this left.
    pub(super) async fn insert(
        &mut self,
        table: &Table,
        rows: &dyn Rows,
        limit: Duration,
    ) -> Result<(u64, Vec<u32>), SqlError> {
        self.arm(limit).await?;
        let (mut from, mut arrived, mut warnings) = (0, 0, Vec::new());
        while from < rows.len() {
            let count = table.fitting(rows, from, self.max_packet);
            let insert = table.insert(count);
            let mut arguments = MySqlArguments::default();
            for row in from..from + count {
                for column in 0..table.columns.len() {
                    match rows.value(row, column) {
                        Value::Null => arguments.add(None::<&str>),
                        Value::Text(text) => {
                            let text = std::str::from_utf8(text);
                            arguments.add(text.map_err(|_| wire::unreadable(column, wire::NOT_UTF8))?)
                        }
                        Value::Bytes(bytes) => arguments.add(bytes),
                        Value::Int(number) => arguments.add(number),
                        Value::Real(bits) => arguments.add(f64::from_bits(bits)),
                    }
                    .map_err(wire::unencodable)?;
                }
            }
            let work = self.connection.execute(sqlx::query_with(text::safe(&insert), arguments));
            let done = stopped_after(limit, self.make, self.id, &self.options, async {
                work.await.map_err(failed::<sqlx::MySql>)
            });
            arrived += done.await?.rows_affected();
            warnings.extend(self.warnings().await?);
            from += count;
        }
        Ok((arrived, warnings))
    }

    /// Begins a transaction, and tells the server its time limit on the way.
    pub(super) async fn begin(&mut self, snapshot: bool, limit: Duration) -> Result<(), SqlError> {
        let armed = Armed::new(limit);
        let mut script = self.limits(armed, limit);
        script.sql(if snapshot {
            "; SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"
        } else {
            "; START TRANSACTION"
        });
        self.armed = None;
        execute(&mut self.connection, &script).await?;
        self.armed = Some(armed);
        Ok(())
    }

    /// Ends a transaction. No time limit is told for it: it is never worth a round trip.
    pub(super) async fn end(&mut self, word: &'static str) -> Result<(), SqlError> {
        execute(&mut self.connection, Statement::new(Dialect::MySql).sql(word)).await.map(|_| ())
    }

    /// The codes of the warnings and notes that the last statement left. Their texts quote values.
    pub(super) async fn warnings(&mut self) -> Result<Vec<u32>, SqlError> {
        let mut statement = Statement::new(Dialect::MySql);
        statement.sql("SHOW WARNINGS");
        let rows = fetch(&mut self.connection, &statement).await?;
        Ok(rows.into_iter().filter_map(|row| row.get(1)?.as_deref()?.parse().ok()).collect())
    }

    pub(super) async fn ping(&mut self) -> Result<(), SqlError> {
        self.connection.ping().await.map_err(failed::<sqlx::MySql>)
    }

    pub(super) async fn close(self) -> Result<(), SqlError> {
        self.connection.close().await.map_err(failed::<sqlx::MySql>)
    }

    async fn arm(&mut self, limit: Duration) -> Result<(), SqlError> {
        if self.armed.is_some_and(|armed| armed.serves(limit)) {
            return Ok(());
        }
        let armed = Armed::new(limit);
        let limits = self.limits(armed, limit);
        self.armed = None;
        execute(&mut self.connection, &limits).await?;
        self.armed = Some(armed);
        Ok(())
    }

    fn limits(&self, armed: Armed, limit: Duration) -> Statement {
        // Both lock waits count whole seconds.
        let wait = lock_wait(limit).as_secs().max(1);
        let mut statement = Statement::new(Dialect::MySql);
        statement.sql(&match self.make {
            // MySQL's own limit is for SELECT alone; the rest is stopped from a second connection.
            Make::MySql => format!("SET /*!80000 max_execution_time = {},*/ ", armed.millis()),
            _ => format!("SET max_statement_time = {:.3}, ", armed.seconds()),
        });
        statement.sql(&format!("innodb_lock_wait_timeout = {wait}, lock_wait_timeout = {wait}"));
        statement
    }
}

async fn login(options: &ConnectOptions) -> Result<MySqlConnection, SqlError> {
    let mut login = MySqlConnectOptions::new()
        .host(&options.host)
        .port(options.port)
        .username(&options.user)
        .database(&options.database)
        .statement_cache_capacity(64)
        .pipes_as_concat(false)
        .no_engine_substitution(false)
        .timezone(None)
        .set_names(false)
        .disable_statement_logging();
    if let Some(password) = &options.password {
        login = login.password(password.expose());
    }
    if let Some(socket) = &options.socket {
        login = login.socket(socket);
    }
    login = if options.socket.is_some() {
        login.ssl_mode(MySqlSslMode::Disabled)
    } else if !options.is_verified() {
        login.ssl_mode(MySqlSslMode::Preferred)
    } else {
        login.ssl_mode(MySqlSslMode::VerifyIdentity).ssl_ca_from_pem(trust::authorities(options).await?)
    };
    login.connect().await.map_err(|error| connect::failed(options, error))
}

/// Waits for `work`, and stops it on the server once `limit` is over. MariaDB does that by itself.
async fn stopped_after<T>(
    limit: Duration,
    make: Make,
    id: u64,
    options: &ConnectOptions,
    work: impl Future<Output = Result<T, SqlError>>,
) -> Result<T, SqlError> {
    if make != Make::MySql {
        return work.await;
    }
    let mut work = pin!(work);
    tokio::select! {
        biased;
        done = &mut work => return done,
        () = tokio::time::sleep(limit) => {}
    }
    // Both are awaited, so that a kill that comes late cannot hit the next statement. Should it fail, the session's own
    // timeout ends the wait.
    let (done, _) = tokio::join!(work, kill(options, id));
    done
}

async fn kill(options: &ConnectOptions, id: u64) -> Result<(), SqlError> {
    let mut connection = login(options).await?;
    execute(&mut connection, Statement::new(Dialect::MySql).sql(&format!("KILL QUERY {id}"))).await?;
    connection.close().await.map_err(failed::<sqlx::MySql>)
}

impl Wire for sqlx::MySql {
    fn arguments(statement: &Statement) -> Result<MySqlArguments, SqlError> {
        let mut arguments = MySqlArguments::default();
        for bind in statement.binds() {
            match bind {
                Bind::Null => arguments.add(None::<&str>),
                Bind::Text(text) => arguments.add(text.as_str()),
                Bind::Int(number) => arguments.add(number),
                Bind::Unsigned(number) => arguments.add(number),
                Bind::Bytes(bytes) => arguments.add(bytes.as_slice()),
            }
            .map_err(wire::unencodable)?;
        }
        Ok(arguments)
    }

    /// Numbers and dates of a prepared statement's result are binary, and a date is refused, because the driver takes zero
    /// dates for NULL.
    fn value(row: &MySqlRow, column: usize, plain: bool) -> Result<Option<String>, SqlError> {
        let kind = row.column(column).type_info().name().to_owned();
        if !plain {
            match kind.as_str() {
                "DATE" | "TIME" | "DATETIME" | "TIMESTAMP" | "FLOAT" | "DOUBLE" | "BIT" | "GEOMETRY" => {
                    return Err(wire::unreadable(column, &kind));
                }
                "BOOLEAN" | "TINYINT" | "SMALLINT" | "MEDIUMINT" | "INT" | "BIGINT" | "YEAR" => {
                    return wire::number::<i64, _>(row, column);
                }
                _ if kind.ends_with(" UNSIGNED") => return wire::number::<u64, _>(row, column),
                _ => {}
            }
        }
        wire::read::<&[u8], _>(row, column)?
            .map(|bytes| String::from_utf8(bytes.to_vec()).map_err(|_| wire::unreadable(column, wire::NOT_UTF8)))
            .transpose()
    }

    fn changed(done: &MySqlQueryResult) -> u64 {
        done.rows_affected()
    }

    fn refused(error: &dyn DatabaseError) -> Option<SqlError> {
        let error = error.try_downcast_ref::<MySqlDatabaseError>()?;
        // The server closes the connection after each of these.
        if matches!(error.number(), 1053 | 1077 | 1079 | 1080 | 1152 | 1927 | 2006 | 2013 | 4031) {
            return Some(wire::closed());
        }
        let mut refusal = Refusal::new(error.number().to_string(), class::mysql(error.number(), error.code()));
        wording::mysql(&mut refusal, error.number(), error.message());
        Some(SqlError::Statement(Box::new(refusal)))
    }
}

impl Cells for sqlx::MySql {
    fn admit(row: &MySqlRow, column: usize) -> Result<(), SqlError> {
        match row.column(column).type_info().name() {
            "CHAR" | "VARCHAR" | "TEXT" | "BINARY" | "VARBINARY" | "BLOB" | "TINYTEXT" | "MEDIUMTEXT" | "LONGTEXT"
            | "TINYBLOB" | "MEDIUMBLOB" | "LONGBLOB" | "NULL" => Ok(()),
            name => Err(wire::unreadable(column, name)),
        }
    }

    fn bytes(row: &MySqlRow, column: usize) -> Result<Option<&[u8]>, SqlError> {
        wire::read::<&[u8], _>(row, column)
    }
}

/// `None` for versions before those that milkrun was built for.
fn make_of(version: &str) -> Option<Make> {
    let mut numbers = version.split(['.', '-']).map(|part| part.parse::<u32>().unwrap_or(0));
    let number = (numbers.next()?, numbers.next().unwrap_or(0));
    if version.to_ascii_lowercase().contains("mariadb") {
        (number >= (10, 6)).then_some(Make::MariaDb)
    } else {
        (number >= (8, 0)).then_some(Make::MySql)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makes() {
        assert_eq!(make_of("10.11.19-MariaDB-0+deb12u1"), Some(Make::MariaDb));
        assert_eq!(make_of("11.4.2-MariaDB-log"), Some(Make::MariaDb));
        assert_eq!(make_of("8.0.28"), Some(Make::MySql));
        assert_eq!(make_of("8.4.3-debug"), Some(Make::MySql));
        assert_eq!(make_of("10.5.9-MariaDB"), None);
        assert_eq!(make_of("5.7.44"), None);
    }
}
