//! A batch: its objects are copied side by side. Whatever was done before a run is killed is found again by the next one.

use super::compare::listed;
use super::copy::{Fate, Stop, Way};
use super::extra::doomed;
use super::failure::Side;
use super::walk::{cursor, key, left};
use super::{Batch, Objects, What};
use crate::cursor::Cursor;
use crate::engine::migration::{Aside, Effort, Outcome};
use crate::fault::{Class, Fault, Origin};
use crate::s3::Listed;
use futures_util::StreamExt as _;
use futures_util::stream::iter;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// What is kept back of a batch's time to come to an end: a part of it, within these bounds.
const RESERVE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));
/// Where so many are forbidden and none is allowed, it is no object's own fault.
const FORBIDDEN: usize = 10;

/// What became of a batch so far.
#[derive(Default)]
struct Sums {
    outcome: Outcome,
    /// Objects that there was no time for.
    unfinished: u64,
    /// There was time, and none of them came to its turn: those of other lanes took it.
    waited: bool,
    /// What no object is to blame for.
    fault: Option<Fault>,
}

/// What is mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mended {
    /// What is missing, and nothing else.
    Missing,
    /// What differs by what is said of it.
    Different,
    /// What looks the same, and has other bytes.
    Unlike,
}

/// What a batch holds, as it is now.
struct Items {
    objects: Arc<Vec<Listed>>,
    /// Objects that may not be looked at.
    shut: Vec<Aside>,
    /// Targets that it deletes.
    doomed: Vec<String>,
}

/// What there is under some keys of the source.
#[derive(Debug, Default)]
pub(super) struct LookedUp {
    /// Objects.
    pub(super) there: Vec<Listed>,
    /// What may not be looked at, and is none the less there.
    pub(super) shut: Vec<Aside>,
}

impl Objects {
    pub(super) async fn copy_batch(&self, batch: &Batch, effort: &Effort) -> Result<Outcome, Fault> {
        let end = Instant::now() + effort.limit;
        let deadline = end - (effort.limit / 10).clamp(RESERVE.0, RESERVE.1).min(effort.limit / 2);
        let began = self.began(deadline).await?;
        let Items { objects, shut, doomed } = self.items_of(batch, deadline).await?;
        let recovered = effort.recovered;
        // In the first pass a target is met, if there is one; otherwise it is known, or likely, to be there.
        let looks_first = recovered || !matches!(batch.0, What::Listed(_) | What::Dated(_));
        let dated = matches!(batch.0, What::Dated(_));
        let way = Way { began, looks_first, overwrites: false, rewrites: false, recovered, dated };
        let mut sums = Sums::default();
        sums.outcome.aside = shut;
        self.bring_all(&objects, way, &mut sums, deadline).await;
        if sums.fault.is_none() {
            self.delete_all(doomed, &mut sums, deadline).await;
        }
        self.keep_paces(end).await;
        let reported = self.report_losses(&objects, end).await;
        let came_further = self.came_further(&objects);
        // What has arrived is found again, and was copied by this batch.
        if let Some(fault) = sums.fault.or(reported.err()) {
            return Err(Fault { uncertain: true, ..fault });
        }
        if sums.unfinished > 0 {
            let (class, message) = if came_further || sums.waited {
                (
                    Class::Unfinished,
                    "an object is larger than what one run can carry: the next one goes on where this one ends",
                )
            } else {
                (Class::Capacity, "the objects of a batch were not all copied within what is left of the run")
            };
            return Err(Fault { uncertain: true, ..Fault::new(class, message) });
        }
        if let Some(fault) = forbidden(&sums.outcome).filter(|_| effort.fresh) {
            return Err(fault);
        }
        Ok(sums.outcome)
    }

    /// Copies objects side by side. After a fault that is no object's own none is begun any more; those that are under way end.
    async fn bring_all(&self, objects: &Arc<Vec<Listed>>, way: Way, sums: &mut Sums, deadline: Instant) {
        let in_time = Instant::now() < deadline;
        let (over, begun) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let mut coming = iter(0..objects.len())
            .map(|place| {
                let (objects, over, begun) = (objects.clone(), over.clone(), begun.clone());
                // Boxed: they are too large to be moved about.
                Box::pin(async move {
                    let ours = objects.get(place)?;
                    let _turn = self.turn().await;
                    if over.load(Ordering::Relaxed) || Instant::now() >= deadline {
                        return Some((cursor(&ours.key), Ok(Fate::Unfinished)));
                    }
                    begun.store(true, Ordering::Relaxed);
                    let fate = self.bring(ours, way, deadline).await;
                    over.fetch_or(fate.is_err(), Ordering::Relaxed);
                    Some((cursor(&ours.key), fate))
                })
            })
            .buffer_unordered(self.side_by_side());
        while let Some(one) = coming.next().await {
            let Some((key, fate)) = one else { continue };
            match fate {
                Ok(Fate::Copied(bytes)) => {
                    sums.outcome.moved += 1;
                    sums.outcome.bytes += bytes;
                }
                Ok(Fate::There(bytes)) if way.recovered => {
                    sums.outcome.moved += 1;
                    sums.outcome.bytes += bytes;
                }
                Ok(Fate::There(_)) => sums.outcome.skipped += 1,
                Ok(Fate::Gone) => {}
                Ok(Fate::Aside(class, message)) => sums.outcome.aside.push(Aside { key, class, message }),
                Ok(Fate::Unfinished) => sums.unfinished += 1,
                Err(fault) => sums.fault = Some(fault),
            }
        }
        sums.waited = in_time && !objects.is_empty() && !begun.load(Ordering::Relaxed);
    }

