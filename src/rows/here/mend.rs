//! Mending a stretch: what is missing is inserted and, if that is wanted, what differs is rewritten, in one transaction.

use super::write::{Existing, Writing};
use crate::engine::migration::{Effort, Repair};
use crate::rows::faults::RowsError;
use crate::rows::link::{Deadline, Link, execute};
use crate::rows::mapping::{Mapping, Stretch};
use crate::rows::walk::numbers;
use crate::sql::Session;
use std::time::SystemTime;

/// How to mend.
#[derive(Clone, Copy)]
pub(in crate::rows) struct Mend<'a> {
    pub(in crate::rows) repair: &'a Repair,
    pub(in crate::rows) pass_started: SystemTime,
    pub(in crate::rows) max_item: u64,
}

impl Mapping {
    /// How many targets were inserted or rewritten.
    pub(in crate::rows) async fn mend(
        &self,
        link: &mut Link,
        stretch: &Stretch<'_>,
        mend: Mend<'_>,
        deadline: Deadline,
    ) -> Result<u64, RowsError> {
        let effort = Effort { limit: deadline.left(), recovered: false, fresh: false, run: mend.repair.run.clone() };
        let writing = Writing {
            stretch: *stretch,
            pass_started: mend.pass_started,
            now: SystemTime::now(),
            effort: &effort,
            max_item: mend.max_item,
            purging: false,
        };
        let session = link.session(deadline).await?;
        if mend.repair.overwrite && !self.copies.is_empty() {
            return Err(RowsError::Overwrite);
        }
        match &self.purge {
            Some(purge) => self.begin_purge(purge, session, deadline).await?,
            None => session.begin(deadline.left()).await?,
        }
        let mut there = Existing::default();
        match self.mend_all(session, &writing, mend.repair.overwrite, &mut there, deadline).await {
            Ok(repaired) => {
                session.commit(deadline.left()).await.map_err(RowsError::of_commit)?;
                Ok(repaired)
            }
            Err(error) => {
                // A session that cannot roll back is dropped with its transaction.
                let _ = session.rollback(deadline.left()).await;
                Err(self.explain(session, &writing, error, there, deadline).await)
            }
        }
    }

    async fn mend_all(
        &self,
        session: &mut Session,
        writing: &Writing<'_>,
        overwrite: bool,
        there: &mut Existing,
        deadline: Deadline,
    ) -> Result<u64, RowsError> {
        if self.purge.is_some() {
            self.freeze(session, deadline).await?;
            // What leaves the source while it is rewritten would leave an older content behind.
            self.keys_of(session, &self.lock(&writing.stretch, writing.pass_started)?, deadline).await?;
        }
        let (moved, _) = self.apply(session, writing, there, deadline).await?;
        if !overwrite || moved.aside.is_empty() {
            return Ok(moved.moved);
        }
        let (stretch, pass_started, max_item) = (&writing.stretch, writing.pass_started, writing.max_item);
        let account = self.account(stretch, pass_started, max_item)?;
        let [_, _, _, large_before] = numbers(session, &account, deadline).await?;
        let rewrite = self.rewrite(stretch, pass_started, &writing.stamp())?;
        let rewritten = execute(session, &rewrite, deadline).await?;
        let [_, _, _, large] = numbers(session, &account, deadline).await?;
        if large > large_before
            && let Some((key, bytes)) = self.oversized_keys(session, writing, large, deadline).await?.pop()
        {
            return Err(RowsError::TooLarge { key: Box::new(key), bytes, max_item });
        }
        Ok(moved.moved + rewritten)
    }
}
