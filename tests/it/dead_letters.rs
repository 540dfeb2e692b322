//! Dead letters: one bad item never stops the rest. Exactly it is set aside, everything else arrives.

use crate::support::database::Database;
use crate::support::job::{Job, full};
use crate::support::refusing::{closed, cure, letters, progress, refuse, spoil};
use crate::support::servers::Kind;
use crate::support::shop::Size;
use serde_json::json;

const KINDS: [Kind; 3] = [Kind::MariaDb, Kind::Postgres, Kind::Sqlite];

#[test]
fn one_bad_row_in_a_million_is_set_aside_and_all_others_arrive() {
    for kind in KINDS {
        let many = match (full(), kind) {
            (true, Kind::Sqlite) => 100_000,
            (true, _) => 1_000_000,
            (false, Kind::Sqlite) => 5_000,
            (false, _) => 20_000,
        };
        let size = Size { orders: many + many / 10, closed: many, items: 1, discounts: 1 };
        let job = Job::shop(kind, size, "settle = \"0s\"");
        refuse(&job);
        let bad = closed(&job, &[3_777])[0];
        spoil(&job, &[bad]);
        let finished = job.call(&["run", &job.name, "--until-done", "--time-limit", "60s"]).expect(3);
        let last = finished.reply();
        let all = u64::try_from(many).unwrap();
        assert_eq!((&last["outcome"], progress(&last)), (&json!("complete"), [all - 1, 0, 0, 1]), "{kind:?}: {last}");
        assert_eq!(last["progress"]["left"], 0, "{kind:?}");
        let found = letters(&job);
        assert_eq!((found.len(), found[0].0, found[0].1.as_str()), (1, bad, "poison"), "{kind:?}: {found:?}");
        let message = found[0].2["message"].as_str().unwrap();
        assert!(message.ends_with("; then `retry`"), "{kind:?}: {message}");
        assert!(kind == Kind::Sqlite || message.contains("constraint `rule`"), "{kind:?}: {message}");
        for text in [&finished.stdout, &finished.stderr] {
            assert!(!text.contains("hunter2"), "{kind:?}: {text}");
        }
        assert_eq!(job.database.number("SELECT COUNT(*) FROM order_history"), many - 1, "{kind:?}");
        // `verify` counts it as missing, `status` by class with its first and last error.
        let verified = job.call(&["verify", &job.name]).expect(3).reply();
        assert_eq!((&verified["missing"], &verified["different"]), (&json!(1), &json!(0)), "{kind:?}: {verified}");
        let status = job.status();
        assert_eq!((&status["state"], &status["dead"]), (&json!("complete"), &json!({"poison": 1})), "{status}");
        for which in ["first", "last"] {
            assert_eq!(status["dead_errors"]["poison"][which]["key"], json!([bad.to_string()]), "{status}");
            assert_eq!(status["dead_errors"]["poison"][which]["message"], message, "{status}");
        }
        // Corrected and put back it is moved, and nothing else is done.
        cure(&job, &[bad]);
        let asked = job.reply(&["retry", &job.name]);
        assert_eq!((&asked["retried"], &asked["state"]), (&json!(1), &json!("sweeping")), "{kind:?}: {asked}");
        let moved = job.reply(&["run"]);
        assert_eq!((&moved["outcome"], &moved["moved"]), (&json!("complete"), &json!(1)), "{kind:?}: {moved}");
        assert_eq!(progress(&moved), [all, 0, 0, 0], "{kind:?}: {moved}");
        assert_eq!(job.database.number("SELECT COUNT(*) FROM order_history"), many, "{kind:?}");
        if many <= 100_000 {
            job.assert_complete();
        } else {
            // More than a test can hold in its memory.
            let verified = job.call(&["verify", &job.name]).expect(0).reply();
            assert_eq!((&verified["equal"], &verified["checked"]), (&json!(all), &json!(all)), "{kind:?}: {verified}");
        }
        assert_eq!(job.reply(&["run"])["outcome"], "idle");
    }
}

#[test]
fn a_hundred_bad_rows_do_not_make_the_rest_slow() {
    for kind in KINDS {
        let size = Size { orders: 10_000, closed: 10_000, items: 0, discounts: 0 };
        let job = Job::shop(kind, size, "settle = \"0s\"\nbatch_time = \"3s\"");
        refuse(&job);
        let places: Vec<usize> = (0..100).map(|place| place * 97 + 5).collect();
        let bad = closed(&job, &places);
        spoil(&job, &bad);
        let last = job.call(&["run", &job.name, "--until-done", "--time-limit", "120s"]).expect(3).reply();
        assert_eq!(progress(&last), [9_900, 0, 0, 100], "{kind:?}: {last}");
        let batches = last["batches"].as_u64().unwrap();
        println!("{kind:?}: {batches} batches, {} ms", last["elapsed_ms"]);
        // About four before each of them and four after it, not one for each row.
        assert!(batches < 1_500, "{kind:?}: {last}");
        let found: Vec<i64> = letters(&job).iter().map(|letter| letter.0).collect();
        assert_eq!(found, bad, "{kind:?}");
    }
}

