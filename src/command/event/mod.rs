//! What an operator, a schedule or a test asks for: an event becomes a [`Command`], or a clear error.
//!
//! [`forms`] are the commands and what each takes, [`check`] says what they cannot mean, [`parse`] reads events into them.

mod check;
mod forms;
mod parse;

pub use forms::{COMMANDS, Command, RunEvent, StatusEvent};
pub(super) use forms::{FailedEvent, RetryEvent, RollbackEvent, VerifyEvent};
