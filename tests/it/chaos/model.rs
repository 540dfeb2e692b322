//! The model of lease and commit under a model checker: it holds, and each deliberate error in it is found.

use super::protocol::{Mutant, Protocol};
use super::{report, seed, soaking};
use stateright::{Checker, HasDiscoveries, Model};

const USUAL: Protocol = Protocol { runs: 2, items: 2, crashes: 1, losses: 1, copies: 0, reset: false, mutant: None };

/// Too large to be walked to their ends within a test: `make soak` walks far into one of them at a time.
const LARGE: [Protocol; 6] = [
    Protocol { copies: 1, ..USUAL },
    Protocol { reset: true, ..USUAL },
    Protocol { runs: 3, ..USUAL },
    Protocol { items: 3, ..USUAL },
    Protocol { crashes: 0, losses: 0, copies: 2, reset: true, ..USUAL },
    Protocol { runs: 3, losses: 0, copies: 1, ..USUAL },
];

/// Breadth first, up to so many different states; how many there were.
fn holds(model: Protocol, most: usize) -> u64 {
    let checker = model.checker().threads(2).target_state_count(most).spawn_bfs().join();
    for (rule, path) in checker.discoveries() {
        assert_eq!(rule, "it completes", "{model:?}: {:#?}", path.into_actions());
    }
    checker.unique_state_count() as u64
}

#[test]
fn lease_and_commit_hold_whatever_is_killed_lost_or_late() {
    // To its end, and so it is also seen to complete.
    let model = Protocol { losses: soaking().into(), ..USUAL };
    let checker = model.checker().threads(2).spawn_bfs().join();
    checker.assert_properties();
    let mut states = checker.unique_state_count() as u64;
    let (seed, _) = seed();
    if soaking() {
        let which = usize::try_from(seed % LARGE.len() as u64).unwrap();
        states += holds(LARGE[which], 12_000_000);
    } else {
        states += LARGE.map(|model| holds(model, 60_000)).iter().sum::<u64>();
    }
    assert!(states > 50_000, "{states} states: too few for this to mean anything");
    report("model", &[("states", states)]);
}

#[test]
fn the_checker_finds_every_mutant() {
    let none = Protocol { crashes: 0, losses: 0, ..USUAL };
    let lossy = Protocol { losses: 1, ..none };
    let deadly = Protocol { crashes: 1, ..none };
    let reset = Protocol { reset: true, ..none };
    for (mutant, model) in [
        (Mutant::CommitUnfenced, none),
        (Mutant::CommitBeforeEffect, none),
        (Mutant::ReleaseUnconditional, none),
        (Mutant::StampIgnored, lossy),
        (Mutant::RangeForgotten, deadly),
        (Mutant::ReleaseForgets, lossy),
        (Mutant::ResetRestartsEpoch, reset),
        (Mutant::StaleState, none),
    ] {
        let model = Protocol { mutant: Some(mutant), ..model };
        let checker = model.checker().threads(2).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
        let found: Vec<_> = checker.discoveries().into_keys().filter(|rule| *rule != "it completes").collect();
        println!("{mutant:?}: {found:?} after {} states", checker.unique_state_count());
        assert!(!found.is_empty(), "{mutant:?} was not caught in {} states", checker.unique_state_count());
    }
}
