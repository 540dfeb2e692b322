//! The heart: what a kind of migration has to be able to do, so that the engine can run it chunk by chunk.

use super::sample::Sample;
use crate::cursor::Cursor;
use crate::fault::{Class, Fault};
use std::future::Future;
use std::time::{Duration, SystemTime};

/// A stretch of the source: everything up to and including `bound`, seen by a pass that began at `pass_started`.
#[derive(Clone, Debug)]
pub struct Range {
    /// The last key that belongs to it.
    pub bound: Cursor,
    /// What `:pass_started` is bound to in `where`.
    pub pass_started: SystemTime,
    /// A sweep looks only at what changed since then, in the order of changes: the cursors in it are those of
    /// [`Migration::recent`].
    pub since: Option<SystemTime>,
    /// It goes on behind the bound. For `verify` that are targets: nothing is still to be moved to there. For a sweep, of changes alone,
    /// what changed since the bound was frozen; its last stretch has no end and is of one moment.
    pub open_end: bool,
    /// `verify` looks at these alone, as kinds can that take one; `None`: at all of it.
    pub sample: Option<Sample>,
}

/// Where a sweep over what changed since some time will end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recent {
    /// The last change, frozen; `None`: nothing changed.
    pub bound: Option<Cursor>,
}

/// What was read and is ready to be moved.
#[derive(Debug)]
pub struct Read<B> {
    /// The kind's own form of it.
    pub batch: B,
    /// The last key that was looked at, an item or not: the cursor once the batch is committed.
    pub end: Cursor,
    /// Source keys that were looked at.
    pub scanned: u64,
    /// Bytes of memory that the batch holds.
    pub bytes: u64,
    /// In a sweep, the items that were found: they are announced before they are moved. Empty elsewhere.
    pub found: Vec<Cursor>,
}

/// How a batch is to be written.
#[derive(Clone, Debug)]
pub struct Effort {
    /// How long the effects may take; the server is told.
    pub limit: Duration,
    /// The batch lies in what a killed run had announced: an equal item was moved by it and counts as moved.
    pub recovered: bool,
    /// Nothing has ever been moved, or found equal, in any shard that the run knows of: what refuses every item may refuse all there are.
    pub fresh: bool,
    /// The invocation's id, for `$run`.
    pub run: String,
}

/// An item that was set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aside {
    /// Its key.
    pub key: Cursor,
    /// One of [`CLASSES`](super::dead::CLASSES).
    pub class: &'static str,
    /// Why, without a value of any row.
    pub message: String,
}

/// What became of a batch. Every item in it is counted exactly once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Items written now, or by a killed run that had announced them.
    pub moved: u64,
    /// Items whose target was there and equal.
    pub skipped: u64,
    /// Items whose target was there and different, or that could not be moved.
    pub aside: Vec<Aside>,
    /// Bytes of the items moved.
    pub bytes: u64,
}

/// What `verify` found in one stretch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Items that were compared.
    pub checked: u64,
    /// Equal on both sides.
    pub equal: u64,
    /// Items without a target, keys first few.
    pub missing: u64,
    /// Items whose target differs.
    pub different: u64,
    /// Targets whose source is gone or no longer matches.
    pub extra: u64,
    /// Missing ones that were inserted, different ones that were rewritten.
    pub repaired: u64,
    /// A few of them: key and `missing`, `different` or `extra`.
    pub examples: Vec<(Cursor, &'static str)>,
}

/// What `verify` does about what it finds, beside saying so. It never deletes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repair {
    /// Rewrite what differs, too; otherwise only what is missing is inserted.
    pub overwrite: bool,
    /// The invocation's id, for `$run`.
    pub run: String,
}

/// How much there is to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// Source keys that a pass walks.
    pub keys: u64,
    /// Items among them.
    pub items: u64,
    /// Both were counted, not estimated.
    pub exact: bool,
}

/// How a pass lies before it begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// How much there is to do.
    pub expected: Estimate,
    /// The last key of each shard but the last, in their order.
    pub cuts: Vec<Cursor>,
}

