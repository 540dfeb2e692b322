//! A bucket is copied into another one: on one server by its own copy call, from one server to another through the process.
//!
//! [`walk`](walk) lists the source from the last key on, up to a [`bound`](bound), [`cutting`](cutting) finds out where it is cut into
//! shards, [`compare`](compare) tells whether a target is the same, [`look`](look) what becomes of one that is not, [`copy`](copy) brings
//! one object there ([`parts`](parts) a large one, which [`made`](made) knows again, [`across`](across) one between servers),
//! [`left_overs`](left_overs) gives up what killed runs have left of it, and [`losses`](losses) sees to what would be left behind,
//! [`acl`](acl) among it. [`verify`](verify) puts both listings side by side, and [`full_reads`](full_reads) reads both sides where that is
//! asked. [`began`](began) is when it all began and what the target's server can do. [`access`](access) tries out what a run
//! will need, [`statements`](statements) says what to paste where it is lacking, [`buckets`](buckets) what buckets keep from going along,
//! [`aftermath`](aftermath) what the target's does with copies by itself.
//! [`inventory`](inventory) is what the first pass may go by instead of a listing.
//! [`migration`](migration) is what the engine asks.

mod access;
mod acl;
mod across;
mod aftermath;
mod attributes;
mod began;
mod bound;
mod buckets;
mod compare;
mod copy;
mod cutting;
mod extra;
mod failure;
mod full_reads;
mod inventory;
mod left_overs;
mod look;
mod losses;
mod made;
mod migration;
mod paces;
mod parts;
mod plan;
mod statements;
mod verify;
mod walk;
mod write;

use crate::cursor::Cursor;
use crate::engine::shelves::{Nowhere, Shelves};
use crate::fault::{Class, Fault};
use crate::s3::{Bucket, Facts, Listed, S3};
use crate::spec::{BucketRef, ObjectsDefinition};
pub use access::Access;
use began::Began;
pub use plan::Survey;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};
use tokio::time::Instant;

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
    /// Objects that may still be worked on side by side, by all lanes of a run together.
    at_once: Semaphore,
    /// Objects that may still be looked at side by side by reads and counts of all lanes, which do not wait until a large object is copied.
    looks: Semaphore,
    /// KiB of memory that transfers between servers may still take.
    memory: Semaphore,
    /// Objects of which parts have arrived, until their batch has heard of it.
    carried: Mutex<HashSet<String>>,
    /// Targets whose uploads are under way.
    under_way: Mutex<HashSet<String>>,
    /// This run has counted more that is extra than may be deleted.
    refused: AtomicBool,
    /// What the first pass goes by, if not by a listing.
    inventory: inventory::Inventory,
    /// What the source's bucket is like.
    facts: OnceCell<Facts>,
    /// Whose copies are; `None`: the target's bucket keeps no ACL.
    keeper: OnceCell<Option<String>>,
    /// `verify` reads every object on both sides.
    in_full: bool,
    /// What did not go along with objects, until their batch has written it down: lines, by key.
    losses: Mutex<HashMap<String, String>>,
}

/// A batch: objects that were listed or stand in an inventory, or the keys of objects that are looked up when it is written.
#[derive(Clone, Debug)]
pub struct Batch(What);

#[derive(Clone, Debug)]
enum What {
    Listed(Arc<Vec<Listed>>),
    /// The same as an inventory knew them, days ago perhaps.
    Dated(Arc<Vec<Listed>>),
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
            at_once: Semaphore::new(at_once(definition)),
            looks: Semaphore::new(at_once(definition)),
            memory: semaphore(MEMORY),
            carried: Mutex::default(),
            under_way: Mutex::default(),
            refused: AtomicBool::new(false),
            inventory: inventory::Inventory::default(),
            facts: OnceCell::new(),
            keeper: OnceCell::new(),
            in_full: false,
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

    /// From now on `verify` reads every object on both sides, or goes by what listings, ledger and S3 say.
    pub fn read_in_full(&mut self, whether: bool) {
        self.in_full = whether;
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

    /// Objects that one lane has under way: as many as all of them together may have.
    fn side_by_side(&self) -> usize {
        at_once(&self.definition)
    }

    /// Waits until one more object may be worked on. It is never waited for by whoever has one.
    async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed.
        self.at_once.acquire().await.ok()
    }

    /// Waits until one more object may be looked at, by whoever has no turn.
    async fn turn_to_look(&self, deadline: Instant) -> Result<SemaphorePermit<'_>, Fault> {
        match tokio::time::timeout_at(deadline, self.looks.acquire()).await {
            Ok(Ok(turn)) => Ok(turn),
            _ => Err(Fault::new(Class::Unfinished, "other lanes took all the time that there was to look at objects")),
        }
    }

    fn under_way(&self) -> MutexGuard<'_, HashSet<String>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A part of an object has arrived.
    fn further(&self, key: &str) {
        self.carried.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned());
    }

    /// Whether a part of one of these has arrived since this was asked last.
    fn came_further(&self, objects: &[Listed]) -> bool {
        let mut carried = self.carried.lock().unwrap_or_else(PoisonError::into_inner);
        // Of each one, so that none is left.
        objects.iter().filter(|object| carried.remove(&object.key)).count() > 0
    }
}

fn at_once(definition: &ObjectsDefinition) -> usize {
    usize::try_from(definition.target.copy.concurrency).unwrap_or(1)
}

fn semaphore(bytes: u64) -> Semaphore {
    Semaphore::new(usize::try_from(bytes.div_ceil(1024)).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS))
}
