//! Writing a batch: one transaction that compares what is there, moves what is missing, and accounts for both.

use super::write_copies::Survey;
use crate::cursor::Cursor;
use crate::engine::migration::{Aside, Effort, Outcome};
use crate::rows::faults::RowsError;
use crate::rows::landing::Stamp;
use crate::rows::link::{Deadline, Link, execute, rows};
use crate::rows::mapping::{Mapping, Stretch};
use crate::rows::walk::numbers;
use crate::sql::{Dialect, Session};
use std::cmp::Ordering;
use std::time::SystemTime;

/// What there is to write.
pub(in crate::rows) struct Writing<'a> {
    pub(in crate::rows) stretch: Stretch<'a>,
    pub(in crate::rows) pass_started: SystemTime,
    /// The batch's time, for all that is written in it.
    pub(in crate::rows) now: SystemTime,
    pub(in crate::rows) effort: &'a Effort,
    pub(in crate::rows) max_item: u64,
    /// What is copied is deleted then: its rows are locked, and stale copies are replaced.
    pub(in crate::rows) purging: bool,
}

impl<'a> Writing<'a> {
    /// The same effort for other items.
    pub(in crate::rows) fn of(&self, stretch: Stretch<'a>) -> Self {
        Self { stretch, ..*self }
    }

    pub(in crate::rows) fn stamp(&self) -> Stamp {
        Stamp { now: self.now, run: self.effort.run.clone() }
    }
}

/// What a stretch holds in the target before it is written to.
#[derive(Clone, Copy, Default)]
pub(in crate::rows) struct Before {
    /// Targets.
    pub(in crate::rows) there: u64,
    /// Bytes of these.
    bytes: u64,
    /// How many of them are too large: what was there before is not refused for its size.
    large: u64,
    /// Nothing at all lies in the stretch, an item's target or not.
    vacant: bool,
}

/// Targets of a stretch, and rows of its items in the targets of related tables.
#[derive(Clone, Copy, Default)]
pub(in crate::rows) struct Existing {
    targets: u64,
    rows: u64,
}

/// What a batch has added to the target.
#[derive(Clone, Copy, Default)]
pub(in crate::rows) struct Written {
    pub(in crate::rows) inserted: u64,
    pub(in crate::rows) bytes: u64,
    large: u64,
    /// Whether the stretch was read back, and what came of it.
    read_back: Option<ReadBack>,
}

/// What a stretch holds after it was written to, in one look.
#[derive(Clone, Copy)]
pub(in crate::rows) struct ReadBack {
    /// Items.
    pub(in crate::rows) items: u64,
    /// How many of them have an equal target.
    pub(in crate::rows) equal: u64,
}

impl Before {
    /// What was added, by what there is now.
    fn written(self, inserted: u64, bytes: u64, large: u64, read_back: Option<ReadBack>) -> Written {
        let (bytes, large) = (bytes.saturating_sub(self.bytes), large.saturating_sub(self.large));
        Written { inserted, bytes, large, read_back }
    }
}

impl Mapping {
    pub(in crate::rows) async fn write(
        &self,
        link: &mut Link,
        writing: &Writing<'_>,
        deadline: Deadline,
    ) -> Result<Outcome, RowsError> {
        let session = link.session(deadline).await?;
        session.begin(deadline.left()).await?;
        let mut there = Existing::default();
        match self.apply(session, writing, &mut there, deadline).await {
            Ok((outcome, _)) => {
                session.commit(deadline.left()).await.map_err(RowsError::of_commit)?;
                Ok(outcome)
            }
            Err(error) => {
                // A session that cannot roll back is dropped with its transaction.
                let _ = session.rollback(deadline.left()).await;
                Err(self.explain(session, writing, error, there, deadline).await)
            }
        }
    }

