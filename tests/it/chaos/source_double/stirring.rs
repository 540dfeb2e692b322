//! What a test does to it: rows come, change and go, calls go wrong by its order, items cannot be moved and are mended.

use super::{After, LOST, SourceDouble, is_item};
use rand::Rng;
use std::sync::atomic::Ordering;
use std::time::Duration;

impl SourceDouble {
    /// Only so many reads are answered from now on.
    pub(in crate::chaos) fn answer_reads(&self, many: u64) {
        self.reads.store(many, Ordering::SeqCst);
    }

    /// A row appears, or changes.
    pub(in crate::chaos) fn touch(&self, key: u64) {
        let (now, mut tables) = (self.now(), self.tables.lock().unwrap());
        tables.source.insert(key);
        if let Some(changed) = &mut tables.changed {
            changed.insert(key, now);
        }
        drop(tables);
        self.stirred.fetch_add(1, Ordering::SeqCst);
    }

    /// A row that is there changes.
    pub(in crate::chaos) fn touch_one(&self, which: usize) {
        let there: Vec<u64> = self.tables.lock().unwrap().source.iter().copied().collect();
        if !there.is_empty() {
            self.touch(there[which % there.len()]);
        }
    }

    /// The answer to where the source ends takes so long.
    pub(in crate::chaos) fn answer_late(&self, by: Duration) {
        self.late_ms.store(u64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// How often something appeared, and whether more is to come.
    pub(in crate::chaos) fn stirred(&self) -> (u64, bool) {
        let tables = self.tables.lock().unwrap();
        (self.stirred.load(Ordering::SeqCst), !tables.arrivals.is_empty() || !tables.away.is_empty())
    }

    /// A bad item matches no more, or one that did not matches again.
    pub(in crate::chaos) fn wander(&self, which: usize) {
        let mut tables = self.tables.lock().unwrap();
        // What is in conflict has a target, so that no sweep finds it again, unless it looks at all.
        let found = |class: &str| class != "conflict" || self.after != After::Keep;
        let bad = tables.bad.iter().filter(|(key, class)| !tables.target.contains(key) && found(class));
        let bad: Vec<u64> = bad.map(|(key, _)| *key).collect();
        let Some(&key) = bad.get(which % bad.len().max(1)) else { return };
        if tables.source.remove(&key) {
            tables.wandered.insert(key);
            tables.away.insert(key);
        } else if tables.away.remove(&key) {
            drop(tables);
            self.touch(key);
        }
    }

    /// All of those match again, and nothing more appears.
    pub(in crate::chaos) fn settle_down(&self) {
        let mut tables = self.tables.lock().unwrap();
        tables.arrivals.clear();
        let away = std::mem::take(&mut tables.away);
        drop(tables);
        for key in away {
            self.touch(key);
        }
    }

    /// The reply to the next commit will be lost.
    pub(in crate::chaos) fn lose_a_reply(&self) {
        self.go_wrong([Some(LOST)]);
    }

    /// This is what goes wrong with the next writes, one after the other.
    pub(in crate::chaos) fn go_wrong(&self, with: impl IntoIterator<Item = Option<u8>>) {
        self.next.lock().unwrap().extend(with);
    }

    /// This item cannot be moved.
    pub(in crate::chaos) fn refuse(&self, key: u64) {
        self.tables.lock().unwrap().bad.insert(key, "poison");
    }

    /// So many of a hundred items cannot be moved, and a part of them never can.
    pub(in crate::chaos) fn spoil(&self, percent: u32) {
        let (mut tables, mut chance) = (self.tables.lock().unwrap(), self.chance.lock().unwrap());
        let all: Vec<u64> = tables.source.iter().chain(&tables.arrivals).copied().filter(|&key| is_item(key)).collect();
        for key in all {
            if chance.random_ratio(percent, 100) {
                // A target of somebody else's hides what appears behind the cursor from every sweep.
                let classes = if tables.source.contains(&key) { 4 } else { 3 };
                let class = ["poison", "poison", "too_large", "conflict"][chance.random_range(0..classes)];
                tables.bad.insert(key, class);
                if chance.random_bool(0.2) {
                    tables.incurable.insert(key);
                }
            }
        }
    }

    /// Mends one item, if there is one that can be mended.
    pub(in crate::chaos) fn cure_one(&self, which: usize) {
        let mut tables = self.tables.lock().unwrap();
        let curable: Vec<u64> = tables.bad.keys().copied().filter(|key| !tables.incurable.contains(key)).collect();
        if !curable.is_empty() {
            tables.bad.remove(&curable[which % curable.len()]);
        }
    }

    /// Mends all that can be mended.
    pub(in crate::chaos) fn cure_all(&self) {
        let tables = &mut *self.tables.lock().unwrap();
        tables.bad.retain(|key, _| tables.incurable.contains(key));
    }

    /// From now on nothing goes wrong any more.
    pub(in crate::chaos) fn calm(&self) {
        self.rate.store(0, Ordering::SeqCst);
    }
}
