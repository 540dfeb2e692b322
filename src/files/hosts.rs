//! How much each host is asked for: so many requests at once, and no more in a second than it [bears](crate::pace).

use crate::pace::{Level, Pace};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Hosts that are remembered from one run to the next, at most: they stand in one record of the ledger.
const REMEMBERED: usize = 100;
/// Hosts that are known at once, unless more are being asked: rows may name as many as they like.
const KNOWN: usize = 1000;
/// What is kept is kept so often, at most.
const KEPT_EVERY: Duration = Duration::from_secs(5);

/// The levels of hosts, by their origins.
pub(super) type Levels = BTreeMap<String, Level>;

/// What is kept from one run to the next.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) hosts: Levels,
}

/// All hosts that were asked.
#[derive(Debug)]
pub(super) struct Hosts {
    per_host: usize,
    known: Mutex<HashMap<String, Arc<Host>>>,
    /// When levels were kept last.
    kept: Mutex<Option<Instant>>,
}

/// One host.
#[derive(Debug)]
pub(super) struct Host {
    room: Arc<Semaphore>,
    pace: Pace,
}

impl Hosts {
    pub(super) fn new(per_host: u32) -> Self {
        Self { per_host: usize::try_from(per_host).unwrap_or(1), known: Mutex::default(), kept: Mutex::default() }
    }

    /// Requests to one host at once.
    pub(super) fn per_host(&self) -> usize {
        self.per_host
    }

    /// The host of a URL.
    pub(super) fn of(&self, url: &str) -> Arc<Host> {
        self.at(url::Url::parse(url).ok().map(|url| url.origin().ascii_serialization()).unwrap_or_default())
    }

    fn at(&self, origin: String) -> Arc<Host> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KNOWN && !known.contains_key(&origin) {
            forget(&mut known);
        }
        known.entry(origin).or_insert_with(|| Arc::new(Host::new(self.per_host))).clone()
    }

    /// Takes over what an earlier run has learned. What this process knows itself is newer.
    pub(super) fn recall(&self, levels: Levels) {
        for (origin, level) in levels {
            self.at(origin).pace.recall(level);
        }
    }

    /// What hosts bear that have complained, if it is time that this is kept.
    pub(super) fn to_be_kept(&self) -> Option<Levels> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.is_some_and(|at| at.elapsed() < KEPT_EVERY) {
            return None;
        }
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let level = |(origin, host): (&String, &Arc<Host>)| Some((origin.clone(), host.pace.level()?));
        let levels: Levels = known.iter().filter_map(level).take(REMEMBERED).collect();
        if levels.is_empty() {
            return None;
        }
        *kept = Some(Instant::now());
        Some(levels)
    }
}

/// Forgets hosts that nobody asks at the moment: those that have never complained and, where that is not enough, all of them.
fn forget(known: &mut HashMap<String, Arc<Host>>) {
    let is_asked = |host: &Arc<Host>| Arc::strong_count(host) > 1;
    known.retain(|_, host| is_asked(host) || host.pace.level().is_some());
    if known.len() > KNOWN / 2 {
        known.retain(|_, host| is_asked(host));
    }
}

impl Host {
    fn new(per_host: usize) -> Self {
        Self { room: Arc::new(Semaphore::new(per_host)), pace: Pace::default() }
    }

    /// Waits for a turn; whoever has it holds it until the transfer is over. `None`: not before `deadline`.
    pub(super) async fn turn(&self, deadline: Instant) -> Option<OwnedSemaphorePermit> {
        let room = tokio::time::timeout_at(deadline, self.room.clone().acquire_owned()).await.ok()?.ok()?;
        self.pace.turn(deadline).await.then_some(room)
    }

    /// It wants to be left alone until then, at least.
    pub(super) fn is_alone_until(&self, deadline: Instant) -> bool {
        self.pace.is_alone_until(deadline)
    }

    /// It answered.
    pub(super) fn answered(&self) {
        self.pace.answered();
    }

