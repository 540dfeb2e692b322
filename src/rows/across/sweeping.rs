//! Sweeping: the items of a stretch that have no target in the other database.

use super::super::faults::RowsError;
use super::super::key::KeyError;
use super::super::link::{Deadline, rows};
use super::super::mapping::{Mapping, Stretch};
use super::super::walk::{Step, found, number};
use super::Across;
use super::writing::find;
use crate::cursor::Cursor;
use crate::engine::migration::Range;
use crate::sql::Session;
use crate::sql::statement::Statement;
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
        let mut step = mapping.step(session, range, after, size, deadline).await?;
        if step.scanned == 0 {
            return Ok((step, Vec::new()));
        }
        let stretch = Stretch::Range { after, end: &step.end };
        let statement = mapping.item_keys(&stretch, range.pass_started)?;
        let keys = rows(session, &statement, deadline).await.map_err(|error| mapping.of_query(error.into()))?;
        let keys = keys.iter().map(|row| mapping.key().read(row, 0)).collect::<Result<Vec<_>, _>>()?;
        let mut lookup = self.sessions.take().await;
        let there = find(lookup.session(deadline).await?, &self.route, &keys, deadline).await?;
        drop(lookup);
        let missing = keys.into_iter().enumerate().filter(|(place, _)| !there.contains(place));
        let (keys, is_cut) = found(missing.map(|(_, key)| key));
        if let (true, Some(end)) = (is_cut, keys.last()) {
            let scanned = number(session, &mapping.keys(&Stretch::Range { after, end })?, deadline).await?;
            step = Step { last: *end == range.bound, end: end.clone(), scanned };
        }
        Ok((step, keys))
    }
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
