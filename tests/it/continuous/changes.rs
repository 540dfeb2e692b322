//! Sweeps that read only what changed since the last one began.

use super::{KINDS, SHOP, assert_moved, until_idle};
use crate::support::job::Job;
use crate::support::servers::Kind;
use crate::support::shop;
use crate::sweep::insert;
use serde_json::json;
use std::time::Duration;

/// Where the orders are and where their history goes.
const PAIRS: [(Kind, Kind); 6] = [
    (Kind::MariaDb, Kind::MariaDb),
    (Kind::Postgres, Kind::Postgres),
    (Kind::Sqlite, Kind::Sqlite),
    (Kind::MariaDb, Kind::Postgres),
    (Kind::Postgres, Kind::Sqlite),
    (Kind::Sqlite, Kind::MariaDb),
];

/// A shop whose orders say when they changed last: long ago.
fn tracked((kind, to): (Kind, Kind), mode: &str, limits: &str) -> Job {
    let mut job = if kind == to { Job::shop(kind, SHOP, "") } else { Job::between(kind, to, SHOP, "") };
    let (moment, now) = match kind {
        Kind::MariaDb => ("TIMESTAMP(6)", "NOW(6)"),
        Kind::Postgres => ("TIMESTAMPTZ", "now()"),
        Kind::Sqlite => ("TEXT", "CURRENT_TIMESTAMP"),
    };
    job.database
        .execute(&format!("ALTER TABLE orders ADD COLUMN updated_at {moment} NOT NULL DEFAULT '2020-01-01 00:00:00'"));
    if kind == Kind::Sqlite {
        // Where a column is added, SQLite takes no default that is computed.
        job.database.execute("CREATE TRIGGER touched AFTER INSERT ON orders BEGIN UPDATE orders SET updated_at = CURRENT_TIMESTAMP WHERE id = NEW.id; END");
    } else {
        job.database.execute(&format!("ALTER TABLE orders ALTER COLUMN updated_at SET DEFAULT {now}"));
    }
    job.database.execute("CREATE INDEX orders_updated_at ON orders (updated_at)");
    let file = if kind == to { shop::migration(limits) } else { shop::migration_to("HISTORY", limits) }
        .replace("kind = \"rows\"", &format!("kind = \"rows\"\nmode = \"{mode}\""))
        .replace("key = [\"id\"]\nwhere", "key = [\"id\"]\nchanged = \"updated_at\"\noverlap = \"1m\"\nwhere");
    job.define(&file);
    job
}

/// Orders that are open now and close at this moment, all at once; how many.
fn close_at(job: &Job, now: &str, condition: &str) -> u64 {
    let open = "status NOT IN ('uncollected', 'cancelled', 'dispensed')";
    let closing = job.database.number(&format!("SELECT COUNT(*) FROM orders WHERE {open} AND {condition}"));
    job.database
        .execute(&format!("UPDATE orders SET status = 'cancelled', updated_at = {now} WHERE {open} AND {condition}"));
    u64::try_from(closing).unwrap()
}

fn now(kind: Kind) -> &'static str {
    if kind == Kind::Sqlite { "CURRENT_TIMESTAMP" } else { "CURRENT_TIMESTAMP(6)" }
}

