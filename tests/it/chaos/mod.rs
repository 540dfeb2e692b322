//! The regimen: everything that may go wrong goes wrong, again and again, and nothing is lost, doubled or miscounted.
//! docs/reliability.md says what is proved how. Each part prints its seed, `MILKRUN_SEED` repeats it, and a part that has
//! injected nothing fails.

#[cfg(feature = "failpoints")]
mod failpoints;
mod frozen;
mod http;
mod ledger_double;
mod letters;
mod model;
mod operator;
mod protocol;
mod refusals;
mod sequences;
mod simulation;
mod source_double;
mod sql;
mod steps;
mod waiting;

use rand::Rng;
use std::time::Duration;

/// The seed of the environment, or a fresh one; and whether the environment said so.
fn seed() -> (u64, bool) {
    match std::env::var("MILKRUN_SEED") {
        Ok(seed) => (seed.parse().expect("MILKRUN_SEED is a number"), true),
        Err(_) => (rand::rng().random(), false),
    }
}

/// How long a part that goes by the clock may take: `MILKRUN_CHAOS_SECS`, which `make soak` sets.
fn span(usual_s: u64) -> Duration {
    let set = std::env::var("MILKRUN_CHAOS_SECS").map(|secs| secs.parse().expect("MILKRUN_CHAOS_SECS is a number"));
    Duration::from_secs(set.unwrap_or(usual_s))
}

/// Whether `make soak` is at work.
pub(crate) fn soaking() -> bool {
    std::env::var_os("MILKRUN_CHAOS_SECS").is_some()
}

/// One line that `make soak` adds up: `name=number` each.
pub(crate) fn report(part: &str, numbers: &[(&str, u64)]) {
    let numbers: Vec<String> = numbers.iter().map(|(name, number)| format!("{name}={number}")).collect();
    println!("chaos: {part}: {} violations=0", numbers.join(" "));
}
