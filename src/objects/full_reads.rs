//! Full reads, where `verify` is asked for them: both sides of an object are read piece by piece, and compared byte for byte. Where a run
//! ends in the middle of an object, the next one goes on.

use super::Objects;
use super::began::Began;
use super::compare::{By, Compared, Other, bare, is_rewritten};
use super::copy::Stop;
use super::failure::{Side, fault};
use super::walk::left;
use crate::engine::migration::Repair;
use crate::engine::shelves::Shelf;
use crate::fault::{Class, Fault, Origin};
use crate::s3::{Listed, S3Error};
use futures_util::StreamExt as _;
use futures_util::stream::iter;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// Bytes that are read of either side at once: both fit into what the smallest function gives to transfers.
const PIECE: u64 = 4 << 20;
/// Pieces of one object side by side.
const SIDE_BY_SIDE: usize = 4;
/// How often an object that changes while it is read is looked at again.
const ROUNDS: u32 = 3;
/// How often it is kept how far an object was read: what a killed run has read beyond is read again.
const KEPT_EVERY: Duration = Duration::from_secs(5);
/// For how many seconds that is good. The ledger keeps it about as long.
const GOOD_S: u64 = 7 * 86_400;
/// What is kept back of a batch's time to write down what was found: a part of it, within these bounds.
const RESERVE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));
/// The first wait of an object whose server stumbles.
const WAIT: Duration = Duration::from_millis(100);
/// Where nothing at all comes of so long, it is not for want of time.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// What reading both sides of an object has told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// Nothing beyond what is said of it: both are equal, or nothing was to be read.
    Told,
    /// They could not be read, and why: what else is known of them holds.
    Unread(&'static str),
    /// Their bytes differ.
    Unlike,
}

/// An object beside its target, and what was read of both.
#[derive(Clone, Debug)]
pub(super) struct Proved {
    pub(super) ours: Listed,
    pub(super) what: Compared,
    pub(super) reading: Reading,
}

/// How far an object was read, and found equal so far.
#[derive(Serialize, Deserialize)]
struct Place {
    /// The bare tags of source and target.
    source: String,
    target: String,
    bytes: u64,
    /// When, in Unix seconds.
    at: u64,
}

impl Objects {
    /// Reads what listings and ledger have told of some objects: all of them or, where the time that ends at `end` does not suffice, those
    /// before the first one that is still to be read. What is mended afterwards has half of the time for itself.
    pub(super) async fn prove_all(
        &self,
        compared: Vec<(Listed, Compared)>,
        repair: Option<&Repair>,
        (start, end): (Instant, Instant),
    ) -> Result<Vec<Proved>, Fault> {
        let limit = end.saturating_duration_since(start);
        let deadline = end - (limit / 10).clamp(RESERVE.0, RESERVE.1).min(limit / 2);
        let (half, all) = (start + limit / 2, compared.len());
        let began = self.began(deadline).await?;
        let (repairs, overwrites) = (repair.is_some(), repair.is_some_and(|repair| repair.overwrite));
        let further = Arc::new(AtomicBool::new(false));
        let mut coming = iter(compared)
            .map(|(ours, what)| {
                let further = further.clone();
                // Boxed: they are too large to be moved about.
                Box::pin(async move {
                    let Ok(_turn) = self.turn_to_look(deadline).await else { return Ok(None) };
                    self.prove(ours, what, (began, overwrites), &further, deadline).await
                })
            })
            .buffered(self.side_by_side());
        let (mut proved, mut stopped, mut mends) = (Vec::with_capacity(all), None, false);
        while proved.len() < all {
            let until = if mends { half } else { end };
            match tokio::time::timeout_at(until, coming.next()).await {
                Ok(Some(Ok(Some(one)))) => {
                    let is_mended = match one.what {
                        Compared::Missing => repairs,
                        Compared::Differs(_) | Compared::Changed(_) => overwrites,
                        Compared::Same(..) | Compared::Gone | Compared::Shut(..) => false,
                    };
                    // It comes first in the next batch, and has all the time.
                    if is_mended && !mends && !proved.is_empty() && Instant::now() > half {
                        break;
                    }
                    mends |= is_mended;
                    proved.push(one);
                }
                Ok(Some(Err(fault))) => {
                    stopped = Some(fault);
                    break;
                }
                Ok(Some(Ok(None)) | None) | Err(_) => break,
            }
        }
        if proved.len() < all && Instant::now() >= deadline {
            // Those that are under way still say how far they came, and large ones that are done are not read again.
            let last_words = async {
                while let Some(one) = coming.next().await {
                    if let Ok(Some(Proved { ours, what: Compared::Same(By::Bytes, other), .. })) = one
                        && ours.bytes > PIECE
                    {
                        let _ = self.keep_place(&ours, &other, ours.bytes, deadline).await;
                    }
                }
            };
            let _ = tokio::time::timeout_at(deadline + (end - deadline) / 2, last_words).await;
        }
        drop(coming);
        if proved.is_empty() && all > 0 {
            // What is wrong with one object is met again once those before it are written down.
            return Err(stopped.unwrap_or_else(|| unread(further.load(Ordering::Relaxed) || limit < PATIENCE)));
        }
        Ok(proved)
    }

