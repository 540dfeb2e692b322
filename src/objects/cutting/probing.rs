//! More keys than could be listed: pages from the largest gaps, round by round, until no gap is larger than a small part of a shard.

use super::end::{End, end};
use super::gap::{Known, measure};
use super::patch::{Patch, Piece, cut};
use super::points::points;
use super::{Listing, Page};
use futures_util::future::join_all;
use std::collections::BTreeMap;

/// Keys of a page.
pub(super) const PAGE: u32 = 1000;
/// Requests altogether, of which the search for the end may take so many; and so many side by side.
const REQUESTS: u32 = 96;
const FOR_THE_END: u32 = 20;
const AT_ONCE: u32 = 8;
/// A gap that is smaller than such a part of a shard is small enough.
const FINE: f64 = 8.0;

/// Where keys of which the first ones are known are cut into up to so many parts. None: they cannot be cut so.
pub(super) async fn cuts<L: Listing>(listing: &L, first: Patch, parts: u32) -> Vec<String> {
    let Some((known, left)) = ends(listing, first).await else { return Vec::new() };
    match probed(listing, known, parts, left).await {
        Some(known) => cut(&pieces(&known), parts),
        None => Vec::new(),
    }
}

/// The first keys and the last ones, and requests that are left.
async fn ends<L: Listing>(listing: &L, first: Patch) -> Option<(Vec<Known>, u32)> {
    let End { key, edge, disordered, left } = end(listing, first.last(), FOR_THE_END).await;
    // Without an end nobody knows how much follows.
    let edge = edge.filter(|_| !disordered)?;
    let mut left = REQUESTS - FOR_THE_END + left;
    if key.as_str() <= first.last() {
        return Some((vec![Known::new(first, Some(edge))], left));
    }
    let mut keys = vec![key.clone()];
    let mut rest = Some(edge);
    if let Some(page) = listing.behind(&key, PAGE.into()).await {
        if !is_in_order(&key, &page) {
            return None;
        }
        keys.extend(page.keys);
        rest = rest.filter(|_| page.more);
    }
    left = left.saturating_sub(1);
    Some((vec![Known::new(first, Some(key)), Known::new(Patch::of(&keys), rest)], left))
}

/// Looks into the gaps. `None`: keys are not listed in the order of bytes.
async fn probed<L: Listing>(listing: &L, mut known: Vec<Known>, parts: u32, mut left: u32) -> Option<Vec<Known>> {
    while left > 0 {
        estimate(&mut known);
        let looks = looks(&known, parts, left.min(AT_ONCE));
        if looks.is_empty() {
            break;
        }
        left = left.saturating_sub(u32::try_from(looks.len()).unwrap_or(u32::MAX));
        let asked = looks.iter().map(|(_, point)| listing.behind(point, PAGE.into()));
        let answers = join_all(asked.collect::<Vec<_>>()).await;
        for ((place, point), page) in looks.into_iter().zip(answers) {
            // The time is up, or the server wants to be left alone.
            let Some(page) = page else {
                left = 0;
                continue;
            };
            if !is_in_order(&point, &page) {
                return None;
            }
            fill(&mut known, place, point, page);
        }
    }
    // What has been learned since tells more of gaps that were measured early.
    for known in &mut known {
        known.gap = None;
    }
    estimate(&mut known);
    Some(known)
}

fn is_in_order(after: &str, page: &Page) -> bool {
    page.keys.is_sorted() && page.keys.first().is_none_or(|first| first.as_str() > after)
}

/// Measures each gap that has changed.
fn estimate(known: &mut [Known]) {
    for place in 0..known.len() {
        let is_new = known.get(place).is_some_and(|known| known.gap.is_none() && known.edge.is_some());
        if is_new {
            let gap = measure(known, place).map(|measured| measured.gap()).unwrap_or_default();
            if let Some(known) = known.get_mut(place) {
                known.gap = Some(gap);
            }
        }
    }
}

/// Where to look next: in the largest gaps, in very large ones at several places. From the last one to the first.
fn looks(known: &[Known], parts: u32, most: u32) -> Vec<(usize, String)> {
    let gaps = || known.iter().enumerate().filter_map(|(place, known)| Some((place, known.gap?)));
    let total: f64 =
        known.iter().map(|known| known.patch.keys()).sum::<f64>() + gaps().map(|(_, gap)| gap.keys).sum::<f64>();
    let least = total / f64::from(parts) / FINE;
    let mut planned: BTreeMap<usize, u32> = BTreeMap::new();
    for _ in 0..most {
        let share = |place: usize, keys: f64| keys / f64::from(planned.get(&place).map_or(1, |count| count + 1));
        let shares = gaps().map(|(place, gap)| (place, share(place, gap.keys)));
        let largest = shares.max_by(|one, other| one.1.total_cmp(&other.1));
        let Some((place, _)) = largest.filter(|(_, keys)| *keys > least) else { break };
        *planned.entry(place).or_default() += 1;
    }
    let mut looks: Vec<(usize, String)> = Vec::new();
    for (place, count) in planned {
        let gap = known.get(place).and_then(|known| known.gap).unwrap_or_default();
        looks.extend(points(known, place, gap, count).into_iter().map(|point| (place, point)));
    }
    looks.sort_unstable_by(|one, other| other.cmp(one));
    looks.dedup();
    looks
}

/// Puts a page into the gap in which it was looked for. What lies in the gap behind it was put there before.
fn fill(known: &mut Vec<Known>, place: usize, point: String, mut page: Page) {
    let next = known.get(place + 1).map(|next| next.patch.first().to_owned());
    let listed = page.keys.len();
    page.keys.retain(|key| next.as_ref().is_none_or(|next| key < next));
    let reaches = page.keys.len() < listed || !page.more;
    let Some(before) = known.get_mut(place) else { return };
    let edge = before.edge.take().filter(|_| !reaches);
    before.edge = Some(point).filter(|point| point.as_str() > before.patch.last());
    before.gap = None;
    if let Some(last) = page.keys.last() {
        let edge = edge.filter(|edge| edge > last);
        known.insert(place + 1, Known::new(Patch::of(&page.keys), edge));
    }
}

/// What is known and what is likely, in the order of keys. What lies in a gap ends where the next patch begins, so that a cut is a key.
fn pieces(known: &[Known]) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    for (place, Known { patch, gap, .. }) in known.iter().enumerate() {
        pieces.extend(patch.pieces());
        let next = known.get(place + 1).map(|next| next.patch.first());
        pieces.extend(gap.map(|gap| Piece { end: next, keys: gap.likely }));
    }
    pieces
}
