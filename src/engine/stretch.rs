//! Reading one stretch of the source: where it is cut, and what has to be known of it when it is written.

use super::migration::{Migration, Range, Read};
use super::run::Run;
use super::state::State;
use crate::cursor::Cursor;
use crate::fault::Fault;

/// A batch that may be written.
pub(super) struct Ready<B> {
    pub(super) batch: B,
    /// The cursor once it is committed; `None`: the cursor stays (items that a killed sweep had announced).
    pub(super) end: Option<Cursor>,
    pub(super) scanned: u64,
    pub(super) found: Vec<Cursor>,
    pub(super) recovered: bool,
    /// It ends what killed runs had announced.
    pub(super) passes_interrupted: bool,
}

/// Ends nearer than the pass's bound, at which a batch is cut.
pub(super) struct Bounds {
    /// What a killed run had announced: batches lie wholly inside or outside of it.
    pub(super) interrupted: Option<Cursor>,
    /// A batch that failed: inside of it batches stay small.
    pub(super) suspect: Option<Cursor>,
}

/// Reads one stretch.
pub(super) async fn stretch<M: Migration>(
    run: &Run<'_, M>,
    state: &State,
    bound: &Cursor,
    bounds: &Bounds,
    after: Option<&Cursor>,
    size: u64,
) -> Result<Option<Ready<M::Batch>>, Fault> {
    let nearest = bounds.suspect.as_ref().or(bounds.interrupted.as_ref()).unwrap_or(bound);
    let range = Range { bound: nearest.clone(), pass_started: state.pass_started_at() };
    let limit = run.budget.remaining();
    let read = if state.pass > 1 {
        run.kind.sweep(&range, after, size, limit).await?
    } else {
        run.kind.read(&range, after, size, limit).await?
    };
    Ok(read.map(|Read { batch, end, scanned, found, .. }| Ready {
        batch,
        passes_interrupted: bounds.interrupted.as_ref() == Some(&end),
        end: Some(end),
        scanned,
        found,
        recovered: bounds.interrupted.is_some(),
    }))
}
