//! Reading one stretch of the source: where it is cut, and what has to be known of it when it is written.

use super::budget::Budget;
use super::checkpoint::Pending;
use super::migration::{Migration, Range, Read};
use super::run::Run;
use super::state::State;
use super::{dead, letters};
use crate::cursor::Cursor;
use crate::fault::{Class, Fault};
use std::collections::HashSet;

/// A batch that may be written.
pub(super) struct Ready<B> {
    pub(super) batch: B,
    /// The cursor once it is committed; `None`: the cursor stays (items that a killed sweep had announced).
    pub(super) end: Option<Cursor>,
    pub(super) scanned: u64,
    pub(super) found: Vec<Cursor>,
    /// Items of the stretch, where they leave the source and are not named.
    pub(super) leaving: Option<u64>,
    pub(super) recovered: bool,
    /// It ends what killed runs had announced.
    pub(super) passes_interrupted: bool,
    /// The dead letters that it retries, instead of walking on.
    pub(super) letters: Vec<Pending>,
}

impl<B> Ready<B> {
    /// The one item that it holds, or the one key that may be an item.
    pub(super) fn single(&self, sweeping: bool) -> Option<&Cursor> {
        if self.end.is_none() || sweeping {
            return self.found.first().filter(|_| self.found.len() == 1);
        }
        self.end.as_ref().filter(|_| self.scanned == 1)
    }
}

/// Ends nearer than the pass's bound, at which a batch is cut.
pub(super) struct Bounds {
    /// What a killed run had announced: batches lie wholly inside or outside of it.
    pub(super) interrupted: Option<Cursor>,
    /// A batch that failed, if its end is nearer than that: inside of it batches stay small.
    pub(super) suspect: Option<Cursor>,
    /// There are dead letters: a sweep passes over their items.
    pub(super) letters: bool,
    /// There are several shards: somebody else may be retrying them meanwhile.
    pub(super) several: bool,
    /// A sweep over changes goes on behind the bound.
    pub(super) open_end: bool,
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
    let range = Range {
        bound: nearest.clone(),
        pass_started: state.pass_started_at(),
        since: state.since_at(),
        open_end: bounds.open_end,
        sample: None,
    };
    let limit = run.budget.remaining();
    let read = if state.pass > 1 {
        in_time(&run.budget, run.kind.sweep(&range, after, size, limit)).await?
    } else {
        in_time(&run.budget, run.kind.read(&range, after, size, limit)).await?
    };
    let Some(mut read) = read else { return Ok(None) };
    if bounds.letters && !read.found.is_empty() {
        read = pass_over_letters(run, state, &range, after, size, (read, bounds.several)).await?;
    }
    let Read { batch, end, scanned, found, .. } = read;
    let leaving = if run.kind.takes_away() && state.pass <= 1 {
        in_time(&run.budget, run.kind.count(&batch, run.budget.remaining())).await?
    } else {
        None
    };
    Ok(Some(Ready {
        batch,
        passes_interrupted: bounds.interrupted.as_ref() == Some(&end),
        end: Some(end),
        scanned,
        found,
        leaving,
        recovered: bounds.interrupted.is_some(),
        letters: Vec::new(),
    }))
}

/// Takes the items that have a dead letter out of what a sweep has found: those wait for `retry`.
///
/// Where another shard's holder may be retrying them, a letter that is gone says nothing: its item may have been moved after
/// the sweep had looked. So it looks again, and what still has no target then is nobody else's.
async fn pass_over_letters<M: Migration>(
    run: &Run<'_, M>,
    state: &State,
    range: &Range,
    after: Option<&Cursor>,
    size: u64,
    (mut read, several): (Read<M::Batch>, bool),
) -> Result<Read<M::Batch>, Fault> {
    let letters = letters::of(run, state);
    let (mut with, mut without) = (HashSet::new(), HashSet::new());
    loop {
        let fresh: Vec<Cursor> =
            read.found.iter().filter(|key| !with.contains(*key) && !without.contains(*key)).cloned().collect();
        let asked = async { letters.among(&fresh).await.map_err(|error| dead::unread(&error)) };
        let there = in_time(&run.budget, asked).await?;
        let looked = fresh.len();
        without.extend(fresh.into_iter().filter(|key| !there.contains(key)));
        with.extend(there);
        let found = read.found.len();
        read.found.retain(|key| !with.contains(key));
        if !several || looked == 0 || read.found.is_empty() {
            if read.found.len() < found {
                read.batch = run.kind.fetch(range, &read.found);
            }
            return Ok(read);
        }
        let range = Range { bound: read.end.clone(), ..range.clone() };
        let again = in_time(&run.budget, run.kind.sweep(&range, after, size, run.budget.remaining())).await?;
        let Some(again) = again else {
            // Its rows are gone, or have changed again. What lies behind it is another matter.
            read.found.clear();
            read.batch = run.kind.fetch(&range, &[]);
            return Ok(read);
        };
        read = again;
    }
}

