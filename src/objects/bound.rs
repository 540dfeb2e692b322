//! Where a range ends: at its bound, also if that key is gone by now, and in whatever order the server lists.
//!
//! A bound that is there is met where it stands. Where it is gone, the range ends where whoever goes on from the bound begins: before the
//! first key that is listed behind it. Keys come and go between one answer and the next, so that as many of these are asked for as a page
//! holds: any of them that is met is behind the bound, whatever has become of the others, and of the bound.

use super::walk::Pages;
use crate::fault::Fault;
use crate::s3::Listed;
use std::cmp::Ordering;
use std::collections::HashSet;

/// Keys that are asked for behind a place: no page holds more.
const BEHIND: u64 = 1000;

/// How many objects of a page are not behind the bound, if the range ends with them.
pub(super) async fn end_in<P: Pages>(page: &[Listed], bound: &str, pages: &P) -> Result<Option<usize>, Fault> {
    if let Some(place) = page.iter().position(|object| object.key == bound) {
        return Ok(Some(place + 1));
    }
    if !page.iter().any(|object| may_follow(&object.key, bound)) {
        return Ok(None);
    }
    let behind = pages.page(Some(bound), BEHIND).await?.objects;
    let known: HashSet<&str> = behind.iter().map(|object| object.key.as_str()).collect();
    if let Some(place) = page.iter().position(|object| known.contains(object.key.as_str())) {
        return Ok(Some(place));
    }
    // Nothing is behind the bound: all that is still there is before it.
    let (Some(next), Some(last)) = (behind.first(), page.last()) else { return Ok(None) };
    if !follows(&last.key, &next.key) {
        return Ok(None);
    }
    // The walk has come behind the bound already, by more than was asked for. Or the server's order is another one, and the bound is ahead.
    let later = pages.page(Some(&last.key), BEHIND).await?.objects;
    if later.iter().any(|object| object.key == next.key) {
        return Ok(None);
    }
    Ok(page.iter().position(|object| follows(&object.key, &next.key)))
}

/// Whether any server that lists by bytes or by folders lists `key` behind `place`.
fn may_follow(key: &str, place: &str) -> bool {
    key > place || by_folders(key, place).is_gt()
}

/// Whether all of them do.
fn follows(key: &str, place: &str) -> bool {
    key > place && by_folders(key, place).is_gt()
}

/// The order of servers that keep keys as files in folders: what is in a folder stands where the folder's name does.
fn by_folders(one: &str, other: &str) -> Ordering {
    one.split('/').cmp(other.split('/'))
}

#[cfg(test)]
mod tests {
    use super::super::walk::{cursor, end, key, next_listed};
    use super::*;
    use crate::cursor::Cursor;
    use crate::s3::Listing;
    use rand::Rng;
    use std::collections::{BTreeSet, VecDeque};
    use std::sync::{Mutex, MutexGuard};

    type Order = fn(&str, &str) -> Ordering;
    /// Keys that go, and keys that come.
    type Change = (Vec<String>, Vec<String>);

    fn by_bytes(one: &str, other: &str) -> Ordering {
        one.cmp(other)
    }

    /// As servers list whose texts are UTF-16: by no order that is known here.
    fn by_units(one: &str, other: &str) -> Ordering {
        one.encode_utf16().cmp(other.encode_utf16())
    }

    /// A bucket, listed in an order. Before an answer some keys may go, and others come.
    struct Bucket {
        order: Order,
        keys: Mutex<BTreeSet<String>>,
        changes: Mutex<VecDeque<Change>>,
    }

    impl Bucket {
        fn of(order: Order, keys: &[&str]) -> Self {
            let keys = keys.iter().map(|key| (*key).to_owned()).collect();
            Self { order, keys: Mutex::new(keys), changes: Mutex::default() }
        }

        /// Between the next answer and the one that follows these keys go, and those come.
        fn then(self, go: &[&str], come: &[&str]) -> Self {
            let owned = |keys: &[&str]| -> Vec<String> { keys.iter().map(|key| (*key).to_owned()).collect() };
            self.changes().push_back(Change::default());
            self.changes().push_back((owned(go), owned(come)));
            self
        }

        fn changes(&self) -> MutexGuard<'_, VecDeque<Change>> {
            self.changes.lock().unwrap()
        }

