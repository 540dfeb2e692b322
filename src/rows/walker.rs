//! A table that is walked by its key while its rows stay where they are: for kinds that move something else than rows. It answers
//! what the engine asks about keys; what is read of the rows, and written into them, is its owner's business.

use super::Findings;
use super::check::check_source;
use super::faults::RowsError;
use super::key::Key;
use super::link::Deadline;
use super::mapping::{Mapping, Stretch};
use super::pool::{Pool, Taken};
use super::resolve;
use super::tables::Tables;
use super::walk::Step;
use super::walk::split::Ground;
use crate::cursor::Cursor;
use crate::engine::migration::{Estimate, Layout, Range, Recent};
use crate::spec::{After, Problem, Source};
use crate::sql::catalog::Table;
use crate::sql::statement::Statement;
use crate::sql::{ConnectOptions, Dialect, Session};
use std::time::{Duration, SystemTime};

/// Sessions of one lane: one that reads and one that writes.
const SESSIONS: u32 = 2;
/// How long it may take to find out whether a session that is to be closed still lives.
const GOODBYE: Duration = Duration::from_secs(1);

/// The table.
pub struct Walker {
    options: ConnectOptions,
    tables: Tables,
    mapping: Mapping,
    warnings: Vec<String>,
    sessions: Pool,
    max_packet: u64,
}

/// What a walker is made for.
pub struct Walked<'a> {
    /// The table and how it is walked.
    pub source: &'a Source,
    /// Columns that are read beside the key.
    pub columns: Vec<String>,
    /// The definition's digest.
    pub digest: &'a str,
    /// Lanes side by side.
    pub lanes: u32,
}

impl Walker {
    /// Connects, or uses a session that is open, and holds the source against the catalog; `check` adds what its owner finds wrong
    /// with the table.
    pub async fn open(
        walked: Walked<'_>,
        options: &ConnectOptions,
        open: Vec<Session>,
        check: impl FnOnce(&Table, Dialect) -> Vec<Problem>,
        limit: Duration,
    ) -> Result<Self, RowsError> {
        let deadline = Deadline::after(limit);
        let mut open = open;
        let mut session = match open.pop() {
            Some(session) => session,
            None => Session::open(options, limit).await?,
        };
        let tables = Tables::of_source(&mut session, walked.source, After::Keep, deadline).await?;
        let Findings { mut problems, warnings } = check_source(walked.source, &tables);
        if let Some(table) = &tables.source {
            problems.extend(check(table, tables.make.dialect()));
        }
        if !problems.is_empty() {
            problems.dedup();
            return Err(RowsError::Problems(problems));
        }
        let mapping = resolve::of_source(walked.source, &tables, walked.columns, walked.digest);
        let mapping = mapping.ok_or(RowsError::Shape("the catalog"))?;
        if let Some(problem) = mapping.try_filter(&mut session, deadline).await? {
            return Err(RowsError::Problems(vec![problem]));
        }
        let most = if session.make().dialect() == Dialect::Sqlite { 1 } else { SESSIONS * walked.lanes };
        let max_packet = session.max_packet();
        open.push(session);
        let sessions = Pool::new(options.clone(), usize::try_from(most).unwrap_or(1), open);
        Ok(Self { options: options.clone(), tables, mapping, warnings, sessions, max_packet })
    }

    /// Its sessions that still answer, and where they lead.
    pub async fn into_sessions(self, limit: Duration) -> (ConnectOptions, Vec<Session>) {
        (self.options, self.sessions.into_alive(Deadline::after(limit)).await)
    }

    /// Says goodbye to the database.
    pub async fn close(self) {
        for session in self.sessions.into_alive(Deadline::after(GOODBYE)).await {
            session.close().await;
        }
    }

    /// Where it is connected to.
    pub fn options(&self) -> &ConnectOptions {
        &self.options
    }

    /// Whose SQL it speaks.
    pub fn dialect(&self) -> Dialect {
        self.mapping.dialect
    }

    /// The table, as the catalog knows it.
    pub fn table(&self) -> Option<&Table> {
        self.tables.source.as_ref()
    }

    /// The same, quoted for a statement.
    pub fn quoted(&self) -> &str {
        &self.mapping.source
    }

    /// Its key.
    pub fn key(&self) -> &Key {
        &self.mapping.landing.key
    }

    /// Bytes that a statement may have.
    pub fn max_packet(&self) -> u64 {
        self.max_packet
    }

    /// What the catalog says may turn out badly.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// SHA-256 of the columns, for the pinned definition.
    pub fn columns_digest(&self, source: &Source) -> String {
        self.tables.columns_digest(source)
    }

