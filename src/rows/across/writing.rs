//! Writing a page of items into the target: one transaction, in which what is there already is compared.

use super::super::faults::RowsError;
use super::super::landing::Stamp;
use super::super::link::{Deadline, execute, rows, without_warnings};
use super::super::mapping::Mapping;
use super::cargo::Cargo;
use super::comparing::Print;
use super::route::Route;
use super::shipment::Shipment;
use crate::cursor::Cursor;
use crate::engine::migration::{Aside, Outcome};
use crate::sql::{Session, bulk};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// What there is to write, and how.
pub(super) struct Writing<'a> {
    pub(super) mapping: &'a Mapping,
    pub(super) route: &'a Route,
    pub(super) cargo: &'a Arc<Cargo>,
    pub(super) stamp: &'a Stamp,
    /// What is equal was written by a run that was killed.
    pub(super) recovered: bool,
    /// Differing targets are rewritten, not set aside.
    pub(super) overwrite: bool,
}

/// Targets of a page's rows: which of them exist, and what they hold.
pub(super) type Existing = HashMap<usize, Print>;

/// Keys that are looked up by one statement.
const ASKED: usize = 2000;

impl Writing<'_> {
    /// Writes all of it as if nothing were there, which is the rule: an index of the target says if it is not. `None`: it
    /// says so, and the transaction has to be rolled back.
    pub(super) async fn at_once(
        &self,
        session: &mut Session,
        deadline: Deadline,
    ) -> Result<Option<Outcome>, RowsError> {
        let all: Vec<usize> = (0..self.cargo.len()).collect();
        match self.insert(session, all, deadline).await {
            Ok((moved, bytes)) => Ok(Some(Outcome { moved, bytes, ..Outcome::default() })),
            Err(RowsError::Sql(error)) if error.is_duplicate() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes what is not there, and compares what is.
    pub(super) async fn with_care(&self, session: &mut Session, deadline: Deadline) -> Result<Outcome, RowsError> {
        let keys = self.keys()?;
        let there = prints(session, self.route, &keys, deadline).await?;
        let ours = self.sent_prints(session, &there, deadline).await?;
        let (mut equal, mut different, mut missing) = (Vec::new(), Vec::new(), Vec::new());
        for row in 0..self.cargo.len() {
            match there.get(&row) {
                None => missing.push(row),
                Some(theirs) if ours.get(&row) == Some(theirs) => equal.push(row),
                Some(_) => different.push(row),
            }
        }
        let mut outcome = Outcome::default();
        if self.recovered {
            outcome.moved = equal.len() as u64;
            outcome.bytes = self.ship(equal).bytes();
        } else {
            outcome.skipped = equal.len() as u64;
        }
        let asides = different.iter().filter(|_| !self.overwrite).filter_map(|row| {
            let message = self.route.conflict(ours.get(row)?, there.get(row)?);
            Some(Aside { key: keys.get(*row)?.clone(), class: "conflict", message })
        });
        outcome.aside = asides.collect();
        if self.overwrite {
            outcome.moved += self.rewrite(session, different, &keys, deadline).await?;
        }
        let before = there.len();
        let (moved, bytes) = match self.insert(session, missing, deadline).await {
            Err(RowsError::Sql(error)) if error.is_duplicate() => {
                let constraint = error.constraint().map(ToOwned::to_owned);
                return Err(RowsError::Taken { constraint, before, keys });
            }
            done => done?,
        };
        outcome.moved += moved;
        outcome.bytes += bytes;
        Ok(outcome)
    }

    /// A duplicate key is somebody else's insert, if more targets are there now than before; otherwise an index of the target
    /// refuses the row, and would again.
    pub(super) async fn explain(&self, session: &mut Session, error: RowsError, deadline: Deadline) -> RowsError {
        let RowsError::Taken { constraint, before, keys } = error else { return error };
        match find(session, self.route, &keys, deadline).await {
            Ok(now) if now.len() <= before => RowsError::Duplicate { constraint },
            _ => RowsError::Overtaken,
        }
    }

    /// How many rows arrived, and their bytes.
    async fn insert(
        &self,
        session: &mut Session,
        which: Vec<usize>,
        deadline: Deadline,
    ) -> Result<(u64, u64), RowsError> {
        if which.is_empty() {
            return Ok((0, 0));
        }
        let keys = if self.route.meddled { Some(self.keys_of(&which)?) } else { None };
        let sent = which.len() as u64;
        let shipment = self.ship(which);
        let bytes = shipment.bytes();
        let shipment: Arc<dyn bulk::Rows> = Arc::new(shipment);
        let arrived = session.insert(&self.route.into, &shipment, deadline.left()).await?;
        if arrived != sent {
            return Err(RowsError::Swallowed);
        }
        // What was counted may be gone again, or was put elsewhere.
        if let Some(keys) = keys
            && find(session, self.route, &keys, deadline).await?.len() < keys.len()
        {
            return Err(RowsError::Swallowed);
        }
        Ok((arrived, bytes))
    }

    /// Rewrites rows of the target, one by one: there are few.
    async fn rewrite(
        &self,
        session: &mut Session,
        which: Vec<usize>,
        keys: &[Cursor],
        deadline: Deadline,
    ) -> Result<u64, RowsError> {
        let shipment = self.ship(which.clone());
        let mut rewritten = 0;
        for (place, row) in which.iter().enumerate() {
            let Some(key) = keys.get(*row) else { continue };
            let statement = self.route.update(&shipment, place, key);
            rewritten += execute(session, &statement, deadline).await?;
        }
        Ok(rewritten)
    }

    fn ship(&self, which: Vec<usize>) -> Shipment {
        Shipment::new(self.route, self.cargo, which, self.stamp, &self.mapping.landing.definition)
    }

    fn keys(&self) -> Result<Vec<Cursor>, RowsError> {
        self.keys_of(&(0..self.cargo.len()).collect::<Vec<_>>())
    }

    fn keys_of(&self, which: &[usize]) -> Result<Vec<Cursor>, RowsError> {
        Ok(which.iter().map(|row| self.mapping.key_at(self.cargo.page(), *row)).collect::<Result<_, _>>()?)
    }

    /// What would be written for the rows that have a target.
    async fn sent_prints(
        &self,
        session: &mut Session,
        there: &Existing,
        deadline: Deadline,
    ) -> Result<HashMap<usize, Print>, RowsError> {
        let mut ours: HashMap<usize, Print> =
            there.keys().map(|row| (*row, self.route.print(self.cargo, *row))).collect();
        let (Some(place), Some(document)) = (self.route.rewritten(), self.route.document) else { return Ok(ours) };
        let which: Vec<usize> = there.keys().copied().collect();
        let documents: Vec<&str> =
            which.iter().map(|row| self.cargo.page().text(*row, document).unwrap_or_default()).collect();
        if documents.is_empty() {
            return Ok(ours);
        }
        for found in rows(session, &self.route.rewrite(&documents), deadline).await? {
            let row = which.get(place_of(&found)?).ok_or(RowsError::Shape("a lookup"))?;
            if let Some(print) = ours.get_mut(row).and_then(|print| print.get_mut(place)) {
                *print = found.get(1).cloned().flatten();
            }
        }
        Ok(ours)
    }
}

/// Which of these keys have a target, by their places.
pub(super) async fn find(
    session: &mut Session,
    route: &Route,
    keys: &[Cursor],
    deadline: Deadline,
) -> Result<HashSet<usize>, RowsError> {
    let mut existing = HashSet::new();
    for part in Held::of(route, keys) {
        let found = rows(session, &route.lookup(&part.keys, &[]), deadline).await?;
        for row in &found {
            existing.insert(part.place(row.first().and_then(Option::as_deref))?);
        }
    }
    Ok(existing)
}

/// The same, and what they hold.
pub(super) async fn prints(
    session: &mut Session,
    route: &Route,
    keys: &[Cursor],
    deadline: Deadline,
) -> Result<Existing, RowsError> {
    let mut existing = Existing::new();
    for part in Held::of(route, keys) {
        let statement = route.lookup(&part.keys, &route.held_prints());
        let page = session.read(&statement, u64::MAX, deadline.left()).await?.rows;
        without_warnings(session, deadline).await?;
        for row in 0..page.len() {
            existing.insert(part.place(page.text(row, 0))?, route.held_print(&page, row, 1));
        }
    }
    Ok(existing)
}

/// Keys that the target can hold, and their places.
struct Held {
    keys: Vec<Cursor>,
    places: Vec<usize>,
}

impl Held {
    /// By statements' worth.
    fn of(route: &Route, keys: &[Cursor]) -> Vec<Self> {
        let held = |(place, key): (usize, &Cursor)| Some((place, route.target_cursor(key)?));
        let (places, keys): (Vec<usize>, Vec<Cursor>) = keys.iter().enumerate().filter_map(held).unzip();
        let part = |(keys, places): (&[Cursor], &[usize])| Self { keys: keys.to_vec(), places: places.to_vec() };
        keys.chunks(ASKED).zip(places.chunks(ASKED)).map(part).collect()
    }

    fn place(&self, answer: Option<&str>) -> Result<usize, RowsError> {
        let place = answer.and_then(|place| self.places.get(place.parse::<usize>().ok()?));
        place.copied().ok_or(RowsError::Shape("a lookup"))
    }
}

/// The place that a lookup answers first.
pub(super) fn place_of(row: &[Option<String>]) -> Result<usize, RowsError> {
    row.first().and_then(|place| place.as_deref()?.parse().ok()).ok_or(RowsError::Shape("a lookup"))
}
