//! What goes wrong with dead letters, as the fault of a batch; and the class of the letter that a fault makes.

use crate::fault::{Class, Fault, chain};
use crate::ledger::LedgerError;

/// A ledger that did not take or give dead letters, as a batch's fault: its effects may be there, but may not be passed.
pub(in crate::engine) fn fault(error: &LedgerError) -> Fault {
    let class = match error {
        LedgerError::Unreachable { .. } | LedgerError::Stopped { .. } => Class::Transient,
        _ => Class::Fatal,
    };
    let message = format!("the dead letters of a batch could not be written: {}", chain(error));
    Fault { uncertain: true, ..Fault::new(class, message) }
}

/// A ledger that did not take all of them in time.
pub(in crate::engine) fn late() -> Fault {
    let message = "the ledger did not take the dead letters of a batch within what is left of the run";
    Fault { uncertain: true, ..Fault::new(Class::Capacity, message) }
}

/// A ledger that did not give dead letters: nothing was done yet.
pub(in crate::engine) fn unread(error: &LedgerError) -> Fault {
    let message = format!("the dead letters could not be read: {}", chain(error));
    Fault::new(fault(error).class, message)
}

/// The class of the letter that a fault of a single item makes.
pub(in crate::engine) fn class_of(fault: &Fault) -> &'static str {
    match fault.class {
        Class::TooLarge => "too_large",
        Class::Capacity => "killed",
        _ => "poison",
    }
}
