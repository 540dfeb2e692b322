//! Shards: disjoint stretches of the key, cut when the first pass opens, each with a record of its own. Which of them a run
//! may take.

use super::checkpoint::Checkpoint;
use super::state::State;
use super::throttle::Throttled;
use crate::ledger::{Ledger, LedgerError, item};
use std::time::Duration;

/// A shard as the ledger has it, of whatever life.
#[derive(Clone, Debug)]
pub struct Shard {
    /// Its number.
    pub number: u32,
    /// Its record's body.
    pub checkpoint: Checkpoint,
    /// The nonce of whoever holds it.
    pub owner: Option<String>,
}

/// A shard's name: four digits.
pub fn name(number: u32) -> String {
    format!("{number:04}")
}

/// The number of a shard of this name.
pub fn number(name: &str) -> Option<u32> {
    let digits = name.len() == 4 && name.bytes().all(|byte| byte.is_ascii_digit());
    name.parse().ok().filter(|_| digits)
}

/// Every shard that has a record.
pub async fn all(ledger: &dyn Ledger, migration: &str, limit: Duration) -> Result<Vec<Shard>, LedgerError> {
    let mut shards = Vec::new();
    let mut after = None;
    loop {
        let page = ledger.list(migration, item::MOVE, after.as_deref(), 100, false, limit).await?;
        for record in page.records {
            let checkpoint = Checkpoint::from_record(&record)?;
            if let Some(number) = record.item.strip_prefix(item::MOVE).and_then(number) {
                shards.push(Shard { number, checkpoint, owner: record.owner });
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok(shards);
        }
    }
}

impl Shard {
    /// Until when somebody else holds it, if anybody does.
    pub fn held_until(&self, now: u64) -> Option<u64> {
        let until = self.checkpoint.lease_until;
        (self.owner.is_some() && until > now).then_some(until)
    }

    /// It has walked to its end in the open pass.
    pub fn is_done(&self, state: &State) -> bool {
        let it = &self.checkpoint;
        (it.life, it.pass, it.done) == (state.life, state.pass, true)
    }
}

/// What a run may take, as the ledger has it; whoever tries may find that somebody was quicker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Offer {
    /// These, in this order.
    Free(Vec<u32>),
    /// Everything that is to be done is held; the first lease ends then.
    Held(u64),
}

/// What holds everything back at this moment. A shard that is held says so or, where nobody is at work, the one that was worked on
/// last: what others say may be left from a run of long ago.
pub fn throttled(shards: &[Shard], now: u64) -> Option<&Throttled> {
    let latest = shards.iter().max_by_key(|shard| shard.checkpoint.run.as_ref().map(|run| run.at));
    let held = || shards.iter().filter(|shard| shard.held_until(now).is_some());
    let told = |shard: &'_ Shard| shard.checkpoint.throttled.is_some();
    let says = if held().next().is_some() { held().find(|shard| told(shard)) } else { latest };
    says?.checkpoint.throttled.as_ref()
}

