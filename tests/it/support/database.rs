//! A database as the tests see it: text in, text out, over a connection of its own and nothing of milkrun's.

use rusqlite::types::ValueRef;
use sqlx::{Connection, Row};
use std::path::PathBuf;
use std::sync::Mutex;

/// A value that a test puts into a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// NULL.
    Null,
    /// An integer.
    Int(i64),
    /// A decimal number as its text: exact where the column is, a real in SQLite.
    Number(String),
    /// Text, or anything else that the database reads from text.
    Text(String),
}

/// A row as a database prints it; `None` is NULL.
pub type TextRow = Vec<Option<String>>;

/// One connection to one database, used by one test at a time.
pub struct Database {
    url: String,
    link: Mutex<Link>,
}

enum Link {
    MariaDb(tokio::runtime::Runtime, sqlx::MySqlConnection),
    Postgres(tokio::runtime::Runtime, sqlx::PgConnection),
    Sqlite(rusqlite::Connection),
}

/// Rows per INSERT.
const STRETCH: usize = 2000;

impl Database {
    /// Connects to a `mysql://`, `postgres://` or `sqlite://` URL. A SQLite file is created.
    pub fn connect(url: &str) -> Self {
        let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let link = if let Some(path) = url.strip_prefix("sqlite://") {
            let file = rusqlite::Connection::open(PathBuf::from(path)).expect("a SQLite file");
            file.busy_timeout(std::time::Duration::from_secs(20)).expect("a timeout");
            Link::Sqlite(file)
        } else if url.starts_with("postgres") {
            let runtime = runtime();
            let connection = runtime.block_on(sqlx::PgConnection::connect(url));
            Link::Postgres(runtime, connection.unwrap_or_else(|error| panic!("{url}: {error}")))
        } else {
            let runtime = runtime();
            let connection = runtime.block_on(sqlx::MySqlConnection::connect(url));
            Link::MariaDb(runtime, connection.unwrap_or_else(|error| panic!("{url}: {error}")))
        };
        Self { url: url.to_owned(), link: Mutex::new(link) }
    }

    /// The URL that it was connected with.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether it is MariaDB or MySQL.
    pub fn is_mariadb(&self) -> bool {
        self.url.starts_with('m')
    }

    /// Whether it is PostgreSQL.
    pub fn is_postgres(&self) -> bool {
        self.url.starts_with("postgres")
    }

    /// Whether it is SQLite.
    pub fn is_sqlite(&self) -> bool {
        self.url.starts_with("sqlite")
    }

    /// Runs statements, separated by semicolons, and throws their rows away.
    pub fn execute(&self, sql: &str) {
        self.attempt(sql).unwrap_or_else(|error| panic!("{error}\nin: {sql:.2000}"));
    }

    /// As `execute`, where the database may refuse; false if it did.
    pub fn try_execute(&self, sql: &str) -> bool {
        self.attempt(sql).is_ok()
    }

    /// As `execute`, where the database is to refuse: why it did, if it did.
    pub fn refusal(&self, sql: &str) -> Option<String> {
        self.attempt(sql).err()
    }

    fn attempt(&self, sql: &str) -> Result<(), String> {
        match &mut *self.link.lock().expect("no panic while connected") {
            Link::MariaDb(runtime, connection) => runtime
                .block_on(sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(connection))
                .map(drop)
                .map_err(|error| error.to_string()),
            Link::Postgres(runtime, connection) => runtime
                .block_on(sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(connection))
                .map(drop)
                .map_err(|error| error.to_string()),
            Link::Sqlite(file) => file.execute_batch(sql).map_err(|error| error.to_string()),
        }
    }