/// Waits for the kind as long as the run can afford to. The database is told its limit; this is for one that does not keep
/// to it, or is too far away. What was abandoned may have been done.
pub(super) async fn in_time<T>(budget: &Budget, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    let patience = budget.remaining() + budget.reserve() / 4;
    tokio::time::timeout(patience, work).await.unwrap_or_else(|_| {
        let message = "the database did not finish a batch within what is left of the run";
        Err(Fault { uncertain: true, ..Fault::new(Class::Capacity, message) })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cursor::KeyPart;
    use crate::engine::migration::{Effort, Outcome};
    use crate::ledger::Sqlite;
    use crate::spec::Limits;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    fn key(number: u32) -> Cursor {
        Cursor(vec![KeyPart::Int(number.to_string())])
    }

    /// Two items without a target; by the second look another shard's holder has moved the first, whose letter it retried. Or by then
    /// there is nothing any more.
    #[derive(Default)]
    struct Moving(AtomicU32, bool);

    impl Migration for Moving {
        type Batch = Vec<Cursor>;

        async fn bound(&self, _: Option<&Cursor>, _: Duration) -> Result<Option<Cursor>, Fault> {
            Ok(Some(key(9)))
        }

        async fn read(
            &self,
            _: &Range,
            _: Option<&Cursor>,
            _: u64,
            _: Duration,
        ) -> Result<Option<Read<Vec<Cursor>>>, Fault> {
            Ok(None)
        }

        async fn sweep(
            &self,
            _: &Range,
            _: Option<&Cursor>,
            _: u64,
            _: Duration,
        ) -> Result<Option<Read<Vec<Cursor>>>, Fault> {
            let looks = self.0.fetch_add(1, Ordering::SeqCst);
            if looks > 0 && self.1 {
                return Ok(None);
            }
            let found = if looks == 0 { vec![key(1), key(2)] } else { vec![key(2)] };
            Ok(Some(Read { batch: found.clone(), end: key(9), scanned: 9, bytes: 0, found }))
        }

        fn fetch(&self, _: &Range, keys: &[Cursor]) -> Vec<Cursor> {
            keys.to_vec()
        }

        async fn write(&self, _: &Vec<Cursor>, _: &Effort) -> Result<Outcome, Fault> {
            Ok(Outcome::default())
        }
    }

    #[tokio::test]
    async fn what_another_shards_holder_retries_meanwhile_is_left_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Arc::new(Sqlite::open(&folder.path().join("ledger.db")).unwrap());
        let (limits, state) = (Limits::default(), State { pass: 2, ..State::default() });
        for (several, found) in [(true, vec![key(2)]), (false, vec![key(1), key(2)])] {
            let kind = Moving::default();
            let run = Run::new("m", &kind, &limits, ledger.clone(), Duration::from_secs(30), 512);
            let bounds = Bounds { interrupted: None, suspect: None, letters: true, several, open_end: false };
            let ready = stretch(&run, &state, &key(9), &bounds, None, 100).await.unwrap().unwrap();
            assert_eq!((&ready.found, &ready.batch), (&found, &found));
        }
        // A stretch that is empty by now is not the end of the shard.
        let kind = Moving(AtomicU32::new(0), true);
        let run = Run::new("m", &kind, &limits, ledger.clone(), Duration::from_secs(30), 512);
        let bounds = Bounds { interrupted: None, suspect: None, letters: true, several: true, open_end: false };
        let ready = stretch(&run, &state, &key(20), &bounds, None, 100).await.unwrap().unwrap();
        assert_eq!((ready.found, ready.end), (Vec::new(), Some(key(9))));
    }
}
