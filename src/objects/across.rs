//! An object that goes from one server to another: read and written by this process, in one piece if it is small.

use super::Objects;
use super::copy::Stop;
use super::failure::Side;
use super::walk::left;
use crate::s3::{Checksum, Listed, Object};
use tokio::sync::SemaphorePermit;
use tokio::time::Instant;

/// Bytes of an object that goes in one piece, and of a part of a larger one.
pub(super) const PART: u64 = 8 << 20;

impl Objects {
    /// Carries an object in one piece. The tag of the copy.
    pub(super) async fn carry(&self, ours: &Listed, object: Object, deadline: Instant) -> Result<String, Stop> {
        let _memory = self.hold(ours.bytes, deadline).await?;
        let got = self.source.version(&self.from, &ours.key, &ours.etag, None, left(deadline)).await;
        let got = got.map_err(|error| Stop::of(Side::Source, &error))?;
        // Tags and ACL are those of a moment later. Of an object that changes in between, the copy has new ones and the old body until a sweep
        // finds that this is not its source's, and copies it again.
        let object = self.dressed(ours, &got.head, object, deadline).await?;
        let checksum = Checksum::of(&got.body);
        let put = self.writer.put(&object, got.body, checksum, left(deadline)).await;
        let put = put.map_err(|error| Stop::of(Side::Target, &error))?;
        self.leave_key(ours, got.head.kms_key.as_deref(), &put);
        Ok(put.etag.unwrap_or_default())
    }

    /// Waits for memory.
    pub(super) async fn hold(&self, bytes: u64, deadline: Instant) -> Result<SemaphorePermit<'_>, Stop> {
        let kib = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX);
        match tokio::time::timeout_at(deadline, self.memory.acquire_many(kib)).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(Stop::Time),
        }
    }
}
