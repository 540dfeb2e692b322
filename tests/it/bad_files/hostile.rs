//! Whatever is in a file, the answer is a list of problems, and comes soon.

use super::GOOD;
use milkrun::spec;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::time::{Duration, Instant};

/// What a file may be spoiled with at random: whatever means something to TOML, to milkrun or to SQL.
const SCRAPS: [&str; 24] = [
    "\"",
    "'",
    "\\",
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "=",
    ",",
    ".",
    "\n",
    "$",
    "$$",
    ":",
    "::",
    ":pass_started",
    "#",
    "--",
    "é",
    "1",
    "(",
    ")",
];

#[test]
fn no_file_whatsoever_makes_it_panic() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let until = Instant::now() + Duration::from_secs(2);
    while Instant::now() < until {
        let mut text: Vec<char> = GOOD.chars().collect();
        for _ in 0..random.random_range(1..6) {
            let from = random.random_range(0..text.len());
            let to = (from + random.random_range(0..8)).min(text.len());
            let scrap = SCRAPS[random.random_range(0..SCRAPS.len())];
            text.splice(from..to, scrap.chars());
        }
        let text: String = text.into_iter().collect();
        if let Err(error) = spec::parse("orders-history", &text) {
            assert!(!error.problems.is_empty(), "{text}");
            assert!(
                error.problems.iter().all(|problem| !problem.message.is_empty() && !problem.hint.is_empty()),
                "{error}"
            );
        }
    }
}

#[test]
fn files_that_are_wrong_a_hundred_thousand_times_over_are_answered_soon() {
    let numbers = "1,".repeat(100_000);
    let names = "\"a\",".repeat(200_000);
    let unknown = (0..60_000).map(|number| format!("tabl{number} = 1")).collect::<Vec<_>>().join("\n");
    let tables = "[[source.related]]\nname = \"a\"\n".repeat(30_000);
    let deep = format!("[[source{}]]\nname = 1", ".related".repeat(100_000));
    let nested = format!("key = {}", "[".repeat(500_000));
    let braces = format!("key = {}", "{a=".repeat(300_000));
    let keys = format!("{}a = 1", "a.".repeat(500_000));
    let files = [
        format!("[source]\nkey = [{numbers}]"),
        format!("[source]\nkey = [{names}]"),
        format!("[source]\nwhere = '{}'", "(".repeat(900_000)),
        format!("[source]\nwhere = \"{}\"", ":pass_started ".repeat(70_000)),
        format!("[source]\nwhere = \"{}\"", "now() ".repeat(150_000)),
        format!("[source]\n{unknown}"),
        tables,
        deep,
        nested,
        braces,
        keys,
    ];
    for text in files {
        let begun = Instant::now();
        let error = spec::parse("orders-history", &text).unwrap_err();
        assert!((1..=100).contains(&error.problems.len()));
        let start: String = text.chars().take(40).collect();
        println!(
            "{:?} {start:?}: {}",
            begun.elapsed(),
            error.problems[0].to_string().chars().take(200).collect::<String>()
        );
        assert!(begun.elapsed() < Duration::from_secs(20), "{start}");
    }
}