        /// Keys behind a place, in the order.
        fn behind(&self, after: Option<&str>) -> Vec<String> {
            let is_behind = |key: &&String| after.is_none_or(|after| (self.order)(key.as_str(), after).is_gt());
            let mut keys: Vec<String> = self.keys.lock().unwrap().iter().filter(is_behind).cloned().collect();
            keys.sort_by(|one, other| (self.order)(one, other));
            keys
        }
    }

    impl Pages for Bucket {
        async fn page(&self, after: Option<&str>, most: u64) -> Result<Listing, Fault> {
            let change = self.changes().pop_front();
            if let Some((go, come)) = change {
                let mut keys = self.keys.lock().unwrap();
                keys.retain(|key| !go.contains(key));
                keys.extend(come);
            }
            let (behind, most) = (self.behind(after), usize::try_from(most).unwrap().min(1000));
            let object =
                |key: &String| Listed { key: key.clone(), bytes: 0, etag: String::new(), modified: None, class: None };
            Ok(Listing { objects: behind.iter().take(most).map(object).collect(), more: behind.len() > most })
        }
    }

    /// What a walk finds that takes so many keys at once.
    async fn walk(bucket: &Bucket, after: Option<&str>, bound: &Cursor, size: u64) -> Vec<String> {
        let (mut place, mut found) = (after.map(cursor), Vec::new());
        while place.as_ref() != Some(bound) {
            let after = place.as_ref().and_then(key).map(str::to_owned);
            let Some(stretch) = next_listed(bucket, bound, after, size).await.unwrap() else { break };
            found.extend(stretch.objects.into_iter().map(|object| object.key));
            place = Some(stretch.end);
        }
        found
    }

    #[tokio::test]
    async fn a_bound_that_is_gone_and_comes_back_lets_no_walk_go_on_behind_it() {
        let keys = ["a", "c", "d", "e", "f", "g"];
        // A page was listed without the bound. Then that is back, and with it a key that the page has not.
        let bucket = Bucket::of(by_bytes, &keys).then(&[], &["b", "bb"]);
        assert_eq!(walk(&bucket, None, &cursor("b"), 2).await, ["a", "b"]);
        // Besides, whatever the page has of what is behind the bound is gone.
        let bucket = Bucket::of(by_bytes, &keys).then(&["c", "d"], &["b", "bb"]);
        assert_eq!(walk(&bucket, None, &cursor("b"), 3).await, ["a", "b"]);
        // That is gone, and the bound does not come back: what is still there is not walked over.
        let bucket = Bucket::of(by_bytes, &keys).then(&["c", "d"], &[]);
        assert_eq!(walk(&bucket, None, &cursor("b"), 3).await, ["a", "c", "d"]);
    }

    #[tokio::test]
    async fn a_walk_that_has_come_behind_its_bound_ends_there() {
        let many: Vec<String> = (0..3000).map(|n| format!("{n:04}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let without: Vec<&str> = many.iter().copied().filter(|key| *key != "0500").collect();
        let orders: [Order; 2] = [by_bytes, by_folders];
        for (order, keys) in orders.into_iter().flat_map(|order| [(order, &many), (order, &without)]) {
            let bucket = Bucket::of(order, keys);
            for after in ["0501", "1400", "2000", "2998"] {
                let found = walk(&bucket, Some(after), &cursor("0500"), 10).await;
                assert!(found.is_empty(), "behind {after}: {found:?}");
            }
        }
    }

    #[tokio::test]
    async fn where_folders_are_listed_one_by_one_a_page_may_begin_behind_the_bound_and_lie_before_it_by_bytes() {
        let bucket = Bucket::of(by_folders, &["t/6/x", "t/7-x", "t/7-y", "t/8/x", "t/8-x"]);
        for size in 1..6 {
            assert_eq!(walk(&bucket, None, &cursor("t/7/x"), size).await, ["t/6/x"], "{size} at once");
            assert_eq!(walk(&bucket, Some("t/7/x"), &end(), size).await, ["t/7-x", "t/7-y", "t/8/x", "t/8-x"]);
        }
    }

    #[tokio::test]
    async fn each_key_is_on_one_side_of_a_bound_whether_that_is_there_or_not() {
        let mut random = rand::rng();
        for turn in 0..600_usize {
            let symbols: &[char] = if turn % 3 == 2 { &['a', '\u{ff5e}', '😀', '/'] } else { &['a', '-', '/', 'b'] };
            let mut random_key = || -> String {
                let length = random.random_range(1..6);
                (0..length).map(|_| symbols[random.random_range(0..symbols.len())]).collect()
            };
            let all: Vec<String> = (0..30).map(|_| random_key()).collect();
            let all: Vec<&str> = all.iter().map(String::as_str).collect();
            let bound = if turn.is_multiple_of(2) { all[0].to_owned() } else { random_key() };
            let orders: [(Order, bool); 3] = [(by_bytes, true), (by_folders, true), (by_units, false)];
            let (order, is_known) = orders[turn % 3];
            let bucket = Bucket::of(order, &all);
            let (every, behind) = (bucket.behind(None), bucket.behind(Some(&bound)));
            let size = random.random_range(1..12);
            let before = walk(&bucket, None, &cursor(&bound), size).await;
            let expected = &every[..every.len() - behind.len()];
            let rest = walk(&bucket, Some(&bound), &end(), size).await;
            assert_eq!(rest, behind, "behind {bound:?} of {every:?}, {size} at once");
            if is_known || every.contains(&bound) {
                assert_eq!(before, expected, "up to {bound:?} of {every:?}, {size} at once");
            } else {
                assert!(before.starts_with(expected), "up to {bound:?} of {every:?}, {size} at once: {before:?}");
            }
        }
    }
}
