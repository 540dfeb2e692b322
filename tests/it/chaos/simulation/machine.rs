//! A machine of the simulation: it runs the job again and again, dies in between, and its clock jumps.

use super::{NAME, World};
use milkrun::engine::lease::{Clock, Terms};
use milkrun::engine::report::Outcome;
use milkrun::engine::run::{EngineError, Run};
use milkrun::fault::Class;
use milkrun::ledger::{Ledger, LedgerError};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

impl World {
    fn clock(self: &Arc<Self>, offset: &Arc<AtomicI64>) -> Clock {
        let (world, offset) = (Arc::clone(self), Arc::clone(offset));
        Arc::new(move || {
            let now = 1_700_000_000_000 + u64::try_from(world.started.elapsed().as_millis()).unwrap();
            now.saturating_add_signed(offset.load(Ordering::SeqCst))
        })
    }

    /// A machine that runs the job again and again, and dies in between.
    pub(super) async fn worker(self: Arc<Self>, seed: u64) {
        let mut random = StdRng::seed_from_u64(seed);
        let offset = Arc::new(AtomicI64::new(0));
        for turn in 0.. {
            if self.is_complete() || self.wrong.lock().unwrap().is_some() {
                return;
            }
            if turn > 20_000 {
                *self.wrong.lock().unwrap() = Some(format!("no end: {:?}", self.ledger.peek(NAME, "move#0000")));
                return;
            }
            if self.plan.jumps && !self.is_calm() && random.random_bool(0.3) {
                offset.store(random.random_range(-300_000..300_000), Ordering::SeqCst);
                self.count.jumps.fetch_add(1, Ordering::Relaxed);
            }
            self.one_run(&mut random, &offset).await;
            tokio::time::sleep(Duration::from_millis(random.random_range(0..1500))).await;
        }
    }

    async fn one_run(self: &Arc<Self>, random: &mut StdRng, offset: &Arc<AtomicI64>) {
        let time = Duration::from_millis(random.random_range(500..6000));
        let clock = self.clock(offset);
        let ledger: Arc<dyn Ledger> = Arc::new(self.ledger.clone());
        let mut run = Run::new(NAME, &self.kind, &self.plan.limits, ledger, time, 1 << 30);
        let deadline_ms = clock() + u64::try_from(time.as_millis()).unwrap();
        run.terms = Terms { lease: self.plan.limits.lease, margin_ms: self.plan.margin_ms, deadline_ms, clock };
        run.sweeps = self.plan.sweeps;
        run.max_items = random.random_bool(0.2).then(|| random.random_range(1..9));
        let dies = !self.is_calm() && random.random_range(0..1000) < self.plan.deaths;
        let death =
            if dies { random.random_range(Duration::ZERO..time.min(Duration::from_millis(900))) } else { time * 2 };
        // The clock may also jump while it runs.
        let jump = (self.plan.jumps && !self.is_calm() && random.random_bool(0.2))
            .then(|| (random.random_range(Duration::ZERO..time), random.random_range(-300_000..300_000)));
        let jumping = async {
            if let Some((when, by)) = jump {
                tokio::time::sleep(when).await;
                offset.fetch_add(by, Ordering::SeqCst);
            }
            std::future::pending::<()>().await;
        };
        self.count.runs.fetch_add(1, Ordering::Relaxed);
        let wrong = tokio::select! {
            biased;
            () = tokio::time::sleep(death) => {
                self.count.crashes.fetch_add(1, Ordering::Relaxed);
                None
            }
            ended = Box::pin(run.chunk()) => match ended {
                Ok(report) => match report.outcome {
                    Outcome::Fenced => {
                        self.count.fenced.fetch_add(1, Ordering::Relaxed);
                        None
                    }
                    Outcome::More | Outcome::Busy | Outcome::Complete => None,
                    Outcome::Idle if self.plan.continuous => None,
                    other => Some(format!("{other:?}: {:?}", report.reason)),
                },
                Err(EngineError::Ledger(LedgerError::Unreachable { .. })) => None,
                Err(EngineError::Fault(fault)) if matches!(fault.class, Class::Transient | Class::Capacity) => None,
                Err(other) => Some(other.to_string()),
            },
            () = jumping => None,
        };
        if let Some(wrong) = wrong {
            self.wrong.lock().unwrap().get_or_insert(wrong);
        }
    }
}
