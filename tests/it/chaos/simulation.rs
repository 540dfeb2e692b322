//! The real engine over doubles of its ports, in virtual time on one thread: several runs at once on one ledger, killed at any
//! await, with clocks that jump, until the migration is complete. Seconds of it are days of such operation.

use super::ledger_double::{LedgerDouble, place};
use super::operator::{Done, Operator, letters};
use super::source_double::{After, SourceDouble};
use super::{report, seed, span};
use milkrun::engine::chance;
use milkrun::engine::checkpoint::{Checkpoint, Counters, Resolved};
use milkrun::engine::lease::{Clock, Terms};
use milkrun::engine::report::Outcome;
use milkrun::engine::run::{EngineError, Run};
use milkrun::engine::state::{self, State};
use milkrun::engine::sweeps::Sweeps;
use milkrun::fault::Class;
use milkrun::ledger::{Ledger, LedgerError};
use milkrun::spec::Limits;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

const NAME: &str = "job";

/// Virtual time after which nothing goes wrong any more, so that there is an end.
const CALM: Duration = Duration::from_mins(3);

#[derive(Debug, Default)]
struct Count {
    jobs: AtomicU64,
    runs: AtomicU64,
    crashes: AtomicU64,
    faults: AtomicU64,
    jumps: AtomicU64,
    fenced: AtomicU64,
    /// Shards beyond the first.
    shards: AtomicU64,
    letters: AtomicU64,
    /// Jobs whose sweeps look at changes, that go on for ever, and whose items leave.
    changes: AtomicU64,
    continuous: AtomicU64,
    purges: AtomicU64,
    operator: Done,
}

/// What is drawn once for a job.
#[derive(Debug)]
struct Plan {
    after: After,
    margin_ms: i64,
    /// Runs in a thousand that are killed.
    deaths: u64,
    jumps: bool,
    /// The operator may begin everything anew.
    resets: bool,
    /// It goes on for ever.
    continuous: bool,
    sweeps: Sweeps,
    limits: Limits,
}

struct World {
    ledger: LedgerDouble,
    kind: SourceDouble,
    plan: Plan,
    count: Arc<Count>,
    started: tokio::time::Instant,
    /// The operator has asked for everything that is to be done.
    asked: AtomicBool,
    wrong: Mutex<Option<String>>,
    /// How often something had appeared in the source, and the pass in which that was noticed.
    stirred: Mutex<(u64, u32)>,
}

