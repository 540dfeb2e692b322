//! Dead letters as a state machine for a model checker: an item that cannot be moved is recorded, counted, taken back, put back,
//! moved after all, while holders are killed, replaced and go on all the same, and writes of letters arrive late.
//!
//! The shard's record is written in one step here: the other model is about that. What is modelled call by call is what lies
//! beside it: effects and letters.

use stateright::{Model, Property};

/// A deliberate error. The checker has to find what each of them breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mutant {
    /// The cursor passes an item before its letter is there.
    LetterAfterCommit,
    /// Letters that nobody has counted are not taken back.
    NotTakenBack,
    /// Of these only those are taken back that have arrived.
    InFlightUnnamed,
    /// A letter that is taken back is deleted.
    Deleted,
    /// An older run may write over what a newer one has left.
    OlderLetIn,
    /// A letter of an attempt that was followed by a better one stays.
    StaleKept,
    /// What is being retried is not named in the record.
    RetryForgotten,
    /// What was retried and counted is not named in the record.
    SettledForgotten,
}

/// How much of everything there is.
#[derive(Clone, Copy, Debug)]
pub(super) struct LetterProtocol {
    pub(super) runs: u8,
    /// Items of the source, 1 to 7. None of them can be moved at first.
    pub(super) items: u8,
    pub(super) crashes: u8,
    /// Calls that are done and seem to have failed.
    pub(super) losses: u8,
    /// Writes of letters that seem to have failed, and arrive at any later time.
    pub(super) late: u8,
    /// How often somebody puts a letter back.
    pub(super) asks: u8,
    pub(super) mutant: Option<Mutant>,
}

/// The shard's record. Sets of items are bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Record {
    seq: u8,
    epoch: u8,
    owner: u8,
    cursor: u8,
    announced: bool,
    interrupted: bool,
    /// 0: none.
    mark: u8,
    in_flight: u8,
    retrying: u8,
    settled: u8,
    moved: u8,
    skipped: u8,
    failed: u8,
    resolved: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Letter {
    seq: u8,
    epoch: u8,
    batch: u8,
    retry: bool,
    void: bool,
}

