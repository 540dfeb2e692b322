//! A bucket is copied into another one: on one server by its own copy call, from one server to another through the process.
//!
//! [`walk`](walk) lists the source from the last key on, [`compare`](compare) tells whether a target is the same, [`look`](look) what
//! becomes of one that is not, [`copy`](copy) brings one object there ([`parts`](parts) a large one, [`across`](across) one between
//! servers), and [`losses`](losses) sees to what would be left behind. [`began`](began) is when it all began and what the target's server can do. [`access`](access) tries out what a run will need.
//! [`migration`](migration) is what the engine asks.

mod access;
mod across;
mod attributes;
mod began;
mod compare;
mod copy;
mod extra;
mod failure;
mod look;
mod losses;
mod migration;
mod paces;
mod parts;
mod plan;
mod verify;
mod walk;
mod write;

use crate::cursor::Cursor;
use crate::engine::shelves::{Nowhere, Shelves};
use crate::s3::{Bucket, Facts, Listed, S3};
use crate::spec::{BucketRef, ObjectsDefinition};
pub use access::Access;
use began::Began;
pub use plan::Survey;
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OnceCell, Semaphore};

/// Bytes of memory that transfers may hold, until somebody says how many there are.
const MEMORY: u64 = 64 << 20;
/// What milkrun itself keeps in a target bucket: nothing of it is ever copied or compared.
const OURS: &str = ".milkrun/";

/// A migration of kind `objects`.
pub struct Objects {
    definition: ObjectsDefinition,
    /// Where objects come from, as the source's role sees it, and where they go.
    source: S3,
    target: S3,
    /// The target as it is written to: no call is tried again without anybody knowing.
    writer: S3,
    from: Bucket,
    to: Bucket,
    /// What is kept from one run to the next.
    shelves: Arc<dyn Shelves>,
    began: OnceCell<Began>,
    /// Both buckets are on one server, which copies by itself.
    one_server: bool,
    /// KiB of memory that transfers between servers may still take.
    memory: Semaphore,
    /// Parts of objects larger than a run that have arrived.
    carried: AtomicU64,
    /// Targets whose uploads are under way.
    under_way: Mutex<HashSet<String>>,
    /// This run has counted more that is extra than may be deleted.
    refused: AtomicBool,
    /// What the source's bucket is like.
    facts: OnceCell<Facts>,
    /// What did not go along with objects of the batch, a line each.
    losses: Mutex<Vec<String>>,
}

/// A batch: objects that were listed, or the keys of objects that are looked up when it is written.
#[derive(Clone, Debug)]
pub struct Batch(What);

#[derive(Clone, Debug)]
enum What {
    Listed(Arc<Vec<Listed>>),
    /// The same of a sweep: they have no target, or another one.
    Lacking(Arc<Vec<Listed>>),
    Keys(Vec<Cursor>),
}

impl Objects {
    /// A migration between the buckets of a definition. Nothing is called before it runs.
    pub fn new(definition: &ObjectsDefinition, source: S3, target: S3) -> Self {
        let bucket = |place: &BucketRef| Bucket { name: place.bucket.clone(), owner: place.expected_owner.clone() };
        Self {
            from: bucket(&definition.source.place),
            to: bucket(&definition.target.place),
            one_server: definition.source.place.is_beside(&definition.target.place),
            definition: definition.clone(),
            source,
            writer: target.asked_once(),
            target,
            shelves: Arc::new(Nowhere),
            began: OnceCell::new(),
            memory: semaphore(MEMORY),
            carried: AtomicU64::new(0),
            under_way: Mutex::default(),
            refused: AtomicBool::new(false),
            facts: OnceCell::new(),
            losses: Mutex::default(),
        }
    }

    /// What does not end within a run is kept here, and what servers bear, which is looked up now: never a reason to fail.
    pub async fn carry_over(&mut self, shelves: Arc<dyn Shelves>, limit: Duration) {
        self.shelves = shelves;
        self.recall_paces(limit).await;
    }

    /// Transfers between servers may hold that many bytes at once.
    pub fn hold_at_most(&mut self, bytes: u64) {
        self.memory = semaphore(bytes.max(across::PART));
    }

    /// The key of an object's copy; `None`: the object is none of this migration's.
    fn target_key(&self, key: &str) -> Option<String> {
        let rest = key.strip_prefix(&self.definition.source.place.prefix)?;
        let target = format!("{}{rest}", self.definition.target.place.prefix);
        (!target.starts_with(OURS)).then_some(target)
    }

    /// The key of the object that a copy is made of.
    fn source_key(&self, key: &str) -> Option<String> {
        let rest = key.strip_prefix(&self.definition.target.place.prefix)?;
        (!key.starts_with(OURS)).then(|| format!("{}{rest}", self.definition.source.place.prefix))
    }

    fn side_by_side(&self) -> usize {
        usize::try_from(self.definition.target.copy.concurrency).unwrap_or(1)
    }

    fn under_way(&self) -> MutexGuard<'_, HashSet<String>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn further(&self) {
        self.carried.fetch_add(1, Ordering::Relaxed);
    }
}

fn semaphore(bytes: u64) -> Semaphore {
    Semaphore::new(usize::try_from(bytes.div_ceil(1024)).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS))
}
