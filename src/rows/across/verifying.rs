//! Comparing source and target, both ways: first each item of the source is looked up in the target, then each row of the
//! target in the source, each side walked in its own order. Nothing is assumed of how the two compare keys.

use super::super::faults::RowsError;
use super::super::key::{Key, KeyError, Side};
use super::super::link::{Deadline, Link, rows, without_warnings};
use super::super::mapping::{Mapping, Stretch};
use super::super::phrase::count;
use super::super::walk::{Step, number};
use super::comparing::Print;
use super::lookup::look_up;
use super::writing::{place_of, prints};
use super::{Across, Carrying, UponDifference};
use crate::cursor::{Cursor, KeyPart};
use crate::engine::migration::{Comparison, Range, Read};
use crate::sql::Session;
use crate::sql::grid::Page;
use crate::sql::statement::Statement;
use std::collections::HashSet;
use std::time::SystemTime;

/// Keys that a stretch names of each kind.
const EXAMPLES: usize = 5;

/// Where a comparison is.
enum Place {
    /// In the source, beyond this key.
    Source(Option<Cursor>),
    /// In the target, likewise.
    Target(Option<Cursor>),
}

impl Place {
    /// A cursor that is in the target has one part more than a key, and before its first key two.
    fn of(after: Option<&Cursor>, parts: usize) -> Self {
        match after {
            Some(cursor) if cursor.0.len() == parts + 1 => Self::Target(Some(Cursor(cursor.0[..parts].to_vec()))),
            Some(cursor) if cursor.0.len() > parts => Self::Target(None),
            after => Self::Source(after.cloned()),
        }
    }

    fn cursor(key: Option<&Cursor>, parts: usize) -> Cursor {
        let mark = KeyPart::Text("target".to_owned());
        match key {
            Some(key) => Cursor(key.0.iter().cloned().chain([mark]).collect()),
            None => Cursor(vec![mark; parts + 2]),
        }
    }
}

/// What one stretch of the source came to.
struct Compared {
    comparison: Comparison,
    equal: Vec<Cursor>,
    missing: Vec<Cursor>,
    different: Vec<Cursor>,
    /// The stretch held more than was read of it: this is the last item that was compared.
    cut: Option<Cursor>,
    /// What was read of the source.
    bytes: u64,
}

impl Across {
    /// The next stretch, and in it what there is to mend.
    pub(in super::super) async fn verify(
        &self,
        mapping: &Mapping,
        source: &mut Link,
        (range, after, size): (&Range, Option<&Cursor>, u64),
        mending: Option<&Carrying<'_>>,
        max_item: u64,
        deadline: Deadline,
    ) -> Result<Option<Read<Comparison>>, RowsError> {
        let parts = mapping.key().columns.len();
        let session = source.session(deadline).await?;
        let mut link = self.sessions.take().await;
        let target = link.session(deadline).await?;
        let after = match Place::of(after, parts) {
            Place::Source(after) => after,
            // Targets of rows that were deleted are looked for by nobody.
            Place::Target(_) if mapping.purge.is_some() => return Ok(None),
            Place::Target(after) => {
                return self.extras(mapping, (session, target), range, after.as_ref(), size, deadline).await;
            }
        };
        let step = if after.as_ref() == Some(&range.bound) {
            None
        } else {
            Some(mapping.step(session, range, after.as_ref(), size, deadline).await?).filter(|step| step.scanned > 0)
        };
        let Some(mut step) = step else {
            let end = Place::cursor(None, parts);
            let batch = Comparison::default();
            return Ok(Some(Read { batch, end, scanned: 0, bytes: 0, found: Vec::new() }));
        };
        let stretch = Stretch::Range { after: after.as_ref(), end: &step.end };
        let started = range.pass_started;
        let mut compared =
            self.compare(mapping, (&mut *session, target), &stretch, started, max_item, deadline).await?;
        if let Some(end) = compared.cut.take() {
            let scanned = mapping.keys(&Stretch::Range { after: after.as_ref(), end: &end })?;
            step = Step { last: false, scanned: number(session, &scanned, deadline).await?, end };
        }
        if let Some(carrying) = mending {
            let mut wrong = compared.missing;
            if carrying.upon_difference == UponDifference::Overwrite {
                wrong.append(&mut compared.different);
            }
            if !wrong.is_empty() {
                drop(link);
                let stretch = Stretch::Keys(&wrong);
                let mended = self.carry_held(mapping, source, &stretch, carrying, deadline).await;
                compared.comparison.repaired = match mended {
                    Ok(mended) => mended.moved,
                    Err(error) => return Err(mapping.of_batch(source, error, &stretch, started, deadline).await),
                };
            }
        }
        let end = if step.last { Place::cursor(None, parts) } else { step.end.clone() };
        let Compared { comparison: batch, bytes, .. } = compared;
        Ok(Some(Read { batch, end, scanned: step.scanned, bytes, found: Vec::new() }))
    }

