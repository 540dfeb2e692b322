//! The real engine over doubles of its ports, in virtual time on one thread: several runs at once on one ledger, killed at any
//! await, with clocks that jump, until the migration is complete. Seconds of it are days of such operation.

mod drawn;
mod judged;
mod machine;

use super::ledger_double::LedgerDouble;
use super::operator::{Done, Operator, letters};
use super::source_double::{After, SourceDouble};
use super::{report, seed, span};
use milkrun::engine::chance;
use milkrun::engine::state::{self, State};
use milkrun::engine::sweeps::Sweeps;
use milkrun::spec::Limits;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
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
