//! A body that is read part by part, and gone on with where it breaks off if its server can do that.

use super::Files;
use super::digests::{Digested, Digests};
use super::failure::Failure;
use super::storing::left;
use crate::http::{Answer, Body, Resume};
use bytes::{Bytes, BytesMut};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How often one body is gone on with where it broke off.
const RESUMES: u32 = 5;
/// The wait before that.
const WAIT: Duration = Duration::from_millis(200);

/// Such a body.
pub(super) struct Filling<'a> {
    pub(super) files: &'a Files,
    asked: &'a str,
    deadline: Instant,
    body: Body,
    /// What came beyond the end of the last part.
    rest: Bytes,
    pub(super) etag: Option<String>,
    /// The length of the whole, where its server has said it.
    length: Option<u64>,
    resumed: u32,
    /// Bytes that came so far, those of earlier runs included.
    pub(super) received: u64,
    /// All of it has come.
    pub(super) ended: bool,
}

impl<'a> Filling<'a> {
    pub(super) fn new(files: &'a Files, asked: &'a str, answer: Answer, deadline: Instant) -> Self {
        Self {
            files,
            asked,
            deadline,
            body: answer.body,
            rest: Bytes::new(),
            etag: answer.etag,
            length: answer.length,
            resumed: 0,
            received: 0,
            ended: false,
        }
    }

    /// The next part: `size` bytes, or less at the end. `expected` is what is probably needed for it.
    pub(super) async fn fill(&mut self, expected: u64, size: u64) -> Result<Bytes, Failure> {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let mut part = BytesMut::with_capacity(usize::try_from(expected).unwrap_or(0).min(size));
        loop {
            if self.rest.is_empty() {
                let Some(bytes) = self.next().await? else {
                    self.ended = true;
                    return Ok(part.freeze());
                };
                self.rest = bytes;
            }
            let room = size - part.len();
            if room == 0 {
                return Ok(part.freeze());
            }
            let taken = self.rest.split_to(room.min(self.rest.len()));
            part.extend_from_slice(&taken);
        }
    }

    /// What comes next, up to `most` bytes of it; `None` at the end.
    pub(super) async fn piece(&mut self, most: u64) -> Result<Option<Bytes>, Failure> {
        if self.rest.is_empty() {
            match self.next().await? {
                Some(bytes) => self.rest = bytes,
                None => self.ended = true,
            }
        }
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let piece = self.rest.split_to(most.min(self.rest.len()));
        Ok((!self.ended).then_some(piece))
    }

    /// Begins once more at a byte that has come before.
    pub(super) async fn rewind(&mut self, to: u64) -> Result<(), Failure> {
        let broken = || Failure::File {
            class: "server",
            message: "a part of it was lost, and its server does not give it out again".to_owned(),
            passes: true,
            slows: None,
        };
        let etag = self.etag.clone().ok_or_else(broken)?;
        let resume = Resume { from: to, etag };
        let answer = self.files.answer(self.asked, (to > 0).then_some(&resume), self.deadline).await?;
        if !is_rest(&answer, to, self.length) || answer.etag.as_ref() != Some(&resume.etag) {
            return Err(broken());
        }
        (self.body, self.rest, self.received, self.ended) = (answer.body, Bytes::new(), to, false);
        Ok(())
    }

    /// Digests all that is left, too.
    pub(super) async fn rest(mut self, mut digests: Digests) -> Result<Digested, Failure> {
        digests.update(&self.rest);
        while let Some(bytes) = self.next().await? {
            digests.update(&bytes);
        }
        Ok(digests.finish())
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            let next = timeout_at(self.deadline, self.body.next()).await.map_err(|_| Failure::Time)?;
            let error = match next {
                Ok(Some(bytes)) => {
                    self.received += bytes.len() as u64;
                    return Ok(Some(bytes));
                }
                Ok(None) => return Ok(None),
                Err(error) => error,
            };
            let Some(etag) = self.etag.clone().filter(|_| error.passes() && self.resumed < RESUMES) else {
                return Err(error.into());
            };
            self.resumed += 1;
            tokio::time::sleep(WAIT.min(left(self.deadline))).await;
            let resume = Resume { from: self.received, etag };
            let answer = self.files.answer(self.asked, Some(&resume), self.deadline).await?;
            if !is_rest(&answer, self.received, self.length) {
                // It begins anew, as the file has changed or its server knows no ranges.
                return Err(error.into());
            }
            (self.length, self.body) = (answer.length, answer.body);
        }
    }
}

/// Whether an answer is all that is left of a file from a place on. Of a range without the length of the whole nobody knows whether it
/// ends where the file does.
pub(super) fn is_rest(answer: &Answer, from: u64, length: Option<u64>) -> bool {
    answer.from == from && (from == 0 || answer.length.is_some()) && (length.is_none() || answer.length == length)
}

impl Files {
    /// Fetches a file once more whose server does not say where it ends, and holds it against what came before.
    pub(super) async fn compare_again(&self, asked: &str, before: &Digested, deadline: Instant) -> Result<(), Failure> {
        let answer = self.answer(asked, None, deadline).await?;
        let again = Filling::new(self, asked, answer, deadline).rest(Digests::default()).await?;
        if again == *before {
            return Ok(());
        }
        if again.bytes == before.bytes {
            return Err(Failure::file("unstable", "its server gave other bytes for the same URL a moment before"));
        }
        Err(Failure::File {
            class: "server",
            message: "its server does not say where the file ends, and it was shorter or longer a moment before"
                .to_owned(),
            passes: true,
            slows: None,
        })
    }
}
