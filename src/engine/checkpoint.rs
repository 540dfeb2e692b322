//! A shard's record in the ledger: how far it is, what it counted, what it was about to do.

use super::sample::Sample;
use super::sizer::Tuner;
use super::throttle::Throttled;
use crate::cursor::Cursor;
use crate::ledger::{LedgerError, Record};
use serde::{Deserialize, Serialize};

/// What passed through a shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counters {
    /// Written to the target.
    pub moved: u64,
    /// Found equal in the target.
    pub skipped: u64,
    /// Found different in the target.
    pub conflicts: u64,
    /// Set aside for any other reason.
    pub failed: u64,
    /// Bytes moved.
    pub bytes: u64,
    /// Batches committed, those without an item included.
    pub batches: u64,
    /// Source keys looked at.
    pub scanned: u64,
}

impl Counters {
    /// Adds what another batch, run or shard counted.
    pub fn add(&mut self, more: &Self) {
        self.moved += more.moved;
        self.skipped += more.skipped;
        self.conflicts += more.conflicts;
        self.failed += more.failed;
        self.bytes += more.bytes;
        self.batches += more.batches;
        self.scanned += more.scanned;
    }

    /// Items, whatever became of them.
    pub fn items(&self) -> u64 {
        self.moved + self.skipped + self.conflicts + self.failed
    }
}

/// Items passed in all these shards since their life began, each counted once whatever a retry made of it later. The shard
/// that retries is not always the one that set an item aside: only the sum says anything.
pub fn passed<'a>(shards: impl IntoIterator<Item = &'a Checkpoint>) -> u64 {
    let (items, resolved) = shards.into_iter().fold((0, 0), |(items, resolved), shard| {
        (items + shard.counters.items(), resolved + shard.resolved.conflicts + shard.resolved.failed)
    });
    items.saturating_sub(resolved)
}

/// The batch that the holder is about to write.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Announced {
    /// Keys that it looks at.
    pub size: u64,
    /// Its last key. Absent until the batch was read: nothing has been written then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Cursor>,
    /// In a sweep, the items that it found.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<Cursor>,
}

/// A dead letter that is being retried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// The item's key.
    pub key: Cursor,
    /// The class under which it is counted.
    pub class: String,
    /// The request that it answers: a later one may put it back again meanwhile.
    pub retry: u64,
}

/// Items that were set aside once and have left since: counted beside, so that each shard's [`Counters`] only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Resolved {
    /// Of those counted as conflicts.
    pub conflicts: u64,
    /// Of those counted as failed.
    pub failed: u64,
}

impl Resolved {
    /// Counts one that was counted under `class`.
    pub fn count(&mut self, class: &str) {
        *(if class == "conflict" { &mut self.conflicts } else { &mut self.failed }) += 1;
    }
}

/// Who ran last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunMark {
    /// The invocation's id.
    pub id: String,
    /// When it acquired the shard, in Unix milliseconds.
    pub at: u64,
}

/// How fast the shard goes by the wall clock, the time between runs included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pace {
    /// When the last run began, in Unix milliseconds.
    pub at: u64,
    /// Keys scanned by then.
    pub scanned: u64,
    /// Items passed by then.
    pub items: u64,
    /// Keys per second of wall clock; 0: not known yet.
    pub keys_per_s: f64,
    /// Items per second of wall clock.
    pub items_per_s: f64,
    /// Keys that the same lane had scanned in other shards since the last run began.
    pub carried: u64,
    /// Items that it had passed there.
    pub carried_items: u64,
}

impl Pace {
    /// Learns from the time between the beginnings of two runs.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    pub fn begin_run(&mut self, now: u64, counters: &Counters) {
        let secs = now.saturating_sub(self.at) as f64 / 1000.0;
        if self.at > 0 && secs >= 0.2 {
            let blend = |old: f64, new: f64| {
                let blended = if old == 0.0 { new } else { f64::midpoint(old, new) };
                // What halves forever becomes a number that DynamoDB does not take.
                if blended < 1e-6 { 0.0 } else { blended }
            };
            let (keys, items) = self.since(counters);
            self.keys_per_s = blend(self.keys_per_s, keys as f64 / secs);
            self.items_per_s = blend(self.items_per_s, items as f64 / secs);
        }
        *self =
            Self { at: now, scanned: counters.scanned, items: counters.items(), carried: 0, carried_items: 0, ..*self };
    }

    /// Keys and items since the last run began.
    fn since(&self, counters: &Counters) -> (u64, u64) {
        let keys = counters.scanned.saturating_sub(self.scanned) + self.carried;
        (keys, counters.items().saturating_sub(self.items) + self.carried_items)
    }

    /// The pace of a lane that leaves a shard with these counters for one with those: it goes along, so that each lane's is
    /// counted once.
    #[must_use]
    pub fn carry(&self, from: &Counters, to: &Counters) -> Self {
        let (carried, carried_items) = self.since(from);
        Self { scanned: to.scanned, items: to.items(), carried, carried_items, ..*self }
    }
}

