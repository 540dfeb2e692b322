//! Killed on one item: a run that dies each time it moves that item. Batches shrink until it is alone in one, and after
//! `max_attempts` kills it is a dead letter of the class `killed`, and everything else arrives.

use crate::support::child::signal;
use crate::support::database::Database;
use crate::support::job::Job;
use crate::support::refusing::{letters, progress};
use crate::support::servers::Kind;
use crate::support::shop::Size;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const SHOP: Size = Size { orders: 250, closed: 100, items: 1, discounts: 1 };
const CLOSED: &str = "status IN ('uncollected', 'cancelled', 'dispensed')";

/// Closed orders before the one that kills.
const BEFORE: i64 = 40;

/// What the ledger said when a run was killed.
#[derive(Debug)]
struct Kill {
    cursor: Option<String>,
    size: i64,
    to: String,
}

#[test]
fn an_item_that_kills_the_command_line_each_time_is_named() {
    each_time(Kind::MariaDb, |job, until| {
        let process = job.cli().spawn(&["--json", "run", &job.name, "--until-done", "--time-limit", "60s"]);
        let pid = process.pid();
        if until(&|| Some(pid)) {
            assert_eq!(process.wait().code, None);
            return None;
        }
        Some(process.wait().expect(3).reply())
    });
}

#[test]
fn an_item_that_kills_the_lambda_each_time_is_named() {
    let mut emulator = None;
    each_time(Kind::Postgres, move |job, until| {
        let emulator = emulator.get_or_insert_with(|| job.lambda(60, 1024));
        std::thread::scope(|scope| {
            let invoked = scope.spawn(|| {
                loop {
                    let invoked = emulator.invoke(&job.event());
                    match invoked.reply_if_any() {
                        // The lease of the one that was killed has to run out.
                        Some(reply) if reply["outcome"] == "busy" => std::thread::sleep(Duration::from_millis(100)),
                        reply => return reply,
                    }
                }
            });
            let killed = until(&|| if invoked.is_finished() { None } else { emulator.bootstrap_pid().or(Some(0)) });
            let reply = invoked.join().unwrap();
            assert!(!killed || reply.is_none(), "{reply:?}");
            reply
        })
    });
}

