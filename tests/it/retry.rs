//! `retry`: dead letters are put back, the next run takes them first, and each is counted once whatever becomes of it.

use crate::support::database::Database;
use crate::support::job::{Job, full};
use crate::support::refusing::{closed, cure, letters, progress, refuse, spoil};
use crate::support::servers::Kind;
use crate::support::shop::Size;
use crate::support::slow::Slow;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;
use std::time::{Duration, Instant};

const KINDS: [Kind; 3] = [Kind::MariaDb, Kind::Postgres, Kind::Sqlite];
const SHOP: Size = Size { orders: 400, closed: 200, items: 1, discounts: 0 };
const LIMITS: &str = "settle = \"0s\"\nstop_when_failed = \"100%\"";

/// A job that is complete, with three items that were refused and two that conflict; their keys.
fn with_letters(kind: Kind) -> (Job, Vec<i64>, Vec<i64>) {
    let job = Job::shop(kind, SHOP, LIMITS);
    refuse(&job);
    let (bad, differing) = (closed(&job, &[20, 90, 91]), closed(&job, &[50, 150]));
    job.run_to_the_end();
    job.reply(&["reset", &job.name, "--confirm", &job.name]);
    spoil(&job, &bad);
    let comma = |keys: &[i64]| keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    job.database.execute(&format!("DELETE FROM order_history WHERE order_id NOT IN ({})", comma(&differing)));
    job.database.execute("UPDATE order_history SET document = '{}'");
    let last = job.call(&["run", &job.name, "--until-done"]).expect(3).reply();
    assert_eq!((&last["outcome"], progress(&last)), (&json!("complete"), [195, 0, 2, 3]), "{kind:?}: {last}");
    (job, bad, differing)
}

#[test]
fn one_by_key_those_of_a_class_and_all() {
    for kind in KINDS {
        let (job, bad, differing) = with_letters(kind);
        cure(&job, &bad);
        // One by its key; the others still need a person.
        let key = format!("[\"{}\"]", bad[1]);
        let asked = job.call(&["retry", &job.name, "--key", &key]).expect(3).reply();
        assert_eq!(
            (&asked["retried"], &asked["to_retry"], &asked["state"]),
            (&json!(1), &json!(1), &json!("sweeping"))
        );
        assert_eq!(asked["dead"], json!({"conflict": 2, "poison": 3}));
        let attempts =
            |key: i64| letters(&job).into_iter().find(|letter| letter.0 == key).unwrap().2["attempts"].clone();
        assert_eq!((attempts(bad[1]), attempts(bad[0])), (json!(0), json!(1)));
        // Asked twice it is put back once.
        assert_eq!(job.call(&["retry", &job.name, "--key", &key]).expect(3).reply()["retried"], 1);
        let run = job.call(&["run", &job.name]).expect(3).reply();
        assert_eq!(
            (&run["outcome"], &run["moved"], progress(&run)),
            (&json!("complete"), &json!(1), [196, 0, 2, 2]),
            "{run}"
        );
        // By class: nothing of the other class is touched.
        let asked = job.call(&["retry", &job.name, "--class", "poison"]).expect(3).reply();
        assert_eq!((&asked["retried"], &asked["to_retry"]), (&json!(2), &json!(2)), "{kind:?}: {asked}");
        let run = job.call(&["run"]).expect(3).reply();
        assert_eq!((&run["moved"], &run["conflicts"], progress(&run)), (&json!(2), &json!(0), [198, 0, 2, 0]), "{run}");
        // None of a class is no error, and no work.
        assert_eq!(job.call(&["retry", &job.name, "--class", "killed"]).expect(3).reply()["retried"], 0);
        assert_eq!(job.status()["state"], "complete");
        // All: one conflict was resolved by deleting its target, the other one was not.
        job.database.execute(&format!("DELETE FROM order_history WHERE order_id = {}", differing[0]));
        let before = letters(&job);
        assert_eq!(job.reply(&["retry", &job.name])["retried"], 2);
        let run = job.call(&["run", &job.name, "--until-done"]).expect(3).reply();
        assert_eq!(
            (&run["outcome"], &run["conflicts"], progress(&run)),
            (&json!("complete"), &json!(1), [199, 0, 1, 0]),
            "{run}"
        );
        let after = letters(&job);
        assert_eq!((after.len(), after[0].0, after[0].1.as_str()), (1, differing[1], "conflict"));
        let old = &before.iter().find(|letter| letter.0 == differing[1]).unwrap().2;
        assert_eq!((&after[0].2["first_at"], &after[0].2["attempts"]), (&old["first_at"], &json!(1)), "{kind:?}");
        assert!(after[0].2["last_at"].as_str() > old["last_at"].as_str(), "{kind:?}");
        // A target that was made equal by hand is skipped.
        job.database.execute(&format!("DELETE FROM order_history WHERE order_id = {}", differing[1]));
        job.reply(&["retry", &job.name]);
        assert_eq!(progress(&job.run_to_the_end()), [200, 0, 0, 0], "{kind:?}");
        job.assert_complete();
    }
}

