//! The real command line, from one database to another.

use super::columns::{fill, mapped};
use crate::rows::carry::{cases, poison};
use crate::rows::stage;
use crate::support::database::Cell::{Int, Number, Text};
use crate::support::database::Database;
use crate::support::job::{Job, full};
use crate::support::refusing::{closed, cure, letters, progress, spoil};
use crate::support::servers::{self, Kind};
use crate::support::shop::{self, Size};
use serde_json::json;

const SHOP: Size = Size { orders: 300, closed: 120, items: 3, discounts: 2 };

#[test]
fn a_shop_moves_to_another_server_and_plan_verify_and_status_know_it() {
    let limits = "settle = \"0s\"\nmax_batch = 50";
    let job = Job::between(Kind::MariaDb, Kind::Postgres, SHOP, limits);
    let other = job.history();

    let plan = job.reply(&["plan", "orders-history"]);
    assert_eq!(plan["problems"].as_array().map(Vec::len), Some(0), "{plan}");
    let purposes = |field: &str| -> Vec<String> {
        let all = plan[field].as_array().expect("a list").iter();
        all.map(|one| one["purpose"].as_str().expect("a word").to_owned()).collect()
    };
    assert_eq!(purposes("statements"), ["boundary", "read", "write", "look up", "compare"]);
    assert_eq!(purposes("query_plans"), ["boundary", "read", "look up"]);

    let reply = job.run_to_the_end();
    assert_eq!(reply["progress"]["moved"], 120, "{reply}");
    job.assert_complete();

    other.execute("DELETE FROM order_history WHERE order_id = (SELECT min(order_id) FROM order_history)");
    other
        .execute("UPDATE order_history SET document = '{}' WHERE order_id = (SELECT max(order_id) FROM order_history)");
    other.execute("INSERT INTO order_history (order_id, document) VALUES (-5, '{}')");
    let verified = job.call(&["verify", "orders-history"]).expect(3).reply();
    let found = |reply: &serde_json::Value| {
        ["checked", "equal", "missing", "different", "extra"].map(|name| reply[name].as_u64().expect("a number"))
    };
    assert_eq!(found(&verified), [120, 118, 1, 1, 1], "{verified}");
    let mended = job.call(&["verify", "orders-history", "--repair", "--overwrite"]).expect(3).reply();
    assert_eq!(mended["repaired"], 2, "{mended}");
    other.execute("DELETE FROM order_history WHERE order_id = -5");
    job.assert_complete();
}

/// What the target refuses, what is too large to be read and what is there and different is set aside, each by its name.
/// Everything else arrives.
#[test]
fn exactly_the_bad_items_are_set_aside() {
    for (source, target) in
        [(Kind::MariaDb, Kind::Postgres), (Kind::Postgres, Kind::Sqlite), (Kind::Sqlite, Kind::MariaDb)]
    {
        let size = Size { orders: 1100, closed: 1000, items: 1, discounts: 1 };
        let limits = "settle = \"0s\"\nmax_item = \"64 KB\"\nmax_batch = 300";
        let job = Job::between(source, target, size, limits);
        job.history().execute(if job.history().is_sqlite() {
            "CREATE TRIGGER rule BEFORE INSERT ON order_history WHEN NEW.document LIKE '%hunter2%'
             BEGIN SELECT RAISE(ABORT, 'hunter2 is refused'); END"
        } else {
            "ALTER TABLE order_history ADD CONSTRAINT rule CHECK (document NOT LIKE '%hunter2%')"
        });
        let keys = closed(&job, &[3, 377, 378, 600, 999]);
        spoil(&job, &[keys[0], keys[2]]);
        let first = 1_000_000;
        for (place, order) in [keys[1], keys[4]].into_iter().enumerate() {
            let from = first + 2000 * i64::try_from(place).unwrap();
            let items = (from..from + 2000)
                .map(|item| vec![Int(item), Int(order), Text("SKU".to_owned()), Int(1), Number("1.00".to_owned())]);
            job.database.load("order_items", items);
        }
        job.history().execute(&format!("INSERT INTO order_history (order_id, document) VALUES ({}, '{{}}')", keys[3]));
        let arguments = ["run", &job.name, "--until-done", "--time-limit", "60s"];
        let last = job.call(&arguments).expect(3).reply();
        assert_eq!((&last["outcome"], progress(&last)), (&json!("complete"), [995, 0, 1, 4]), "{last}");
        let found: Vec<(i64, String)> = letters(&job).into_iter().map(|(key, class, _)| (key, class)).collect();
        let classes = ["poison", "too_large", "poison", "conflict", "too_large"].map(str::to_owned);
        assert_eq!(found, keys.iter().copied().zip(classes).collect::<Vec<_>>());
        let message = |place: usize| letters(&job)[place].2["message"].as_str().unwrap().to_owned();
        assert!(message(1).contains("is larger than max_item (65536 bytes)"), "{}", message(1));
        assert!(
            message(3).contains("differs in `status`, `document`; SHA-256 of the document: source "),
            "{}",
            message(3)
        );
        // Corrected and put back they are moved.
        cure(&job, &[keys[0], keys[2]]);
        job.history().execute(&format!("DELETE FROM order_history WHERE order_id = {}", keys[3]));
        let mut job = job;
        job.source = Some(shop::closed(&job.database));
        job.define(&shop::migration_to("HISTORY", "settle = \"0s\""));
        job.reply(&["retry", &job.name]);
        job.run_to_the_end();
        job.assert_complete();
    }
}