#[test]
fn sweeps_pass_over_dead_letters_and_find_what_is_new() {
    for kind in KINDS {
        let job = Job::shop(
            kind,
            Size { orders: 2_000, closed: 1_300, items: 0, discounts: 0 },
            "settle = \"0s\"\nstop_when_failed = \"100%\"",
        );
        refuse(&job);
        // More than a step of a sweep can find, in a row.
        let places: Vec<usize> = (100..620).collect();
        let bad = closed(&job, &places);
        spoil(&job, &bad);
        // Stops where the first pass is over; then one closes that is refused too, and one that is not.
        let first = job.call(&["run", &job.name, "--max-items", "1300", "--time-limit", "300s"]).expect(3).reply();
        assert_eq!(progress(&first), [780, 0, 0, 520], "{kind:?}: {first}");
        let open = job.database.rows("SELECT id FROM orders WHERE status IN ('new', 'paid', 'ready') ORDER BY id");
        let open = |place: usize| open[place][0].as_deref().unwrap().parse::<i64>().unwrap();
        let late = [open(300), open(301)];
        spoil(&job, &late[..1]);
        job.database.execute(&format!("UPDATE orders SET status = 'cancelled' WHERE id IN ({}, {})", late[0], late[1]));
        let last = job.call(&["run", &job.name, "--until-done", "--time-limit", "60s"]).expect(3).reply();
        assert_eq!((&last["outcome"], progress(&last)), (&json!("complete"), [781, 0, 0, 521]), "{kind:?}: {last}");
        assert_eq!((&last["progress"]["left"], &job.status()["pass"]), (&json!(0), &json!(3)), "{kind:?}: {last}");
        assert_eq!(letters(&job).len(), 521, "{kind:?}");
        assert_eq!(job.database.number(&format!("SELECT COUNT(*) FROM order_history WHERE order_id = {}", late[1])), 1);
    }
}

#[test]
fn a_row_that_is_no_item_is_never_counted() {
    // The target refuses every statement while a switch is on, whether it inserts rows or not.
    let job = Job::shop(Kind::Postgres, Size { orders: 60, closed: 20, items: 0, discounts: 0 }, "settle = \"0s\"");
    refuse(&job);
    job.database.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'closed'; END $$;
         CREATE TRIGGER closed BEFORE INSERT ON order_history FOR EACH STATEMENT EXECUTE FUNCTION refuse()",
    );
    let last = job.call(&["run", &job.name, "--until-done"]).expect(3).reply();
    assert_eq!((&last["outcome"], progress(&last)), (&json!("complete"), [0, 0, 0, 20]), "{last}");
    assert_eq!(letters(&job).len(), 20);
    job.database.execute("DROP TRIGGER closed ON order_history");
    assert_eq!(job.reply(&["retry", &job.name])["retried"], 20);
    assert_eq!(progress(&job.run_to_the_end()), [20, 0, 0, 0]);
    job.assert_complete();
}

#[test]
fn letters_that_nobody_counted_are_taken_back() {
    let job = Job::shop(Kind::Sqlite, Size { orders: 300, closed: 120, items: 0, discounts: 0 }, "settle = \"0s\"");
    refuse(&job);
    let bad = closed(&job, &[10, 30, 110]);
    spoil(&job, &bad);
    let first = job.call(&["run", &job.name, "--max-items", "20"]).expect(3).reply();
    assert_eq!(progress(&first), [19, 0, 0, 1], "{first}");
    // What a run leaves behind that is killed after it has recorded a letter, and before the commit that counts it.
    let ledger = Database::connect(&format!("sqlite://{}/ledger.db", job.folder().display()));
    let left = |key: i64| {
        ledger.execute(&format!(
            "INSERT INTO ledger SELECT migration, replace(item, '{0}', '{key}'), v, seq, epoch, owner, 'other', expires,
                 json_set(body, '$.key', json('[\"{key}\"]'), '$.cursor', json('[{{\"int\":\"{key}\"}}]'), '$.batch', 'mark')
                 FROM ledger WHERE item = 'dead#[\"{0}\"]';
             UPDATE ledger SET body = json_set(body, '$.recording', 'mark') WHERE item = 'move#0000'",
            bad[0]
        ));
    };
    // One of them is refused again, the other has been corrected meanwhile.
    left(bad[1]);
    left(bad[2]);
    cure(&job, &bad[2..]);
    let last = job.call(&["run", &job.name, "--until-done"]).expect(3).reply();
    assert_eq!(progress(&last), [118, 0, 0, 2], "{last}");
    assert_eq!(letters(&job).iter().map(|letter| letter.0).collect::<Vec<_>>(), bad[..2]);
}
