//! One file from its server into the bucket: fetched through the guard, digested in one pass, stored, read back. What passes by
//! itself is tried again for as long as the run has time.

use super::Files;
use super::content::{self, LOOKED_AT, Said};
use super::digests::{Digested, Digests};
use super::failure::Failure;
use super::filling::Filling;
use super::journal::Moved;
use super::naming::Known;
use super::passing::PASSING;
use super::resuming::Carried;
use super::row::{Link, Row};
use super::storing::{PARTS, RUN, SHA256, is_ours, left};
use crate::http::{Answer, Resume};
use crate::s3::{Checksum, Head, Object};
use hyper::header::HeaderMap;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::SemaphorePermit;
use tokio::time::{Instant, timeout_at};

/// How often a file is tried before it is set aside, where its server does not ask for patience.
const ATTEMPTS: u32 = 4;
/// The waits between attempts.
const WAIT: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// A file that is to be moved.
#[derive(Clone, Copy)]
pub(super) struct Job<'a> {
    pub(super) row: &'a Row,
    pub(super) link: &'a Link,
    /// All links of the row, this one among them.
    pub(super) links: &'a [Link],
    /// The invocation's id.
    pub(super) run: &'a str,
    /// A run was killed, or ran out of time, where this may have been moved already.
    pub(super) recovered: bool,
}

impl Files {
    /// Moves a file.
    pub(super) async fn bring(&self, job: Job<'_>, deadline: Instant) -> Result<Moved, Failure> {
        let asked = self.asked(job.link)?;
        let host = self.hosts.of(&asked);
        if let Some(moved) = self.found(job, deadline).await? {
            return Ok(moved);
        }
        let (mut wait, mut attempts) = (WAIT.0, 0);
        loop {
            let failure = {
                let Ok(Ok(_slot)) = timeout_at(deadline, self.transfers.acquire()).await else {
                    return Err(Failure::Time);
                };
                let Some(_turn) = host.turn(deadline).await else {
                    if host.is_alone_until(deadline) {
                        self.left_alone.store(true, Ordering::Relaxed);
                    }
                    return Err(Failure::Time);
                };
                let again = job.recovered || attempts > 0;
                let gone_on = if again { Box::pin(self.go_on(job, &asked, deadline)).await } else { Ok(None) };
                let brought = match gone_on {
                    Ok(None) => Box::pin(self.attempt(job, &asked, deadline)).await,
                    Ok(Some(moved)) => Ok(moved),
                    Err(failure) => Err(failure),
                };
                match brought {
                    Ok(moved) => {
                        host.answered();
                        return Ok(moved);
                    }
                    Err(failure) => failure,
                }
            };
            match &failure {
                Failure::File { slows: Some(slow), .. } => host.refused(slow.alone),
                // Each of these has cost a part of the run.
                Failure::File { class: "timeout", .. } => attempts += 2,
                Failure::File { .. } => {
                    host.answered();
                    attempts += 1;
                }
                Failure::Storage(_) => attempts += 1,
                Failure::Time => {}
            }
            if !failure.passes() || attempts >= ATTEMPTS {
                return Err(failure);
            }
            let pause = wait.mul_f64(0.5 + rand::random::<f64>());
            if Instant::now() + pause >= deadline {
                // A bucket that could not be had until the end is the invocation's failure, not want of time.
                return Err(if matches!(failure, Failure::Storage(_)) { failure } else { Failure::Time });
            }
            tokio::time::sleep(pause).await;
            wait = (wait * 2).min(WAIT.1);
        }
    }

    /// What is asked for instead of what the row says.
    pub(super) fn asked(&self, link: &Link) -> Result<String, Failure> {
        let rewrite = self.definition.source.files.get(link.file).and_then(|file| file.rewrite.as_ref());
        let Some(rewrite) = rewrite else { return Ok(link.url.clone()) };
        let expression = self.rewrites.get(link.file).and_then(Option::as_ref);
        let expression =
            expression.ok_or_else(|| Failure::file("poison", "`rewrite` is no regular expression: correct it"))?;
        Ok(expression.replace(&link.url, rewrite.to.as_str()).into_owned())
    }

