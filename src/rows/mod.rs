//! Rows of a database become history, as documents or column by column: in the same database by statements in SQL, in another
//! one by reading and writing. Batches are transactions.
//!
//! [`open`](open) holds the definition against the catalog ([`check`]) and makes a [`mapping`] of both ([`resolve`](resolve)); from that all
//! statements are built. [`migration`](migration) is what the engine asks. [`walk`](walk) reads the source's keys, [`here`](here) writes into the
//! same database, [`across`](across) into another one, with [`carry`] for the values.

mod across;
mod affinity;
mod batch;
pub mod carry;
mod check;
mod copy;
mod create;
mod destination;
pub mod document;
pub(crate) mod faults;
pub mod fit;
pub mod form;
mod gauge;
mod here;
pub mod key;
pub mod landing;
pub(crate) mod link;
pub mod mapping;
mod migration;
mod open;
pub(crate) mod phrase;
mod plan;
pub(crate) mod pool;
mod resolve;
mod sharing;
mod sizing;
pub mod tables;
mod types;
mod walk;
pub mod walker;

pub use batch::Batch;
pub use check::{Findings, check};
pub use copy::{Branch, Copy};
pub use faults::RowsError;
pub use gauge::Gauge;
pub use landing::Stamp;
pub use plan::QueryPlan;
pub use walk::split::By;

use crate::cursor::Cursor;
use crate::engine::migration::Range;
use crate::spec::RowsDefinition;
use crate::sql::{ConnectOptions, Dialect};
use across::Across;
use link::Deadline;
use mapping::Mapping;
use pool::Pool;
use std::time::Duration;
use tables::Tables;
use walk::Step;

/// A migration of kind `rows`.
pub struct Rows {
    definition: RowsDefinition,
    options: ConnectOptions,
    tables: Tables,
    mapping: Mapping,
    warnings: Vec<String>,
    max_item: u64,
    /// One reads the next batch while another writes the current one; on SQLite there is but one.
    sessions: Pool,
    /// The target, where it is in another database.
    across: Option<Across>,
}

impl Rows {
    /// One of its databases has but one session for all that works side by side.
    pub fn is_serial(&self) -> bool {
        [self.mapping.dialect, self.tables.target_make.dialect()].contains(&Dialect::Sqlite)
    }

    /// From now on `$definition` is this digest: the one that operators see and accept.
    pub fn pinned_as(&mut self, digest: Option<String>) {
        if let Some(digest) = digest {
            self.mapping.define(&digest);
        }
    }

    /// Where it is connected to.
    pub fn options(&self) -> &ConnectOptions {
        &self.options
    }

    /// Where its targets are, if that is another database.
    pub fn target_options(&self) -> Option<&ConnectOptions> {
        self.across.as_ref().map(|across| &across.options)
    }

    /// A batch may hold that many bytes, where it holds its rows.
    pub fn hold_at_most(&mut self, bytes: u64) {
        if let Some(across) = &mut self.across {
            across.batch_bytes = bytes;
        }
    }

    /// What the catalog says may turn out badly.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// SHA-256 of the source's columns, for the pinned definition.
    pub fn columns_digest(&self) -> String {
        self.tables.columns_digest(&self.definition.source)
    }

    /// What the statements are built from.
    pub fn mapping(&self) -> &Mapping {
        &self.mapping
    }

    /// The next step into a range and, if it `sweeps`, the items of it without a target; `None` when nothing is left.
    async fn next(
        &self,
        range: &Range,
        after: Option<&Cursor>,
        size: u64,
        limit: Duration,
        sweeps: bool,
    ) -> Result<Option<(Step, Vec<Cursor>)>, RowsError> {
        let deadline = Deadline::after(limit);
        // What was a sweep over changes has no end any more under a definition that does not know them: the next one looks at everything.
        let is_over = sweeps && range.since.is_some() && self.mapping.recent.is_none();
        if is_over || after == Some(&range.bound) && !range.open_end {
            return Ok(None);
        }
        let mut link = self.sessions.take().await;
        let session = link.session(deadline).await?;
        let changed = range.since.and_then(|since| Some((self.mapping.recent.as_ref()?, since)));
        let (step, found) = if let Some((recent, since)) = changed.filter(|_| sweeps) {
            self.mapping
                .step_changed(recent, session, (range, since), (after, size), self.across.as_ref(), deadline)
                .await?
        } else if let Some(across) = self.across.as_ref().filter(|_| sweeps && self.mapping.purge.is_none()) {
            across.step_missing(&self.mapping, session, range, after, size, deadline).await?
        } else if sweeps {
            self.mapping.step_missing(session, range, after, size, deadline).await?
        } else {
            (self.mapping.step(session, range, after, size, deadline).await?, Vec::new())
        };
        Ok((step.scanned > 0).then_some((step, found)))
    }
}
