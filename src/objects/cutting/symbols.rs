//! The characters that stand at one place of keys, and those that are likely to: whoever has seen `0` and `f` expects `7`.

use std::collections::BTreeSet;

/// So many different digits are all ten.
const ALL_DIGITS: usize = 5;
/// So many different letters up to `f`, beside digits, are hexadecimal.
const HEXADECIMAL: usize = 2;

/// What a character is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Class {
    /// `0` to `9`.
    Digit,
    /// `a` to `z`.
    Lower,
    /// `A` to `Z`.
    Upper,
    /// No ASCII.
    Foreign,
    /// Nothing but itself.
    Alone(char),
}

/// The classes of more than one character.
const CLASSES: [Class; 4] = [Class::Digit, Class::Lower, Class::Upper, Class::Foreign];

impl Class {
    pub(super) fn of(character: char) -> Self {
        match character {
            '0'..='9' => Self::Digit,
            'a'..='z' => Self::Lower,
            'A'..='Z' => Self::Upper,
            '\u{80}'.. => Self::Foreign,
            other => Self::Alone(other),
        }
    }

    /// From the first to the last of them, and to the last hexadecimal digit.
    fn range(self) -> (char, char, Option<char>) {
        match self {
            Self::Digit => ('0', '9', None),
            Self::Lower => ('a', 'z', Some('f')),
            Self::Upper => ('A', 'Z', Some('F')),
            Self::Foreign => ('\u{80}', char::MAX, None),
            Self::Alone(character) => (character, character, None),
        }
    }
}

/// The character at a place among all, or the next one that a request can bear.
pub(super) fn character(code: u32) -> char {
    match char::from_u32(code.min(u32::from(char::MAX))) {
        // Where UTF-16 keeps its pairs there is none.
        None => '\u{e000}',
        // XML has none here.
        Some('\u{fffe}' | '\u{ffff}') => '\u{10000}',
        Some(character) => character,
    }
}

/// The character behind one, in the order of bytes.
pub(super) fn successor(before: char) -> char {
    character(u32::from(before).saturating_add(1))
}

/// What was seen at one place.
#[derive(Debug, Default)]
pub(super) struct Seen {
    characters: BTreeSet<char>,
    ends: bool,
}

impl Seen {
    /// A key goes on like this; `None`: it ends.
    pub(super) fn see(&mut self, next: Option<char>) {
        match next {
            Some(character) => {
                self.characters.insert(character);
            }
            None => self.ends = true,
        }
    }

    /// All keys go on alike.
    pub(super) fn is_one(&self) -> bool {
        self.characters.len() + usize::from(self.ends) == 1
    }

    fn of(&self, class: Class) -> impl DoubleEndedIterator<Item = char> {
        self.characters.iter().copied().filter(move |character| Class::of(*character) == class)
    }
}

/// What keys are made of.
#[derive(Debug)]
pub(super) struct Shape {
    classes: Vec<Class>,
    /// Letters of these classes are digits of hexadecimal numbers.
    hexadecimal: Vec<Class>,
}

impl Shape {
    /// What was seen anywhere.
    pub(super) fn of(places: &[&Seen]) -> Self {
        let has = |class: &Class| places.iter().any(|seen| seen.of(*class).next().is_some());
        let is_number = |class: Class| {
            let Some(top) = class.range().2 else { return false };
            places.iter().any(|seen| {
                seen.of(Class::Digit).count() >= ALL_DIGITS
                    && seen.of(class).count() >= HEXADECIMAL
                    && seen.of(class).all(|letter| letter <= top)
            })
        };
        Self {
            classes: CLASSES.into_iter().filter(has).collect(),
            hexadecimal: CLASSES.into_iter().filter(|class| is_number(*class)).collect(),
        }
    }
}

/// The characters that may stand at one place, in their order.
#[derive(Debug)]
pub(super) struct Symbols {
    /// A key may end here, which comes first.
    ends: bool,
    /// From the first to the last of each range, in their order.
    ranges: Vec<(u32, u32)>,
}

impl Symbols {
    /// Those that were seen, and no more.
    pub(super) fn exactly(seen: &Seen) -> Self {
        let alone = |character: &char| (u32::from(*character), u32::from(*character));
        Self { ends: seen.ends, ranges: seen.characters.iter().map(alone).collect() }
    }

    /// Those that were seen, and what is likely to stand between them.
    pub(super) fn likely(seen: &Seen, shape: &Shape) -> Self {
        let filled = shape.classes.iter().filter_map(|class| fill(seen, *class, shape));
        let alone = seen.characters.iter().filter(|character| matches!(Class::of(**character), Class::Alone(_)));
        let ranges = filled.chain(alone.map(|character| (*character, *character)));
        let mut ranges: Vec<(u32, u32)> = ranges.map(|(from, to)| (u32::from(from), u32::from(to))).collect();
        ranges.sort_unstable();
        Self { ends: seen.ends, ranges }
    }

    /// How many there are, at least one.
    pub(super) fn count(&self) -> f64 {
        let characters: u32 = self.ranges.iter().map(|(from, to)| to - from + 1).sum();
        f64::from((characters + u32::from(self.ends)).max(1))
    }

    /// How many come before this one; `None`: the end of a key.
    pub(super) fn rank(&self, symbol: Option<char>) -> f64 {
        let Some(code) = symbol.map(u32::from) else { return 0.0 };
        let before = self.ranges.iter().map(|(from, to)| code.min(to + 1).saturating_sub(*from));
        f64::from(before.sum::<u32>() + u32::from(self.ends))
    }

    /// The one that so many come before; `None`: the end of a key.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "casts saturate")]
    pub(super) fn nth(&self, rank: f64) -> Option<char> {
        let mut rank = (rank as u32).checked_sub(u32::from(self.ends))?;
        for (from, to) in &self.ranges {
            let size = to - from + 1;
            if rank < size {
                return Some(character(from + rank));
            }
            rank -= size;
        }
        None
    }
}

/// What of a class may stand where these were seen.
fn fill(seen: &Seen, class: Class, shape: &Shape) -> Option<(char, char)> {
    let (low, high) = (*seen.characters.first()?, *seen.characters.last()?);
    let (first, last, hexadecimal) = class.range();
    let (digits, ours) = (seen.of(Class::Digit).count(), seen.of(class).count());
    let greatest = seen.of(class).next_back();
    let between = (first.max(low), last.min(high));
    let (from, to) = match (class, hexadecimal) {
        (Class::Digit, _) if ours >= ALL_DIGITS => (first, last),
        // The next one is likely, too.
        (Class::Digit, _) if high <= last => (between.0, greatest.map_or(between.1, |most| last.min(successor(most)))),
        (_, Some(top))
            if greatest.is_none_or(|most| most <= top)
                && (digits >= ALL_DIGITS && shape.hexadecimal.contains(&class)
                    || digits > 0 && ours >= HEXADECIMAL) =>
        {
            (first, top)
        }
        _ => between,
    };
    (from <= to).then_some((from, to))
}