    /// Those of these items whose target was read back and is what they are.
    pub(super) async fn equal(
        &self,
        mapping: &Mapping,
        (session, target): (&mut Session, &mut Session),
        keys: &[Cursor],
        (pass_started, max_item): (SystemTime, u64),
        deadline: Deadline,
    ) -> Result<HashSet<Cursor>, RowsError> {
        let (mut equal, mut left) = (HashSet::new(), keys.to_vec());
        while !left.is_empty() {
            let (sessions, stretch) = ((&mut *session, &mut *target), Stretch::Keys(&left));
            let compared = self.compare(mapping, sessions, &stretch, pass_started, max_item, deadline).await?;
            let Compared { equal: found, missing, different, cut, .. } = compared;
            if cut.is_none() {
                equal.extend(found);
                break;
            }
            // By name: they need not have been locked in the key's order.
            let seen: HashSet<&Cursor> = found.iter().chain(&missing).chain(&different).collect();
            left.retain(|key| !seen.contains(key));
            equal.extend(found);
        }
        Ok(equal)
    }

    async fn compare(
        &self,
        mapping: &Mapping,
        (session, target): (&mut Session, &mut Session),
        stretch: &Stretch<'_>,
        pass_started: SystemTime,
        max_item: u64,
        deadline: Deadline,
    ) -> Result<Compared, RowsError> {
        let parts = mapping.key().columns.len();
        let statement = self.prints(mapping, stretch, pass_started)?;
        let page = session.read(&statement, self.batch_bytes, deadline.left()).await;
        let Page { rows: page, is_cut } = page.map_err(|error| mapping.of_query(error.into()))?;
        without_warnings(session, deadline).await?;
        let mut keys = Vec::with_capacity(page.len());
        let mut ours: Vec<Print> = Vec::with_capacity(page.len());
        for row in 0..page.len() {
            ours.push(self.route.read_print(&page, row, parts));
            keys.push(mapping.key_at(&page, row)?);
        }
        let mut compared = Compared {
            comparison: Comparison::default(),
            equal: Vec::new(),
            missing: Vec::new(),
            different: Vec::new(),
            cut: keys.last().filter(|_| is_cut).cloned(),
            bytes: page.bytes(),
        };
        drop(page);
        let there = prints(target, &self.route, &keys, self.batch_bytes, deadline).await?;
        if let Some(place) = self.route.rewritten() {
            let asked: Vec<Cursor> = there.keys().filter_map(|place| keys.get(*place).cloned()).collect();
            let known = self.rewritten(mapping, (session, target), &asked, pass_started, max_item, deadline).await?;
            for (key, print) in keys.iter().zip(&mut ours) {
                if let (Some(digest), Some(document)) = (known.get(key), print.get_mut(place)) {
                    document.clone_from(digest);
                }
            }
        }
        let whole = (!is_cut).then_some(stretch);
        let broken = self.broken(mapping, (session, target), (&keys, whole), pass_started, deadline).await?;
        let found = &mut compared.comparison;
        for (place, (key, ours)) in keys.into_iter().zip(&ours).enumerate() {
            found.checked += 1;
            match there.get(&place) {
                None => {
                    found.missing += 1;
                    compared.missing.push(key);
                }
                Some(theirs) if theirs == ours && !broken.contains(&key) => {
                    found.equal += 1;
                    compared.equal.push(key);
                }
                Some(_) => {
                    found.different += 1;
                    compared.different.push(key);
                }
            }
        }
        for (keys, kind) in [(&compared.missing, "missing"), (&compared.different, "different")] {
            found.examples.extend(keys.iter().take(EXAMPLES).map(|key| (key.clone(), kind)));
        }
        Ok(compared)
    }

