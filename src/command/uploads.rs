//! Uploads that one run begins and another ends, kept in the ledger.

use crate::engine::lease::nonce;
use crate::fault::{Class, Fault, chain};
use crate::files::{Begun, Uploads};
use crate::ledger::{Ledger, LedgerError, Record, item};
use async_trait::async_trait;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A bucket's rule deletes what is left of an upload after about as long.
const KEEP_S: u64 = 30 * 86_400;

/// The uploads of a migration.
pub(super) struct InLedger {
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) migration: String,
}

#[async_trait]
impl Uploads for InLedger {
    async fn load(&self, object: &str, limit: Duration) -> Result<Option<Begun>, Fault> {
        let found = self.ledger.get(&self.migration, &name(object), limit).await.map_err(|error| fault(&error))?;
        // What cannot be read is begun anew.
        Ok(found.and_then(|record| serde_json::from_value(Value::Object(record.body)).ok()))
    }

    async fn save(&self, object: &str, begun: &Begun, limit: Duration) -> Result<(), Fault> {
        let Ok(Value::Object(mut body)) = serde_json::to_value(begun) else { return Ok(()) };
        body.insert("key".to_owned(), json!([object]));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let record = Record {
            migration: self.migration.clone(),
            item: name(object),
            seq: 1,
            epoch: 0,
            owner: None,
            stamp: nonce(),
            expires: Some(now + KEEP_S),
            body,
        };
        self.ledger.put(&record, limit).await.map_err(|error| fault(&error))
    }

    async fn forget(&self, object: &str, limit: Duration) -> Result<(), Fault> {
        self.ledger.delete(&self.migration, &name(object), limit).await.map_err(|error| fault(&error))
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
    Fault::new(class, format!("an upload could not be kept: {}", chain(error)))
}