    /// Reads an object, if there is something to be read. `None`: there is no time for it.
    async fn prove(
        &self,
        mut ours: Listed,
        mut what: Compared,
        (began, overwrites): (Began, bool),
        further: &AtomicBool,
        deadline: Instant,
    ) -> Result<Option<Proved>, Fault> {
        let (mut wait, mut rounds) = (WAIT, 0);
        loop {
            let other = match &what {
                Compared::Same(_, other) => Some(other.clone()),
                // Tags and checksums may differ, and what they stand for may not.
                Compared::Differs(other) if other.bytes == ours.bytes && !is_rewritten(&ours, other.at, began) => {
                    Some(other.clone())
                }
                _ => None,
            };
            let (Some(other), Some(target)) = (other, self.target_key(&ours.key)) else {
                return Ok(Some(Proved { ours, what, reading: Reading::Told }));
            };
            if rounds == ROUNDS {
                return Ok(Some(Proved { ours, what, reading: Reading::Unread("unstable") }));
            }
            // Without a tag nobody can say that all pieces are of one version.
            if bare(&ours.etag).is_empty() || bare(&other.etag).is_empty() {
                return Ok(Some(Proved { ours, what, reading: Reading::Unread("untagged") }));
            }
            let read = self.read_both(&ours, (target.as_str(), &other), overwrites, further, deadline).await;
            match read {
                Ok(true) => {
                    what = Compared::Same(By::Bytes, other);
                    return Ok(Some(Proved { ours, what, reading: Reading::Told }));
                }
                Ok(false) => {
                    what = Compared::Differs(other);
                    return Ok(Some(Proved { ours, what, reading: Reading::Unlike }));
                }
                Err(Stop::Time) => return Ok(None),
                Err(Stop::Aside("archived", _)) => {
                    return Ok(Some(Proved { ours, what, reading: Reading::Unread("archived") }));
                }
                Err(Stop::Aside(class, message)) => {
                    what = Compared::Shut(class, message);
                    return Ok(Some(Proved { ours, what, reading: Reading::Told }));
                }
                Err(Stop::Fault(fault)) if fault.class.passes() && Instant::now() + wait < deadline => {
                    tokio::time::sleep(wait.mul_f64(0.5 + rand::random::<f64>())).await;
                    wait *= 2;
                    continue;
                }
                Err(Stop::Fault(fault)) => return Err(fault),
                Err(Stop::Otherwise | Stop::Lost) => rounds += 1,
            }
            // One of both is another version by now.
            what = match self.now(&ours.key, deadline).await {
                Ok(Some(now)) => {
                    ours = now;
                    self.compare_patiently(&ours, &target, began, deadline).await?
                }
                Ok(None) => Compared::Gone,
                Err(stop) => {
                    let (class, message) = stop.aside()?;
                    Compared::Shut(class, message)
                }
            };
        }
    }

    /// Whether both sides of an object are equal. Of one that does not end in time it is kept how far it came, and of one that is to be
    /// mended where it differs: the next batch finds that at once.
    async fn read_both(
        &self,
        ours: &Listed,
        (target, other): (&str, &Other),
        overwrites: bool,
        further: &AtomicBool,
        deadline: Instant,
    ) -> Result<bool, Stop> {
        if Instant::now() >= deadline {
            return Err(Stop::Time);
        }
        let is_long = ours.bytes > PIECE;
        let from = if is_long { self.read_up_to(ours, other, deadline).await? } else { 0 };
        let (mut place, mut kept, mut is_kept) = (from, Instant::now(), from > 0);
        let mut coming = iter(pieces(from, ours.bytes))
            .map(|piece| self.read_piece(ours, (target, other.etag.as_str()), piece, deadline))
            .buffered(SIDE_BY_SIDE);
        let ended = loop {
            match coming.next().await {
                None => break Ok(true),
                Some(Ok((end, true))) => {
                    place = end;
                    further.store(true, Ordering::Relaxed);
                    if is_long && kept.elapsed() >= KEPT_EVERY {
                        self.keep_place(ours, other, place, deadline).await?;
                        (kept, is_kept) = (Instant::now(), true);
                    }
                }
                Some(Ok((_, false))) => break Ok(false),
                Some(Err(stop)) => break Err(stop),
            }
        };
        drop(coming);
        let (keeps, forgets) = match &ended {
            Err(Stop::Time | Stop::Fault(_)) => (place > from, false),
            Ok(false) if overwrites => (place > from, false),
            _ => (false, is_kept),
        };
        if is_long && keeps {
            self.keep_place(ours, other, place, deadline).await?;
        } else if is_long && forgets {
            self.shelves.forget(Shelf::Read, &ours.key, left(deadline)).await?;
        }
        ended
    }

