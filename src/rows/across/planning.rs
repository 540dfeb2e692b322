//! What `plan` shows of both databases.

use super::super::faults::RowsError;
use super::super::link::{Deadline, Link};
use super::super::mapping::{Mapping, Stretch};
use super::super::plan::{QueryPlan, SAMPLED, Sample, explain};
use super::Across;
use super::reading::Most;
use crate::cursor::Cursor;
use crate::sql::statement::Statement;
use std::time::SystemTime;

impl Across {
    /// The statements of one batch, in their order: read from the source, written to the target; and how targets are looked
    /// up where some exist.
    pub(in super::super) fn batch(
        &self,
        mapping: &Mapping,
        sample: &Sample,
        max_item: u64,
    ) -> Result<Vec<(&'static str, Statement)>, RowsError> {
        let now = SystemTime::now();
        let after = Some(&sample.first);
        let (boundary, read) = self.reading(mapping, sample, max_item)?;
        let prints = self.prints(mapping, &Stretch::Range { after, end: &sample.last }, now)?;
        let mut statements = vec![
            ("boundary", boundary),
            ("read", read),
            ("write", self.route.into.shown()),
            ("look up", self.look_up(&sample.last)),
            ("compare", prints),
        ];
        for copy in &self.copies {
            let stretch = Stretch::Range { after, end: &sample.last };
            statements.push(("read related", copy.rows(mapping, &stretch, now, &copy.route.selected)?));
            statements.push(("write related", copy.route.into.shown()));
        }
        Ok(statements)
    }

    /// How each database goes about it.
    pub(in super::super) async fn query_plans(
        &self,
        mapping: &Mapping,
        source: &mut Link,
        (sample, max_item): (&Sample, u64),
        deadline: Deadline,
    ) -> Result<Vec<QueryPlan>, RowsError> {
        let session = source.session(deadline).await?;
        let (boundary, read) = self.reading(mapping, sample, max_item)?;
        let mut plans = Vec::new();
        let stretch = Stretch::Range { after: Some(&sample.first), end: &sample.last };
        let related = self
            .copies
            .iter()
            .map(|copy| Ok(("read related", copy.rows(mapping, &stretch, SystemTime::now(), &copy.route.selected)?)));
        let related = related.collect::<Result<Vec<_>, RowsError>>()?;
        for (purpose, statement) in [("boundary", boundary), ("read", read)].into_iter().chain(related) {
            let plan = explain(session, &statement, deadline).await?;
            plans.push(QueryPlan { purpose, statement: statement.text().to_owned(), plan });
        }
        // Of a table that is not there yet no database has a plan.
        if self.is_there {
            let mut link = self.sessions.take().await;
            let statement = self.look_up(&sample.last);
            let plan = explain(link.session(deadline).await?, &statement, deadline).await?;
            plans.push(QueryPlan { purpose: "look up", statement: statement.text().to_owned(), plan });
        }
        Ok(plans)
    }

    fn reading(&self, mapping: &Mapping, sample: &Sample, max_item: u64) -> Result<(Statement, Statement), RowsError> {
        let stretch = Stretch::Range { after: Some(&sample.first), end: &sample.last };
        let most = Most { items: SAMPLED, bytes: self.batch_bytes, item: max_item, whole: self.copies.is_empty() };
        let boundary = mapping.boundary(Some(&sample.first), &sample.bound, SAMPLED)?;
        Ok((boundary, mapping.page(&self.route, &stretch, SystemTime::now(), most)?))
    }

    fn look_up(&self, key: &Cursor) -> Statement {
        self.route.lookup(std::slice::from_ref(key), &self.route.held_prints())
    }
}