/// A kind of migration over one source and one target.
///
/// The engine owns lease, budget, batch size, retries, dead letters, passes and progress; an implementation only reads
/// stretches of its source and applies them. It must keep two promises: `read`, `sweep` and `fetch` change nothing, and
/// `write` is idempotent: a batch may be written again after a crash, by another process, or by two at once.
pub trait Migration: Send + Sync {
    /// What was read and is ready to be moved.
    type Batch: Send + Sync;

    /// The last key of the source as of now, where a pass that starts now will end; `None` when the source is empty.
    /// Never before `least`, the bound of the pass before, so that targets of rows since gone stay within reach.
    fn bound(
        &self,
        least: Option<&Cursor>,
        limit: Duration,
    ) -> impl Future<Output = Result<Option<Cursor>, Fault>> + Send;

    /// Where a sweep over what changed since then would end. `None`: this kind cannot tell what changed, and sweeps look at
    /// everything.
    fn recent(
        &self,
        _since: SystemTime,
        _limit: Duration,
    ) -> impl Future<Output = Result<Option<Recent>, Fault>> + Send {
        std::future::ready(Ok(None))
    }

    /// How much lies before the bound, within `limit`, which it may use up: never a reason to fail. Without an answer
    /// there is no ETA.
    fn estimate(&self, _pass_started: SystemTime, _limit: Duration) -> impl Future<Output = Estimate> + Send {
        std::future::ready(Estimate::default())
    }

    /// How the first pass lies: where the keys up to the bound are cut into up to `parts` shards of about equal size, and how
    /// much there is. Each of the two may take `limit`, and use it up. As few shards as it likes: what cannot be cut is one.
    fn lay_out(
        &self,
        _bound: &Cursor,
        pass_started: SystemTime,
        _parts: u32,
        limit: Duration,
    ) -> impl Future<Output = Result<Layout, Fault>> + Send {
        async move { Ok(Layout { expected: self.estimate(pass_started, limit).await, cuts: Vec::new() }) }
    }

    /// The next batch after `after` that looks at up to `size` keys; `None` when nothing is left in the range.
    fn read(
        &self,
        range: &Range,
        after: Option<&Cursor>,
        size: u64,
        limit: Duration,
    ) -> impl Future<Output = Result<Option<Read<Self::Batch>>, Fault>> + Send;

    /// Items leave the source once they are moved. What a killed run has taken away nobody finds again: it is counted by what
    /// is lacking of the batch that it had announced, for which [`Migration::count`] has to have an answer.
    fn takes_away(&self) -> bool {
        false
    }

    /// Whether the bytes that a batch moves are in memory or in one transaction, so that they bound it. Where `false`, an item passes by
    /// piece by piece, or never comes here at all, and only time says how many a batch has.
    fn holds_items(&self) -> bool {
        true
    }

    /// As `read`, but its batch holds only items that a sweep has to move, and names them in `found`: those without a target,
    /// or all of them where items leave the source.
    fn sweep(
        &self,
        range: &Range,
        after: Option<&Cursor>,
        size: u64,
        limit: Duration,
    ) -> impl Future<Output = Result<Option<Read<Self::Batch>>, Fault>> + Send;

    /// The batch of exactly these items, for what a killed sweep had announced and for dead letters that are retried: of
    /// the latter some may be gone or match no more, which are no items then.
    fn fetch(&self, range: &Range, keys: &[Cursor]) -> Self::Batch;

    /// Applies a batch: all of it or, when this fails, nothing of it. Where items leave the source, named ones of a batch that
    /// is `recovered` which are gone, and have a target, count as moved.
    fn write(&self, batch: &Self::Batch, effort: &Effort) -> impl Future<Output = Result<Outcome, Fault>> + Send;

    /// Items in a batch that `read` has given, if that can be told before it is written. Asked where items leave the
    /// source, and where the batch looks at more keys than the rate has items left; a kind whose every key is an item need not answer.
    fn count(&self, _batch: &Self::Batch, _limit: Duration) -> impl Future<Output = Result<Option<u64>, Fault>> + Send {
        std::future::ready(Ok(None))
    }

