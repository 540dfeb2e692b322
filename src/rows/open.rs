//! Opening: sessions, catalog and definition become a migration that can run, or every reason why it cannot.

use super::across::Across;
use super::link::Deadline;
use super::pool::Pool;
use super::tables::Tables;
use super::{Findings, Rows, RowsError, check, create, destination, resolve, sharing};
use crate::spec::RowsDefinition;
use crate::sql::{ConnectOptions, Dialect, Session};
use std::time::Duration;

/// Sessions of one lane: one that reads and one that writes.
const SESSIONS: usize = 2;

/// Below this a limit on the length of values would refuse statements, not documents.
const SMALLEST_VALUE: u64 = 1 << 20;
/// How long it may take to find out whether a session that is to be closed still lives.
const GOODBYE: Duration = Duration::from_secs(1);

impl Rows {
    /// Connects, reads the catalog and checks the definition against it. Changes nothing: a target that is to be created
    /// is made by [`Rows::prepare`].
    pub async fn open(
        definition: &RowsDefinition,
        options: &ConnectOptions,
        limit: Duration,
    ) -> Result<Self, RowsError> {
        let session = Session::open(options, limit).await?;
        Self::over(definition, options, (session, Vec::new()), None, Deadline::after(limit)).await
    }

    /// The same where the target is in another database, or is reached by another user.
    pub async fn between(
        definition: &RowsDefinition,
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
    pub async fn again(self, definition: &RowsDefinition, limit: Duration) -> Result<Self, RowsError> {
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
        definition: &RowsDefinition,
        source: &ConnectOptions,
        (mut session, others): (Session, Vec<Session>),
        target: Option<(&ConnectOptions, Vec<Session>)>,
        deadline: Deadline,
    ) -> Result<Self, RowsError> {
        let mut packet = session.max_packet();
        let mut unsaid = Findings::default();
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
                let sides = (&mut session, &mut other);
                unsaid = Box::pin(sharing::settle(&mut tables, definition, sides, deadline)).await?;
                open.push(other);
                (tables, Some((options, open)))
            }
        };
        let Findings { mut problems, mut warnings } = check(definition, &tables);
        problems.extend(unsaid.problems);
        warnings.extend(unsaid.warnings);
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
        let longest = max_item.saturating_mul(2).max(SMALLEST_VALUE);
        session.set_max_length(longest)?;
        let lanes = usize::try_from(definition.limits.lanes.min(definition.limits.shards)).unwrap_or(1);
        let most = if session.make().dialect() == Dialect::Sqlite { 1 } else { SESSIONS * lanes };
        let open = std::iter::once(session).chain(others).collect();
        let sessions = Pool::new(source.clone(), most, open).with_max_length(longest);
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

    /// Says goodbye to the database.
    pub async fn close(self) {
        for pool in std::iter::once(self.sessions).chain(self.across.map(|across| across.sessions)) {
            for session in pool.into_alive(Deadline::after(GOODBYE)).await {
                session.close().await;
            }
        }
    }
}
