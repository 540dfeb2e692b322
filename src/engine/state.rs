//! A migration's own record: its life, its passes, its switches. docs/state-machine.md draws it.

use super::lease::nonce;
use super::migration::Estimate;
use super::patience::swap_until_answered;
use super::sweeps::Sweeps;
use crate::cursor::Cursor;
use crate::digest;
use crate::ledger::{Ledger, LedgerError, Record, Swap};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The item that holds it.
pub const ITEM: &str = "state";

/// Why nothing moves, and who said so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// In words for an operator.
    pub reason: String,
    /// Who: a person, or `milkrun`.
    pub by: String,
    /// When, in Unix milliseconds.
    pub at: u64,
}

/// What the definition was when the first run began, or when `resume` accepted a change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pin {
    /// Digest of the file's meaning.
    pub file: String,
    /// Digest of the part that cannot be accepted.
    pub identity: String,
    /// Digest of the source columns; empty until a run has seen them.
    pub columns: String,
    /// The columns with which the file was pinned: as long as they are the same, the file says all.
    pub first_columns: String,
}

impl Pin {
    /// The one digest that operators see and accept, and that `$definition` writes: the file's, and another if the source's
    /// columns have changed since it was pinned.
    pub fn digest(&self) -> String {
        if self.columns == self.first_columns {
            return self.file.clone();
        }
        digest::sha256(format!("{}{}", self.file, self.columns))
    }

    /// Takes columns that no run had seen when the file was pinned: its digest stays the one that was accepted.
    pub fn learn(&mut self, columns: String) {
        if self.columns == self.first_columns {
            self.first_columns.clone_from(&columns);
        }
        self.columns = columns;
    }
}

/// An estimate, as it is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Expected {
    /// Source keys of a pass.
    pub keys: u64,
    /// Items of the first pass.
    pub items: u64,
    /// Counted, not estimated.
    pub exact: bool,
}

impl From<Estimate> for Expected {
    fn from(estimate: Estimate) -> Self {
        Self { keys: estimate.keys, items: estimate.items, exact: estimate.exact }
    }
}

/// What was told of a migration to whoever wants to hear of its stages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Told {
    /// It has begun.
    pub started: bool,
    /// So many of its passes have ended.
    pub passes: u32,
    /// It is complete.
    pub complete: bool,
    /// The pause that began then, in Unix milliseconds; 0: none.
    pub paused_at: u64,
}

impl Told {
    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// The record's body.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// Grows by one with every `reset`. The first life is 0.
    pub life: u64,
    /// The pass that is open, or the last one that was; 0 before the first.
    pub pass: u32,
    /// The pass is being walked.
    pub open: bool,
    /// Its last key, frozen when it began; `None` for an empty source.
    pub bound: Option<Cursor>,
    /// Where the key was cut when the first pass opened: the last key of each shard but the last. For the whole life.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cuts: Vec<Cursor>,
    /// When it began, in Unix microseconds: what `:pass_started` means.
    pub pass_started: u64,
    /// A sweep over what changed since then, in Unix microseconds; `None`: over everything.
    pub since: Option<u64>,
    /// The last key of the source as such a sweep began: what was inserted up to there has changed, and the sweep looks at it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_key: Option<Cursor>,
    /// When the last pass ended, in Unix milliseconds.
    pub pass_ended: u64,
    /// The last key when the last pass that ended began: up to here everything was looked at once.
    pub covered: Option<Cursor>,
    /// How much there is to do, as estimated when the first pass began.
    pub expected: Expected,
    /// What the last sweep still found, and moved.
    pub left: u64,
    /// The pass after which a changed definition was accepted last; its sweeps are counted from there.
    pub accepted_in: u32,
    /// Finished.
    pub complete: bool,
    /// How often `retry` was asked for.
    pub retry: u64,
    /// The last of these requests that a run has carried out.
    pub retried: u64,
    /// Nothing moves until `resume`.
    pub paused: Option<Pause>,
    /// The definition that the progress belongs to.
    pub pin: Option<Pin>,
    /// Of each of its fields a short digest: they tell which have changed.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, String>,
    /// The definition that a run met instead of the pinned one.
    pub proposed: Option<Pin>,
    /// What was told of it.
    #[serde(skip_serializing_if = "Told::is_nothing")]
    pub told: Told,
    /// The pinned file was accepted before any run had seen which columns go with it: the next run takes them as it finds them.
    pub relearn: bool,
}

