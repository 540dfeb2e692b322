//! The real engine over the doubles, step by step: what the simulation would come to by chance alone.

use super::ledger_double::LedgerDouble;
use super::operator::{Operator, letters};
use super::source_double::{After, SourceDouble};
use async_trait::async_trait;
use milkrun::engine::checkpoint::{Checkpoint, Counters};
use milkrun::engine::lease::Clock;
use milkrun::engine::report::{Outcome, StoppedBy};
use milkrun::engine::run::Run;
use milkrun::engine::state::{self, State};
use milkrun::engine::sweeps::Sweeps;
use milkrun::engine::throttle::{Gauge, Throttle};
use milkrun::ledger::Ledger;
use milkrun::spec::Limits;
use std::sync::Arc;
use std::time::Duration;

const NAME: &str = "job";

/// A migration, and what it needs to be run.
struct Steps {
    ledger: LedgerDouble,
    kind: SourceDouble,
    limits: Limits,
    sweeps: Sweeps,
}

impl Steps {
    /// Of the keys 10 to 200 two of three are items. Nothing goes wrong by itself.
    fn new(shards: u32, kind: impl FnOnce(SourceDouble) -> SourceDouble) -> Self {
        let limits = Limits { max_batch: 5, settle: Duration::ZERO, shards, ..Limits::default() };
        Self {
            ledger: LedgerDouble::new(1, 0, Arc::new(|_| Ok(()))),
            kind: kind(SourceDouble::new(1, 20, 0).settled()),
            sweeps: Sweeps::once(&limits),
            limits,
        }
    }

    fn by_changes(self, overlap: Duration) -> Self {
        Self { sweeps: self.sweeps.by_changes(overlap), ..self }
    }

    fn run(&self) -> Run<'_, SourceDouble> {
        let ledger: Arc<dyn Ledger> = Arc::new(self.ledger.clone());
        let mut run = Run::new(NAME, &self.kind, &self.limits, ledger, Duration::from_mins(1), 1 << 30);
        let (kind, time) = (self.kind.clone(), Duration::from_mins(1));
        let clock: Clock = Arc::new(move || kind.now() / 1000);
        run.terms.deadline_ms = clock() + u64::try_from(time.as_millis()).unwrap();
        run.terms.clock = clock;
        run.sweeps = self.sweeps;
        run
    }

    async fn to_the_end(&self) {
        for _ in 0..20 {
            if self.run().chunk().await.unwrap().outcome == Outcome::Complete {
                return;
            }
        }
        panic!("no end: {:?}", self.state());
    }

    fn operator(&self) -> Operator {
        Operator { name: NAME, ledger: self.ledger.clone(), kind: self.kind.clone(), resets: false, wanders: false }
    }

    fn state(&self) -> State {
        serde_json::from_value(self.ledger.peek(NAME, state::ITEM).unwrap().body.into()).unwrap()
    }

    fn shards(&self) -> Vec<Checkpoint> {
        let records = self.ledger.peek_all(NAME, "move#");
        records.iter().map(|record| Checkpoint::from_record(record).unwrap()).collect()
    }

    fn counters(&self) -> Counters {
        self.shards().iter().fold(Counters::default(), |mut sum, shard| {
            sum.add(&shard.counters);
            sum
        })
    }

    fn letters(&self) -> Vec<(u64, String)> {
        letters(&self.ledger, NAME, 0)
    }
}

/// A sweep by changes is the first shard's, and passes over what another one has set aside.
#[tokio::test(start_paused = true)]
async fn what_another_shard_has_set_aside_is_counted_once_though_it_changed() {
    let steps = Steps::new(3, SourceDouble::tracked).by_changes(Duration::from_mins(1));
    steps.kind.refuse(190);
    // Since an hour ago everything has changed that changes now.
    steps.kind.touch(190);
    steps.to_the_end().await;
    assert_eq!((steps.shards().len(), steps.state().pass), (3, 2));
    assert_eq!(steps.shards()[2].counters.failed, 1);
    assert_eq!((steps.counters().failed, steps.letters()), (1, vec![(190, "poison".to_owned())]));
}

/// What was set aside in one shard, retried when it was no item, and refused again is counted and listed, although the first
/// shard's epochs are lower than those of the one that had it before.
#[tokio::test(start_paused = true)]
async fn what_is_refused_again_in_a_sweep_by_changes_is_listed() {
    let mut steps = Steps::new(3, SourceDouble::tracked).by_changes(Duration::from_mins(1));
    steps.sweeps = Sweeps::continuous(&steps.limits).by_changes(Duration::from_mins(1));
    steps.kind.refuse(190);
    let mut first = steps.run();
    first.max_items = Some(1);
    first.chunk().await.unwrap();
    // The last shard changes hands more often than the first one.
    for _ in 0..5 {
        let mut only = steps.run();
        (only.shard, only.max_items) = (Some(2), Some(0));
        only.chunk().await.unwrap();
    }
    let rest = async || while steps.run().chunk().await.unwrap().outcome != Outcome::Idle {};
    rest().await;
    let epoch = |item: &str| steps.ledger.peek(NAME, item).unwrap().epoch;
    steps.kind.wander(0);
    steps.operator().put_back(None).await.unwrap();
    rest().await;
    assert_eq!(steps.letters(), []);
    assert!(epoch("dead#[\"190\"]") > epoch("move#0000") + 1, "the test needs a shard that changed hands often");
    steps.kind.wander(0);
    rest().await;
    assert_eq!((steps.counters().failed, steps.letters()), (2, vec![(190, "poison".to_owned())]));
}

