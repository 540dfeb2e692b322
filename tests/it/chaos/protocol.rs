//! The protocol of lease and commit as a state machine for a model checker: what the engine's `lease`, `run` and `walk` do to a
//! shard's record, one call a step, and everything that may go wrong between two of them.
//!
//! There is no clock: whether a lease has run out is answered both ways, whenever somebody asks. So every clock is covered,
//! however far off, and every margin, negative ones included. State updates are one step: they are read and written again until
//! the condition holds, so nothing of them is left half done.

mod machine;
mod run;
mod writing;

/// A deliberate error. The checker has to find what each of them breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mutant {
    /// A commit is written whatever is stored.
    CommitUnfenced,
    /// The cursor moves before the effects are there.
    CommitBeforeEffect,
    /// A release is written whatever is stored.
    ReleaseUnconditional,
    /// A write whose reply was lost is not recognised when it is repeated.
    StampIgnored,
    /// What a killed holder had announced is not remembered.
    RangeForgotten,
    /// A release after a commit that was not answered forgets what was announced.
    ReleaseForgets,
    /// `reset` removes the record, and its epoch with it.
    ResetRestartsEpoch,
    /// Whoever acquires goes by the state as it was before.
    StaleState,
}

/// How much of everything there is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Protocol {
    /// Invocations, all at once.
    pub(super) runs: u8,
    /// Items of the source, 1 to 7.
    pub(super) items: u8,
    /// Invocations that may be killed.
    pub(super) crashes: u8,
    /// Replies that may be lost, and writes that may be given up.
    pub(super) losses: u8,
    /// Writes and effects of which a copy may arrive at any later time.
    pub(super) copies: u8,
    /// Whether an operator resets the migration at some time.
    pub(super) reset: bool,
    /// What is wrong with it.
    pub(super) mutant: Option<Mutant>,
}

/// The shard's record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Record {
    seq: u8,
    epoch: u8,
    /// 0: nobody.
    owner: u8,
    stamp: (u8, u8),
    life: u8,
    pass: u8,
    cursor: u8,
    done: bool,
    moved: u8,
    skipped: u8,
    /// The end of the batch that is about to be written; 0: none.
    announced: u8,
    /// The end of what a killed run had announced; 0: none.
    interrupted: u8,
}

impl Record {
    fn place(&self) -> (u8, u8, u8) {
        (self.life, self.pass, self.cursor)
    }
}

/// The migration's own record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Progress {
    life: u8,
    pass: u8,
    open: bool,
    complete: bool,
}

/// What a conditional write is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Purpose {
    Acquire,
    Enter,
    Announce,
    Remember,
    Commit,
    Done,
    Release,
}

/// A conditional write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Write {
    purpose: Purpose,
    record: Record,
    seen: Option<Record>,
}

/// A batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Batch {
    end: u8,
    recovered: bool,
}

/// Where an invocation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum At {
    Start,
    /// It knows the state, and has not yet asked for the record.
    Loaded,
    /// It knows what is stored.
    Asked(Option<Record>),
    /// It waits for the answer to a write.
    Writing(Write),
    /// It holds the lease, and looks whether the state that it knows is older than the record.
    Acquired,
    /// It looks what is to be done in the pass.
    Pass,
    /// It looks for the next batch.
    Walk,
    /// It writes a batch.
    Effects(Batch),
    /// The walk was at its end; the pass is to be closed.
    Close,
    Over,
    Killed,
}

/// One invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Run {
    at: At,
    progress: Progress,
    /// The record as it was last written by this run.
    seen: Record,
    /// Writes so far: each has a stamp of its own.
    writes: u8,
    batch: Option<Batch>,
}

/// Everything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct World {
    stored: Option<Record>,
    progress: Progress,
    /// A bit for each item in the target.
    target: u8,
    runs: Vec<Run>,
    late_writes: Vec<Write>,
    late_effects: Vec<(u8, u8)>,
    crashes: u8,
    losses: u8,
    copies: u8,
    /// 0: not begun, 1: the state is new, 2: the record is fenced.
    reset: u8,
    /// The highest epoch that was ever given out.
    epoch: u8,
    /// The first rule that was broken.
    broken: Option<&'static str>,
}

/// What may happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A run goes on; the number says which way where there are several.
    Go(u8, u8),
    /// Its write arrives and is answered.
    Answer(u8),
    /// Its write arrives, and the reply is lost: it will be repeated.
    LoseReply(u8),
    /// It waits for an answer no longer.
    GiveUp(u8),
    /// A copy of its write stays on its way.
    Copy(u8),
    /// The effects are there, but it is told that they may not be.
    Uncertain(u8),
    /// It is told so although the effects are still on their way.
    UncertainAndLate(u8),
    /// It is killed.
    Kill(u8),
    /// It is killed while its effects are on their way.
    KillAndLate(u8),
    /// A write that nobody waits for arrives.
    LateWrite(u8),
    /// Effects that nobody waits for arrive.
    LateEffects(u8),
    /// The next step of `reset`.
    Reset,
}
