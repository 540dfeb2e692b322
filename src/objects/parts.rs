//! An object that is more than one call can copy, or than is held in memory at once: part by part, some side by side. What has arrived
//! stays; where the run ends, the next one goes on.

use super::Objects;
use super::across::PART;
use super::compare::{bare, seconds};
use super::copy::Stop;
use super::failure::Side;
use super::made::is_made_of;
use super::walk::left;
use crate::engine::shelves::Shelf;
use crate::s3::{Head, Listed, Object, Origin, Part, S3Error, Stored, Upload};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::ops::Range;
use tokio::time::Instant;

/// Parts of an object, at most. <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>
const PARTS: u64 = 10_000;
/// Bytes of a part that a server copies: so few that some arrive within a run of seconds, also where a server is slow.
const COPIED_PART: u64 = 64 << 20;
/// Parts of one object side by side.
const SIDE_BY_SIDE: usize = 8;
/// Until one of them has arrived: of many side by side none might within a run, where a server is slow.
const AT_FIRST: usize = 2;

/// How the parts of an object come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// Copied by their server.
    Copied,
    /// Through the process.
    Carried,
}

/// An upload that was begun: what is kept of it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Begun {
    /// Its id; empty: it is about to begin, or has, and nobody has heard of it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) id: String,
    /// The bare tag of its source.
    source: String,
    /// Bytes of a part.
    part: u64,
    /// When its source was written, in Unix seconds, as was said when the upload began: what it has of metadata and tags is of then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    written: Option<i64>,
}

/// An upload that is under way.
struct Open {
    upload: Upload,
    /// When its source was written, as [`Begun`] says.
    written: Option<i64>,
    /// The parts that have arrived, by number.
    there: HashMap<i32, Part>,
}

impl Objects {
    /// Has the server copy an object part by part. The tag of the copy.
    pub(super) async fn copy_in_parts(&self, ours: &Listed, object: Object, deadline: Instant) -> Result<String, Stop> {
        self.known_in_parts(ours, object, (How::Copied, COPIED_PART), deadline).await
    }

    /// Carries an object part by part. The tag of the copy.
    pub(super) async fn carry_in_parts(
        &self,
        ours: &Listed,
        object: Object,
        deadline: Instant,
    ) -> Result<String, Stop> {
        self.known_in_parts(ours, object, (How::Carried, PART), deadline).await
    }

    /// As long as an upload is under way, nobody tidies it up.
    async fn known_in_parts(
        &self,
        ours: &Listed,
        object: Object,
        how: (How, u64),
        deadline: Instant,
    ) -> Result<String, Stop> {
        let key = object.key.clone();
        self.under_way().insert(key.clone());
        let done = self.in_parts(ours, object, how, deadline).await;
        self.under_way().remove(&key);
        done
    }

    async fn in_parts(
        &self,
        ours: &Listed,
        object: Object,
        (how, part): (How, u64),
        deadline: Instant,
    ) -> Result<String, Stop> {
        let size = part_size(ours.bytes, part);
        let Open { upload, written, mut there } = match self.go_on(ours, &object, size, deadline).await? {
            Some(open) => open,
            None => self.begin(ours, object, size, deadline).await?,
        };
        let is_lacking = |(number, range): &(i32, Range<u64>)| {
            there.get(number).is_none_or(|part: &Part| part.bytes != range.end - range.start)
        };
        let lacking: Vec<_> = ranges(ours.bytes, size).filter(is_lacking).collect();
        let mut lacking = lacking.into_iter();
        let (mut coming, mut at_once) = (FuturesUnordered::new(), AT_FIRST);
        let mut stopped = None;
        while stopped.is_none() {
            let room = at_once.saturating_sub(coming.len());
            coming.extend(
                lacking
                    .by_ref()
                    .take(room)
                    .map(|(number, range)| self.part(ours, &upload, number, (how, range), deadline)),
            );
            let Some(part) = coming.next().await else { break };
            match part {
                Ok(part) => {
                    at_once = SIDE_BY_SIDE;
                    self.further(&ours.key);
                    there.insert(part.number, part);
                }
                Err(stop) => stopped = Some(stop),
            }
        }
        drop(coming);
        let mut kms_key = None;
        if stopped.is_none() {
            // Boxed, as what follows: it is too large to be moved about.
            match Box::pin(self.unless_rewritten(ours, written, deadline)).await {
                Ok(key) => kms_key = key,
                Err(stop) => stopped = Some(stop),
            }
        }
        match stopped {
            None => {}
            // The next run, or the next attempt, goes on: what was under way is listed, if it has arrived.
            Some(stop @ (Stop::Time | Stop::Fault(_))) => return Err(stop),
            Some(stop) => {
                self.give_up(ours, &upload, deadline).await?;
                return Err(stop);
            }
        }
        let mut parts: Vec<Part> = there.into_values().collect();
        parts.sort_by_key(|part| part.number);
        let made = Box::pin(self.complete(ours, &upload, &parts, deadline)).await?;
        self.leave_key(ours, kms_key.as_deref(), &made);
        Ok(made.etag.unwrap_or_default())
    }

