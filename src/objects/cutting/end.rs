//! Where the keys end. A listing cannot be read backwards, but it tells whether there is a key behind a place: behind all keys that begin as
//! the last one known, with more and more of its characters; and then which character there is the last one.

use super::Listing;
use super::symbols::{character, successor};

/// The last code point of ASCII, behind which there is seldom a key.
const ASCII: u32 = 0x7f;
/// Behind every code point.
const NONE: u32 = 0x11_0000;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// The last key that is known.
    pub(super) key: String,
    /// A place behind which there is none; `None`: nobody knows.
    pub(super) edge: Option<String>,
    /// Keys were found where they do not belong: they are not listed in the order of bytes.
    pub(super) disordered: bool,
    /// Questions that are left.
    pub(super) left: u32,
}

struct Search<'a, L> {
    listing: &'a L,
    key: Vec<char>,
    edge: Option<String>,
    disordered: bool,
    left: u32,
}

/// An answer.
enum Behind {
    /// The first key behind a place.
    Key(Vec<char>),
    Nothing,
    /// There are no more questions.
    Over,
}

/// Looks for the end from a key on, with so many questions at most. It is not the very last key, but near to it.
pub(super) async fn end<L: Listing>(listing: &L, from: &str, most: u32) -> End {
    let mut search = Search { listing, key: from.chars().collect(), edge: None, disordered: false, left: most };
    let mut from = 0;
    loop {
        while let Some(place) = search.branch(from).await {
            search.last_branch(place).await;
            from = place + 1;
        }
        // All keys that follow begin with ours.
        from = search.key.len();
        let own: String = search.key.iter().collect();
        match search.ask(&own).await {
            Behind::Key(key) => search.key = key,
            Behind::Nothing | Behind::Over => break,
        }
    }
    let Search { key, edge, disordered, left, .. } = search;
    End { key: key.into_iter().collect(), edge, disordered, left }
}

impl<L: Listing> Search<'_, L> {
    async fn ask(&mut self, point: &str) -> Behind {
        let Some(left) = self.left.checked_sub(1) else { return Behind::Over };
        self.left = left;
        let Some(page) = self.listing.behind(point, 1).await else {
            self.left = 0;
            return Behind::Over;
        };
        let Some(key) = page.keys.into_iter().next() else {
            if self.edge.as_deref().is_none_or(|edge| point < edge) {
                self.edge = Some(point.to_owned());
            }
            return Behind::Nothing;
        };
        if key.as_str() <= point {
            (self.disordered, self.left) = (true, 0);
            return Behind::Over;
        }
        Behind::Key(key.chars().collect())
    }

    /// Behind all keys that begin as ours does, up to and with the character at a place.
    fn behind(&self, place: usize) -> String {
        let own = self.key.iter().take(place);
        let next = self.key.get(place).map(|own| successor(*own));
        own.copied().chain(next).collect()
    }

    /// The first place from here on where keys go on behind those that begin as ours; then ours is such a key. `None`: there is none, or
    /// nobody knows.
    async fn branch(&mut self, from: usize) -> Option<usize> {
        let deepest = self.key.len().checked_sub(1).filter(|deepest| from <= *deepest)?;
        let (mut low, mut place, mut step) = (from, from, 1);
        let (mut high, mut found) = loop {
            place = place.min(deepest);
            match self.ask(&self.behind(place)).await {
                Behind::Key(key) => break (place, key),
                Behind::Nothing if place < deepest => low = place + 1,
                Behind::Nothing | Behind::Over => return None,
            }
            place += step;
            step *= 2;
        };
        while low < high {
            let middle = usize::midpoint(low, high);
            match self.ask(&self.behind(middle)).await {
                Behind::Key(key) => (high, found) = (middle, key),
                Behind::Nothing => low = middle + 1,
                Behind::Over => break,
            }
        }
        self.key = found;
        (low >= high).then_some(high)
    }

    /// Has our key go on with the last character that any key has at this place. Up to there all keys that follow are alike.
    async fn last_branch(&mut self, place: usize) {
        let code = |key: &[char]| key.get(place).map_or(NONE, |own| u32::from(*own));
        let base: String = self.key.iter().take(place).collect();
        let mut low = code(&self.key);
        let mut high = NONE;
        let mut next = if low < ASCII { ASCII } else { u32::midpoint(low, high) };
        while high.saturating_sub(low) > 1 {
            let middle = character(next);
            if u32::from(middle) <= low || u32::from(middle) >= high {
                return;
            }
            match self.ask(&format!("{base}{middle}")).await {
                Behind::Key(key) => {
                    low = code(&key);
                    self.key = key;
                }
                Behind::Nothing => high = middle.into(),
                Behind::Over => return,
            }
            next = u32::midpoint(low, high);
        }
    }
}
