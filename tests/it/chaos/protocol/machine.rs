//! What the checker walks: where it begins, everything that may happen next, and what has to hold.

use super::{At, Mutant, Progress, Protocol, Purpose, Record, Run, Step, World};
use stateright::{Model, Property};

impl Model for Protocol {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        let run = Run { at: At::Start, progress: Progress::default(), seen: Record::default(), writes: 0, batch: None };
        vec![World {
            stored: None,
            progress: Progress::default(),
            target: 0,
            runs: vec![run; self.runs.into()],
            late_writes: Vec::new(),
            late_effects: Vec::new(),
            crashes: self.crashes,
            losses: self.losses,
            copies: self.copies,
            reset: 0,
            epoch: 0,
            broken: None,
        }]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        for (run, number) in world.runs.iter().zip(0_u8..) {
            steps.extend((0..Self::ways(run)).map(|way| Step::Go(number, way)));
            let over = matches!(run.at, At::Over | At::Killed | At::Start);
            if world.crashes > 0 && !over {
                steps.push(Step::Kill(number));
            }
            if let At::Writing(_) = run.at {
                steps.push(Step::Answer(number));
                if world.losses > 0 {
                    steps.extend([Step::LoseReply(number), Step::GiveUp(number)]);
                }
                if world.copies > 0 {
                    steps.push(Step::Copy(number));
                }
            }
            if let At::Effects(_) = run.at {
                if world.losses > 0 {
                    steps.push(Step::Uncertain(number));
                }
                if world.copies > 0 {
                    if world.losses > 0 {
                        steps.push(Step::UncertainAndLate(number));
                    }
                    if world.crashes > 0 {
                        steps.push(Step::KillAndLate(number));
                    }
                }
            }
        }
        steps.extend((0_u8..).take(world.late_writes.len()).map(Step::LateWrite));
        steps.extend((0_u8..).take(world.late_effects.len()).map(Step::LateEffects));
        if self.reset && world.reset < 2 && (world.reset > 0 || world.progress.pass > 0) {
            steps.push(Step::Reset);
        }
    }

    fn next_state(&self, before: &World, step: Step) -> Option<World> {
        let mut world = before.clone();
        let effects = |run: &Run| match run.at {
            At::Effects(batch) => Some((run.seen.cursor, batch.end)),
            _ => None,
        };
        match step {
            Step::Go(number, way) => self.go(&mut world, number.into(), way)?,
            Step::Answer(number) | Step::LoseReply(number) => {
                let At::Writing(write) = world.runs[usize::from(number)].at else { return None };
                let answer = world.apply(&write, self.mutant);
                if step == Step::Answer(number) {
                    Self::answered(&mut world, number.into(), write, answer);
                } else {
                    world.losses -= 1;
                }
            }
            Step::GiveUp(number) => {
                world.losses -= 1;
                let run = &mut world.runs[usize::from(number)];
                let At::Writing(write) = run.at else { return None };
                match write.purpose {
                    Purpose::Acquire | Purpose::Release => run.at = At::Over,
                    _ => run.release(self.mutant != Some(Mutant::ReleaseForgets)),
                }
            }
            Step::Copy(number) => {
                world.copies -= 1;
                let At::Writing(write) = world.runs[usize::from(number)].at else { return None };
                world.late_writes.push(write);
            }
            Step::Uncertain(number) | Step::UncertainAndLate(number) => {
                world.losses -= 1;
                let (from, end) = effects(&world.runs[usize::from(number)])?;
                if step == Step::Uncertain(number) {
                    world.insert(from, end);
                } else {
                    world.copies -= 1;
                    world.late_effects.push((from, end));
                }
                world.runs[usize::from(number)].write(Purpose::Remember, |it| {
                    if it.interrupted == 0 {
                        it.interrupted = end;
                    }
                });
            }
            Step::Kill(number) | Step::KillAndLate(number) => {
                world.crashes -= 1;
                let run = &mut world.runs[usize::from(number)];
                if step == Step::KillAndLate(number) {
                    world.copies -= 1;
                    world.late_effects.push(effects(run)?);
                }
                *run = Run {
                    at: At::Killed,
                    progress: Progress::default(),
                    seen: Record::default(),
                    writes: 0,
                    batch: None,
                };
            }
            Step::LateWrite(place) => {
                let write = world.late_writes.remove(place.into());
                let _ = world.apply(&write, self.mutant);
            }
            Step::LateEffects(place) => {
                let (from, end) = world.late_effects.remove(place.into());
                world.insert(from, end);
            }
            Step::Reset => {
                world.reset += 1;
                if world.reset == 1 {
                    world.progress = Progress { life: before.progress.life + 1, ..Progress::default() };
                } else if self.mutant == Some(Mutant::ResetRestartsEpoch) {
                    world.stored = None;
                } else if let Some(stored) = &mut world.stored {
                    stored.seq += 1;
                    stored.epoch += 1;
                    stored.owner = 0;
                    stored.stamp = (u8::MAX, 1);
                    world.epoch = world.epoch.max(stored.epoch);
                }
            }
        }
        // A run that is over is like every other one that is.
        for run in &mut world.runs {
            if run.at == At::Over {
                *run = Run {
                    at: At::Over,
                    progress: Progress::default(),
                    seen: Record::default(),
                    writes: 0,
                    batch: None,
                };
            }
        }
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("nothing that the cursor has passed is missing", |_, world: &World| {
                let passed = world.stored.map_or(0, |stored| if stored.pass > 1 { 0 } else { stored.cursor });
                (1..=passed).all(|item| world.target & 1 << item != 0)
            }),
            Property::always("every item counts once, and as moved", |model: &Protocol, world: &World| {
                world.stored.is_none_or(|it| {
                    let passed = if it.pass > 1 { model.items } else { it.cursor };
                    // After a reset, rows of the life before are there; and what a run that knows nothing of it still counts in
                    // that life is read by nobody.
                    it.moved + it.skipped == passed && (world.reset > 0 || it.skipped == 0)
                })
            }),
            Property::always("no rule is broken", |_, world: &World| world.broken.is_none()),
            Property::sometimes("it completes", |model: &Protocol, world: &World| {
                world.progress.complete
                    && (world.progress.life == 1) == model.reset
                    && world.stored.is_some_and(|it| it.owner == 0)
            }),
        ]
    }
}
