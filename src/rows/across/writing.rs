//! Writing a page of items into the target: one transaction, in which what is there already is compared.

use super::super::faults::RowsError;
use super::super::landing::Stamp;
use super::super::link::{Deadline, execute, rows, without_warnings};
use super::super::mapping::Mapping;
use super::Across;
use super::cargo::Cargo;
use super::comparing::Print;
use super::copy::Copy;
use super::lookup::Held;
use super::route::Route;
use super::shipment::Shipment;
use crate::cursor::Cursor;
use crate::engine::migration::{Aside, Outcome};
use crate::sql::grid::Page;
use crate::sql::{Session, bulk};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// What there is to write, and how.
pub(super) struct Writing<'a> {
    pub(super) mapping: &'a Mapping,
    pub(super) across: &'a Across,
    pub(super) cargo: &'a Arc<Cargo>,
    pub(super) stamp: &'a Stamp,
    /// What is equal was written by a run that was killed.
    pub(super) recovered: bool,
    pub(super) upon_difference: UponDifference,
}

/// What becomes of targets that differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::rows) enum UponDifference {
    /// Each is a conflict.
    SetAside,
    /// Those that are sure to be as milkrun left them are rewritten.
    Refresh,
    /// All are rewritten.
    Overwrite,
}

/// Targets of a page's rows: which of them exist, and what they hold.
pub(super) type Existing = HashMap<usize, Print>;

/// Rows for one table.
#[derive(Clone, Copy)]
struct Load<'a> {
    route: &'a Route,
    cargo: &'a Arc<Cargo>,
    /// The items that they belong to.
    owners: &'a [usize],
    /// `None`: the items themselves.
    copy: Option<(usize, &'a Copy)>,
}

impl Across {
    /// A duplicate key is somebody else's insert, if more targets are there now than before; otherwise an index of the target
    /// refuses the row, and would again.
    pub(super) async fn explain(&self, session: &mut Session, error: RowsError, deadline: Deadline) -> RowsError {
        let RowsError::Taken { constraint, before, keys, copy } = error else { return error };
        let copy = copy.and_then(|place| self.copies.get(place));
        let route = copy.map_or(&self.route, |copy| &copy.route);
        match find(session, route, &keys, deadline).await {
            Ok(now) if now.len() <= before => RowsError::Duplicate { constraint },
            _ => RowsError::Overtaken,
        }
    }
}

