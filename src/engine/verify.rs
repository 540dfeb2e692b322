//! Verification and rollback: chunked, leased and checkpointed like a run, each in a record of its own.

use super::checkpoint::{Checkpoint, Tally};
use super::hold::hold;
use super::lease::{Acquired, Kept, Lease};
use super::migration::{Comparison, Migration, Range, Read, Repair};
use super::report::Outcome;
use super::run::{EngineError, Run};
use super::sample::Sample;
use super::shards;
use super::sizer::{Caps, Tuner};
use super::state::{Pin, State};
use super::stretch::in_time;
use crate::cursor::Cursor;
use crate::fault::{Action, Class, chain};
use crate::ledger::{Ledger, item};
use std::time::Duration;
use tokio::time::Instant;

/// Examples that are kept, at most.
const EXAMPLES: usize = 20;
/// Bytes of their keys, at most: they are kept in a record of the ledger.
const EXAMPLE_BYTES: usize = 32 * 1024;

/// What a walk beside the migration's own does.
#[derive(Clone, Copy)]
enum Aim<'a> {
    /// Compares source and target; mends, if told so; looks at about this share of them, if told one.
    Compare(Option<&'a Repair>, Option<u32>),
    /// Puts back what the source was before.
    TakeBack,
}

impl Aim<'_> {
    fn share(self) -> Option<u32> {
        match self {
            Self::Compare(_, share) => share,
            Self::TakeBack => None,
        }
    }
}

/// What a call of `verify` or `rollback` came to.
#[derive(Debug)]
pub struct Verified {
    /// `more`, `complete`, `busy` or `fenced`.
    pub outcome: Outcome,
    /// Until when somebody else verifies.
    pub until: Option<u64>,
    /// Cumulative since the first call.
    pub tally: Tally,
}

/// What the walk in `record` that is under way has counted; nothing if it is at its end, of another life or by another definition.
pub async fn so_far(
    ledger: &dyn Ledger,
    migration: &str,
    record: &str,
    state: &State,
    limit: Duration,
) -> Result<Tally, EngineError> {
    let stored = ledger.get(migration, record, limit).await?;
    let checkpoint = stored.as_ref().map(Checkpoint::from_record).transpose()?;
    let tally = checkpoint.filter(|it| it.life == state.life).and_then(|it| it.tally);
    let definition = state.pin.as_ref().map(Pin::digest);
    Ok(tally.filter(|tally| !tally.complete && tally.definition == definition).unwrap_or_default())
}

