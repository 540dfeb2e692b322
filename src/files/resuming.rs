//! A file that is more than one part: sent part by part in their order and, where its server can give out the rest of it alone, gone on
//! with by the next run where this one ends.

use super::Files;
use super::begun::Begun;
use super::content::{self, Said};
use super::digests::{Digested, Digests};
use super::failure::Failure;
use super::filling::{Filling, is_rest};
use super::journal::Moved;
use super::passing::{Coming, PASSING};
use super::storing::left;
use super::transfer::{Job, moved};
use crate::digest;
use crate::http::Resume;
use crate::s3::{Object, Part, Upload};
use bytes::Bytes;
use hyper::header::HeaderMap;
use std::sync::atomic::Ordering;
use tokio::time::Instant;

/// Files of fewer parts are not worth a record: they begin anew.
const WORTH_IT: u64 = 4;

/// An upload and what is known of it.
pub(super) struct Carried {
    pub(super) upload: Upload,
    pub(super) parts: Vec<Part>,
    pub(super) part: u64,
    /// The length of the whole, if parts are sent while they come.
    pub(super) streamed: Option<u64>,
    /// What is kept of it; `None`: nothing, it has to arrive within this run.
    pub(super) begun: Option<Begun>,
}

impl Files {
    /// What may be kept of an upload, if the rest of its file can be asked for alone and by another run.
    pub(super) fn keepable(
        &self,
        job: Job<'_>,
        upload: &Upload,
        filling: &Filling<'_>,
        (length, part): (Option<u64>, u64),
        content_type: Option<String>,
    ) -> Option<Begun> {
        let small = length.is_some_and(|length| length < part * WORTH_IT) && !upload.streamed;
        if small || !self.naming.is_told_by(&job.link.url) {
            return None;
        }
        Some(Begun {
            id: upload.id.clone(),
            source: digest::sha256(&job.link.url),
            etag: filling.etag.clone()?,
            length,
            content_type,
            part,
            streamed: upload.streamed,
            parts: 0,
            digests: Digests::default().save(),
        })
    }

