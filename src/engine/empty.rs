//! A kind with nothing to move, for the engine's own tests.

use super::migration::{Effort, Migration, Outcome, Range, Read};
use crate::cursor::Cursor;
use crate::fault::Fault;
use std::sync::Mutex;
use std::time::Duration;

/// Its source is empty. Killed runs may have left something of items all the same.
#[derive(Default)]
pub(super) struct Empty {
    pub(super) left: Vec<Cursor>,
    /// Of which it was given up.
    pub(super) tidied: Mutex<Vec<Cursor>>,
}

impl Migration for Empty {
    type Batch = ();

    async fn bound(&self, _: Option<&Cursor>, _: Duration) -> Result<Option<Cursor>, Fault> {
        Ok(None)
    }

    async fn read(&self, _: &Range, _: Option<&Cursor>, _: u64, _: Duration) -> Result<Option<Read<()>>, Fault> {
        Ok(None)
    }

    async fn sweep(&self, _: &Range, _: Option<&Cursor>, _: u64, _: Duration) -> Result<Option<Read<()>>, Fault> {
        Ok(None)
    }

    fn fetch(&self, _: &Range, _: &[Cursor]) {}

    async fn write(&self, (): &(), _: &Effort) -> Result<Outcome, Fault> {
        Ok(Outcome::default())
    }

    async fn left_overs(&self, _: Duration) -> Result<Vec<Cursor>, Fault> {
        Ok(self.left.clone())
    }

    async fn tidy_up(&self, items: &[Cursor], _: Duration) -> Result<(), Fault> {
        self.tidied.lock().unwrap().extend_from_slice(items);
        Ok(())
    }
}
