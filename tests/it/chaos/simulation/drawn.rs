//! What a seed draws for a job: the source, the faults, the limits, and the rule that each accepted checkpoint is held against.

use super::{Count, NAME, Plan, World};
use crate::chaos::ledger_double::{LedgerDouble, place};
use crate::chaos::source_double::{After, SourceDouble};
use milkrun::engine::state;
use milkrun::engine::sweeps::Sweeps;
use milkrun::ledger::Record;
use milkrun::spec::Limits;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

impl World {
    pub(super) fn new(seed: u64, count: &Arc<Count>) -> Self {
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
        let rule = move |record: &Record| {
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
}
