//! Rows of one database become history in the same database, as documents or column by column: statements in SQL,
//! batches in transactions.

mod accounting;
mod affinity;
pub mod carry;
mod check;
mod comparing;
mod copy;
mod copying;
mod create;
mod destination;
pub mod document;
mod faults;
pub mod fit;
pub mod form;
pub mod key;
pub mod landing;
mod link;
pub mod mapping;
mod mend;
mod moving;
mod phrase;
mod plan;
mod pool;
mod resolve;
mod rewriting;
mod sizing;
pub mod tables;
mod types;
mod verify;
mod verifying;
mod walk;
mod walking;
mod write;
mod write_copies;

pub use check::{Findings, check};
pub use copy::{Branch, Copy};
pub use faults::RowsError;
pub use landing::Stamp;
pub use plan::QueryPlan;

use crate::cursor::Cursor;
use crate::engine::migration::{Comparison, Effort, Estimate, Migration, Outcome, Range, Read, Repair};
use crate::fault::Fault;
use crate::spec::Definition;
use crate::sql::{ConnectOptions, Dialect, Session};
use link::Deadline;
use mapping::{Mapping, Stretch};
use mend::Mend;
use pool::Pool;
use std::time::{Duration, SystemTime};
use tables::Tables;
use walk::Step;
use write::Writing;

/// A migration of kind `rows` whose source and target are in one database.
pub struct Rows {
    definition: Definition,
    options: ConnectOptions,
    tables: Tables,
    mapping: Mapping,
    warnings: Vec<String>,
    max_item: u64,
    /// One reads the next batch while another writes the current one; on SQLite there is but one.
    sessions: Pool,
}

/// Sessions of one run: one that reads and one that writes.
const SESSIONS: usize = 2;

/// Below this a limit on the length of values would refuse statements, not documents.
const SMALLEST_VALUE: u64 = 1 << 20;

/// How long it may take to find out whether a session that is to be closed still lives.
const GOODBYE: Duration = Duration::from_secs(1);

/// A batch: not its rows, which stay in the database, but which they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    what: What,
    pass_started: SystemTime,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Range { after: Option<Cursor>, end: Cursor },
    Keys(Vec<Cursor>),
}

impl Rows {
    /// Connects, reads the catalog and checks the definition against it. Changes nothing: a target that is to be created
    /// is made by [`Rows::prepare`].
    pub async fn open(definition: &Definition, options: &ConnectOptions, limit: Duration) -> Result<Self, RowsError> {
        let session = Session::open(options, limit).await?;
        Self::over(definition, options, session, Vec::new(), Deadline::after(limit)).await
    }

    /// The same over the sessions of an earlier invocation, which are opened again if they were lost.
    pub async fn again(self, definition: &Definition, limit: Duration) -> Result<Self, RowsError> {
        let deadline = Deadline::after(limit);
        let Self { options, sessions, .. } = self;
        let mut alive = sessions.into_alive(deadline).await;
        let session = match alive.pop() {
            Some(session) => session,
            None => Session::open(&options, deadline.left()).await?,
        };
        Self::over(definition, &options, session, alive, deadline).await
    }

    async fn over(
        definition: &Definition,
        options: &ConnectOptions,
        mut session: Session,
        others: Vec<Session>,
        deadline: Deadline,
    ) -> Result<Self, RowsError> {
        let tables = Tables::look_up(&mut session, definition, deadline).await?;
        let Findings { mut problems, warnings } = check(definition, &tables);
        if !problems.is_empty() {
            problems.dedup();
            return Err(RowsError::Problems(problems));
        }
        let mapping = resolve::mapping(definition, &tables).ok_or(RowsError::Shape("the catalog"))?;
        if let Some(problem) = mapping.try_filter(&mut session, deadline).await? {
            return Err(RowsError::Problems(vec![problem]));
        }
        let max_item = definition.limits.max_item.min(session.max_packet() / 2);
        // A document that is being built needs more room than it takes in the end.
        session.set_max_length(max_item.saturating_mul(2).max(SMALLEST_VALUE))?;
        let most = if session.make().dialect() == Dialect::Sqlite { 1 } else { SESSIONS };
        let sessions = Pool::new(options.clone(), most, std::iter::once(session).chain(others).collect());
        Ok(Self {
            definition: definition.clone(),
            options: options.clone(),
            tables,
            mapping,
            warnings,
            max_item,
            sessions,
        })
    }

