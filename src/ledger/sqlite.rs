//! The ledger in a SQLite file, for one machine. Any number of processes may have it open at once.

use super::limits::{check, known, unreadable};
use super::listing::{Start, end, page, start};
use super::sqlite_file::{self, File};
use super::{Ledger, LedgerError, Page, Record, Swap, VERSION};
use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, named_params};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// So many expired records go with each one that will expire itself.
const SWEPT: u32 = 100;

/// A [`Ledger`] in a SQLite file. A write is on disk when it is acknowledged.
pub struct Sqlite {
    file: File,
    connection: Arc<Mutex<Connection>>,
}

impl Sqlite {
    /// Opens the file, and makes it if it is missing; its folder has to be there. Blocks, a few seconds at most.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        let file = File::at(path);
        let connection = sqlite_file::open(&file)?;
        Ok(Self { file, connection: Arc::new(Mutex::new(connection)) })
    }

    /// Runs `work` on the connection, off the executor's threads. What it waits for, this handle or another process's
    /// lock, ends with `limit`.
    async fn with<T: Send + 'static>(
        &self,
        operation: &'static str,
        limit: Duration,
        work: impl FnOnce(&mut Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let begun = Instant::now();
        let Ok(mut connection) = timeout(limit, Arc::clone(&self.connection).lock_owned()).await else {
            return Err(self.file.busy(begun.elapsed()));
        };
        let left = limit.saturating_sub(begun.elapsed());
        let done = spawn_blocking(move || {
            connection.busy_timeout(left)?;
            work(&mut connection)
        });
        match done.await {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(Failure::Ledger(error))) => Err(error),
            Ok(Err(Failure::Sqlite(error))) => Err(self.file.explain(operation, begun.elapsed(), &error)),
            Err(stopped) => Err(self.file.refused(operation, stopped.to_string())),
        }
    }
}

#[async_trait]
impl Ledger for Sqlite {
    async fn get(&self, migration: &str, item: &str, limit: Duration) -> Result<Option<Record>, LedgerError> {
        let (migration, item) = (migration.to_owned(), item.to_owned());
        self.with("get", limit, move |connection| read(connection, &migration, &item)).await
    }

    async fn list(
        &self,
        migration: &str,
        prefix: &str,
        after: Option<&str>,
        most: usize,
        newest_first: bool,
        limit: Duration,
    ) -> Result<Page, LedgerError> {
        let after = match start(prefix, after, newest_first) {
            Start::Edge => None,
            Start::Beyond(after) => Some(after.to_owned()),
            Start::Past => return Ok(Page { records: Vec::new(), next: None }),
        };
        let most = most.max(1);
        let (migration, low, high) = (migration.to_owned(), prefix.to_owned(), end(prefix));
        let records = self
            .with("list", limit, move |connection| {
                let sql = if newest_first { NEWEST_FIRST } else { OLDEST_FIRST };
                let mut statement = connection.prepare(sql)?;
                let mut rows = statement.query(named_params! {
                    ":migration": migration,
                    ":low": low,
                    ":high": high,
                    ":after": after,
                    ":most": i64::try_from(most + 1).unwrap_or(i64::MAX),
                })?;
                let mut records = Vec::new();
                while let Some(row) = rows.next()? {
                    let item: String = row.get("item")?;
                    records.push(to_record(row, &migration, &item)?);
                }
                Ok(records)
            })
            .await?;
        Ok(page(records, most))
    }

    async fn swap(&self, record: &Record, seen: Option<&Record>, limit: Duration) -> Result<Swap, LedgerError> {
        let body = check(record)?;
        let record = record.clone();
        let seen = seen.map(|seen| (seen.seq, seen.epoch, seen.owner.clone()));
        self.with("swap", limit, move |connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let stored = read(&transaction, &record.migration, &record.item)?;
            if stored.as_ref().map(|stored| (stored.seq, stored.epoch, stored.owner.clone())) == seen {
                write(&transaction, &record, &body)?;
                transaction.commit()?;
                return Ok(Swap::Done);
            }
            Ok(match stored {
                Some(stored) if stored.stamp == record.stamp => Swap::Done,
                stored => Swap::Lost(stored),
            })
        })
        .await
    }

    async fn put(&self, record: &Record, limit: Duration) -> Result<(), LedgerError> {
        let body = check(record)?;
        let record = record.clone();
        self.with("put", limit, move |connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            // Reading refuses a newer version.
            read(&transaction, &record.migration, &record.item)?;
            if record.expires.is_some() {
                sweep(&transaction)?;
            }
            write(&transaction, &record, &body)?;
            Ok(transaction.commit()?)
        })
        .await
    }

    async fn delete(&self, migration: &str, item: &str, limit: Duration) -> Result<(), LedgerError> {
        let (migration, item) = (migration.to_owned(), item.to_owned());
        self.with("delete", limit, move |connection| {
            connection.prepare("DELETE FROM ledger WHERE migration = ?1 AND item = ?2")?.execute([migration, item])?;
            Ok(())
        })
        .await
    }
}

