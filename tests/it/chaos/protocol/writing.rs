//! Effects and conditional writes: what they do to what is stored, and which rule they would break.

use super::{At, Mutant, Purpose, Record, Run, World, Write};

const BACK: &str = "life, pass or cursor moved back";
const SEQ: &str = "two writes were accepted for one sequence number";
const ZOMBIE: &str = "an older epoch wrote after a newer one";
const EPOCH: &str = "an epoch was given out twice";

impl World {
    pub(super) fn apply(&mut self, write: &Write, mutant: Option<Mutant>) -> Result<(), Option<Record>> {
        let key = |record: &Record| (record.seq, record.epoch, record.owner);
        let blind = match write.purpose {
            Purpose::Commit => mutant == Some(Mutant::CommitUnfenced),
            Purpose::Release => mutant == Some(Mutant::ReleaseUnconditional),
            _ => false,
        };
        if !blind && self.stored.as_ref().map(key) != write.seen.as_ref().map(key) {
            let own = self.stored.is_some_and(|stored| stored.stamp == write.record.stamp);
            return if own && mutant != Some(Mutant::StampIgnored) { Ok(()) } else { Err(self.stored) };
        }
        if let Some(before) = self.stored {
            if write.record.place() < before.place() {
                self.broken = self.broken.or(Some(BACK));
            }
            if write.record.epoch < before.epoch {
                self.broken = self.broken.or(Some(ZOMBIE));
            }
            if write.record.seq <= before.seq {
                self.broken = self.broken.or(Some(SEQ));
            }
        }
        if write.purpose == Purpose::Acquire {
            if write.record.epoch <= self.epoch {
                self.broken = self.broken.or(Some(EPOCH));
            }
            self.epoch = self.epoch.max(write.record.epoch);
        }
        self.stored = Some(write.record);
        Ok(())
    }

    pub(super) fn insert(&mut self, from: u8, end: u8) -> u8 {
        let mut new = 0;
        for item in from + 1..=end {
            new += u8::from(self.target & 1 << item == 0);
            self.target |= 1 << item;
        }
        new
    }
}

impl Run {
    pub(super) fn write(&mut self, purpose: Purpose, change: impl FnOnce(&mut Record)) {
        let mut record = self.seen;
        record.seq += 1;
        change(&mut record);
        self.send(purpose, record, Some(self.seen));
    }

    pub(super) fn send(&mut self, purpose: Purpose, mut record: Record, seen: Option<Record>) {
        self.writes += 1;
        record.stamp.1 = self.writes;
        self.at = At::Writing(Write { purpose, record, seen });
    }

    pub(super) fn enter(&mut self, life: u8, pass: u8) {
        self.write(Purpose::Enter, |it| {
            if it.life != life {
                (it.moved, it.skipped) = (0, 0);
            }
            (it.life, it.pass, it.cursor, it.done) = (life, pass, 0, false);
            (it.announced, it.interrupted) = (0, 0);
        });
    }

    pub(super) fn release(&mut self, keep_announced: bool) {
        self.write(Purpose::Release, |it| {
            if keep_announced && it.interrupted == 0 {
                it.interrupted = it.announced;
            }
            (it.owner, it.announced) = (0, 0);
        });
    }
}