    /// Sends all parts that are left, makes an object of them and reads it back.
    pub(super) async fn carry(
        &self,
        job: Job<'_>,
        mut carried: Carried,
        (first, filling): (Bytes, Option<Filling<'_>>),
        (headers, expected): (&HeaderMap, Option<Digested>),
        deadline: Instant,
    ) -> Result<Moved, Failure> {
        let sent = Box::pin(self.send_all(job, &mut carried, (first, filling), (headers, expected), deadline)).await;
        let digested = match sent {
            Ok(digested) => digested,
            Err(failure) => return Err(self.put_down(&carried, failure, deadline).await),
        };
        match self.complete(&carried.upload, &carried.parts, &digested, deadline).await {
            Ok(made) => {
                // The object is there; what could not be tidied up is no fault of it.
                let _ = self.give_up_others(&carried.upload.object, deadline).await;
                if carried.begun.is_some() {
                    self.forget(&carried.upload.object.key, deadline).await?;
                }
                Ok(moved(job, carried.upload.object.key, &digested, made))
            }
            Err(failure) => Err(self.put_down(&carried, failure, deadline).await),
        }
    }

    async fn send_all(
        &self,
        job: Job<'_>,
        carried: &mut Carried,
        (first, filling): (Bytes, Option<Filling<'_>>),
        (headers, expected): (&HeaderMap, Option<Digested>),
        deadline: Instant,
    ) -> Result<Digested, Failure> {
        let mut digests = Digests::default();
        if let Some(begun) = &carried.begun {
            digests = Digests::resume(&begun.digests).ok_or(Failure::Time)?;
        }
        if let Some(mut filling) = filling {
            let mut first = Some(first);
            while let Some(part) = self.send_next(carried, (&mut first, &mut filling, &mut digests), deadline).await? {
                carried.parts.push(part);
                if let Some(begun) = &mut carried.begun {
                    (begun.parts, begun.digests) = (carried.parts.len(), digests.save());
                    self.keep(&carried.upload.object.key, begun, deadline).await?;
                    // What is kept is progress: the next run has less to do.
                    self.carried.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        let digested = digests.finish();
        self.judge(job, headers, &digested)?;
        if expected.is_some_and(|expected| expected != digested) {
            return Err(Failure::file("unstable", "its server gave other bytes for the same URL a moment before"));
        }
        Ok(digested)
    }

    /// Sends the next part; `None`: there is none. `first` is what is here of it already.
    async fn send_next(
        &self,
        carried: &Carried,
        (first, filling, digests): (&mut Option<Bytes>, &mut Filling<'_>, &mut Digests),
        deadline: Instant,
    ) -> Result<Option<Part>, Failure> {
        let (number, first) = (carried.parts.len() + 1, first.take());
        if let Some(length) = carried.streamed {
            let next = length.saturating_sub(digests.bytes()).min(carried.part);
            if next == 0 {
                // A server that says one length and sends another one is not believed.
                return match filling.piece(1).await? {
                    None => Ok(None),
                    Some(_) => Err(Failure::file("server", "its server sent more than it had promised")),
                };
            }
            let coming = Coming { first: first.unwrap_or_default(), filling, digests };
            return Ok(Some(self.pass_on(&carried.upload, number, coming, next, deadline).await?));
        }
        let body = match first {
            Some(body) => body,
            None if filling.ended => return Ok(None),
            None => filling.fill(carried.part, carried.part).await?,
        };
        if body.is_empty() {
            return Ok(None);
        }
        digests.update(&body);
        Ok(Some(self.send(&carried.upload, number, body, deadline).await?))
    }

    /// Leaves an upload for the next run where that can go on with it; otherwise gives it up.
    async fn put_down(&self, carried: &Carried, failure: Failure, deadline: Instant) -> Failure {
        let kept = carried.begun.as_ref().is_some_and(|begun| begun.parts > 0);
        let for_later = matches!(failure, Failure::Time) || failure.passes();
        if kept && for_later {
            return failure;
        }
        self.give_up(&carried.upload).await;
        if carried.begun.is_some()
            && let Err(Failure::Storage(fault)) = self.forget(&carried.upload.object.key, deadline).await
        {
            tracing::warn!(migration = %self.definition.name, "an upload was given up and not forgotten: {fault}");
        }
        failure
    }

    /// Goes on with an upload that an earlier run or attempt has left. `None`: there is none, or its file has changed, and it is begun
    /// anew.
    pub(super) async fn go_on(&self, job: Job<'_>, asked: &str, deadline: Instant) -> Result<Option<Moved>, Failure> {
        if !self.naming.is_told_by(&job.link.url) {
            return Ok(None);
        }
        let object = self.named(job, &Said::default(), None)?;
        let Some(begun) = self.begun(&object.key, deadline).await? else { return Ok(None) };
        let object = Object { content_type: begun.content_type.clone(), ..object };
        let upload = Upload { object, id: begun.id.clone(), streamed: begun.streamed };
        let Some(digests) = Digests::resume(&begun.digests) else {
            return self.anew(&upload, "its digests cannot be read", deadline).await;
        };
        let received = digests.bytes();
        let parts = match self.s3.parts(&upload, left(deadline)).await {
            Ok(parts) => parts,
            Err(crate::s3::S3Error::Missing { .. }) => return self.anew(&upload, "it is gone", deadline).await,
            Err(error) => return Err(self.refused(&error, deadline)),
        };
        // One more may have arrived than was written down: it is sent again.
        let mut parts: Vec<Part> = parts.into_iter().take(begun.parts).collect();
        if begun.streamed {
            // As it was begun: without checksums of parts, whatever S3 lists of them.
            for part in &mut parts {
                part.checksum = None;
            }
        }
        let whole = parts.len() == begun.parts
            && parts.iter().map(|part| part.bytes).sum::<u64>() == received
            && parts.iter().zip(1..).all(|(part, number)| part.number == number);
        if !whole || begun.source != digest::sha256(&job.link.url) {
            return self.anew(&upload, "its parts are not those that were sent", deadline).await;
        }
        let (part, length) = (begun.part, begun.length);
        let held = if begun.streamed { PASSING } else { part };
        if held.div_ceil(1024) > self.most_memory {
            return self.anew(&upload, "its parts need more memory than there is", deadline).await;
        }
        let _memory = self.hold(held, deadline).await?;
        let streamed = length.filter(|_| begun.streamed);
        let carried = Carried { upload, parts, part, streamed, begun: Some(begun.clone()) };
        if length == Some(received) {
            let none = (Bytes::new(), None);
            let headers = HeaderMap::new();
            return Ok(Some(self.carry(job, carried, none, (&headers, None), deadline).await?));
        }
        let resume = Resume { from: received, etag: begun.etag };
        let answer = match self.answer(asked, Some(&resume), deadline).await {
            Ok(answer) => answer,
            Err(failure) => return Err(self.put_down(&carried, failure, deadline).await),
        };
        if !is_rest(&answer, received, length) {
            return self.anew(&carried.upload, "its file has changed", deadline).await;
        }
        if let Err(wrong) = content::check_head(&answer.headers, &self.definition.target.content_types) {
            return Err(self.put_down(&carried, wrong.into(), deadline).await);
        }
        let headers = answer.headers.clone();
        let mut filling = Filling::new(self, asked, answer, deadline);
        filling.received = received;
        let first = match carried.streamed {
            Some(_) => Bytes::new(),
            None => match filling.fill(part, part).await {
                Ok(first) => first,
                Err(failure) => return Err(self.put_down(&carried, failure, deadline).await),
            },
        };
        Ok(Some(self.carry(job, carried, (first, Some(filling)), (&headers, None), deadline).await?))
    }

    async fn anew(&self, upload: &Upload, why: &str, deadline: Instant) -> Result<Option<Moved>, Failure> {
        tracing::info!(migration = %self.definition.name, "an upload is begun anew: {why}");
        self.give_up(upload).await;
        self.forget(&upload.object.key, deadline).await?;
        Ok(None)
    }
}
