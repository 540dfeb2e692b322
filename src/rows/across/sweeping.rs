//! Sweeping: the items of a stretch that have no target in the other database.

use super::super::faults::RowsError;
use super::super::key::KeyError;
use super::super::link::{Deadline, rows};
use super::super::mapping::{Mapping, Stretch};
use super::super::walk::{Step, found, number};
use super::Across;
use super::listing::List;
use super::writing::find;
use crate::cursor::Cursor;
use crate::engine::migration::Range;
use crate::sql::Session;
use crate::sql::statement::Statement;
use std::collections::HashSet;
use std::time::SystemTime;

impl Across {
    /// As [`Mapping::step_missing`].
    pub(in super::super) async fn step_missing(
        &self,
        mapping: &Mapping,
        session: &mut Session,
        range: &Range,
        after: Option<&Cursor>,
        size: u64,
        deadline: Deadline,
    ) -> Result<(Step, Vec<Cursor>), RowsError> {
        let mut lookup = self.sessions.take().await;
        let target = lookup.session(deadline).await?;
        let lists = self.lists(mapping, (session, target), size);
        // Where all rows match, the list itself says where the stretch ends.
        let all = lists && mapping.filter.is_none();
        let mut step = if all {
            Step { end: range.bound.clone(), scanned: size.max(1), last: true }
        } else {
            mapping.step(session, range, after, size, deadline).await?
        };
        if step.scanned == 0 {
            return Ok((step, Vec::new()));
        }
        // One more than there were tells whether others came into the stretch meanwhile: a list that is cut would leave out its last ones.
        let most = if all { step.scanned } else { step.scanned.saturating_add(1) };
        let ours = if lists {
            let stretch = Stretch::Range { after, end: &step.end };
            Some(mapping.keys_listed(session, &stretch, (range.pass_started, most), deadline).await?)
        } else {
            None
        };
        let missing = if let Some(ours) = ours.filter(|ours| all || ours.len() <= step.scanned) {
            if all {
                step = step_to(range, &ours, size.max(1));
            }
            let listing = self.target_keys_listed(target, (after, &step.end), ours.len(), deadline);
            let theirs = Box::pin(listing).await?;
            self.missing_of(target, ours.without(&theirs), deadline).await?
        } else {
            let statement = mapping.item_keys(&Stretch::Range { after, end: &step.end }, range.pass_started)?;
            let keys = rows(session, &statement, deadline).await.map_err(|error| mapping.of_query(error.into()))?;
            let keys = keys.iter().map(|row| mapping.key().read(row, 0)).collect::<Result<Vec<_>, _>>()?;
            self.missing_of(target, keys, deadline).await?
        };
        drop(lookup);
        let (keys, is_cut) = found(missing.into_iter());
        if let (true, Some(end)) = (is_cut, keys.last()) {
            let scanned = number(session, &mapping.keys(&Stretch::Range { after, end })?, deadline).await?;
            step = Step { last: *end == range.bound, end: end.clone(), scanned };
        }
        Ok((step, keys))
    }

    /// The places of those of these keys that have a target.
    pub(in super::super) async fn with_target(
        &self,
        keys: &[Cursor],
        deadline: Deadline,
    ) -> Result<HashSet<usize>, RowsError> {
        let mut lookup = self.sessions.take().await;
        find(lookup.session(deadline).await?, &self.route, keys, deadline).await
    }

    /// Which of these keys have no target.
    async fn missing_of(
        &self,
        target: &mut Session,
        keys: Vec<Cursor>,
        deadline: Deadline,
    ) -> Result<Vec<Cursor>, RowsError> {
        let there = find(target, &self.route, &keys, deadline).await?;
        let missing = keys.into_iter().enumerate().filter(|(place, _)| !there.contains(place));
        Ok(missing.map(|(_, key)| key).collect())
    }
}

/// As [`Mapping::step`] would have it, from the list of the keys that were looked at.
fn step_to(range: &Range, keys: &List, size: u64) -> Step {
    let scanned = keys.len();
    let end = keys.last().filter(|_| scanned == size || scanned == 1).unwrap_or_else(|| range.bound.clone());
    Step { last: scanned < size || end == range.bound, end, scanned }
}

impl Mapping {
    /// Keys of the items of a stretch, in the key's order.
    pub(super) fn item_keys(&self, stretch: &Stretch<'_>, pass_started: SystemTime) -> Result<Statement, KeyError> {
        let mut statement = self.statement();
        statement.sql("SELECT ");
        self.key().print(&mut statement, "t");
        self.items(&mut statement, stretch, pass_started)?;
        statement.sql(" ORDER BY ");
        self.key().order(&mut statement, "t", false);
        Ok(statement)
    }
}
