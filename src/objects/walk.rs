//! Walking the source: its listing, from the last key that was looked at.

use super::Objects;
use super::failure::{Side, fault};
use crate::cursor::{Cursor, KeyPart};
use crate::engine::migration::Range;
use crate::fault::Fault;
use crate::s3::Listed;
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
        let mut place = match after {
            None => None,
            Some(cursor) => match key(cursor) {
                Some(key) => Some(key.to_owned()),
                None => return Ok(None),
            },
        };
        let mut found = Stretch { objects: Vec::new(), end: range.bound.clone(), scanned: 0 };
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
    /// Not every server lists in the order of bytes. A bound that is there is met where it stands; only where it is gone, the order of
    /// bytes has to tell what is behind it.
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
        let head = self.source.head_of(&self.from, bound, left(deadline)).await;
        if head.map_err(|error| fault(Side::Source, &error))?.is_some() {
            return Ok((page, false));
        }
        page.truncate(behind);
        Ok((page, true))
    }
}
