//! Beside writers that change, re-open, close and add to orders all the while, and runs that are killed: no order is ever in
//! neither table with its latest content, and no child is left without its parent.
//!
//! A writer notes what it did in the transaction that did it, so what was the latest content of an order is known also when it
//! is gone. Everything is looked at in one snapshot, at sampled moments and at the end.

use super::{KEYS, KINDS, ORPHANS, migration};
use crate::support::cli::Finished;
use crate::support::database::{Database, TextRow};
use crate::support::job::{Job, full};
use crate::support::servers::Kind;
use crate::support::shop::Size;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const SHOP: Size = Size { orders: 500, closed: 250, items: 2, discounts: 1 };
const LIMITS: &str = "settle = \"0s\"\nlease = \"1s\"\nmax_batch = 25\nmax_attempts = 1000\nmax_sweeps = 1000";
const WRITERS: i64 = 2;

#[test]
fn sqlite() {
    live(KINDS[0]);
}

#[test]
fn mariadb() {
    live(KINDS[1]);
}

#[test]
fn mariadb_with_foreign_keys() {
    live(KINDS[2]);
}

#[test]
fn postgres() {
    live(KINDS[3]);
}

#[test]
fn from_mariadb_to_postgres() {
    live_between(KINDS[2], Kind::Postgres, true);
}

#[test]
fn from_postgres_to_sqlite() {
    live_between(KINDS[3], Kind::Sqlite, true);
}

/// Writers deadlock with what deletes. As nothing is committed by then, no copy is left behind that could be stale: it would
/// be a conflict here, where no copy says of itself that nobody has touched it.
#[test]
fn whatever_fails_without_a_kill_leaves_no_copy_behind() {
    live_between(KINDS[2], Kind::Postgres, false);
}

fn live((kind, keys): (Kind, bool)) {
    live_between((kind, keys), kind, true);
}

/// So many runs have to be killed.
fn wanted(killed: bool) -> i32 {
    match (killed, full()) {
        (false, _) => 0,
        (true, false) => 2,
        (true, true) => 10,
    }
}

/// Before a run is killed. Where there is little to do at a time, one is over soon.
fn delay(random: &mut StdRng, hurried: bool) -> Duration {
    Duration::from_millis(random.random_range(if hurried { 5..80 } else { 50..600 }))
}

