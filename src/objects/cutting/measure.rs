//! A measure of distances between keys, made of samples: each character that may stand at a place takes an equal share of what the characters
//! before it take. Equal distances hold about equally many keys, as far as keys nearby are alike.

use super::symbols::{Class, Seen, Shape, Symbols};
use std::collections::HashMap;

/// Characters of a key that count.
const DEPTH: usize = 32;
/// What is finer than this is not told apart.
pub(super) const FINEST: f64 = 1e-13;

/// What may follow where.
#[derive(Debug, Default)]
pub(super) struct Measure {
    /// Behind this character there is always the same, wherever one looks: names of folders.
    narrow: HashMap<(usize, Option<char>), Symbols>,
    /// Behind characters of this class.
    wide: HashMap<(usize, Option<Class>), Symbols>,
}

/// What was seen behind a character, in one patch of keys or in several.
struct Behind {
    seen: Seen,
    patch: usize,
    several: bool,
}

impl Measure {
    /// Made of samples, of which each says from which patch it is.
    pub(super) fn of<'a>(samples: impl Iterator<Item = (usize, &'a str)>) -> Self {
        let mut narrow: HashMap<(usize, Option<char>), Behind> = HashMap::new();
        let mut wide: HashMap<(usize, Option<Class>), Seen> = HashMap::new();
        for (patch, key) in samples {
            let (mut before, mut characters) = (None, key.chars());
            for place in 0..DEPTH {
                let next = characters.next();
                let unseen = || Behind { seen: Seen::default(), patch, several: false };
                let behind = narrow.entry((place, before)).or_insert_with(unseen);
                behind.several |= behind.patch != patch;
                behind.seen.see(next);
                wide.entry((place, before.map(Class::of))).or_default().see(next);
                if next.is_none() {
                    break;
                }
                before = next;
            }
        }
        let shape = Shape::of(&wide.values().collect::<Vec<_>>());
        let certain = narrow.into_iter().filter(|(_, behind)| behind.several && behind.seen.is_one());
        Self {
            narrow: certain.map(|(place, behind)| (place, Symbols::exactly(&behind.seen))).collect(),
            wide: wide.into_iter().map(|(place, seen)| (place, Symbols::likely(&seen, &shape))).collect(),
        }
    }

    fn symbols(&self, place: usize, before: Option<char>) -> Option<&Symbols> {
        self.narrow.get(&(place, before)).or_else(|| self.wide.get(&(place, before.map(Class::of))))
    }

    /// Where a key stands, from 0 to 1.
    pub(super) fn place(&self, key: &str) -> f64 {
        let (mut sum, mut share, mut before, mut characters) = (0.0, 1.0, None, key.chars());
        for place in 0..DEPTH {
            let Some(symbols) = self.symbols(place, before) else { break };
            let next = characters.next();
            share /= symbols.count();
            sum += share * symbols.rank(next);
            if next.is_none() || share < FINEST {
                break;
            }
            before = next;
        }
        sum
    }

    /// What would stand there.
    pub(super) fn key(&self, there: f64) -> String {
        let (mut key, mut rest, mut share, mut before) = (String::new(), there, 1.0, None);
        for place in 0..DEPTH {
            let Some(symbols) = self.symbols(place, before).filter(|_| share >= FINEST) else { break };
            let count = symbols.count();
            let rank = (rest * count).floor().clamp(0.0, count - 1.0);
            let Some(next) = symbols.nth(rank) else { break };
            (rest, share, before) = (rest * count - rank, share / count, Some(next));
            key.push(next);
        }
        key
    }
}