    /// From now on `$definition` is this digest: the one that operators see and accept.
    pub fn pinned_as(&mut self, digest: Option<String>) {
        if let Some(digest) = digest {
            self.mapping.define(&digest);
        }
    }

    /// Whether a target was missing when the catalog was read.
    pub fn lacks_target(&self) -> bool {
        destination::all(&self.definition, &self.tables).iter().any(|destination| destination.found.is_none())
    }

    /// Creates the targets that are missing, if the definition says so.
    pub async fn prepare(&self, limit: Duration) -> Result<(), RowsError> {
        let deadline = Deadline::after(limit);
        for statement in create::statements(&self.definition, &self.tables)? {
            let mut link = self.sessions.take().await;
            // A note that somebody else has just created it is no harm; nor is PostgreSQL's error when two create it at
            // once: then it is there at the second attempt.
            match link.session(deadline).await?.execute(&statement, deadline.left()).await {
                Err(error) if error.class().passes() && !error.is_lost() => {
                    link.session(deadline).await?.execute(&statement, deadline.left()).await?;
                }
                answer => drop(answer?),
            }
        }
        Ok(())
    }

    /// Where it is connected to.
    pub fn options(&self) -> &ConnectOptions {
        &self.options
    }

    /// What the catalog says may turn out badly.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Says goodbye to the database.
    pub async fn close(self) {
        for session in self.sessions.into_alive(Deadline::after(GOODBYE)).await {
            session.close().await;
        }
    }

    /// SHA-256 of the source's columns, for the pinned definition.
    pub fn columns_digest(&self) -> String {
        self.tables.columns_digest(&self.definition)
    }

    /// What the statements are built from.
    pub fn mapping(&self) -> &Mapping {
        &self.mapping
    }

    /// The next step into a range and, if it `sweeps`, the items of it without a target; `None` when nothing is left.
    async fn next(
        &self,
        range: &Range,
        after: Option<&Cursor>,
        size: u64,
        limit: Duration,
        sweeps: bool,
    ) -> Result<Option<(Step, Vec<Cursor>)>, RowsError> {
        let deadline = Deadline::after(limit);
        if after == Some(&range.bound) {
            return Ok(None);
        }
        let mut link = self.sessions.take().await;
        let session = link.session(deadline).await?;
        let (step, found) = if sweeps {
            self.mapping.step_missing(session, range, after, size, deadline).await?
        } else {
            (self.mapping.step(session, range, after, size, deadline).await?, Vec::new())
        };
        Ok((step.scanned > 0).then_some((step, found)))
    }
}

impl Migration for Rows {
    type Batch = Batch;

    async fn bound(&self, least: Option<&Cursor>, limit: Duration) -> Result<Option<Cursor>, Fault> {
        let deadline = Deadline::after(limit);
        Ok(self.mapping.find_bound(&mut *self.sessions.take().await, least, deadline).await?)
    }

    async fn estimate(&self, pass_started: SystemTime, limit: Duration) -> Estimate {
        let deadline = Deadline::after(limit);
        let counted = self.mapping.count_all(&mut *self.sessions.take().await, pass_started, deadline).await;
        counted.unwrap_or_else(|| {
            let rows = self.tables.source.as_ref().map_or(0, |source| source.rows_estimate);
            Estimate { keys: rows, items: rows, exact: false }
        })
    }

