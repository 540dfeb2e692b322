//! What can go wrong while items move, and what is done about it: the error policy, in one table.

use crate::cursor::Cursor;
use std::error::Error as StdError;

/// The class of a fault. A class, not an error, decides what happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Passes by itself: a lost connection, a deadlock, a throttled call.
    Transient,
    /// Too much at once: a statement's time, a packet, a lock wait, memory.
    Capacity,
    /// One item cannot be moved as it is.
    Poison,
    /// One item is larger than `max_item` or than the database can build.
    TooLarge,
    /// Nothing will work until a person has changed something.
    Fatal,
    /// Somebody else holds the shard now.
    Fenced,
}

/// What the engine does about a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Again after a jittered wait, as long as the budget lasts. Never costs an item an attempt.
    Retry,
    /// Again with half as many; a batch of one that is still too much is set aside.
    Halve,
    /// Halve until the item is found, then set it aside.
    Bisect,
    /// Pause the migration and tell somebody.
    Pause,
    /// Stop without touching anything more.
    Stop,
}

/// The error policy.
pub const POLICY: [(Class, Action, &str); 6] = [
    (Class::Transient, Action::Retry, "nothing to do: the next run goes on by itself"),
    (
        Class::Capacity,
        Action::Halve,
        "nothing to do unless it stays at one item: then raise the function's time or the database's limits",
    ),
    (Class::Poison, Action::Bisect, "correct the row or the target, then `resume`"),
    (
        Class::TooLarge,
        Action::Bisect,
        "raise `max_item`, or narrow what the document holds with `exclude` or `where`, then `resume`",
    ),
    (Class::Fatal, Action::Pause, "mend what the message names, then `resume`"),
    (Class::Fenced, Action::Stop, "nothing to do: another run has taken over"),
];

impl Class {
    /// What is done about this class.
    pub fn action(self) -> Action {
        match self {
            Self::Transient => Action::Retry,
            Self::Capacity => Action::Halve,
            Self::Poison | Self::TooLarge => Action::Bisect,
            Self::Fatal => Action::Pause,
            Self::Fenced => Action::Stop,
        }
    }
}

/// A failure of an effect, classified by the adapter that saw it. It never holds a value of a row, only keys.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// Decides what happens next.
    pub class: Class,
    /// What went wrong and, where it is known, what to do: without a value of any row.
    pub message: String,
    /// The one item concerned, where the adapter knows it.
    pub key: Option<Cursor>,
    /// The error beneath, if it is free of row values.
    #[source]
    pub source: Option<Box<dyn StdError + Send + Sync>>,
}
