//! The bucket's side of a transfer: an object in one request or in parts, never over another one, and read back.

use super::Files;
use super::content::Said;
use super::digests::{Digested, Digests};
use super::failure::Failure;
use super::strays;
use super::transfer::Job;
use crate::s3::{Object, Part, S3Error, Upload, is_md5};
use bytes::Bytes;
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

/// Bytes of a part, where there is memory for some of them.
pub(super) const PART: u64 = 8 << 20;
/// The least that S3 takes as a part that is not the last.
pub(super) const LEAST_PART: u64 = 5 << 20;
/// Parts of an object, at most.
pub(super) const PARTS: u64 = 10_000;
/// What is written beside an object that came in one request: SHA-256 of its bytes, in hex.
pub(super) const SHA256: &str = "milkrun-sha256";
/// The run that made an object.
pub(super) const RUN: &str = "milkrun-run";
/// A call to the bucket, at most.
const CALL: Duration = Duration::from_mins(1);

/// What an object of the bucket is, held against what was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Compared {
    /// The same bytes; the run that made it, as it says itself.
    Same(Option<String>),
    /// Others, which came from the same URL of the same row.
    OthersOfSameSource,
    /// Others.
    Others,
    /// There is none.
    Missing,
}

impl Files {
    /// Where a file goes, and what is said of it there.
    pub(super) fn object(&self, job: &Job<'_>, key: String, said: &Said) -> Object {
        let target = &self.definition.target;
        let marks = self.marks(job).into_iter().chain([(RUN, job.run.to_owned())]);
        Object {
            bucket: target.bucket.clone(),
            key,
            content_type: said.content_type.clone(),
            content_disposition: said.disposition.clone(),
            content_language: said.language.clone(),
            cache_control: target.cache_control.clone(),
            storage_class: target.storage_class.clone(),
            kms_key: target.kms_key.clone(),
            metadata: marks.map(|(name, value)| (name.to_owned(), value)).collect(),
            ..Object::default()
        }
    }

    /// Stores a whole file in one request; the run that made the object, which may have been an earlier one. What S3 says that it has got
    /// is held against what was sent, or the object is read back.
    pub(super) async fn store(
        &self,
        mut object: Object,
        body: Bytes,
        digested: &Digested,
        deadline: Instant,
    ) -> Result<Option<String>, Failure> {
        object.metadata.insert(SHA256.to_owned(), digested.sha256());
        match self.s3.put(&object, body, digested.crc, left(deadline)).await {
            // It was never told the MD5: it has computed it of what arrived.
            Ok(stored) if is_md5(stored.etag.as_deref(), &digested.md5) => Ok(object.metadata.get(RUN).cloned()),
            Ok(_) => self.verified(&object, digested, deadline).await,
            Err(S3Error::Exists { .. }) => self.existing(&object, digested, deadline).await,
            Err(error) => Err(self.refused(&error, deadline)),
        }
    }

    /// Sends a part.
    pub(super) async fn send(
        &self,
        upload: &Upload,
        number: usize,
        body: Bytes,
        deadline: Instant,
    ) -> Result<Part, Failure> {
        let sent = self.s3.put_part(upload, number_of(number)?, body, left(deadline)).await;
        sent.map_err(|error| self.lost(&error, deadline))
    }

    /// Makes an object of the parts, and reads it back; as [`Files::store`].
    pub(super) async fn complete(
        &self,
        upload: &Upload,
        parts: &[Part],
        digested: &Digested,
        deadline: Instant,
    ) -> Result<Option<String>, Failure> {
        match self.s3.complete_upload(upload, parts, left(deadline)).await {
            Ok(_) => self.verified(&upload.object, digested, deadline).await,
            Err(S3Error::Exists { .. }) => {
                self.give_up(upload).await;
                self.existing(&upload.object, digested, deadline).await
            }
            // The reply to a completion that succeeded may be what was lost.
            Err(error) => match self.compare(&upload.object, digested, deadline).await {
                Ok(Compared::Same(made)) => Ok(made),
                _ => Err(self.lost(&error, deadline)),
            },
        }
    }

    /// An object that was just written has to be what was sent.
    async fn verified(
        &self,
        object: &Object,
        digested: &Digested,
        deadline: Instant,
    ) -> Result<Option<String>, Failure> {
        match self.compare(object, digested, deadline).await? {
            Compared::Same(made) => Ok(made),
            _ => Err(Failure::file("mismatch", "the object was read back, and is not what was sent")),
        }
    }

