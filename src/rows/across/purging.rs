//! Archive and purge into another database: rows are locked in a transaction of the source, written in one of the target, read
//! back, deleted, and the target is committed first. Whoever dies between the two commits leaves an equal copy, which the next
//! run recognises.

use super::super::faults::RowsError;
use super::super::here::purging::Purge;
use super::super::link::{Deadline, Link};
use super::super::mapping::{Mapping, Stretch};
use super::super::walk::number;
use super::writing::find;
use super::{Across, Carrying};
use crate::cursor::Cursor;
use crate::engine::failpoint::{Point, reach};
use crate::engine::migration::Outcome;
use crate::sql::statement::Statement;
use crate::sql::{Dialect, Session, SqlError};
use std::collections::HashSet;
use std::time::SystemTime;

/// Items that are named at once.
const NAMED: usize = 500;

/// Locks the rows of a stretch.
async fn hold(
    mapping: &Mapping,
    session: &mut Session,
    stretch: &Stretch<'_>,
    pass_started: SystemTime,
    deadline: Deadline,
) -> Result<(), RowsError> {
    let Stretch::Keys(keys) = stretch else {
        return mapping.keys_of(session, &mapping.lock(stretch, pass_started)?, deadline).await.map(drop);
    };
    for keys in keys.chunks(NAMED) {
        mapping.keys_of(session, &mapping.lock(&Stretch::Keys(keys), pass_started)?, deadline).await?;
    }
    Ok(())
}

/// Has PostgreSQL do now what triggers and constraints would have it do at the commit.
async fn settle(session: &mut Session, deadline: Deadline) -> Result<(), SqlError> {
    if session.make().dialect() == Dialect::Postgres {
        let mut statement = Statement::new(Dialect::Postgres);
        statement.sql("SET CONSTRAINTS ALL IMMEDIATE");
        session.execute(&statement, deadline.left()).await?;
    }
    Ok(())
}

/// A foreign key that is checked at the commit alone keeps a row that was deleted.
fn kept(error: SqlError) -> RowsError {
    match error.code() {
        Some("23503") => RowsError::Referred { constraint: error.constraint().map(ToOwned::to_owned) },
        _ => error.into(),
    }
}

/// What SQLite would say only at its commit, which comes after the target's: that another table refers to what is deleted.
async fn refuse_referred(
    (mapping, purge): (&Mapping, &Purge),
    session: &mut Session,
    stretch: &Stretch<'_>,
    deadline: Deadline,
) -> Result<(), RowsError> {
    for referrer in &purge.referrers {
        if number(session, &mapping.referred(referrer, stretch)?, deadline).await? > 0 {
            return Err(RowsError::Referred { constraint: None });
        }
    }
    Ok(())
}

impl Across {
    /// Writes the items of a stretch, and deletes those that were read back equal.
    pub(in super::super) async fn carry_and_purge(
        &self,
        (mapping, purge): (&Mapping, &Purge),
        source: &mut Link,
        stretch: &Stretch<'_>,
        carrying: &Carrying<'_>,
        deadline: Deadline,
    ) -> Result<Outcome, RowsError> {
        let session = source.session(deadline).await?;
        let mut link = self.sessions.take().await;
        let target = link.session(deadline).await?;
        mapping.begin_purge(purge, session, deadline).await?;
        let done = self.purged((mapping, purge), (&mut *session, target), stretch, carrying, deadline).await;
        match done {
            Ok(outcome) => {
                session.commit(deadline.left()).await.map_err(RowsError::Halfway)?;
                Ok(outcome)
            }
            Err(error) => {
                // A session that cannot roll back is dropped with its transaction.
                let _ = session.rollback(deadline.left()).await;
                Err(error)
            }
        }
    }