/// Dead letters of a migration that is complete are the first shard's: whoever holds another one begins nothing.
#[tokio::test(start_paused = true)]
async fn a_run_of_another_shard_leaves_the_letters_of_a_complete_migration_alone() {
    let steps = Steps::new(3, |kind| kind);
    steps.kind.refuse(190);
    steps.to_the_end().await;
    steps.kind.cure_all();
    steps.operator().put_back(None).await.unwrap();
    let before = steps.state();
    assert!(before.complete && before.has_retry());
    let mut other = steps.run();
    other.shard = Some(2);
    let report = other.chunk().await.unwrap();
    assert_eq!((report.outcome, report.until.is_some(), report.counters), (Outcome::More, true, Counters::default()));
    assert_eq!(steps.state(), before);
    steps.to_the_end().await;
    assert_eq!(steps.letters(), []);
    assert_eq!((steps.counters().moved, steps.state().pass), (steps.kind.items().len() as u64, before.pass));
}

/// A batch that left the source although nobody heard of its commit is counted at the end of its range, and not once more by
/// whoever takes over after that.
#[tokio::test(start_paused = true)]
async fn what_left_unheard_is_counted_once_whoever_is_killed_after_that() {
    for after in [After::Delete, After::DeleteApart] {
        let mut steps = Steps::new(1, |kind| kind.then(after));
        // Of a batch in which every key is an item nothing is left.
        steps.limits.max_batch = 2;
        steps.kind.lose_a_reply();
        // The first batch, the one ahead of it, and what is left of the first. The next one is never answered.
        steps.kind.answer_reads(3);
        let killed = tokio::time::timeout(Duration::from_secs(5), steps.run().chunk()).await;
        assert!(killed.is_err(), "it was to wait for ever");
        let (counted, gone) = (steps.counters().moved, steps.kind.target().len() as u64);
        assert!(counted == gone && counted > 0, "{after:?}: {counted} of {gone}");
        steps.kind.answer_reads(u64::MAX);
        tokio::time::sleep(Duration::from_mins(1)).await;
        steps.to_the_end().await;
        let counters = steps.counters();
        assert_eq!((counters.moved, counters.skipped), (steps.kind.items().len() as u64, 0), "{after:?}");
    }
}

/// A row may appear between the moment at which the source's end is looked up and the answer.
#[tokio::test(start_paused = true)]
async fn what_appears_while_a_pass_opens_has_changed_since_it_began() {
    let steps = Steps::new(1, SourceDouble::tracked).by_changes(Duration::from_secs(1));
    steps.kind.answer_late(Duration::from_secs(5));
    let appearing = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        steps.kind.touch(205);
    };
    let (report, ()) = tokio::join!(async { steps.run().chunk().await.unwrap() }, appearing);
    assert_eq!(report.outcome, Outcome::Complete);
    assert!(steps.kind.target().contains(&205), "{:?}", steps.state());
    assert_eq!(steps.counters().moved, steps.kind.items().len() as u64);
}

/// A throttle that takes its time to say that more may be moved.
struct Deliberate;

#[async_trait]
impl Gauge for Deliberate {
    async fn reason(&self, _: Duration) -> Option<String> {
        tokio::time::sleep(Duration::from_secs(1)).await;
        None
    }
}

/// Both lanes find something left of `max_items`, and then wait for one look at the throttle: the second one to hear of it begins nothing.
#[tokio::test(start_paused = true)]
async fn a_lane_begins_nothing_after_another_one_has_taken_the_last_item_while_it_waited_for_its_turn() {
    let mut steps = Steps::new(2, |kind| kind);
    steps.limits.lanes = 2;
    let mut run = steps.run();
    (run.max_items, run.throttle) = (Some(1), Throttle::by(Arc::new(Deliberate)));
    let report = run.chunk().await.unwrap();
    assert_eq!((report.outcome, report.stopped_by), (Outcome::More, Some(StoppedBy::Items)));
    assert_eq!((report.counters.items(), steps.kind.target().len()), (1, 1));
    let begun = report.shards.iter().filter(|shard| shard.batch.is_some()).count();
    assert_eq!((report.shards.len(), begun), (2, 1), "{:?}", report.shards);
}
