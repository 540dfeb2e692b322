//! Keys that were listed one after the other, and cuts between pieces of them.

use super::LEAST;

/// Keys of a piece, at most.
const PIECE: usize = 50;
/// Pieces at either end that tell how dense keys are there, and keys in them that are enough for that.
const TELLING: usize = 5;
const ENOUGH: u64 = 50;
/// Samples of a patch.
const SAMPLES: usize = 20;

/// All keys from one to another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::objects) struct Patch {
    first: String,
    marks: Vec<Mark>,
}

/// The last key of some that follow each other, and how many these are.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mark {
    key: String,
    keys: u64,
}

/// Keys that are not divided.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Piece<'a> {
    /// The last of them, or one a little behind it; `None`: nobody knows.
    pub(super) end: Option<&'a str>,
    /// How many there are.
    pub(super) keys: f64,
}

/// An end of a patch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edge<'a> {
    /// From the one key to the other.
    pub(super) from: &'a str,
    pub(super) to: &'a str,
    /// There are so many.
    pub(super) keys: f64,
}

impl Patch {
    /// These keys, in their order.
    pub(super) fn of(keys: &[String]) -> Self {
        let mut patch = Self::default();
        patch.extend(&keys.iter().map(String::as_str).collect::<Vec<_>>());
        patch
    }

    /// Adds the keys that follow.
    pub(in crate::objects) fn extend(&mut self, keys: &[&str]) {
        if let (true, Some(first)) = (self.marks.is_empty(), keys.first()) {
            (*first).clone_into(&mut self.first);
        }
        let mark = |keys: &[&str]| Some(Mark { key: (*keys.last()?).to_owned(), keys: keys.len() as u64 });
        self.marks.extend(keys.chunks(PIECE).filter_map(mark));
    }

    pub(super) fn first(&self) -> &str {
        &self.first
    }

    pub(super) fn last(&self) -> &str {
        self.marks.last().map_or("", |mark| &mark.key)
    }

    /// How many keys there are.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    pub(super) fn keys(&self) -> f64 {
        self.marks.iter().map(|mark| mark.keys).sum::<u64>() as f64
    }

    /// Its beginning; `None`: it is too small to tell anything.
    pub(super) fn beginning(&self) -> Option<Edge<'_>> {
        let marks = self.marks.get(..self.marks.len().min(TELLING))?;
        edge(&self.first, marks)
    }

    /// Its end, likewise.
    pub(super) fn ending(&self) -> Option<Edge<'_>> {
        let start = self.marks.len().saturating_sub(TELLING);
        let from = start.checked_sub(1).and_then(|before| self.marks.get(before));
        edge(from.map_or(&self.first, |mark| &mark.key), self.marks.get(start..)?)
    }

    /// Some of its keys.
    pub(super) fn samples(&self) -> impl Iterator<Item = &str> {
        let step = self.marks.len().div_ceil(SAMPLES).max(1);
        let some = self.marks.iter().step_by(step).map(|mark| mark.key.as_str());
        std::iter::once(self.first()).chain(some).chain(std::iter::once(self.last()))
    }

    /// What it consists of.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    pub(super) fn pieces(&self) -> impl Iterator<Item = Piece<'_>> {
        self.marks.iter().map(|mark| Piece { end: Some(&mark.key), keys: mark.keys as f64 })
    }
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn edge<'a>(from: &'a str, marks: &'a [Mark]) -> Option<Edge<'a>> {
    let keys: u64 = marks.iter().map(|mark| mark.keys).sum();
    let to = marks.last()?.key.as_str();
    (keys >= ENOUGH).then_some(Edge { from, to, keys: keys as f64 })
}

/// The last keys of up to so many parts that are about equal, but that of the last part.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "casts saturate")]
pub(super) fn cut(pieces: &[Piece<'_>], parts: u32) -> Vec<String> {
    let total: f64 = pieces.iter().map(|piece| piece.keys).sum();
    let parts = parts.min((total / f64::from(LEAST)) as u32);
    let mut sum = 0.0;
    let mut ends = Vec::new();
    for piece in pieces {
        sum += piece.keys;
        // Behind the very last key there is nothing for a shard.
        ends.extend(piece.end.filter(|_| sum < total).map(|end| (sum, end)));
    }
    let mut cuts: Vec<&str> = Vec::new();
    for part in 1..parts {
        let wanted = total * f64::from(part) / f64::from(parts);
        let off = |end: &&(f64, &str)| (end.0 - wanted).abs();
        let nearest = ends.iter().min_by(|one, other| off(one).total_cmp(&off(other)));
        if let Some((_, end)) = nearest
            && cuts.last().is_none_or(|last| last < end)
        {
            cuts.push(end);
        }
    }
    cuts.into_iter().map(str::to_owned).collect()
}
