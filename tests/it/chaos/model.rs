//! The models of lease and commit, and of dead letters, under a model checker: they hold, and each deliberate error in them is found.

use super::letters::{LetterProtocol, Mutant as LetterMutant};
use super::protocol::{Mutant, Protocol};
use super::{report, seed, soaking};
use stateright::{Checker, HasDiscoveries, Model};
use std::fmt::Debug;

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

/// How many different states of a model were seen: all that there are, or as many as there was time for. Which they are is no
/// matter of chance: breadth first has no seed.
fn seen<M: Model + Debug>(checker: &impl Checker<M>, most: Option<usize>) -> u64 {
    let states = checker.unique_state_count();
    let whole = most.is_none_or(|most| checker.state_count() < most);
    let extent = if whole { "all that there are" } else { "breadth first, no further" };
    println!("{:?}: {states} states, {extent}", checker.model());
    states as u64
}

/// Breadth first, until so many steps have led to a state, known ones included; how many different states there were.
fn holds(model: Protocol, most: usize) -> u64 {
    let checker = model.checker().threads(2).target_state_count(most).spawn_bfs().join();
    for (rule, path) in checker.discoveries() {
        assert_eq!(rule, "it completes", "{model:?}: {:#?}", path.into_actions());
    }
    seen(&checker, Some(most))
}

#[test]
fn lease_and_commit_hold_whatever_is_killed_lost_or_late() {
    // To its end, and so it is also seen to complete.
    let model = Protocol { losses: soaking().into(), ..USUAL };
    let checker = model.checker().threads(2).spawn_bfs().join();
    checker.assert_properties();
    let mut states = seen(&checker, None);
    if soaking() {
        // The seed says which one, and nothing else.
        let (seed, _) = seed();
        println!("MILKRUN_SEED={seed}");
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

const LETTERS: LetterProtocol =
    LetterProtocol { runs: 2, items: 1, crashes: 1, losses: 1, late: 1, asks: 2, mutant: None };

#[test]
fn each_dead_letter_counts_once_whatever_is_killed_replaced_or_late() {
    let mut states = 0;
    // To their ends, and so everything is also seen to arrive.
    for model in [LETTERS, LetterProtocol { items: 2, losses: 0, ..LETTERS }] {
        let checker = model.checker().threads(2).spawn_bfs().join();
        checker.assert_properties();
        states += seen(&checker, None);
    }
    let large = LetterProtocol { runs: 3, items: 2, ..LETTERS };
    let most = if soaking() { 3_000_000 } else { 100_000 };
    let checker = large.checker().threads(2).target_state_count(most).spawn_bfs().join();
    for (rule, path) in checker.discoveries() {
        assert_eq!(rule, "everything arrives", "{large:?}: {:#?}", path.into_actions());
    }
    states += seen(&checker, Some(most));
    assert!(states > 50_000, "{states} states: too few for this to mean anything");
    report("letters", &[("states", states)]);
}

#[test]
fn the_checker_finds_every_mutant_of_the_letters() {
    let none = LetterProtocol { crashes: 0, losses: 0, late: 0, asks: 1, ..LETTERS };
    let deadly = LetterProtocol { crashes: 1, ..none };
    let again = LetterProtocol { runs: 3, ..deadly };
    for (mutant, model) in [
        (LetterMutant::LetterAfterCommit, none),
        (LetterMutant::NotTakenBack, deadly),
        (LetterMutant::InFlightUnnamed, none),
        (LetterMutant::Deleted, none),
        (LetterMutant::OlderLetIn, none),
        (LetterMutant::StaleKept, LetterProtocol { losses: 1, ..none }),
        (LetterMutant::RetryForgotten, again),
        (LetterMutant::SettledForgotten, again),
    ] {
        let model = LetterProtocol { mutant: Some(mutant), ..model };
        let checker = model.checker().threads(2).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
        let found: Vec<_> = checker.discoveries().into_keys().filter(|rule| *rule != "everything arrives").collect();
        println!("{mutant:?}: {found:?} after {} states", checker.unique_state_count());
        assert!(!found.is_empty(), "{mutant:?} was not caught in {} states", checker.unique_state_count());
    }
}