    /// Reads a piece of both sides: where it ends, and whether they are equal.
    async fn read_piece(
        &self,
        ours: &Listed,
        (target, etag): (&str, &str),
        piece: Range<u64>,
        deadline: Instant,
    ) -> Result<(u64, bool), Stop> {
        if Instant::now() >= deadline {
            return Err(Stop::Time);
        }
        let size = piece.end - piece.start;
        let _memory = self.hold(2 * size, deadline).await?;
        // Boxed: they are too large to be moved about.
        let one = Box::pin(self.source.version(&self.from, &ours.key, &ours.etag, Some(piece.clone()), left(deadline)));
        let two = Box::pin(self.target.version(&self.to, target, etag, Some(piece.clone()), left(deadline)));
        let both = async { tokio::join!(one, two) };
        let Ok((one, two)) = tokio::time::timeout_at(deadline, both).await else { return Err(Stop::Time) };
        let one = one.map_err(|error| Stop::of(Side::Source, &error))?.body;
        let two = two.map_err(|error| Stop::of(Side::Target, &error))?.body;
        for (side, body) in [(Side::Source, &one), (Side::Target, &two)] {
            // Not every server knows ranges.
            if body.len() as u64 != size {
                return Err(fault(side, &S3Error::Damaged { place: side.word().to_owned() }).into());
            }
        }
        Ok((piece.end, one == two))
    }

    /// How far these versions were read by an earlier batch.
    async fn read_up_to(&self, ours: &Listed, other: &Other, deadline: Instant) -> Result<u64, Fault> {
        let kept: Option<Place> = self.shelves.load(Shelf::Read, &ours.key, left(deadline)).await?;
        let is_good = |place: &Place| {
            let same = place.source == bare(&ours.etag) && place.target == bare(&other.etag);
            same && place.bytes <= ours.bytes && now_s().saturating_sub(place.at) < GOOD_S
        };
        Ok(kept.filter(is_good).map_or(0, |place| place.bytes))
    }

    async fn keep_place(&self, ours: &Listed, other: &Other, bytes: u64, deadline: Instant) -> Result<(), Fault> {
        let (source, target) = (bare(&ours.etag).to_owned(), bare(&other.etag).to_owned());
        let place = Place { source, target, bytes, at: now_s() };
        self.shelves.save(Shelf::Read, &ours.key, &place, left(deadline)).await
    }

    /// Once objects are mended, nothing is known of what is there now.
    pub(super) async fn forget_places(&self, objects: &[Listed], deadline: Instant) -> Result<(), Fault> {
        for object in objects.iter().filter(|object| object.bytes > PIECE) {
            self.shelves.forget(Shelf::Read, &object.key, left(deadline)).await?;
        }
        Ok(())
    }
}

/// Why nothing was read to its end.
fn unread(goes_on: bool) -> Fault {
    let (class, message) = if goes_on {
        (Class::Unfinished, "an object is larger than what one run can read: the next one goes on where this one ends")
    } else {
        (
            Class::Transient,
            "no piece of an object could be read on both sides in all the time that there was: look at the network",
        )
    };
    Fault { origin: Origin::Storage, ..Fault::new(class, message) }
}

/// What is left of an object from a place on, piece by piece.
fn pieces(from: u64, bytes: u64) -> impl Iterator<Item = Range<u64>> {
    let starts = (0..bytes.saturating_sub(from).div_ceil(PIECE)).map(move |number| from + number * PIECE);
    starts.map(move |start| start..(start + PIECE).min(bytes))
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_make_up_what_is_left() {
        for (from, bytes) in [(0, 1), (0, PIECE), (0, PIECE + 1), (PIECE, 3 * PIECE + 7), (PIECE, PIECE + 1)] {
            let pieces: Vec<_> = pieces(from, bytes).collect();
            assert_eq!(pieces.first().map(|piece| piece.start), Some(from));
            assert_eq!(pieces.last().map(|piece| piece.end), Some(bytes));
            assert!(pieces.iter().all(|piece| !piece.is_empty() && piece.end - piece.start <= PIECE));
            assert!(pieces.windows(2).all(|two| two[0].end == two[1].start), "{pieces:?}");
        }
        assert_eq!(pieces(0, 0).count(), 0);
    }
}