#[test]
fn sweeps_by_changes_read_what_changed_and_nothing_else() {
    for (kind, to) in PAIRS {
        // Batches smaller than what changes at one moment: equal times are told apart by the key.
        let job = tracked((kind, to), "continuous", "settle = \"0s\"\nmax_batch = 7");
        assert_eq!(job.reply(&["plan", &job.name])["sweep"], json!({"reads": "changes"}));
        assert_moved(&until_idle(&job), 50);
        let closing = close_at(&job, now(kind), "id % 2 = 0");
        // Nobody says of these that they changed.
        let silent = close_at(&job, "updated_at", "id % 3 = 0");
        assert!(closing > 14 && silent > 3, "{kind:?} {to:?}: {closing}, {silent}");
        insert(&job.database, -5);
        let reply = until_idle(&job);
        assert_moved(&reply, 51 + closing);
        assert_eq!(
            (&reply["progress"]["left"], &reply["outcome"]),
            (&json!(0), &json!("idle")),
            "{kind:?} {to:?}: {reply}"
        );
        // Nothing changed: a run says so at once, and the next one looks again.
        for _ in 0..2 {
            let reply = job.reply(&["run", &job.name]);
            assert_eq!((&reply["outcome"], &reply["moved"]), (&json!("idle"), &json!(0)), "{reply}");
        }
        let verified = job.call(&["verify", &job.name]).expect(3).reply();
        assert_eq!((&verified["equal"], &verified["missing"]), (&json!(51 + closing), &json!(silent)), "{verified}");

        // Under an accepted definition others may match: everything is looked at once more.
        let mut job = job;
        let file = std::fs::read_to_string(job.folder().join("migrations/orders-history.toml")).unwrap();
        job.define(&file.replace("where = \"status IN", "where = \"id <> 0 AND status IN"));
        job.call(&["run", &job.name]).expect(4);
        let digest = job.status()["definition"].as_str().unwrap().to_owned();
        job.reply(&["resume", &job.name, "--accept", &digest]);
        assert_moved(&until_idle(&job), 51 + closing + silent);
    }
}

/// Sweeps by changes never walk to the end of the key, and `verify` compares all the same what was inserted there.
#[test]
fn what_sweeps_by_changes_have_moved_is_verified_up_to_the_last_key() {
    for (kind, to) in PAIRS {
        let job = tracked((kind, to), "continuous", "settle = \"0s\"\nmax_batch = 7");
        assert_moved(&until_idle(&job), 50);
        for id in [1_000_000, 1_000_001, 1_000_002] {
            insert(&job.database, id);
        }
        assert_moved(&until_idle(&job), 53);
        let verified = job.reply(&["verify", &job.name]);
        assert_eq!((&verified["checked"], &verified["equal"]), (&json!(53), &json!(53)), "{kind:?} {to:?}: {verified}");
        job.history().execute(
            "UPDATE order_history SET document = '{}' WHERE order_id = 1000001; DELETE FROM order_history WHERE order_id = 1000002",
        );
        let verified = job.call(&["verify", &job.name]).expect(3).reply();
        assert_eq!(
            (&verified["different"], &verified["missing"]),
            (&json!(1), &json!(1)),
            "{kind:?} {to:?}: {verified}"
        );
        // What comes beyond the last sweep's end is nobody's business yet; nor does a sweep that found nothing forget how far it was.
        insert(&job.database, 1_000_003);
        let verified = job.call(&["verify", &job.name]).expect(3).reply();
        assert_eq!(
            (&verified["checked"], &verified["missing"]),
            (&json!(53), &json!(1)),
            "{kind:?} {to:?}: {verified}"
        );
    }
}

#[test]
fn a_sweep_by_changes_may_be_stopped_anywhere_and_completes_what_is_to_complete() {
    for (kind, to) in PAIRS {
        let job = tracked((kind, to), "once", "settle = \"0s\"\nmax_batch = 5\nshards = 3");
        let first = job.reply(&["run", &job.name, "--max-items", "49"]);
        assert_eq!(first["outcome"], "more", "{first}");
        let closing = close_at(&job, now(kind), "id > 0");
        let mut runs = 0;
        let last = loop {
            let reply = job.reply(&["run", &job.name, "--max-items", "4"]);
            assert!(reply["moved"].as_u64().unwrap() <= 4, "{reply}");
            runs += 1;
            assert!(runs < 100, "{kind:?} {to:?}: no end: {reply}");
            if reply["outcome"] == "complete" {
                break reply;
            }
        };
        assert_eq!(last["progress"]["moved"], json!(50 + closing), "{kind:?} {to:?}: {last}");
        assert_eq!((&last["progress"]["skipped"], &last["progress"]["left"]), (&json!(0), &json!(0)), "{last}");
    }
}