fn live_between((kind, keys): (Kind, bool), to: Kind, killed: bool) {
    let across = kind != to;
    let seed = std::env::var("MILKRUN_SEED").map_or_else(|_| rand::rng().random(), |seed| seed.parse().unwrap());
    println!("{kind:?} keys={keys} to {to:?}: MILKRUN_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut job = if across { Job::between(kind, to, SHOP, LIMITS) } else { Job::shop(kind, SHOP, LIMITS) };
    job.set("MILKRUN_LEASE_MARGIN", "0s");
    job.database.execute(
        "CREATE TABLE all_orders (id BIGINT PRIMARY KEY); INSERT INTO all_orders SELECT id FROM orders;
         CREATE TABLE changed (revision BIGINT PRIMARY KEY, id BIGINT NOT NULL, what INTEGER NOT NULL);
         CREATE TABLE latest (id BIGINT PRIMARY KEY, revision BIGINT NOT NULL); INSERT INTO latest SELECT id, 0 FROM orders;
         CREATE TABLE added (item_id BIGINT PRIMARY KEY, id BIGINT NOT NULL);
         CREATE TABLE added_below (discount_id BIGINT PRIMARY KEY, id BIGINT NOT NULL);
         INSERT INTO added SELECT id, order_id FROM order_items;
         INSERT INTO added_below SELECT d.id, i.order_id FROM item_discounts d JOIN order_items i ON i.id = d.item_id;
         UPDATE orders SET remark = '0'",
    );
    if keys {
        job.database.execute(KEYS);
    }
    if across {
        let text = super::across(LIMITS);
        job.define(&if killed { text } else { text.replace("digest = \"$digest\"\n", "") });
    } else {
        // Some were copied before, and may be stale by the time that they are to leave.
        job.define(&migration(LIMITS, "keep"));
        job.reply(&["run", &job.name, "--max-items", "60"]);
        job.define(&migration(LIMITS, "delete"));
        job.reply(&["reset", &job.name, "--confirm", &job.name]);
    }
    let history = across.then(|| job.history().url().to_owned());

    let (over, lasts) = (AtomicBool::new(false), Duration::from_secs(if full() { 60 } else { 5 }));
    let wanted = wanted(killed);
    let (mut refused, mut checks, mut kills, mut items, mut locked_out) = (0, 0, 0, 0, 0);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (over, database) = (&over, Database::connect(job.database.url()));
                scope.spawn(move || write(&database, writer, seed, over))
            })
            .collect();
        let looking = scope.spawn(|| {
            let database = Database::connect(job.database.url());
            let history = history.as_deref().map(Database::connect);
            let mut checks = 0;
            while !over.load(Ordering::SeqCst) {
                look(&database, history.as_ref());
                checks += 1;
                std::thread::sleep(Duration::from_millis(150));
            }
            checks
        });
        // Also if what is asserted does not hold: or nobody would ever hear of it.
        let at_last = AtLast(&over);
        let since = Instant::now();
        // A kill may come too late: then it takes a while longer until there were enough.
        while (since.elapsed() < lasts || kills < wanted && since.elapsed() < 4 * lasts) && !looking.is_finished() {
            let mut running = job.cli().spawn(&["--json", "run", &job.name, "--time-limit", "2s"]);
            if killed && random.random_bool(if kills < wanted { 0.6 } else { 0.3 }) {
                std::thread::sleep(delay(&mut random, kills < wanted));
                running.signal("KILL");
            }
            let finished = running.wait();
            if finished.code.is_none() {
                kills += 1;
                std::thread::sleep(Duration::from_millis(1050));
                continue;
            }
            if !came_through(kind, &finished, &mut locked_out) {
                continue;
            }
            let reply = finished.reply();
            items += reply["moved"].as_u64().unwrap() + reply["skipped"].as_u64().unwrap();
            if reply["outcome"] == "complete" {
                job.reply(&["reset", &job.name, "--confirm", &job.name]);
            }
        }
        drop(at_last);
        checks = looking.join().unwrap();
        for writer in writers {
            refused += writer.join().unwrap();
        }
    });
    std::thread::sleep(Duration::from_millis(1050));
    let until_complete = || {
        job.call(&["run", &job.name, "--until-done", "--time-limit", "30s"]);
        assert_eq!(job.status()["state"], "complete");
    };
    until_complete();
    // A sweep that found nothing completed that one, and it may have begun beside the writers: what closed behind it is of a later life.
    job.reply(&["reset", &job.name, "--confirm", &job.name]);
    until_complete();
    let gone = look(&job.database, across.then(|| job.history()));
    let count = |rows: &str| job.database.number(&format!("SELECT COUNT(*) FROM {rows}"));
    let [changes, reopened, closed] = [0, 1, 2].map(|what| count(&format!("changed WHERE what = {what}")));
    let conflicts = job.status()["progress"]["conflicts"].as_i64().unwrap();
    let children = count("added WHERE item_id > 1000000") + count("added_below WHERE discount_id > 1000000");
    println!(
        "{kind:?} keys={keys} to {to:?}: {changes} changes, {reopened} re-opened, {closed} closed, {children} children, {refused} refused, {kills} kills, \
         {checks} looks, {gone} orders purged, {items} counted, {conflicts} conflicts"
    );
    assert!(changes > 50 && reopened > 10 && closed > 10 && children > 30 && checks > 5, "too little happened");
    assert!(kills >= wanted && (killed || kills == 0), "{kills} kills");
    // Copies that were stale by the time that a killed batch was done again say of themselves that nobody has touched them.
    assert_eq!((count(&format!("orders WHERE {CLOSED}")), conflicts), (0, 0), "all that is closed has left");
    assert_eq!(count("all_orders") - count("orders"), gone);
}

/// Whether a run worked. On SQLite, where each writer locks the whole file, at most two may never be let in.
fn came_through(kind: Kind, finished: &Finished, locked_out: &mut u32) -> bool {
    if kind == Kind::Sqlite && finished.code == Some(1) {
        let locked = finished.stdout.contains("somebody else holds the database file");
        assert!(locked && finished.reply()["errorType"] == "Database", "{finished:?}");
        *locked_out += 1;
        assert!(*locked_out <= 2, "{finished:?}");
        return false;
    }
    assert!(finished.code.is_some_and(|code| [0, 4].contains(&code)), "{finished:?}");
    true
}

/// Tells the writers to stop.
struct AtLast<'a>(&'a AtomicBool);

impl Drop for AtLast<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

const CLOSED: &str = "status IN ('uncollected', 'cancelled', 'dispensed')";

/// Changes, re-opens, closes, adds: each in one transaction with a note of what it did. How often the database refused.
fn write(database: &Database, writer: i64, seed: u64, over: &AtomicBool) -> u64 {
    let mut random = StdRng::seed_from_u64(seed ^ (0x51 + writer.unsigned_abs()));
    let ids: Vec<String> =
        database.rows("SELECT id FROM all_orders").into_iter().filter_map(|mut row| row.remove(0)).collect();
    let (begin, share) = if database.is_sqlite() { ("BEGIN IMMEDIATE", "") } else { ("BEGIN", " FOR UPDATE") };
    let mut refused = 0;
    let mut number = 1_000_000 * (writer + 1);
    while !over.load(Ordering::SeqCst) {
        number += 1;
        let id = &ids[random.random_range(0..ids.len())];
        let noted = |change: &str, what: u32| {
            format!(
                "UPDATE orders SET {change}remark = '{number}' WHERE id = {id}; \
                 INSERT INTO changed SELECT {number}, id, {what} FROM orders WHERE id = {id} AND remark = '{number}'; \
                 UPDATE latest SET revision = {number} WHERE id = {id} AND EXISTS (SELECT 1 FROM changed WHERE revision = {number})"
            )
        };
        let script = match random.random_range(0..10) {
            0..4 => noted("", 0),
            4 => noted("status = 'new', ", 1),
            5..7 => noted("status = 'cancelled', ", 2),
            7..9 => format!(
                "INSERT INTO order_items SELECT {number}, id, 'SKU', 1, 2.5 FROM orders WHERE id = {id}{share}; \
                 INSERT INTO added SELECT id, order_id FROM order_items WHERE id = {number}"
            ),
            _ => format!(
                "INSERT INTO item_discounts SELECT {number}, i.id, 'late' FROM order_items i WHERE i.order_id = {id} ORDER BY i.id LIMIT 1{share}; \
                 INSERT INTO added_below SELECT {number}, i.order_id FROM item_discounts d JOIN order_items i ON i.id = d.item_id WHERE d.id = {number}"
            ),
        };
        if !database.try_execute(&format!("{begin}; {script}; COMMIT")) {
            // A deadlock, or a parent that has just left.
            database.try_execute("ROLLBACK");
            refused += 1;
        }
        std::thread::sleep(Duration::from_millis(random.random_range(0..4)));
    }
    refused
}