/// Of a row for each value of each type exactly those are set aside that hold what the other database cannot, by runs that move the
/// others; and once they hold something else they are moved.
#[test]
fn exactly_what_the_other_database_cannot_hold_is_set_aside() {
    for ((from, source), (to, target)) in [
        ((stage::Kind::MariaDb, Kind::MariaDb), (stage::Kind::Postgres, Kind::Postgres)),
        ((stage::Kind::Postgres, Kind::Postgres), (stage::Kind::MariaDb, Kind::MariaDb)),
        ((stage::Kind::Sqlite, Kind::Sqlite), (stage::Kind::Postgres, Kind::Postgres)),
    ] {
        let mut job = Job::new(source);
        let url = servers::fresh_database(target, job.folder());
        job.set("ARCHIVE_DATABASE_URL", &url);
        let cases = cases(from);
        if source == Kind::MariaDb {
            job.database.execute("ALTER DATABASE CHARACTER SET utf8mb4");
        }
        fill(&job.database, from, &cases);
        job.define(&format!(
            "name = \"archive\"\nkind = \"rows\"\n[source]\ndatabase = \"$SHOP_DATABASE_URL\"\ntable = \"ours\"\nkey = [\"id\"]\n\
             [target]\ndatabase = \"$ARCHIVE_DATABASE_URL\"\ntable = \"theirs\"\nkey = [\"id\"]\ncreate = true\n[target.columns]\n{}\n\
             [limits]\nsettle = \"0s\"\nmax_batch = 40\nstop_when_failed = \"100%\"\n",
            mapped(&cases)
        ));
        let place = |kind: &str, value: &str| cases.iter().position(|case| (case.0, case.1) == (kind, value)).unwrap();
        let bad: Vec<usize> = poison(from, to).iter().map(|(kind, value, _)| place(kind, value)).collect();
        let last = job.call(&["run", &job.name, "--until-done", "--time-limit", "60s"]).expect(3).reply();
        let (all, few) = (cases.len() as u64 + 1, bad.len() as u64);
        assert_eq!((&last["outcome"], progress(&last)), (&json!("complete"), [all - few, 0, 0, few]), "{last}");
        let mut found: Vec<(i64, String)> = letters(&job).into_iter().map(|(key, class, _)| (key, class)).collect();
        found.sort();
        let mut expected: Vec<i64> = bad.iter().map(|at| i64::try_from(at + 1).unwrap()).collect();
        expected.sort_unstable();
        let expected: Vec<(i64, String)> = expected.into_iter().map(|key| (key, "poison".to_owned())).collect();
        assert_eq!(found, expected, "{source:?} to {target:?}");
        for at in bad {
            job.database.execute(&format!("UPDATE ours SET c{at} = NULL WHERE id = {}", at + 1));
        }
        job.reply(&["retry", &job.name]);
        let last = job.run_to_the_end();
        assert_eq!(progress(&last), [all, 0, 0, 0], "{last}");
        let verified = job.reply(&["verify", &job.name]);
        assert_eq!((&verified["checked"], &verified["equal"]), (&json!(all), &json!(all)), "{verified}");
    }
}

/// A row that begins to match behind the cursor is found by a sweep.
#[test]
fn a_sweep_finds_what_closed_meanwhile() {
    for (source, target) in
        [(Kind::MariaDb, Kind::Postgres), (Kind::Postgres, Kind::MariaDb), (Kind::MariaDb, Kind::Sqlite)]
    {
        let job = Job::between(source, target, SHOP, "settle = \"0s\"\nmax_batch = 40\nmax_sweeps = 5");
        let first = job.reply(&["run", &job.name, "--max-items", "60"]);
        assert_eq!(first["moved"], 60, "{first}");
        job.database
            .execute("UPDATE orders SET status = 'cancelled' WHERE id < 40 AND status IN ('new', 'paid', 'ready')");
        job.history().execute("DELETE FROM order_history WHERE order_id = (SELECT MAX(order_id) FROM order_history)");
        let last = job.run_to_the_end();
        let all = job
            .database
            .number("SELECT COUNT(*) FROM orders WHERE status IN ('uncollected', 'cancelled', 'dispensed')");
        assert_eq!(job.history().number("SELECT COUNT(*) FROM order_history"), all, "{last}");
        assert_eq!(last["progress"]["left"], 0, "{last}");
        let verified = job.reply(&["verify", &job.name]);
        assert_eq!((&verified["checked"], &verified["equal"]), (&json!(all), &json!(all)), "{verified}");
    }
}

