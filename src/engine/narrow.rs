//! How large batches may be after one has failed, and how they grow again.
//!
//! Two things are looked for. *Too much at once*: batches stay small until the walk has passed the end of the one that
//! failed. *A bad item*: the stretch that holds it is halved again and again; what comes before it moves on the way, and
//! once it is set aside batches grow again quickly, since one bad item says nothing of its neighbours.

use crate::cursor::Cursor;

/// Growth from one batch to the next, once there is no suspicion left.
const GROWTH: u64 = 4;

/// What the walk knows of the batches that failed.
#[derive(Debug, Default)]
pub(super) struct Narrow {
    cap: Option<u64>,
    /// The end of a batch that was too much.
    suspect: Option<Cursor>,
    /// It lies behind the end of a smaller batch that may have been applied: of two such ends the later one is nearer.
    behind: bool,
    /// Keys ahead among which there is a bad item; 0: none is known.
    bad: u64,
    /// The last batch was a bad item: where there are two in a row, there are likely more.
    found: bool,
}

impl Narrow {
    /// No batch may look at more keys.
    pub(super) fn cap(&self) -> Option<u64> {
        self.cap
    }

    /// A batch is cut here, unless that is behind `interrupted`, the end of what may have been applied.
    pub(super) fn suspect(&self, interrupted: Option<&Cursor>) -> Option<&Cursor> {
        self.suspect.as_ref().filter(|_| !self.behind || interrupted.is_none())
    }

    /// The batch that was tried last may have been applied, and nothing before it.
    pub(super) fn interrupted(&mut self) {
        self.behind = self.suspect.is_some();
    }

    /// So many keys were too much at once; `end` is the last of them.
    pub(super) fn too_much(&mut self, keys: u64, end: Option<Cursor>) {
        self.cap = Some((keys / 2).max(1));
        self.suspect = self.suspect.take().or(end);
    }

    /// There is a bad item among the next `keys`.
    pub(super) fn bad(&mut self, keys: u64) {
        self.bad = keys;
        self.cap = Some((keys / 2).max(1));
    }

    /// A batch of `keys` up to `end` went well.
    pub(super) fn passed(&mut self, keys: u64, end: Option<&Cursor>, max_batch: u64) {
        self.found = false;
        if self.suspect.is_some() && self.suspect.as_ref() == end {
            *self = Self::default();
            return;
        }
        if self.bad > 0 {
            self.bad = self.bad.saturating_sub(keys);
            if self.bad > 0 {
                // What is left holds it for certain: there is no need to try all of it.
                self.cap = Some((self.bad / 2).max(1));
                return;
            }
        }
        if self.suspect.is_none() {
            self.cap = self.cap.map(|cap| cap.saturating_mul(GROWTH)).filter(|&cap| cap < max_batch);
        }
    }

    /// The bad item was found, and passed.
    pub(super) fn found(&mut self, end: Option<&Cursor>, max_batch: u64) {
        self.bad = 0;
        let in_a_row = self.found;
        self.passed(1, end, max_batch);
        self.found = true;
        if in_a_row {
            self.cap = Some(1);
        }
    }

    /// Nothing is left up to the suspect.
    pub(super) fn forget(&mut self) -> bool {
        let some = self.suspect.is_some();
        if some {
            *self = Self::default();
        }
        some
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Walks keys 1 to `keys` in batches of up to `size`, of which those with a bad key fail; how many batches that took, and
    /// how many keys they looked at.
    fn walk(keys: u64, size: u64, bad: &[u64]) -> (u64, u64) {
        let (mut narrow, mut at, mut batches, mut looked_at) = (Narrow::default(), 0, 0, 0);
        let mut found = Vec::new();
        while at < keys {
            let now = narrow.cap().unwrap_or(size).min(size).min(keys - at);
            (batches, looked_at) = (batches + 1, looked_at + now);
            assert!(now > 0 && batches < 100_000);
            let fails = bad.iter().any(|&bad| bad > at && bad <= at + now);
            if fails && now > 1 {
                narrow.bad(now);
                continue;
            }
            at += now;
            if fails {
                found.push(at);
                narrow.found(None, size);
            } else {
                narrow.passed(now, None, size);
            }
        }
        assert_eq!(found, bad, "exactly these are found");
        (batches, looked_at)
    }

    #[test]
    fn one_bad_item_among_many_is_found_in_few_batches_wherever_it_is() {
        for bad in [1, 2, 4_999, 5_000, 5_001, 7_777, 9_999, 10_000] {
            let (batches, looked_at) = walk(10_000, 10_000, &[bad]);
            assert!(batches <= 25 && looked_at <= 30_000, "{bad}: {batches} batches over {looked_at} keys");
        }
        let (batches, _) = walk(1_000_000, 10_000, &[654_321]);
        assert!(batches <= 125, "{batches}");
    }

    #[test]
    fn many_bad_items_cost_a_few_batches_each() {
        let spread: Vec<u64> = (1..=100).map(|place| place * 97).collect();
        let (batches, looked_at) = walk(10_000, 10_000, &spread);
        assert!(batches <= 1_500 && looked_at <= 100_000, "{batches} batches over {looked_at} keys");
        let fifth: Vec<u64> = (1..=200).map(|place| place * 5).collect();
        let (batches, looked_at) = walk(1_000, 10_000, &fifth);
        assert!(batches <= 2_000 && looked_at <= 10_000, "{batches} batches over {looked_at} keys");
        let all: Vec<u64> = (1..=300).collect();
        assert!(walk(300, 10_000, &all).0 <= 320);
    }

    #[test]
    fn what_was_too_much_keeps_batches_small_up_to_its_end() {
        let end = Cursor(Vec::new());
        let mut narrow = Narrow::default();
        narrow.too_much(100, Some(end.clone()));
        narrow.passed(50, None, 1000);
        assert_eq!((narrow.cap(), narrow.suspect(None)), (Some(50), Some(&end)));
        narrow.passed(50, Some(&end), 1000);
        assert_eq!((narrow.cap(), narrow.suspect(None)), (None, None));
    }

    #[test]
    fn what_may_have_been_applied_inside_of_what_was_too_much_ends_first() {
        let end = Cursor(Vec::new());
        let mut narrow = Narrow::default();
        narrow.too_much(100, Some(end.clone()));
        assert_eq!(narrow.suspect(Some(&end)), Some(&end), "a batch within what a killed run had announced");
        narrow.interrupted();
        assert_eq!((narrow.suspect(Some(&end)), narrow.suspect(None)), (None, Some(&end)));
    }
}
