//! The operator's switches: `pause`, `resume`, `reset`. Who, when and why are kept.

use super::error::CommandError;
use super::pin::unaccepted;
use super::shelves::give_term_to_pairs;
use super::status::current;
use crate::engine::dead::side_by_side;
use crate::engine::lease::{Clock, nonce};
use crate::engine::reset;
use crate::engine::state::{self, Pause, State};
use crate::ledger::{Ledger, LedgerError, Record, item};
use crate::spec::Definition;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;

/// Operator records are cleaned up after a year.
const KEEP_S: u64 = 365 * 86_400;
/// Records that are deleted between two looks at what is left.
const PAGE: usize = 500;
/// What somebody who accepts another definition should know.
const KEPT: &str = "what was moved before stays as it was moved; the accepted definition holds for what is moved from now on, and `verify` \
                    compares everything by it";

/// Pauses: the holder stops at the next batch boundary.
pub(super) async fn pause(
    ledger: &dyn Ledger,
    name: &str,
    reason: Option<String>,
    by: Option<String>,
    clock: &Clock,
    limit: Duration,
) -> Result<(), CommandError> {
    let given = reason.is_some();
    let reason = reason.unwrap_or_else(|| "paused by an operator".to_owned());
    let by = by.unwrap_or_else(|| "unknown".to_owned());
    let pause = Pause { reason: reason.clone(), by: by.clone(), at: clock() };
    let stored = state::load(ledger, name, limit).await?;
    state::update(ledger, name, stored, limit, |state| {
        // The newest reason is the one that counts; who gives none takes none away.
        let news = state.paused.is_none() || given;
        if news {
            state.paused = Some(pause.clone());
        }
        news
    })
    .await?;
    keep(ledger, name, json!({"command": "pause", "by": by, "reason": reason}), clock, limit).await
}

/// Goes on; with `accept`, under the definition that the file now holds. The answer: what is to be said of it, if anything.
pub(super) async fn resume(
    ledger: &dyn Ledger,
    definition: &Definition,
    accept: Option<String>,
    by: Option<String>,
    clock: &Clock,
    limit: Duration,
) -> Result<Option<String>, CommandError> {
    let name = definition.name();
    let mut hint = None;
    let stored = state::load(ledger, name, limit).await?;
    if let Some(accept) = &accept {
        acceptable(&stored.state, definition, accept)?;
    }
    state::update(ledger, name, stored, limit, |state| {
        let now = current(state, definition);
        let accepted = accept.is_some() && state.pin.is_some() && state.pin.as_ref() != Some(&now);
        if accepted {
            let seen = state.proposed.as_ref().is_some_and(|proposed| proposed.file == now.file);
            state.relearn = !seen && !state.is_pinned_to(&now.file);
            state.pin = Some(now);
            state.fields.clone_from(definition.fields());
            // What the definition now means may find more: a sweep looks for it.
            state.complete = false;
            state.accepted_in = state.pass;
        }
        let proposed = state.proposed.take();
        hint = if accepted { Some(KEPT.to_owned()) } else { unaccepted(definition, state, proposed.as_ref()) };
        state.paused.take().is_some() || accepted || proposed.is_some()
    })
    .await?;
    let by = by.unwrap_or_else(|| "unknown".to_owned());
    keep(ledger, name, json!({"command": "resume", "by": by, "accept": accept}), clock, limit).await?;
    Ok(hint)
}

fn acceptable(state: &State, definition: &Definition, accept: &str) -> Result<(), CommandError> {
    let Some(pin) = &state.pin else {
        return Err(CommandError::Usage(format!(
            "`accept` is for a definition that has changed since it was pinned, but `{}` has not run yet: leave it out",
            definition.name()
        )));
    };
    let now = current(state, definition);
    if pin.identity != now.identity {
        return Err(CommandError::Usage(format!(
            "the change of `{}` cannot be accepted, since its kind, database, key, table or target is another: \
             undo the change, or `reset` the migration",
            definition.name()
        )));
    }
    if accept != now.digest() {
        return Err(CommandError::Usage(format!(
            "`accept` is not the digest of the definition as it is now: look at what changed, then accept `{}`",
            now.digest()
        )));
    }
    Ok(())
}