/// Rows that together are far larger than the memory there is, moved and compared.
#[test]
fn many_large_rows_fit_into_little_memory_from_mariadb() {
    // A document is compared by its digest; between makes a long text is, too; of SQLite all travels.
    for (target, column) in [(Kind::Postgres, "$document"), (Kind::Postgres, "body"), (Kind::Sqlite, "body")] {
        fit_into_little_memory(Kind::MariaDb, target, column);
    }
}

#[test]
fn many_large_rows_fit_into_little_memory_from_postgres() {
    for (target, column) in [(Kind::MariaDb, "$document"), (Kind::MariaDb, "body"), (Kind::Sqlite, "body")] {
        fit_into_little_memory(Kind::Postgres, target, column);
    }
}

#[test]
fn many_large_rows_fit_into_little_memory_from_sqlite() {
    for (target, column) in [(Kind::Postgres, "$document"), (Kind::MariaDb, "body")] {
        fit_into_little_memory(Kind::Sqlite, target, column);
    }
}

/// Rows of 100 KB each, as many as there are numbers.
fn papers(database: &Database, rows: i64) {
    let (key, text) = if database.is_sqlite() { ("INTEGER", "TEXT") } else { ("BIGINT", "LONGTEXT") };
    let text = if database.is_postgres() { "TEXT" } else { text };
    database.execute(&format!("CREATE TABLE papers (id {key} PRIMARY KEY, body {text} NOT NULL)"));
    database.execute(&if database.is_mariadb() {
        format!("INSERT INTO papers SELECT seq, REPEAT(CHAR(65 + seq % 26), 100000 + seq) FROM seq_1_to_{rows}")
    } else if database.is_postgres() {
        format!(
            "INSERT INTO papers SELECT n, repeat(chr(65 + n % 26), 100000 + n) FROM generate_series(1, {rows}) AS n"
        )
    } else {
        format!(
            "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {rows})
             INSERT INTO papers SELECT n, replace(hex(zeroblob(50000 + n / 2)), '0', char(65 + n % 26)) FROM numbers"
        )
    });
}

fn fit_into_little_memory(source: Kind, target: Kind, column: &str) {
    let rows = if full() { 10_000 } else { 1500 };
    let mut job = Job::new(source);
    std::fs::create_dir(job.folder().join("other")).unwrap();
    let url = servers::fresh_database(target, &job.folder().join("other"));
    let other = Database::connect(&url);
    job.set("HISTORY_DATABASE_URL", &url);
    papers(&job.database, rows);
    let text = if target == Kind::MariaDb { "LONGTEXT CHARACTER SET utf8mb4" } else { "TEXT" };
    other.execute(&format!("CREATE TABLE papers (id BIGINT NOT NULL PRIMARY KEY, body {text} NOT NULL)"));
    job.define(&format!(
        "name = \"papers\"\nkind = \"rows\"\n[source]\ndatabase = \"$SHOP_DATABASE_URL\"\ntable = \"papers\"\nkey = [\"id\"]\n\
         [target]\ndatabase = \"$HISTORY_DATABASE_URL\"\ntable = \"papers\"\nkey = [\"id\"]\n\
         [target.columns]\nid = \"id\"\nbody = \"{column}\"\n[limits]\nsettle = \"0s\"",
    ));
    let emulator = job.lambda(60, 128);
    let mut peak = 0;
    let mut until_complete = |event: &serde_json::Value| loop {
        let reply = emulator.invoke(event).reply();
        peak = peak.max(emulator.peak_memory_kib().expect("it is alive between invocations"));
        if reply["outcome"] == "complete" {
            return reply;
        }
        assert_eq!(reply["outcome"], "more", "{reply}");
    };
    let pair = format!("{source:?} to {target:?}, {column}");
    let reply = until_complete(&job.event());
    assert_eq!(reply["progress"]["moved"], rows, "{pair}: {reply}");
    if column == "body" {
        other.execute("UPDATE papers SET body = '=' WHERE id = 7; DELETE FROM papers WHERE id = 8");
    }
    let reply = until_complete(&json!({"command": "verify", "migration": "papers"}));
    let wrong = i64::from(column == "body");
    let found = ["checked", "different", "missing", "equal"].map(|field| reply[field].as_i64().unwrap());
    assert_eq!(found, [rows, wrong, wrong, rows - 2 * wrong], "{pair}: {reply}");
    println!("{pair}: peak {} MiB for {rows} rows of 100 KB", peak / 1024);
    assert!(peak < 112 * 1024, "{pair}: {peak} KiB");
}
