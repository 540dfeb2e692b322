//! One data file, read from its start in pieces: one version of it, and in the end by its MD5 the one that the manifest names.

use super::Stored;
use super::error::{InventoryError, What};
use super::manifest::DataFile;
use super::unpack::{Row, Unpack};
use crate::hex;
use crate::objects::compare::bare;
use crate::objects::walk::left;
use bytes::Bytes;
use md5::Digest as _;
use std::collections::VecDeque;
use tokio::time::Instant;

/// Bytes that are asked for at once.
const PIECE: u64 = 2 << 20;
/// Bytes that are unpacked at once: what comes out stays small, however well they were packed.
const SIP: usize = 16 << 10;

/// A data file that is being read.
pub(super) struct Reader {
    number: usize,
    file: DataFile,
    etag: String,
    /// Bytes that have come.
    come: u64,
    /// Those of them that are not unpacked yet.
    waiting: Bytes,
    digest: md5::Md5,
    unpack: Unpack,
    over: bool,
}

impl Reader {
    /// Opens the data file at a place of the manifest, which has to have the tag `pinned`, where a run has read it before.
    pub(super) async fn open(
        from: &Stored<'_>,
        number: usize,
        pinned: Option<&str>,
        deadline: Instant,
    ) -> Result<Self, InventoryError> {
        let what = What::File(number);
        let file = from.manifest.files.get(number).ok_or(InventoryError::Missing(what))?.clone();
        let head = from.s3.head_of(&from.bucket, &file.key, left(deadline)).await;
        let head = head.map_err(|error| InventoryError::of(what, error))?.ok_or(InventoryError::Missing(what))?;
        let etag = head.etag.unwrap_or_default();
        if pinned.is_some_and(|pinned| pinned != bare(&etag)) {
            return Err(InventoryError::Changed(what));
        }
        if head.bytes != file.size || file.size == 0 {
            return Err(InventoryError::Damaged(what));
        }
        Ok(Self {
            number,
            file,
            etag,
            come: 0,
            waiting: Bytes::new(),
            digest: md5::Md5::default(),
            unpack: Unpack::new(number),
            over: false,
        })
    }

    /// Its tag, without quotes.
    pub(super) fn tag(&self) -> &str {
        bare(&self.etag)
    }

    /// It was read to its end, and is what the manifest says.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// Bytes of it that were unpacked.
    pub(super) fn unpacked(&self) -> u64 {
        self.come - self.waiting.len() as u64
    }

    /// Reads on, a little: the rows of records behind the first `skip` are added to `rows`, perhaps none.
    pub(super) async fn more(
        &mut self,
        from: &Stored<'_>,
        skip: u64,
        rows: &mut VecDeque<Row>,
        deadline: Instant,
    ) -> Result<(), InventoryError> {
        // Unpacking takes its time: whoever else is at work gets some of it.
        tokio::task::yield_now().await;
        if self.waiting.is_empty() && self.come < self.file.size {
            self.fetch(from, deadline).await?;
        }
        let packed = self.waiting.split_to(SIP.min(self.waiting.len()));
        let last = self.waiting.is_empty() && self.come == self.file.size;
        self.unpack.take(&packed, last, &from.manifest.columns, skip, rows)?;
        self.over = last;
        Ok(())
    }

    /// Asks for the next piece.
    async fn fetch(&mut self, from: &Stored<'_>, deadline: Instant) -> Result<(), InventoryError> {
        let what = What::File(self.number);
        let end = (self.come + PIECE).min(self.file.size);
        let got = from.s3.version(&from.bucket, &self.file.key, &self.etag, Some(self.come..end), left(deadline)).await;
        let body = got.map_err(|error| InventoryError::of(what, error))?.body;
        if body.len() as u64 != end - self.come {
            return Err(InventoryError::Damaged(what));
        }
        self.digest.update(&body);
        // Before the last of it is believed; of a small file that is all.
        if end == self.file.size {
            let md5 = hex::encode(&self.digest.clone().finalize());
            if !md5.eq_ignore_ascii_case(&self.file.md5) {
                return Err(InventoryError::Damaged(what));
            }
        }
        (self.come, self.waiting) = (end, body);
        Ok(())
    }
}