    async fn read(
        &self,
        range: &Range,
        after: Option<&Cursor>,
        size: u64,
        limit: Duration,
    ) -> Result<Option<Read<Batch>>, Fault> {
        let Some((step, _)) = self.next(range, after, size, limit, false).await? else { return Ok(None) };
        let what = What::Range { after: after.cloned(), end: step.end.clone() };
        let batch = Batch { what, pass_started: range.pass_started };
        Ok(Some(Read { batch, end: step.end, scanned: step.scanned, bytes: 0, found: Vec::new() }))
    }

    async fn sweep(
        &self,
        range: &Range,
        after: Option<&Cursor>,
        size: u64,
        limit: Duration,
    ) -> Result<Option<Read<Batch>>, Fault> {
        let Some((step, found)) = self.next(range, after, size, limit, true).await? else { return Ok(None) };
        let batch = self.fetch(range, &found);
        Ok(Some(Read { batch, end: step.end, scanned: step.scanned, bytes: 0, found }))
    }

    fn fetch(&self, range: &Range, keys: &[Cursor]) -> Batch {
        Batch { what: What::Keys(keys.to_vec()), pass_started: range.pass_started }
    }

    async fn write(&self, batch: &Batch, effort: &Effort) -> Result<Outcome, Fault> {
        let stretch = match &batch.what {
            What::Range { after, end } => Stretch::Range { after: after.as_ref(), end },
            What::Keys(keys) if keys.is_empty() => return Ok(Outcome::default()),
            What::Keys(keys) => Stretch::Keys(keys),
        };
        let writing = Writing { stretch, pass_started: batch.pass_started, effort, max_item: self.max_item };
        let deadline = Deadline::after(effort.limit);
        let mut link = self.sessions.take().await;
        match self.mapping.write(&mut link, &writing, deadline).await {
            Ok(outcome) => Ok(outcome),
            Err(error) => {
                let error =
                    self.mapping.of_batch(&mut link, error, &writing.stretch, batch.pass_started, deadline).await;
                Err(error.into())
            }
        }
    }

    async fn count(&self, batch: &Batch, limit: Duration) -> Result<Option<u64>, Fault> {
        let stretch = match &batch.what {
            What::Range { after, end } => Stretch::Range { after: after.as_ref(), end },
            What::Keys(keys) => Stretch::Keys(keys),
        };
        let mut link = self.sessions.take().await;
        let counted = self.mapping.count_items(&mut link, &stretch, batch.pass_started, Deadline::after(limit)).await;
        Ok(Some(counted.map_err(|error| self.mapping.of_query(error))?))
    }

    async fn is_item(&self, range: &Range, key: &Cursor, limit: Duration) -> Result<bool, Fault> {
        let (keys, deadline) = ([key.clone()], Deadline::after(limit));
        let mut link = self.sessions.take().await;
        let counted = self.mapping.count_items(&mut link, &Stretch::Keys(&keys), range.pass_started, deadline).await;
        Ok(counted.map_err(|error| self.mapping.of_query(error))? > 0)
    }

    async fn verify(
        &self,
        range: &Range,
        after: Option<&Cursor>,
        size: u64,
        repair: Option<&Repair>,
        limit: Duration,
    ) -> Result<Option<Read<Comparison>>, Fault> {
        let deadline = Deadline::after(limit);
        let mut link = self.sessions.take().await;
        let compared = self.mapping.verify(&mut link, range, after, size, deadline).await;
        let Some((mut read, end)) = compared.map_err(|error| self.mapping.of_query(error))? else { return Ok(None) };
        if let Some(repair) = repair {
            let mend = Mend { repair, pass_started: range.pass_started, max_item: self.max_item };
            let stretch = Stretch::Range { after, end: &end };
            let found = &mut read.batch;
            if found.missing > 0 || (repair.overwrite && found.different > 0) {
                match self.mapping.mend(&mut link, &stretch, mend, deadline).await {
                    Ok(repaired) => found.repaired = repaired,
                    Err(error) => {
                        let at = range.pass_started;
                        return Err(self.mapping.of_batch(&mut link, error, &stretch, at, deadline).await.into());
                    }
                }
            }
        }
        Ok(Some(read))
    }
}