/// A migration's state as a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Never run.
    New,
    /// In its first pass.
    Moving,
    /// After it.
    Sweeping,
    /// Waiting for a person.
    Paused,
    /// Finished.
    Complete,
}

impl State {
    /// The word for it.
    pub fn phase(&self) -> Phase {
        match self {
            Self { paused: Some(_), .. } => Phase::Paused,
            Self { complete: true, .. } if !self.has_retry() => Phase::Complete,
            Self { pass: 0, .. } => Phase::New,
            Self { pass: 1, open: true, .. } => Phase::Moving,
            _ => Phase::Sweeping,
        }
    }

    /// Whether the progress belongs to this definition, or to none yet.
    pub fn is_pinned_to(&self, file: &str) -> bool {
        self.pin.as_ref().is_none_or(|pin| pin.file == file)
    }

    /// Whether dead letters were put back that no run has taken up yet: then there is something to do, also if everything
    /// else is complete or has to wait.
    pub fn has_retry(&self) -> bool {
        self.retry > self.retried
    }

    /// How many shards there are.
    pub fn shards(&self) -> u32 {
        u32::try_from(self.cuts.len()).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// What a shard holds in the open pass: everything beyond the first key, up to and including the second. The last one
    /// reaches to the pass's bound. `None`: the source is empty.
    pub fn stretch(&self, shard: u32) -> Option<(Option<Cursor>, Cursor)> {
        if self.since.is_some() {
            // Shards are cut by the key: what changed is the first one's.
            return self.bound.clone().filter(|_| shard == 0).map(|bound| (None, bound));
        }
        if shard >= self.shards() {
            return None;
        }
        let place = usize::try_from(shard).unwrap_or(usize::MAX);
        let start = place.checked_sub(1).and_then(|before| self.cuts.get(before)).cloned();
        let end = self.cuts.get(place).or(self.bound.as_ref())?;
        Some((start, end.clone()))
    }

    /// Opens the next pass.
    pub fn open_pass(&mut self, bound: Option<Cursor>, now_us: u64) {
        self.pass += 1;
        self.open = true;
        self.complete = false;
        self.bound = bound;
        (self.since, self.last_key) = (None, None);
        self.pass_started = now_us;
    }

    /// Closes the open pass, in which `found` items had no target yet. A sweep that found none completes the migration,
    /// and so does the last one that is allowed, if it is to complete at all.
    pub fn close_pass(&mut self, found: u64, sweeps: &Sweeps, now: u64) {
        self.open = false;
        self.pass_ended = now;
        // The bound of what changed says nothing of the key.
        let end = if self.since.is_some() { self.last_key.take() } else { self.bound.clone() };
        self.covered = end.or(self.covered.take());
        if self.pass > 1 {
            self.left = found;
        }
        self.complete = sweeps.completes(self, found);
    }

    /// The time since when an open sweep looks at what changed.
    pub fn since_at(&self) -> Option<SystemTime> {
        self.since.map(|since| UNIX_EPOCH + Duration::from_micros(since))
    }

    /// The time that `:pass_started` means.
    pub fn pass_started_at(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_micros(self.pass_started)
    }
}

/// A state together with the record that it was read from.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    /// What it says.
    pub state: State,
    record: Option<Record>,
}

impl Stored {
    /// Nothing was ever written.
    pub fn is_new(&self) -> bool {
        self.record.is_none()
    }
}

/// Reads a migration's state.
pub async fn load(ledger: &dyn Ledger, migration: &str, limit: Duration) -> Result<Stored, LedgerError> {
    parse(ledger.get(migration, ITEM, limit).await?)
}

fn parse(record: Option<Record>) -> Result<Stored, LedgerError> {
    let Some(record) = record else { return Ok(Stored::default()) };
    let state = serde_json::from_value(record.body.clone().into()).map_err(|error| LedgerError::Record {
        migration: record.migration.clone(),
        item: record.item.clone(),
        message: format!("cannot be read as a state: {error}"),
    })?;
    Ok(Stored { state, record: Some(record) })
}

