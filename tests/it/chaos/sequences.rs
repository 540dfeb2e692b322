//! Sequences of events that the simulation, or somebody who read the engine, has found to matter: over the same doubles, each played once.

use super::ledger_double::{LedgerDouble, place};
use super::operator::{Operator, letters};
use super::source_double::{After, LOST, SourceDouble, TOO_MUCH};
use milkrun::engine::checkpoint::Checkpoint;
use milkrun::engine::lease::{Clock, Terms};
use milkrun::engine::report::{Outcome, StoppedBy};
use milkrun::engine::reset;
use milkrun::engine::run::Run;
use milkrun::engine::state::{self, Pause, Pin, State};
use milkrun::engine::sweeps::Sweeps;
use milkrun::ledger::Ledger;
use milkrun::spec::Limits;
use std::sync::Arc;
use std::time::Duration;

const NAME: &str = "job";

/// A run of a minute.
fn run<'a>(ledger: &LedgerDouble, kind: &'a SourceDouble, limits: &'a Limits) -> Run<'a, SourceDouble> {
    let port: Arc<dyn Ledger> = Arc::new(ledger.clone());
    Run::new(NAME, kind, limits, port, Duration::from_mins(1), 1 << 30)
}

/// A run that reads the state, and then comes so late that another one has finished the pass meanwhile.
#[tokio::test(start_paused = true)]
async fn a_run_that_knows_an_older_pass_counts_nothing_twice() {
    let ledger = LedgerDouble::new(1, 0, Arc::new(|_| Ok(())));
    let kind = SourceDouble::new(1, 20, 0);
    let limits = Limits { max_batch: 5, settle: Duration::ZERO, ..Limits::default() };
    let run = || run(&ledger, &kind, &limits);
    let mut first = run();
    first.max_items = Some(3);
    first.chunk().await.unwrap();
    let known = state::load(&ledger, NAME, Duration::from_secs(1)).await.unwrap();
    assert!(known.state.open && known.state.pass == 1);
    assert_eq!(run().chunk().await.unwrap().outcome, Outcome::Complete);

    let finished = ledger.peek(NAME, "move#0000").unwrap();
    assert_eq!(Box::pin(run().go(known)).await.unwrap().outcome, Outcome::Complete);
    let left = ledger.peek(NAME, "move#0000").unwrap();
    assert_eq!((place(&left), left.owner.clone()), (place(&finished), None));
    let counters = |record| Checkpoint::from_record(record).unwrap().counters;
    assert_eq!(counters(&left), counters(&finished));
}

/// A run that reads the state, opens its database, and only then takes a shard: whoever has paused the migration meanwhile, or has begun it
/// anew, and has found no shard held, relies on nothing being moved any more.
#[tokio::test(start_paused = true)]
async fn a_run_that_was_on_its_way_when_the_migration_was_paused_or_reset_moves_nothing() {
    for anew in [false, true] {
        let ledger = LedgerDouble::new(1, 0, Arc::new(|_| Ok(())));
        let kind = SourceDouble::new(1, 20, 0).settled();
        let limits = Limits { max_batch: 5, settle: Duration::ZERO, ..Limits::default() };
        let (limit, run) = (Duration::from_secs(1), || run(&ledger, &kind, &limits));
        let mut first = run();
        first.max_items = Some(3);
        first.chunk().await.unwrap();
        let known = state::load(&ledger, NAME, limit).await.unwrap();
        assert!(known.state.open);
        if anew {
            let port: Arc<dyn Ledger> = Arc::new(ledger.clone());
            assert!(reset::begin_anew(&port, NAME, 1, limit).await.unwrap());
        } else {
            let pause = Pause { reason: "rolled back".to_owned(), by: "somebody".to_owned(), at: 1 };
            state::update(&ledger, NAME, known.clone(), limit, |state| {
                state.paused = Some(pause.clone());
                true
            })
            .await
            .unwrap();
        }
        let moved = kind.target();
        let report = Box::pin(run().go(known)).await.unwrap();
        let (outcome, why) =
            if anew { (Outcome::Fenced, StoppedBy::Fence) } else { (Outcome::Paused, StoppedBy::Pause) };
        assert_eq!((report.outcome, report.stopped_by, report.counters.batches), (outcome, Some(why), 0));
        let said = if anew { "the migration was `reset` while this run was under way" } else { "rolled back" };
        assert!(report.reason.as_deref().is_some_and(|reason| reason.starts_with(said)), "{:?}", report.reason);
        assert_eq!(kind.target(), moved);
        assert_eq!(ledger.peek(NAME, "move#0000").unwrap().owner, None, "nobody has to wait for its lease");
    }
}