impl<M: Migration> Run<'_, M> {
    /// Compares one chunk. The end is frozen at the first call; the call after the one that completed begins anew.
    /// With `repair`, what is missing or different is mended on the way. With `share`, in hundredths of a percent, about so much is
    /// compared; a call with another one begins anew.
    pub async fn verify(
        &self,
        state: &State,
        repair: Option<&Repair>,
        share: Option<u32>,
    ) -> Result<Verified, EngineError> {
        self.walk_beside(state, Aim::Compare(repair, share)).await
    }

    /// Puts one chunk of the source back as it was, likewise.
    pub async fn take_back(&self, state: &State) -> Result<Verified, EngineError> {
        self.walk_beside(state, Aim::TakeBack).await
    }

    async fn walk_beside(&self, state: &State, aim: Aim<'_>) -> Result<Verified, EngineError> {
        let call = self.budget.call();
        let record = match aim {
            Aim::Compare(..) => item::verify(0),
            Aim::TakeBack => item::rollback(0),
        };
        let acquired =
            Lease::acquire(self.ledger.clone(), &self.migration, &record, &self.id, self.terms.clone(), call).await?;
        let mut lease = match acquired {
            Acquired::Ours(lease) => lease,
            Acquired::Held { until, .. } => {
                let tally = so_far(&*self.ledger, &self.migration, &record, state, call).await?;
                return Ok(Verified { outcome: Outcome::Busy, until: Some(until), tally });
            }
        };
        let ended = self.pursue(&mut lease, state, aim).await;
        if !matches!(ended, Ok(Outcome::Fenced)) {
            let _ = lease.release(|_| {}, self.budget.call()).await;
        }
        let outcome = ended?;
        Ok(Verified { outcome, until: None, tally: lease.checkpoint().tally.clone().unwrap_or_default() })
    }

    async fn pursue(&self, lease: &mut Lease, state: &State, aim: Aim<'_>) -> Result<Outcome, EngineError> {
        let definition = state.pin.as_ref().map(Pin::digest);
        let way = (aim.share(), self.kind.reads_in_full());
        let goes_on = |tally: &Tally| is_under_way(tally, definition.as_deref(), way);
        let anew = lease.checkpoint().life != state.life || !lease.checkpoint().tally.as_ref().is_some_and(goes_on);
        if anew && self.begin(lease, state, aim, definition).await? == Kept::Fenced {
            return Ok(Outcome::Fenced);
        }
        let Some(bound) = lease.checkpoint().tally.as_ref().and_then(|tally| tally.bound.clone()) else {
            return Ok(Outcome::Complete);
        };
        // While the first pass is open, what lies beyond the cursor is nobody's business yet.
        let open_end = state.covered.is_some();
        let sample = lease.checkpoint().tally.as_ref().and_then(|tally| tally.sample.clone());
        let range = Range { bound, pass_started: state.pass_started_at(), since: None, open_end, sample };
        let (mut cap, mut first) = (None, true);
        // An item that cannot be mended is said to be wrong, and left so.
        let mut hopeless = false;
        let mut wait = Duration::from_millis(40);
        loop {
            // A call always tries one batch: with a limit below the process's own size there would be no end otherwise.
            if self.stop.is_set() || (!first && self.budget.memory_is_short()) {
                return Ok(Outcome::More);
            }
            let caps = Caps {
                target: self.budget.batch_time(self.limits.batch_time),
                remaining: self.budget.remaining(),
                max_batch: self.limits.max_batch,
                bytes: self.batch_bytes(1),
                items: None,
                rate: None,
                rate_bytes: None,
                failure: cap,
                first,
            };
            if self.budget.remaining().is_zero() {
                return Ok(Outcome::More);
            }
            let Some((size, _)) = lease.checkpoint().tuner.next(&caps) else { return Ok(Outcome::More) };
            first = false;
            let after = lease.checkpoint().cursor.clone();
            let began = Instant::now();
            let left = self.budget.remaining();
            let beside = lease.checkpoint().tally.as_ref().is_some_and(|tally| tally.compared);
            let mend = if let Aim::Compare(repair, _) = aim { repair.filter(|_| !hopeless) } else { None };
            let work = async {
                match aim {
                    Aim::Compare(..) if beside => self.kind.verify_beside(&range, after.as_ref(), size, left).await,
                    Aim::Compare(..) => self.kind.verify(&range, after.as_ref(), size, mend, left).await,
                    Aim::TakeBack => self.kind.take_back(&range, after.as_ref(), size, left).await,
                }
            };
            let work = in_time(&self.budget, work);
            let Some(read) = hold(lease, self.budget.call(), work).await? else { return Ok(Outcome::Fenced) };
            let change: Box<dyn FnOnce(&mut Checkpoint) + Send> = match read {
                Ok(Some(read)) => {
                    (cap, hopeless) = (None, false);
                    let (took, caps) = (began.elapsed(), caps);
                    Box::new(move |it| {
                        it.tuner.observe(read.scanned, took, read.bytes);
                        it.tuner.settle(read.scanned, caps.target, caps.max_batch);
                        count(it, read);
                    })
                }
                Ok(None) if matches!(aim, Aim::Compare(..)) && !beside => Box::new(move |it| {
                    it.enter(state.life, it.pass.wrapping_add(1));
                    if let Some(tally) = &mut it.tally {
                        tally.compared = true;
                    }
                }),
                Ok(None) => Box::new(|it| {
                    if let Some(tally) = &mut it.tally {
                        tally.complete = true;
                    }
                }),
                // It has read for as long as it could.
                Err(fault) if way.1 && fault.class == Class::Unfinished => return Ok(Outcome::More),
                Err(fault) => match fault.class.action() {
                    Action::Retry | Action::HalveAndWait if self.budget.remaining() > wait * 2 => {
                        self.stop.sleep(wait.mul_f64(0.5 + super::chance::fraction())).await;
                        wait *= 2;
                        continue;
                    }
                    Action::HalveAndWait => return Ok(Outcome::More),
                    Action::Halve | Action::Bisect if size > 1 => {
                        cap = Some(size / 2);
                        Box::new(move |it| it.tuner.shrink(size / 2))
                    }
                    Action::Bisect if mend.is_some() => {
                        tracing::warn!(migration = %self.migration, "not repaired: {}", chain(&fault));
                        (cap, hopeless) = (Some(1), true);
                        continue;
                    }
                    _ => return Err(fault.into()),
                },
            };
            if lease.write(change, self.budget.call()).await? == Kept::Fenced {
                return Ok(Outcome::Fenced);
            }
            if lease.checkpoint().tally.as_ref().is_some_and(|tally| tally.complete) {
                return Ok(Outcome::Complete);
            }
        }
    }

    /// Begins a walk at the start, and freezes its end and what it looks at.
    async fn begin(
        &self,
        lease: &mut Lease,
        state: &State,
        aim: Aim<'_>,
        definition: Option<String>,
    ) -> Result<Kept, EngineError> {
        let bound = match aim {
            Aim::Compare(..) => self.reached(state).await?,
            Aim::TakeBack => in_time(&self.budget, self.kind.written(self.budget.remaining())).await?,
        };
        let way = (aim.share(), self.kind.reads_in_full());
        let (sample, full) = (way.0.map(Sample::new), way.1);
        let begin = |it: &mut Checkpoint| {
            it.enter(state.life, it.pass.wrapping_add(1));
            // What a key takes is something else with another share, or where all of it is read.
            if it.tally.as_ref().is_some_and(|tally| way_of(tally) != way) {
                it.tuner = Tuner::default();
            }
            it.tally = Some(Tally { definition, complete: bound.is_none(), bound, sample, full, ..Tally::default() });
        };
        Ok(lease.write(begin, self.budget.call()).await?)
    }

    /// How far items were moved: the cursor in the first pass, the last pass's bound after it.
    async fn reached(&self, state: &State) -> Result<Option<Cursor>, EngineError> {
        if state.covered.is_some() {
            return Ok(state.covered.clone());
        }
        let shards = shards::all(&*self.ledger, &self.migration, self.budget.call()).await?;
        let mut reached = None;
        // As far as everything was looked at: what shards ahead have moved comes later.
        for number in 0..state.shards() {
            let Some((_, end)) = state.stretch(number) else { break };
            match shards.iter().find(|shard| shard.number == number && shard.checkpoint.life == state.life) {
                Some(shard) if shard.is_done(state) => reached = Some(end),
                Some(shard) => return Ok(shard.checkpoint.cursor.clone().or(reached)),
                None => break,
            }
        }
        Ok(reached)
    }
}