/// A write of a letter that nobody waits for: the item, what it goes by, and what it writes.
type Late = (u8, Option<(u8, u8)>, Letter);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum At {
    Start,
    /// It finishes what the run before has left half done.
    Tidy,
    /// It looks for letters that were put back.
    Letters,
    /// It moves such an item; whether it may be there already by milkrun's own hand.
    Retry(u8, bool),
    /// It was counted; its letter is to become void.
    Settle(u8),
    Walk,
    Effects,
    /// The letter of the next item is to be written.
    Keep,
    Over,
    Killed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Run {
    at: At,
    seen: Record,
    /// A letter of the next item was written, or may have been.
    recorded: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct World {
    record: Record,
    letters: Vec<Option<Letter>>,
    target: u8,
    bad: u8,
    runs: Vec<Run>,
    late_writes: Vec<Late>,
    crashes: u8,
    losses: u8,
    late: u8,
    asks: u8,
    /// A run that was replaced has moved an item: whoever retries it takes it for somebody else's.
    zombie: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Go(u8),
    /// As `Go`, and it is told that it failed.
    Lose(u8),
    /// It is told that its letter was not written, which still arrives.
    Delay(u8),
    Kill(u8),
    /// It is killed when its effects are there, and nothing says so yet.
    KillAfter(u8),
    /// A letter that nobody waits for arrives.
    Arrive(u8),
    /// Somebody mends an item.
    Cure(u8),
    /// Somebody puts a letter back.
    PutBack(u8),
}

fn bit(item: u8) -> u8 {
    1 << item
}

impl World {
    fn letter(&mut self, item: u8) -> &mut Option<Letter> {
        &mut self.letters[usize::from(item) - 1]
    }

    /// What a run would write for the letter of `item`, if anything.
    fn letter_of(&mut self, item: u8, epoch: u8, mark: u8, mutant: Option<Mutant>) -> Option<Late> {
        let there = *self.letter(item);
        if let Some(known) = there
            && (known.epoch > epoch && mutant != Some(Mutant::OlderLetIn) || !known.void && known.batch == mark)
        {
            return None;
        }
        let seq = there.map_or(0, |known| known.seq) + 1;
        let written = Letter { seq, epoch, batch: mark, retry: false, void: false };
        Some((item, there.map(|known| (known.seq, known.epoch)), written))
    }

    fn arrive(&mut self, (item, seen, written): Late) {
        let there = self.letter(item);
        if there.map(|known| (known.seq, known.epoch)) == seen {
            *there = Some(written);
        }
    }

    fn void(&mut self, item: u8, epoch: u8, mutant: Option<Mutant>) {
        let there = self.letter(item);
        let (seq, least) = there.map_or((0, 0), |known| (known.seq, known.epoch));
        *there = Some(Letter { seq: seq + 1, epoch: epoch.max(least), batch: 0, retry: false, void: true });
        if mutant == Some(Mutant::Deleted) {
            *there = None;
        }
    }

    /// Takes a letter back that nobody has counted, and lets none in that comes later.
    fn shut_out(&mut self, item: u8, epoch: u8, mark: u8, mutant: Option<Mutant>) {
        let there = *self.letter(item);
        let theirs = there.is_some_and(|known| known.epoch > epoch || !known.void && known.batch != mark);
        if !(theirs || there.is_none() && mutant == Some(Mutant::InFlightUnnamed)) {
            self.void(item, epoch, mutant);
        }
    }

    /// Moves an item; whether it was not there yet.
    fn insert(&mut self, item: u8, epoch: u8) -> bool {
        let new = self.target & bit(item) == 0;
        self.zombie |= new && epoch != self.record.epoch;
        self.target |= bit(item);
        new
    }

    /// One conditional write of the record; false: somebody has taken over.
    fn write(&mut self, number: usize, change: impl FnOnce(&mut Record)) -> bool {
        let run = &mut self.runs[number];
        let key = |it: &Record| (it.seq, it.epoch, it.owner);
        if key(&self.record) != key(&run.seen) {
            run.at = At::Over;
            return false;
        }
        change(&mut run.seen);
        run.seen.seq += 1;
        self.record = run.seen;
        true
    }

    /// Letters that count.
    fn open_letters(&self) -> impl Iterator<Item = u8> {
        (1..).zip(&self.letters).filter(|(_, letter)| letter.is_some_and(|it| !it.void)).map(|(item, _)| item)
    }
}

impl LetterProtocol {
    fn is(self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// A run goes on; `lost`: it is told that what it has just done has failed. `None`: there is no such step.
    fn go(self, world: &mut World, number: usize, lost: bool) -> Option<()> {
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

impl Model for LetterProtocol {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        let run = Run { at: At::Start, seen: Record::default(), recorded: false };
        vec![World {
            record: Record::default(),
            letters: vec![None; self.items.into()],
            target: 0,
            bad: (1..=self.items).map(bit).sum(),
            runs: vec![run; self.runs.into()],
            late_writes: Vec::new(),
            crashes: self.crashes,
            losses: self.losses,
            late: self.late,
            asks: self.asks,
            zombie: false,
        }]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        for (run, number) in world.runs.iter().zip(0_u8..) {
            if matches!(run.at, At::Over | At::Killed) {
                continue;
            }
            steps.push(Step::Go(number));
            if world.losses > 0 {
                steps.push(Step::Lose(number));
            }
            if world.late > 0 && run.at == At::Keep {
                steps.push(Step::Delay(number));
            }
            if world.crashes > 0 && run.at != At::Start {
                steps.push(Step::Kill(number));
                if matches!(run.at, At::Effects | At::Retry(..)) {
                    steps.push(Step::KillAfter(number));
                }
            }
        }
        steps.extend((0_u8..).take(world.late_writes.len()).map(Step::Arrive));
        steps.extend((1..=self.items).filter(|item| world.bad & bit(*item) != 0).map(Step::Cure));
        if world.asks > 0 {
            steps.extend(world.open_letters().map(Step::PutBack));
        }
    }

    fn next_state(&self, before: &World, step: Step) -> Option<World> {
        let mut world = before.clone();
        match step {
            Step::Go(number) => {
                // A run that finds itself replaced has nothing more to do.
                if self.go(&mut world, number.into(), false).is_none() && world == *before {
                    return None;
                }
            }
            Step::Lose(number) => {
                world.losses -= 1;
                self.go(&mut world, number.into(), true)?;
            }
            Step::Delay(number) => {
                world.late -= 1;
                let Run { seen, .. } = world.runs[usize::from(number)];
                let write = world.letter_of(seen.cursor + 1, seen.epoch, seen.mark, self.mutant)?;
                world.late_writes.push(write);
                let run = &mut world.runs[usize::from(number)];
                (run.at, run.recorded) = (At::Effects, true);
            }
            Step::Kill(number) | Step::KillAfter(number) => {
                world.crashes -= 1;
                let Run { at, seen, .. } = world.runs[usize::from(number)];
                let item = if let At::Retry(item, _) = at { item } else { seen.cursor + 1 };
                if step == Step::KillAfter(number) {
                    if world.bad & bit(item) != 0 {
                        return None;
                    }
                    world.insert(item, seen.epoch);
                }
                world.runs[usize::from(number)].at = At::Killed;
            }
            Step::Arrive(place) => {
                let write = world.late_writes.remove(place.into());
                world.arrive(write);
            }
            Step::Cure(item) => world.bad &= !bit(item),
            Step::PutBack(item) => {
                world.asks -= 1;
                let letter = world.letter(item).as_mut()?;
                if letter.retry {
                    return None;
                }
                (letter.seq, letter.retry) = (letter.seq + 1, true);
            }
        }
        for run in &mut world.runs {
            if matches!(run.at, At::Over | At::Killed) {
                *run = Run { at: run.at, seen: Record::default(), recorded: false };
            }
        }
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("nothing that the cursor has passed is neither moved nor recorded", |_, world: &World| {
                let open: u8 = world.open_letters().map(bit).sum();
                (1..=world.record.cursor).all(|item| (world.target | open) & bit(item) != 0)
            }),
            Property::always("every item is counted once, and what milkrun has moved as moved", |_, world: &World| {
                let it = &world.record;
                it.moved + it.skipped + it.failed == it.cursor + it.resolved && (it.skipped == 0 || world.zombie)
            }),
            Property::always("there is a letter for each that is counted, and for no other", |_, world: &World| {
                let it = &world.record;
                let clean = (it.owner, it.mark, it.retrying, it.settled) == (0, 0, 0, 0);
                let open: Vec<u8> = world.open_letters().collect();
                !clean
                    || open.len() + usize::from(it.resolved) == usize::from(it.failed)
                        && open.iter().all(|item| *item <= it.cursor)
            }),
            Property::sometimes("everything arrives", |model: &LetterProtocol, world: &World| {
                let it = &world.record;
                (it.owner, it.cursor, it.moved, it.resolved > 0) == (0, model.items, model.items, true)
                    && world.open_letters().next().is_none()
            }),
        ]
    }
}
