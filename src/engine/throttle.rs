//! The throttle: something outside that says whether more may be moved now. Looked at before each batch; where that takes long, no more
//! often than that it takes a tenth of the time, but once a second in any case. What cannot be read says no.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// A look is good for so many times as long as it took, and no longer than this.
const FRESH: (u32, Duration) = (10, Duration::from_secs(1));
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

/// Until when something was seen to be so, and what.
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

    /// Why nothing may be moved now, as of the last look.
    pub(super) async fn reason(&self, limit: Duration) -> Option<String> {
        let gauge = self.gauge.as_ref()?;
        let mut seen = self.seen.lock().await;
        if let Some((until, reason)) = &*seen
            && Instant::now() < *until
        {
            return reason.clone();
        }
        let (limit, began) = (limit.min(PATIENCE), Instant::now());
        let reason = tokio::time::timeout(limit, gauge.reason(limit)).await;
        let reason =
            reason.unwrap_or_else(|_| Some(format!("the throttle did not answer within {} ms", limit.as_millis())));
        let fresh = (began.elapsed() * FRESH.0).min(FRESH.1);
        *seen = Some((Instant::now() + fresh, reason.clone()));
        reason
    }

    /// Whether batches wait for it.
    pub(super) fn is_set(&self) -> bool {
        self.gauge.is_some()
    }
}
