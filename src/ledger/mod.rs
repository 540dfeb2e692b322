//! Where checkpoints, dead letters, run records and switches live. One trait, two stores, one conformance suite.

mod attributes;
mod dynamodb;
pub mod item;
mod limits;
mod listing;
mod open;
mod refusal;
mod sqlite;
mod sqlite_file;

pub use dynamodb::DynamoDb;
pub use open::{check, open};
pub use sqlite::Sqlite;

use crate::debug::debug_is_display;
use async_trait::async_trait;
use serde_json::{Map, Value};
use std::time::Duration;

/// The version of the record layout that this build writes. A record with a greater one is refused.
pub const VERSION: u64 = 1;

/// No record grows beyond this: the store's own limit is four times as high.
pub const MAX_RECORD_BYTES: usize = 100 * 1024;

/// One item of the ledger: its key, what its conditions look at, and a body that is its owner's business.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Partition key: the migration's name.
    pub migration: String,
    /// Sort key: `state`, `move#0000`, `dead#["17"]` …
    pub item: String,
    /// Grows by one with every write, and never starts again.
    pub seq: u64,
    /// Fences: grows by one at each acquisition. 0 for records that nobody leases.
    pub epoch: u64,
    /// The holder's nonce; absent while nobody holds the record.
    pub owner: Option<String>,
    /// A fresh nonce for every logical write: a lost reply is recognised by finding one's own stamp.
    pub stamp: String,
    /// When the store may clean the record up, in Unix seconds. Never a matter of correctness.
    pub expires: Option<u64>,
    /// Everything else. DynamoDB shows each field as an attribute of its own.
    pub body: Map<String, Value>,
}

/// What became of a conditional write.
#[derive(Clone, Debug, PartialEq)]
pub enum Swap {
    /// It is written, now or by an earlier attempt of ours whose reply was lost.
    Done,
    /// Somebody else was there before; what they wrote, `None` if there is nothing.
    Lost(Option<Record>),
}

/// What can go wrong with a ledger.
#[derive(thiserror::Error)]
pub enum LedgerError {
    /// It cannot be reached, or does not answer in time.
    #[error("the ledger {ledger} cannot be reached: {message}")]
    Unreachable {
        /// Which ledger.
        ledger: String,
        /// Why, and what to do.
        message: String,
    },
    /// It answers, but refuses.
    #[error("the ledger {ledger} refused {operation}: {message}")]
    Refused {
        /// Which ledger.
        ledger: String,
        /// What was asked of it.
        operation: &'static str,
        /// Why, and what to do.
        message: String,
    },
    /// A record was written by a newer milkrun.
    #[error(
        "the record `{item}` of `{migration}` has version {found}, this milkrun knows up to {VERSION}: deploy the newer one"
    )]
    Newer {
        /// Whose record.
        migration: String,
        /// Which one.
        item: String,
        /// Its version.
        found: u64,
    },
    /// A record cannot be read, or would grow beyond its limit.
    #[error("the record `{item}` of `{migration}` {message}")]
    Record {
        /// Whose record.
        migration: String,
        /// Which one.
        item: String,
        /// What is wrong with it.
        message: String,
    },
    /// Something that was done on the side was stopped before its end: what it was to do may have been done or not.
    #[error("{task} was stopped before its end")]
    Stopped {
        /// What was to be done.
        task: &'static str,
        /// Who stopped it: the end of the process, or a bug of milkrun.
        #[source]
        source: tokio::task::JoinError,
    },
    /// The setting does not name a ledger.
    #[error("{0}")]
    Setting(String),
}

debug_is_display!(LedgerError);

/// A page of records, in the order of `item`.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// What is on it.
    pub records: Vec<Record>,
    /// Pass it as `after` to go on; `None` on the last page.
    pub next: Option<String>,
}

/// A store of records. Each method is one call to the store and ends within `limit`.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// The record as it is now, after every write that was acknowledged before.
    async fn get(&self, migration: &str, item: &str, limit: Duration) -> Result<Option<Record>, LedgerError>;

    /// Records whose `item` begins with `prefix`, up to `most`, beyond the item `after`; backwards if `newest_first`.
    async fn list(
        &self,
        migration: &str,
        prefix: &str,
        after: Option<&str>,
        most: usize,
        newest_first: bool,
        limit: Duration,
    ) -> Result<Page, LedgerError>;

    /// Writes `record` if what is stored still is `seen` (its `seq`, `epoch` and `owner`; `None`: nothing is stored).
    /// There is no clock in the condition. A condition that fails because an earlier attempt of this very write
    /// succeeded (the stored `stamp` is the record's own) is success.
    async fn swap(&self, record: &Record, seen: Option<&Record>, limit: Duration) -> Result<Swap, LedgerError>;

    /// Writes `record` whatever is stored. For records that are the same however often they are written.
    async fn put(&self, record: &Record, limit: Duration) -> Result<(), LedgerError>;

    /// Removes a record; one that is not there is removed already.
    async fn delete(&self, migration: &str, item: &str, limit: Duration) -> Result<(), LedgerError>;
}
