//! Both listings side by side: what is missing, what differs, what is extra, and by what each object was found the same. Anything that a
//! listing does not tell is asked of the object itself, so that it does not matter in which order a server lists.

use super::began::Began;
use super::compare::{By, Compared, Other, is_rewritten, seconds, told_by_tags};
use super::extra::Place;
use super::failure::{Side, fault, unlisted};
use super::full_reads::{PATIENCE, Proved, Reading};
use super::inventory::goes_by_inventory;
use super::walk::{Stretch, cursor, key, left};
use super::write::Mended;
use super::{Batch, Objects, What};
use crate::cursor::Cursor;
use crate::engine::lease::nonce;
use crate::engine::migration::{Comparison, Range, Read, Repair};
use crate::fault::{Class, Fault};
use crate::s3::{Listed, Listing};
use futures_util::StreamExt as _;
use futures_util::stream::iter;
use serde_json::json;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// Keys that are compared at once, at most: what one line of the report each takes, and a page of the listing.
const MOST: u64 = 1000;
/// Keys that are announced at once, at most, and bytes of them: a record holds 100 KB.
const FOUND: usize = 500;
const FOUND_BYTES: usize = 48 << 10;
/// Pages of the other side that are listed beside one of this side, at most: what they do not show is asked for by itself.
const PAGES: usize = 5;
/// Examples that one stretch names.
const EXAMPLES: usize = 20;

impl Objects {
    /// The next objects that a sweep has to copy.
    pub(super) async fn next_missing(
        &self,
        range: &Range,
        after: Option<&Cursor>,
        size: u64,
        limit: Duration,
    ) -> Result<Option<Read<Batch>>, Fault> {
        let deadline = Instant::now() + limit;
        let place = Place::of(after);
        if place != Place::Source {
            if self.definition.target.copy.delete_extra.is_none() {
                return Ok(None);
            }
            return self.next_doomed(place, size, deadline).await;
        }
        // A pass ends behind every key; a stretch that was announced ends at one.
        let whole = range.bound == super::walk::end();
        let behind = self.behind_the_source().filter(|_| whole);
        let (stretch, ahead) = tokio::join!(
            self.stretch(range, after, page_of(size), deadline),
            self.page_beside(range, after, deadline),
        );
        let Some(mut stretch) = stretch? else {
            let nothing =
                |end| Read { batch: Batch(What::Keys(Vec::new())), end, scanned: 1, bytes: 0, found: Vec::new() };
            return Ok(behind.filter(|_| after != Some(&range.bound)).map(nothing));
        };
        let compared = self.compare_all(&stretch, ahead, after, deadline).await?;
        let mut lacking: Vec<Listed> = compared.into_iter().filter_map(|(ours, what)| lacking(ours, what)).collect();
        let fitting = announced(lacking.iter().map(|object| object.key.as_str()));
        if fitting < lacking.len() {
            lacking.truncate(fitting);
            stretch.end = lacking.last().map_or(stretch.end, |last| cursor(&last.key));
        } else if whole && stretch.end == super::walk::end() {
            stretch.end = behind.unwrap_or(stretch.end);
        }
        let found = lacking.iter().map(|object| cursor(&object.key)).collect();
        let Stretch { end, scanned, .. } = stretch;
        let bytes = memory(&lacking);
        Ok(Some(Read { batch: Batch(What::Lacking(Arc::new(lacking))), end, scanned, bytes, found }))
    }

