//! How often somebody is asked who has said that it is too often: a tenth less often than it answered, and then carefully more often again.
//! Who never complains is never waited for.

use serde::{Deserialize, Serialize};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// What a refusal leaves of the rate.
const BACK_OFF: f64 = 0.9;
/// By how much the rate grows in a second without a refusal.
const RECOVERY: f64 = 0.02;
/// Never less than this many requests in a second.
const LEAST: f64 = 0.5;
/// Over how long answers are counted before a first refusal.
const WINDOW: Duration = Duration::from_secs(1);
/// Refusals within so short a time are of one moment.
const MOMENT: Duration = Duration::from_millis(500);
/// A wait for a turn looks again after so long.
const LOOK: Duration = Duration::from_secs(1);
/// After so long nothing is known any more.
const STALE: Duration = Duration::from_hours(1);

/// How often somebody may be asked that has complained: what is kept from one run to the next.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Level {
    /// Requests in a second.
    pub rate: f64,
    /// Until when it wants to be left alone, in Unix milliseconds.
    pub alone_until: u64,
    /// As of when, likewise.
    pub at: u64,
}

/// How often somebody is asked.
#[derive(Debug)]
pub struct Pace(Mutex<Known>);

#[derive(Debug)]
struct Known {
    /// Requests in a second; `None`: it has never complained.
    rate: Option<f64>,
    /// When the next request may go out.
    next: Instant,
    /// When it complained last.
    refused: Option<Instant>,
    /// When the rate grew last.
    grown: Instant,
    /// Answers since then.
    answered: (Instant, u32),
    /// The same of the whole time before.
    before: f64,
}

impl Default for Pace {
    fn default() -> Self {
        let now = Instant::now();
        Self(Mutex::new(Known { rate: None, next: now, refused: None, grown: now, answered: (now, 0), before: 0.0 }))
    }
}

impl Pace {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a turn; false: there is none before `deadline`.
    pub async fn turn(&self, deadline: Instant) -> bool {
        loop {
            let wait = self.known().take(Instant::now());
            let Some(wait) = wait else { return true };
            if Instant::now() + wait >= deadline {
                return false;
            }
            tokio::time::sleep(wait.min(LOOK)).await;
        }
    }

    /// It wants to be left alone until then, at least.
    pub fn is_alone_until(&self, deadline: Instant) -> bool {
        self.known().next >= deadline
    }

    /// It answered.
    pub fn answered(&self) {
        self.known().answered(Instant::now());
    }

    /// It complained, and may have said for how long it wants to be left alone.
    pub fn refused(&self, alone: Option<Duration>) {
        self.known().refused(Instant::now(), alone);
    }

    /// Takes over what an earlier run has learned. What this process knows itself is newer.
    pub fn recall(&self, level: Level) {
        if now_ms().saturating_sub(level.at) < millis(STALE) && level.rate.is_finite() {
            self.known().recall(level);
        }
    }

    /// What is to be kept; `None`: it has never complained.
    pub fn level(&self) -> Option<Level> {
        self.known().level()
    }
}

fn now_ms() -> u64 {
    millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Known {
    fn recall(&mut self, level: Level) {
        if self.rate.is_some() {
            return;
        }
        self.rate = Some(level.rate.max(LEAST));
        let alone = Duration::from_millis(level.alone_until.saturating_sub(now_ms())).min(STALE);
        self.next = self.next.max(Instant::now() + alone);
    }

    fn level(&self) -> Option<Level> {
        let (rate, at) = (self.rate?, now_ms());
        let alone = self.next.saturating_duration_since(Instant::now());
        // Below a second it is its turn that is waited for.
        let alone = if alone > LOOK { millis(alone) } else { 0 };
        Some(Level { rate, alone_until: at + alone, at })
    }

    /// Takes a turn, or says how long to wait for it.
    fn take(&mut self, now: Instant) -> Option<Duration> {
        if now < self.next {
            return Some(self.next - now);
        }
        if let Some(rate) = self.rate {
            self.next = self.next.max(now.checked_sub(Duration::from_millis(20)).unwrap_or(now))
                + Duration::from_secs_f64(1.0 / rate);
        }
        None
    }

    fn answered(&mut self, now: Instant) {
        let (since, count) = self.answered;
        let lasted = now - since;
        if lasted >= WINDOW {
            self.before = f64::from(count) / lasted.as_secs_f64();
            self.answered = (now, 1);
        } else {
            self.answered = (since, count + 1);
        }
        let calm = self.refused.is_none_or(|at| now - at >= WINDOW);
        if let Some(rate) = &mut self.rate
            && calm
            && now - self.grown >= WINDOW
        {
            *rate *= 1.0 + RECOVERY;
            self.grown = now;
        }
    }

    fn refused(&mut self, now: Instant, alone: Option<Duration>) {
        if let Some(alone) = alone {
            self.next = self.next.max(now + alone);
        }
        if self.refused.is_some_and(|at| now - at < MOMENT) {
            return;
        }
        self.refused = Some(now);
        self.grown = now;
        let (since, count) = self.answered;
        let lasted = (now - since).as_secs_f64();
        // In less than a tenth of a second nothing was measured.
        let here = if lasted > 0.1 { f64::from(count) / lasted } else { 0.0 };
        let measured = here.max(if self.rate.is_none() { self.before } else { 0.0 });
        let rate = self.rate.unwrap_or(if measured > 0.0 { measured } else { f64::from(count.max(1)) * 10.0 });
        self.rate = Some((rate * BACK_OFF).max(LEAST));
        self.next = self.next.max(now + Duration::from_millis(100));
    }
}
