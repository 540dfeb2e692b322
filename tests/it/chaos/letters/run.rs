//! One invocation: it finishes what the run before has left, takes letters that were put back, and walks.

use super::{At, LetterProtocol, Mutant, Record, Run, World, bit};

impl LetterProtocol {
    fn is(self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// A run goes on; `lost`: it is told that what it has just done has failed. `None`: there is no such step.
    pub(super) fn go(self, world: &mut World, number: usize, lost: bool) -> Option<()> {
        let (run, me) = (world.runs[number], u8::try_from(number).ok()? + 1);
        let mutant = self.mutant;
        let Record { epoch, mark, cursor, .. } = run.seen;
        let item = cursor + 1;
        let fails = matches!(run.at, At::Effects | At::Retry(..) | At::Keep);
        if lost && !fails {
            return None;
        }
        let next = match run.at {
            At::Start => {
                let mut record = world.record;
                record.interrupted |= std::mem::take(&mut record.announced) && record.owner != 0;
                (record.seq, record.epoch, record.owner) = (record.seq + 1, record.epoch + 1, me);
                world.record = record;
                world.runs[number].seen = record;
                At::Tidy
            }
            At::Tidy => {
                for item in 1..=self.items {
                    if run.seen.settled & bit(item) != 0 {
                        world.void(item, 0, mutant);
                    }
                    let ours = world.letter(item).is_some_and(|it| !it.void && it.batch == mark);
                    let left = mark > 0 && (run.seen.in_flight & bit(item) != 0 || ours);
                    if left && mutant != Some(Mutant::NotTakenBack) {
                        world.shut_out(item, epoch, mark, mutant);
                    }
                }
                let clear = |it: &mut Record| (it.mark, it.in_flight, it.settled) = (0, 0, 0);
                (world.write(number, clear)).then_some(At::Letters)?
            }
            At::Letters => {
                let left = (1..=self.items).find(|item| run.seen.retrying & bit(*item) != 0);
                let asked =
                    world.open_letters().find(|&item| world.letters[usize::from(item) - 1].is_some_and(|it| it.retry));
                match (left, asked) {
                    (Some(item), _) => At::Retry(item, true),
                    (None, Some(item)) => {
                        let name =
                            |it: &mut Record| it.retrying = if self.is(Mutant::RetryForgotten) { 0 } else { bit(item) };
                        world.write(number, name).then_some(At::Retry(item, false))?
                    }
                    (None, None) => At::Walk,
                }
            }
            At::Retry(item, recovered) => self.retry(world, number, item, recovered, lost)?,
            At::Settle(item) => {
                world.void(item, 0, mutant);
                world.write(number, |it| it.settled = 0).then_some(At::Letters)?
            }
            At::Walk if cursor == self.items => world.write(number, |it| it.owner = 0).then_some(At::Over)?,
            At::Walk => {
                world.runs[number].recorded = false;
                world.write(number, |it| it.announced = true).then_some(At::Effects)?
            }
            At::Effects => self.effects(world, number, item, lost)?,
            At::Keep => {
                if let Some(write) = world.letter_of(item, epoch, mark, mutant) {
                    world.arrive(write);
                }
                world.runs[number].recorded = true;
                if lost {
                    At::Effects
                } else if self.is(Mutant::LetterAfterCommit) {
                    At::Walk
                } else {
                    Self::commit(world, number, |it| it.failed += 1)?
                }
            }
            At::Over | At::Killed => return None,
        };
        world.runs[number].at = next;
        Some(())
    }

    fn retry(self, world: &mut World, number: usize, item: u8, recovered: bool, lost: bool) -> Option<At> {
        let bad = world.bad & bit(item) != 0;
        let new = !bad && world.insert(item, world.runs[number].seen.epoch);
        if lost {
            // Where it is not named, the next look finds the letter once more.
            return Some(if self.is(Mutant::RetryForgotten) { At::Letters } else { At::Retry(item, true) });
        }
        if bad {
            if let Some(there) = world.letter(item)
                && !there.void
            {
                (there.seq, there.retry) = (there.seq + 1, false);
            }
            return world.write(number, |it| it.retrying = 0).then_some(At::Letters);
        }
        let settled = if self.is(Mutant::SettledForgotten) { 0 } else { bit(item) };
        let counted = world.write(number, |it| {
            *(if new || recovered { &mut it.moved } else { &mut it.skipped }) += 1;
            it.resolved += 1;
            (it.retrying, it.settled) = (0, settled);
        });
        counted.then_some(At::Settle(item))
    }

    fn effects(self, world: &mut World, number: usize, item: u8, lost: bool) -> Option<At> {
        let Run { seen, recorded, .. } = world.runs[number];
        if world.bad & bit(item) != 0 {
            if lost {
                return None;
            }
            if self.is(Mutant::LetterAfterCommit) {
                Self::commit(world, number, |it| it.failed += 1)?;
                world.runs[number].seen.cursor -= 1;
                return Some(At::Keep);
            }
            let mark = seen.epoch * 8 + item;
            return (seen.mark != 0 || world.write(number, |it| (it.mark, it.in_flight) = (mark, bit(item))))
                .then_some(At::Keep);
        }
        let new = world.insert(item, seen.epoch);
        if lost {
            return world.write(number, |it| it.interrupted = true).then_some(At::Effects);
        }
        if recorded && !self.is(Mutant::StaleKept) {
            world.shut_out(item, seen.epoch, seen.mark, self.mutant);
        }
        Self::commit(world, number, |it| {
            *(if new || it.interrupted { &mut it.moved } else { &mut it.skipped }) += 1;
        })
    }

    fn commit(world: &mut World, number: usize, count: impl FnOnce(&mut Record)) -> Option<At> {
        let counted = world.write(number, |it| {
            count(it);
            it.cursor += 1;
            (it.mark, it.in_flight, it.announced, it.interrupted) = (0, 0, false, false);
        });
        counted.then_some(At::Walk)
    }
}