/// Forgets the progress: a new life begins.
pub(super) async fn reset(
    ledger: &Arc<dyn Ledger>,
    name: &str,
    by: Option<String>,
    clock: &Clock,
    limit: Duration,
) -> Result<(), CommandError> {
    if !reset::begin_anew(ledger, name, clock(), limit).await? {
        return Ok(());
    }
    let by = by.unwrap_or_else(|| "unknown".to_owned());
    keep(&**ledger, name, json!({"command": "reset", "by": by}), clock, limit).await?;
    // At the end: there may be many.
    forget(ledger, name, item::RUN, limit).await?;
    forget(ledger, name, item::UPLOAD, limit).await?;
    forget(ledger, name, item::READ, limit).await?;
    Ok(give_term_to_pairs(ledger, name, clock() / 1000, limit).await?)
}

/// Deletes what a month of runs has left: one by one that would take longer than the function may.
async fn forget(ledger: &Arc<dyn Ledger>, name: &str, prefix: &str, limit: Duration) -> Result<(), LedgerError> {
    loop {
        let page = ledger.list(name, prefix, None, PAGE, false, limit).await?;
        let calls = page.records.into_iter().map(|record| {
            let ledger = Arc::clone(ledger);
            async move { ledger.delete(&record.migration, &record.item, limit).await }
        });
        side_by_side(calls, "forgetting a record").await?;
        if page.next.is_none() {
            return Ok(());
        }
    }
}

pub(super) async fn keep(
    ledger: &dyn Ledger,
    name: &str,
    what: serde_json::Value,
    clock: &Clock,
    limit: Duration,
) -> Result<(), CommandError> {
    let now = clock();
    let time =
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(now) * 1_000_000).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let serde_json::Value::Object(mut body) = what else { return Ok(()) };
    body.insert("at".into(), json!(super::reply::instant(now)));
    let record = Record {
        migration: name.to_owned(),
        item: item::operator(time),
        seq: 1,
        epoch: 0,
        owner: None,
        stamp: nonce(),
        expires: Some(now / 1000 + KEEP_S),
        body,
    };
    Ok(ledger.put(&record, limit).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::lease::system_clock;
    use crate::ledger::{Page, Sqlite, Swap};
    use async_trait::async_trait;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const LIMIT: Duration = Duration::from_secs(5);

    /// A ledger that counts how many records are being deleted at the same time.
    struct Counting {
        ledger: Sqlite,
        now: AtomicUsize,
        most: AtomicUsize,
    }

    #[async_trait]
    impl Ledger for Counting {
        async fn get(&self, migration: &str, item: &str, limit: Duration) -> Result<Option<Record>, LedgerError> {
            self.ledger.get(migration, item, limit).await
        }

        async fn list(
            &self,
            migration: &str,
            prefix: &str,
            after: Option<&str>,
            most: usize,
            newest_first: bool,
            limit: Duration,
        ) -> Result<Page, LedgerError> {
            self.ledger.list(migration, prefix, after, most, newest_first, limit).await
        }

        async fn swap(&self, record: &Record, seen: Option<&Record>, limit: Duration) -> Result<Swap, LedgerError> {
            self.ledger.swap(record, seen, limit).await
        }

        async fn put(&self, record: &Record, limit: Duration) -> Result<(), LedgerError> {
            self.ledger.put(record, limit).await
        }

        async fn delete(&self, migration: &str, item: &str, limit: Duration) -> Result<(), LedgerError> {
            self.most.fetch_max(self.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(5)).await;
            self.now.fetch_sub(1, Ordering::SeqCst);
            self.ledger.delete(migration, item, limit).await
        }
    }

    #[tokio::test]
    async fn reset_forgets_many_records_side_by_side() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Sqlite::open(&folder.path().join("ledger.db")).unwrap();
        let counting = Arc::new(Counting { ledger, now: AtomicUsize::new(0), most: AtomicUsize::new(0) });
        let ledger: Arc<dyn Ledger> = counting.clone();
        let clock = system_clock();
        pause(&*ledger, "m", None, None, &clock, LIMIT).await.unwrap();
        for number in 0..40 {
            let time = OffsetDateTime::UNIX_EPOCH + Duration::from_secs(number);
            let record = Record {
                migration: "m".to_owned(),
                item: item::run(time, "r"),
                seq: 1,
                epoch: 0,
                owner: None,
                stamp: nonce(),
                expires: None,
                body: serde_json::Map::new(),
            };
            ledger.put(&record, LIMIT).await.unwrap();
        }
        reset(&ledger, "m", Some("somebody".to_owned()), &clock, LIMIT).await.unwrap();
        assert_eq!(ledger.list("m", item::RUN, None, 100, false, LIMIT).await.unwrap().records, []);
        assert!(counting.most.load(Ordering::SeqCst) > 8, "{:?}", counting.most);
        let kept = ledger.list("m", item::OPERATOR, None, 100, true, LIMIT).await.unwrap().records;
        assert_eq!(kept[0].body["command"], "reset");
    }
}
