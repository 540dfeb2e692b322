//! Dead letters: items set aside, durable before the cursor passes them. This is what one holds; [`store`] reads and changes them,
//! [`recording`] writes them for a batch, [`voiding`] takes them back, [`waiting`] puts them back to be retried.

mod faults;
mod recording;
mod store;
mod voiding;
mod waiting;

pub(super) use faults::{class_of, fault, late, unread};
pub use store::Letters;
pub(crate) use store::{LIMIT, side_by_side};

use crate::cursor::Cursor;
use crate::ledger::{LedgerError, Record};
use serde::{Deserialize, Serialize};

/// The classes of dead letters: first those that every kind has, then those of files.
pub const CLASSES: [&str; 13] = [
    "conflict",
    "poison",
    "too_large",
    "killed",
    "gone",
    "forbidden",
    "blocked",
    "wrong_type",
    "mismatch",
    "unstable",
    "timeout",
    "server",
    "archived",
];

/// A dead letter's body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The life that it belongs to; older ones are gone with their `reset`.
    pub life: u64,
    /// The item's key.
    pub key: Vec<String>,
    /// The same with the kind of each part.
    pub cursor: Cursor,
    /// One of [`CLASSES`].
    pub class: String,
    /// Why, without a value of any row.
    pub message: String,
    /// How often it was tried since it was set aside or put back.
    pub attempts: u32,
    /// When it was first set aside, in Unix milliseconds.
    pub first_at: u64,
    /// When it was last tried.
    pub last_at: u64,
    /// The request by which it was put back and waits to be retried; 0: it does not.
    #[serde(default)]
    pub retry: u64,
    /// The mark of the batch that set it aside: one whose commit never came is not counted, and is taken back by it.
    #[serde(default)]
    pub batch: String,
    /// The pass in which it was recorded or voided; 0: by a version that did not say.
    #[serde(default)]
    pub pass: u32,
    /// There is none any more: it was taken back, or retried and counted. The record stays for a while, so that no write that
    /// is still on its way brings it back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub void: bool,
}

impl DeadLetter {
    /// What a record holds.
    pub fn from_record(record: &Record) -> Result<Self, LedgerError> {
        serde_json::from_value(record.body.clone().into()).map_err(|error| LedgerError::Record {
            migration: record.migration.clone(),
            item: record.item.clone(),
            message: format!("cannot be read as a dead letter: {error}"),
        })
    }

    /// Whether it is one, and of this life.
    pub fn is_of(&self, life: u64) -> bool {
        self.life == life && !self.void
    }

    /// Whether it was written, under `epoch`, after whoever is at `rank` in `life` was replaced.
    fn is_later(&self, epoch: u64, life: u64, rank: Rank) -> bool {
        self.life > life || self.life == life && Rank { pass: self.pass, epoch } > rank
    }

    fn to_body(&self) -> serde_json::Map<String, serde_json::Value> {
        match serde_json::to_value(self) {
            Ok(serde_json::Value::Object(body)) => body,
            _ => serde_json::Map::new(),
        }
    }
}

/// Who may speak of an item. In each pass it is one shard's business, whose epochs say who came later; of which shard may change
/// from pass to pass, so epochs of different passes say nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    /// The pass that the shard is in.
    pub pass: u32,
    /// The shard's epoch.
    pub epoch: u64,
}

#[cfg(test)]
mod tests;