/// What there is for a run to take; `only`: one shard alone.
pub fn offer(state: &State, shards: &[Shard], only: Option<u32>, now: u64) -> Offer {
    let record = |number: &u32| shards.iter().find(|shard| shard.number == *number);
    let undone = |number: &u32| !record(number).is_some_and(|shard| shard.is_done(state));
    // Before the first pass there is but the one that is to be cut.
    let all: Vec<u32> = match only.filter(|_| state.pass > 0) {
        // One that the cut did not come to holds nothing.
        Some(only) => Some(only).filter(|only| *only < state.shards()).into_iter().collect(),
        None => (0..state.shards()).collect(),
    };
    let mut wanted = all.clone();
    if state.has_retry() && (state.complete || state.open) && all.contains(&0) {
        // Its holder takes the dead letters first.
        wanted.retain(|number| *number == 0 || state.open && undone(number));
    } else if state.open && all.iter().any(undone) {
        wanted.retain(undone);
    }
    let held: Vec<u64> = wanted.iter().filter_map(|number| record(number)?.held_until(now)).collect();
    wanted.retain(|number| record(number).and_then(|shard| shard.held_until(now)).is_none());
    match held.into_iter().min() {
        Some(until) if wanted.is_empty() => Offer::Held(until),
        _ => Offer::Free(wanted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cursor::{Cursor, KeyPart};
    use crate::engine::checkpoint::RunMark;

    fn state(pass: u32, open: bool) -> State {
        let cut = |n: u32| Cursor(vec![KeyPart::Int(n.to_string())]);
        State { pass, open, cuts: (1..4).map(cut).collect(), ..State::default() }
    }

    fn shard(number: u32, pass: u32, done: bool, lease_until: u64) -> Shard {
        let checkpoint = Checkpoint { pass, done, lease_until, ..Checkpoint::default() };
        Shard { number, checkpoint, owner: (lease_until > 0).then(|| "somebody".to_owned()) }
    }

    #[test]
    fn a_run_takes_what_is_to_be_done_and_nobody_holds() {
        let open = state(2, true);
        assert_eq!(offer(&open, &[], None, 9), Offer::Free(vec![0, 1, 2, 3]));
        let mut shards = vec![shard(0, 2, true, 0), shard(1, 2, false, 50), shard(2, 1, true, 8)];
        assert_eq!(offer(&open, &shards, None, 9), Offer::Free(vec![2, 3]));
        assert_eq!(offer(&open, &shards, Some(1), 9), Offer::Held(50));
        shards.extend([shard(3, 2, false, 40), shard(2, 2, false, 60)]);
        shards.remove(2);
        assert_eq!(offer(&open, &shards, None, 9), Offer::Held(40));
        // Everything is done, and whoever was to close the pass is dead: anybody may.
        let done: Vec<Shard> = (0..4).map(|number| shard(number, 2, true, 0)).collect();
        assert_eq!(offer(&open, &done, None, 9), Offer::Free(vec![0, 1, 2, 3]));
        let between = State { open: false, ..open };
        assert_eq!(offer(&between, &done, Some(2), 9), Offer::Free(vec![2]));
        // In another life none of it counts.
        let later = State { life: 1, open: true, ..between };
        assert_eq!(offer(&later, &done, None, 9), Offer::Free(vec![0, 1, 2, 3]));
    }

    #[test]
    fn dead_letters_are_the_business_of_the_first() {
        let mut complete = State { complete: true, retry: 1, ..state(2, false) };
        assert_eq!(offer(&complete, &[], None, 9), Offer::Free(vec![0]));
        assert_eq!(offer(&complete, &[shard(0, 2, true, 30)], None, 9), Offer::Held(30));
        (complete.complete, complete.open) = (false, true);
        let shards = [shard(0, 2, true, 0), shard(1, 2, true, 0)];
        assert_eq!(offer(&complete, &shards, None, 9), Offer::Free(vec![0, 2, 3]));
    }

    #[test]
    fn only_who_is_at_work_or_was_last_says_that_it_is_throttled() {
        let worked = |number, at: u64, says: Option<&str>, lease_until| {
            let mut shard = shard(number, 1, false, lease_until);
            shard.checkpoint.run = Some(RunMark { id: "r".to_owned(), at });
            shard.checkpoint.throttled = says.map(|why| Throttled { reason: why.to_owned(), since: at });
            shard
        };
        let reason = |shards: &[Shard]| throttled(shards, 9).map(|throttled| throttled.reason.clone());
        assert_eq!(reason(&[]), None);
        // The run that came after one that was throttled in another shard was not.
        let (left, moved) = (worked(1, 3, Some("left"), 0), worked(0, 5, None, 0));
        assert_eq!(reason(&[moved.clone(), left.clone()]), None);
        assert_eq!(reason(std::slice::from_ref(&left)), Some("left".to_owned()));
        // One that began before, and is at work still, is throttled now.
        let waits = worked(2, 4, Some("now"), 50);
        assert_eq!(reason(&[moved, left.clone(), waits]), Some("now".to_owned()));
        assert_eq!(reason(&[left, worked(3, 1, None, 50)]), None);
    }

    #[test]
    fn before_the_first_pass_there_is_one() {
        let new = State::default();
        assert_eq!(offer(&new, &[], Some(3), 9), Offer::Free(vec![0]));
        // One that the cut did not come to is not there, whatever the file says now.
        let cut = state(1, true);
        assert_eq!(offer(&cut, &[], Some(4), 9), Offer::Free(Vec::new()));
        let bounded = State { bound: cut.cuts.first().cloned(), cuts: Vec::new(), ..cut };
        assert_eq!((bounded.stretch(0).is_some(), bounded.stretch(3)), (true, None));
        assert_eq!((name(7), number("0007"), number("7"), number("+007")), ("0007".to_owned(), Some(7), None, None));
    }
}
