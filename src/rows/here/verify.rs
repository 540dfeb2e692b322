//! Comparing source and target, stretch by stretch.

use super::verifying::TARGETS_PER_KEY;
use crate::cursor::Cursor;
use crate::engine::migration::{Comparison, Range, Read};
use crate::rows::faults::RowsError;
use crate::rows::link::{Deadline, Link, rows};
use crate::rows::mapping::{Mapping, Stretch};
use crate::rows::walk::{Step, number, numbers};
use crate::sql::Session;

/// Keys that a stretch names of each kind.
const EXAMPLES: u64 = 5;

impl Mapping {
    /// What a stretch's comparison found, and up to where the source has items of it: it may end further on, where targets do.
    pub(in crate::rows) async fn verify(
        &self,
        link: &mut Link,
        range: &Range,
        after: Option<&Cursor>,
        size: u64,
        deadline: Deadline,
    ) -> Result<Option<(Read<Comparison>, Cursor)>, RowsError> {
        // The last stretch ends at the bound, whether or not a row is left there and however far beyond it the targets
        // reach: only then were all of them seen.
        if after == Some(&range.bound) {
            return Ok(None);
        }
        let started = range.pass_started;
        let session = link.session(deadline).await?;
        let mut size = size;
        let (step, counts, is_refused) = loop {
            let step = self.stretch(session, range, after, size, deadline).await?;
            let stretch = Stretch::Range { after, end: &step.end };
            match numbers::<3>(session, &self.tally(&stretch, started)?, deadline).await {
                // A document that the target's type does not take: it is told from the others, and differs.
                Err(RowsError::Sql(error)) if error.is_untranslatable() && size > 1 => size /= 2,
                Err(RowsError::Sql(error)) if error.is_untranslatable() => {
                    let [checked, missing] = numbers(session, &self.presence(&stretch, started)?, deadline).await?;
                    break (step, [checked, missing, 0], true);
                }
                counted => break (step, counted?, false),
            }
        };
        let [checked, missing, equal] = counts;
        let most = size.max(1).saturating_mul(TARGETS_PER_KEY);
        // Targets of rows that were deleted are looked for by nobody.
        let looks_for_extra = self.purge.is_none();
        let stretch = Stretch::Range { after, end: &step.end };
        let mut examples = Vec::new();
        if is_refused {
            examples.push((step.end.clone(), if missing > 0 { "missing" } else { "different" }));
        } else if missing + equal < checked || missing > 0 {
            for row in rows(session, &self.mismatches(&stretch, started, EXAMPLES)?, deadline).await? {
                let kind = if row.last().is_some_and(|kind| kind.as_deref() == Some("missing")) {
                    "missing"
                } else {
                    "different"
                };
                examples.push((self.key().read(&row, 0)?, kind));
            }
        }
        let different = checked.saturating_sub(missing + equal);
        let upper = if step.last && range.open_end && looks_for_extra {
            // No more than `most` targets lie up to the bound, so the one after them lies beyond it: the next stretch holds
            // no source key any more.
            let crowd = self.target_boundary(after, None, most.saturating_add(1))?;
            rows(session, &crowd, deadline).await?.first().map(|row| self.key().read(row, 0)).transpose()?
        } else {
            Some(step.end.clone())
        };
        let extra = if looks_for_extra {
            number(session, &self.extras(after, upper.as_ref(), started)?, deadline).await?
        } else {
            0
        };
        if extra > 0 {
            for row in rows(session, &self.extra_keys(after, upper.as_ref(), started, EXAMPLES)?, deadline).await? {
                examples.push((self.key().read(&row, 0)?, "extra"));
            }
        }
        let comparison = Comparison { checked, equal, missing, different, extra, repaired: 0, examples };
        // Targets are left beyond the bound: the walk goes on behind them, and ends where the others do, at the bound.
        let goes_on = upper.as_ref().is_some_and(|end| *end != step.end);
        let scanned = if goes_on { step.scanned.max(size) } else { step.scanned };
        let end = upper.unwrap_or_else(|| step.end.clone());
        Ok(Some((Read { batch: comparison, end, scanned, bytes: 0, found: Vec::new() }, step.end)))
    }

    /// The next stretch of a comparison: no longer than so many keys, and where targets crowd, shorter.
    async fn stretch(
        &self,
        session: &mut Session,
        range: &Range,
        after: Option<&Cursor>,
        size: u64,
        deadline: Deadline,
    ) -> Result<Step, RowsError> {
        let mut step = self.step(session, range, after, size, deadline).await?;
        // Targets of rows that were deleted are looked for by nobody.
        if self.purge.is_some() {
            return Ok(step);
        }
        let most = size.max(1).saturating_mul(TARGETS_PER_KEY);
        let crowd = rows(session, &self.target_boundary(after, Some(&step.end), most)?, deadline).await?;
        if let Some(row) = crowd.first() {
            let end = self.key().read(row, 0)?;
            if end != step.end {
                let scanned = number(session, &self.keys(&Stretch::Range { after, end: &end })?, deadline).await?;
                step.last = end == range.bound;
                step.end = end;
                step.scanned = scanned.max(size);
            }
        }
        Ok(step)
    }
}
