//! Archive and purge: a batch is copied, read back, and what was read back equal is deleted, in one transaction.
//!
//! Rows and their related rows are locked first, those above before those beneath, so that nothing of them changes until the
//! end. What happens in a stretch beside them may not matter: rows that begin to match after the lock are nobody's yet. A
//! batch that finds more than it has locked is rolled back and done again with the locked items alone, by their names.

use super::purging::Purge;
use super::write::{Existing, ReadBack, Writing};
use crate::cursor::Cursor;
use crate::engine::migration::Outcome;
use crate::rows::faults::RowsError;
use crate::rows::link::{Deadline, Link, execute, rows};
use crate::rows::mapping::{Mapping, Stretch};
use crate::rows::walk::{number, numbers};
use crate::sql::Session;
use crate::sql::statement::Statement;
use std::time::SystemTime;

/// Items that are named at once.
const NAMED: usize = 500;

/// How far a purge came, for what is said of its failure.
#[derive(Default)]
struct Reached {
    there: Existing,
    /// The items that it was about, where they were named.
    named: Vec<Cursor>,
}

impl Mapping {
    pub(in crate::rows) async fn write_and_purge(
        &self,
        purge: &Purge,
        link: &mut Link,
        writing: &Writing<'_>,
        deadline: Deadline,
    ) -> Result<Outcome, RowsError> {
        let by_range = matches!(writing.stretch, Stretch::Range { .. });
        match self.purged(purge, link, writing, !by_range, deadline).await {
            // Each may be the work of rows that began to match meanwhile. If it is not, it is said again.
            Err(RowsError::Grown | RowsError::Overtaken | RowsError::Moving | RowsError::Swallowed) if by_range => {
                self.purged(purge, link, writing, true, deadline).await
            }
            done => done,
        }
    }

    async fn purged(
        &self,
        purge: &Purge,
        link: &mut Link,
        writing: &Writing<'_>,
        by_name: bool,
        deadline: Deadline,
    ) -> Result<Outcome, RowsError> {
        let session = link.session(deadline).await?;
        self.begin_purge(purge, session, deadline).await?;
        let mut reached = Reached::default();
        match self.purge_all(purge, session, writing, by_name, &mut reached, deadline).await {
            Ok(outcome) => {
                session.commit(deadline.left()).await.map_err(RowsError::of_commit)?;
                Ok(outcome)
            }
            Err(error) => {
                // A session that cannot roll back is dropped with its transaction.
                let _ = session.rollback(deadline.left()).await;
                let Reached { there, named } = reached;
                let writing = writing.of(if named.is_empty() { writing.stretch } else { Stretch::Keys(&named) });
                Err(self.explain(session, &writing, error, there, deadline).await)
            }
        }
    }

    /// Begins a transaction in which rows are locked, and the gaps between them if there is no other way.
    pub(in crate::rows) async fn begin_purge(
        &self,
        purge: &Purge,
        session: &mut Session,
        deadline: Deadline,
    ) -> Result<(), RowsError> {
        if purge.gaps {
            // Of the next transaction alone.
            let mut statement = self.statement();
            statement.sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ");
            session.execute(&statement, deadline.left()).await?;
        }
        Ok(session.begin(deadline.left()).await?)
    }

    async fn purge_all(
        &self,
        purge: &Purge,
        session: &mut Session,
        writing: &Writing<'_>,
        by_name: bool,
        reached: &mut Reached,
        deadline: Deadline,
    ) -> Result<Outcome, RowsError> {
        if !by_name {
            let items = number(session, &self.lock_counted(&writing.stretch, writing.pass_started)?, deadline).await?;
            if items == 0 {
                return Ok(Outcome::default());
            }
            return self.purge_part(purge, session, writing, items, &mut reached.there, deadline).await;
        }
        let locked = self.keys_of(session, &self.lock(&writing.stretch, writing.pass_started)?, deadline).await?;
        // All of them before anything is read without a lock, which is when a snapshot would begin.
        for keys in locked.chunks(NAMED) {
            self.lock_limbs(purge, session, (&Stretch::Keys(keys), writing.pass_started), deadline).await?;
        }
        let mut sum = Outcome::default();
        if let (true, Stretch::Keys(_)) = (writing.effort.recovered, &writing.stretch) {
            // Named before a run was killed: it had moved and deleted them.
            sum.moved = number(session, &self.vanished(&writing.stretch)?, deadline).await?;
        }
        for keys in locked.chunks(NAMED) {
            (reached.there, reached.named) = (Existing::default(), keys.to_vec());
            let part = writing.of(Stretch::Keys(keys));
            let done = self.purge_part(purge, session, &part, count(keys), &mut reached.there, deadline).await?;
            sum.moved += done.moved;
            sum.skipped += done.skipped;
            sum.bytes += done.bytes;
            sum.aside.extend(done.aside);
        }
        Ok(sum)
    }