#[test]
fn what_is_gone_or_matches_no_more_leaves_and_what_fails_otherwise_changes_its_class() {
    for kind in KINDS {
        let (job, bad, differing) = with_letters(kind);
        // Of the refused ones: one row is gone, one matches no more, one has a target now that differs.
        job.database.execute(&format!("DELETE FROM order_items WHERE order_id = {}", bad[0]));
        job.database.execute(&format!("DELETE FROM orders WHERE id = {}", bad[0]));
        job.database.execute(&format!("UPDATE orders SET status = 'new' WHERE id = {}", bad[1]));
        job.database
            .execute(&format!("UPDATE order_history SET order_id = {} WHERE order_id = {}", bad[2], differing[0]));
        // Of the conflicting ones: one is refused now, the other one is equal now.
        spoil(&job, &differing[..1]);
        job.database.execute(&format!("DELETE FROM order_history WHERE order_id = {}", differing[1]));
        assert_eq!(job.reply(&["retry", &job.name])["retried"], 5);
        let run = job.call(&["run", &job.name, "--until-done"]).expect(3).reply();
        assert_eq!((&run["outcome"], progress(&run)), (&json!("complete"), [196, 0, 1, 1]), "{kind:?}: {run}");
        let now: Vec<_> = letters(&job).into_iter().map(|(key, class, _)| (key, class)).collect();
        let mut wanted = vec![(bad[2], "conflict".to_owned()), (differing[0], "poison".to_owned())];
        wanted.sort_unstable();
        assert_eq!(now, wanted, "{kind:?}");
        assert_eq!(job.status()["dead"], json!({"conflict": 1, "poison": 1}), "{kind:?}");
        assert_eq!(job.status()["to_retry"], json!(null));
    }
}

#[test]
fn a_pause_stays_and_a_migration_under_way_takes_letters_first() {
    let job = Job::shop(Kind::Sqlite, SHOP, LIMITS);
    refuse(&job);
    let bad = closed(&job, &[5, 150]);
    spoil(&job, &bad);
    job.call(&["run", &job.name, "--max-items", "10"]).expect(3);
    cure(&job, &bad[..1]);
    job.reply(&["pause", &job.name, "--reason", "not now"]);
    let asked = job.reply(&["retry", &job.name]);
    assert_eq!(
        (&asked["state"], &asked["reason"], &asked["to_retry"]),
        (&json!("paused"), &json!("not now"), &json!(1))
    );
    assert!(asked["hint"].as_str().unwrap().contains("`resume`"), "{asked}");
    job.call(&["run", &job.name]).expect(4);
    job.reply(&["resume", &job.name]);
    let one = job.reply(&["run", &job.name, "--max-items", "1"]);
    assert_eq!((&one["outcome"], progress(&one)), (&json!("more"), [10, 0, 0, 0]), "{one}");
    let last = job.call(&["run", &job.name, "--until-done"]).expect(3).reply();
    assert_eq!(progress(&last), [199, 0, 0, 1]);
}