    /// The next stretch of `verify`.
    pub(super) async fn next_compared(
        &self,
        range: &Range,
        after: Option<&Cursor>,
        size: u64,
        repair: Option<&Repair>,
        limit: Duration,
    ) -> Result<Option<Read<Comparison>>, Fault> {
        let start = Instant::now();
        let deadline = start + limit;
        let (stretch, ahead) = tokio::join!(
            self.stretch(range, after, page_of(size), deadline),
            self.page_beside(range, after, deadline),
        );
        let Some(stretch) = stretch? else { return Ok(None) };
        let compared = self.compare_all(&stretch, ahead, after, deadline).await?;
        let (all, Stretch { mut end, mut scanned, dated, .. }) = (compared.len(), stretch);
        let proved = if self.in_full {
            // Boxed: it is too large to be moved about.
            Box::pin(self.prove_all(compared, repair, (start, deadline))).await?
        } else {
            let told = |(ours, what)| Proved { ours, what, reading: Reading::Told };
            compared.into_iter().map(told).collect()
        };
        if let Some(last) = proved.last().filter(|_| proved.len() < all) {
            // A place in an inventory is known of the whole stretch alone.
            if dated {
                let message =
                    "the objects of a stretch of the inventory were not all read within what is left of the run";
                return Err(Fault::new(Class::Capacity, message));
            }
            (end, scanned) = (cursor(&last.ours.key), proved.len() as u64);
        }
        // Reading has taken what time there was; what is to be mended comes first in the next run.
        let is_hurried = self.in_full && (limit < PATIENCE || start.elapsed() > limit * 3 / 4);
        let (mut found, wrong, lines) = told(proved);
        self.note("verify", lines, deadline).await?;
        if let Some(repair) = repair {
            found.repaired = self.mend_all(wrong, repair, deadline).await.map_err(|fault| match fault.class {
                Class::Capacity if is_hurried => Fault { class: Class::Unfinished, ..fault },
                _ => fault,
            })?;
        }
        Ok(Some(Read { batch: found, end, scanned, bytes: 0, found: Vec::new() }))
    }

    async fn mend_all(&self, wrong: Wrong, repair: &Repair, deadline: Instant) -> Result<u64, Fault> {
        let mut repaired = self.mend(wrong.missing, Mended::Missing, deadline).await?;
        if repair.overwrite {
            repaired += self.mend(wrong.different, Mended::Different, deadline).await?;
            repaired += self.mend(wrong.unlike, Mended::Unlike, deadline).await?;
        }
        Ok(repaired)
    }

    /// The next page of the target's bucket: which of its objects are nobody's.
    pub(super) async fn next_extra(
        &self,
        after: Option<&Cursor>,
        size: u64,
        limit: Duration,
    ) -> Result<Option<Read<Comparison>>, Fault> {
        let deadline = Instant::now() + limit;
        let place = match after.map(key) {
            Some(None) => return Ok(None),
            Some(Some(key)) => Some(key),
            None => None,
        };
        let page = self.extras(place, size, deadline).await?;
        let examples = page.extra.iter().take(EXAMPLES).map(|key| (cursor(key), "extra")).collect();
        let found = Comparison { extra: page.extra.len() as u64, examples, ..Comparison::default() };
        let line = |key: &String| format!("{}\n", json!({"key": key, "extra": true}));
        self.note("verify", page.extra.iter().map(line).collect(), deadline).await?;
        let end = page.next.map_or_else(super::walk::end, |key| cursor(&key));
        Ok(Some(Read { batch: found, end, scanned: page.scanned, bytes: 0, found: Vec::new() }))
    }

    /// The page of the target that stands beside the next one of the source, as far as one can tell: it is asked for at the same time.
    /// `None`: it is asked for later, if at all.
    async fn page_beside(&self, range: &Range, after: Option<&Cursor>, deadline: Instant) -> Option<Listing> {
        if after == Some(&range.bound) || goes_by_inventory(range, after) {
            return None;
        }
        let from = after.and_then(key).and_then(|key| self.target_key(key));
        let prefix = &self.definition.target.place.prefix;
        let asked = self.target.objects(&self.to, prefix, from.as_deref(), MOST, left(deadline));
        // Boxed: it is too large to be moved about.
        Box::pin(asked).await.ok()
    }

