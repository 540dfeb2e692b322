//! Sessions with PostgreSQL.

use super::bulk::{self, Rows, Table};
use super::deadline::{Armed, lock_wait};
use super::error::Refusal;
use super::grid::{Form, Page};
use super::statement::{Bind, Statement};
use super::stream::{self, Cells};
use super::wire::{self, Wire, execute, failed, fetch};
use super::{ConnectOptions, Dialect, SqlError, class, connect, copied, trust, wording};
use crate::secret::Secret;
use futures_util::TryStreamExt as _;
use sqlx::error::DatabaseError;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, PgDatabaseError, PgQueryResult, PgRow, PgSslMode};
use sqlx::{Arguments as _, Column as _, ConnectOptions as _, Connection as _, Row as _, TypeInfo as _};
use std::time::Duration;

/// What each session is pinned to, in one round trip with the version. Names are always qualified, so the search path is
/// left alone. Rows that a policy would hide are an error. Plans are made for the values at hand: a plan for any value does not know how short a key range is.
/// Compiling a plan for one batch never pays, and a small table must not be scanned as a whole batch after batch either.
/// A commit has to last: the ledger's and the source's follow it.
const PIN: &str = "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED;\
    SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'postgres'; SET extra_float_digits = 3;\
    SET bytea_output = 'hex'; SET standard_conforming_strings = on; SET client_encoding = 'UTF8';\
    SET transform_null_equals = off; SET array_nulls = on; SET xmloption = 'content'; SET xmlbinary = 'base64'; SET plan_cache_mode = 'force_custom_plan';\
    SET idle_in_transaction_session_timeout = '60s'; SET jit = off; SET enable_seqscan = off;\
    SET row_security = off;\
    SELECT current_setting('server_version_num'), set_config('synchronous_commit', \
        CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, false)";

/// Bytes of COPY's text that are sent at once.
const CHUNK: usize = 256 * 1024;

/// One connection.
pub(super) struct Postgres {
    connection: PgConnection,
    armed: Option<Armed>,
    in_transaction: bool,
    /// What held before the transaction, and holds again after it.
    outside: Option<Armed>,
    /// The driver has left something of the server's unread: what it would answer next belongs to another statement.
    out_of_step: bool,
}

impl Postgres {
    pub(super) async fn open(options: &ConnectOptions) -> Result<Self, SqlError> {
        let mut connection = login(options).await?;
        let mut pin = Statement::new(Dialect::Postgres);
        pin.sql(PIN);
        let rows = fetch(&mut connection, &pin).await?;
        let version = rows.first().and_then(|row| row.first()?.as_deref()?.parse::<u32>().ok()).unwrap_or(0);
        if version < 130_000 {
            return Err(SqlError::Unsupported {
                server: options.server(),
                found: format!("version {}", version / 10_000),
                needed: "PostgreSQL 13 or a later one",
            });
        }
        Ok(Self { connection, armed: None, in_transaction: false, outside: None, out_of_step: false })
    }

    pub(super) async fn rows(
        &mut self,
        statement: &Statement,
        limit: Duration,
    ) -> Result<Vec<Vec<Option<String>>>, SqlError> {
        self.arm(limit).await?;
        fetch(&mut self.connection, statement).await
    }

    pub(super) async fn execute(&mut self, statement: &Statement, limit: Duration) -> Result<u64, SqlError> {
        self.arm(limit).await?;
        execute(&mut self.connection, statement).await
    }

    pub(super) async fn read(&mut self, statement: &Statement, bytes: u64, limit: Duration) -> Result<Page, SqlError> {
        self.arm(limit).await?;
        stream::read(&mut self.connection, statement, bytes).await
    }

    /// As `read`, by COPY: without a preparation, and without a description of each value.
    pub(super) async fn copy(
        &mut self,
        statement: &Statement,
        form: Form<'_>,
        bytes: u64,
        limit: Duration,
    ) -> Result<Page, SqlError> {
        // Refuses what a text cannot hold.
        sqlx::Postgres::arguments(statement)?;
        self.arm(limit).await?;
        let mut copy = Statement::new(Dialect::Postgres);
        copy.sql("COPY (").append(statement).sql(match form {
            Form::Cast | Form::Native(_) => ") TO STDOUT (FORMAT binary)",
            Form::Printed => ") TO STDOUT",
        });
        // Refused, it leaves the server's last word unread, for which the driver offers no way.
        self.out_of_step = true;
        let rows = self.connection.copy_out_raw(copy.written_out().text()).await;
        let mut rows = rows.map_err(failed::<sqlx::Postgres>)?;
        self.out_of_step = false;
        let mut page = Page::default();
        while let Some(row) = rows.try_next().await.map_err(failed::<sqlx::Postgres>)? {
            // The rest has to be read, if only to throw it away.
            if !page.is_cut {
                match form {
                    Form::Cast => copied::row(&mut page.rows, &row)?,
                    Form::Printed => copied::line(&mut page.rows, &row)?,
                    Form::Native(columns) => copied::fields(&mut page.rows, columns, &row)?,
                }
                page.is_cut = page.rows.bytes() >= bytes;
                stream::give_way(page.rows.len()).await;
            }
        }
        Ok(page)
    }