#[test]
fn what_is_put_back_does_not_wait_for_settle() {
    let job = Job::shop(Kind::Sqlite, SHOP, "settle = \"1h\"");
    refuse(&job);
    let bad = closed(&job, &[5]);
    spoil(&job, &bad);
    let waits = job.call(&["run", &job.name]).expect(3).reply();
    assert!(waits["until"].is_string(), "{waits}");
    cure(&job, &bad);
    job.reply(&["retry", &job.name]);
    let run = job.reply(&["run"]);
    assert_eq!((&run["outcome"], progress(&run)), (&json!("more"), [200, 0, 0, 0]), "{run}");
    assert!(run["until"].is_string(), "{run}");
    assert_eq!(job.call(&["run"]).expect(4).reply()["outcome"], "busy");
}

#[test]
fn killed_anywhere_every_item_is_counted_once() {
    for kind in [Kind::MariaDb, Kind::Postgres] {
        let seed = std::env::var("MILKRUN_SEED").map_or_else(|_| rand::rng().random(), |seed| seed.parse().unwrap());
        println!("{kind:?}: MILKRUN_SEED={seed}");
        let mut random = StdRng::seed_from_u64(seed);
        let limits =
            "settle = \"0s\"\nlease = \"1s\"\nmax_batch = 30\nmax_attempts = 1000\nstop_when_failed = \"100%\"";
        let mut job = Job::shop(kind, Size { orders: 500, closed: 300, items: 1, discounts: 0 }, limits);
        refuse(&job);
        job.set("MILKRUN_LEASE_MARGIN", "0s");
        let places: Vec<usize> = (0..30).map(|place| place * 10 + usize::from(random.random_bool(0.5))).collect();
        let bad = closed(&job, &places);
        spoil(&job, &bad);
        let direct = job.database.url().to_owned();
        let (_slow, url) = Slow::before(&direct, Duration::from_millis(4));
        job.set("SHOP_DATABASE_URL", &url);
        let mut kills = 0;
        kills += killed_until_complete(&job, &mut random);
        assert_eq!(progress(&job.status()), [270, 0, 0, 30], "{kind:?}");
        assert_eq!(letters(&job).iter().map(|letter| letter.0).collect::<Vec<_>>(), bad, "{kind:?}");
        // Some are cured, some rows are gone, the rest is refused again.
        cure(&job, &bad[..15]);
        for key in &bad[15..20] {
            job.database.execute(&format!(
                "DELETE FROM order_items WHERE order_id = {key}; DELETE FROM orders WHERE id = {key}"
            ));
        }
        assert_eq!(job.reply(&["retry", &job.name])["retried"], 30);
        kills += killed_until_complete(&job, &mut random);
        assert_eq!(progress(&job.status()), [285, 0, 0, 10], "{kind:?}");
        assert_eq!(letters(&job).iter().map(|letter| letter.0).collect::<Vec<_>>(), bad[20..], "{kind:?}");
        cure(&job, &bad);
        assert_eq!(job.reply(&["retry", &job.name])["retried"], 10);
        kills += killed_until_complete(&job, &mut random);
        println!("{kind:?}: {kills} kills");
        assert!(kills >= 6, "{kind:?}: {kills} kills are too few to say anything");
        job.assert_complete();
        let ledger = Database::connect(&format!("sqlite://{}/ledger.db", job.folder().display()));
        let left = "SELECT COUNT(*) FROM ledger WHERE item LIKE 'dead#%' AND json_extract(body, '$.void') IS NULL";
        assert_eq!(ledger.number(left), 0, "{kind:?}");
    }
}

/// Runs that are killed at random moments, until one of them completes; how many were.
fn killed_until_complete(job: &Job, random: &mut StdRng) -> u32 {
    let (mut kills, most) = (0, if full() { 40 } else { 6 });
    // Whoever comes after a kill finds the lease held, again and again.
    for _ in 0..3_000 {
        let mut running = job.cli().spawn(&["--json", "run", &job.name, "--time-limit", "20s"]);
        let (since, moment) = (Instant::now(), Duration::from_millis(random.random_range(30..600)));
        while running.is_running() && (kills == most || since.elapsed() < moment) {
            std::thread::sleep(Duration::from_millis(2));
        }
        if running.signal("KILL") {
            running.wait();
            kills += 1;
            continue;
        }
        let finished = running.wait();
        match finished.reply()["outcome"].as_str() {
            Some("complete") => return kills,
            Some("busy") => std::thread::sleep(Duration::from_millis(100)),
            _ => {}
        }
    }
    panic!("no end");
}
