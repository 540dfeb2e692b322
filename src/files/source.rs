//! Reading: the next rows of the table, and which of them still have something to be moved.

use super::row::Row;
use super::sizes::Size;
use super::{Batch, Files, What};
use crate::cursor::Cursor;
use crate::engine::migration::{Range, Read};
use crate::fault::{Class, Fault};
use crate::rows::RowsError;
use crate::rows::link::{Deadline, rows};
use crate::rows::mapping::Stretch;
use crate::rows::phrase;
use crate::rows::walker::announceable;
use crate::sql::statement::Statement;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

/// Rows of a batch, at most: they are held in memory.
const MOST: u64 = 2000;
/// Rows of the first batch for each transfer that runs side by side: nobody knows yet how long they take.
const FIRST: u64 = 4;

/// What a stretch holds.
enum Held {
    /// These rows.
    Rows(Vec<Row>),
    /// One that is larger than `max_item`, and was not read.
    TooLarge(Cursor),
}

impl Files {
    /// The items of a stretch, the first `most` of them, in the order of their keys.
    pub(super) async fn rows_of(
        &self,
        stretch: &Stretch<'_>,
        pass_started: SystemTime,
        most: u64,
        limit: Duration,
    ) -> Result<Vec<Row>, RowsError> {
        let deadline = Deadline::after(limit);
        let statement = self.select(stretch, pass_started, most)?;
        let mut link = self.walker.take().await;
        let answer = rows(link.session(deadline).await?, &statement, deadline).await;
        let answer = answer.map_err(|error| self.walker.of_query(error.into()))?;
        let parts = self.walker.key().columns.len();
        let row = |mut row: Vec<Option<String>>| {
            let key = self.walker.key().read(&row, 0)?;
            Ok(Row { key, values: row.split_off(parts) })
        };
        answer.into_iter().map(row).collect()
    }

    pub(super) fn select(
        &self,
        stretch: &Stretch<'_>,
        pass_started: SystemTime,
        most: u64,
    ) -> Result<Statement, RowsError> {
        let key = self.walker.key();
        let mut statement = Statement::new(self.walker.dialect());
        statement.sql("SELECT ");
        key.print(&mut statement, "t");
        statement.sql(", ");
        self.columns.print(&mut statement);
        self.walker.items(&mut statement, stretch, pass_started)?;
        statement.sql(" ORDER BY ");
        key.order(&mut statement, "t", false);
        statement.sql(" LIMIT ");
        phrase::count(&mut statement, most);
        Ok(statement)
    }

    /// The next stretch and its rows, up to `most` of them; `None` when nothing is left.
    async fn next(
        &self,
        range: &Range,
        after: Option<&Cursor>,
        (size, most): (u64, u64),
        limit: Duration,
    ) -> Result<Option<(Cursor, u64, Held)>, RowsError> {
        let deadline = Deadline::after(limit);
        let Some((mut end, mut scanned)) = self.walker.step(range, after, size, deadline.left()).await? else {
            return Ok(None);
        };
        let stretch = Stretch::Range { after, end: &end };
        let sizes = self.sizes_of(&stretch, range.pass_started, most + 1, deadline).await?;
        let some = self.held_at_once(&sizes).min(usize::try_from(most).unwrap_or(usize::MAX));
        let last = some.checked_sub(1).and_then(|place| sizes.get(place)).filter(|_| some < sizes.len());
        if let Some((last, _)) = last {
            end = last.clone();
            scanned = self.walker.keys_in(after, &end, deadline.left()).await?;
        }
        if let Some((key, _)) = sizes.first().filter(|size| self.is_too_large(size)) {
            return Ok(Some((end, scanned, Held::TooLarge(key.clone()))));
        }
        let stretch = Stretch::Range { after, end: &end };
        let mut found = self.rows_of(&stretch, range.pass_started, most + 1, deadline.left()).await?;
        // Some may have come in since.
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        if found.len() > most {
            found.truncate(most);
            if let Some(last) = found.last() {
                end = last.key.clone();
                scanned = self.walker.keys_in(after, &end, deadline.left()).await?;
            }
        }
        Ok(Some((end, scanned, Held::Rows(found))))
    }

    /// The next batch of a pass.
    pub(super) async fn next_batch(
        &self,
        range: &Range,
        after: Option<&Cursor>,
        size: u64,
        limit: Duration,
    ) -> Result<Option<Read<Batch>>, RowsError> {
        let most = if self.measured.load(Ordering::Relaxed) {
            MOST
        } else {
            u64::from(self.definition.source.http.concurrency) * FIRST
        };
        let Some((end, scanned, rows)) = self.next(range, after, (size, most), limit).await? else { return Ok(None) };
        let (bytes, what) = match rows {
            Held::Rows(rows) => (held(&rows), What::Rows(Arc::new(rows))),
            // Whoever writes it says so.
            Held::TooLarge(key) => (0, What::Keys(vec![key])),
        };
        let batch = Batch { what, pass_started: range.pass_started };
        Ok(Some(Read { batch, end, scanned, bytes, found: Vec::new() }))
    }

