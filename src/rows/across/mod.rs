//! Rows of one database become rows of another: read in pages, written in bulk, compared by digests.

mod cargo;
mod comparing;
mod copy;
mod listing;
mod loading;
mod lookup;
mod planning;
mod purging;
mod reading;
mod refreshing;
mod rewriting;
mod route;
mod routing;
mod shipment;
mod sweeping;
mod updating;
mod verifying;
mod writing;

use super::Batch;
use super::destination;
use super::faults::RowsError;
use super::key::Key;
use super::landing::Stamp;
use super::link::{Deadline, Link};
use super::mapping::{Mapping, Stretch};
use super::pool::Pool;
use super::tables::Tables;
use super::walk::{Step, number};
use crate::cursor::Cursor;
use crate::engine::migration::{Effort, Outcome, Range, Read};
use crate::fault::Action;
use crate::spec::RowsDefinition;
use crate::sql::{ConnectOptions, Session};
pub(super) use cargo::Cargo;
use copy::Copy;
use loading::Loaded;
use reading::Most;
use route::Route;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;
pub(super) use writing::UponDifference;
use writing::Writing;

/// The other database, and how rows get there.
pub(super) struct Across {
    pub(super) options: ConnectOptions,
    /// As of the source: whoever needs one of both takes the source's first.
    pub(super) sessions: Pool,
    route: Route,
    /// The target exists.
    is_there: bool,
    /// Related tables whose rows go with them.
    copies: Vec<Copy>,
    /// The target's key as it is walked, and where in it each part of the source's key is.
    target_key: (Key, Vec<usize>),
    /// The source's key, as keys of the target are looked up by it.
    source_key: Vec<route::KeyColumn>,
    /// The last batch found targets that exist: the next one looks first.
    expects_targets: AtomicBool,
    /// Bytes that a batch may hold.
    pub(super) batch_bytes: u64,
}

/// Bytes of a batch where nobody says how many.
const BATCH_BYTES: u64 = 16 << 20;

/// Items that are read at once, where they are not named.
const PAGE: u64 = 1000;

/// Keys whose items are read at once.
const NAMED: usize = 200;

impl Across {
    /// `None` if something of the definition does not exist.
    pub(super) fn new(
        definition: &RowsDefinition,
        tables: &Tables,
        options: ConnectOptions,
        sessions: Pool,
    ) -> Option<Self> {
        let own = destination::own(definition, tables);
        Some(Self {
            target_key: routing::target_key(tables, &own)?,
            source_key: routing::source_key(tables, &own)?,
            route: routing::route(tables, &own, "t", 0)?,
            copies: copy::copies(definition, tables)?,
            is_there: own.found.is_some(),
            options,
            sessions,
            expects_targets: AtomicBool::new(false),
            batch_bytes: BATCH_BYTES,
        })
    }

    /// The next batch, with its items in it.
    pub(super) async fn read(
        &self,
        mapping: &Mapping,
        source: &mut Link,
        range: &Range,
        after: Option<&Cursor>,
        (size, max_item): (u64, u64),
        deadline: Deadline,
    ) -> Result<Option<Read<Batch>>, RowsError> {
        if after == Some(&range.bound) {
            return Ok(None);
        }
        let session = source.session(deadline).await?;
        // Where all rows match, what is read says where the batch ends.
        let all = mapping.filter.is_none();
        let step = if all {
            Step { end: range.bound.clone(), scanned: size.max(1), last: true }
        } else {
            mapping.step(session, range, after, size, deadline).await?
        };
        if step.scanned == 0 {
            return Ok(None);
        }
        let stretch = Stretch::Range { after, end: &step.end };
        // What is compared is compared as text, as are related rows.
        let whole = self.copies.is_empty() && !self.expects_targets.load(Ordering::Relaxed);
        let most = Most { items: size.max(1), bytes: self.batch_bytes, item: max_item, whole };
        let loaded = self.load(mapping, session, &stretch, range.pass_started, most, deadline).await;
        let loaded = match loaded {
            // An item that cannot be read: the batch says it when it is written, and of whom.
            Err(error) if error.class().action() == Action::Bisect => {
                let session = source.session(deadline).await?;
                let step = if all { mapping.step(session, range, after, size, deadline).await? } else { step };
                let batch = Batch::range(after.cloned(), step.end.clone(), range.pass_started);
                let unread = Read { batch, end: step.end, scanned: step.scanned, bytes: 0, found: Vec::new() };
                return Ok(Some(unread));
            }
            loaded => loaded?,
        };
        let Loaded { items, last, is_cut, too_large, cargo, .. } = loaded;
        let is_too_large = too_large.is_some();
        let last = last.or(too_large);
        let found = items.max(u64::from(last.is_some()));
        let (end, scanned) = match last {
            None if all => return Ok(None),
            // A batch of one key ends at it, so that whatever becomes of it is said of that key.
            Some(last) if all && (is_cut || found == 1) => (last, found),
            _ if all => (step.end, found),
            Some(last) if is_cut => {
                let cut = Stretch::Range { after, end: &last };
                let scanned = number(session, &mapping.keys(&cut)?, deadline).await?;
                (last, scanned)
            }
            _ => (step.end, step.scanned),
        };
        // What is too large, or cannot be held by the target, says so when it is written.
        let cargo = cargo.ok().filter(|_| items > 0 || !is_too_large);
        let bytes = cargo.as_ref().map_or(0, Cargo::bytes);
        let batch = match cargo {
            Some(cargo) => Batch::cargo(cargo, range.pass_started),
            None => Batch::range(after.cloned(), end.clone(), range.pass_started),
        };
        Ok(Some(Read { batch, end, scanned, bytes, found: Vec::new() }))
    }

