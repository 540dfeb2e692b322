//! Dead letters: items set aside, durable before the cursor passes them.

use super::lease::nonce;
use super::migration::Aside;
use crate::ledger::{Ledger, LedgerError, Record, item};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A dead letter's body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The life that it belongs to; older ones are gone with their `reset`.
    pub life: u64,
    /// The item's key.
    pub key: Vec<String>,
    /// `conflict`, `poison`, `too_large`, `killed`.
    pub class: String,
    /// Why, without a value of any row.
    pub message: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was first set aside, in Unix milliseconds.
    pub first_at: u64,
    /// When it was last tried.
    pub last_at: u64,
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
}

/// Makes these dead letters durable. Writing them again changes nothing but the times.
pub async fn record(
    ledger: &dyn Ledger,
    migration: &str,
    life: u64,
    asides: &[Aside],
    now: u64,
    limit: Duration,
) -> Result<(), LedgerError> {
    for aside in asides {
        let letter = DeadLetter {
            life,
            key: aside.key.texts(),
            class: aside.class.to_owned(),
            message: aside.message.clone(),
            attempts: 1,
            first_at: now,
            last_at: now,
        };
        let body = match serde_json::to_value(&letter) {
            Ok(serde_json::Value::Object(body)) => body,
            _ => serde_json::Map::new(),
        };
        let record = Record {
            migration: migration.to_owned(),
            item: item::dead(&aside.key.json()),
            seq: 1,
            epoch: 0,
            owner: None,
            stamp: nonce(),
            expires: None,
            body,
        };
        ledger.put(&record, limit).await?;
    }
    Ok(())
}
