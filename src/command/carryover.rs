//! What files and objects keep from one run to the next, in the ledger: uploads, what hosts bear, pairs of versions.

use crate::engine::lease::nonce;
use crate::engine::shelves::{Shelf, Shelves};
use crate::fault::{Class, Fault, chain};
use crate::files::{Begun, Carryover, Levels};
use crate::ledger::{Ledger, LedgerError, Record, item};
use async_trait::async_trait;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A bucket's rule deletes what is left of an upload after about as long.
const KEEP_S: u64 = 30 * 86_400;

/// What hosts bear is learned again after about as long.
const KEEP_HOSTS_S: u64 = 86_400;

/// What is kept of a migration.
pub(super) struct InLedger {
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) migration: String,
}

#[async_trait]
impl Carryover for InLedger {
    async fn load(&self, object: &str, limit: Duration) -> Result<Option<Begun>, Fault> {
        let found = self.ledger.get(&self.migration, &name(object), limit).await.map_err(|error| fault(&error))?;
        // What cannot be read is begun anew.
        Ok(found.and_then(|record| serde_json::from_value(Value::Object(record.body)).ok()))
    }

    async fn save(&self, object: &str, begun: &Begun, limit: Duration) -> Result<(), Fault> {
        let Ok(Value::Object(mut body)) = serde_json::to_value(begun) else { return Ok(()) };
        body.insert("key".to_owned(), json!([object]));
        self.put(name(object), body, Some(KEEP_S), limit).await
    }

    async fn forget(&self, object: &str, limit: Duration) -> Result<(), Fault> {
        self.ledger.delete(&self.migration, &name(object), limit).await.map_err(|error| fault(&error))
    }

    async fn hosts(&self, limit: Duration) -> Result<Levels, Fault> {
        let found = self.ledger.get(&self.migration, &item::hosts(), limit).await.map_err(|error| fault(&error))?;
        let levels = found.and_then(|mut record| record.body.remove("hosts"));
        Ok(levels.and_then(|levels| serde_json::from_value(levels).ok()).unwrap_or_default())
    }

    async fn save_hosts(&self, levels: &Levels, limit: Duration) -> Result<(), Fault> {
        let body = Map::from_iter([("hosts".to_owned(), json!(levels))]);
        self.put(item::hosts(), body, Some(KEEP_HOSTS_S), limit).await
    }
}

impl InLedger {
    async fn put(
        &self,
        item: String,
        body: Map<String, Value>,
        keep_s: Option<u64>,
        limit: Duration,
    ) -> Result<(), Fault> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let record = Record {
            migration: self.migration.clone(),
            item,
            seq: 1,
            epoch: 0,
            owner: None,
            stamp: nonce(),
            expires: keep_s.map(|keep_s| now + keep_s),
            body,
        };
        self.ledger.put(&record, limit).await.map_err(|error| fault(&error))
    }
}

#[async_trait]
impl Shelves for InLedger {
    async fn get(&self, on: Shelf, key: &str, limit: Duration) -> Result<Option<Map<String, Value>>, Fault> {
        let found = self.ledger.get(&self.migration, &place(on, key), limit).await.map_err(|error| fault(&error))?;
        Ok(found.map(|record| record.body))
    }

    async fn put(&self, on: Shelf, key: &str, mut record: Map<String, Value>, limit: Duration) -> Result<(), Fault> {
        record.insert("key".to_owned(), json!([key]));
        let keep_s = match on {
            Shelf::Upload => Some(KEEP_S),
            Shelf::Rate => Some(KEEP_HOSTS_S),
            Shelf::Pair => None,
        };
        self.put(place(on, key), record, keep_s, limit).await
    }

    async fn forget(&self, on: Shelf, key: &str, limit: Duration) -> Result<(), Fault> {
        self.ledger.delete(&self.migration, &place(on, key), limit).await.map_err(|error| fault(&error))
    }
}

fn place(on: Shelf, key: &str) -> String {
    let key = json!([key]).to_string();
    match on {
        Shelf::Upload => item::upload(&key),
        Shelf::Pair => item::pair(&key),
        Shelf::Rate => item::hosts(),
    }
}

fn name(object: &str) -> String {
    item::upload(&json!([object]).to_string())
}

fn fault(error: &LedgerError) -> Fault {
    let class = match error {
        LedgerError::Unreachable { .. } | LedgerError::Stopped { .. } => Class::Transient,
        _ => Class::Fatal,
    };
    Fault::new(class, format!("what the next run needs could not be kept: {}", chain(error)))
}
