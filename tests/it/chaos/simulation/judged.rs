//! What holds in the end of a job.

use super::{NAME, World};
use milkrun::engine::checkpoint::{Checkpoint, Counters, Resolved};
use std::sync::atomic::Ordering;

impl World {
    /// What holds in the end.
    pub(super) fn judge(&self) -> Result<(), String> {
        if let Some(wrong) = self.wrong.lock().unwrap().take().or_else(|| self.ledger.violation()) {
            return Err(wrong);
        }
        let (items, target) = (self.kind.items(), self.kind.target());
        if items != target {
            return Err(format!("the target holds {target:?}, the source {items:?}"));
        }
        let (life, bad, letters) = (self.state().life, self.kind.bad(), self.letters());
        if bad != letters {
            return Err(format!("dead letters are {letters:?}, those that cannot be moved {bad:?}"));
        }
        self.count.letters.fetch_add(letters.len() as u64, Ordering::Relaxed);
        let (mut counters, mut resolved) = (Counters::default(), Resolved::default());
        for record in self.ledger.peek_all(NAME, "move#") {
            let shard = Checkpoint::from_record(&record).map_err(|error| error.to_string())?;
            if shard.life == life {
                self.count.shards.fetch_add(u64::from(record.item != "move#0000"), Ordering::Relaxed);
                counters.add(&shard.counters);
                resolved.conflicts += shard.resolved.conflicts;
                resolved.failed += shard.resolved.failed;
            }
        }
        let conflicts = bad.iter().filter(|(_, class)| class == "conflict").count() as u64;
        // In a life after the first, what the life before has moved is skipped.
        let (moved, skipped) = if life == 0 { (counters.moved, counters.skipped) } else { (counters.items(), 0) };
        let set_aside = if life == 0 { 0 } else { counters.conflicts + counters.failed };
        let counted = (
            moved - set_aside,
            skipped,
            counters.conflicts.checked_sub(resolved.conflicts),
            counters.failed.checked_sub(resolved.failed),
        );
        if counted != (items.len() as u64, 0, Some(conflicts), Some(bad.len() as u64 - conflicts)) {
            return Err(format!("{} items and {bad:?}, but counted {counters:?}, {resolved:?}", items.len()));
        }
        Ok(())
    }
}