    /// An object that was there before may be what a killed run has left, or another row's.
    async fn existing(
        &self,
        object: &Object,
        digested: &Digested,
        deadline: Instant,
    ) -> Result<Option<String>, Failure> {
        match self.compare(object, digested, deadline).await? {
            Compared::Same(made) => Ok(made),
            Compared::OthersOfSameSource => Err(Failure::file(
                "unstable",
                "its server gave other bytes for the same URL before: ask for the original by `rewrite`, or delete the object if \
                 the file has really changed",
            )),
            Compared::Others => Err(Failure::file(
                "conflict",
                "an object with its key exists already and holds other bytes: tell them apart by the key's template",
            )),
            Compared::Missing => Err(Failure::File {
                class: "server",
                message: "the object was deleted while it was written".to_owned(),
                passes: true,
                slows: None,
            }),
        }
    }

    /// By size and S3's own checksum, or by all of its bytes where there is none of the whole.
    pub(super) async fn compare(
        &self,
        object: &Object,
        digested: &Digested,
        deadline: Instant,
    ) -> Result<Compared, Failure> {
        let head = self.s3.head(&object.bucket, &object.key, left(deadline)).await;
        let Some(head) = head.map_err(|error| self.refused(&error, deadline))? else { return Ok(Compared::Missing) };
        let same = head.bytes == digested.bytes
            && (head.checksum == Some(digested.crc)
                || is_md5(head.etag.as_deref(), &digested.md5)
                // Not every server that keeps one keeps that of the whole.
                || self.read_back(&object.bucket, &object.key, deadline).await?.sha256 == digested.sha256);
        Ok(match (same, is_ours(&head.metadata, &object.metadata)) {
            (true, _) => Compared::Same(head.metadata.get(RUN).cloned()),
            (false, true) => Compared::OthersOfSameSource,
            (false, false) => Compared::Others,
        })
    }

    /// All bytes of an object.
    pub(super) async fn read_back(&self, bucket: &str, key: &str, deadline: Instant) -> Result<Digested, Failure> {
        let mut digests = Digests::default();
        let read = self.s3.read(bucket, key, |chunk| {
            digests.update(chunk);
            Ok(())
        });
        match tokio::time::timeout_at(deadline, Box::pin(read)).await {
            Err(_) => Err(Failure::Time),
            Ok(Err(error)) => Err(self.refused(&error, deadline)),
            Ok(Ok(())) => Ok(digests.finish()),
        }
    }

    /// What the bucket said; where it had no more time to answer, that is why, unless it has never said anything.
    pub(super) fn refused(&self, error: &S3Error, deadline: Instant) -> Failure {
        let cut_short = is_over(deadline) && matches!(error, S3Error::Late { .. }) && self.s3.has_answered();
        if cut_short { Failure::Time } else { Failure::of_bucket(error) }
    }

    /// The bucket took nothing any more, or did not answer.
    pub(super) fn silent(&self, deadline: Instant) -> Failure {
        let place = format!("s3://{}", self.definition.target.bucket);
        self.refused(&S3Error::Late { place, action: "s3:PutObject", limit: CALL }, deadline)
    }

    /// The same of an upload, which another run may have given up.
    pub(super) fn lost(&self, error: &S3Error, deadline: Instant) -> Failure {
        match error {
            S3Error::Missing { .. } if !is_over(deadline) => Failure::File {
                class: "server",
                message: "the upload was given up by somebody else".to_owned(),
                passes: true,
                slows: None,
            },
            _ => self.refused(error, deadline),
        }
    }
}

/// The number of a part.
pub(super) fn number_of(number: usize) -> Result<i32, Failure> {
    let number = i32::try_from(number).ok().filter(|number| u64::try_from(*number).is_ok_and(|it| it <= PARTS));
    number.ok_or_else(|| {
        Failure::file("too_large", "it has more parts than S3 takes, and its server does not say how long it is")
    })
}

/// Whether an object was made of the same URL of the same row, by what was written beside it.
pub(super) fn is_ours(theirs: &HashMap<String, String>, ours: &HashMap<String, String>) -> bool {
    let marks = [strays::MIGRATION, strays::SOURCE, strays::ROW];
    marks.iter().all(|name| theirs.get(*name).is_some() && theirs.get(*name) == ours.get(*name))
}

/// Whether so little is left that what failed failed for want of time.
fn is_over(deadline: Instant) -> bool {
    Instant::now() + Duration::from_millis(50) >= deadline
}

/// What a call may take.
pub(super) fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now()).clamp(Duration::from_millis(200), CALL)
}