    /// Those of these items, all of a stretch if it is named, of which some related row is missing in its target, or different there.
    async fn broken(
        &self,
        mapping: &Mapping,
        (session, target): (&mut Session, &mut Session),
        (keys, whole): (&[Cursor], Option<&Stretch<'_>>),
        pass_started: SystemTime,
        deadline: Deadline,
    ) -> Result<HashSet<Cursor>, RowsError> {
        let mut broken = HashSet::new();
        for copy in &self.copies {
            let shown = copy.route.read_prints(mapping.dialect, "");
            let mut parts = vec![(whole.copied().unwrap_or(Stretch::Keys(keys)), keys)];
            while let Some((stretch, keys)) = parts.pop() {
                let statement = copy.rows(mapping, &stretch, pass_started, &shown)?;
                // One item's were written at once, and are read so.
                let most = if keys.len() > 1 { self.batch_bytes } else { u64::MAX };
                let Page { rows: page, is_cut } = session.read(&statement, most, deadline.left()).await?;
                without_warnings(session, deadline).await?;
                if is_cut {
                    let (first, second) = keys.split_at(keys.len() / 2);
                    parts.extend([first, second].map(|half| (Stretch::Keys(half), half)));
                    continue;
                }
                let theirs = (0..page.len()).map(|row| copy.key_at(&page, row)).collect::<Result<Vec<_>, _>>()?;
                let there = prints(target, &copy.route, &theirs, self.batch_bytes, deadline).await?;
                for row in 0..page.len() {
                    if there.get(&row) != Some(&copy.route.read_print(&page, row, copy.route.parts)) {
                        broken.insert(mapping.key_at(&page, row)?);
                    }
                }
            }
        }
        Ok(broken)
    }

    /// Targets without an item in the source.
    async fn extras(
        &self,
        mapping: &Mapping,
        (session, target): (&mut Session, &mut Session),
        range: &Range,
        after: Option<&Cursor>,
        size: u64,
        deadline: Deadline,
    ) -> Result<Option<Read<Comparison>>, RowsError> {
        let parts = mapping.key().columns.len();
        let statement = self.target_keys(after, size.max(1))?;
        let found = rows(target, &statement, deadline).await?;
        let (walked, places) = &self.target_key;
        let walked = found.iter().map(|row| walked.read(row, 0)).collect::<Result<Vec<_>, _>>()?;
        let Some(last) = walked.last() else { return Ok(None) };
        // In the order of the source's parts.
        let keys: Vec<Cursor> = walked
            .iter()
            .map(|key| Cursor(places.iter().filter_map(|place| key.0.get(*place).cloned()).collect()))
            .collect();
        // What the source cannot hold is not there.
        let held = |(place, key): (usize, &Cursor)| Some((place, self.route.source_cursor(key)?));
        let (places, asked): (Vec<usize>, Vec<Cursor>) = keys.iter().enumerate().filter_map(held).unzip();
        let statement = self.sources(mapping, &asked, range.pass_started);
        let items = rows(session, &statement, deadline).await.map_err(|error| mapping.of_query(error.into()))?;
        let place = |row: &Vec<_>| places.get(place_of(row)?).copied().ok_or(RowsError::Shape("a lookup"));
        let items = items.iter().map(place).collect::<Result<HashSet<_>, _>>()?;
        let extra = keys.iter().enumerate().filter(|(place, _)| !items.contains(place)).map(|(_, key)| key);
        let examples = extra.clone().take(EXAMPLES).map(|key| (key.clone(), "extra")).collect();
        let batch = Comparison { extra: extra.count() as u64, examples, ..Comparison::default() };
        let (end, scanned) = (Place::cursor(Some(last), parts), keys.len() as u64);
        Ok(Some(Read { batch, end, scanned, bytes: 0, found: Vec::new() }))
    }

    /// Keys and digests of the items of a stretch.
    pub(super) fn prints(
        &self,
        mapping: &Mapping,
        stretch: &Stretch<'_>,
        pass_started: SystemTime,
    ) -> Result<Statement, KeyError> {
        let mut statement = mapping.statement();
        statement.sql("SELECT ");
        mapping.key().print(&mut statement, "t");
        for print in self.route.read_prints(mapping.dialect, &mapping.landing.document) {
            statement.sql(", ").sql(&print);
        }
        mapping.items(&mut statement, stretch, pass_started)?;
        statement.sql(" ORDER BY ");
        mapping.key().order(&mut statement, "t", false);
        Ok(statement)
    }

    /// Keys of the target, in its own order.
    pub(super) fn target_keys(&self, after: Option<&Cursor>, size: u64) -> Result<Statement, KeyError> {
        let key: &Key = &self.target_key.0;
        let mut statement = Statement::new(key.dialect);
        statement.sql("SELECT ");
        key.print(&mut statement, "h");
        statement.sql(" FROM ").sql(&self.route.into.name).sql(" h");
        if let Some(after) = after {
            statement.sql(" WHERE ");
            key.compare(&mut statement, "h", Side::After, after)?;
        }
        statement.sql(" ORDER BY ");
        key.order(&mut statement, "h", false);
        statement.sql(" LIMIT ");
        count(&mut statement, size);
        Ok(statement)
    }

    /// Which of these keys of the target belong to items of the source.
    pub(super) fn sources(&self, mapping: &Mapping, keys: &[Cursor], pass_started: SystemTime) -> Statement {
        let key = ("t", self.source_key.as_slice());
        look_up(mapping.dialect, key, keys, &[], |statement| {
            // A derived table, so that `where` sees the source alone.
            statement.sql("(SELECT ");
            mapping.key().order(statement, "t", false);
            statement.sql(" FROM ").sql(&mapping.source).sql(" t WHERE 1 = 1");
            mapping.filtered(statement, pass_started);
            statement.sql(")");
        })
    }
}