    /// A session of one's own.
    pub(crate) async fn take(&self) -> Taken<'_> {
        self.sessions.take().await
    }

    /// The last key, beyond `least` if there is one.
    pub async fn bound(&self, least: Option<&Cursor>, limit: Duration) -> Result<Option<Cursor>, RowsError> {
        self.mapping.find_bound(&mut *self.take().await, least, Deadline::after(limit)).await
    }

    /// How many keys and items there are.
    pub async fn estimate(&self, pass_started: SystemTime, limit: Duration) -> Estimate {
        self.ground().counted(pass_started, limit).await
    }

    fn ground(&self) -> Ground<'_> {
        Ground { mapping: &self.mapping, source: self.table(), sessions: &self.sessions }
    }

    /// Where a sweep over what changed since then ends; `None`: it is not known what changed.
    pub async fn recent(&self, since: SystemTime, limit: Duration) -> Result<Option<Recent>, RowsError> {
        let Some(recent) = &self.mapping.recent else { return Ok(None) };
        let deadline = Deadline::after(limit);
        let mut link = self.take().await;
        let session = link.session(deadline).await?;
        let bound = self.mapping.last_change(recent, session, since, deadline).await?;
        Ok(Some(Recent { bound }))
    }

    /// How the first pass lies.
    pub async fn lay_out(
        &self,
        bound: &Cursor,
        pass_started: SystemTime,
        parts: u32,
        limit: Duration,
    ) -> Result<Layout, RowsError> {
        self.ground().laid_out(bound, pass_started, parts, limit).await
    }

    /// The next stretch of up to `size` keys, and how many it holds; `None` when nothing is left in the range.
    pub async fn step(
        &self,
        range: &Range,
        after: Option<&Cursor>,
        size: u64,
        limit: Duration,
    ) -> Result<Option<(Cursor, u64)>, RowsError> {
        if after == Some(&range.bound) {
            return Ok(None);
        }
        let deadline = Deadline::after(limit);
        let mut link = self.take().await;
        let step = self.mapping.step(link.session(deadline).await?, range, after, size, deadline).await?;
        Ok((step.scanned > 0).then_some((step.end, step.scanned)))
    }

    /// The next stretch of up to `size` changes, how many it holds, and the keys of the items in it; `None` when nothing is left, or
    /// where the range is not one of changes.
    pub async fn changes(
        &self,
        range: &Range,
        after: Option<&Cursor>,
        size: u64,
        limit: Duration,
    ) -> Result<Option<(Cursor, u64, Vec<Cursor>)>, RowsError> {
        let (Some(recent), Some(since)) = (&self.mapping.recent, range.since) else { return Ok(None) };
        if after == Some(&range.bound) && !range.open_end {
            return Ok(None);
        }
        let deadline = Deadline::after(limit);
        let mut link = self.take().await;
        let session = link.session(deadline).await?;
        let walk = ((range, since), (after, size));
        let (step, keys) = self.mapping.step_changed(recent, session, walk.0, walk.1, None, deadline).await?;
        let Step { end, scanned, .. } = step;
        Ok((scanned > 0).then_some((end, scanned, keys)))
    }

    /// Whether a range is one of changes.
    pub fn walks_changes(&self, range: &Range) -> bool {
        self.mapping.recent.is_some() && range.since.is_some()
    }

    /// How many keys lie in a stretch, items or not.
    pub async fn keys_in(&self, after: Option<&Cursor>, end: &Cursor, limit: Duration) -> Result<u64, RowsError> {
        let deadline = Deadline::after(limit);
        let mut link = self.take().await;
        let statement = self.mapping.keys(&Stretch::Range { after, end })?;
        super::walk::number(link.session(deadline).await?, &statement, deadline).await
    }

    /// How many items a stretch holds.
    pub async fn count(
        &self,
        stretch: &Stretch<'_>,
        pass_started: SystemTime,
        limit: Duration,
    ) -> Result<u64, RowsError> {
        let mut link = self.take().await;
        let counted = self.mapping.count_items(&mut link, stretch, pass_started, Deadline::after(limit)).await;
        counted.map_err(|error| self.mapping.of_query(error))
    }

    /// Appends ` FROM (…) t`: the items of a stretch with the columns that it was opened for.
    pub fn items(
        &self,
        statement: &mut Statement,
        stretch: &Stretch<'_>,
        pass_started: SystemTime,
    ) -> Result<(), RowsError> {
        Ok(self.mapping.items(statement, stretch, pass_started)?)
    }

    /// What a query of the table failed with: `where` may be at fault.
    pub fn of_query(&self, error: RowsError) -> RowsError {
        self.mapping.of_query(error)
    }
}

/// As many of these keys as a sweep may announce at once, and whether there may be more.
pub fn announceable(keys: impl Iterator<Item = Cursor>) -> (Vec<Cursor>, bool) {
    super::walk::found(keys)
}