impl Writing<'_> {
    /// Writes all of it as if nothing were there, which is the rule: an index of a target says if it is not. `None`: it
    /// says so, and the transaction has to be rolled back.
    pub(super) async fn at_once(
        &self,
        session: &mut Session,
        deadline: Deadline,
    ) -> Result<Option<Outcome>, RowsError> {
        let mut bytes = 0;
        // Items before their rows, as foreign keys want it.
        for load in self.loads() {
            match self.insert(session, load, (0..load.cargo.len()).collect(), deadline).await {
                Ok(written) => bytes += written,
                Err(RowsError::Sql(error)) if error.is_duplicate() => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(Some(Outcome { moved: self.cargo.len() as u64, bytes, ..Outcome::default() }))
    }

    /// Writes what is not there, and compares what is.
    pub(super) async fn with_care(&self, session: &mut Session, deadline: Deadline) -> Result<Outcome, RowsError> {
        let own = self.own();
        let keys = self.keys(own)?;
        let there = prints(session, own.route, &keys, self.across.batch_bytes, deadline).await?;
        let ours = self.sent_prints(session, &there, deadline).await?;
        let mut related = Vec::new();
        for load in self.loads().skip(1) {
            let keys = self.keys(load)?;
            let there = prints(session, load.route, &keys, self.across.batch_bytes, deadline).await?;
            related.push((load, keys, there));
        }
        let mut sorted = Sorted::default();
        let unequal = Self::unequal(&related);
        for row in 0..self.cargo.len() {
            let of_row = unequal.get(&row).map_or(&[][..], Vec::as_slice);
            let taken: Vec<&str> = of_row.iter().filter(|(_, is_there)| *is_there).map(|(name, _)| *name).collect();
            let message = match (there.get(&row), ours.get(&row)) {
                (None, _) if taken.is_empty() => {
                    sorted.missing.push(row);
                    continue;
                }
                (None, _) => {
                    let names: Vec<String> = taken.iter().map(|name| format!("related `{name}`")).collect();
                    format!("there is no target, but some rows of {} are in theirs and differ", names.join(", "))
                }
                (Some(theirs), Some(ours)) if ours == theirs && of_row.is_empty() => {
                    sorted.equal.push(row);
                    continue;
                }
                (Some(theirs), ours) => {
                    let mut names: Vec<&str> = of_row.iter().map(|(name, _)| *name).collect();
                    names.dedup();
                    let nothing = Print::new();
                    let ours = ours.unwrap_or(&nothing);
                    if of_row.is_empty()
                        && (own.route.has_vouchers() || own.route.differs_in_digest_alone(ours, theirs))
                    {
                        sorted.doubtful.push(row);
                    }
                    own.route.conflict(ours, theirs, &names)
                }
            };
            sorted.different.push((row, message));
        }
        let mut outcome = Outcome::default();
        if self.recovered {
            outcome.moved = sorted.equal.len() as u64;
            outcome.bytes = self.ship(own, sorted.equal).bytes();
        } else {
            outcome.skipped = sorted.equal.len() as u64;
        }
        let stale = match self.upon_difference {
            UponDifference::SetAside => HashSet::new(),
            UponDifference::Refresh => self.stale(session, sorted.doubtful, &keys, deadline).await?,
            UponDifference::Overwrite => sorted.different.iter().map(|(row, _)| *row).collect(),
        };
        // Those that somebody has changed since they were looked at, or that a trigger keeps, are conflicts after all.
        let rewritten = self.rewrite(session, own, stale.into_iter().collect(), (&keys, &there), deadline).await?;
        sorted.different.retain(|(row, _)| !rewritten.contains(row));
        let aside =
            |(row, message): (usize, String)| Some(Aside { key: keys.get(row)?.clone(), class: "conflict", message });
        outcome.aside = sorted.different.into_iter().filter_map(aside).collect();
        outcome.moved += (rewritten.len() + sorted.missing.len()) as u64;
        let missing: HashSet<usize> = sorted.missing.iter().copied().collect();
        outcome.bytes += self.insert_new(session, own, sorted.missing, (there.len(), keys), deadline).await?;
        for ((load, keys, there), related) in related.into_iter().zip(&self.cargo.related) {
            let is_new = |row: &usize| {
                !there.contains_key(row) && related.owners.get(*row).is_some_and(|owner| missing.contains(owner))
            };
            let which: Vec<usize> = (0..load.cargo.len()).filter(is_new).collect();
            outcome.bytes += self.insert_new(session, load, which, (there.len(), keys), deadline).await?;
        }
        Ok(outcome)
    }

    /// For each item the copies in which some of its rows are missing, or are there and differ (`true`).
    fn unequal<'b>(related: &'b [(Load<'b>, Vec<Cursor>, Existing)]) -> HashMap<usize, Vec<(&'b str, bool)>>
    where
        Self: 'b,
    {
        let mut unequal: HashMap<usize, Vec<(&str, bool)>> = HashMap::new();
        for (load, keys, there) in related {
            let Some((_, copy)) = load.copy else { continue };
            for row in 0..keys.len() {
                let is_there = match there.get(&row) {
                    Some(theirs) if load.route.print(load.cargo, row) == *theirs => continue,
                    theirs => theirs.is_some(),
                };
                let Some(owner) = load.owners.get(row) else { continue };
                let of_owner = unequal.entry(*owner).or_default();
                if !of_owner.contains(&(&copy.name, is_there)) {
                    of_owner.push((&copy.name, is_there));
                }
            }
        }
        unequal
    }

    fn own(&self) -> Load<'_> {
        Load { route: &self.across.route, cargo: self.cargo, owners: &[], copy: None }
    }

    /// The items, and their rows in each copy.
    fn loads(&self) -> impl Iterator<Item = Load<'_>> {
        let copies = self.across.copies.iter().zip(&self.cargo.related).enumerate();
        std::iter::once(self.own()).chain(copies.map(|(place, (copy, related))| Load {
            route: &copy.route,
            cargo: &related.cargo,
            owners: &related.owners,
            copy: Some((place, copy)),
        }))
    }

    /// As [`Writing::insert`], of rows that were looked up before: `there` of all `keys` were found.
    async fn insert_new(
        &self,
        session: &mut Session,
        load: Load<'_>,
        which: Vec<usize>,
        (there, keys): (usize, Vec<Cursor>),
        deadline: Deadline,
    ) -> Result<u64, RowsError> {
        match self.insert(session, load, which, deadline).await {
            Err(RowsError::Sql(error)) if error.is_duplicate() => {
                let constraint = error.constraint().map(ToOwned::to_owned);
                Err(RowsError::Taken { constraint, before: there, keys, copy: load.copy.map(|(place, _)| place) })
            }
            done => done,
        }
    }

    /// The bytes of what arrived.
    async fn insert(
        &self,
        session: &mut Session,
        load: Load<'_>,
        which: Vec<usize>,
        deadline: Deadline,
    ) -> Result<u64, RowsError> {
        if which.is_empty() {
            return Ok(0);
        }
        let keys = if load.route.meddled { Some(self.keys_of(load, &which)?) } else { None };
        let sent = which.len() as u64;
        let shipment = self.ship(load, which);
        let bytes = shipment.bytes();
        let shipment: Arc<dyn bulk::Rows> = Arc::new(shipment);
        let arrived = session.insert(&load.route.into, &shipment, deadline.left()).await?;
        if arrived != sent {
            return Err(RowsError::Swallowed);
        }
        // What was counted may be gone again, or was put elsewhere.
        if let Some(keys) = keys
            && find(session, load.route, &keys, deadline).await?.len() < keys.len()
        {
            return Err(RowsError::Swallowed);
        }
        Ok(bytes)
    }

    /// Rewrites rows of the target, one by one: there are few. Which of them it has rewritten.
    async fn rewrite(
        &self,
        session: &mut Session,
        load: Load<'_>,
        which: Vec<usize>,
        (keys, there): (&[Cursor], &Existing),
        deadline: Deadline,
    ) -> Result<HashSet<usize>, RowsError> {
        let is_refresh = self.upon_difference == UponDifference::Refresh;
        let shipment = self.ship(load, which.clone());
        let mut rewritten = HashSet::new();
        for (place, row) in which.iter().enumerate() {
            let Some(key) = keys.get(*row).and_then(|key| load.route.target_cursor(key)) else { continue };
            // Asked again by what rewrites it.
            let only = there.get(row).filter(|_| is_refresh).and_then(|theirs| load.route.only(theirs));
            let statement = load.route.update(&shipment, place, &key, only.as_ref());
            if execute(session, &statement, deadline).await? > 0 {
                rewritten.insert(*row);
            }
        }
        Ok(rewritten)
    }

    fn ship(&self, load: Load<'_>, which: Vec<usize>) -> Shipment {
        Shipment::new(load.route, load.cargo, which, self.stamp, &self.mapping.landing.definition)
    }

    fn keys(&self, load: Load<'_>) -> Result<Vec<Cursor>, RowsError> {
        self.keys_of(load, &(0..load.cargo.len()).collect::<Vec<_>>())
    }

    fn keys_of(&self, load: Load<'_>, which: &[usize]) -> Result<Vec<Cursor>, RowsError> {
        let page = load.cargo.page();
        let key = |row: &usize| match load.copy {
            Some((_, copy)) => copy.key_at(page, *row),
            None => self.mapping.key_at(page, *row),
        };
        Ok(which.iter().map(key).collect::<Result<_, _>>()?)
    }

    /// What would be written for the items that have a target.
    async fn sent_prints(
        &self,
        session: &mut Session,
        there: &Existing,
        deadline: Deadline,
    ) -> Result<HashMap<usize, Print>, RowsError> {
        let route = &self.across.route;
        let mut ours: HashMap<usize, Print> = there.keys().map(|row| (*row, route.print(self.cargo, *row))).collect();
        let (Some(place), Some(document)) = (route.rewritten(), route.document) else { return Ok(ours) };
        let which: Vec<usize> = there.keys().copied().collect();
        let documents: Vec<&str> =
            which.iter().map(|row| self.cargo.page().text(*row, document).unwrap_or_default()).collect();
        if documents.is_empty() {
            return Ok(ours);
        }
        for found in rows(session, &route.rewrite(&documents), deadline).await? {
            let row = which.get(place_of(&found)?).ok_or(RowsError::Shape("a lookup"))?;
            if let Some(print) = ours.get_mut(row).and_then(|print| print.get_mut(place)) {
                *print = found.get(1).cloned().flatten();
            }
        }
        Ok(ours)
    }
}

