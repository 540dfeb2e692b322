//! Walking the source: its listing, from the last key that was looked at, or what stands in its place.

use super::Objects;
use super::failure::{Side, fault};
use super::inventory::goes_by_inventory;
use crate::cursor::{Cursor, KeyPart};
use crate::engine::migration::Range;
use crate::fault::Fault;
use crate::s3::{Listed, S3Error};
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
        let mut place = match after {
            None => None,
            Some(cursor) => match key(cursor) {
                Some(key) => Some(key.to_owned()),
                None => return Ok(None),
            },
        };
        let mut found = Stretch { objects: Vec::new(), end: range.bound.clone(), scanned: 0, dated: false };
        while found.scanned < size {
            let prefix = &self.definition.source.place.prefix;
            let most = size - found.scanned;
            let page = self.source.objects(&self.from, prefix, place.as_deref(), most, left(deadline)).await;
            let page = page.map_err(|error| fault(Side::Source, &error))?;
            let (objects, ended) = self.within(page.objects, range, deadline).await?;
            found.scanned += objects.len() as u64;
            if let Some(last) = objects.last() {
                place = Some(last.key.clone());
            }
            found.objects.extend(objects.into_iter().filter(|object| self.target_key(&object.key).is_some()));
            if ended || !page.more {
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

    /// The objects of a page that are not behind the range's bound, and whether the bound was met.
    ///
    /// Not every server lists in the order of bytes. A bound that is there is met where it stands. Where it is gone, the range ends
    /// where whoever goes on from the bound begins: before the first key that is listed behind it. Only if that has changed meanwhile,
    /// the order of bytes has to tell.
    async fn within(
        &self,
        mut page: Vec<Listed>,
        range: &Range,
        deadline: Instant,
    ) -> Result<(Vec<Listed>, bool), Fault> {
        let Some(bound) = key(&range.bound) else { return Ok((page, false)) };
        if let Some(place) = page.iter().position(|object| object.key == bound) {
            page.truncate(place + 1);
            return Ok((page, true));
        }
        let Some(behind) = page.iter().position(|object| object.key.as_str() > bound) else { return Ok((page, false)) };
        let prefix = &self.definition.source.place.prefix;
        let next = self.source.objects(&self.from, prefix, Some(bound), 1, left(deadline)).await;
        let next = next.map_err(|error| fault(Side::Source, &error))?.objects.into_iter().next();
        // Nothing is behind the bound: all that is listed is before it.
        let Some(next) = next else { return Ok((page, false)) };
        if let Some(place) = page.iter().position(|object| object.key == next.key) {
            page.truncate(place);
            return Ok((page, true));
        }
        let is_there = match self.source.head_of(&self.from, bound, left(deadline)).await {
            Ok(head) => head.is_some(),
            // Who may not look at it, or cannot say it, goes by the order.
            Err(S3Error::Denied { .. } | S3Error::Refused { .. }) => false,
            Err(error) => return Err(fault(Side::Source, &error)),
        };
        let is_among = page.is_sorted_by(|one, other| one.key <= other.key)
            && page.last().is_some_and(|last| next.key <= last.key);
        if is_there || !is_among {
            // It comes later.
            return Ok((page, false));
        }
        page.truncate(behind);
        Ok((page, true))
    }
}