/// A shard's checkpoint. Epoch, owner and sequence stand beside it in the [`Record`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Checkpoint {
    /// Grows by one with every `reset`.
    pub life: u64,
    /// The pass that the cursor belongs to.
    pub pass: u32,
    /// The last key that was looked at and committed; `None` at the start of a pass.
    pub cursor: Option<Cursor>,
    /// The pass has walked to its bound.
    pub done: bool,
    /// Since the migration's life began.
    pub counters: Counters,
    /// Since the pass began.
    pub in_pass: Counters,
    /// What was learned about batches.
    pub tuner: Tuner,
    /// The next batch, from before its first effect until its commit.
    pub announced: Option<Announced>,
    /// Items that the announced range holds, where they leave the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leaving: Option<u64>,
    /// The end of the range that a killed run had announced, until the cursor has passed it.
    pub interrupted: Option<Cursor>,
    /// Items of that range that no commit has counted yet, where they leave the source: those that are lacking at its end
    /// were moved by the run that was killed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interrupted_items: Option<u64>,
    /// The items that a killed sweep had announced, until they are accounted for.
    pub interrupted_keys: Vec<Cursor>,
    /// Takeovers in a row that found a batch of one, with no commit between.
    pub kills: u32,
    /// The item of that batch of one, if it is known.
    pub alone: Option<Cursor>,
    /// Batches of one in a row that ran out of time, with no commit between.
    pub timeouts: u32,
    /// Until when the holder may work, in Unix milliseconds, skew allowance included.
    pub lease_until: u64,
    /// The same without the allowance: a takeover before it was only allowed by a negative margin.
    pub lease_expires: u64,
    /// Who holds or held it.
    pub run: Option<RunMark>,
    /// Items that left `counters.conflicts` and `counters.failed` by a retry.
    pub resolved: Resolved,
    /// The mark of dead letters that are being recorded and that no commit has counted yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recording: Option<String>,
    /// Of these, the items whose letters may still be on their way.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub in_flight: Vec<Cursor>,
    /// Dead letters that are being retried, from before the first effect until they are counted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub retrying: Vec<Pending>,
    /// Dead letters that were retried and counted, and whose records are still to be deleted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub settled: Vec<Cursor>,
    /// It waits, or waited when its last run ended, for the throttle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throttled: Option<Throttled>,
    /// Speed by the wall clock.
    pub pace: Pace,
    /// What `verify` has found: in its own records alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tally: Option<Tally>,
}

/// What a verification has found since its first call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tally {
    /// Digest of the definition that it compares by: under another one it begins anew.
    pub definition: Option<String>,
    /// Its end, frozen at its first call.
    pub bound: Option<Cursor>,
    /// What it looks at, chosen at its first call; absent: all there is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample: Option<Sample>,
    /// Every item up to the end was compared: what is left is what can be told only beside them.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub compared: bool,
    /// It reads what it compares in full: one that does not begins anew.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub full: bool,
    /// Nothing is left.
    pub complete: bool,
    /// Items compared.
    pub checked: u64,
    /// Equal on both sides.
    pub equal: u64,
    /// Without a target.
    pub missing: u64,
    /// With a target that differs.
    pub different: u64,
    /// Targets without a source.
    pub extra: u64,
    /// Of the missing and different ones, those that were mended.
    pub repaired: u64,
    /// A few keys, each with `missing`, `different` or `extra`.
    pub examples: Vec<(Vec<String>, String)>,
}

impl Checkpoint {
    /// What a record holds.
    pub fn from_record(record: &Record) -> Result<Self, LedgerError> {
        serde_json::from_value(record.body.clone().into()).map_err(|error| LedgerError::Record {
            migration: record.migration.clone(),
            item: record.item.clone(),
            message: format!("cannot be read as a checkpoint: {error}"),
        })
    }

