//! The protocol of lease and commit as a state machine for a model checker: what the engine's `lease`, `run` and `walk` do to a
//! shard's record, one call a step, and everything that may go wrong between two of them.
//!
//! There is no clock: whether a lease has run out is answered both ways, whenever somebody asks. So every clock is covered,
//! however far off, and every margin, negative ones included. State updates are one step: they are read and written again until
//! the condition holds, so nothing of them is left half done.

use stateright::{Model, Property};

/// A deliberate error. The checker has to find what each of them breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mutant {
    /// A commit is written whatever is stored.
    CommitUnfenced,
    /// The cursor moves before the effects are there.
    CommitBeforeEffect,
    /// A release is written whatever is stored.
    ReleaseUnconditional,
    /// A write whose reply was lost is not recognised when it is repeated.
    StampIgnored,
    /// What a killed holder had announced is not remembered.
    RangeForgotten,
    /// A release after a commit that was not answered forgets what was announced.
    ReleaseForgets,
    /// `reset` removes the record, and its epoch with it.
    ResetRestartsEpoch,
    /// Whoever acquires goes by the state as it was before.
    StaleState,
}

/// How much of everything there is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Protocol {
    /// Invocations, all at once.
    pub(super) runs: u8,
    /// Items of the source, 1 to 7.
    pub(super) items: u8,
    /// Invocations that may be killed.
    pub(super) crashes: u8,
    /// Replies that may be lost, and writes that may be given up.
    pub(super) losses: u8,
    /// Writes and effects of which a copy may arrive at any later time.
    pub(super) copies: u8,
    /// Whether an operator resets the migration at some time.
    pub(super) reset: bool,
    /// What is wrong with it.
    pub(super) mutant: Option<Mutant>,
}

/// The shard's record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Record {
    seq: u8,
    epoch: u8,
    /// 0: nobody.
    owner: u8,
    stamp: (u8, u8),
    life: u8,
    pass: u8,
    cursor: u8,
    done: bool,
    moved: u8,
    skipped: u8,
    /// The end of the batch that is about to be written; 0: none.
    announced: u8,
    /// The end of what a killed run had announced; 0: none.
    interrupted: u8,
}

impl Record {
    fn place(&self) -> (u8, u8, u8) {
        (self.life, self.pass, self.cursor)
    }
}

/// The migration's own record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Progress {
    life: u8,
    pass: u8,
    open: bool,
    complete: bool,
}

/// What a conditional write is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Purpose {
    Acquire,
    Enter,
    Announce,
    Remember,
    Commit,
    Done,
    Release,
}

/// A conditional write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Write {
    purpose: Purpose,
    record: Record,
    seen: Option<Record>,
}

/// A batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Batch {
    end: u8,
    recovered: bool,
}

/// Where an invocation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum At {
    Start,
    /// It knows the state, and has not yet asked for the record.
    Loaded,
    /// It knows what is stored.
    Asked(Option<Record>),
    /// It waits for the answer to a write.
    Writing(Write),
    /// It holds the lease, and looks whether the state that it knows is older than the record.
    Acquired,
    /// It looks what is to be done in the pass.
    Pass,
    /// It looks for the next batch.
    Walk,
    /// It writes a batch.
    Effects(Batch),
    /// The walk was at its end; the pass is to be closed.
    Close,
    Over,
    Killed,
}

/// One invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Run {
    at: At,
    progress: Progress,
    /// The record as it was last written by this run.
    seen: Record,
    /// Writes so far: each has a stamp of its own.
    writes: u8,
    batch: Option<Batch>,
}

/// Everything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct World {
    stored: Option<Record>,
    progress: Progress,
    /// A bit for each item in the target.
    target: u8,
    runs: Vec<Run>,
    late_writes: Vec<Write>,
    late_effects: Vec<(u8, u8)>,
    crashes: u8,
    losses: u8,
    copies: u8,
    /// 0: not begun, 1: the state is new, 2: the record is fenced.
    reset: u8,
    /// The highest epoch that was ever given out.
    epoch: u8,
    /// The first rule that was broken.
    broken: Option<&'static str>,
}

/// What may happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A run goes on; the number says which way where there are several.
    Go(u8, u8),
    /// Its write arrives and is answered.
    Answer(u8),
    /// Its write arrives, and the reply is lost: it will be repeated.
    LoseReply(u8),
    /// It waits for an answer no longer.
    GiveUp(u8),
    /// A copy of its write stays on its way.
    Copy(u8),
    /// The effects are there, but it is told that they may not be.
    Uncertain(u8),
    /// It is told so although the effects are still on their way.
    UncertainAndLate(u8),
    /// It is killed.
    Kill(u8),
    /// It is killed while its effects are on their way.
    KillAndLate(u8),
    /// A write that nobody waits for arrives.
    LateWrite(u8),
    /// Effects that nobody waits for arrive.
    LateEffects(u8),
    /// The next step of `reset`.
    Reset,
}

const BACK: &str = "life, pass or cursor moved back";
const SEQ: &str = "two writes were accepted for one sequence number";
const ZOMBIE: &str = "an older epoch wrote after a newer one";
const EPOCH: &str = "an epoch was given out twice";
const FENCED_BY_ITSELF: &str = "a run took its own write for somebody else's";

impl World {
    fn apply(&mut self, write: &Write, mutant: Option<Mutant>) -> Result<(), Option<Record>> {
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

    fn insert(&mut self, from: u8, end: u8) -> u8 {
        let mut new = 0;
        for item in from + 1..=end {
            new += u8::from(self.target & 1 << item == 0);
            self.target |= 1 << item;
        }
        new
    }
}

impl Run {
    fn write(&mut self, purpose: Purpose, change: impl FnOnce(&mut Record)) {
        let mut record = self.seen;
        record.seq += 1;
        change(&mut record);
        self.send(purpose, record, Some(self.seen));
    }

    fn send(&mut self, purpose: Purpose, mut record: Record, seen: Option<Record>) {
        self.writes += 1;
        record.stamp.1 = self.writes;
        self.at = At::Writing(Write { purpose, record, seen });
    }

    fn enter(&mut self, life: u8, pass: u8) {
        self.write(Purpose::Enter, |it| {
            if it.life != life {
                (it.moved, it.skipped) = (0, 0);
            }
            (it.life, it.pass, it.cursor, it.done) = (life, pass, 0, false);
            (it.announced, it.interrupted) = (0, 0);
        });
    }

    fn release(&mut self, keep_announced: bool) {
        self.write(Purpose::Release, |it| {
            if keep_announced && it.interrupted == 0 {
                it.interrupted = it.announced;
            }
            (it.owner, it.announced) = (0, 0);
        });
    }
}

impl Protocol {
    /// How many ways a run can go on from where it is.
    fn ways(run: &Run) -> u8 {
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
    fn go(self, world: &mut World, number: usize, way: u8) -> Option<()> {
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
    fn answered(world: &mut World, number: usize, write: Write, answer: Result<(), Option<Record>>) {
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
