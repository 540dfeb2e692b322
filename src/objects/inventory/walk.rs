//! Walking an inventory, record by record: what the first pass reads, and `verify` while it is open.

use super::place::{Place, Point};
use super::window::{Ask, Taken};
use crate::cursor::Cursor;
use crate::engine::migration::Range;
use crate::fault::Fault;
use crate::objects::Objects;
use crate::objects::walk::Stretch;
use tokio::time::Instant;

/// Whether what lies behind a place is read from an inventory. Where the first pass has ended with one, the source itself is looked at from
/// then on; a walk that has begun ends in the same way.
pub(in crate::objects) fn goes_by_inventory(range: &Range, after: Option<&Cursor>) -> bool {
    match after {
        Some(after) => Place::of(after).is_some(),
        None => Place::of(&range.bound).is_some() && !range.open_end,
    }
}

impl Objects {
    /// The place behind the last record of the inventory, as it is now.
    pub(in crate::objects) async fn end_of_inventory(&self, deadline: Instant) -> Result<Cursor, Fault> {
        let stored = self.stored(None, deadline).await.map_err(|error| error.fault())?;
        let place = Place {
            manifest: stored.manifest.tag.clone(),
            at: Point { file: stored.manifest.files.len(), records: 0 },
            file: String::new(),
            key: String::new(),
        };
        Ok(place.cursor())
    }

    /// What up to `size` records behind `after` tell of; `None`: there are none up to the range's bound.
    pub(in crate::objects) async fn inventoried(
        &self,
        range: &Range,
        after: Option<&Cursor>,
        size: u64,
        deadline: Instant,
    ) -> Result<Option<Stretch>, Fault> {
        let Some(until) = Place::of(&range.bound).filter(|_| after != Some(&range.bound)) else { return Ok(None) };
        let place = after.and_then(Place::of);
        let stored = self.stored(Some(&until.manifest), deadline).await.map_err(|error| error.fault())?;
        let ask = Ask {
            after: place.as_ref().map_or_else(Point::default, |place| place.at),
            until: until.at,
            most: usize::try_from(size).unwrap_or(usize::MAX).max(1),
            pinned: [place.as_ref(), Some(&until)],
        };
        let mut window = self.inventory.window.lock().await;
        // Boxed: it is too large to be moved about.
        let taken = Box::pin(window.next(&stored, &ask, deadline)).await;
        let Taken { rows, over } = taken.map_err(|error| error.fault())?;
        let Some(last) = rows.last() else { return Ok(None) };
        // One record alone is known by its own place.
        let end = if (over && rows.len() > 1) || last.at == until.at {
            range.bound.clone()
        } else {
            let file = window.tag_of(last.at.file).unwrap_or_default().to_owned();
            Place { manifest: until.manifest, at: last.at, file, key: last.object.key.clone() }.cursor()
        };
        let scanned = rows.len() as u64;
        let is_ours = |key: &str| self.target_key(key).is_some();
        let objects = rows.into_iter().filter(|row| row.current && is_ours(&row.object.key)).map(|row| row.object);
        Ok(Some(Stretch { objects: objects.collect(), end, scanned, dated: true }))
    }
}
