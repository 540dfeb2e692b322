//! Dead letters: items set aside, durable before the cursor passes them.

use super::lease::nonce;
use super::migration::Aside;
use crate::fault::{Class, Fault, chain};
use crate::ledger::{Ledger, LedgerError, Record, Swap, item};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

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

/// How many are written side by side.
const SIDE_BY_SIDE: usize = 16;
/// What one write may take.
const LIMIT: Duration = Duration::from_secs(5);

/// Makes these dead letters durable. One that is there already stays as it is: it was found by a run that was killed
/// before it could commit.
pub async fn record(
    ledger: &Arc<dyn Ledger>,
    migration: &str,
    life: u64,
    asides: &[Aside],
    now: u64,
) -> Result<(), LedgerError> {
    for stretch in asides.chunks(SIDE_BY_SIDE) {
        // Owned by this call: dropping the set aborts what is under way.
        let mut writes = JoinSet::new();
        for aside in stretch {
            let (ledger, record) = (Arc::clone(ledger), letter(migration, life, aside, now));
            writes.spawn(async move { keep(&*ledger, record, life).await });
        }
        while let Some(written) = writes.join_next().await {
            written.map_err(|source| LedgerError::Stopped { task: "writing a dead letter", source })??;
        }
    }
    Ok(())
}

async fn keep(ledger: &dyn Ledger, record: Record, life: u64) -> Result<(), LedgerError> {
    match ledger.swap(&record, None, LIMIT).await? {
        Swap::Lost(Some(there)) if DeadLetter::from_record(&there)?.life != life => ledger.put(&record, LIMIT).await,
        _ => Ok(()),
    }
}

fn letter(migration: &str, life: u64, aside: &Aside, now: u64) -> Record {
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
    Record {
        migration: migration.to_owned(),
        item: item::dead(&aside.key.json()),
        seq: 1,
        epoch: 0,
        owner: None,
        stamp: nonce(),
        expires: None,
        body,
    }
}

/// A ledger that did not take dead letters, as a batch's fault: its effects are there, but may not be passed.
pub(super) fn fault(error: &LedgerError) -> Fault {
    let class = match error {
        LedgerError::Unreachable { .. } | LedgerError::Stopped { .. } => Class::Transient,
        _ => Class::Fatal,
    };
    let message = format!("the dead letters of a batch could not be written: {}", chain(error));
    Fault { uncertain: true, ..Fault::new(class, message) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cursor::{Cursor, KeyPart};
    use crate::ledger::Page;
    use async_trait::async_trait;

    /// A ledger whose every call dies.
    struct Broken;

    #[async_trait]
    impl Ledger for Broken {
        async fn get(&self, _: &str, _: &str, _: Duration) -> Result<Option<Record>, LedgerError> {
            panic!("broken")
        }

        async fn list(
            &self,
            _: &str,
            _: &str,
            _: Option<&str>,
            _: usize,
            _: bool,
            _: Duration,
        ) -> Result<Page, LedgerError> {
            panic!("broken")
        }

        async fn swap(&self, _: &Record, _: Option<&Record>, _: Duration) -> Result<Swap, LedgerError> {
            panic!("broken")
        }

        async fn put(&self, _: &Record, _: Duration) -> Result<(), LedgerError> {
            panic!("broken")
        }

        async fn delete(&self, _: &str, _: &str, _: Duration) -> Result<(), LedgerError> {
            panic!("broken")
        }
    }

    #[tokio::test]
    async fn a_write_that_was_stopped_is_tried_again_and_blames_no_setting() {
        let ledger: Arc<dyn Ledger> = Arc::new(Broken);
        let key = Cursor(vec![KeyPart::Int("7".into())]);
        let aside = Aside { key, class: "conflict", message: "m".into() };
        let error = record(&ledger, "m", 0, &[aside], 1).await.unwrap_err();
        assert!(matches!(error, LedgerError::Stopped { .. }), "{error}");
        assert_eq!(error.to_string(), "writing a dead letter was stopped before its end");
        assert_eq!((fault(&error).class, fault(&error).uncertain), (Class::Transient, true));
    }
}