/// A page's items, sorted by what is there of them.
#[derive(Default)]
struct Sorted {
    missing: Vec<usize>,
    equal: Vec<usize>,
    /// And what a conflict says.
    different: Vec<(usize, String)>,
    /// Of these the ones whose targets may be stale.
    doubtful: Vec<usize>,
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

/// The same, and what they hold, read so many bytes at a time.
pub(super) async fn prints(
    session: &mut Session,
    route: &Route,
    keys: &[Cursor],
    bytes: u64,
    deadline: Deadline,
) -> Result<Existing, RowsError> {
    let mut existing = Existing::new();
    let mut parts = Held::of(route, keys);
    while let Some(mut part) = parts.pop() {
        let statement = route.lookup(&part.keys, &route.held_prints());
        let most = if part.keys.len() > 1 { bytes } else { u64::MAX };
        let Page { rows: page, is_cut } = session.read(&statement, most, deadline.left()).await?;
        without_warnings(session, deadline).await?;
        if is_cut {
            parts.extend([part.second_half(), part]);
            continue;
        }
        for row in 0..page.len() {
            existing.insert(part.place(page.text(row, 0))?, route.held_print(&page, row, 1));
        }
    }
    Ok(existing)
}

/// The place that a lookup answers first.
pub(super) fn place_of(row: &[Option<String>]) -> Result<usize, RowsError> {
    row.first().and_then(|place| place.as_deref()?.parse().ok()).ok_or(RowsError::Shape("a lookup"))
}