    /// Each object of a stretch beside its target, of which a page may be known already.
    async fn compare_all(
        &self,
        stretch: &Stretch,
        ahead: Option<Listing>,
        after: Option<&Cursor>,
        deadline: Instant,
    ) -> Result<Vec<(Listed, Compared)>, Fault> {
        let from = after.and_then(key).and_then(|key| self.target_key(key));
        // An inventory has no order that a listing could stand beside.
        let dated = stretch.dated;
        let last = stretch.objects.last().filter(|_| !dated).and_then(|object| self.target_key(&object.key));
        let theirs = self.beside((&self.target, &self.to), ahead, from.as_deref(), last.as_ref(), deadline).await;
        let theirs = theirs.map_err(|error| unlisted(Side::Target, &error))?;
        let began = self.began(deadline).await?;
        let theirs = Arc::new(theirs);
        let mut coming = iter(stretch.objects.clone())
            .map(|mut ours| {
                let theirs = theirs.clone();
                Box::pin(async move {
                    let Some(target) = self.target_key(&ours.key) else {
                        return Ok::<_, Fault>((ours, Compared::Gone));
                    };
                    // What the listings tell takes no turn.
                    let mut turn = None;
                    if dated {
                        turn = Some(self.turn_to_look(deadline).await?);
                        match self.now(&ours.key, deadline).await {
                            Ok(Some(now)) => ours = now,
                            Ok(None) => return Ok((ours, Compared::Gone)),
                            Err(stop) => {
                                let (class, message) = stop.aside()?;
                                return Ok((ours, Compared::Shut(class, message)));
                            }
                        }
                    }
                    if let Some(listed) = theirs.get(&target)
                        && told_by_tags(&ours, (listed.bytes, &listed.etag)) == Some(true)
                        && !is_rewritten(&ours, seconds(listed.modified), began)
                    {
                        let (etag, bytes, at) = (listed.etag.clone(), listed.bytes, seconds(listed.modified));
                        let other = Other { etag, bytes, at, ours: false };
                        return Ok((ours, Compared::Same(By::Tag, other)));
                    }
                    let _turn = match turn {
                        Some(turn) => turn,
                        None => self.turn_to_look(deadline).await?,
                    };
                    let compared = self.compare_patiently(&ours, &target, began, deadline).await?;
                    Ok((ours, compared))
                })
            })
            .buffered(self.side_by_side());
        let mut compared = Vec::with_capacity(stretch.objects.len());
        while let Some(one) = coming.next().await {
            compared.push(one?);
        }
        Ok(compared)
    }

    /// A server that stumbles over one object is asked again: the others were told already.
    pub(super) async fn compare_patiently(
        &self,
        ours: &Listed,
        target: &str,
        began: Began,
        deadline: Instant,
    ) -> Result<Compared, Fault> {
        let mut wait = Duration::from_millis(100);
        loop {
            match self.compare(ours, target, began, deadline).await {
                Err(fault) if fault.class.passes() && Instant::now() + wait < deadline => {
                    tokio::time::sleep(wait.mul_f64(0.5 + rand::random::<f64>())).await;
                    wait *= 2;
                }
                done => return done,
            }
        }
    }

    /// What the other side lists beside a page of this one: as far as `last`, if its order and the number of its objects allow it. The first
    /// page of it may be known already.
    pub(super) async fn beside(
        &self,
        (s3, bucket): (&crate::s3::S3, &crate::s3::Bucket),
        mut ahead: Option<Listing>,
        after: Option<&str>,
        last: Option<&String>,
        deadline: Instant,
    ) -> Result<HashMap<String, Listed>, crate::s3::S3Error> {
        let mut found = HashMap::new();
        let Some(last) = last else { return Ok(found) };
        let is_target = std::ptr::eq(bucket, &raw const self.to);
        let place = if is_target { &self.definition.target.place } else { &self.definition.source.place };
        let mut after = after.map(str::to_owned);
        for _ in 0..PAGES {
            let page = match ahead.take() {
                Some(page) => page,
                None => s3.objects(bucket, &place.prefix, after.as_deref(), MOST, left(deadline)).await?,
            };
            let end = page.objects.last().map(|object| object.key.clone());
            let reached = page.objects.iter().any(|object| object.key >= *last);
            found.extend(page.objects.into_iter().map(|object| (object.key.clone(), object)));
            if reached || !page.more {
                break;
            }
            after = end;
        }
        Ok(found)
    }

