//! Rows of a database become history, as documents or column by column: in the same database by statements in SQL, in another
//! one by reading and writing. Batches are transactions.

mod accounting;
mod across;
mod affinity;
mod bisect;
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
mod gauge;
mod histogram;
pub mod key;
pub mod landing;
mod link;
pub mod mapping;
mod mend;
mod moving;
mod phrase;
mod plan;
mod pool;
mod purge;
pub mod purging;
pub mod recent;
mod resolve;
mod rewriting;
mod sizing;
mod split;
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
pub use gauge::Gauge;
pub use landing::Stamp;
pub use plan::QueryPlan;
pub use split::By;

use crate::cursor::Cursor;
use crate::engine::migration::{self, Comparison, Effort, Estimate, Migration, Outcome, Range, Read, Repair};
use crate::fault::Fault;
use crate::spec::Definition;
use crate::sql::{ConnectOptions, Dialect, Session};
use across::{Across, Cargo, Carrying};
use link::Deadline;
use mapping::{Mapping, Stretch};
use mend::Mend;
use pool::Pool;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tables::Tables;
use walk::Step;
use write::Writing;

/// A migration of kind `rows`.
pub struct Rows {
    definition: Definition,
    options: ConnectOptions,
    tables: Tables,
    mapping: Mapping,
    warnings: Vec<String>,
    max_item: u64,
    /// One reads the next batch while another writes the current one; on SQLite there is but one.
    sessions: Pool,
    /// The target, where it is in another database.
    across: Option<Across>,
}

/// Sessions of one lane: one that reads and one that writes.
const SESSIONS: usize = 2;

/// Below this a limit on the length of values would refuse statements, not documents.
const SMALLEST_VALUE: u64 = 1 << 20;

/// How long it may take to find out whether a session that is to be closed still lives.
const GOODBYE: Duration = Duration::from_secs(1);

/// A batch: not its rows, which stay in the database, but which they are; where they go to another one, its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    what: What,
    pass_started: SystemTime,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Range { after: Option<Cursor>, end: Cursor },
    Keys(Vec<Cursor>),
    Cargo(Arc<Cargo>),
}

impl Batch {
    /// Items that were read.
    fn cargo(cargo: Cargo, pass_started: SystemTime) -> Self {
        Self { what: What::Cargo(Arc::new(cargo)), pass_started }
    }

    /// A stretch that was not.
    fn range(after: Option<Cursor>, end: Cursor, pass_started: SystemTime) -> Self {
        Self { what: What::Range { after, end }, pass_started }
    }
}

impl Rows {
    /// One of its databases has but one session for all that works side by side.
    pub fn is_serial(&self) -> bool {
        [self.mapping.dialect, self.tables.target_make.dialect()].contains(&Dialect::Sqlite)
    }

    /// Connects, reads the catalog and checks the definition against it. Changes nothing: a target that is to be created
    /// is made by [`Rows::prepare`].
    pub async fn open(definition: &Definition, options: &ConnectOptions, limit: Duration) -> Result<Self, RowsError> {
        let session = Session::open(options, limit).await?;
        Self::over(definition, options, (session, Vec::new()), None, Deadline::after(limit)).await
    }

    /// The same where the target is in another database, or is reached by another user.
    pub async fn between(
        definition: &Definition,
        source: &ConnectOptions,
        target: &ConnectOptions,
        limit: Duration,
    ) -> Result<Self, RowsError> {
        if source.same_place(target) && source.same_login(target) {
            return Self::open(definition, source, limit).await;
        }
        let deadline = Deadline::after(limit);
        let session = Session::open(source, limit).await?;
        let other = Session::open(target, deadline.left()).await?;
        Self::over(definition, source, (session, Vec::new()), Some((target, vec![other])), deadline).await
    }

    /// The same over the sessions of an earlier invocation, which are opened again if they were lost.
    pub async fn again(self, definition: &Definition, limit: Duration) -> Result<Self, RowsError> {
        let deadline = Deadline::after(limit);
        let Self { options, sessions, across, .. } = self;
        let mut target = match across {
            Some(across) => Some((across.options, across.sessions.into_alive(deadline).await)),
            None => None,
        };
        let target = target.as_mut().map(|(options, alive)| (&*options, std::mem::take(alive)));
        let mut alive = sessions.into_alive(deadline).await;
        let session = match alive.pop() {
            Some(session) => session,
            None => Session::open(&options, deadline.left()).await?,
        };
        Box::pin(Self::over(definition, &options, (session, alive), target, deadline)).await
    }

