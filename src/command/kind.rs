//! An opened migration, of whatever kind.

use super::Invocation;
use crate::digest;
use crate::engine::budget::Budget;
use crate::engine::run::batch_bytes;
use crate::files::Files;
use crate::objects::Objects;
use crate::rows::Rows;
use crate::spec::{Definition, Limits};
use crate::sql::ConnectOptions;

/// Bytes that transfers of files may hold, of a function of whatever size.
const TRANSFERS: (u64, u64) = (10 << 20, 256 << 20);

/// An opened migration.
pub(super) enum Kind {
    /// Of rows.
    Rows(Box<Rows>),
    /// Of files.
    Files(Box<Files>),
    /// Of objects.
    Objects(Box<Objects>),
}

impl Kind {
    /// SHA-256 of the source's columns, for the pinned definition.
    pub(super) fn columns_digest(&self) -> String {
        match self {
            Self::Rows(rows) => rows.columns_digest(),
            Self::Files(files) => files.columns_digest(),
            // A bucket has none.
            Self::Objects(_) => digest::sha256(""),
        }
    }

    /// From now on `$definition` is this digest.
    pub(super) fn pinned_as(&mut self, digest: Option<String>) {
        match self {
            Self::Rows(rows) => rows.pinned_as(digest),
            Self::Files(files) => files.pinned_as(digest),
            Self::Objects(_) => {}
        }
    }

    /// What it moves may take so much of the invocation's memory.
    pub(super) fn hold_at_most(&mut self, budget: &Budget, limits: &Limits) {
        match self {
            Self::Rows(rows) => rows.hold_at_most(batch_bytes(budget, limits, limits.lanes.min(limits.shards))),
            Self::Files(files) => files.hold_at_most((budget.memory_mb() << 18).clamp(TRANSFERS.0, TRANSFERS.1)),
            Self::Objects(objects) => objects.hold_at_most((budget.memory_mb() << 18).clamp(TRANSFERS.0, TRANSFERS.1)),
        }
    }

    /// Where its source's and its target's databases are; `None`: they are none.
    pub(super) fn sides(&self) -> Option<(ConnectOptions, ConnectOptions)> {
        match self {
            Self::Rows(rows) => {
                let source = rows.options().clone();
                let target = rows.target_options().unwrap_or(&source).clone();
                Some((source, target))
            }
            Self::Files(files) => Some((files.options().clone(), files.options().clone())),
            Self::Objects(_) => None,
        }
    }

    /// Its database has but one session for all that works side by side.
    pub(super) fn is_serial(&self) -> bool {
        match self {
            Self::Rows(rows) => rows.is_serial(),
            Self::Files(files) => files.is_serial(),
            Self::Objects(_) => false,
        }
    }

    /// Says goodbye to the database.
    pub(super) async fn close(self) {
        match self {
            Self::Rows(rows) => rows.close().await,
            Self::Files(files) => files.close().await,
            Self::Objects(_) => {}
        }
    }
}

/// What kind a migration is of, if it is not of kind `files`.
pub(super) fn other_than_files(definition: &Definition) -> Option<&'static str> {
    match definition {
        Definition::Rows(_) => Some("rows"),
        Definition::Files(_) => None,
        Definition::Objects(_) => Some("objects"),
    }
}

/// The lines that a walk is asked with.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    /// Stop after so many items.
    pub(super) max_items: Option<u64>,
    /// This shard alone.
    pub(super) shard: Option<u32>,
}

impl Asked {
    /// All there is.
    pub(super) fn all() -> Self {
        Self { max_items: None, shard: None }
    }
}

/// Who asks, and what it may use.
#[derive(Clone, Copy)]
pub(super) struct Under<'a> {
    pub(super) invocation: &'a Invocation,
    pub(super) budget: &'a Budget,
}