    /// An object may be written again while it is copied, with the same bytes, and so with the same tag, but with other metadata: the upload
    /// has those of before. If it was not, its key of KMS.
    async fn unless_rewritten(
        &self,
        ours: &Listed,
        written: Option<i64>,
        deadline: Instant,
    ) -> Result<Option<String>, Stop> {
        // Nobody said when it was written.
        if written.is_none() {
            return Ok(None);
        }
        let head = self.source.head_of(&self.from, &ours.key, left(deadline)).await;
        let head = head.map_err(|error| Stop::of(Side::Source, &error))?;
        let same = head.filter(|head| seconds(head.modified) == written);
        same.map(|head| head.kms_key).ok_or(Stop::Otherwise)
    }

    async fn complete(
        &self,
        ours: &Listed,
        upload: &Upload,
        parts: &[Part],
        deadline: Instant,
    ) -> Result<Stored, Stop> {
        let completed = self.writer.complete_upload(upload, parts, left(deadline)).await;
        let made = match completed {
            // What is there a moment later may be somebody else's.
            Ok(stored) if stored.etag.is_some() => Some(stored),
            Ok(_) => self.made(ours, upload, deadline).await?,
            // The reply to a completion that succeeded may be what was lost: then the upload is gone, and what is there is made of so many
            // parts. As long as it is open, what is there is somebody else's, unless its tag is that of these very parts. Parts that are not
            // taken for what was sent never will be.
            Err(error @ (S3Error::Missing { .. } | S3Error::Exists { .. } | S3Error::OtherParts { .. })) => {
                let gone = matches!(error, S3Error::Missing { .. }) || self.is_gone(upload, deadline).await?;
                let made = self.made(ours, upload, deadline).await?;
                let is_it = |etag: &str| is_made_of(parts, etag, gone, &upload.object.over);
                let made = made.filter(|made| made.etag.as_deref().is_some_and(is_it));
                if made.is_none() {
                    self.give_up(ours, upload, deadline).await?;
                }
                made
            }
            Err(error) => return Err(Stop::of(Side::Target, &error)),
        };
        if made.is_some()
            && let Ok(began) = self.began(deadline).await
        {
            // Its beginning may have reached the server twice, or late. What cannot be given up is for a rule of the bucket.
            let _ = self.give_up_open(&upload.object, &upload.id, began.at, deadline).await;
        }
        self.shelves.forget(Shelf::Upload, &upload.object.key, left(deadline)).await?;
        // Otherwise it is somebody else's by now, or nobody's.
        made.ok_or(Stop::Otherwise)
    }

    /// Whether an upload was completed, or given up.
    async fn is_gone(&self, upload: &Upload, deadline: Instant) -> Result<bool, Stop> {
        match self.target.parts(upload, left(deadline)).await {
            Ok(_) => Ok(false),
            Err(S3Error::Missing { .. }) => Ok(true),
            Err(error) => Err(Stop::of(Side::Target, &error)),
        }
    }

    /// What an upload has become, if that is as long as its source.
    async fn made(&self, ours: &Listed, upload: &Upload, deadline: Instant) -> Result<Option<Stored>, Stop> {
        let head = self.target.head_of(&self.to, &upload.object.key, left(deadline)).await;
        let head = head.map_err(|error| Stop::of(Side::Target, &error))?;
        let head = head.filter(|head| head.bytes == ours.bytes);
        Ok(head.map(|Head { etag, kms_key, .. }| Stored { etag: Some(etag.unwrap_or_default()), kms_key }))
    }

    async fn part(
        &self,
        ours: &Listed,
        upload: &Upload,
        number: i32,
        (how, range): (How, Range<u64>),
        deadline: Instant,
    ) -> Result<Part, Stop> {
        if Instant::now() >= deadline {
            return Err(Stop::Time);
        }
        let wrong = |side| move |error: S3Error| Stop::of(side, &error);
        if how == How::Copied {
            let origin = Origin { bucket: &self.from, key: &ours.key, etag: &ours.etag };
            let copied = self.target.copy_part(upload, number, origin, range, left(deadline)).await;
            return copied.map_err(wrong(Side::Target));
        }
        let _memory = self.hold(range.end - range.start, deadline).await?;
        let got = self.source.version(&self.from, &ours.key, &ours.etag, Some(range), left(deadline)).await;
        let body = got.map_err(wrong(Side::Source))?.body;
        self.target.put_part(upload, number, body, left(deadline)).await.map_err(wrong(Side::Target))
    }

