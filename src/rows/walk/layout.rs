//! How the first pass lies: how much there is, and where it is cut into shards. What the database estimates is cheap to ask, and
//! may be old: so each piece is counted, which says at once how much there is and whether the pieces are alike. Where they are
//! not, a walk along the index cuts exactly.

use super::split::{By, Ground, LEAST};
use crate::cursor::Cursor;
use crate::engine::migration::{Estimate, Layout};
use crate::rows::faults::RowsError;
use crate::rows::link::{Deadline, rows};
use futures_util::StreamExt as _;
use std::time::{Duration, SystemTime};

impl Ground<'_> {
    /// As [`crate::engine::migration::Migration::lay_out`].
    pub(in crate::rows) async fn laid_out(
        &self,
        bound: &Cursor,
        pass_started: SystemTime,
        parts: u32,
        limit: Duration,
    ) -> Result<Layout, RowsError> {
        if parts < 2 {
            return Ok(Layout { expected: self.counted(pass_started, limit).await, cuts: Vec::new() });
        }
        let rough = self.estimated();
        let cutting = Deadline::after(limit);
        let cuts = match self.cut(By::Statistics, bound, parts, rough, limit).await {
            // Then not by these.
            Err(error) if !error.class().passes() => Vec::new(),
            cuts => cuts?,
        };
        let took = limit.saturating_sub(cutting.left());
        let Some(pieces) = self.count_pieces(&cuts, pass_started, limit).await else {
            // What takes so long to count takes as long to walk. It may, where there is no other way.
            let left = limit.saturating_sub(took);
            let cuts = if cuts.is_empty() { self.cut(By::Walk, bound, parts, rough, left).await? } else { cuts };
            return Ok(Layout { expected: rough, cuts });
        };
        let expected = sum(&pieces);
        let few = expected.keys < LEAST * u64::from(parts);
        if cuts.is_empty() || few || !are_alike(&pieces) {
            let cuts = self.cut(By::Walk, bound, parts, expected, limit.saturating_sub(took)).await?;
            return Ok(Layout { expected, cuts });
        }
        Ok(Layout { expected, cuts })
    }

    /// Counts, or says what the database estimates if that takes too long.
    pub(in crate::rows) async fn counted(&self, pass_started: SystemTime, limit: Duration) -> Estimate {
        self.count_pieces(&[], pass_started, limit).await.map_or_else(|| self.estimated(), |pieces| sum(&pieces))
    }

    fn estimated(&self) -> Estimate {
        let rows = self.source.map_or(0, |source| source.rows_estimate);
        Estimate { keys: rows, items: rows, exact: false }
    }

    /// How much lies in each of the pieces into which the cuts divide the source, counted side by side. `None`: not in time.
    async fn count_pieces(&self, cuts: &[Cursor], pass_started: SystemTime, limit: Duration) -> Option<Vec<Estimate>> {
        let deadline = Deadline::after(limit);
        let ends = cuts.iter().map(Some).chain([None]);
        let pieces = std::iter::once(None).chain(cuts.iter().map(Some)).zip(ends);
        let counts: Vec<_> = pieces.map(|piece| self.count_piece(piece, pass_started, deadline)).collect();
        let counted: Vec<Option<Estimate>> =
            futures_util::stream::iter(counts).buffered(self.sessions.size()).collect().await;
        counted.into_iter().collect()
    }

    async fn count_piece(
        &self,
        piece: (Option<&Cursor>, Option<&Cursor>),
        pass_started: SystemTime,
        deadline: Deadline,
    ) -> Option<Estimate> {
        let mut link = self.sessions.take().await;
        let session = link.session(deadline).await.ok()?;
        let found = rows(session, &self.mapping.totals(piece, pass_started).ok()?, deadline).await.ok()?;
        let number = |place: usize| found.first()?.get(place)?.as_deref()?.parse().ok();
        Some(Estimate { keys: number(0)?, items: number(1)?, exact: true })
    }
}

fn sum(pieces: &[Estimate]) -> Estimate {
    let add = |sum: Estimate, piece: &Estimate| Estimate {
        keys: sum.keys + piece.keys,
        items: sum.items + piece.items,
        exact: sum.exact && piece.exact,
    };
    pieces.iter().fold(Estimate { exact: true, ..Estimate::default() }, add)
}

/// None is much larger than the mean.
fn are_alike(pieces: &[Estimate]) -> bool {
    let keys = sum(pieces).keys;
    pieces.iter().all(|piece| piece.keys.saturating_mul(2 * pieces.len() as u64) <= keys.saturating_mul(3))
}

#[cfg(test)]
mod tests {
    use super::{Estimate, are_alike};

    #[test]
    fn pieces_are_alike_up_to_half_above_their_mean() {
        let pieces =
            |keys: &[u64]| keys.iter().map(|&keys| Estimate { keys, items: 0, exact: true }).collect::<Vec<_>>();
        for (keys, alike) in [
            (&[10, 10, 10][..], true),
            (&[15, 5, 10], true),
            (&[16, 4, 10], false),
            (&[0, 0, 0], true),
            (&[30, 0, 0], false),
            (&[7], true),
        ] {
            assert_eq!(are_alike(&pieces(keys)), alike, "{keys:?}");
        }
    }
}
