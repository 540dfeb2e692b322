//! What a kind of migration keeps from one run to the next, beside the checkpoint: small records by a key of its own. Kinds know no
//! ledger; whoever opens one says where its records are kept.

use crate::fault::Fault;
use async_trait::async_trait;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::time::Duration;

/// What is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shelf {
    /// Uploads that one run begins and another ends, for a month.
    Upload,
    /// How far both sides of an object were read that one run does not read to its end, for a week.
    Read,
    /// How many requests somebody bears, for a day.
    Rate,
    /// Which version of a target is a copy of which version of its source, for as long as the migration lives; after a `reset` for a year,
    /// unless it was looked for since.
    Pair,
}

/// Where it is kept. Each call ends within `limit`.
#[async_trait]
pub trait Shelves: Send + Sync {
    /// The record of a key, if there is one.
    async fn get(&self, shelf: Shelf, key: &str, limit: Duration) -> Result<Option<Map<String, Value>>, Fault>;

    /// Keeps a record, in place of the one before.
    async fn put(&self, shelf: Shelf, key: &str, record: Map<String, Value>, limit: Duration) -> Result<(), Fault>;

    /// Forgets a record; one that is not there is no error.
    async fn forget(&self, shelf: Shelf, key: &str, limit: Duration) -> Result<(), Fault>;
}

impl dyn Shelves {
    /// What a record says. One that cannot be read, as another version may have written it, is none: its work begins anew.
    pub async fn load<T: DeserializeOwned>(&self, on: Shelf, key: &str, limit: Duration) -> Result<Option<T>, Fault> {
        let record = self.get(on, key, limit).await?;
        Ok(record.and_then(|record| serde_json::from_value(Value::Object(record)).ok()))
    }

    /// Keeps what has fields of its own, in place of the record before.
    pub async fn save<T: Serialize + Sync>(
        &self,
        on: Shelf,
        key: &str,
        kept: &T,
        limit: Duration,
    ) -> Result<(), Fault> {
        let Ok(Value::Object(record)) = serde_json::to_value(kept) else { return Ok(()) };
        self.put(on, key, record, limit).await
    }
}

/// Nothing is kept.
pub struct Nowhere;

#[async_trait]
impl Shelves for Nowhere {
    async fn get(&self, _: Shelf, _: &str, _: Duration) -> Result<Option<Map<String, Value>>, Fault> {
        Ok(None)
    }

    async fn put(&self, _: Shelf, _: &str, _: Map<String, Value>, _: Duration) -> Result<(), Fault> {
        Ok(())
    }

    async fn forget(&self, _: Shelf, _: &str, _: Duration) -> Result<(), Fault> {
        Ok(())
    }
}