    /// The body of a record.
    pub fn to_body(&self) -> serde_json::Map<String, serde_json::Value> {
        match serde_json::to_value(self) {
            Ok(serde_json::Value::Object(body)) => body,
            _ => serde_json::Map::new(),
        }
    }

    /// Whether items are set aside, where this is the only shard.
    pub fn has_letters(&self) -> bool {
        let Counters { conflicts, failed, .. } = self.counters;
        conflicts + failed > self.resolved.conflicts + self.resolved.failed
    }

    /// Remembers items that were announced and not accounted for. Some of those that are remembered already may be among
    /// them, the rest of which must not be forgotten.
    pub fn interrupt(&mut self, keys: &[Cursor]) {
        for key in keys {
            if !self.interrupted_keys.contains(key) {
                self.interrupted_keys.push(key.clone());
            }
        }
    }

    /// Remembers what was announced as interrupted: its effects may be there although no commit says so.
    ///
    /// While an interrupted range is not passed, batches are cut at its end: an older one reaches at least as far.
    pub fn interrupt_announced(&mut self) {
        let Some(announced) = self.announced.take() else { return };
        let leaving = self.leaving.take();
        if self.interrupted.is_none() {
            self.interrupted = announced.to;
            self.interrupted_items = leaving;
        }
        self.interrupt(&announced.keys);
    }

    /// Counts so many items of the interrupted range; at its end, how many of it are lacking, which are moved.
    pub fn pass_interrupted(&mut self, items: u64, at_its_end: bool) -> u64 {
        let left = self.interrupted_items.map(|all| all.saturating_sub(items));
        if at_its_end {
            (self.interrupted, self.interrupted_items) = (None, None);
            return left.unwrap_or(0);
        }
        self.interrupted_items = left;
        0
    }

    /// Begins `pass` if this checkpoint is still in an earlier one, or in an earlier life.
    pub fn enter(&mut self, life: u64, pass: u32) {
        if self.life != life {
            let run = self.run.take();
            *self =
                Self { life, run, lease_until: self.lease_until, lease_expires: self.lease_expires, ..Self::default() };
        }
        if self.pass != pass {
            self.pass = pass;
            self.cursor = None;
            self.done = false;
            self.in_pass = Counters::default();
            (self.interrupted, self.interrupted_items) = (None, None);
            self.interrupted_keys = Vec::new();
            self.announced = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cursor::KeyPart;

    #[test]
    fn the_pace_of_a_lane_goes_along_from_shard_to_shard() {
        let counted = |moved, scanned| Counters { moved, scanned, ..Counters::default() };
        let mut pace = Pace::default();
        pace.begin_run(10_000, &counted(100, 200));
        // Ten seconds later the lane has left for another shard, which had a past of its own, and then for a third one.
        let (second, third) = (counted(7, 9), counted(0, 0));
        let pace = pace.carry(&counted(130, 260), &second);
        let mut pace = pace.carry(&counted(27, 49), &third);
        pace.begin_run(20_000, &counted(50, 100));
        assert!((pace.keys_per_s - 20.0).abs() < 0.01 && (pace.items_per_s - 10.0).abs() < 0.01, "{pace:?}");
        pace.begin_run(30_000, &counted(50, 100));
        assert!((pace.items_per_s - 5.0).abs() < 0.01, "carried once");
    }

    #[test]
    fn what_was_announced_is_remembered_and_an_older_range_reaches_further() {
        let key = |n: u64| Cursor(vec![KeyPart::Int(n.to_string())]);
        let announced = Announced { size: 2, to: Some(key(3)), keys: vec![key(2)] };
        let mut checkpoint = Checkpoint { announced: Some(announced.clone()), ..Checkpoint::default() };
        checkpoint.interrupt_announced();
        assert_eq!(
            (checkpoint.announced.take(), checkpoint.interrupted.clone(), checkpoint.interrupted_keys.clone()),
            (None, Some(key(3)), vec![key(2)])
        );
        checkpoint.interrupted = Some(key(9));
        checkpoint.announced = Some(announced);
        checkpoint.interrupt_announced();
        assert_eq!((checkpoint.interrupted, checkpoint.interrupted_keys), (Some(key(9)), vec![key(2)]));
    }
}