/// A run that is to work on one shard alone, and comes to open the first pass when somebody else has just done it.
#[tokio::test(start_paused = true)]
async fn a_run_for_one_shard_keeps_to_it_although_somebody_else_has_opened_the_pass() {
    let ledger = LedgerDouble::new(1, 0, Arc::new(|_| Ok(())));
    let kind = SourceDouble::new(1, 20, 0).settled();
    let limits = Limits { max_batch: 5, shards: 4, settle: Duration::ZERO, ..Limits::default() };
    let run = || run(&ledger, &kind, &limits);
    let known = state::load(&ledger, NAME, Duration::from_secs(1)).await.unwrap();
    let mut opens = run();
    opens.max_items = Some(1);
    opens.chunk().await.unwrap();
    let first = ledger.peek(NAME, "move#0000").unwrap();
    let mut last = run();
    last.shard = Some(3);
    let report = Box::pin(last.go(known)).await.unwrap();
    let worked: Vec<_> = report.shards.iter().map(|it| (it.shard.as_str(), it.counters.batches > 0)).collect();
    assert_eq!(worked, [("0000", false), ("0003", true)]);
    let cursor = |record| Checkpoint::from_record(record).unwrap().cursor;
    assert_eq!(cursor(&ledger.peek(NAME, "move#0000").unwrap()), cursor(&first));
}

/// A dead letter that is retried in a batch as large as the one that a killed run had left announced.
#[tokio::test(start_paused = true)]
async fn a_retried_letter_whose_reply_was_lost_after_a_takeover_counts_as_moved() {
    let ledger = LedgerDouble::new(1, 0, Arc::new(|_| Ok(())));
    let kind = SourceDouble::new(1, 20, 0);
    kind.refuse(50);
    let limits = Limits { max_batch: 5, settle: Duration::ZERO, ..Limits::default() };
    let run = || run(&ledger, &kind, &limits);
    assert_eq!(run().chunk().await.unwrap().outcome, Outcome::Complete);
    assert_eq!(letters(&ledger, NAME, 0), [(50, "poison".to_owned())]);
    kind.cure_all();
    let operator = Operator { name: NAME, ledger: ledger.clone(), kind: kind.clone(), resets: false, wanders: false };
    operator.put_back(None).await.unwrap();
    let mut left = ledger.peek(NAME, "move#0000").unwrap();
    (left.seq, left.owner) = (left.seq + 1, Some("killed".to_owned()));
    left.body.insert("announced".into(), serde_json::json!({"size": 1}));
    ledger.put(&left, Duration::from_secs(1)).await.unwrap();
    kind.lose_a_reply();
    while run().chunk().await.unwrap().outcome != Outcome::Complete {}
    let Checkpoint { counters, resolved, .. } =
        Checkpoint::from_record(&ledger.peek(NAME, "move#0000").unwrap()).unwrap();
    assert_eq!(
        (counters.moved, counters.skipped, counters.failed, resolved.failed),
        (kind.items().len() as u64, 0, 1, 1)
    );
    assert_eq!(letters(&ledger, NAME, 0), []);
}

/// What was moved and has left in a batch whose reply was lost, inside of one that was too much: it is counted at that
/// batch's own end, which comes before the other's.
#[tokio::test(start_paused = true)]
async fn what_has_left_is_counted_inside_of_a_batch_that_was_too_much() {
    let ledger = LedgerDouble::new(1, 0, Arc::new(|_| Ok(())));
    let kind = SourceDouble::new(1, 12, 0).then(After::Delete).settled();
    let limits = Limits { max_batch: 6, settle: Duration::ZERO, ..Limits::default() };
    // The first six keys are too much; of the first three two are items, and the third one stays where it is.
    kind.go_wrong([Some(TOO_MUCH), Some(LOST)]);
    assert_eq!(run(&ledger, &kind, &limits).chunk().await.unwrap().outcome, Outcome::Complete);
    let counters = Checkpoint::from_record(&ledger.peek(NAME, "move#0000").unwrap()).unwrap().counters;
    assert_eq!((counters.moved, kind.target().len()), (8, 8));
}

