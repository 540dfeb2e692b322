//! Parts of large files that are passed on while they come, so that none of them is held: where memory is short this is how many
//! large files are under way at once.
//!
//! What has gone by is gone: S3 is told no checksum beforehand, and its client cannot send anything again. So the tag that it gives to
//! each part has to be the MD5 of what was sent, and a part that is lost is asked for once more, which takes a strong tag of the source.

use super::Files;
use super::digests::Digests;
use super::failure::Failure;
use super::filling::Filling;
use super::storing::{left, number_of};
use crate::s3::{Part, S3Error, Upload, is_md5, streamed};
use bytes::Bytes;
use md5::Digest as _;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, timeout};

/// What such a file takes of memory: what both connections and the body between them hold.
pub(super) const PASSING: u64 = 256 << 10;
/// Bytes that are passed on at once. S3's client queues sixteen of them.
const PIECE: u64 = 8 << 10;
/// How often a part is sent.
const TRIES: u32 = 3;
/// A server that was waited for so long may be why S3 has given up.
const PATIENCE: Duration = Duration::from_secs(8);

/// What is on its way, and what is known of it.
pub(super) struct Coming<'a, 'b> {
    /// What is here of it already.
    pub(super) first: Bytes,
    pub(super) filling: &'a mut Filling<'b>,
    pub(super) digests: &'a mut Digests,
}

impl Files {
    /// Sends a part of `length` bytes while it comes. The digests know of it afterwards, or of nothing of it.
    pub(super) async fn pass_on(
        &self,
        upload: &Upload,
        number: usize,
        coming: Coming<'_, '_>,
        length: u64,
        deadline: Instant,
    ) -> Result<Part, Failure> {
        let Coming { mut first, filling, digests } = coming;
        let before = digests.clone();
        let mut tries = 0;
        loop {
            let piece = std::mem::take(&mut first);
            let failure = match self.pass_once(upload, number, (piece, filling, digests), length, deadline).await {
                Ok(part) => return Ok(part),
                Err(failure) => failure,
            };
            *digests = before.clone();
            tries += 1;
            if tries == TRIES || !matches!(&failure, Failure::Storage(_) if failure.passes()) {
                return Err(failure);
            }
            tokio::time::sleep(Duration::from_millis(300).min(left(deadline))).await;
            filling.rewind(before.bytes()).await?;
        }
    }

    async fn pass_once(
        &self,
        upload: &Upload,
        number: usize,
        (first, filling, digests): (Bytes, &mut Filling<'_>, &mut Digests),
        length: u64,
        deadline: Instant,
    ) -> Result<Part, Failure> {
        let (pieces, body) = streamed(length);
        let mut pump = Pump { filling, digests, part: md5::Md5::default(), longest: Duration::ZERO, waiting: None };
        let until = deadline.saturating_duration_since(Instant::now());
        let mut sent = Box::pin(self.s3.stream_part(upload, number_of(number)?, body, until));
        let over = {
            let pumped = pump.pump(pieces, first, length, deadline);
            tokio::pin!(pumped);
            tokio::select! {
                biased;
                // Whoever takes nothing any more has said why.
                over = &mut sent => Some(over),
                pumped = &mut pumped => {
                    pumped?;
                    None
                }
            }
        };
        let over = match over {
            Some(over) => over,
            None => timeout(left(deadline), &mut sent).await.map_err(|_| self.silent(deadline))?,
        };
        let part = match over {
            Ok(part) => part,
            Err(S3Error::Unreachable { .. }) if pump.waited() >= PATIENCE => {
                return Err(Failure::File {
                    class: "timeout",
                    message: "its server paused for so long that S3 would not wait".to_owned(),
                    passes: true,
                    slows: None,
                });
            }
            Err(error) => return Err(self.lost(&error, deadline)),
        };
        if is_md5(Some(&part.etag), &pump.part.finalize()) {
            return Ok(part);
        }
        // With a key of one's own its tags are none. From now on parts are held, and S3 compares them itself.
        self.passes.store(false, Ordering::Relaxed);
        Err(Failure::File {
            class: "server",
            message: "whether S3 has got what was passed on cannot be told by its tag".to_owned(),
            passes: true,
            slows: None,
        })
    }
}

/// What moves bytes from the one side to the other.
struct Pump<'a, 'b> {
    filling: &'a mut Filling<'b>,
    digests: &'a mut Digests,
    part: md5::Md5,
    /// The longest time that the source was waited for.
    longest: Duration,
    /// Since when it is waited for now.
    waiting: Option<Instant>,
}

impl Pump<'_, '_> {
    fn waited(&self) -> Duration {
        self.longest.max(self.waiting.map_or(Duration::ZERO, |since| since.elapsed()))
    }

    async fn pump(
        &mut self,
        pieces: Sender<Bytes>,
        first: Bytes,
        length: u64,
        deadline: Instant,
    ) -> Result<(), Failure> {
        let (mut piece, mut rest) = (first, length);
        loop {
            self.digests.update(&piece);
            self.part.update(&piece);
            rest -= piece.len() as u64;
            if !piece.is_empty() {
                match timeout(left(deadline), pieces.send(piece)).await {
                    Ok(Ok(())) => {}
                    // The other side is over, and says why.
                    Ok(Err(_)) => return std::future::pending().await,
                    Err(_) => return Err(self.filling.files.silent(deadline)),
                }
            }
            if rest == 0 {
                return Ok(());
            }
            self.waiting = Some(Instant::now());
            let next = self.filling.piece(rest.min(PIECE)).await;
            self.longest = self.waited();
            self.waiting = None;
            piece = next?.ok_or_else(|| Failure::file("server", "its server sent less than it had promised"))?;
        }
    }
}