    /// Writes a page that was read.
    pub(super) async fn write(
        &self,
        mapping: &Mapping,
        cargo: &Arc<Cargo>,
        effort: &Effort,
    ) -> Result<Outcome, RowsError> {
        if cargo.len() == 0 {
            return Ok(Outcome::default());
        }
        let deadline = Deadline::after(effort.limit);
        let mut link = self.sessions.take().await;
        let session = link.session(deadline).await?;
        let stamp = Stamp { now: SystemTime::now(), run: effort.run.clone() };
        let recovered = effort.recovered;
        let writing = |cargo| Writing {
            mapping,
            across: self,
            cargo,
            stamp: &stamp,
            recovered,
            upon_difference: UponDifference::SetAside,
        };
        if !recovered && !self.expects_targets.load(Ordering::Relaxed) {
            session.begin(deadline.left()).await?;
            let result = writing(cargo).at_once(session, deadline).await;
            if let Some(outcome) = finish(session, result, deadline).await? {
                return Ok(outcome);
            }
        }
        let as_text = cargo.as_text().transpose()?.map(Arc::new);
        let writing = writing(as_text.as_ref().unwrap_or(cargo));
        session.begin(deadline.left()).await?;
        match writing.with_care(session, deadline).await {
            Ok(outcome) => {
                session.commit(deadline.left()).await.map_err(RowsError::of_commit)?;
                let there = outcome.skipped > 0 || !outcome.aside.is_empty();
                self.expects_targets.store(there, Ordering::Relaxed);
                Ok(outcome)
            }
            Err(error) => Err(self.roll_back(session, error, deadline).await),
        }
    }

    /// Reads the items of a stretch and writes them, a page after another, all in one transaction of the target.
    pub(super) async fn carry(
        &self,
        mapping: &Mapping,
        source: &mut Link,
        stretch: &Stretch<'_>,
        carrying: &Carrying<'_>,
        deadline: Deadline,
    ) -> Result<Outcome, RowsError> {
        let source = source.session(deadline).await?;
        self.carry_from(mapping, source, stretch, carrying, deadline).await
    }

    /// The same from a session that may be in a transaction.
    async fn carry_from(
        &self,
        mapping: &Mapping,
        source: &mut Session,
        stretch: &Stretch<'_>,
        carrying: &Carrying<'_>,
        deadline: Deadline,
    ) -> Result<Outcome, RowsError> {
        if carrying.upon_difference == UponDifference::Overwrite && !self.copies.is_empty() {
            return Err(RowsError::Overwrite);
        }
        let mut link = self.sessions.take().await;
        let target = link.session(deadline).await?;
        target.begin(deadline.left()).await?;
        match self.carry_on(mapping, (source, &mut *target), stretch, carrying, deadline).await {
            Ok(outcome) => {
                target.commit(deadline.left()).await.map_err(RowsError::of_commit)?;
                Ok(outcome)
            }
            Err(error) => Err(self.roll_back(target, error, deadline).await),
        }
    }

    /// What is to be said of a failure, once nothing of the transaction is left.
    async fn roll_back(&self, target: &mut Session, error: RowsError, deadline: Deadline) -> RowsError {
        // A session that cannot roll back is dropped with its transaction.
        let _ = target.rollback(deadline.left()).await;
        self.explain(target, error, deadline).await
    }