    /// What an earlier run has brought of the same row and URL: an object is made of nothing less than all bytes, and only after they
    /// were held against what is known of them. `None`: it has to be fetched.
    async fn found(&self, job: Job<'_>, deadline: Instant) -> Result<Option<Moved>, Failure> {
        // What the row knows of the bytes now may not be what it knew then: they are fetched, and held against it, again.
        if !job.recovered || !self.naming.is_told_by(&job.link.url) || !self.known_digests(job).is_empty() {
            return Ok(None);
        }
        let object = self.named(job, &Said::default(), None)?;
        let head = self.s3.head(&object.bucket, &object.key, left(deadline)).await;
        let head = head.map_err(|error| self.refused(&error, deadline))?;
        let Some(head) = head.filter(|head| is_ours(&head.metadata, &object.metadata)) else { return Ok(None) };
        // S3 has compared what it got with its checksum. Where it keeps none nobody has, for whoever wrote it may have been killed.
        if head.checksum.is_none() && !self.is_as_sent(&object, &head, deadline).await? {
            return Ok(None);
        }
        Ok(Some(Moved {
            from: job.link.url.clone(),
            key: object.key,
            bytes: head.bytes,
            sha256: head.metadata.get(SHA256).cloned(),
            crc64nvme: head.checksum.map(Checksum::text),
            made: head.metadata.get(RUN).cloned(),
        }))
    }

    /// Whether an object holds the bytes of which the digest stands beside it. Where none does it came in parts, each of which was compared
    /// when it was sent.
    async fn is_as_sent(&self, object: &Object, head: &Head, deadline: Instant) -> Result<bool, Failure> {
        let Some(sent) = head.metadata.get(SHA256) else { return Ok(true) };
        let read = Box::pin(self.read_back(&object.bucket, &object.key, deadline)).await?;
        Ok(read.sha256() == *sent)
    }

    async fn attempt(&self, job: Job<'_>, asked: &str, deadline: Instant) -> Result<Moved, Failure> {
        let answer = self.answer(asked, None, deadline).await?;
        let target = &self.definition.target;
        content::check_head(&answer.headers, &target.content_types)?;
        let said = Said::of(&answer.headers);
        let part = self.part_of(answer.length)?;
        let length = answer.length;
        // A file that breaks off may look as if it had ended.
        let is_sure = answer.ends || !self.known_digests(job).is_empty();
        let need = length.map_or(part, |length| length.min(part)).max(1);
        // Where parts of others leave no room, those of a file of known length are passed on while they come.
        let passes = answer.etag.is_some() && !self.naming.needs_digest() && self.passes.load(Ordering::Relaxed);
        let may_pass = length.filter(|length| *length > part && passes);
        let (_memory, streamed) = match (self.hold_some(need), may_pass) {
            (Some(memory), _) => (memory, None),
            (None, Some(length)) => (self.hold(PASSING, deadline).await?, Some(length)),
            (None, None) => (self.hold(need, deadline).await?, None),
        };
        let headers = answer.headers.clone();
        let mut filling = Filling::new(self, asked, answer, deadline);
        let first = match streamed {
            Some(_) => filling.fill(LOOKED_AT as u64, LOOKED_AT as u64).await?,
            None => filling.fill(need, part).await?,
        };
        content::check_start(first.get(..LOOKED_AT).unwrap_or(&first), said.essence(), asked)?;
        if filling.ended {
            let mut digests = Digests::default();
            digests.update(&first);
            let digested = digests.finish();
            self.judge(job, &headers, &digested)?;
            if !is_sure {
                Box::pin(self.compare_again(asked, &digested, deadline)).await?;
            }
            let object = self.named(job, &said, Some(&digested.sha256()))?;
            let key = object.key.clone();
            let made = self.store(object, first, &digested, deadline).await?;
            return Ok(moved(job, key, &digested, made));
        }
        let mut expected = None;
        let mut first = first;
        if self.naming.needs_digest() || !is_sure {
            // Its key, or its end, is not known before all of it was seen, and all of it cannot be kept.
            let mut digests = Digests::default();
            digests.update(&first);
            drop(first);
            let digested = filling.rest(digests).await?;
            self.judge(job, &headers, &digested)?;
            filling = Filling::new(self, asked, self.answer(asked, None, deadline).await?, deadline);
            first = filling.fill(need, part).await?;
            expected = Some(digested);
        }
        let object = self.named(job, &said, expected.as_ref().map(Digested::sha256).as_deref())?;
        let upload = self.begin(&object, streamed.is_some(), deadline).await?;
        let begun = self.keepable(job, &upload, &filling, (length, part), said.content_type);
        let carried = Carried { upload, parts: Vec::new(), part, streamed, begun };
        self.carry(job, carried, (first, Some(filling)), (&headers, expected), deadline).await
    }