    /// Writes lines down where milkrun keeps what is its own.
    pub(super) async fn note(&self, folder: &str, lines: String, deadline: Instant) -> Result<(), Fault> {
        if lines.is_empty() {
            return Ok(());
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let object = self.small(self.own(&format!("{folder}/{now:015}-{}.ndjson", nonce())));
        match self.put_small(&object, lines.into_bytes(), deadline).await {
            // Its key is nobody else's: the reply to the first attempt was lost.
            Ok(_) | Err(crate::s3::S3Error::Exists { .. }) => Ok(()),
            Err(error) => Err(fault(Side::Target, &error)),
        }
    }
}

/// What is wrong in one stretch.
#[derive(Default)]
struct Wrong {
    /// Without a target.
    missing: Vec<Listed>,
    /// With another one.
    different: Vec<Listed>,
    /// With one that looks the same, perhaps, and has other bytes.
    unlike: Vec<Listed>,
}

/// What was found in one stretch, and the lines that say it.
fn told(proved: Vec<Proved>) -> (Comparison, Wrong, String) {
    let (mut found, mut wrong, mut lines) = (Comparison::default(), Wrong::default(), String::new());
    for Proved { ours, what, reading } in proved {
        let (kind, mut said) = match &what {
            Compared::Same(by, _) => ("equal", json!({"key": ours.key, "bytes": ours.bytes, "same_by": by})),
            // It was deleted between its listing and its comparison: nothing to compare.
            Compared::Gone => continue,
            Compared::Missing => ("missing", json!({"key": ours.key, "bytes": ours.bytes, "missing": true})),
            Compared::Differs(_) | Compared::Changed(_) => {
                ("different", json!({"key": ours.key, "bytes": ours.bytes, "different": true}))
            }
            // Nobody can say that it is equal.
            Compared::Shut(class, _) => {
                ("different", json!({"key": ours.key, "bytes": ours.bytes, "different": true, "why": class}))
            }
        };
        match reading {
            Reading::Told => {}
            Reading::Unread(why) => said["unread"] = json!(why),
            Reading::Unlike => said["differs_by"] = json!(By::Bytes),
        }
        lines.push_str(&said.to_string());
        lines.push('\n');
        found.checked += 1;
        if kind == "equal" {
            found.equal += 1;
            continue;
        }
        if found.examples.len() < EXAMPLES {
            found.examples.push((cursor(&ours.key), kind));
        }
        if kind == "missing" {
            found.missing += 1;
            wrong.missing.push(ours);
            continue;
        }
        found.different += 1;
        if reading == Reading::Unlike { wrong.unlike.push(ours) } else { wrong.different.push(ours) }
    }
    (found, wrong, lines)
}

/// How many of these keys are announced at once: they stand in one record.
pub(super) fn announced<'a>(keys: impl Iterator<Item = &'a str>) -> usize {
    let mut bytes = 0;
    let size = |key: &str| serde_json::to_string(key).map_or(0, |json| json.len() + 16);
    let fitting = keys.take(FOUND).take_while(|key| {
        bytes += size(key);
        bytes <= FOUND_BYTES
    });
    fitting.count().max(1)
}

/// How many keys of a page are asked for.
pub(super) fn page_of(size: u64) -> u64 {
    size.clamp(1, MOST)
}

/// Bytes of memory that objects of a listing take, about.
pub(super) fn memory(objects: &[Listed]) -> u64 {
    objects.iter().map(|object| (object.key.len() + object.etag.len() + size_of::<Listed>()) as u64).sum()
}

fn lacking(ours: Listed, what: Compared) -> Option<Listed> {
    match what {
        Compared::Same(..) | Compared::Gone => None,
        Compared::Missing | Compared::Differs(_) | Compared::Shut(..) => Some(ours),
        Compared::Changed(now) => Some(now),
    }
}
