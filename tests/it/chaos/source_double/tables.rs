//! What is there, what a reader sees of it, and what a transaction makes of it.

use super::{After, SourceDouble, Tables, cursor, is_item, number};
use milkrun::cursor::{Cursor, KeyPart};
use milkrun::engine::migration::{Aside, Range};
use milkrun::fault::{Class, Fault};
use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

impl SourceDouble {
    /// Items of the source that cannot be moved, with the class of each.
    pub(in crate::chaos) fn bad(&self) -> Vec<(u64, String)> {
        let tables = self.tables.lock().unwrap();
        let there = tables.bad.iter().filter(|(key, _)| tables.source.contains(key));
        there.map(|(key, class)| (*key, (*class).to_owned())).collect()
    }

    /// What has to be in the target in the end.
    pub(in crate::chaos) fn items(&self) -> BTreeSet<u64> {
        let tables = self.tables.lock().unwrap();
        let all = tables.source.union(&tables.gone).copied();
        all.filter(|key| is_item(*key) && !tables.bad.contains_key(key)).collect()
    }

    /// What is in the target.
    pub(in crate::chaos) fn target(&self) -> BTreeSet<u64> {
        self.tables.lock().unwrap().target.clone()
    }

    /// Items of a shard up to `cursor` that were there from the start and are not in the target.
    pub(in crate::chaos) fn lacks_up_to(&self, shard: usize, cursor: u64) -> Vec<u64> {
        let cuts = self.cuts.lock().unwrap();
        let start = shard.checked_sub(1).map_or(0, |before| cuts[before]);
        let tables = self.tables.lock().unwrap();
        let end = cursor.min(tables.first_end);
        let there = |key: &u64| is_item(*key) && !tables.wandered.contains(key);
        (start + 10..=end).step_by(10).filter(|key| there(key) && !tables.target.contains(key)).collect()
    }

    pub(super) fn keys(&self, range: &Range, after: Option<&Cursor>, size: u64) -> Vec<u64> {
        let after = after.map_or(0, number);
        let most = usize::try_from(size).unwrap();
        let tables = self.tables.lock().unwrap();
        tables
            .source
            .range(after + 1..=number(&range.bound).max(after + 1))
            .copied()
            .take(most)
            .filter(|&key| key <= number(&range.bound))
            .collect()
    }

    /// The next changes since then, each with its key, in their order.
    pub(super) fn changes(
        &self,
        range: &Range,
        since: SystemTime,
        after: Option<&Cursor>,
        size: u64,
    ) -> Vec<(u64, u64)> {
        let since = u64::try_from(since.duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap();
        let beyond = after.map_or((since, u64::MAX), change);
        let most = usize::try_from(size).unwrap();
        let tables = self.tables.lock().unwrap();
        let all: BTreeSet<(u64, u64)> = changes(&tables).collect();
        let within = |one: &(u64, u64)| *one > beyond && (range.open_end || *one <= change(&range.bound));
        all.into_iter().filter(within).take(most).collect()
    }

    /// What a sweep has to look at.
    pub(super) fn wanted(&self, key: u64) -> bool {
        let tables = self.tables.lock().unwrap();
        // What is in conflict has a target, of somebody else's.
        let there = tables.target.contains(&key) || tables.bad.get(&key) == Some(&"conflict");
        is_item(key) && (self.after != After::Keep || !there)
    }

    /// What a transaction would do: items that can be moved, and those that cannot; or it is refused altogether. What is not
    /// there any more is no item.
    pub(super) fn judge(&self, batch: &[u64]) -> Result<(Vec<u64>, Vec<Aside>), Fault> {
        let tables = self.tables.lock().unwrap();
        let batch: Vec<u64> = batch.iter().copied().filter(|key| tables.source.contains(key)).collect();
        let refused = |key: &u64| tables.bad.get(key).filter(|_| !tables.target.contains(key)).copied();
        if batch.iter().any(|key| refused(key) == Some("poison")) {
            return Err(Fault::new(Class::Poison, "an item is refused"));
        }
        let (moves, bad): (Vec<u64>, Vec<u64>) = batch.into_iter().partition(|key| refused(key).is_none());
        let aside =
            |key| Some(Aside { key: cursor(key), class: refused(&key)?, message: "cannot be moved".to_owned() });
        Ok((moves, bad.into_iter().filter_map(aside).collect()))
    }

    /// One transaction; how many were new.
    pub(super) fn insert(&self, moves: &[u64]) -> u64 {
        let mut tables = self.tables.lock().unwrap();
        let new = moves.iter().map(|&key| u64::from(tables.target.insert(key))).sum();
        if self.after == After::Delete {
            take(&mut tables, moves);
        }
        new
    }

    /// The transaction of a source that lets its rows go once they are in the target.
    pub(super) fn take_apart(&self, moves: &[u64]) {
        if self.after == After::DeleteApart {
            take(&mut self.tables.lock().unwrap(), moves);
        }
    }

    /// Of these keys those that were moved and have left.
    pub(super) fn vanished(&self, keys: &[u64]) -> u64 {
        let tables = self.tables.lock().unwrap();
        keys.iter().filter(|key| tables.gone.contains(key) && !tables.source.contains(key)).count() as u64
    }
}

fn take(tables: &mut Tables, moves: &[u64]) {
    for key in moves {
        if tables.source.remove(key) {
            tables.gone.insert(*key);
        }
    }
}

pub(super) fn changes(tables: &Tables) -> impl Iterator<Item = (u64, u64)> {
    let changed = tables.changed.iter().flatten();
    changed.filter(|(key, _)| tables.source.contains(key)).map(|(key, at)| (*at, *key))
}

/// A cursor in the order of changes.
fn change(cursor: &Cursor) -> (u64, u64) {
    (number(cursor), cursor.0[1].text().parse().unwrap())
}

pub(super) fn change_cursor((at, key): (u64, u64)) -> Cursor {
    Cursor(vec![KeyPart::Int(at.to_string()), KeyPart::Int(key.to_string())])
}