    pub(super) async fn answer(
        &self,
        asked: &str,
        resume: Option<&Resume>,
        deadline: Instant,
    ) -> Result<Answer, Failure> {
        match timeout_at(deadline, Box::pin(self.fetcher.get(asked, resume))).await {
            Err(_) => Err(Failure::Time),
            Ok(answer) => Ok(answer?),
        }
    }

    pub(super) fn named(&self, job: Job<'_>, said: &Said, digest: Option<&str>) -> Result<Object, Failure> {
        let known = Known { url: &job.link.url, number: job.link.number, content_type: said.essence(), digest };
        let key = self.naming.key(&known, |name| job.row.value(&self.columns, name))?;
        Ok(self.object(&job, key, said))
    }

    /// Waits for room in memory.
    pub(super) async fn hold(&self, bytes: u64, deadline: Instant) -> Result<SemaphorePermit<'_>, Failure> {
        match timeout_at(deadline, self.memory.acquire_many(kib(bytes))).await {
            Ok(Ok(held)) => Ok(held),
            _ => Err(Failure::Time),
        }
    }

    /// Room for a part, unless it were to be waited for, or half of all is taken already: the other half is for what is passed on.
    fn hold_some(&self, bytes: u64) -> Option<SemaphorePermit<'_>> {
        let left = u64::try_from(self.memory.available_permits()).unwrap_or(u64::MAX);
        let is_free = left.saturating_sub(u64::from(kib(bytes))) >= self.most_memory / 2;
        // One that is alone may have all.
        let is_alone = left == self.most_memory;
        if is_free || is_alone { self.memory.try_acquire_many(kib(bytes)).ok() } else { None }
    }

    /// How large its parts are; an object has but so many.
    fn part_of(&self, length: Option<u64>) -> Result<u64, Failure> {
        let least = length.unwrap_or_default().div_ceil(PARTS - 1);
        let part = self.part.max(least.div_ceil(1 << 20) << 20);
        if part.div_ceil(1024) > self.most_memory {
            return Err(Failure::file("too_large", "its parts need more memory than there is: raise the function's"));
        }
        Ok(part)
    }

    /// Whether two links of a row are answered with the same bytes: the same is asked for.
    pub(super) fn is_same_file(&self, one: &Link, other: &Link) -> bool {
        let rewrite = |link: &Link| self.definition.source.files.get(link.file).and_then(|file| file.rewrite.as_ref());
        one.url == other.url && (one.file == other.file || rewrite(one) == rewrite(other))
    }

    /// The digests that the row knows of the file's bytes: one for each of its columns that holds the same URL.
    fn known_digests<'a>(&self, job: Job<'a>) -> Vec<&'a str> {
        let mut known = Vec::new();
        for link in job.links.iter().filter(|link| self.is_same_file(link, job.link)) {
            let file = self.definition.source.files.get(link.file);
            let Some(column) = file.and_then(|file| file.digest_column.as_ref()) else { continue };
            known.extend(job.row.value(&self.columns, column).filter(|written| !written.is_empty()));
        }
        known
    }

    /// Holds what arrived against what the row and the server say of it.
    pub(super) fn judge(&self, job: Job<'_>, headers: &HeaderMap, digested: &Digested) -> Result<(), Failure> {
        for written in self.known_digests(job) {
            match digested.agrees(written) {
                Some(true) => {}
                Some(false) => {
                    return Err(Failure::file("mismatch", "it is not the file whose digest the row holds"));
                }
                None => {
                    let why = "the row's digest is neither MD5 nor SHA-256, in hex or base64: correct it";
                    return Err(Failure::file("mismatch", why));
                }
            }
        }
        let said = headers.get("content-md5").and_then(|value| value.to_str().ok());
        match said.and_then(|said| digested.agrees(said)) {
            Some(false) => Err(Failure::File {
                class: "mismatch",
                message: "it is not what its server says it is (`Content-MD5`)".to_owned(),
                passes: true,
                slows: None,
            }),
            _ => Ok(()),
        }
    }
}

fn kib(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX)
}

pub(super) fn moved(job: Job<'_>, key: String, digested: &Digested, made: Option<String>) -> Moved {
    Moved {
        from: job.link.url.clone(),
        key,
        bytes: digested.bytes,
        sha256: Some(digested.sha256()),
        crc64nvme: Some(digested.crc.text()),
        made,
    }
}
