//! Keeping a lease alive while a long piece of work goes on.

use super::lease::{Kept, Lease};
use crate::ledger::LedgerError;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

/// Carries `work` to its end and renews the lease all the while. `None`: the lease was lost; the work was dropped.
///
/// A renewal that is under way is never cut off: whether it was written would not be known.
pub(super) async fn hold<T>(
    lease: &mut Lease,
    call: Duration,
    work: impl Future<Output = T>,
) -> Result<Option<T>, LedgerError> {
    let mut work = pin!(work);
    loop {
        tokio::select! {
            biased;
            done = &mut work => return Ok(Some(done)),
            () = tokio::time::sleep(lease.heartbeat()) => {}
        }
        let mut finished = None;
        let kept = {
            let mut renewal = pin!(lease.renew(call));
            loop {
                tokio::select! {
                    kept = &mut renewal => break kept?,
                    done = &mut work, if finished.is_none() => finished = Some(done),
                }
            }
        };
        if kept == Kept::Fenced {
            return Ok(None);
        }
        if finished.is_some() {
            return Ok(finished);
        }
    }
}
