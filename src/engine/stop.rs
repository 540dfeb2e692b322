//! The wish to stop: SIGTERM and Ctrl-C, heard between batches.

use std::time::Duration;
use tokio::sync::watch;

/// Anybody who holds a clone can ask the run to stop at the next batch boundary.
#[derive(Clone, Debug)]
pub struct Stop {
    sender: watch::Sender<bool>,
}

impl Default for Stop {
    fn default() -> Self {
        Self { sender: watch::Sender::new(false) }
    }
}

impl Stop {
    /// Asks.
    pub fn set(&self) {
        self.sender.send_replace(true);
    }

    /// Whether somebody has asked.
    pub fn is_set(&self) -> bool {
        *self.sender.borrow()
    }

    /// Waits until somebody asks.
    pub async fn asked(&self) {
        let mut receiver = self.sender.subscribe();
        // The sender lives in `self`, so this ends only by being asked.
        let _ = receiver.wait_for(|stop| *stop).await;
    }

    /// Sleeps, but not beyond the moment when somebody asks.
    pub async fn sleep(&self, time: Duration) {
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            () = self.asked() => {}
        }
    }
}