    /// What became of the batch, and what was read back of it, where it was.
    pub(in crate::rows) async fn apply(
        &self,
        session: &mut Session,
        writing: &Writing<'_>,
        existing: &mut Existing,
        deadline: Deadline,
    ) -> Result<(Outcome, Option<ReadBack>), RowsError> {
        if !writing.purging {
            self.freeze(session, deadline).await?;
        }
        let (stretch, pass_started, max_item) = (&writing.stretch, writing.pass_started, writing.max_item);
        let compare = self.compare(stretch, pass_started, max_item)?;
        let vacant = self.is_vacant(session, stretch, deadline).await?;
        let [mut there, mut equal, mut bytes, mut large] =
            if vacant { [0; 4] } else { numbers(session, &compare, deadline).await? };
        let mut replaced = 0;
        if writing.purging && there > equal {
            replaced = self.replace_stale(session, writing, large, deadline).await?;
            if replaced > 0 {
                [there, equal, bytes, large] = numbers(session, &compare, deadline).await?;
            }
        }
        *existing = Existing { targets: there, rows: 0 };
        let surveys = self.survey_all(session, writing, there > 0, deadline).await?;
        existing.rows = surveys.iter().map(|survey| survey.there).sum();
        let taken = surveys.iter().any(Survey::has_different);
        let aside = if there > equal || taken { self.set_aside(session, writing, deadline).await? } else { Vec::new() };
        let different = there.checked_sub(equal).ok_or(RowsError::Overtaken)?;
        let found = aside.len() as u64;
        if found < different || (found > different && !taken) {
            return Err(RowsError::Overtaken);
        }
        let before = Before { there, bytes, large, vacant };
        let written = if self.copies.is_empty() {
            self.move_checked(session, writing, before, deadline).await?
        } else if aside.is_empty() {
            self.move_whole(session, writing, before, &surveys, deadline).await?
        } else {
            self.move_others(session, writing, deadline).await?
        };
        self.settle(session, writing, (equal, written.inserted), deadline).await?;
        let outcome = if writing.effort.recovered {
            // Of related rows that were there no bytes are counted: they were not written now.
            Outcome { moved: written.inserted + equal, skipped: 0, aside, bytes: bytes + written.bytes }
        } else {
            // What is equal only since it was replaced was not found so.
            let skipped = equal.checked_sub(replaced).ok_or(RowsError::Overtaken)?;
            Outcome { moved: written.inserted + replaced, skipped, aside, bytes: written.bytes }
        };
        Ok((outcome, written.read_back))
    }

    /// Nothing lies in the target's stretch for certain: there is nothing to compare.
    async fn is_vacant(
        &self,
        session: &mut Session,
        stretch: &Stretch<'_>,
        deadline: Deadline,
    ) -> Result<bool, RowsError> {
        match self.occupied(stretch)? {
            Some(statement) => Ok(rows(session, &statement, deadline).await?.is_empty()),
            None => Ok(false),
        }
    }

    /// Inserts what has no target, unless something of it is too large.
    pub(in crate::rows) async fn move_checked(
        &self,
        session: &mut Session,
        writing: &Writing<'_>,
        before: Before,
        deadline: Deadline,
    ) -> Result<Written, RowsError> {
        // What was there before must not hide what would be too large.
        let known = match before.large {
            0 => Vec::new(),
            large => self.oversized_keys(session, writing, large, deadline).await?,
        };
        let written = self.move_missing(session, writing, before, deadline).await?;
        if written.large > 0 {
            let found = self.oversized_keys(session, writing, before.large + written.large, deadline).await?;
            if let Some((key, bytes)) = found.into_iter().find(|(key, _)| known.iter().all(|(there, _)| there != key)) {
                return Err(RowsError::TooLarge { key: Box::new(key), bytes, max_item: writing.max_item });
            }
        }
        Ok(written)
    }

