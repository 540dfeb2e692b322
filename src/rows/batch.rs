//! What a batch holds.

use super::across::Cargo;
use crate::cursor::Cursor;
use std::sync::Arc;
use std::time::SystemTime;

/// A batch: not its rows, which stay in the database, but which they are; where they go to another one, its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    pub(super) what: What,
    pub(super) pass_started: SystemTime,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    Range { after: Option<Cursor>, end: Cursor },
    Keys(Vec<Cursor>),
    Cargo(Arc<Cargo>),
}

impl Batch {
    /// Items that were read.
    pub(super) fn cargo(cargo: Cargo, pass_started: SystemTime) -> Self {
        Self { what: What::Cargo(Arc::new(cargo)), pass_started }
    }

    /// A stretch that was not.
    pub(super) fn range(after: Option<Cursor>, end: Cursor, pass_started: SystemTime) -> Self {
        Self { what: What::Range { after, end }, pass_started }
    }
}