    /// Writes the items of a stretch as [`Across::carry`] does; where moved items leave the source, none of these does meanwhile, which would
    /// leave an older content behind.
    pub(super) async fn carry_held(
        &self,
        mapping: &Mapping,
        source: &mut Link,
        stretch: &Stretch<'_>,
        carrying: &Carrying<'_>,
        deadline: Deadline,
    ) -> Result<Outcome, RowsError> {
        let Some(purge) = &mapping.purge else {
            return self.carry(mapping, source, stretch, carrying, deadline).await;
        };
        let session = source.session(deadline).await?;
        mapping.begin_purge(purge, session, deadline).await?;
        let done = match hold(mapping, session, stretch, carrying.pass_started, deadline).await {
            Ok(()) => self.carry_from(mapping, session, stretch, carrying, deadline).await,
            Err(error) => Err(error),
        };
        // Nothing was written here; a session that cannot roll back is dropped with its locks.
        let _ = session.rollback(deadline.left()).await;
        done
    }

    /// All of it, but for the source's commit.
    async fn purged(
        &self,
        (mapping, purge): (&Mapping, &Purge),
        (session, target): (&mut Session, &mut Session),
        stretch: &Stretch<'_>,
        carrying: &Carrying<'_>,
        deadline: Deadline,
    ) -> Result<Outcome, RowsError> {
        let started = carrying.pass_started;
        let locked = mapping.keys_of(session, &mapping.lock(stretch, started)?, deadline).await?;
        // Before anything is read without a lock, which is when a snapshot would begin.
        for keys in locked.chunks(NAMED) {
            mapping.lock_limbs(purge, session, (&Stretch::Keys(keys), started), deadline).await?;
        }
        let mut gone = 0;
        if let (true, Stretch::Keys(keys)) = (carrying.recovered, stretch) {
            // Named before a run was killed: it had moved and deleted them.
            let here = mapping.keys_of(session, &mapping.present(stretch)?, deadline).await?;
            let here: HashSet<&Cursor> = here.iter().collect();
            let lacking: Vec<Cursor> = keys.iter().filter(|key| !here.contains(key)).cloned().collect();
            gone = find(target, &self.route, &lacking, deadline).await?.len() as u64;
        }
        let mut outcome = Outcome::default();
        if !locked.is_empty() {
            target.begin(deadline.left()).await?;
            match self.replaced((mapping, purge), (&mut *session, &mut *target), &locked, carrying, deadline).await {
                Ok(done) => {
                    target.commit(deadline.left()).await.map_err(RowsError::of_commit)?;
                    outcome = done;
                }
                Err(error) => return Err(self.roll_back(target, error, deadline).await),
            }
            reach(Point::TargetCommitted).await;
        }
        outcome.moved += gone;
        Ok(outcome)
    }

    /// Writes locked items and deletes those that are read back equal, in two transactions that are open: whatever either
    /// database refuses, a deadlock among it, leaves both as they were.
    async fn replaced(
        &self,
        (mapping, purge): (&Mapping, &Purge),
        (session, target): (&mut Session, &mut Session),
        locked: &[Cursor],
        carrying: &Carrying<'_>,
        deadline: Deadline,
    ) -> Result<Outcome, RowsError> {
        let started = carrying.pass_started;
        let all = Stretch::Keys(locked);
        let outcome = self.carry_on(mapping, (&mut *session, &mut *target), &all, carrying, deadline).await?;
        // Before what triggers leave is read.
        settle(target, deadline).await.map_err(RowsError::of_commit)?;
        for keys in locked.chunks(NAMED) {
            let equal = self
                .equal(mapping, (&mut *session, &mut *target), keys, (started, carrying.max_item), deadline)
                .await?;
            let equal: Vec<Cursor> = keys.iter().filter(|key| equal.contains(key)).cloned().collect();
            if equal.is_empty() {
                continue;
            }
            let part = (&Stretch::Keys(&equal), started);
            refuse_referred((mapping, purge), session, part.0, deadline).await?;
            let related = mapping.lock_limbs(purge, session, part, deadline).await?;
            mapping.delete_all(purge, session, part, (&related, equal.len() as u64), deadline).await?;
        }
        // Before the target commits: what the source refused only then would leave a copy of a row that stays.
        settle(session, deadline).await.map_err(kept)?;
        Ok(outcome)
    }
}
