//! Rows that begin or cease to match while a batch with a conflict is on its way, at every moment of it.

use super::{left, purged};
use crate::rows::stage::{Kind, LIMIT, Stage, effort, walk};
use crate::support::job::full;
use crate::support::slow::Slow;
use milkrun::engine::migration::Outcome;
use milkrun::rows::Rows;
use milkrun::spec::After;
use milkrun::sql::ConnectOptions;
use std::time::Duration;

/// How long each moment lasts: there is time to see it, and to change a row before the next.
const DELAY: Duration = Duration::from_millis(40);

/// What became of a batch on PostgreSQL that holds a conflict (9), beside which a row with an equal copy (12) begins to match once
/// so many statements are done and, if it is wanted, stops again after as many more.
fn beside_a_conflict(begins: usize, lasts: Option<usize>) -> (Stage, Outcome, bool) {
    let stage = Stage::new(Kind::Postgres);
    let mut definition = purged(&stage, 9, true);
    definition.target.after = After::Keep;
    stage.execute("UPDATE orders SET status = 'C' WHERE id = 12");
    stage.move_all(&definition, 100);
    // 12 is open again; of 9 somebody has changed the copy, and the others are to be copied anew.
    stage.execute(
        "UPDATE orders SET status = 'O' WHERE id = 12; UPDATE history SET document = 'mine' WHERE order_id = 9;
         DELETE FROM history WHERE order_id NOT IN (9, 12)",
    );
    definition.target.after = After::Delete;
    let (slow, url) = Slow::before(stage.database.url(), Duration::ZERO);
    let options = ConnectOptions::from_url(&url).expect("a URL");
    let rows = stage.run(Rows::open(&definition, &options, LIMIT)).expect("rows");
    // Only what is said from here on takes time: opening is many statements, and none of them is a moment of the batch.
    slow.set_delay(DELAY);
    let (outcome, began) = std::thread::scope(|scope| {
        let (stage, rows) = (&stage, &rows);
        let moving = scope.spawn(move || stage.run(walk(rows, 100, &effort())).expect("a walk"));
        let (mut seen, mut last) = (0, String::new());
        let mut until = |statements: usize| {
            while seen < statements && !moving.is_finished() {
                let now = stage.rows(
                    "SELECT query_start::text FROM pg_stat_activity
                     WHERE datname = current_database() AND state = 'idle in transaction'",
                );
                let now = now.into_iter().flatten().flatten().next().unwrap_or_default();
                if now != last && !now.is_empty() {
                    (seen, last) = (seen + 1, now);
                }
                // Often enough to miss none, and the processor is left to those that do the work.
                std::thread::sleep(DELAY / 20);
            }
            seen >= statements
        };
        let began = until(begins);
        if began {
            stage.execute("UPDATE orders SET status = 'C' WHERE id = 12");
            if let Some(lasts) = lasts {
                until(begins + lasts);
                stage.execute("UPDATE orders SET status = 'O' WHERE id = 12");
            }
        }
        (moving.join().unwrap(), began)
    });
    (stage, outcome, began)
}

/// A row that begins to match, equal to a copy that is there, while a batch with a conflict is on its way: at whatever moment,
/// it leaves only if it was locked and is counted.
#[test]
fn what_begins_to_match_beside_a_conflict_leaves_only_if_it_is_counted() {
    let (mut moments, mut stayed) = (0, 0);
    loop {
        let (stage, outcome, began) = beside_a_conflict(moments + 1, None);
        let left = left(&stage)[0].split(' ').count() as u64;
        assert_eq!((outcome.moved + outcome.skipped, outcome.aside.len()), (9 - left, 1), "moment {moments}");
        stayed += u32::from(began && left == 4);
        if !began {
            break;
        }
        moments += 1;
    }
    assert!(moments > 5 && stayed > 1, "{moments} moments, at {stayed} it stayed");
}

/// The same where it stops matching so many statements later: what it was equal to is not counted for the row that is a conflict. After
/// one and three as well with `MILKRUN_FULL`.
#[test]
fn what_matches_for_some_statements_beside_a_conflict_takes_it_nowhere() {
    for lasts in if full() { 1..=3 } else { 2..=2 } {
        let mut moments = 0;
        loop {
            let (stage, outcome, began) = beside_a_conflict(moments + 1, Some(lasts));
            assert_eq!(stage.one("SELECT COUNT(*) FROM orders WHERE id = 9"), "1", "{lasts} from {moments}");
            let left = left(&stage)[0].split(' ').count() as u64;
            assert_eq!((outcome.moved + outcome.skipped, outcome.aside.len()), (9 - left, 1), "{lasts} from {moments}");
            if !began {
                break;
            }
            moments += 1;
        }
        assert!(moments > 5, "{moments} moments");
    }
}
