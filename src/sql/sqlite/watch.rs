//! What stops SQLite: a deadline, and somebody who no longer waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Shared between who waits for a statement and SQLite's progress handler.
#[derive(Clone)]
pub(super) struct Watch(Arc<State>);

struct State {
    began: Instant,
    /// Microseconds after `began`.
    deadline: AtomicU64,
    abandoned: AtomicBool,
}

impl Watch {
    pub(super) fn new() -> Self {
        Self(Arc::new(State {
            began: Instant::now(),
            deadline: AtomicU64::new(u64::MAX),
            abandoned: AtomicBool::new(false),
        }))
    }

    /// Sets the deadline. If what is returned is dropped before its time, SQLite stops.
    pub(super) fn begin(&self, limit: Duration) -> Waiting {
        let deadline = u64::try_from((self.0.began.elapsed() + limit).as_micros()).unwrap_or(u64::MAX);
        self.0.deadline.store(deadline, Ordering::Relaxed);
        Waiting(Some(self.clone()))
    }

    /// Asked by SQLite every few instructions: whether to stop.
    pub(super) fn is_over(&self) -> bool {
        self.0.abandoned.load(Ordering::Relaxed)
            || self.0.began.elapsed().as_micros() >= u128::from(self.0.deadline.load(Ordering::Relaxed))
    }
}

/// Somebody waits.
pub(super) struct Waiting(Option<Watch>);

impl Waiting {
    /// The result is there.
    pub(super) fn over(mut self) {
        self.0 = None;
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(watch) = &self.0 {
            watch.0.abandoned.store(true, Ordering::Relaxed);
        }
    }
}
