//! milkrun beside what a user would pick instead, on the same machine, in the same run, alternating, medians: `make bench`, or
//! `make bench ONLY=copy` for one part. docs/benchmarks.md holds what it printed, and how to read it.
//!
//! Each side does the same work into tables of the same shape, durably: MariaDB with `innodb_flush_log_at_trx_commit = 1`,
//! PostgreSQL with `synchronous_commit = on`. Below a ratio that is promised, the benchmark fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark that cannot go on fails")]

#[path = "../../tests/it/support/mod.rs"]
mod support;

mod across;
mod archive;
mod contest;
mod documents;
mod files;
mod flat;
mod keys;
mod objects;
mod ready;
mod timed;

use std::process::ExitCode;

/// A part's name, and what it runs: whether every promise was kept.
type Part = (&'static str, fn() -> bool);

const PARTS: [Part; 10] = [
    ("documents", documents::compare),
    ("copy", archive::copy),
    ("purge", archive::purge),
    ("across", across::compare),
    ("flat", flat::compare),
    ("files", files::compare),
    ("objects", objects::small),
    ("large", objects::large),
    ("far", objects::far),
    ("keys", keys::compare),
];

fn main() -> ExitCode {
    // Cargo adds flags of its own.
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    if let Some(unknown) = wanted.iter().find(|name| PARTS.iter().all(|(known, _)| known != name)) {
        let known = PARTS.map(|(name, _)| name).join(", ");
        eprintln!("there is no part `{unknown}`; the parts are: {known}");
        return ExitCode::from(2);
    }
    let chosen = PARTS.iter().filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name));
    // Every part runs, also after one that missed its mark.
    let kept = chosen.fold(true, |kept, (_, compare)| compare() && kept);
    if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
