//! What goes wrong, and when: a seeded plan draws the faults and counts them, and waits for whatever it has made late.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// A plan of faults of these kinds.
pub(super) struct FaultPlan<F> {
    faults: Vec<(F, AtomicU64)>,
    chance: Mutex<StdRng>,
    /// Faults in a hundred requests.
    rate: AtomicU64,
    /// Milliseconds.
    pauses: Range<u64>,
    every_kind_soon: bool,
    late: Mutex<Vec<JoinHandle<()>>>,
}

impl<F: Copy> FaultPlan<F> {
    /// So many of a hundred requests go wrong; what is late is so many milliseconds late.
    pub(super) fn new(faults: &[F], seed: u64, rate: u64, pauses: Range<u64>) -> Self {
        Self {
            faults: faults.iter().map(|fault| (*fault, AtomicU64::new(0))).collect(),
            chance: Mutex::new(StdRng::seed_from_u64(seed)),
            rate: AtomicU64::new(rate),
            pauses,
            every_kind_soon: false,
            late: Mutex::default(),
        }
    }

    /// Kinds of which there was none yet come first: few requests are enough for every kind.
    pub(super) fn with_every_kind_soon(self) -> Self {
        Self { every_kind_soon: true, ..self }
    }

    /// What goes wrong with a request, of what `matters` to it, and how late it is.
    pub(super) fn draw(&self, matters: impl Fn(F) -> bool) -> (Option<F>, Duration) {
        let mut chance = self.chance.lock().expect("no panic while drawing");
        let pause = Duration::from_millis(chance.random_range(self.pauses.clone()));
        let mut place = chance.random_range(0..self.faults.len());
        let goes_wrong = chance.random_range(0..100) < self.rate.load(Ordering::SeqCst);
        let matters = |place: &usize| matters(self.faults[*place].0);
        let is_missing = |place: &usize| self.faults[*place].1.load(Ordering::SeqCst) == 0;
        if self.every_kind_soon
            && let Some(missing) = (0..self.faults.len()).filter(matters).find(is_missing)
        {
            place = missing;
        }
        if !goes_wrong || !matters(&place) {
            return (None, pause);
        }
        let (fault, count) = &self.faults[place];
        count.fetch_add(1, Ordering::SeqCst);
        (Some(*fault), pause)
    }

    /// Lets something happen later.
    pub(super) fn later(&self, pause: Duration, happen: impl FnOnce() + Send + 'static) {
        let thread = std::thread::spawn(move || {
            std::thread::sleep(pause);
            happen();
        });
        self.late.lock().expect("no panic while adding").push(thread);
    }

    /// From now on nothing goes wrong any more; what is late has happened before this returns.
    pub(super) fn calm(&self) {
        self.rate.store(0, Ordering::SeqCst);
        let late = std::mem::take(&mut *self.late.lock().expect("no panic while adding"));
        for one in late {
            one.join().expect("it does not panic");
        }
    }

    /// How many faults of each kind there were.
    pub(super) fn injected(&self) -> Vec<(F, u64)> {
        self.faults.iter().map(|(fault, count)| (*fault, count.load(Ordering::SeqCst))).collect()
    }
}