impl World {
    fn new(seed: u64, count: &Arc<Count>) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let rate = [0, 20, 80, 200][random.random_range(0..4)];
        let mut kind = SourceDouble::new(random.random(), random.random_range(5..60), rate);
        let after = [After::Keep, After::Keep, After::Delete, After::DeleteApart][random.random_range(0..4)];
        kind = kind.then(after);
        let (by_changes, continuous) = (random.random_bool(0.4), random.random_bool(0.35));
        if by_changes {
            kind = kind.tracked();
            count.changes.fetch_add(1, Ordering::Relaxed);
        }
        if continuous {
            kind = kind.restless();
            count.continuous.fetch_add(1, Ordering::Relaxed);
        }
        count.purges.fetch_add(u64::from(after != After::Keep), Ordering::Relaxed);
        kind.spoil([0, 5, 30][random.random_range(0..3)]);
        let (passed, itself) = (kind.clone(), Arc::new(OnceLock::<LedgerDouble>::new()));
        let letters_of = Arc::clone(&itself);
        let rule = move |record: &milkrun::ledger::Record| {
            let (life, pass, cursor) = place(record);
            let Some(shard) = record.item.strip_prefix("move#").and_then(|shard| shard.parse().ok()) else {
                return Ok(());
            };
            let now = letters_of.get().and_then(|ledger| ledger.peek(NAME, state::ITEM));
            // A run that does not know of a reset yet may go on for a while, in a life that nobody reads.
            let read = now.is_some_and(|state| place(&state).0 == life);
            // A cursor of 0: none yet.
            if pass != 1 || cursor == 0 || !read {
                return Ok(());
            }
            let lacking = passed.lacks_up_to(shard, cursor);
            let recorded = |key: &u64| {
                let there = letters_of.get().and_then(|ledger| ledger.peek(NAME, &format!("dead#[\"{key}\"]")));
                there.is_some_and(|record| !record.body.contains_key("void"))
            };
            if lacking.iter().all(recorded) {
                return Ok(());
            }
            Err(format!(
                "the cursor passed an item that is neither in the target nor recorded: {lacking:?}, {record:?}"
            ))
        };
        let ledger = LedgerDouble::new(random.random(), [0, 30, 100, 250][random.random_range(0..4)], Arc::new(rule));
        let _ = itself.set(ledger.clone());
        let limits = Limits {
            max_batch: random.random_range(1..12),
            max_attempts: 100_000,
            settle: Duration::from_millis(random.random_range(0..500)),
            sweep_every: Duration::from_millis(random.random_range(0..3000)),
            max_sweeps: 1000,
            stop_when_failed: 10_000,
            lease: Duration::from_millis(random.random_range(300..3000)),
            items_per_second: [0, 0, 0, 0, 3, 25][random.random_range(0..6)],
            shards: random.random_range(1..=4),
            lanes: random.random_range(1..=3),
            ..Limits::default()
        };
        let jumps = random.random_bool(0.4);
        let mut sweeps = if continuous { Sweeps::continuous(&limits) } else { Sweeps::once(&limits) };
        if by_changes {
            // As much as clocks disagree.
            let disagree = if jumps { Duration::from_mins(30) } else { Duration::from_millis(20) };
            sweeps = sweeps.by_changes(disagree + Duration::from_millis(random.random_range(0..2000)));
        }
        let plan = Plan {
            after,
            margin_ms: [2000, 0, -60_000][random.random_range(0..3)],
            deaths: [0, 200, 600][random.random_range(0..3)],
            jumps,
            // What has left the source is in no life after it.
            resets: after == After::Keep && random.random_bool(0.3),
            continuous,
            sweeps,
            limits,
        };
        let started = tokio::time::Instant::now();
        let (count, asked) = (Arc::clone(count), AtomicBool::new(false));
        Self { ledger, kind, plan, count, started, asked, wrong: Mutex::default(), stirred: Mutex::default() }
    }

    fn is_calm(&self) -> bool {
        self.started.elapsed() > CALM
    }

    /// The state, past all faults: this is the test that asks.
    fn state(&self) -> State {
        let record = self.ledger.peek(NAME, state::ITEM);
        record.map_or_else(State::default, |record| serde_json::from_value(record.body.into()).unwrap())
    }

    fn letters(&self) -> Vec<(u64, String)> {
        letters(&self.ledger, NAME, self.state().life)
    }

    /// There is nothing to do.
    fn is_idle(&self) -> bool {
        let state = self.state();
        if !self.plan.continuous {
            return state.complete && !state.has_retry();
        }
        let ((stirred, more), mut known) = (self.kind.stirred(), self.stirred.lock().unwrap());
        if more || known.0 != stirred {
            *known = (stirred, state.pass);
        }
        // The next pass may have looked at the source's end before.
        state.pass > known.1 + 1 && !state.open && state.left == 0 && !state.has_retry()
    }

    fn is_complete(&self) -> bool {
        self.asked.load(Ordering::SeqCst) && self.is_idle()
    }

    fn clock(self: &Arc<Self>, offset: &Arc<AtomicI64>) -> Clock {
        let (world, offset) = (Arc::clone(self), Arc::clone(offset));
        Arc::new(move || {
            let now = 1_700_000_000_000 + u64::try_from(world.started.elapsed().as_millis()).unwrap();
            now.saturating_add_signed(offset.load(Ordering::SeqCst))
        })
    }

    /// A machine that runs the job again and again, and dies in between.
    async fn worker(self: Arc<Self>, seed: u64) {
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

    /// What holds in the end.
    fn judge(&self) -> Result<(), String> {
        if let Some(wrong) = self.wrong.lock().unwrap().take().or_else(|| self.ledger.violation()) {
            return Err(wrong);
        }
        let (items, target) = (self.kind.items(), self.kind.target());
        if items != target {
            return Err(format!("the target holds {target:?}, the source {items:?}"));
        }
        let (life, bad, letters) = (self.state().life, self.kind.bad(), self.letters());
        if bad != letters {
            return Err(format!("dead letters are {letters:?}, those that cannot be moved {bad:?}"));
        }
        self.count.letters.fetch_add(letters.len() as u64, Ordering::Relaxed);
        let (mut counters, mut resolved) = (Counters::default(), Resolved::default());
        for record in self.ledger.peek_all(NAME, "move#") {
            let shard = Checkpoint::from_record(&record).map_err(|error| error.to_string())?;
            if shard.life == life {
                self.count.shards.fetch_add(u64::from(record.item != "move#0000"), Ordering::Relaxed);
                counters.add(&shard.counters);
                resolved.conflicts += shard.resolved.conflicts;
                resolved.failed += shard.resolved.failed;
            }
        }
        let conflicts = bad.iter().filter(|(_, class)| class == "conflict").count() as u64;
        // In a life after the first, what the life before has moved is skipped.
        let (moved, skipped) = if life == 0 { (counters.moved, counters.skipped) } else { (counters.items(), 0) };
        let set_aside = if life == 0 { 0 } else { counters.conflicts + counters.failed };
        let counted = (
            moved - set_aside,
            skipped,
            counters.conflicts.checked_sub(resolved.conflicts),
            counters.failed.checked_sub(resolved.failed),
        );
        if counted != (items.len() as u64, 0, Some(conflicts), Some(bad.len() as u64 - conflicts)) {
            return Err(format!("{} items and {bad:?}, but counted {counters:?}, {resolved:?}", items.len()));
        }
        Ok(())
    }
}