    /// What was refused cannot be followed by anything.
    pub(super) fn is_out_of_step(&self) -> bool {
        self.out_of_step
    }

    /// How many rows arrived: fewer than were sent where a trigger drops some.
    pub(super) async fn insert(&mut self, table: &Table, rows: &dyn Rows, limit: Duration) -> Result<u64, SqlError> {
        self.arm(limit).await?;
        let native = rows.is_native();
        let statement = table.copy(native);
        let mut copy = self.connection.copy_in_raw(statement.text()).await.map_err(failed::<sqlx::Postgres>)?;
        let mut data = Vec::with_capacity(CHUNK + CHUNK / 4);
        if native {
            bulk::head(&mut data);
        }
        for row in 0..rows.len() {
            if native {
                bulk::tuple(&mut data, table, rows, row).ok_or_else(copied::unclear)?;
            } else {
                bulk::line(&mut data, table, rows, row);
            }
            if data.len() >= CHUNK || row + 1 == rows.len() {
                copy.send(data.as_slice()).await.map_err(failed::<sqlx::Postgres>)?;
                data.clear();
            }
        }
        copy.finish().await.map_err(failed::<sqlx::Postgres>)
    }

    /// Begins a transaction, and tells the server its time limit on the way.
    pub(super) async fn begin(&mut self, snapshot: bool, limit: Duration) -> Result<(), SqlError> {
        let armed = Armed::new(limit);
        let mut script = Statement::new(Dialect::Postgres);
        script.sql(if snapshot {
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; "
        } else {
            "BEGIN ISOLATION LEVEL READ COMMITTED; "
        });
        script.sql(&limits("SET LOCAL", armed, limit));
        if !self.in_transaction {
            (self.in_transaction, self.outside) = (true, self.armed);
        }
        self.armed = None;
        execute(&mut self.connection, &script).await?;
        self.armed = Some(armed);
        Ok(())
    }

    /// Ends a transaction. No time limit is told for it: a failed one would not take it.
    pub(super) async fn end(&mut self, word: &'static str) -> Result<(), SqlError> {
        execute(&mut self.connection, Statement::new(Dialect::Postgres).sql(word)).await?;
        if self.in_transaction {
            (self.in_transaction, self.armed) = (false, self.outside);
        }
        Ok(())
    }

    pub(super) async fn ping(&mut self) -> Result<(), SqlError> {
        self.connection.ping().await.map_err(failed::<sqlx::Postgres>)
    }

    pub(super) async fn close(self) -> Result<(), SqlError> {
        self.connection.close().await.map_err(failed::<sqlx::Postgres>)
    }

    async fn arm(&mut self, limit: Duration) -> Result<(), SqlError> {
        if self.armed.is_some_and(|armed| armed.serves(limit)) {
            return Ok(());
        }
        let armed = Armed::new(limit);
        let mut script = Statement::new(Dialect::Postgres);
        script.sql(&limits(if self.in_transaction { "SET LOCAL" } else { "SET" }, armed, limit));
        self.armed = None;
        execute(&mut self.connection, &script).await?;
        self.armed = Some(armed);
        Ok(())
    }
}

fn limits(set: &str, armed: Armed, limit: Duration) -> String {
    let wait = lock_wait(limit).as_millis();
    format!("{set} statement_timeout = {}; {set} lock_timeout = {wait}", armed.millis())
}

