//! Archive and purge into another database: rows are locked in a transaction of the source, written to the target and committed
//! there, read back, and only then deleted. Whoever dies in between leaves an equal copy, which the next run recognises.

use super::super::faults::RowsError;
use super::super::here::purging::Purge;
use super::super::link::{Deadline, Link};
use super::super::mapping::{Mapping, Stretch};
use super::writing::find;
use super::{Across, Carrying};
use crate::cursor::Cursor;
use crate::engine::failpoint::{Point, reach};
use crate::engine::migration::Outcome;
use crate::sql::Session;
use std::collections::HashSet;

/// Items that are named at once.
const NAMED: usize = 500;

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
        match self.purged((mapping, purge), (&mut *session, target), stretch, carrying, deadline).await {
            Ok(outcome) => {
                session.commit(deadline.left()).await?;
                Ok(outcome)
            }
            Err(error) => {
                // A session that cannot roll back is dropped with its transaction.
                let _ = session.rollback(deadline.left()).await;
                Err(error)
            }
        }
    }

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
            let all = Stretch::Keys(&locked);
            outcome = self.carry_on(mapping, (&mut *session, &mut *target), &all, carrying, deadline).await?;
            reach(Point::TargetCommitted).await;
        }
        outcome.moved += gone;
        for keys in locked.chunks(NAMED) {
            let equal = self
                .equal(mapping, (&mut *session, &mut *target), keys, (started, carrying.max_item), deadline)
                .await?;
            let equal: Vec<Cursor> = keys.iter().filter(|key| equal.contains(key)).cloned().collect();
            if equal.is_empty() {
                continue;
            }
            let part = (&Stretch::Keys(&equal), started);
            let related = mapping.lock_limbs(purge, session, part, deadline).await?;
            mapping.delete_all(purge, session, part, (&related, equal.len() as u64), deadline).await?;
        }
        Ok(outcome)
    }
}
