//! Mending a stretch: what is missing is inserted and, if that is wanted, what differs is rewritten, in one transaction.

use super::faults::RowsError;
use super::link::{Deadline, Link, execute};
use super::mapping::{Mapping, Stretch};
use super::moving::Stamp;
use super::walk::numbers;
use super::write::Writing;
use crate::engine::migration::{Effort, Repair};
use crate::sql::Session;
use std::time::SystemTime;

/// How to mend.
#[derive(Clone, Copy)]
pub(super) struct Mend<'a> {
    pub(super) repair: &'a Repair,
    pub(super) pass_started: SystemTime,
    pub(super) max_item: u64,
}

impl Mapping {
    /// How many targets were inserted or rewritten.
    pub(super) async fn mend(
        &self,
        link: &mut Link,
        stretch: &Stretch<'_>,
        mend: Mend<'_>,
        deadline: Deadline,
    ) -> Result<u64, RowsError> {
        let effort = Effort { limit: deadline.left(), recovered: false, run: mend.repair.run.clone() };
        let writing =
            Writing { stretch: *stretch, pass_started: mend.pass_started, effort: &effort, max_item: mend.max_item };
        let session = link.session(deadline).await?;
        session.begin(deadline.left()).await?;
        match self.mend_all(session, &writing, mend.repair.overwrite, deadline).await {
            Ok(repaired) => {
                session.commit(deadline.left()).await?;
                Ok(repaired)
            }
            Err(error) => {
                // A session that cannot roll back is dropped with its transaction.
                let _ = session.rollback(deadline.left()).await;
                Err(error)
            }
        }
    }

    async fn mend_all(
        &self,
        session: &mut Session,
        writing: &Writing<'_>,
        overwrite: bool,
        deadline: Deadline,
    ) -> Result<u64, RowsError> {
        let (stretch, pass_started, max_item) = (&writing.stretch, writing.pass_started, writing.max_item);
        let compare = self.compare(stretch, pass_started, max_item)?;
        let [there, equal, bytes_there, large_there] = numbers(session, &compare, deadline).await?;
        let before = [there, bytes_there, large_there];
        let inserted = self.move_missing(session, writing, before, deadline).await?.inserted;
        let mut rewritten = 0;
        if overwrite && there > equal {
            let stamp = Stamp { now: SystemTime::now(), run: writing.effort.run.clone() };
            rewritten = execute(session, &self.rewrite(stretch, pass_started, &stamp)?, deadline).await?;
        }
        let account = self.account(stretch, pass_started, max_item)?;
        let [_, _, _, large] = numbers(session, &account, deadline).await?;
        if large > large_there
            && let Some((key, bytes)) = self.oversized_keys(session, writing, large, deadline).await?.pop()
        {
            return Err(RowsError::TooLarge { key: Box::new(key), bytes, max_item });
        }
        Ok(inserted + rewritten)
    }
}