/// What goes wrong inside `Sqlite::with`.
enum Failure {
    Sqlite(rusqlite::Error),
    Ledger(LedgerError),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        Self::Ledger(error)
    }
}

const OLDEST_FIRST: &str = "SELECT * FROM ledger WHERE migration = :migration AND item >= :low \
    AND (:high IS NULL OR item < :high) AND (:after IS NULL OR item > :after) ORDER BY item LIMIT :most";
const NEWEST_FIRST: &str = "SELECT * FROM ledger WHERE migration = :migration AND item >= :low \
    AND (:high IS NULL OR item < :high) AND (:after IS NULL OR item < :after) ORDER BY item DESC LIMIT :most";

fn read(connection: &Connection, migration: &str, item: &str) -> Result<Option<Record>, Failure> {
    let mut statement = connection.prepare("SELECT * FROM ledger WHERE migration = ?1 AND item = ?2")?;
    let found = statement.query_row([migration, item], |row| Ok(to_record(row, migration, item))).optional()?;
    found.transpose()
}

/// Every integer of a record fits a column: the counters grow by one, and seconds last a while.
fn write(connection: &Connection, record: &Record, body: &str) -> Result<(), Failure> {
    let sql = "INSERT OR REPLACE INTO ledger (migration, item, v, seq, epoch, owner, stamp, expires, body) \
        VALUES (:migration, :item, :v, :seq, :epoch, :owner, :stamp, :expires, :body)";
    let column = |name: &str, value: u64| {
        i64::try_from(value).map_err(|_| {
            unreadable(&record.migration, &record.item, format!("has {value} as `{name}`: {} fits", i64::MAX))
        })
    };
    connection.prepare(sql)?.execute(named_params! {
        ":migration": record.migration,
        ":item": record.item,
        ":v": column("v", VERSION)?,
        ":seq": column("seq", record.seq)?,
        ":epoch": column("epoch", record.epoch)?,
        ":owner": record.owner,
        ":stamp": record.stamp,
        ":expires": record.expires.map(|expires| column("expires", expires)).transpose()?,
        ":body": body,
    })?;
    Ok(())
}

/// Removes some of what has expired. SQLite has nobody else to do it.
fn sweep(connection: &Connection) -> Result<(), Failure> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let sql = "DELETE FROM ledger WHERE (migration, item) IN \
        (SELECT migration, item FROM ledger WHERE expires < ?1 ORDER BY expires LIMIT ?2)";
    connection.prepare(sql)?.execute((i64::try_from(now).unwrap_or(i64::MAX), SWEPT))?;
    Ok(())
}

/// The record of a row. The version is looked at first: whatever else a newer one holds is not ours to judge.
fn to_record(row: &Row<'_>, migration: &str, item: &str) -> Result<Record, Failure> {
    let counter = |name: &str| {
        let value: i64 = row.get(name)?;
        u64::try_from(value).map_err(|_| unreadable(migration, item, format!("has no readable `{name}`")).into())
    };
    let version: Result<u64, Failure> = counter("v");
    known(migration, item, version?)?;
    let expires: Option<i64> = row.get("expires")?;
    let body: String = row.get("body")?;
    Ok(Record {
        migration: migration.to_owned(),
        item: item.to_owned(),
        seq: counter("seq")?,
        epoch: counter("epoch")?,
        owner: row.get("owner")?,
        stamp: row.get("stamp")?,
        expires: expires.and_then(|expires| u64::try_from(expires).ok()),
        body: serde_json::from_str(&body)
            .map_err(|error| unreadable(migration, item, format!("has a body that is not a JSON object: {error}")))?,
    })
}
