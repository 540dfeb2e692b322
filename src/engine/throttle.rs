//! The throttle: something outside that says whether more may be moved now. Looked at between batches, once a second at
//! most. What cannot be read says no.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// A look is good for so long.
const FRESH: Duration = Duration::from_secs(1);
/// A look takes no longer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a throttle looks at. A port: the engine knows no replicas and no SQL.
#[async_trait]
pub trait Gauge: Send + Sync {
    /// Why nothing may be moved now, in words for an operator; `None` if something may. Within `limit`.
    async fn reason(&self, limit: Duration) -> Option<String>;
}

/// That a shard waits for the throttle, as its checkpoint keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Throttled {
    /// In words.
    pub reason: String,
    /// Since when, in Unix milliseconds.
    pub since: u64,
}

/// What was seen, and when.
type Look = (Instant, Option<String>);

/// A run's throttle, or none.
#[derive(Clone, Default)]
pub struct Throttle {
    gauge: Option<Arc<dyn Gauge>>,
    seen: Arc<Mutex<Option<Look>>>,
}

impl Throttle {
    /// One that goes by this gauge.
    pub fn by(gauge: Arc<dyn Gauge>) -> Self {
        Self { gauge: Some(gauge), ..Self::default() }
    }

    /// Why nothing may be moved now, as of a second ago at most.
    pub(super) async fn reason(&self, limit: Duration) -> Option<String> {
        let gauge = self.gauge.as_ref()?;
        let mut seen = self.seen.lock().await;
        if let Some((at, reason)) = &*seen
            && at.elapsed() < FRESH
        {
            return reason.clone();
        }
        let limit = limit.min(PATIENCE);
        let reason = tokio::time::timeout(limit, gauge.reason(limit)).await;
        let reason =
            reason.unwrap_or_else(|_| Some(format!("the throttle did not answer within {} ms", limit.as_millis())));
        *seen = Some((Instant::now(), reason.clone()));
        reason
    }

    /// Whether batches wait for it.
    pub(super) fn is_set(&self) -> bool {
        self.gauge.is_some()
    }
}
