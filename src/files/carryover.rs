//! What is kept from one run to the next: uploads that one begins and another one ends, since a file may be larger than what a run can carry,
//! and how much each host bears.

use super::digests::SavedDigests;
use crate::fault::Fault;
use crate::pace::Level;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// An upload that was begun, and how far it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// The upload's id.
    pub(super) id: String,
    /// SHA-256 of the URL that it is made of.
    pub(super) source: String,
    /// The strong tag of what was read: of anything else the rest is not taken.
    pub(super) etag: String,
    /// The length of the whole, where its server says it.
    pub(super) length: Option<u64>,
    /// What its server says that it is.
    pub(super) content_type: Option<String>,
    /// Bytes of a part.
    pub(super) part: u64,
    /// Its parts are sent while they come.
    #[serde(default)]
    pub(super) streamed: bool,
    /// Parts that have arrived.
    pub(super) parts: usize,
    /// The digests of all bytes in them.
    pub(super) digests: SavedDigests,
}

/// The levels of hosts, by their origins.
pub type Levels = BTreeMap<String, Level>;

/// What is kept from one run to the next. Each call ends within `limit`.
#[async_trait]
pub trait Carryover: Send + Sync {
    /// The upload of an object, if one was begun.
    async fn load(&self, object: &str, limit: Duration) -> Result<Option<Begun>, Fault>;

    /// Keeps how far an upload came.
    async fn save(&self, object: &str, begun: &Begun, limit: Duration) -> Result<(), Fault>;

    /// The upload is over.
    async fn forget(&self, object: &str, limit: Duration) -> Result<(), Fault>;

    /// What hosts bear, as far as a run has learned it.
    async fn hosts(&self, limit: Duration) -> Result<Levels, Fault>;

    /// Keeps what hosts bear.
    async fn save_hosts(&self, levels: &Levels, limit: Duration) -> Result<(), Fault>;
}

/// Nothing is kept: a file has to arrive within one run, and hosts are learned anew.
pub struct Nowhere;

#[async_trait]
impl Carryover for Nowhere {
    async fn load(&self, _: &str, _: Duration) -> Result<Option<Begun>, Fault> {
        Ok(None)
    }

    async fn save(&self, _: &str, _: &Begun, _: Duration) -> Result<(), Fault> {
        Ok(())
    }

    async fn forget(&self, _: &str, _: Duration) -> Result<(), Fault> {
        Ok(())
    }

    async fn hosts(&self, _: Duration) -> Result<Levels, Fault> {
        Ok(Levels::new())
    }

    async fn save_hosts(&self, _: &Levels, _: Duration) -> Result<(), Fault> {
        Ok(())
    }
}