    /// Deletes targets that have no source, side by side.
    async fn delete_all(&self, doomed: Vec<String>, sums: &mut Sums, deadline: Instant) {
        let mut coming = iter(doomed)
            .map(|target| {
                Box::pin(async move {
                    let _turn = self.turn().await;
                    if Instant::now() >= deadline {
                        return Ok(None);
                    }
                    self.delete_extra(&target, deadline).await.map(Some)
                })
            })
            .buffer_unordered(self.side_by_side());
        while let Some(deleted) = coming.next().await {
            match deleted {
                Ok(Some(deleted)) => sums.outcome.moved += u64::from(deleted),
                Ok(None) => sums.unfinished += 1,
                Err(fault) => {
                    sums.fault = Some(fault);
                    return;
                }
            }
        }
    }

    async fn items_of(&self, batch: &Batch, deadline: Instant) -> Result<Items, Fault> {
        match &batch.0 {
            What::Listed(objects) | What::Dated(objects) | What::Lacking(objects) => {
                Ok(Items { objects: objects.clone(), shut: Vec::new(), doomed: Vec::new() })
            }
            What::Keys(keys) => {
                let LookedUp { there, shut } = self.looked_up(keys, deadline).await?;
                // Nothing is deleted any more once that is not asked any more.
                let asked = self.definition.target.copy.delete_extra.is_some();
                let doomed = keys.iter().filter_map(doomed).filter(|_| asked).map(str::to_owned);
                Ok(Items { objects: Arc::new(there), shut, doomed: doomed.collect() })
            }
        }
    }

    /// Those of these keys that are objects of the source.
    pub(super) async fn looked_up(&self, keys: &[Cursor], deadline: Instant) -> Result<LookedUp, Fault> {
        let keys: Vec<String> = keys.iter().filter_map(key).map(str::to_owned).collect();
        let mut coming = iter(keys)
            .map(|key| {
                Box::pin(async move {
                    let _turn = self.turn_to_look(deadline).await?;
                    let head = self.source.head_of(&self.from, &key, left(deadline)).await;
                    Ok::<_, Fault>((key, head))
                })
            })
            .buffered(self.side_by_side());
        let mut found = LookedUp::default();
        while let Some(looked) = coming.next().await {
            let (key, head) = looked?;
            match head {
                Ok(head) => found.there.extend(head.map(|head| listed(&key, head))),
                Err(error) => {
                    let (class, message) = Stop::of(Side::Source, &error).aside()?;
                    found.shut.push(Aside { key: cursor(&key), class, message });
                }
            }
        }
        Ok(found)
    }

    /// Copies what is missing, over what it may; how many it were.
    pub(super) async fn mend(&self, objects: Vec<Listed>, over: Mended, deadline: Instant) -> Result<u64, Fault> {
        if objects.is_empty() {
            return Ok(0);
        }
        let began = self.began(deadline).await?;
        let (overwrites, rewrites) = (over != Mended::Missing, over == Mended::Unlike);
        let way = Way { began, looks_first: true, overwrites, rewrites, recovered: false, dated: false };
        let (objects, mut sums) = (Arc::new(objects), Sums::default());
        self.bring_all(&objects, way, &mut sums, deadline).await;
        let reported = self.report_losses(&objects, deadline).await;
        let came_further = self.came_further(&objects);
        if let Some(fault) = sums.fault.or(reported.err()) {
            return Err(fault);
        }
        if rewrites && sums.unfinished > 0 && came_further {
            return Err(Fault::new(Class::Unfinished, "an object is larger than what one run can repair"));
        }
        if sums.unfinished > 0 {
            return Err(Fault::new(Class::Capacity, "what is to be repaired is more than what is left of the run"));
        }
        if rewrites {
            self.forget_places(&objects, deadline).await?;
        }
        Ok(sums.outcome.moved)
    }
}

/// Where nothing at all is allowed from the beginning, the migration waits for a person: its objects are not to blame.
fn forbidden(outcome: &Outcome) -> Option<Fault> {
    let first = outcome.aside.first()?;
    let all = outcome.aside.iter().all(|aside| aside.class == "forbidden");
    let alone = outcome.moved == 0 && outcome.skipped == 0 && outcome.aside.len() >= FORBIDDEN;
    let fault = || Fault { advised: true, origin: Origin::Storage, ..Fault::new(Class::Fatal, first.message.clone()) };
    (all && alone).then(fault)
}
