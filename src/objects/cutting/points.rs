//! Where to look into a gap.

use super::gap::{Gap, Known, common, measure};
use super::probing::PAGE;
use super::symbols::successor;

/// So many places in the gap behind a patch, each of them behind the patch and before the gap's edge, or where it begins.
pub(super) fn points(known: &[Known], place: usize, gap: Gap, count: u32) -> Vec<String> {
    let Some(Known { patch, edge: Some(edge), .. }) = known.get(place) else { return Vec::new() };
    let is_inside = |point: &String| patch.last() < point.as_str() && point < edge;
    if gap.is_uneven {
        let ends: Vec<String> = folders(known, place, edge).into_iter().filter(is_inside).collect();
        let chosen: Vec<String> = spread(ends.len(), count).filter_map(|at| ends.get(at).cloned()).collect();
        if !chosen.is_empty() {
            return chosen;
        }
    }
    let start = || patch.last().to_owned();
    // What is less than a page is seen best from its beginning.
    if count == 1 && gap.keys <= f64::from(PAGE) {
        return vec![start()];
    }
    let Some(measured) = measure(known, place) else { return vec![start()] };
    let part = (measured.to - measured.from) / f64::from(count + 1);
    let points = (1..=count).map(|at| {
        let point = format!("{}{}", measured.base, measured.measure.key(measured.from + part * f64::from(at)));
        Some(point).filter(is_inside).unwrap_or_else(start)
    });
    points.collect()
}

/// So many of `length` places, in equal distances.
fn spread(length: usize, count: u32) -> impl Iterator<Item = usize> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    (1..=count).map(move |at| length * (2 * at - 1) / (2 * count))
}

/// Where the folders end in which the patch ends, and where those begin in which the next one does, but those that reach beyond the gap: a
/// folder is whatever keys begin with.
fn folders(known: &[Known], place: usize, edge: &str) -> Vec<String> {
    let Some(Known { patch, .. }) = known.get(place) else { return Vec::new() };
    let outside = |key: &str| common(key, edge);
    let last = patch.last();
    let deepest = patch.ending().map_or(0, |ending| common(ending.from, last));
    let after = outside(last);
    let own =
        last.char_indices().filter(move |(at, _)| *at > after).take_while(|(at, _)| *at <= deepest.max(after + 4));
    let ends = own.filter_map(|(at, character)| Some(format!("{}{}", last.get(..at)?, successor(character))));
    let next = known.get(place + 1).and_then(|next| next.patch.beginning());
    let begins = next.into_iter().flat_map(|next| {
        let (deepest, after) = (common(next.from, next.to), outside(next.from));
        let own = next.from.char_indices().filter(move |(at, _)| *at > after && *at <= deepest);
        own.filter_map(move |(at, _)| next.from.get(..at).map(str::to_owned))
    });
    ends.chain(begins).collect()
}