/// Looks at everything in one snapshot; how many orders have left. What has left before it has arrived in another database before.
fn look(database: &Database, history: Option<&Database>) -> i64 {
    database.execute(if database.is_mariadb() {
        "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"
    } else if database.is_sqlite() {
        "BEGIN"
    } else {
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
    });
    let text = if database.is_mariadb() { "CHAR" } else { "TEXT" };
    let all_pairs = |database: &Database, query: &str| -> Vec<(String, String)> {
        let pair = |mut row: TextRow| Some((row.remove(0)?, row.remove(0)?));
        database.rows(query).into_iter().filter_map(pair).collect()
    };
    let pairs = |query: &str| all_pairs(database, query);
    let mut gone = pairs(&if history.is_some() {
        format!(
            "SELECT CAST(a.id AS {text}), 'nowhere' FROM all_orders a LEFT JOIN orders o ON o.id = a.id WHERE o.id IS NULL"
        )
    } else {
        format!(
            "SELECT CAST(a.id AS {text}), COALESCE(h.document, 'nowhere') FROM all_orders a \
             LEFT JOIN orders o ON o.id = a.id LEFT JOIN order_history h ON h.order_id = a.id WHERE o.id IS NULL"
        )
    });
    let group = |query: &str| {
        let mut found: BTreeMap<String, BTreeSet<i64>> = BTreeMap::new();
        for (id, number) in pairs(query) {
            found.entry(id).or_default().insert(number.parse().unwrap());
        }
        found
    };
    let here: BTreeMap<String, String> =
        pairs(&format!("SELECT CAST(id AS {text}), CAST(remark AS {text}) FROM orders")).into_iter().collect();
    let latest: BTreeMap<String, String> =
        pairs(&format!("SELECT CAST(id AS {text}), CAST(revision AS {text}) FROM latest")).into_iter().collect();
    let items = group(&format!("SELECT CAST(id AS {text}), CAST(item_id AS {text}) FROM added"));
    let discounts = group(&format!("SELECT CAST(id AS {text}), CAST(discount_id AS {text}) FROM added_below"));
    let left = pairs(&format!("SELECT CAST(order_id AS {text}), CAST(id AS {text}) FROM order_items"));
    let orphans = ORPHANS.map(|query| database.number(query));
    database.execute("COMMIT");
    if let Some(history) = history {
        let text = if history.is_mariadb() { "CHAR" } else { "TEXT" };
        let found = all_pairs(history, &format!("SELECT CAST(order_id AS {text}), document FROM order_history"));
        let found: BTreeMap<String, String> = found.into_iter().collect();
        for (id, document) in &mut gone {
            if let Some(arrived) = found.get(id) {
                document.clone_from(arrived);
            }
        }
    }
    assert_eq!(orphans, [0, 0], "children without their parents");
    assert!(left.iter().all(|(order, _)| here.contains_key(order)));
    assert_eq!(latest.len(), here.len() + gone.len());
    assert!(here.iter().all(|(id, remark)| latest[id] == *remark));
    for (id, document) in &gone {
        assert_ne!(document, "nowhere", "order {id} is in neither table");
        let document: Value = serde_json::from_str(document).unwrap();
        assert_eq!(
            document["remark"].as_str(),
            latest.get(id).map(String::as_str),
            "order {id} left with another content"
        );
        let array = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let of = |value: &Value| value["id"].as_i64().unwrap();
        let found: BTreeSet<i64> = array(&document["items"]).iter().map(of).collect();
        assert_eq!(&found, items.get(id).unwrap_or(&BTreeSet::new()), "the items of order {id}");
        let below = array(&document["items"]).iter().flat_map(|item| array(&item["discounts"])).collect::<Vec<_>>();
        let found: BTreeSet<i64> = below.iter().map(of).collect();
        assert_eq!(&found, discounts.get(id).unwrap_or(&BTreeSet::new()), "the discounts of order {id}");
    }
    i64::try_from(gone.len()).unwrap()
}