    /// Copies, reads back and deletes the items of a stretch, all of which are locked if it holds no more than `items`.
    async fn purge_part(
        &self,
        purge: &Purge,
        session: &mut Session,
        writing: &Writing<'_>,
        items: u64,
        there: &mut Existing,
        deadline: Deadline,
    ) -> Result<Outcome, RowsError> {
        let (stretch, pass_started) = (&writing.stretch, writing.pass_started);
        let related = self.lock_limbs(purge, session, (stretch, pass_started), deadline).await?;
        let (outcome, read_back) = self.apply(session, writing, there, deadline).await?;
        let aside = outcome.aside.len() as u64;
        if outcome.moved + outcome.skipped + aside != items {
            return Err(RowsError::Grown);
        }
        let read_back = if let Some(read_back) = read_back {
            read_back
        } else {
            let statement = self.read_back(stretch, pass_started, writing.max_item)?;
            let [items, _, equal, ..] = numbers::<5>(session, &statement, deadline).await?;
            ReadBack { items, equal }
        };
        // All that the stretch holds is equal, and it holds as many as were locked: these are equal, each of them. That so many are
        // equal would not say it, since a row that was never locked may match just now, and not any more when rows are deleted.
        if (read_back.items, read_back.equal) == (items, items) {
            self.delete_all(purge, session, (stretch, pass_started), (&related, items), deadline).await?;
            return Ok(outcome);
        }
        if read_back.equal > items || matches!(stretch, Stretch::Range { .. }) {
            // Which ones were equal could be asked of rows that were never locked, too.
            return Err(RowsError::Grown);
        }
        // The others stay: a conflict, or a copy of which a trigger of the target has made something else.
        let equal = self.keys_of(session, &self.equal_keys(stretch, pass_started)?, deadline).await?;
        for keys in equal.chunks(NAMED) {
            let part = (&Stretch::Keys(keys), pass_started);
            let related = self.lock_limbs(purge, session, part, deadline).await?;
            self.delete_all(purge, session, part, (&related, count(keys)), deadline).await?;
        }
        Ok(outcome)
    }

    /// Locks the related rows of a stretch, those above first; how many each table has, in the order of their deletion.
    pub(in crate::rows) async fn lock_limbs(
        &self,
        purge: &Purge,
        session: &mut Session,
        (stretch, pass_started): (&Stretch<'_>, SystemTime),
        deadline: Deadline,
    ) -> Result<Vec<u64>, RowsError> {
        let mut counts = Vec::with_capacity(purge.limbs.len());
        for limb in purge.limbs.iter().rev() {
            let lock = self.lock_limb(limb, stretch, pass_started)?;
            counts.push(number(session, &lock, deadline).await?);
        }
        counts.reverse();
        Ok(counts)
    }

    /// Deletes the items of a stretch with their related rows: exactly so many, or the batch fails.
    pub(in crate::rows) async fn delete_all(
        &self,
        purge: &Purge,
        session: &mut Session,
        (stretch, pass_started): (&Stretch<'_>, SystemTime),
        (related, items): (&[u64], u64),
        deadline: Deadline,
    ) -> Result<(), RowsError> {
        for (limb, &expected) in purge.limbs.iter().zip(related) {
            if expected > 0 {
                let statement = self.delete_limb(limb, stretch, pass_started)?;
                deleted(execute(session, &statement, deadline).await.map_err(refused)?, expected)?;
            }
        }
        let statement = self.delete(stretch, pass_started)?;
        deleted(execute(session, &statement, deadline).await.map_err(refused)?, items)
    }

    pub(in crate::rows) async fn keys_of(
        &self,
        session: &mut Session,
        statement: &Statement,
        deadline: Deadline,
    ) -> Result<Vec<Cursor>, RowsError> {
        let found = rows(session, statement, deadline).await?;
        Ok(found.iter().map(|row| self.key().read(row, 0)).collect::<Result<_, _>>()?)
    }
}

fn count(keys: &[Cursor]) -> u64 {
    u64::try_from(keys.len()).unwrap_or(u64::MAX)
}

fn deleted(found: u64, expected: u64) -> Result<(), RowsError> {
    match found {
        found if found > expected => Err(RowsError::Grown),
        found if found < expected => Err(RowsError::Undeleted),
        _ => Ok(()),
    }
}

/// A foreign key of another table is no fault of the target.
fn refused(error: crate::sql::SqlError) -> RowsError {
    let referred = matches!(error.code(), Some("1451" | "1217" | "23503" | "23001" | "787"));
    if referred { RowsError::Referred { constraint: error.constraint().map(ToOwned::to_owned) } } else { error.into() }
}