/// Applies `change` to the state as it is now: by one conditional write, again if somebody else was there before.
/// `change` answers whether there is anything to write.
pub async fn update(
    ledger: &dyn Ledger,
    migration: &str,
    mut stored: Stored,
    limit: Duration,
    mut change: impl FnMut(&mut State) -> bool + Send,
) -> Result<Stored, LedgerError> {
    loop {
        let mut state = stored.state.clone();
        if !change(&mut state) {
            return Ok(stored);
        }
        let body = match serde_json::to_value(&state) {
            Ok(serde_json::Value::Object(body)) => body,
            _ => serde_json::Map::new(),
        };
        let record = Record {
            migration: migration.to_owned(),
            item: ITEM.to_owned(),
            seq: stored.record.as_ref().map_or(0, |record| record.seq) + 1,
            epoch: 0,
            owner: None,
            stamp: nonce(),
            expires: None,
            body,
        };
        match swap_until_answered(ledger, &record, stored.record.as_ref(), limit).await? {
            Swap::Done => return Ok(Stored { state, record: Some(record) }),
            Swap::Lost(other) => stored = parse(other)?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cursor::KeyPart;
    use crate::spec::Limits;

    #[test]
    fn every_arrow_of_the_state_machine() {
        let key = |n: u64| Some(Cursor(vec![KeyPart::Int(n.to_string())]));
        let sweeps = Sweeps::once(&Limits::default());
        let mut state = State::default();
        assert_eq!(state.phase(), Phase::New);
        assert_eq!(sweeps.due(&state), None);
        state.open_pass(key(9), 1_000_000);
        assert_eq!((state.phase(), state.pass), (Phase::Moving, 1));
        state.close_pass(5, &sweeps, 2_000);
        assert_eq!((state.phase(), state.left, state.covered.clone()), (Phase::Sweeping, 0, key(9)));
        assert_eq!(sweeps.due(&state), Some(12_000));
        state.open_pass(key(12), 12_000_000);
        assert_eq!((state.phase(), sweeps.due(&state)), (Phase::Sweeping, None));
        state.close_pass(2, &sweeps, 13_000);
        assert_eq!((state.phase(), state.left, state.complete), (Phase::Sweeping, 2, false));
        state.open_pass(key(12), 23_000_000);
        state.close_pass(0, &sweeps, 24_000);
        assert_eq!((state.phase(), state.left, state.complete), (Phase::Complete, 0, true));
        state.paused = Some(Pause { reason: "r".into(), by: "b".into(), at: 1 });
        assert_eq!(state.phase(), Phase::Paused);
    }

    #[test]
    fn a_sweep_by_changes_covers_what_was_inserted_before_it() {
        let key = |n: u64| Some(Cursor(vec![KeyPart::Int(n.to_string())]));
        let sweeps = Sweeps::once(&Limits::default());
        let mut state = State::default();
        state.open_pass(key(9), 1_000_000);
        state.close_pass(5, &sweeps, 2_000);
        state.open_pass(key(77_000_000), 12_000_000);
        (state.since, state.last_key) = (Some(1_000_000), key(12));
        assert_eq!(state.covered, key(9));
        state.close_pass(3, &sweeps, 13_000);
        assert_eq!((state.covered.clone(), state.last_key.clone()), (key(12), None));
        // One of a version that did not say, and one over a source that is empty by now.
        state.open_pass(None, 23_000_000);
        state.since = Some(12_000_000);
        state.close_pass(0, &sweeps, 24_000);
        state.open_pass(None, 33_000_000);
        state.close_pass(0, &sweeps, 34_000);
        assert_eq!(state.covered, key(12));
    }

    #[test]
    fn the_last_sweep_allowed_completes_with_what_it_found() {
        let mut state = State::default();
        for _ in 0..4 {
            assert!(!state.complete);
            state.open_pass(None, 0);
            state.close_pass(7, &Sweeps::once(&Limits::default()), 0);
        }
        assert!(state.complete);
        assert_eq!((state.pass, state.left), (4, 7));
    }
}