    /// The same within a transaction of the target, which is open afterwards.
    async fn carry_on(
        &self,
        mapping: &Mapping,
        (source, target): (&mut Session, &mut Session),
        stretch: &Stretch<'_>,
        carrying: &Carrying<'_>,
        deadline: Deadline,
    ) -> Result<Outcome, RowsError> {
        let mut sum = Outcome::default();
        let mut left = Left::new(stretch);
        while let Some(stretch) = left.next() {
            let items = match stretch {
                Stretch::Keys(keys) => keys.len() as u64,
                Stretch::Range { .. } => PAGE,
            };
            let most = Most { items, bytes: self.batch_bytes, item: carrying.max_item, whole: false };
            let started = carrying.pass_started;
            let loaded = self.load(mapping, source, &stretch, started, most, deadline).await?;
            let Loaded { items, last, named, is_cut, too_large, is_crowded, cargo } = loaded;
            if let Some(key) = too_large.filter(|_| items == 0) {
                if is_crowded {
                    return Err(RowsError::Crowded { key: Box::new(key), bytes: self.batch_bytes });
                }
                let bytes = number(source, &mapping.measure(&self.route, &key, started)?, deadline).await?;
                return Err(RowsError::TooLarge { key: Box::new(key), bytes, max_item: carrying.max_item });
            }
            let cargo = Arc::new(cargo?);
            let writing = Writing {
                mapping,
                across: self,
                cargo: &cargo,
                stamp: carrying.stamp,
                recovered: carrying.recovered,
                upon_difference: carrying.upon_difference,
            };
            let outcome = writing.with_care(target, deadline).await?;
            sum.moved += outcome.moved;
            sum.skipped += outcome.skipped;
            sum.bytes += outcome.bytes;
            sum.aside.extend(outcome.aside);
            left.read(last, &named, is_cut);
        }
        Ok(sum)
    }
}

/// How a stretch is to be carried over.
pub(super) struct Carrying<'a> {
    pub(super) pass_started: SystemTime,
    pub(super) stamp: &'a Stamp,
    pub(super) recovered: bool,
    pub(super) upon_difference: UponDifference,
    pub(super) max_item: u64,
}

/// Commits what went well, and rolls back what did not.
async fn finish(
    session: &mut Session,
    result: Result<Option<Outcome>, RowsError>,
    deadline: Deadline,
) -> Result<Option<Outcome>, RowsError> {
    if let Ok(Some(_)) = &result {
        session.commit(deadline.left()).await.map_err(RowsError::of_commit)?;
    } else {
        // A session that cannot roll back is dropped with its transaction.
        let _ = session.rollback(deadline.left()).await;
    }
    result
}

/// What is left of a stretch while it is read page by page.
enum Left<'a> {
    Range { after: Option<Cursor>, end: &'a Cursor },
    Keys { now: Vec<Cursor>, later: &'a [Cursor] },
    Nothing,
}

impl<'a> Left<'a> {
    fn new(stretch: &Stretch<'a>) -> Self {
        match *stretch {
            Stretch::Range { after, end } => Self::Range { after: after.cloned(), end },
            Stretch::Keys(later) => Self::Keys { now: Vec::new(), later },
        }
    }

    fn next(&mut self) -> Option<Stretch<'_>> {
        match self {
            Self::Range { after, end } => Some(Stretch::Range { after: after.as_ref(), end }),
            Self::Keys { now, later } => {
                if now.is_empty() {
                    let (first, rest) = later.split_at(later.len().min(NAMED));
                    (*now, *later) = (first.to_vec(), rest);
                }
                (!now.is_empty()).then_some(Stretch::Keys(now))
            }
            Self::Nothing => None,
        }
    }

    /// These were read; `is_cut`: there may be more of what was asked for.
    fn read(&mut self, last: Option<Cursor>, keys: &[Cursor], is_cut: bool) {
        match self {
            Self::Range { after, .. } if is_cut && last.is_some() => *after = last,
            Self::Keys { now, .. } if is_cut && !keys.is_empty() => {
                let before = now.len();
                now.retain(|key| !keys.contains(key));
                if now.len() == before {
                    // Rows that were found under other spellings of their keys: there is no way on from there.
                    now.clear();
                }
            }
            Self::Keys { now, .. } => now.clear(),
            _ => *self = Self::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cursor::KeyPart;

    #[test]
    fn reading_by_name_ends_though_rows_are_found_under_other_names() {
        let key = |text: &str| Cursor(vec![KeyPart::Text(text.to_owned())]);
        let keys: Vec<Cursor> = (0..=NAMED).map(|number| key(&format!("a{number}"))).collect();
        let mut left = Left::new(&Stretch::Keys(&keys));
        let named = |left: &mut Left<'_>| match left.next() {
            Some(Stretch::Keys(keys)) => keys.len(),
            _ => 0,
        };
        assert_eq!(named(&mut left), NAMED);
        // Two were read, and there may be more.
        left.read(None, &[key("a0"), key("a7")], true);
        assert_eq!(named(&mut left), NAMED - 2);
        // Their collation takes these for the same, and there is no saying for which.
        left.read(None, &[key("A1"), key("A2")], true);
        assert_eq!(named(&mut left), 1);
        left.read(None, &[key("A200")], true);
        assert_eq!(named(&mut left), 0);
    }
}
