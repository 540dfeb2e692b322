//! `source.inventory`: the first pass takes its objects from an S3 Inventory, in CSV, instead of listing the source.
//!
//! [`manifest`](manifest) says which data files there are and what stands in their columns, [`records`](records) cuts them into records and
//! [`columns`](columns) makes objects of these; [`reader`](reader) reads one file, from its start, [`window`](window) keeps what was read
//! of late, and [`place`](place) is a place in all of it. [`walk`](walk) is what the first pass and `verify` read, [`survey`](survey) and
//! [`access`](access) are for `plan`.
//!
//! An inventory is up to days old: what it says of an object is a reason to look at it, and no more.

mod access;
mod columns;
mod error;
mod manifest;
mod place;
mod reader;
mod records;
mod survey;
mod unpack;
mod walk;
mod window;

use super::Objects;
use super::compare::bare;
use super::walk::left;
use crate::s3::{Bucket, S3};
use crate::spec::ObjectRef;
use error::{InventoryError, What};
use manifest::Manifest;
pub(super) use place::item;
use tokio::sync::{Mutex, OnceCell};
use tokio::time::Instant;
pub(super) use walk::goes_by_inventory;
use window::Window;

/// Bytes of a manifest, at most: it names each data file in about 200 of them.
const MOST: u64 = 16 << 20;

/// What a run knows of an inventory.
#[derive(Default)]
pub(super) struct Inventory {
    manifest: OnceCell<Manifest>,
    /// What was read of late: the next batch goes on from there.
    window: Mutex<Window>,
}

/// An inventory, and how one gets there.
struct Stored<'a> {
    s3: &'a S3,
    bucket: Bucket,
    manifest: &'a Manifest,
}

impl Objects {
    /// Whether the first pass goes by an inventory.
    pub fn has_inventory(&self) -> bool {
        self.definition.source.inventory.is_some()
    }

    /// The inventory, as its manifest says it is: that manifest's tag is `pinned`, where a pass has begun with one.
    async fn stored(&self, pinned: Option<&str>, deadline: Instant) -> Result<Stored<'_>, InventoryError> {
        let Some(place) = &self.definition.source.inventory else { return Err(InventoryError::Nowhere) };
        let bucket = self.bucket_of(place);
        // Boxed: it is too large to be moved about.
        let read = Box::pin(self.inventory.manifest.get_or_try_init(|| self.read_manifest(&bucket, place, deadline)));
        let manifest = read.await?;
        if pinned.is_some_and(|pinned| pinned != manifest.tag) {
            return Err(InventoryError::Changed(What::Manifest));
        }
        Ok(Stored { s3: &self.source, bucket, manifest })
    }

    async fn read_manifest(
        &self,
        bucket: &Bucket,
        place: &ObjectRef,
        deadline: Instant,
    ) -> Result<Manifest, InventoryError> {
        let wrong = |error| InventoryError::of(What::Manifest, error);
        let head = self.source.head_of(bucket, &place.key, left(deadline)).await.map_err(wrong)?;
        let head = head.ok_or(InventoryError::Missing(What::Manifest))?;
        if head.bytes > MOST {
            return Err(InventoryError::NoManifest("it is larger than 16 MB".to_owned()));
        }
        let etag = head.etag.unwrap_or_default();
        let got = self.source.version(bucket, &place.key, &etag, None, left(deadline)).await.map_err(wrong)?;
        let manifest = Manifest::read(bare(&etag), &got.body)?;
        if manifest.source_bucket != self.from.name {
            let (theirs, ours) = (manifest.source_bucket, self.from.name.clone());
            return Err(InventoryError::OtherBucket { theirs, ours });
        }
        Ok(manifest)
    }

    /// The bucket that an inventory is in. Whose the source has to be says nothing of another bucket.
    fn bucket_of(&self, place: &ObjectRef) -> Bucket {
        let owner = self.from.owner.clone().filter(|_| place.bucket == self.from.name);
        Bucket { name: place.bucket.clone(), owner }
    }
}