async fn login(options: &ConnectOptions) -> Result<PgConnection, SqlError> {
    // Everything that the environment could set is set, so that PGHOST and its like change nothing.
    let mut login = PgConnectOptions::new_without_pgpass()
        .host(&options.host)
        .port(options.port)
        .username(&options.user)
        .password(options.password.as_ref().map_or("", Secret::expose))
        .database(&options.database)
        .application_name("milkrun")
        .statement_cache_capacity(64)
        .disable_statement_logging();
    if let Some(socket) = &options.socket {
        login = login.socket(socket);
    }
    login = if options.socket.is_some() {
        login.ssl_mode(PgSslMode::Disable)
    } else if !options.is_verified() {
        login.ssl_mode(PgSslMode::Prefer)
    } else {
        login.ssl_mode(PgSslMode::VerifyFull).ssl_root_cert_from_pem(trust::authorities(options).await?)
    };
    login.connect().await.map_err(|error| connect::failed(options, error))
}

impl Wire for sqlx::Postgres {
    fn arguments(statement: &Statement) -> Result<PgArguments, SqlError> {
        let mut arguments = PgArguments::default();
        for bind in statement.binds() {
            match bind {
                Bind::Null => arguments.add(None::<&str>),
                // PostgreSQL's text holds no NUL; told here, because the server's own words would quote the rest.
                Bind::Text(text) if text.contains('\0') => {
                    return Err(SqlError::Unsendable("PostgreSQL's text holds no NUL"));
                }
                Bind::Text(text) => arguments.add(text.as_str()),
                Bind::Int(number) => arguments.add(number),
                Bind::Unsigned(number) => arguments
                    .add(i64::try_from(*number).map_err(|_| SqlError::Unsendable("PostgreSQL's bigint is signed"))?),
                Bind::Bytes(bytes) => arguments.add(bytes.as_slice()),
            }
            .map_err(wire::unencodable)?;
        }
        Ok(arguments)
    }

    /// Integers and booleans of a prepared statement's result are read, and types other than text refused.
    fn value(row: &PgRow, column: usize, plain: bool) -> Result<Option<String>, SqlError> {
        let kind = row.column(column).type_info().name().to_owned();
        if !plain {
            match kind.as_str() {
                "INT2" => return wire::number::<i16, _>(row, column),
                "INT4" => return wire::number::<i32, _>(row, column),
                "INT8" => return wire::number::<i64, _>(row, column),
                "BOOL" => {
                    let found = wire::read::<bool, _>(row, column)?;
                    return Ok(found.map(|yes| if yes { "t" } else { "f" }.to_owned()));
                }
                "TEXT" | "VARCHAR" | "CHAR" | "NAME" | "UNKNOWN" | "JSON" | "\"CHAR\"" => {}
                _ => return Err(wire::unreadable(column, &kind)),
            }
        }
        let raw = row.try_get_raw(column).map_err(|_| wire::unreadable(column, wire::UNREAD))?;
        if sqlx::ValueRef::is_null(&raw) {
            return Ok(None);
        }
        raw.as_str().map(|text| Some(text.to_owned())).map_err(|_| wire::unreadable(column, wire::NOT_UTF8))
    }

    fn changed(done: &PgQueryResult) -> u64 {
        done.rows_affected()
    }

    fn refused(error: &dyn DatabaseError) -> Option<SqlError> {
        let error = error.try_downcast_ref::<PgDatabaseError>()?;
        // The server closes the connection after each of these.
        let code = error.code();
        if code.starts_with("57P") || code.starts_with("08") || matches!(code, "25P03" | "25P04") {
            return Some(wire::closed());
        }
        let mut refusal = Refusal::new(error.code(), class::postgres(error.code()));
        wording::postgres(&mut refusal, error.code(), error.message());
        if error.routine() == Some("check_enable_rls") {
            refusal.meaning = class::HIDDEN_ROWS;
        }
        // These fields hold names alone.
        refusal.table = error.table().map(str::to_owned).or(refusal.table);
        refusal.column = error.column().map(str::to_owned).or(refusal.column);
        refusal.constraint = error.constraint().map(str::to_owned);
        Some(SqlError::Statement(Box::new(refusal)))
    }
}

impl Cells for sqlx::Postgres {
    fn admit(row: &PgRow, column: usize) -> Result<(), SqlError> {
        match row.column(column).type_info().name() {
            "TEXT" | "VARCHAR" | "CHAR" | "NAME" | "UNKNOWN" | "JSON" | "BYTEA" => Ok(()),
            name => Err(wire::unreadable(column, name)),
        }
    }

    fn bytes(row: &PgRow, column: usize) -> Result<Option<&[u8]>, SqlError> {
        let raw = row.try_get_raw(column).map_err(|_| wire::unreadable(column, wire::UNREAD))?;
        if sqlx::ValueRef::is_null(&raw) {
            return Ok(None);
        }
        raw.as_bytes().map(Some).map_err(|_| wire::unreadable(column, wire::UNREAD))
    }
}
