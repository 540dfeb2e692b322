//! The breaker: where too many of a run's items cannot be moved, the migration pauses, says why, and loses nothing.

use crate::support::job::Job;
use crate::support::refusing::{closed, cure, letters, progress, refuse, spoil};
use crate::support::servers::Kind;
use crate::support::shop::{self, Size};
use serde_json::json;

const SHOP: Size = Size { orders: 1_200, closed: 1_000, items: 0, discounts: 0 };

#[test]
fn a_fifth_of_bad_rows_pauses_the_migration_and_nothing_is_lost() {
    for kind in [Kind::MariaDb, Kind::Postgres, Kind::Sqlite] {
        let mut job = Job::shop(kind, SHOP, "settle = \"0s\"");
        refuse(&job);
        let places: Vec<usize> = (0..200).map(|place| place * 5 + 2).collect();
        let bad = closed(&job, &places);
        spoil(&job, &bad);
        let paused = job.call(&["run", &job.name, "--until-done", "--time-limit", "60s"]).expect(4).reply();
        assert_eq!(
            (&paused["outcome"], &paused["stopped_by"]),
            (&json!("paused"), &json!("breaker")),
            "{kind:?}: {paused}"
        );
        let [moved, _, _, failed] = progress(&paused);
        assert!(moved + failed >= 100 && moved + failed < 250 && failed * 10 >= moved + failed, "{kind:?}: {paused}");
        let reason = paused["reason"].as_str().unwrap();
        let start = format!(
            "{failed} of the {} items of this run could not be moved (0 conflicts, {failed} failed)",
            moved + failed
        );
        assert!(reason.starts_with(&start), "{kind:?}: {reason}");
        for part in ["`stop_when_failed` is 10%", "then `resume`", ", poison: the database refused a statement"] {
            assert!(reason.contains(part), "{kind:?}: {reason}");
        }
        let status = job.status();
        assert_eq!((&status["state"], &status["reason"]), (&json!("paused"), &json!(reason)), "{kind:?}: {status}");
        assert_eq!(status["paused"]["by"], "milkrun");
        assert_eq!(letters(&job).len() as u64, failed);
        // Another run is judged anew: it goes as far.
        job.reply(&["resume", &job.name]);
        let again = job.call(&["run", &job.name, "--time-limit", "60s"]).expect(4).reply();
        assert_eq!(again["stopped_by"], "breaker", "{kind:?}: {again}");
        assert!(progress(&again)[0] > moved, "{kind:?}: {again}");
        // Whoever knows what is the matter lets it go on.
        job.define(&shop::migration("settle = \"0s\"\nstop_when_failed = \"25%\""));
        job.reply(&["resume", &job.name]);
        let last = job.call(&["run", &job.name, "--until-done", "--time-limit", "60s"]).expect(3).reply();
        assert_eq!((&last["outcome"], progress(&last)), (&json!("complete"), [800, 0, 0, 200]), "{kind:?}: {last}");
        // Retried letters are not judged: half of them fail again.
        cure(&job, &bad[..100]);
        assert_eq!(job.reply(&["retry", &job.name])["retried"], 200);
        let half = job.call(&["run", &job.name, "--until-done", "--time-limit", "60s"]).expect(3).reply();
        assert_eq!((&half["outcome"], progress(&half)), (&json!("complete"), [900, 0, 0, 100]), "{kind:?}: {half}");
        cure(&job, &bad);
        job.reply(&["retry", &job.name, "--class", "poison"]);
        job.run_to_the_end();
        job.assert_complete();
    }
}

#[test]
fn conflicts_count_too_and_few_items_are_not_judged() {
    let mut job = Job::shop(Kind::Sqlite, SHOP, "settle = \"0s\"\nmax_batch = 50");
    job.run_to_the_end();
    job.database.execute("UPDATE order_history SET document = '{}' WHERE order_id % 3 = 0");
    job.reply(&["reset", &job.name, "--confirm", &job.name]);
    let few = job.call(&["run", &job.name, "--max-items", "99"]).expect(3).reply();
    assert_eq!(few["stopped_by"], "items", "{few}");
    let many = job.call(&["run", &job.name]).expect(4).reply();
    assert_eq!((&many["stopped_by"], &many["outcome"]), (&json!("breaker"), &json!("paused")), "{many}");
    assert!(many["conflicts"].as_u64() > Some(20) && many["skipped"].as_u64() > Some(50), "{many}");
    job.define(&shop::migration("settle = \"0s\"\nstop_when_failed = \"100%\""));
    job.reply(&["resume", &job.name]);
    let last = job.call(&["run", &job.name, "--until-done"]).expect(3).reply();
    assert_eq!(last["outcome"], "complete", "{last}");
    assert_eq!(progress(&last).iter().sum::<u64>(), 1_000);
}