/// The other way round: of a batch that was too much, inside of what a killed run had announced, the rest is gone.
#[tokio::test(start_paused = true)]
async fn what_is_gone_of_a_smaller_batch_says_nothing_of_the_rest_that_was_announced() {
    let ledger = LedgerDouble::new(1, 0, Arc::new(|_| Ok(())));
    let kind = SourceDouble::new(1, 12, 0).then(After::Delete).settled();
    let limits = Limits { max_batch: 8, settle: Duration::ZERO, ..Limits::default() };
    let run = || run(&ledger, &kind, &limits);
    // It opens the pass, and moves the first two keys.
    let mut first = run();
    first.max_items = Some(2);
    first.chunk().await.unwrap();
    let mut left = ledger.peek(NAME, "move#0000").unwrap();
    (left.seq, left.owner) = (left.seq + 1, Some("killed".to_owned()));
    left.body.insert("announced".into(), serde_json::json!({"size": 8, "to": [{"int": "100"}]}));
    left.body.insert("leaving".into(), serde_json::json!(5));
    ledger.put(&left, Duration::from_secs(1)).await.unwrap();
    // A quarter of it is too much: 30, which is no item, and 40, which leaves, and the reply to that is lost.
    kind.go_wrong([Some(TOO_MUCH), None, Some(LOST)]);
    while run().chunk().await.unwrap().outcome != Outcome::Complete {}
    let counters = Checkpoint::from_record(&ledger.peek(NAME, "move#0000").unwrap()).unwrap().counters;
    assert_eq!((counters.moved, kind.target().len()), (8, 8));
}

/// A row that changes once more while a sweep over changes is under way, before the sweep has come to it: ahead of the bound that was
/// frozen.
#[tokio::test(start_paused = true)]
async fn what_changes_again_ahead_of_a_sweep_keeps_the_migration_from_completing() {
    let ledger = LedgerDouble::new(1, 0, Arc::new(|_| Ok(())));
    let kind = SourceDouble::new(1, 12, 0).tracked().settled();
    let (settle, lease) = (Duration::from_secs(5), Duration::from_secs(1));
    let limits = Limits { settle, lease, ..Limits::default() };
    let started = tokio::time::Instant::now();
    let clock: Clock = Arc::new(move || 1_700_000_000_000 + u64::try_from(started.elapsed().as_millis()).unwrap());
    let run = || {
        let mut run = run(&ledger, &kind, &limits);
        run.terms = Terms { lease, margin_ms: 0, deadline_ms: clock() + 60_000, clock: Arc::clone(&clock) };
        run.sweeps = Sweeps::once(&limits).by_changes(Duration::ZERO);
        run
    };
    let state = || -> State {
        let record = ledger.peek(NAME, state::ITEM);
        record.map_or_else(State::default, |record| serde_json::from_value(record.body.into()).unwrap())
    };
    assert_eq!(run().chunk().await.unwrap().outcome, Outcome::More);
    kind.touch(52);
    kind.touch(90);
    tokio::time::sleep(settle).await;
    let opened = async {
        while state().pass < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let killed = run();
    tokio::select! {
        biased;
        ended = Box::pin(killed.chunk()) => panic!("{:?}", ended.map(|report| report.outcome)),
        () = opened => {}
    }
    assert!(!kind.target().contains(&52), "it was killed before it came so far");
    kind.touch(52);
    tokio::time::sleep(lease).await;
    while run().chunk().await.unwrap().outcome != Outcome::Complete {
        tokio::time::sleep(settle).await;
    }
    assert_eq!(kind.target(), kind.items());
    assert_eq!(state().left, 0);
}

/// Somebody accepts another definition while a run is on its way that goes by the old one: it moves nothing any more.
#[tokio::test(start_paused = true)]
async fn a_run_by_an_older_definition_ends_once_another_one_is_accepted() {
    let ledger = LedgerDouble::new(1, 0, Arc::new(|_| Ok(())));
    let kind = SourceDouble::new(1, 20, 0).settled();
    let limits = Limits { max_batch: 5, settle: Duration::ZERO, ..Limits::default() };
    let limit = Duration::from_secs(1);
    let run = || run(&ledger, &kind, &limits);
    let load = async || state::load(&ledger, NAME, limit).await.unwrap();
    let accept = async |digest: &str| {
        let pin = Pin { file: digest.to_owned(), ..Pin::default() };
        state::update(&ledger, NAME, load().await, limit, |state| {
            state.pin = Some(pin.clone());
            true
        })
        .await
        .unwrap();
    };
    // Before it has opened a pass, and within one.
    for moved in [0, 3] {
        let mut first = run();
        first.max_items = Some(moved);
        if moved > 0 {
            first.chunk().await.unwrap();
        }
        let known = load().await;
        accept(&format!("another {moved}")).await;
        let before = kind.target().len();
        let report = Box::pin(run().go(known)).await.unwrap();
        assert_eq!((report.outcome, report.stopped_by), (Outcome::More, Some(StoppedBy::Pause)));
        assert!(kind.target().len() <= before + 5, "a batch that was under way, and no other");
    }
    assert_eq!(run().chunk().await.unwrap().outcome, Outcome::Complete);
    assert_eq!(kind.target(), kind.items());
}