    /// Whether this key is an item at all: a row that is there and matches. Asked before an item is set aside, since what is
    /// none counts nowhere. A kind whose every key is an item need not answer.
    fn is_item(
        &self,
        _range: &Range,
        _key: &Cursor,
        _limit: Duration,
    ) -> impl Future<Output = Result<bool, Fault>> + Send {
        std::future::ready(Ok(true))
    }

    /// The key of the item at a place where `read` has ended. A kind that walks in the order of its keys need not answer: there it is the
    /// place itself.
    fn item_at(&self, place: &Cursor) -> Cursor {
        place.clone()
    }

    /// Items of which killed runs have left something behind. Asked once a sweep has walked to its end, perhaps by several runs. A kind may
    /// leave nothing.
    fn left_overs(&self, _limit: Duration) -> impl Future<Output = Result<Vec<Cursor>, Fault>> + Send {
        std::future::ready(Ok(Vec::new()))
    }

    /// Gives up what was left behind of these items: nobody goes on with it.
    fn tidy_up(&self, _items: &[Cursor], _limit: Duration) -> impl Future<Output = Result<(), Fault>> + Send {
        std::future::ready(Ok(()))
    }

    /// What its servers cannot do, in the words of their protocol, so that something less strict was done instead; as far as this run has
    /// found out.
    fn fallbacks(&self) -> Vec<&'static str> {
        Vec::new()
    }

    /// Whether `verify` reads what it compares in full, where that is more than it does as a rule. A verification that was begun otherwise begins
    /// anew. A kind whose comparison is always the same need not answer.
    fn reads_in_full(&self) -> bool {
        false
    }

    /// Compares source and target after `after`, up to `size` keys; `None` when nothing is left in the range.
    /// Targets beyond the range's bound belong to it only if its end is open. With `repair`, what is wrong up to the bound is
    /// mended: all of the stretch or, when this fails, nothing of it. A kind may do without.
    fn verify(
        &self,
        _range: &Range,
        _after: Option<&Cursor>,
        _size: u64,
        _repair: Option<&Repair>,
        _limit: Duration,
    ) -> impl Future<Output = Result<Option<Read<Comparison>>, Fault>> + Send {
        std::future::ready(Err(Fault::new(Class::Fatal, "this kind of migration has no `verify`")))
    }

    /// Compares what can be told only beside the walk over items, once that has ended: after `after` in an order of its own, up to `size`
    /// things; `None` when nothing is left. `different` are items that were found `equal` before, `extra` is what is no item's. A kind that
    /// finds all of it while it compares items need not answer.
    fn verify_beside(
        &self,
        _range: &Range,
        _after: Option<&Cursor>,
        _size: u64,
        _limit: Duration,
    ) -> impl Future<Output = Result<Option<Read<Comparison>>, Fault>> + Send {
        std::future::ready(Ok(None))
    }

    /// Where the notes end that `write` has made for [`Migration::take_back`], as of now; `None`: there are none. A kind may do
    /// without.
    fn written(&self, _limit: Duration) -> impl Future<Output = Result<Option<Cursor>, Fault>> + Send {
        std::future::ready(Err(Fault::new(Class::Fatal, "this kind of migration has no `rollback`")))
    }

    /// Takes back what `write` has done to the source, after `after` in the order of its notes, up to `size` of them; `None` when none
    /// is left up to the range's bound. What is not as `write` left it stays as it is. `repaired` were taken back, `equal` are as they
    /// were before already, `different` have changed since, `missing` are gone.
    fn take_back(
        &self,
        _range: &Range,
        _after: Option<&Cursor>,
        _size: u64,
        _limit: Duration,
    ) -> impl Future<Output = Result<Option<Read<Comparison>>, Fault>> + Send {
        std::future::ready(Err(Fault::new(Class::Fatal, "this kind of migration has no `rollback`")))
    }
}
