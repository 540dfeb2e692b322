//! Files that rows point at become objects in S3, and the rows follow: each file is streamed into the bucket, read back, and only
//! then does the row point at it.
//!
//! [`open`](open) holds the definition against the catalog. [`migration`](migration) is what the engine asks; keys are walked by
//! [`crate::rows::walker`], and [`sizes`](sizes) says how many rows are held. A [`row`](row) says which URLs it holds ([`spans`](spans)), [`naming`](naming) which object each becomes,
//! [`transfer`](transfer) brings it there ([`resuming`](resuming) a large one, by [`uploads`](uploads)), [`journal`](journal) keeps what
//! the row said before, and [`update`](update) changes the row if it still says so. Second stores hear of it by [`following`](following). [`strays`](strays) are objects that no row points at.

mod begun;
mod check;
mod columns;
mod content;
mod digests;
mod failure;
mod fates;
mod filling;
mod following;
mod hosts;
mod journal;
mod migration;
mod naming;
mod open;
mod passing;
mod plan;
mod proving;
mod resuming;
mod row;
mod sizes;
mod source;
mod spans;
mod storing;
mod strays;
mod together;
mod transfer;
mod undo;
mod update;
mod uploads;
mod verify;
mod write;

pub use plan::Sampled;

use crate::cursor::Cursor;
use crate::engine::shelves::{Shelf, Shelves};
use crate::http::{Fetcher, Poster};
use crate::rows::walker::Walker;
use crate::s3::S3;
use crate::spec::FilesDefinition;
use columns::Columns;
use hosts::{Hosts, Kept};
use naming::Naming;
use regex_lite::Regex;
use row::Row;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::{Duration, SystemTime};
use tokio::sync::{OnceCell, Semaphore};

/// Bytes of memory that transfers may hold, until somebody says how many there are.
const MEMORY: u64 = 64 << 20;

/// Everybody else that a migration of files talks to, besides its database.
#[derive(Clone)]
pub struct Outside {
    /// Where files go.
    pub s3: S3,
    /// Where they come from.
    pub fetcher: Fetcher,
    /// Who follows once a row has.
    pub hooks: Vec<Poster>,
}

/// A migration of kind `files`.
pub struct Files {
    definition: FilesDefinition,
    /// The digest that operators see and accept, for `$definition`.
    pinned: String,
    walker: Walker,
    columns: Columns,
    /// Of each of the definition's files: what its `rewrite` looks for.
    rewrites: Vec<Option<Regex>>,
    naming: Naming,
    fetcher: Fetcher,
    s3: S3,
    hooks: Vec<Poster>,
    hosts: Hosts,
    /// Transfers side by side, over all lanes.
    transfers: Semaphore,
    /// Bytes of a row, at most: one that changes stands in a statement as it was and as it will be.
    max_item: u64,
    /// KiB of memory that transfers may still take.
    memory: Semaphore,
    /// All of it.
    most_memory: u64,
    /// What one part of an upload holds.
    part: u64,
    /// What is kept from one run to the next.
    shelves: Arc<dyn Shelves>,
    /// When its first upload was begun, in Unix seconds by the bucket's own clock.
    first_upload: OnceCell<i64>,
    /// What S3 says of a part tells whether it is what was passed on.
    passes: AtomicBool,
    /// Parts of files larger than a run that were sent and written down.
    carried: AtomicU64,
    /// A host wants to be left alone for longer than the run lasts: that costs no file an attempt.
    left_alone: AtomicBool,
    /// A batch was written: what is known of their time is no guess any more.
    measured: AtomicBool,
    /// The journal's objects, once they were listed.
    journal: OnceCell<Vec<String>>,
}

/// A batch: rows that were read, or the keys of rows that are to be read when it is written.
#[derive(Clone, Debug)]
pub struct Batch {
    what: What,
    pass_started: SystemTime,
}

#[derive(Clone, Debug)]
enum What {
    Rows(Arc<Vec<Row>>),
    Keys(Vec<Cursor>),
}

impl Files {
    /// From now on `$definition` is this digest.
    pub fn pinned_as(&mut self, digest: Option<String>) {
        if let Some(digest) = digest {
            self.pinned = digest;
        }
    }

    /// Uploads that do not end within a run are kept here, and what hosts bear, which is looked up now: never a reason to fail.
    pub async fn carry_over(&mut self, shelves: Arc<dyn Shelves>, limit: Duration) {
        self.shelves = shelves;
        if let Ok(Some(Kept { hosts })) = self.shelves.load(Shelf::Rate, "", limit).await {
            self.hosts.recall(hosts);
        }
    }

    /// Transfers may hold that many bytes at once.
    pub fn hold_at_most(&mut self, bytes: u64) {
        self.part = if bytes >= MEMORY { storing::PART } else { storing::LEAST_PART };
        // Less than one part would let nothing through.
        let kib = bytes.max(self.part).div_ceil(1024);
        self.memory = Semaphore::new(usize::try_from(kib).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS));
        self.most_memory = kib;
    }

    /// What the catalog says may turn out badly.
    pub fn warnings(&self) -> &[String] {
        self.walker.warnings()
    }

    /// SHA-256 of the table's columns, for the pinned definition.
    pub fn columns_digest(&self) -> String {
        self.walker.columns_digest(&self.definition.source.table)
    }

    /// Its database has but one session for all that works side by side.
    pub fn is_serial(&self) -> bool {
        self.walker.dialect() == crate::sql::Dialect::Sqlite
    }
}