#[test]
fn the_index_of_changes_is_read_as_a_range() {
    for (kind, to) in PAIRS {
        let job = tracked((kind, to), "continuous", "settle = \"0s\"");
        until_idle(&job);
        close_at(&job, now(kind), "id % 5 = 0");
        for (database, kind, table) in [(&job.database, kind, "orders"), (job.history(), to, "order_history")] {
            let analyze = if kind == Kind::MariaDb { "ANALYZE TABLE" } else { "ANALYZE" };
            database.execute(&format!("{analyze} {table}"));
        }
        let plan = job.reply(&["plan", &job.name]);
        let plans = plan["query_plans"].as_array().unwrap();
        let of = |purpose: &str| {
            let found = plans.iter().find(|one| one["purpose"] == purpose);
            found.unwrap_or_else(|| panic!("{purpose}: {plan}"))["plan"].as_str().unwrap().to_owned()
        };
        let found = if kind == to { "changes without a target" } else { "changed items" };
        for purpose in ["first changes", "next changes", found] {
            let text = of(purpose);
            let ranged = match kind {
                Kind::MariaDb => {
                    text.contains("\"access_type\": \"range\"") && text.contains("\"key\": \"orders_updated_at\"")
                }
                Kind::Postgres => text.contains("orders_updated_at") && text.contains("Index Cond"),
                Kind::Sqlite => text.contains("SEARCH t") && text.contains("INDEX orders_updated_at (updated_at>"),
            };
            assert!(ranged, "{kind:?} {to:?} {purpose}: {text}");
        }
    }
}

#[test]
fn a_column_of_changes_has_to_be_one() {
    for kind in KINDS {
        let mut job = Job::shop(kind, SHOP, "");
        let with = |column: &str| {
            shop::migration("")
                .replace("key = [\"id\"]\nwhere", &format!("key = [\"id\"]\nchanged = \"{column}\"\nwhere"))
        };
        for (column, wanted) in [
            ("placed_at", "no index of `orders` begins with `placed_at`\",\"hint\":\"run: CREATE INDEX"),
            ("placed_on", "did you mean `placed_at`?"),
            ("remark", "`remark` takes NULL"),
            ("id", "which is no point in time"),
        ] {
            job.define(&with(column));
            let problems = job.call(&["plan", &job.name]).expect(2).reply()["problems"].to_string();
            assert!(problems.contains(wanted), "{kind:?} {column}: {problems}");
        }
    }
}

#[test]
fn what_changed_is_archived_and_purged() {
    for kind in [Kind::MariaDb, Kind::Postgres] {
        let mut job = tracked((kind, kind), "continuous", "settle = \"0s\"\nmax_batch = 7");
        job.database.execute("ALTER TABLE order_items ADD FOREIGN KEY (order_id) REFERENCES orders (id)");
        job.database.execute("ALTER TABLE item_discounts ADD FOREIGN KEY (item_id) REFERENCES order_items (id)");
        let file = std::fs::read_to_string(job.folder().join("migrations/orders-history.toml")).unwrap();
        job.define(&file.replace("create = true", "create = true\nafter = \"delete\""));
        assert_moved(&until_idle(&job), 50);
        let closing = close_at(&job, now(kind), "id % 2 = 0");
        assert_moved(&until_idle(&job), 50 + closing);
        let left = job.database.number("SELECT COUNT(*) FROM orders");
        assert_eq!(u64::try_from(left).unwrap(), 120 - 50 - closing, "{kind:?}");
        let history = job.database.number("SELECT COUNT(*) FROM order_history");
        assert_eq!(u64::try_from(history).unwrap(), 50 + closing, "{kind:?}");
    }
}

/// A row that comes to match because time goes by has not changed.
#[test]
fn where_time_alone_makes_rows_match_sweeps_look_at_everything() {
    for kind in KINDS {
        let mut job = tracked((kind, kind), "continuous", "settle = \"0s\"\nsweep_every = \"1s\"");
        let file = std::fs::read_to_string(job.folder().join("migrations/orders-history.toml")).unwrap();
        job.define(&file.replace("where = \"status IN", "where = \":pass_started > '2020-01-01' AND status IN"));
        let plan = job.reply(&["plan", &job.name]);
        assert!(plan["warnings"].to_string().contains("as if `changed` were not there"), "{kind:?}: {plan}");
        assert_moved(&until_idle(&job), 50);
        // As if they had only become old enough.
        let silent = close_at(&job, "updated_at", "id % 3 = 0");
        assert!(silent > 3);
        std::thread::sleep(Duration::from_millis(1100));
        assert_moved(&until_idle(&job), 50 + silent);
    }
}
