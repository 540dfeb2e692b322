//! What can go wrong while items move, and what is done about it: the error policy, in one table.

use crate::cursor::Cursor;
use crate::debug::debug_is_display;
use std::error::Error as StdError;

/// The class of a fault. A class, not an error, decides what happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Passes by itself: a lost connection, a deadlock, a throttled call.
    Transient,
    /// Too much at once: a statement's time, a packet, memory.
    Capacity,
    /// Somebody else's transaction holds a lock that the batch needs.
    Locked,
    /// More than one run can carry, and this one has done a part of it.
    Unfinished,
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
    /// Again with half as many; a batch of one waits for as long as the run may, and costs the item no attempt.
    HalveAndWait,
    /// Halve until the item is found, then set it aside.
    Bisect,
    /// Pause the migration and tell somebody.
    Pause,
    /// Stop without touching anything more.
    Stop,
}

/// The error policy.
pub const POLICY: [(Class, Action, &str); 8] = [
    (Class::Transient, Action::Retry, "nothing is lost, the next run goes on by itself"),
    (
        Class::Capacity,
        Action::Halve,
        "nothing is lost; if it stays at one item, raise the function's time or the database's limits, and `retry`",
    ),
    (
        Class::Locked,
        Action::HalveAndWait,
        "nothing is lost; if it stays, look for the transaction that holds the lock; the next run goes on by itself",
    ),
    (Class::Unfinished, Action::HalveAndWait, "nothing to do: the next run goes on where this one has ended"),
    (Class::Poison, Action::Bisect, "correct the row or the target, then `retry`"),
    (
        Class::TooLarge,
        Action::Bisect,
        "raise `max_item`, or narrow what the document holds with `exclude`, then `retry`",
    ),
    (Class::Fatal, Action::Pause, "mend what the message names, then `resume`"),
    (Class::Fenced, Action::Stop, "nothing to do: another run has taken over"),
];

impl Class {
    /// What is done about this class.
    pub fn action(self) -> Action {
        self.row().1
    }

    /// What an operator can do about it.
    pub fn hint(self) -> &'static str {
        self.row().2
    }

    /// Whether it passes by itself, with nothing done about it but waiting.
    pub fn passes(self) -> bool {
        matches!(self, Self::Transient | Self::Locked)
    }

    fn row(self) -> (Self, Action, &'static str) {
        POLICY.into_iter().find(|row| row.0 == self).unwrap_or(POLICY[6])
    }
}

/// Whose failure it is: what a failed invocation says of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// A database's.
    #[default]
    Database,
    /// A bucket's, or that of somebody else who keeps what was moved.
    Storage,
}

/// A failure of an effect, classified by the adapter that saw it. It never holds a value of a row, only keys.
#[derive(thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// Decides what happens next.
    pub class: Class,
    /// What went wrong and, where it is known, what to do: without a value of any row.
    pub message: String,
    /// The effects may have been applied all the same (the reply to a commit was lost), or by somebody else meanwhile: what
    /// is found equal at the next attempt was moved by this one.
    pub uncertain: bool,
    /// The one item concerned, where the adapter knows it.
    pub key: Option<Cursor>,
    /// The message says already what to do: the hint of its class would say it again, in fewer particulars.
    pub advised: bool,
    /// Where it came from.
    pub origin: Origin,
    /// The error beneath, if it is free of row values.
    #[source]
    pub source: Option<Box<dyn StdError + Send + Sync>>,
}

debug_is_display!(Fault);

impl Fault {
    /// A fault of `class`, told in a message that holds no value of a row.
    pub fn new(class: Class, message: impl Into<String>) -> Self {
        Self {
            class,
            message: message.into(),
            key: None,
            uncertain: false,
            advised: false,
            origin: Origin::default(),
            source: None,
        }
    }
}

impl Fault {
    /// The fault with everything beneath it, and what an operator can do about it, said once.
    pub fn explained(&self) -> String {
        let hint = self.class.hint();
        let hint = if self.advised { hint.rsplit_once(", ").map_or(hint, |(_, then)| then) } else { hint };
        format!("{}; {hint}", chain(self))
    }
}

/// An error with everything beneath it, as one line.
pub fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_stands_in_the_table_once() {
        assert_eq!(POLICY[6].0, Class::Fatal);
        for class in [
            Class::Transient,
            Class::Capacity,
            Class::Locked,
            Class::Unfinished,
            Class::Poison,
            Class::TooLarge,
            Class::Fatal,
            Class::Fenced,
        ] {
            assert_eq!(POLICY.iter().filter(|row| row.0 == class).count(), 1, "{class:?}");
            assert_eq!(class.row().0, class);
        }
    }
}