/// One job from its start to its end.
fn job(seed: u64, count: &Arc<Count>) -> Result<(), String> {
    chance::seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let world = Arc::new(World::new(seed, count));
        let workers: Vec<_> = (0..=seed % 3)
            .map(|number| tokio::spawn(Arc::clone(&world).worker(seed.wrapping_mul(31).wrapping_add(number))))
            .collect();
        let mut random = StdRng::seed_from_u64(seed.wrapping_mul(77));
        let operator = Operator {
            name: NAME,
            ledger: world.ledger.clone(),
            kind: world.kind.clone(),
            resets: world.plan.resets,
            wanders: world.plan.continuous && world.plan.after == After::Keep,
        };
        let meddling = async {
            let end = world.started + Duration::from_millis(random.random_range(0..60_000));
            operator.work(StdRng::seed_from_u64(seed), end, &count.operator).await;
            // An item may just be set aside that was mended meanwhile.
            for _ in 0..1000 {
                operator.ask_for_all().await;
                tokio::time::sleep(Duration::from_secs(4)).await;
                if world.is_idle() && world.letters() == world.kind.bad() {
                    break;
                }
            }
            world.asked.store(true, Ordering::SeqCst);
        };
        let calming = async {
            tokio::time::sleep(CALM).await;
            world.ledger.calm();
            world.kind.calm();
        };
        tokio::join!(meddling, calming);
        for worker in workers {
            worker.await.map_err(|error| format!("a worker panicked: {error}"))?;
        }
        // What is late may still arrive.
        tokio::time::sleep(Duration::from_secs(10)).await;
        count.jobs.fetch_add(1, Ordering::Relaxed);
        count.faults.fetch_add(world.ledger.injected() + world.kind.injected(), Ordering::Relaxed);
        world.judge().map_err(|wrong| format!("{wrong}\nin {:?}", world.plan))
    })
}

#[test]
fn the_engine_loses_and_doubles_nothing_whatever_its_ports_do() {
    let (first, fixed) = seed();
    println!("simulation: MILKRUN_SEED={first}");
    let count = Arc::new(Count::default());
    if fixed {
        job(first, &count).unwrap_or_else(|wrong| panic!("MILKRUN_SEED={first}: {wrong}"));
        return;
    }
    let end = Instant::now() + span(15);
    let next = AtomicU64::new(first);
    let found = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while Instant::now() < end && found.lock().unwrap().is_none() {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    if let Err(wrong) = job(seed, &count) {
                        found.lock().unwrap().get_or_insert((seed, wrong));
                    }
                }
            });
        }
    });
    if let Some((seed, wrong)) = found.into_inner().unwrap() {
        panic!("MILKRUN_SEED={seed}: {wrong}");
    }
    let read = |number: &AtomicU64| number.load(Ordering::SeqCst);
    let numbers = [
        ("jobs", read(&count.jobs)),
        ("runs", read(&count.runs)),
        ("crashes", read(&count.crashes)),
        ("faults", read(&count.faults)),
        ("jumps", read(&count.jumps)),
        ("fenced", read(&count.fenced)),
        ("shards", read(&count.shards)),
        ("letters", read(&count.letters)),
        ("changes", read(&count.changes)),
        ("continuous", read(&count.continuous)),
        ("purges", read(&count.purges)),
        ("retries", read(&count.operator.retries)),
        ("resets", read(&count.operator.resets)),
    ];
    report("simulation", &numbers);
    assert!(numbers.iter().all(|(_, number)| *number > 0), "{numbers:?}: nothing was injected");
}
