//! What the checker walks: where it begins, everything that may happen next, and what has to hold.

use super::{At, LetterProtocol, Record, Run, Step, World, bit};
use stateright::{Model, Property};

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