/// Counts of two definitions, of two shares, or of two ways to compare add up to nothing.
fn is_under_way(tally: &Tally, definition: Option<&str>, way: (Option<u32>, bool)) -> bool {
    !tally.complete && tally.definition.as_deref() == definition && way_of(tally) == way
}

/// The share that a walk looks at, and whether it reads all of it.
fn way_of(tally: &Tally) -> (Option<u32>, bool) {
    (tally.sample.as_ref().map(Sample::share), tally.full)
}

fn count(checkpoint: &mut Checkpoint, read: Read<Comparison>) {
    checkpoint.cursor = Some(read.end);
    checkpoint.kills = 0;
    let Some(tally) = &mut checkpoint.tally else { return };
    let found = read.batch;
    tally.checked += found.checked;
    tally.equal += found.equal;
    if tally.compared {
        tally.equal = tally.equal.saturating_sub(found.different);
    }
    tally.missing += found.missing;
    tally.different += found.different;
    tally.extra += found.extra;
    tally.repaired += found.repaired;
    let size = |key: &[String]| serde_json::to_string(key).map_or(0, |json| json.len());
    let mut bytes: usize = tally.examples.iter().map(|(key, _)| size(key)).sum();
    for (key, kind) in found.examples {
        let key = key.texts();
        bytes += size(&key);
        if tally.examples.len() == EXAMPLES || bytes > EXAMPLE_BYTES {
            break;
        }
        tally.examples.push((key, kind.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verification_goes_on_with_its_own_share_alone() {
        let all = Tally::default();
        let some = Tally { sample: Some(Sample::new(100)), ..Tally::default() };
        assert!(is_under_way(&all, None, (None, false)) && is_under_way(&some, None, (Some(100), false)));
        assert!(
            !is_under_way(&all, None, (None, true))
                && !is_under_way(&all, None, (Some(100), false))
                && !is_under_way(&some, None, (None, false))
        );
        assert!(!is_under_way(&some, None, (Some(200), false)) && !is_under_way(&some, Some("d"), (Some(100), false)));
        let over = Tally { complete: true, ..some };
        assert!(!is_under_way(&over, None, (Some(100), false)));
    }
}