    /// Inserts what has no target, and holds the result against what was found before.
    async fn move_missing(
        &self,
        session: &mut Session,
        writing: &Writing<'_>,
        before: Before,
        deadline: Deadline,
    ) -> Result<Written, RowsError> {
        let (stretch, pass_started, max_item) = (&writing.stretch, writing.pass_started, writing.max_item);
        let stamp = writing.stamp();
        // Where nothing is there, a plain INSERT … SELECT is quicker than one that looks into the table it fills; what
        // arrives meanwhile is a duplicate key.
        let missing_only = before.there > 0;
        if self.dialect == Dialect::Postgres {
            let insert = self.insert_accounted(stretch, pass_started, &stamp, missing_only, max_item)?;
            let [items, had_target, inserted, bytes, large] = numbers(session, &insert, deadline).await?;
            if had_target != before.there {
                return Err(RowsError::Overtaken);
            }
            if items != before.there + inserted {
                return Err(RowsError::Swallowed);
            }
            if self.landing.meddled {
                // What RETURNING showed may be gone again, or was put elsewhere.
                let account = self.account(stretch, pass_started, max_item)?;
                let [items, targets, _, _] = numbers(session, &account, deadline).await?;
                if targets < items && targets < before.there + inserted {
                    return Err(RowsError::Swallowed);
                }
            }
            return Ok(Written { inserted, bytes, large, read_back: None });
        }
        let insert = self.insert(stretch, pass_started, &stamp, missing_only)?;
        let inserted = execute(session, &insert, deadline).await?;
        if self.dialect == Dialect::MySql && writing.purging && self.copies.is_empty() {
            // What is deleted is read back anyway, and that says all that there is to account for: no item is lost meanwhile,
            // they are locked.
            let read_back = self.read_back(stretch, pass_started, max_item)?;
            let [items, targets, equal, bytes, large] = numbers(session, &read_back, deadline).await?;
            return match targets.cmp(&(before.there + inserted)) {
                Ordering::Greater => Err(RowsError::Overtaken),
                Ordering::Less => Err(RowsError::Swallowed),
                Ordering::Equal => Ok(before.written(inserted, bytes, large, Some(ReadBack { items, equal }))),
            };
        }
        if let (true, false, Some(hint)) = (before.vacant, self.landing.meddled, &self.landing.walk) {
            // Nothing lay there and no trigger puts anything elsewhere: what is there now was inserted, and is to be counted alone.
            let account = self.account_of_range(hint, stretch, max_item)?;
            let [targets, bytes, large] = numbers(session, &account, deadline).await?;
            return match targets.cmp(&inserted) {
                Ordering::Greater => Err(RowsError::Overtaken),
                Ordering::Less => Err(RowsError::Swallowed),
                Ordering::Equal => Ok(before.written(inserted, bytes, large, None)),
            };
        }
        let account = self.account(stretch, pass_started, max_item)?;
        let [items, targets, bytes, large] = numbers(session, &account, deadline).await?;
        if targets > before.there + inserted {
            return Err(RowsError::Overtaken);
        }
        // On SQLite a trigger may drop the row, and nobody else writes meanwhile. Elsewhere a trigger may put it under another
        // key, and the source may have lost or got an item since.
        if targets < items && (self.dialect == Dialect::Sqlite || targets < before.there + inserted) {
            return Err(RowsError::Swallowed);
        }
        Ok(before.written(inserted, bytes, large, None))
    }

    /// Key and bytes of the first `most` targets that are larger than `max_item`.
    pub(in crate::rows) async fn oversized_keys(
        &self,
        session: &mut Session,
        writing: &Writing<'_>,
        most: u64,
        deadline: Deadline,
    ) -> Result<Vec<(Cursor, u64)>, RowsError> {
        let statement = self.oversized(&writing.stretch, writing.pass_started, writing.max_item, most)?;
        let found = rows(session, &statement, deadline).await?;
        found
            .iter()
            .map(|row| {
                let bytes = row.last().and_then(|text| text.as_deref()?.parse().ok());
                Ok((self.key().read(row, 0)?, bytes.ok_or(RowsError::Shape("a number of bytes"))?))
            })
            .collect()
    }

    async fn set_aside(
        &self,
        session: &mut Session,
        writing: &Writing<'_>,
        deadline: Deadline,
    ) -> Result<Vec<Aside>, RowsError> {
        let found = rows(session, &self.conflicts(&writing.stretch, writing.pass_started)?, deadline).await?;
        let parts = self.key().columns.len();
        found
            .iter()
            .map(|row| {
                let key = self.key().read(row, 0)?;
                let message = self.conflict(row.get(parts..).unwrap_or_default());
                Ok(Aside { key, class: "conflict", message })
            })
            .collect()
    }

    /// A duplicate key is somebody else's insert, if there are more targets now than there were; otherwise an index of the
    /// target refuses the row, and would again.
    pub(in crate::rows) async fn explain(
        &self,
        session: &mut Session,
        writing: &Writing<'_>,
        error: RowsError,
        there: Existing,
        deadline: Deadline,
    ) -> RowsError {
        let RowsError::Sql(sql) = &error else { return error };
        if !sql.is_duplicate() || session.is_lost() {
            return error;
        }
        let constraint = sql.constraint().map(ToOwned::to_owned);
        match self.existing(session, writing, there.targets > 0, deadline).await {
            Ok(now) if now.targets <= there.targets && now.rows <= there.rows => RowsError::Duplicate { constraint },
            _ => RowsError::Overtaken,
        }
    }

    async fn existing(
        &self,
        session: &mut Session,
        writing: &Writing<'_>,
        missing_only: bool,
        deadline: Deadline,
    ) -> Result<Existing, RowsError> {
        let account = self.account(&writing.stretch, writing.pass_started, writing.max_item)?;
        let [_, targets, ..] = numbers::<4>(session, &account, deadline).await?;
        let surveys = self.survey_all(session, writing, missing_only, deadline).await?;
        Ok(Existing { targets, rows: surveys.iter().map(|survey| survey.there).sum() })
    }
}
