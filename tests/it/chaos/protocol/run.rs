//! One invocation, from the state that it reads to the release: what it does next, and what it makes of an answer.

use super::{At, Batch, Mutant, Progress, Protocol, Purpose, Record, Run, World, Write};

const FENCED_BY_ITSELF: &str = "a run took its own write for somebody else's";

impl Protocol {
    /// How many ways a run can go on from where it is.
    pub(super) fn ways(run: &Run) -> u8 {
        match run.at {
            At::Asked(Some(stored)) if stored.owner != 0 => 2,
            // Stop, or a batch of one or of two; with a commit the same is announced: nothing, one or two.
            At::Walk | At::Effects(_) => 3,
            At::Close => 2,
            At::Writing(_) | At::Over | At::Killed => 0,
            _ => 1,
        }
    }

    fn limit(self, record: &Record) -> u8 {
        if record.interrupted > 0 { record.interrupted } else { self.items }
    }

    /// A run goes on. `None`: there is no such way.
    pub(super) fn go(self, world: &mut World, number: usize, way: u8) -> Option<()> {
        let me = u8::try_from(number).ok()? + 1;
        let mut run = world.runs[number];
        match run.at {
            At::Start => {
                run.progress = world.progress;
                run.at = if run.progress.complete { At::Over } else { At::Loaded };
            }
            At::Loaded => run.at = At::Asked(world.stored),
            At::Asked(stored) => {
                let mut record = stored.unwrap_or_default();
                if record.owner != 0 && way == 0 {
                    // Its lease has not run out.
                    if record.owner == me {
                        world.broken = world.broken.or(Some(FENCED_BY_ITSELF));
                    }
                    run.at = At::Over;
                } else {
                    let held = record.owner != 0;
                    let announced = std::mem::take(&mut record.announced);
                    if record.life != run.progress.life {
                        record.announced = announced;
                    } else if held && record.interrupted == 0 && self.mutant != Some(Mutant::RangeForgotten) {
                        record.interrupted = announced;
                    }
                    record.seq += 1;
                    record.epoch += 1;
                    record.owner = me;
                    record.stamp.0 = me;
                    run.send(Purpose::Acquire, record, stored);
                }
            }
            At::Acquired => {
                run.at = At::Pass;
                let stale = (run.seen.life, run.seen.pass) > (run.progress.life, run.progress.pass);
                if stale && self.mutant != Some(Mutant::StaleState) {
                    run.release(false);
                }
            }
            At::Pass => {
                let before = run.progress;
                if !before.open {
                    if world.progress == before {
                        world.progress.pass += 1;
                        world.progress.open = true;
                    }
                    let now = world.progress;
                    run.progress = now;
                    if !(now.pass == before.pass + 1 && now.open && now.life == before.life) {
                        run.at = At::Over;
                        world.runs[number] = run;
                        return Some(());
                    }
                }
                let Progress { life, pass, .. } = run.progress;
                if (run.seen.life, run.seen.pass) == (life, pass) {
                    run.at = if run.seen.done { At::Close } else { At::Walk };
                } else {
                    run.enter(life, pass);
                }
            }
            At::Walk => self.walk(&mut run, world.target, way)?,
            At::Effects(batch) => {
                let from = run.seen.cursor;
                let next = if way == 0 { 0 } else { batch.end + way };
                let still = if batch.end == run.seen.interrupted { 0 } else { run.seen.interrupted };
                if next > if still > 0 { still } else { self.items } {
                    return None;
                }
                let all = batch.end - from;
                let new =
                    if self.mutant == Some(Mutant::CommitBeforeEffect) { all } else { world.insert(from, batch.end) };
                let moved = if batch.recovered { all } else { new };
                run.batch = Some(batch);
                run.write(Purpose::Commit, |it| {
                    it.cursor = batch.end;
                    it.moved += moved;
                    it.skipped += all - moved;
                    (it.announced, it.interrupted) = (next, still);
                });
            }
            At::Close => {
                let Progress { life, pass, .. } = run.progress;
                let now = &mut world.progress;
                if now.open && (now.life, now.pass) == (life, pass) {
                    now.open = false;
                    now.complete = pass > 1;
                }
                run.progress = *now;
                if (now.life, now.pass) != (life, pass) {
                    run.at = At::Over;
                } else if now.complete || way == 0 {
                    run.release(false);
                } else {
                    run.at = At::Pass;
                }
            }
            At::Writing(_) | At::Over | At::Killed => return None,
        }
        world.runs[number] = run;
        Some(())
    }

    fn walk(self, run: &mut Run, target: u8, way: u8) -> Option<()> {
        if run.seen.cursor == self.items {
            return (way == 0).then(|| run.write(Purpose::Done, |it| (it.done, it.announced) = (true, 0)));
        }
        if way == 0 {
            run.release(false);
            return Some(());
        }
        if run.seen.pass > 1 {
            // A sweep finds nothing in a source that does not change: what it would find is a loss already.
            let missing = (1..=self.items).any(|item| target & 1 << item == 0);
            return (way == 1 && !missing).then(|| {
                let all = self.items;
                run.write(Purpose::Commit, |it| (it.cursor, it.announced, it.interrupted) = (all, 0, 0));
            });
        }
        let end = run.seen.cursor + way;
        if end > self.limit(&run.seen) {
            return None;
        }
        let batch = Batch { end, recovered: run.seen.interrupted > 0 };
        run.batch = Some(batch);
        if run.seen.announced == end {
            run.at = At::Effects(batch);
        } else {
            run.write(Purpose::Announce, |it| it.announced = end);
        }
        Some(())
    }

    /// What a run does with the answer to its write.
    pub(super) fn answered(world: &mut World, number: usize, write: Write, answer: Result<(), Option<Record>>) {
        let run = &mut world.runs[number];
        if let Err(other) = answer {
            if write.purpose == Purpose::Acquire {
                run.at = At::Asked(other);
            } else {
                // Nobody has taken over, and yet the run takes itself for fenced.
                let nobody = other.is_some_and(|it| (it.epoch, it.owner) == (write.record.epoch, run.seen.owner));
                if nobody && write.purpose != Purpose::Release {
                    world.broken = world.broken.or(Some(FENCED_BY_ITSELF));
                }
                run.at = At::Over;
            }
            return;
        }
        run.seen = write.record;
        run.at = match (write.purpose, run.batch) {
            (Purpose::Acquire, _) => At::Acquired,
            (Purpose::Enter, _) => At::Pass,
            (Purpose::Announce, Some(batch)) => At::Effects(batch),
            (Purpose::Done, _) => At::Close,
            (Purpose::Release, _) => At::Over,
            _ => At::Walk,
        };
    }
}
