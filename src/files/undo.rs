//! Rollback: rows get back what they said, line by line of the journal, each only if it still says what the migration wrote. The latest
//! line comes first: where a row was changed twice to say the same, what it said before the second time is what it gets. Objects stay where
//! they are.

use super::Files;
use super::following::{Unfollowed, Way};
use super::journal::Line;
use super::row::Row;
use super::update::State;
use crate::cursor::Cursor;
use crate::engine::migration::{Comparison, Range, Read};
use crate::fault::{Class, Fault, Origin};
use crate::rows::RowsError;
use crate::rows::link::{Deadline, execute, rows};
use crate::spec::StampValue;
use crate::sql::statement::Statement;
use std::time::Duration;
use tokio::time::Instant;

/// Lines in one transaction, at most.
const MOST: usize = 500;
/// Examples that one stretch names.
const EXAMPLES: usize = 20;

impl Files {
    /// Puts the lines before those that were put back, up to the beginning of their object; `None` when nothing is left.
    pub(super) async fn put_back(
        &self,
        range: &Range,
        after: Option<&Cursor>,
        size: u64,
        limit: Duration,
    ) -> Result<Option<Read<Comparison>>, Fault> {
        let deadline = Deadline::after(limit);
        let most = usize::try_from(size).unwrap_or(MOST).clamp(1, MOST);
        let before = after.unwrap_or(&range.bound);
        let Some((lines, end)) = self.lines_before(before, most, limit).await? else { return Ok(None) };
        let some: Vec<&Line> = lines.iter().collect();
        let mut found = Comparison { checked: some.len() as u64, ..Comparison::default() };
        let untouched = self.restore(&some, deadline).await?;
        found.repaired = (some.len() - untouched.len()) as u64;
        let mut back: Vec<&Line> = some.iter().filter(|line| !untouched.contains(line)).copied().collect();
        let keys: Vec<Cursor> = untouched.iter().map(|line| line.key.clone()).collect();
        // Of each: whether its row is as it was before; `None`: it is gone.
        let mut fates = vec![None; untouched.len()];
        // Whoever has changed rows may have made them larger than their lines.
        let sizes = self.sizes_by_key(&keys, deadline).await?;
        for some in self.portions(&sizes) {
            for row in self.rows_by_key(&some, deadline.left()).await? {
                for (fate, line) in fates.iter_mut().zip(&untouched).filter(|(_, line)| line.key == row.key) {
                    *fate = Some(self.is_as_before(&row, line));
                }
            }
        }
        for (line, fate) in untouched.into_iter().zip(fates) {
            let (count, kind) = match fate {
                None => (&mut found.missing, "missing"),
                Some(true) => {
                    // A run that was killed may have put it back, and told nobody.
                    back.push(line);
                    found.equal += 1;
                    continue;
                }
                Some(false) => (&mut found.different, "different"),
            };
            *count += 1;
            if found.examples.len() < EXAMPLES {
                found.examples.push((line.key.clone(), kind));
            }
        }
        let untold = self.tell(&back, Way::Back, Instant::now() + deadline.left()).await;
        if let Some((_, why)) = untold.into_iter().next() {
            return Err(match why {
                Unfollowed::Away(fault) => fault,
                Unfollowed::Refused(why) => Fault { origin: Origin::Storage, ..Fault::new(Class::Fatal, why) },
            });
        }
        let scanned = some.len() as u64;
        Ok(Some(Read { batch: found, end, scanned, bytes: 0, found: Vec::new() }))
    }

    /// Restores rows in one transaction; the lines of those that do not say what the migration wrote.
    async fn restore<'a>(&self, lines: &[&'a Line], deadline: Deadline) -> Result<Vec<&'a Line>, RowsError> {
        let mut link = self.walker.take().await;
        let session = link.session(deadline).await?;
        session.begin(deadline.left()).await?;
        let mut untouched = Vec::new();
        for line in lines {
            let statement = self.restoring(line)?;
            let changed = match &statement {
                Some(statement) => execute(session, statement, deadline).await?,
                None => 0,
            };
            if changed == 0 {
                untouched.push(*line);
            }
        }
        session.commit(deadline.left()).await?;
        Ok(untouched)
    }

    /// `UPDATE … SET old WHERE key AND new`; `None`: the line names a column that is none any more.
    fn restoring(&self, line: &Line) -> Result<Option<Statement>, RowsError> {
        let mut statement = self.begin_update();
        let mut comma = "";
        for name in line.new.keys() {
            let Some(known) = self.columns.place(name).and_then(|place| self.columns.all.get(place)) else {
                return Ok(None);
            };
            statement.sql(comma);
            self.columns.restore(&mut statement, known, line.old.get(name).and_then(Option::as_deref));
            comma = ", ";
        }
        for (name, value) in &self.definition.target.columns {
            let Some(place) = self.columns.place(name) else { continue };
            let Some(known) = self.columns.all.get(place) else { continue };
            statement.sql(comma);
            if *value == StampValue::State {
                self.give(&mut statement, name, State::RolledBack.word());
            } else {
                self.columns.restore(&mut statement, known, line.before(&self.columns, place));
            }
            comma = ", ";
        }
        statement.sql(" WHERE ");
        self.walker.key().among(&mut statement, "t", std::slice::from_ref(&line.key))?;
        for (name, text) in &line.new {
            let Some(known) = self.columns.place(name).and_then(|place| self.columns.all.get(place)) else { continue };
            statement.sql(" AND ");
            self.columns.same(&mut statement, known, Some(text));
        }
        Ok((!comma.is_empty()).then_some(statement))
    }

    fn is_as_before(&self, row: &Row, line: &Line) -> bool {
        line.new.keys().all(|name| row.value(&self.columns, name) == line.old.get(name).and_then(Option::as_deref))
    }

    /// Rows by their keys, whatever `where` says of them.
    pub(super) async fn rows_by_key(&self, keys: &[Cursor], limit: Duration) -> Result<Vec<Row>, RowsError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let deadline = Deadline::after(limit);
        let key = self.walker.key();
        let mut statement = Statement::new(self.walker.dialect());
        statement.sql("SELECT ");
        key.print(&mut statement, "t");
        statement.sql(", ");
        self.columns.print(&mut statement);
        statement.sql(" FROM ").sql(self.walker.quoted()).sql(" t WHERE ");
        key.among(&mut statement, "t", keys)?;
        let mut link = self.walker.take().await;
        let answer = rows(link.session(deadline).await?, &statement, deadline).await?;
        let parts = key.columns.len();
        let row = |mut row: Vec<Option<String>>| {
            let key = key.read(&row, 0)?;
            Ok(Row { key, values: row.split_off(parts) })
        };
        answer.into_iter().map(row).collect()
    }
}