    /// Begins an upload, which takes nothing along by itself, and gives those up that killed runs have left of it: what was begun before the
    /// migration is somebody else's.
    async fn begin(&self, ours: &Listed, object: Object, size: u64, deadline: Instant) -> Result<Open, Stop> {
        let wrong = |side| move |error: S3Error| Stop::of(side, &error);
        let since = self.began(deadline).await?.at;
        self.give_up_open(&object, "", since, deadline).await.map_err(wrong(Side::Target))?;
        let head = self.source.head_of(&self.from, &ours.key, left(deadline)).await.map_err(wrong(Side::Source))?;
        let same = |head: &Head| head.etag.as_deref().map(bare) == Some(bare(&ours.etag));
        let Some(head) = head.filter(same) else { return Err(Stop::Otherwise) };
        let written = seconds(head.modified);
        let object = self.dressed(ours, &head, object, deadline).await?;
        // Known before it begins, so that it is found whatever becomes of this run, and of its object.
        let begun = Begun { id: String::new(), source: bare(&ours.etag).to_owned(), part: size, written };
        self.shelves.save(Shelf::Upload, &object.key, &begun, left(deadline)).await?;
        // Asked once: where the reply is lost, whoever tries again comes here, and gives up what that had begun.
        let upload = self.writer.begin_upload(&object, false, left(deadline)).await.map_err(wrong(Side::Target))?;
        let begun = Begun { id: upload.id.clone(), ..begun };
        self.shelves.save(Shelf::Upload, &object.key, &begun, left(deadline)).await?;
        Ok(Open { upload, written, there: HashMap::new() })
    }

    /// The upload that an earlier run has begun of this version, and what has arrived of it.
    async fn go_on(&self, ours: &Listed, object: &Object, size: u64, deadline: Instant) -> Result<Option<Open>, Stop> {
        let kept: Option<Begun> = self.shelves.load(Shelf::Upload, &object.key, left(deadline)).await?;
        let kept = kept.filter(|begun| !begun.id.is_empty());
        let Some(Begun { id, source, part, written }) = kept else { return Ok(None) };
        let upload = Upload { object: object.clone(), id, streamed: false };
        let same = source == bare(&ours.etag) && part == size;
        let parts = match self.target.parts(&upload, left(deadline)).await {
            Ok(parts) if same => parts,
            Ok(_) => {
                self.give_up(ours, &upload, deadline).await?;
                return Ok(None);
            }
            Err(S3Error::Missing { .. }) => {
                self.shelves.forget(Shelf::Upload, &object.key, left(deadline)).await?;
                return Ok(None);
            }
            Err(error) => return Err(Stop::of(Side::Target, &error)),
        };
        let there = parts.into_iter().map(|part| (part.number, part)).collect();
        Ok(Some(Open { upload, written, there }))
    }

    async fn give_up(&self, ours: &Listed, upload: &Upload, deadline: Instant) -> Result<(), Stop> {
        let aborted = self.target.abort_upload(upload, left(deadline)).await;
        aborted.map_err(|error| Stop::of(Side::Target, &error))?;
        let (migration, bytes) = (&self.definition.name, ours.bytes);
        tracing::info!(%migration, bytes, "an upload was given up: its object has changed, or its parts are not taken");
        Ok(self.shelves.forget(Shelf::Upload, &upload.object.key, left(deadline)).await?)
    }
}

/// Bytes of a part, in whole MiB: so many that there are not too many of them.
fn part_size(bytes: u64, least: u64) -> u64 {
    bytes.div_ceil(PARTS).max(least).next_multiple_of(1 << 20)
}

/// The parts of an object: number and bytes.
fn ranges(bytes: u64, size: u64) -> impl Iterator<Item = (i32, Range<u64>)> {
    let starts = (0..bytes.div_ceil(size.max(1))).map(move |place| place * size);
    (1..).zip(starts.map(move |start| start..(start + size).min(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_few_enough_and_make_up_the_whole() {
        for bytes in [1, PART, PART + 1, 5 << 30, (5 << 40) - 1, 50 << 40] {
            let size = part_size(bytes, PART);
            let parts: Vec<_> = ranges(bytes, size).collect();
            assert!(parts.len() as u64 <= PARTS && size.is_multiple_of(1 << 20), "{bytes}");
            assert_eq!(parts.first().map(|(number, range)| (*number, range.start)), Some((1, 0)));
            assert_eq!(parts.last().map(|(_, range)| range.end), Some(bytes));
            assert!(parts.windows(2).all(|two| two[0].1.end == two[1].1.start && two[0].0 + 1 == two[1].0));
        }
    }
}
