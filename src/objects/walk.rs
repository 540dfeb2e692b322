//! Walking the source: its listing, from the last key that was looked at, or what stands in its place.

use super::Objects;
use super::bound::end_in;
use super::failure::{Side, unlisted};
use super::inventory::goes_by_inventory;
use crate::cursor::{Cursor, KeyPart};
use crate::engine::migration::Range;
use crate::fault::Fault;
use crate::s3::{Listed, Listing};
use std::time::Duration;
use tokio::time::Instant;

/// Where a pass ends that has no other end: behind every key. No key is empty.
const END: &str = "";

/// A stretch of the source.
pub(super) struct Stretch {
    /// The objects in it that are this migration's.
    pub(super) objects: Vec<Listed>,
    /// The last key that was looked at.
    pub(super) end: Cursor,
    /// Keys that were looked at.
    pub(super) scanned: u64,
    /// They are as an inventory knew them, days ago perhaps.
    pub(super) dated: bool,
}

/// A bucket that is listed page by page, in an order that its server knows.
pub(super) trait Pages: Sync {
    /// Up to `most` objects behind `after`, which need not be a key, and no more than a page.
    fn page(&self, after: Option<&str>, most: u64) -> impl Future<Output = Result<Listing, Fault>> + Send;
}

/// The source.
struct Source<'a> {
    objects: &'a Objects,
    deadline: Instant,
}

impl Pages for Source<'_> {
    async fn page(&self, after: Option<&str>, most: u64) -> Result<Listing, Fault> {
        let Objects { source, from, definition, .. } = self.objects;
        let asked = source.objects(from, &definition.source.place.prefix, after, most, left(self.deadline));
        // Boxed: it is too large to be moved about.
        Box::pin(asked).await.map_err(|error| unlisted(Side::Source, &error))
    }
}

/// The place behind every key.
pub(super) fn end() -> Cursor {
    cursor(END)
}

/// A key as a place in the source.
pub(super) fn cursor(key: &str) -> Cursor {
    Cursor(vec![KeyPart::Text(key.to_owned())])
}

/// The key at a place; `None`: it is behind every key.
pub(super) fn key(cursor: &Cursor) -> Option<&str> {
    match cursor.0.as_slice() {
        [part] => Some(part.text()).filter(|key| *key != END),
        // A place beyond the source.
        _ => None,
    }
}

/// What is left until then; a call gets a little in any case.
pub(super) fn left(deadline: Instant) -> Duration {
    const CALL: Duration = Duration::from_mins(1);
    deadline.saturating_duration_since(Instant::now()).clamp(Duration::from_millis(200), CALL)
}

impl Objects {
    /// Up to `size` keys behind `after`; `None`: there are none up to the range's bound.
    pub(super) async fn stretch(
        &self,
        range: &Range,
        after: Option<&Cursor>,
        size: u64,
        deadline: Instant,
    ) -> Result<Option<Stretch>, Fault> {
        if after == Some(&range.bound) {
            return Ok(None);
        }
        if goes_by_inventory(range, after) {
            return self.inventoried(range, after, size, deadline).await;
        }
        let place = match after {
            None => None,
            Some(cursor) => match key(cursor) {
                Some(key) => Some(key.to_owned()),
                None => return Ok(None),
            },
        };
        let mut found = next_listed(&Source { objects: self, deadline }, &range.bound, place, size).await?;
        if let Some(found) = &mut found {
            found.objects.retain(|object| self.target_key(&object.key).is_some());
        }
        Ok(found)
    }
}

/// Up to `size` keys behind `place`, none of them behind the bound; `None`: there are none.
pub(super) async fn next_listed<P: Pages>(
    pages: &P,
    bound: &Cursor,
    mut place: Option<String>,
    size: u64,
) -> Result<Option<Stretch>, Fault> {
    let mut found = Stretch { objects: Vec::new(), end: bound.clone(), scanned: 0, dated: false };
    while found.scanned < size {
        let Listing { mut objects, more } = pages.page(place.as_deref(), size - found.scanned).await?;
        let ended = match key(bound) {
            Some(bound) => end_in(&objects, bound, pages).await?,
            None => None,
        };
        objects.truncate(ended.unwrap_or(objects.len()));
        found.scanned += objects.len() as u64;
        if let Some(last) = objects.last() {
            place = Some(last.key.clone());
        }
        found.objects.extend(objects);
        if ended.is_some() || !more {
            // One key alone is known by its own place.
            if let Some(last) = place.as_deref().filter(|_| found.scanned == 1) {
                found.end = cursor(last);
            }
            return Ok((found.scanned > 0).then_some(found));
        }
    }
    if let Some(last) = place {
        found.end = cursor(&last);
    }
    Ok(Some(found))
}