    async fn over(
        definition: &Definition,
        source: &ConnectOptions,
        (mut session, others): (Session, Vec<Session>),
        target: Option<(&ConnectOptions, Vec<Session>)>,
        deadline: Deadline,
    ) -> Result<Self, RowsError> {
        let mut packet = session.max_packet();
        let (tables, target) = match target {
            None => (Tables::look_up(&mut session, definition, deadline).await?, None),
            Some((options, mut open)) => {
                let mut other = match open.pop() {
                    Some(session) => session,
                    None => Session::open(options, deadline.left()).await?,
                };
                packet = packet.min(other.max_packet());
                let sides = (&mut session, &mut other);
                let mut tables = Tables::look_up_across(sides, definition, deadline).await?;
                tables.is_same_place = source.same_place(options);
                open.push(other);
                (tables, Some((options, open)))
            }
        };
        let Findings { mut problems, warnings } = check(definition, &tables);
        if !problems.is_empty() {
            problems.dedup();
            return Err(RowsError::Problems(problems));
        }
        let mapping = resolve::mapping(definition, &tables).ok_or(RowsError::Shape("the catalog"))?;
        if let Some(problem) = mapping.try_filter(&mut session, deadline).await? {
            return Err(RowsError::Problems(vec![problem]));
        }
        let max_item = definition.limits.max_item.min(packet / 2);
        // A document that is being built needs more room than it takes in the end.
        session.set_max_length(max_item.saturating_mul(2).max(SMALLEST_VALUE))?;
        let lanes = usize::try_from(definition.limits.lanes.min(definition.limits.shards)).unwrap_or(1);
        let most = if session.make().dialect() == Dialect::Sqlite { 1 } else { SESSIONS * lanes };
        let sessions = Pool::new(source.clone(), most, std::iter::once(session).chain(others).collect());
        let across = match target {
            Some((options, open)) => {
                let most = if tables.target_make.dialect() == Dialect::Sqlite { 1 } else { SESSIONS * lanes };
                let sessions = Pool::new(options.clone(), most, open);
                let across = Across::new(definition, &tables, options.clone(), sessions);
                let mut across = across.ok_or(RowsError::Shape("the catalog"))?;
                across.batch_bytes /= u64::try_from(lanes).unwrap_or(1);
                Some(across)
            }
            None => None,
        };
        Ok(Self {
            definition: definition.clone(),
            options: source.clone(),
            tables,
            mapping,
            warnings,
            max_item,
            sessions,
            across,
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
            let mut link = self.across.as_ref().map_or(&self.sessions, |across| &across.sessions).take().await;
            // A note that somebody else has just created it is no harm; nor are PostgreSQL's errors when two create it at
            // once: then it is there at the second attempt.
            match link.session(deadline).await?.execute(&statement, deadline.left()).await {
                Err(error) if (error.class().passes() || error.is_made_already()) && !error.is_lost() => {
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

    /// Where its targets are, if that is another database.
    pub fn target_options(&self) -> Option<&ConnectOptions> {
        self.across.as_ref().map(|across| &across.options)
    }

    /// A batch may hold that many bytes, where it holds its rows.
    pub fn hold_at_most(&mut self, bytes: u64) {
        if let Some(across) = &mut self.across {
            across.batch_bytes = bytes;
        }
    }

    /// What the catalog says may turn out badly.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Says goodbye to the database.
    pub async fn close(self) {
        for pool in std::iter::once(self.sessions).chain(self.across.map(|across| across.sessions)) {
            for session in pool.into_alive(Deadline::after(GOODBYE)).await {
                session.close().await;
            }
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
        let changed = range.since.and_then(|since| Some((self.mapping.recent.as_ref()?, since)));
        let (step, found) = if let Some((recent, since)) = changed.filter(|_| sweeps) {
            self.mapping.step_changed(recent, session, (range, since), (after, size), deadline).await?
        } else if let Some(across) = self.across.as_ref().filter(|_| sweeps && self.mapping.purge.is_none()) {
            across.step_missing(&self.mapping, session, range, after, size, deadline).await?
        } else if sweeps {
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

    async fn recent(&self, since: SystemTime, limit: Duration) -> Result<Option<migration::Recent>, Fault> {
        let Some(recent) = self.mapping.recent.as_ref().filter(|_| self.across.is_none()) else { return Ok(None) };
        let deadline = Deadline::after(limit);
        let mut link = self.sessions.take().await;
        let session = link.session(deadline).await.map_err(RowsError::from)?;
        let bound = self.mapping.last_change(recent, session, since, deadline).await?;
        Ok(Some(migration::Recent { bound }))
    }

    async fn split(
        &self,
        bound: &Cursor,
        parts: u32,
        expected: Estimate,
        limit: Duration,
    ) -> Result<Vec<Cursor>, Fault> {
        Ok(self.cut_at_best(bound, parts, expected, limit).await?)
    }

    async fn read(
        &self,
        range: &Range,
        after: Option<&Cursor>,
        size: u64,
        limit: Duration,
    ) -> Result<Option<Read<Batch>>, Fault> {
        // What is deleted is read where it is locked: by the write.
        if let Some(across) = self.across.as_ref().filter(|_| self.mapping.purge.is_none()) {
            let mut link = self.sessions.take().await;
            let sizes = (size, self.max_item);
            let read = across.read(&self.mapping, &mut link, range, after, sizes, Deadline::after(limit)).await;
            return Ok(read.map_err(|error| self.mapping.of_query(error))?);
        }
        let Some((step, _)) = self.next(range, after, size, limit, false).await? else { return Ok(None) };
        let batch = Batch::range(after.cloned(), step.end.clone(), range.pass_started);
        Ok(Some(Read { batch, end: step.end, scanned: step.scanned, bytes: 0, found: Vec::new() }))
    }

    fn takes_away(&self) -> bool {
        self.mapping.purge.is_some()
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
            What::Cargo(cargo) => {
                let Some(across) = &self.across else { return Err(RowsError::Shape("a batch").into()) };
                return Ok(across.write(&self.mapping, cargo, effort).await?);
            }
        };
        if let Some(across) = &self.across {
            let mut source = self.sessions.take().await;
            let carrying = Carrying {
                pass_started: batch.pass_started,
                stamp: &Stamp { now: SystemTime::now(), run: effort.run.clone() },
                recovered: effort.recovered,
                overwrite: false,
                max_item: self.max_item,
            };
            let deadline = Deadline::after(effort.limit);
            let carried = match &self.mapping.purge {
                Some(purge) => {
                    let what = (&self.mapping, purge);
                    across.carry_and_purge(what, &mut source, &stretch, &carrying, deadline).await
                }
                None => across.carry(&self.mapping, &mut source, &stretch, &carrying, deadline).await,
            };
            return match carried {
                Ok(outcome) => Ok(outcome),
                Err(error) => {
                    let at = batch.pass_started;
                    Err(self.mapping.of_batch(&mut source, error, &stretch, at, deadline).await.into())
                }
            };
        }
        let purging = self.mapping.purge.is_some();
        let writing = Writing { stretch, pass_started: batch.pass_started, effort, max_item: self.max_item, purging };
        let deadline = Deadline::after(effort.limit);
        let mut link = self.sessions.take().await;
        let written = match &self.mapping.purge {
            Some(purge) => self.mapping.write_and_purge(purge, &mut link, &writing, deadline).await,
            None => self.mapping.write(&mut link, &writing, deadline).await,
        };
        match written {
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
            What::Cargo(cargo) => return Ok(Some(cargo.len() as u64)),
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
        if let Some(across) = &self.across {
            let walk = (range, after, size);
            let stamp = |repair: &Repair| Stamp { now: SystemTime::now(), run: repair.run.clone() };
            let stamp = repair.map(stamp);
            let carrying = repair.zip(stamp.as_ref()).map(|(repair, stamp)| Carrying {
                pass_started: range.pass_started,
                stamp,
                recovered: false,
                overwrite: repair.overwrite,
                max_item: self.max_item,
            });
            let compared =
                across.verify(&self.mapping, &mut link, walk, carrying.as_ref(), self.max_item, deadline).await;
            return Ok(compared?);
        }
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
