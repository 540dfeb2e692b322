//! The real command line, from one database to another.

use crate::support::database::Database;
use crate::support::history;
use crate::support::job::Job;
use crate::support::servers::{self, Kind};
use crate::support::shop::{self, Size};

const SHOP: Size = Size { orders: 300, closed: 120, items: 3, discounts: 2 };

/// The table that a migration of the shop writes to.
pub(crate) fn create_history(database: &Database) {
    let (id, document, moment) = if database.is_sqlite() {
        ("INTEGER", "TEXT", "TEXT")
    } else if database.is_mariadb() {
        ("BIGINT", "LONGTEXT", "DATETIME(6)")
    } else {
        ("BIGINT", "text", "timestamptz")
    };
    database.execute(&format!(
        "CREATE TABLE order_history (order_id {id} PRIMARY KEY, status VARCHAR(20), document {document}, \
         digest CHAR(64), migrated_at {moment}, run VARCHAR(255), definition CHAR(64))"
    ));
}

/// The shop's migration into another database.
pub(crate) fn migration(limits: &str) -> String {
    let text = shop::migration(limits);
    let (source, target) = text.split_once("[target]").expect("a target");
    format!("{source}[target]{}", target.replacen("SHOP", "HISTORY", 1))
}

#[test]
fn a_shop_moves_to_another_server_and_plan_verify_and_status_know_it() {
    let mut job = Job::new(Kind::MariaDb);
    job.set("MILKRUN_LEDGER", "sqlite://ledger.db");
    let folder = tempfile::tempdir().expect("a folder");
    let url = servers::fresh_database(Kind::Postgres, folder.path());
    let other = Database::connect(&url);
    create_history(&other);
    job.set("HISTORY_DATABASE_URL", &url);
    shop::load(&job.database, SHOP);
    let expected = history::expected(&job.database, &shop::closed(&job.database));
    job.define(&migration("settle = \"0s\"\nmax_batch = 50"));

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
    history::assert_equal(&expected, history::actual(&other, "order_history", "order_id"));

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
    history::assert_equal(&expected, history::actual(&other, "order_history", "order_id"));
    assert_eq!(found(&job.reply(&["verify", "orders-history"])), [120, 120, 0, 0, 0]);
}