    /// The rows of one query, every value as the database's own text.
    pub fn rows(&self, sql: &str) -> Vec<TextRow> {
        match &mut *self.link.lock().expect("no panic while connected") {
            Link::MariaDb(runtime, connection) => {
                let rows = runtime.block_on(sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).fetch_all(connection));
                let rows = rows.unwrap_or_else(|error| panic!("{error}\nin: {sql}"));
                rows.iter().map(|row| (0..row.len()).map(|at| row.get_unchecked(at)).collect()).collect()
            }
            Link::Postgres(runtime, connection) => {
                let rows = runtime.block_on(sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).fetch_all(connection));
                let rows = rows.unwrap_or_else(|error| panic!("{error}\nin: {sql}"));
                rows.iter().map(|row| (0..row.len()).map(|at| row.get_unchecked(at)).collect()).collect()
            }
            Link::Sqlite(file) => {
                let mut statement = file.prepare(sql).unwrap_or_else(|error| panic!("{error}\nin: {sql}"));
                let width = statement.column_count();
                let rows = statement.query_map([], |row| (0..width).map(|at| Ok(text(row.get_ref(at)?))).collect());
                rows.expect("a query").collect::<Result<_, _>>().expect("rows")
            }
        }
    }

    /// The single value of a query, as a number.
    pub fn number(&self, sql: &str) -> i64 {
        let rows = self.rows(sql);
        let value = rows.first().and_then(|row| row.first()).cloned().flatten();
        value.and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no number: {sql}"))
    }

    /// Puts rows into a table, in one transaction, the way that is quickest for the database.
    pub fn load(&self, table: &str, rows: impl Iterator<Item = Vec<Cell>>) {
        let mut rows = rows.peekable();
        if rows.peek().is_none() {
            return;
        }
        match &mut *self.link.lock().expect("no panic while connected") {
            Link::MariaDb(runtime, connection) => runtime.block_on(async {
                sqlx::raw_sql("BEGIN").execute(&mut *connection).await.expect("BEGIN");
                while rows.peek().is_some() {
                    let values = rows.by_ref().take(STRETCH).map(|row| literals(&row)).collect::<Vec<_>>().join(",");
                    let insert = format!("INSERT INTO {table} VALUES {values}");
                    sqlx::raw_sql(sqlx::AssertSqlSafe(insert)).execute(&mut *connection).await.expect("INSERT");
                }
                sqlx::raw_sql("COMMIT").execute(&mut *connection).await.expect("COMMIT");
            }),
            Link::Postgres(runtime, connection) => runtime.block_on(async {
                let mut copy = connection.copy_in_raw(&format!("COPY {table} FROM STDIN")).await.expect("COPY");
                while rows.peek().is_some() {
                    let lines: String = rows.by_ref().take(STRETCH).map(|row| copy_line(&row)).collect();
                    copy.send(lines.into_bytes()).await.expect("COPY takes rows");
                }
                copy.finish().await.expect("COPY ends");
            }),
            Link::Sqlite(file) => {
                let transaction = file.transaction().expect("BEGIN");
                let places = vec!["?"; rows.peek().map_or(0, Vec::len)].join(",");
                let insert = format!("INSERT INTO {table} VALUES ({places})");
                let mut insert = transaction.prepare(&insert).expect("INSERT");
                for row in rows {
                    insert.execute(rusqlite::params_from_iter(row.iter().map(sqlite_value))).expect("a row fits");
                }
                drop(insert);
                transaction.commit().expect("COMMIT");
            }
        }
    }
}

fn text(value: ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) => Some(number.to_string()),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
    }
}

fn literals(row: &[Cell]) -> String {
    let values: Vec<String> = row
        .iter()
        .map(|cell| match cell {
            Cell::Null => "NULL".to_owned(),
            Cell::Int(number) => number.to_string(),
            Cell::Number(text) => text.clone(),
            Cell::Text(text) => format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''")),
        })
        .collect();
    format!("({})", values.join(","))
}

fn copy_line(row: &[Cell]) -> String {
    let values: Vec<String> = row
        .iter()
        .map(|cell| match cell {
            Cell::Null => "\\N".to_owned(),
            Cell::Int(number) => number.to_string(),
            Cell::Number(text) => text.clone(),
            Cell::Text(text) => {
                text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n").replace('\r', "\\r")
            }
        })
        .collect();
    values.join("\t") + "\n"
}

fn sqlite_value(cell: &Cell) -> rusqlite::types::Value {
    match cell {
        Cell::Null => rusqlite::types::Value::Null,
        Cell::Int(number) => rusqlite::types::Value::Integer(*number),
        Cell::Number(text) => rusqlite::types::Value::Real(text.parse().expect("a number")),
        Cell::Text(text) => rusqlite::types::Value::Text(text.clone()),
    }
}
