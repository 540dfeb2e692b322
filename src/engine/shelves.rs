//! What a kind of migration keeps from one run to the next, beside the checkpoint: small records by a key of its own. Kinds know no
//! ledger; whoever opens one says where its records are kept.

use crate::fault::Fault;
use async_trait::async_trait;
use serde_json::{Map, Value};
use std::time::Duration;

/// What is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shelf {
    /// Uploads that one run begins and another ends, for a month.
    Upload,
    /// How many requests somebody bears, for a day.
    Rate,
    /// Which version of a target is a copy of which version of its source, for as long as the migration lives.
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
