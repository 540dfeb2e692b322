//! Where the first pass is cut into shards of about equal size. A listing answers only what stands behind a key, a page at a time: so what
//! the survey has listed is cut exactly if it was everything; otherwise the last key is searched for, and pages in between tell how dense
//! keys are there.

mod end;
mod gap;
mod measure;
mod patch;
mod points;
mod probing;
mod symbols;
#[cfg(test)]
mod tests;

use super::Objects;
use super::walk::{cursor, left};
use crate::engine::migration::Layout;
pub(super) use patch::Patch;
use patch::{Piece, cut};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// A shard holds at least about so many keys: fewer of them are not worth a lease.
const LEAST: u32 = 500;

/// The first keys behind a place.
pub(super) struct Page {
    /// In the order of the listing.
    pub(super) keys: Vec<String>,
    /// There are more behind them.
    pub(super) more: bool,
}

/// Keys in an order that somebody else knows.
pub(super) trait Listing: Sync {
    /// Up to `most` keys behind `after`, which need not be a key; `None`: it does not tell, or not in time.
    fn behind(&self, after: &str, most: u64) -> impl Future<Output = Option<Page>> + Send;
}

/// The source, as long as there is time.
struct Source<'a> {
    objects: &'a Objects,
    deadline: Instant,
}

impl Listing for Source<'_> {
    async fn behind(&self, after: &str, most: u64) -> Option<Page> {
        if Instant::now() >= self.deadline {
            return None;
        }
        let Objects { source, from, definition, .. } = self.objects;
        let asked = source.objects(from, &definition.source.place.prefix, Some(after), most, left(self.deadline));
        let page = timeout_at(self.deadline, asked).await.ok()?.ok()?;
        Some(Page { keys: page.objects.into_iter().map(|object| object.key).collect(), more: page.more })
    }
}

impl Objects {
    /// As [`crate::engine::migration::Migration::lay_out`]: the survey and the probing may take `limit` each.
    pub(super) async fn laid_out(&self, parts: u32, limit: Duration) -> Layout {
        // Whoever waits for it is not patient for ever.
        let deadline = Instant::now() + limit + limit * 7 / 8;
        let survey = self.survey(limit).await;
        let expected = survey.estimate();
        // An inventory has no order, and its places are no keys.
        if parts < 2 || survey.disordered || survey.inventoried {
            return Layout { expected, cuts: Vec::new() };
        }
        let cuts = if survey.whole {
            cut(&survey.patch.pieces().collect::<Vec<Piece<'_>>>(), parts)
        } else {
            // Boxed: it is too large to be moved about.
            Box::pin(probing::cuts(&Source { objects: self, deadline }, survey.patch, parts)).await
        };
        tracing::info!(migration = %self.definition.name, parts, shards = cuts.len() + 1, "the source's keys were cut");
        Layout { expected, cuts: cuts.iter().map(|key| cursor(key)).collect() }
    }
}
