//! What lies between two patches of known keys, as far as their ends tell.

use super::measure::{FINEST, Measure};
use super::patch::{Edge, Patch};

/// Samples that a measure is made of, about.
const SAMPLES: usize = 100;
/// Where one side is so many times as dense as the other, or where so large a part of the gap was found empty, keys are not spread evenly:
/// somewhere in it a folder ends.
const UNEVEN: f64 = 16.0;
const EMPTY: f64 = 0.25;

/// A patch, and what is known of the keys behind it.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) patch: Patch,
    /// From here up to the next patch there is nothing; `None`: the next patch follows at once.
    pub(super) edge: Option<String>,
    /// What was made of it.
    pub(super) gap: Option<Gap>,
}

impl Known {
    pub(super) fn new(patch: Patch, edge: Option<String>) -> Self {
        Self { patch, edge, gap: None }
    }
}

/// A gap.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gap {
    /// Keys in it, if it is as dense as the mean of both sides.
    pub(super) keys: f64,
    /// The same by their geometric mean, which one side alone does not decide.
    pub(super) likely: f64,
    /// They are not spread evenly.
    pub(super) is_uneven: bool,
}

/// A gap's own measure.
pub(super) struct Measured<'a> {
    pub(super) measure: Measure,
    /// What all keys around it begin with.
    pub(super) base: &'a str,
    /// Where it begins and ends.
    pub(super) from: f64,
    pub(super) to: f64,
    /// Keys in a whole, of either side that tells.
    dense: Vec<f64>,
    /// Where the next patch begins, if it begins alike.
    next: Option<f64>,
}

/// Bytes that two keys have in common, in whole characters.
pub(super) fn common(one: &str, other: &str) -> usize {
    one.chars().zip(other.chars()).take_while(|(one, other)| one == other).map(|(one, _)| one.len_utf8()).sum()
}

/// Measures the gap behind a patch; `None`: there is none.
pub(super) fn measure(known: &[Known], place: usize) -> Option<Measured<'_>> {
    let Known { patch, edge, .. } = known.get(place)?;
    let (edge, next) = (edge.as_deref()?, known.get(place + 1));
    let ending = patch.ending();
    let beginning = next.and_then(|next| next.patch.beginning());
    let length = match (&ending, &beginning) {
        (None, Some(beginning)) => common(patch.last(), beginning.to),
        (Some(ending), _) => common(ending.from, edge),
        (None, None) => common(patch.last(), edge),
    };
    let base = edge.get(..length)?;
    let beginning = beginning.filter(|beginning| beginning.to.starts_with(base));
    let measure = Measure::of(samples(known, place, base).into_iter());
    let at = |key: &str| key.strip_prefix(base).map(|rest| measure.place(rest));
    let density = |edge: &Edge<'_>| Some(edge.keys / (at(edge.to)? - at(edge.from)?).max(FINEST));
    let dense = [&ending, &beginning].into_iter().flatten().filter_map(density).collect();
    let (from, to) = (at(patch.last())?, at(edge)?);
    let next = beginning.and_then(|beginning| at(beginning.from));
    Some(Measured { measure, base, from, to, dense, next })
}

/// Keys of the patches around a gap that begin alike, less what they begin with.
fn samples<'a>(known: &'a [Known], place: usize, base: &str) -> Vec<(usize, &'a str)> {
    let alike = |at: usize| {
        let patch = known.get(at).map(|known| &known.patch);
        let rests = patch.into_iter().flat_map(Patch::samples).filter_map(|key| key.strip_prefix(base));
        rests.map(|rest| (at, rest)).collect::<Vec<_>>()
    };
    let some = |samples: &Vec<(usize, &str)>| !samples.is_empty();
    let before = (0..=place).rev().map(alike).take_while(some);
    let behind = (place + 1..known.len()).map(alike).take_while(some);
    let all: Vec<_> = before.chain(behind).flatten().collect();
    let step = (all.len() / SAMPLES).max(1);
    all.into_iter().step_by(step).collect()
}

impl Measured<'_> {
    /// What is likely to be in it.
    #[expect(clippy::cast_precision_loss, reason = "two at most")]
    pub(super) fn gap(&self) -> Gap {
        let width = (self.to - self.from).max(0.0);
        let sides = self.dense.len().max(1) as f64;
        let mean = self.dense.iter().sum::<f64>() / sides;
        let product: f64 = self.dense.iter().product();
        let geometric = if self.dense.len() > 1 { product.sqrt() } else { mean };
        let (least, most) =
            self.dense.iter().fold((f64::MAX, 0.0_f64), |(least, most), one| (least.min(*one), most.max(*one)));
        let empty = self.next.map_or(0.0, |next| next - self.to);
        let is_uneven = self.dense.len() > 1 && most > UNEVEN * least || empty > EMPTY * width;
        Gap { keys: width * mean, likely: width * geometric, is_uneven }
    }
}