/// `run` starts a run and kills it by `until` (true: it was killed); it gives the reply of one that ended by itself.
fn each_time(kind: Kind, mut run: impl FnMut(&Job, &dyn Fn(&dyn Fn() -> Option<u32>) -> bool) -> Option<Value>) {
    let mut job = Job::shop(kind, SHOP, "settle = \"0s\"\nlease = \"1s\"\nbatch_time = \"5s\"");
    job.set("MILKRUN_LEASE_MARGIN", "0s");
    // The target of an earlier life: made by milkrun, then slowed for one key.
    job.reply(&["run", &job.name, "--max-items", "1"]);
    job.reply(&["reset", &job.name, "--confirm", &job.name]);
    job.database.execute("DELETE FROM order_history");
    let bad = job.database.number(&format!("SELECT id FROM orders WHERE {CLOSED} ORDER BY id LIMIT 1 OFFSET {BEFORE}"));
    slow_for(&job.database, bad);
    let watch = Database::connect(job.database.url());
    let ledger = Database::connect(&format!("sqlite://{}/ledger.db", job.folder().display()));

    let kills = std::cell::RefCell::new(Vec::new());
    let until = |victim: &dyn Fn() -> Option<u32>| {
        let since = Instant::now();
        while let Some(pid) = victim() {
            // A process that has ended waits for whoever asks for its end: its signal 0 still arrives.
            let over =
                pid > 0 && std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|it| it.contains(") Z "));
            if over {
                return false;
            }
            if pid > 0
                && let Some(session) = asleep(&watch)
            {
                kills.borrow_mut().push(announced(&ledger));
                assert!(signal(pid, "KILL"));
                end(&watch, &session);
                return true;
            }
            assert!(since.elapsed() < Duration::from_secs(50), "neither asleep on the item nor over");
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    };
    let last = loop {
        if let Some(reply) = run(&job, &until) {
            break reply;
        }
        assert!(kills.borrow().len() < 25, "no end: {kills:?}");
    };
    let kills = kills.into_inner();
    println!("{kind:?}: {kills:?}");

    // A quarter each time, unless something was committed in between; and at last that item alone, three times.
    assert!(kills.len() >= 6 && kills[0].size > 100, "{kills:?}");
    for pair in kills.windows(2) {
        if pair[0].cursor == pair[1].cursor {
            assert_eq!(pair[1].size, (pair[0].size / 4).max(1), "{kills:?}");
        } else {
            assert!(pair[1].size <= pair[0].size, "{kills:?}");
        }
    }
    let alone = kills.iter().filter(|kill| kill.size == 1).collect::<Vec<_>>();
    assert_eq!(alone.len(), 3, "{kills:?}");
    assert!(alone.iter().all(|kill| kill.to == bad.to_string()), "{kills:?}");

    // Everything else has arrived, counted once each although runs were killed.
    assert_eq!((&last["outcome"], progress(&last)), (&json!("complete"), [99, 0, 0, 1]), "{last}");
    assert_eq!(job.database.number("SELECT COUNT(*) FROM order_history"), 99);
    let found = letters(&job);
    assert_eq!((found.len(), found[0].0, found[0].1.as_str()), (1, bad, "killed"), "{found:?}");
    assert_eq!(
        (&found[0].2["attempts"], &found[0].2["message"]),
        (
            &json!(3),
            &json!(
                "the function was killed 3 times in a row while it moved this item alone; raise its memory or time, then `retry`"
            )
        )
    );

    // Cured and put back, it follows.
    job.database.execute(if kind == Kind::MariaDb {
        "DROP TRIGGER slow"
    } else {
        "DROP TRIGGER slow ON order_history"
    });
    job.reply(&["retry", &job.name]);
    job.run_to_the_end();
    job.assert_complete();
}

/// Whoever inserts this key into the target waits until somebody is tired of it.
fn slow_for(database: &Database, key: i64) {
    database.execute(&if database.is_mariadb() {
        format!(
            "CREATE TRIGGER slow BEFORE INSERT ON order_history FOR EACH ROW
             SET @slept = IF(NEW.order_id = {key}, SLEEP(120), 0)"
        )
    } else {
        format!(
            "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF NEW.order_id = {key} THEN PERFORM pg_sleep(120); END IF; RETURN NEW; END $$;
             CREATE TRIGGER slow BEFORE INSERT ON order_history FOR EACH ROW EXECUTE FUNCTION slow()"
        )
    });
}

/// The session that waits there.
fn asleep(watch: &Database) -> Option<String> {
    let rows = watch.rows(if watch.is_mariadb() {
        "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND state = 'User sleep'"
    } else {
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
    });
    rows.into_iter().next()?.remove(0)
}

/// What a server does by itself once it notices that its client is gone: its transaction is rolled back.
fn end(watch: &Database, session: &str) {
    watch.execute(&if watch.is_mariadb() {
        format!("KILL {session}")
    } else {
        format!("SELECT pg_terminate_backend({session}, 5000)")
    });
    let since = Instant::now();
    while asleep(watch).is_some() {
        assert!(since.elapsed() < Duration::from_secs(10), "the session does not end");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn announced(ledger: &Database) -> Kill {
    let mut row = ledger
        .rows(
            "SELECT json_extract(body, '$.announced.size'), json_extract(body, '$.announced.to'),
             json_extract(body, '$.cursor') FROM ledger WHERE item = 'move#0000'",
        )
        .remove(0);
    let number = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    Kill {
        size: row[0].as_deref().unwrap().parse().unwrap(),
        to: number(row[1].as_deref().unwrap_or_default()),
        cursor: row.remove(2),
    }
}
