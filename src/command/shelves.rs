//! What files and objects keep from one run to the next, in the ledger: uploads, how far objects were read, what hosts bear, pairs of
//! versions.

use crate::engine::dead::side_by_side;
use crate::engine::lease::nonce;
use crate::engine::shelves::{Shelf, Shelves};
use crate::fault::{Class, Fault, chain};
use crate::ledger::{Ledger, LedgerError, Record, item};
use async_trait::async_trait;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A bucket's rule deletes what is left of an upload after about as long.
const KEEP_S: u64 = 30 * 86_400;

/// How far an object was read is good for about as long.
const KEEP_READ_S: u64 = 7 * 86_400;

/// What hosts bear is learned again after about as long.
const KEEP_HOSTS_S: u64 = 86_400;

/// How long a pair of versions stays after a `reset`, unless it is looked for.
const KEEP_PAIR_S: u64 = 365 * 86_400;

/// Records on a page.
const PAGE: usize = 500;

/// What is kept of a migration.
pub(super) struct InLedger {
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) migration: String,
}

#[async_trait]
impl Shelves for InLedger {
    async fn get(&self, on: Shelf, key: &str, limit: Duration) -> Result<Option<Map<String, Value>>, Fault> {
        let item = place(on, key);
        let found = self.ledger.get(&self.migration, &item, limit).await.map_err(|error| fault(&error))?;
        let Some(found) = found else { return Ok(None) };
        if on == Shelf::Pair && found.expires.is_some() {
            // A `reset` has given it a term, and the new life needs it, too. A newer one that somebody else has put there has none.
            let lasting = Record { seq: found.seq + 1, stamp: nonce(), expires: None, ..found.clone() };
            self.ledger.swap(&lasting, Some(&found), limit).await.map_err(|error| fault(&error))?;
        }
        Ok(Some(found.body))
    }

    async fn put(&self, on: Shelf, key: &str, mut record: Map<String, Value>, limit: Duration) -> Result<(), Fault> {
        record.insert("key".to_owned(), json!([key]));
        let keep_s = match on {
            Shelf::Upload => Some(KEEP_S),
            Shelf::Read => Some(KEEP_READ_S),
            Shelf::Rate => Some(KEEP_HOSTS_S),
            Shelf::Pair => None,
        };
        self.write(place(on, key), record, keep_s, limit).await
    }

    async fn forget(&self, on: Shelf, key: &str, limit: Duration) -> Result<(), Fault> {
        self.ledger.delete(&self.migration, &place(on, key), limit).await.map_err(|error| fault(&error))
    }
}

impl InLedger {
    async fn write(
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

/// Gives each pair of versions a term, as of `now`, in Unix seconds. What was a copy of what still is one: without it a new life would take
/// copies for somebody else's. Whoever looks for a pair takes its term away; those of objects that are gone go.
pub(super) async fn give_term_to_pairs(
    ledger: &Arc<dyn Ledger>,
    migration: &str,
    now: u64,
    limit: Duration,
) -> Result<(), LedgerError> {
    let mut after = None;
    loop {
        let page = ledger.list(migration, item::PAIR, after.as_deref(), PAGE, false, limit).await?;
        let lasting = page.records.into_iter().filter(|pair| pair.expires.is_none());
        let calls = lasting.map(|seen| {
            let ledger = Arc::clone(ledger);
            async move {
                let expires = Some(now + KEEP_PAIR_S);
                let record = Record { seq: seen.seq + 1, stamp: nonce(), expires, ..seen.clone() };
                // One that is gone by now is not brought back.
                ledger.swap(&record, Some(&seen), limit).await.map(drop)
            }
        });
        side_by_side(calls, "giving a pair of versions its term").await?;
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

fn place(on: Shelf, key: &str) -> String {
    let key = json!([key]).to_string();
    match on {
        Shelf::Upload => item::upload(&key),
        Shelf::Read => item::read(&key),
        Shelf::Pair => item::pair(&key),
        Shelf::Rate => item::hosts(),
    }
}

fn fault(error: &LedgerError) -> Fault {
    let class = match error {
        LedgerError::Unreachable { .. } | LedgerError::Stopped { .. } => Class::Transient,
        _ => Class::Fatal,
    };
    Fault::new(class, format!("what the next run needs could not be kept: {}", chain(error)))
}