    /// The next batch of a sweep: rows with something that is still to be moved.
    pub(super) async fn next_missing(
        &self,
        range: &Range,
        after: Option<&Cursor>,
        size: u64,
        limit: Duration,
    ) -> Result<Option<Read<Batch>>, RowsError> {
        let deadline = Deadline::after(limit);
        let size = size.min(MOST);
        if range.since.is_some() && !self.walker.walks_changes(range) {
            // A definition that does not know changes was accepted: the next sweep looks at everything.
            return Ok(None);
        }
        let (mut end, mut scanned, found) = if self.walker.walks_changes(range) {
            let Some((end, scanned, keys)) = self.walker.changes(range, after, size, limit).await? else {
                return Ok(None);
            };
            (end, scanned, self.todo_among(&keys, range.pass_started, deadline).await?)
        } else {
            let Some((end, scanned, rows)) = self.next(range, after, (size, MOST), limit).await? else {
                return Ok(None);
            };
            let found = match rows {
                Held::Rows(rows) => self.todo_of(&rows),
                Held::TooLarge(key) => vec![key],
            };
            (end, scanned, found)
        };
        let (found, cut) = announceable(found.into_iter());
        if let (true, Some(last), false) = (cut, found.last(), self.walker.walks_changes(range)) {
            end = last.clone();
            scanned = self.walker.keys_in(after, &end, deadline.left()).await?;
        }
        let batch = Batch { what: What::Keys(found.clone()), pass_started: range.pass_started };
        Ok(Some(Read { batch, end, scanned, bytes: 0, found }))
    }

    /// Those of these rows that have something to be moved.
    fn todo_of(&self, rows: &[Row]) -> Vec<Cursor> {
        let todo = |row: &&Row| match row.links(&self.definition.source, &self.columns, &self.naming) {
            Ok(links) => links.iter().any(|link| !link.arrived),
            Err(_) => true,
        };
        rows.iter().filter(todo).map(|row| row.key.clone()).collect()
    }

    /// The same of items by their keys, read as many at a time as are held at once. Of what is too large nobody knows, so it has.
    async fn todo_among(
        &self,
        keys: &[Cursor],
        pass_started: SystemTime,
        deadline: Deadline,
    ) -> Result<Vec<Cursor>, RowsError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let sizes = self.sizes_of(&Stretch::Keys(keys), pass_started, MOST, deadline).await?;
        let (mut rest, mut found) = (sizes.as_slice(), Vec::new());
        while let Some(first) = rest.first() {
            let (some, behind) = rest.split_at(self.held_at_once(rest));
            rest = behind;
            if self.is_too_large(first) {
                found.push(first.0.clone());
                continue;
            }
            let keys: Vec<Cursor> = some.iter().map(|(key, _)| key.clone()).collect();
            let rows = self.rows_of(&Stretch::Keys(&keys), pass_started, MOST, deadline.left()).await?;
            found.extend(self.todo_of(&rows));
        }
        Ok(found)
    }

    /// The rows of a batch.
    pub(super) async fn rows_of_batch(&self, batch: &Batch, limit: Duration) -> Result<Arc<Vec<Row>>, Fault> {
        match &batch.what {
            What::Rows(rows) => Ok(rows.clone()),
            What::Keys(keys) if keys.is_empty() => Ok(Arc::default()),
            What::Keys(keys) => {
                let (deadline, most) = (Deadline::after(limit), keys.len() as u64);
                let sizes = self.sizes_of(&Stretch::Keys(keys), batch.pass_started, most, deadline).await?;
                self.admit(&sizes)?;
                let rows = self.rows_of(&Stretch::Keys(keys), batch.pass_started, most, deadline.left()).await?;
                Ok(Arc::new(rows))
            }
        }
    }

    /// Whether all of these rows may be held at once.
    fn admit(&self, sizes: &[Size]) -> Result<(), Fault> {
        if let Some((key, bytes)) = sizes.iter().find(|size| self.is_too_large(size)) {
            let max_item = self.max_item;
            return Err(RowsError::TooLarge { key: Box::new(key.clone()), bytes: *bytes, max_item }.into());
        }
        if self.held_at_once(sizes) < sizes.len() {
            return Err(Fault::new(Class::Capacity, "the rows of a batch are more than there is memory for"));
        }
        Ok(())
    }
}

fn held(rows: &[Row]) -> u64 {
    let text = |row: &Row| row.values.iter().flatten().map(String::len).sum::<usize>() as u64;
    rows.iter().map(text).sum()
}