    /// It complained, and may have said for how long it wants to be left alone.
    pub(super) fn refused(&self, alone: Option<Duration>) {
        self.pace.refused(alone);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that bears so many requests in each second; how many of so many seconds' requests it answered, and refused, once it
    /// was settled.
    async fn ask(bears: u32, seconds: u64) -> (u32, u32) {
        let host = Host::new(4);
        let (begin, mut second, mut in_second) = (Instant::now(), 0, 0);
        let (mut answered, mut refused) = (0, 0);
        while begin.elapsed() < Duration::from_secs(seconds) {
            let turn = host.turn(begin + Duration::from_secs(seconds)).await;
            if turn.is_none() {
                break;
            }
            if begin.elapsed().as_secs() != second {
                (second, in_second) = (begin.elapsed().as_secs(), 0);
            }
            in_second += 1;
            let settled = second >= seconds / 2;
            if in_second <= bears {
                host.answered();
                answered += u32::from(settled);
            } else {
                host.refused(None);
                refused += u32::from(settled);
            }
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
        (answered, refused)
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_that_bears_a_hundred_in_a_second_is_asked_for_about_so_many() {
        let (answered, refused) = ask(100, 60).await;
        let rate = f64::from(answered) / 30.0;
        assert!((80.0..=100.0).contains(&rate), "{rate} answered, {refused} refused");
        assert!(f64::from(refused) < 0.05 * f64::from(answered), "{refused}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_is_left_alone_for_as_long_as_it_asks() {
        let host = Host::new(4);
        let begin = Instant::now();
        host.refused(Some(Duration::from_secs(7)));
        assert!(host.turn(begin + Duration::from_secs(3)).await.is_none());
        assert!(host.turn(begin + Duration::from_secs(30)).await.is_some());
        assert!(begin.elapsed() >= Duration::from_secs(7));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_learned_of_a_host_is_known_to_the_next_run() {
        let hosts = Hosts::new(4);
        let begin = Instant::now();
        assert_eq!(hosts.to_be_kept(), None, "nobody has complained");
        hosts.of("https://files.example.com/a").refused(Some(Duration::from_secs(7)));
        let kept = hosts.to_be_kept().unwrap();
        assert_eq!(hosts.to_be_kept(), None, "it was just kept");
        let next = Hosts::new(4);
        next.recall(kept.clone());
        let host = next.of("https://files.example.com/b");
        assert_eq!(host.pace.level().map(|level| level.rate), Some(kept["https://files.example.com"].rate));
        assert!(host.turn(begin + Duration::from_secs(30)).await.is_some());
        assert!((6..8).contains(&begin.elapsed().as_secs()), "{:?}", begin.elapsed());
        let stale = Level { at: 1, ..kept["https://files.example.com"] };
        let later = Hosts::new(4);
        later.recall(Levels::from([("https://files.example.com".to_owned(), stale)]));
        assert_eq!(later.of("https://files.example.com/b").pace.level(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn however_many_hosts_rows_name_few_are_held() {
        let hosts = Hosts::new(4);
        let busy = hosts.of("https://busy.example.com/");
        hosts.of("https://slow.example.com/").refused(None);
        for number in 0..5 * KNOWN {
            hosts.of(&format!("https://{number}.example.com/"));
            assert!(hosts.known.lock().unwrap().len() <= KNOWN);
        }
        assert!(Arc::ptr_eq(&busy, &hosts.of("https://busy.example.com/")), "it is being asked");
        assert!(hosts.of("https://slow.example.com/").pace.level().is_some(), "what it bears is known");
        for number in 0..2 * KNOWN {
            hosts.of(&format!("https://{number}.example.com/")).refused(None);
            assert!(hosts.known.lock().unwrap().len() <= KNOWN);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_that_never_complains_is_never_waited_for() {
        let host = Host::new(2);
        let begin = Instant::now();
        for _ in 0..1000 {
            drop(host.turn(begin + Duration::from_secs(1)).await.unwrap());
            host.answered();
        }
        assert!(begin.elapsed() < Duration::from_millis(10));
    }
}
