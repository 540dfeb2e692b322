//! Dead letters as a state machine for a model checker: an item that cannot be moved is recorded, counted, taken back, put back,
//! moved after all, while holders are killed, replaced and go on all the same, and writes of letters arrive late.
//!
//! The shard's record is written in one step here: the other model is about that. What is modelled call by call is what lies
//! beside it: effects and letters.

mod machine;
mod run;
mod writing;

/// A deliberate error. The checker has to find what each of them breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mutant {
    /// The cursor passes an item before its letter is there.
    LetterAfterCommit,
    /// Letters that nobody has counted are not taken back.
    NotTakenBack,
    /// Of these only those are taken back that have arrived.
    InFlightUnnamed,
    /// A letter that is taken back is deleted.
    Deleted,
    /// An older run may write over what a newer one has left.
    OlderLetIn,
    /// A letter of an attempt that was followed by a better one stays.
    StaleKept,
    /// What is being retried is not named in the record.
    RetryForgotten,
    /// What was retried and counted is not named in the record.
    SettledForgotten,
}

/// How much of everything there is.
#[derive(Clone, Copy, Debug)]
pub(super) struct LetterProtocol {
    pub(super) runs: u8,
    /// Items of the source, 1 to 7. None of them can be moved at first.
    pub(super) items: u8,
    pub(super) crashes: u8,
    /// Calls that are done and seem to have failed.
    pub(super) losses: u8,
    /// Writes of letters that seem to have failed, and arrive at any later time.
    pub(super) late: u8,
    /// How often somebody puts a letter back.
    pub(super) asks: u8,
    pub(super) mutant: Option<Mutant>,
}

/// The shard's record. Sets of items are bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Record {
    seq: u8,
    epoch: u8,
    owner: u8,
    cursor: u8,
    announced: bool,
    interrupted: bool,
    /// 0: none.
    mark: u8,
    in_flight: u8,
    retrying: u8,
    settled: u8,
    moved: u8,
    skipped: u8,
    failed: u8,
    resolved: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Letter {
    seq: u8,
    epoch: u8,
    batch: u8,
    retry: bool,
    void: bool,
}

/// A write of a letter that nobody waits for: the item, what it goes by, and what it writes.
type Late = (u8, Option<(u8, u8)>, Letter);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum At {
    Start,
    /// It finishes what the run before has left half done.
    Tidy,
    /// It looks for letters that were put back.
    Letters,
    /// It moves such an item; whether it may be there already by milkrun's own hand.
    Retry(u8, bool),
    /// It was counted; its letter is to become void.
    Settle(u8),
    Walk,
    Effects,
    /// The letter of the next item is to be written.
    Keep,
    Over,
    Killed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Run {
    at: At,
    seen: Record,
    /// A letter of the next item was written, or may have been.
    recorded: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct World {
    record: Record,
    letters: Vec<Option<Letter>>,
    target: u8,
    bad: u8,
    runs: Vec<Run>,
    late_writes: Vec<Late>,
    crashes: u8,
    losses: u8,
    late: u8,
    asks: u8,
    /// A run that was replaced has moved an item: whoever retries it takes it for somebody else's.
    zombie: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Go(u8),
    /// As `Go`, and it is told that it failed.
    Lose(u8),
    /// It is told that its letter was not written, which still arrives.
    Delay(u8),
    Kill(u8),
    /// It is killed when its effects are there, and nothing says so yet.
    KillAfter(u8),
    /// A letter that nobody waits for arrives.
    Arrive(u8),
    /// Somebody mends an item.
    Cure(u8),
    /// Somebody puts a letter back.
    PutBack(u8),
}

fn bit(item: u8) -> u8 {
    1 << item
}
