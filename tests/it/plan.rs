//! `plan`: looks at everything and changes nothing, also as a user who may only read.

use crate::support::database::TextRow;
use crate::support::history;
use crate::support::job::Job;
use crate::support::servers::Kind;
use crate::support::shape::assert_shape;
use crate::support::shop::{self, Size};
use serde_json::{Value, json};

const SHOP: Size = Size { orders: 300, closed: 120, items: 3, discounts: 2 };

const PLAN: &str = "v:count migration:text problems:list warnings:list statements:list query_plans:list sample_document:object? \
    estimated_total:count? bound_by:text? runs:count? wall_clock_s:count? cost_usd:number?";

/// The job as a user without any rights but these; a password that must never be seen.
fn as_user(job: &mut Job, user: &str, grant: &str) {
    let url = job.database.url();
    let (head, database) = url.rsplit_once('/').unwrap();
    let (scheme, host) = (head.split_once("://").unwrap().0, head.rsplit_once('@').unwrap().1);
    let login = if job.database.is_mariadb() {
        job.database.execute(&format!("CREATE USER '{user}'@'%' IDENTIFIED BY 'hunter2'; {grant} '{user}'@'%'"));
        format!("{scheme}://{user}:hunter2@{host}/{database}")
    } else {
        job.database.execute(&format!("CREATE ROLE {user} LOGIN PASSWORD 'hunter2'; {grant} {user}"));
        format!("{scheme}://{user}:hunter2@{host}/{database}")
    };
    job.set("SHOP_DATABASE_URL", &login);
}

/// Everything that a plan could have changed.
fn everything(job: &Job) -> Vec<Vec<TextRow>> {
    let catalog = if job.database.is_mariadb() {
        "SELECT table_name, column_name, column_type, column_key FROM information_schema.columns
         WHERE table_schema = DATABASE() ORDER BY table_name, ordinal_position"
    } else if job.database.is_postgres() {
        "SELECT relname::text, relkind::text, reltuples::text FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1"
    } else {
        "SELECT name, sql FROM sqlite_schema ORDER BY name"
    };
    [
        catalog,
        "SELECT * FROM orders ORDER BY id",
        "SELECT * FROM order_items ORDER BY id",
        "SELECT * FROM item_discounts ORDER BY id",
    ]
    .map(|query| job.database.rows(query))
    .into()
}

/// What a plan without obstacles shows; its problems are the caller's.
#[track_caller]
fn assert_seen(job: &Job, plan: &Value) {
    assert_shape(plan, PLAN);
    let purposes: Vec<_> =
        plan["statements"].as_array().unwrap().iter().map(|one| one["purpose"].as_str().unwrap()).collect();
    // PostgreSQL inserts and accounts in one statement.
    let account: &[&str] = if job.database.is_postgres() { &[] } else { &["account"] };
    assert_eq!(purposes, [&["create", "boundary", "compare", "insert"], account].concat(), "{plan}");
    for one in plan["statements"].as_array().unwrap() {
        assert_shape(one, "purpose:text statement:text");
    }
    let explained = plan["query_plans"].as_array().unwrap();
    assert_eq!(explained.len(), 2, "{plan}");
    for one in explained {
        assert_shape(one, "purpose:text statement:text plan:text");
    }
    assert_eq!(plan["estimated_total"], 120, "{plan}");
    assert!(plan["runs"].as_u64().unwrap() >= 1 && plan["bound_by"].is_string(), "{plan}");
    // The sample is one of the documents that will be written.
    let expected = history::expected(&job.database, job.source.as_ref().unwrap());
    let key = plan["sample_document"]["id"].to_string();
    assert!(history::same(&expected[&key], &plan["sample_document"]), "{plan}");
}

#[test]
fn a_user_who_may_only_read_plans_and_learns_what_is_missing() {
    for (kind, grant) in [
        (Kind::MariaDb, "GRANT SELECT ON DATABASE_NAME.* TO"),
        (Kind::Postgres, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO"),
    ] {
        let mut job = Job::shop(kind, SHOP, "");
        let database = job.database.url().rsplit_once('/').unwrap().1.to_owned();
        as_user(&mut job, &format!("reader_{database}"), &grant.replace("DATABASE_NAME", &database));
        let before = everything(&job);
        let finished = job.call(&["plan", &job.name]).expect(2);
        assert_eq!(everything(&job), before, "{kind:?}");
        let plan = finished.reply();
        assert_seen(&job, &plan);
        let schema = if kind == Kind::Postgres { "public" } else { database.as_str() };
        let named = plan["problems"].as_array().unwrap();
        for problem in named {
            assert_shape(problem, "field:text message:text hint:text");
            assert!(problem["hint"].as_str().unwrap().contains("GRANT "), "{problem}");
        }
        let fields: Vec<_> = named.iter().map(|problem| problem["field"].as_str().unwrap()).collect();
        let said = plan["problems"].to_string();
        assert!(fields.contains(&"target.create") && fields.contains(&"target.table"), "{kind:?}: {said}");
        assert!(said.contains("CREATE") && said.contains("INSERT") && said.contains(schema), "{kind:?}: {said}");
        assert!(!finished.stdout.contains("hunter2") && !finished.stderr.contains("hunter2"));
        let people = job.cli().run(&["plan", &job.name]).expect(2);
        assert!(people.stdout.contains("problems:\n") && people.stdout.contains("sample_document:\n"), "{people:?}");
        // And a run as this user says the same, in one message, before it has touched anything.
        let run = job.call(&["run", &job.name]);
        assert_eq!(run.code, Some(1), "{run:?}");
        assert_eq!(everything(&job), before, "{kind:?}");
    }
}

/// The job, with its orders to be deleted.
fn purging(kind: Kind) -> Job {
    let mut job = Job::shop(kind, SHOP, "");
    let delete = "create = true\nafter = \"delete\"";
    job.define(&shop::migration("").replace("create = true", delete));
    if kind == Kind::Postgres {
        job.database.execute(
            "ALTER TABLE order_items ADD FOREIGN KEY (order_id) REFERENCES orders (id);
             ALTER TABLE item_discounts ADD FOREIGN KEY (item_id) REFERENCES order_items (id)",
        );
    }
    job
}

#[test]
fn what_is_deleted_is_shown_and_the_right_to_do_so_is_asked_for() {
    for (kind, grant) in [
        (Kind::MariaDb, "GRANT SELECT, INSERT, CREATE ON DATABASE_NAME.* TO"),
        (Kind::Postgres, "GRANT CREATE ON SCHEMA public TO PUBLIC; GRANT SELECT ON ALL TABLES IN SCHEMA public TO"),
    ] {
        let mut job = purging(kind);
        let plan = job.reply(&["plan", &job.name]);
        let statements = plan["statements"].as_array().unwrap();
        let of = |purpose: &str| {
            let some = statements.iter().filter(|one| one["purpose"] == purpose);
            some.map(|one| one["statement"].as_str().unwrap()).collect::<Vec<_>>()
        };
        // Parents are locked before their children, and deleted after them.
        let tables = ["orders", "order_items", "item_discounts"];
        let (lock, delete) = (of("lock"), of("delete"));
        assert_eq!((lock.len(), delete.len()), (3, 3), "{plan}");
        for (place, table) in tables.iter().enumerate() {
            assert!(lock[place].contains(table) && lock[place].contains("FOR UPDATE"), "{kind:?}: {lock:?}");
            assert!(
                delete[2 - place].starts_with("DELETE") && delete[2 - place].contains(table),
                "{kind:?}: {delete:?}"
            );
        }
        assert!(plan["warnings"].to_string().contains("`card_number` of `orders`"), "{kind:?}: {plan}");
        let database = job.database.url().rsplit_once('/').unwrap().1.to_owned();
        as_user(&mut job, &format!("purger_{database}"), &grant.replace("DATABASE_NAME", &database));
        let before = everything(&job);
        let plan = job.call(&["plan", &job.name]).expect(2).reply();
        assert_eq!(everything(&job), before, "{kind:?}");
        let problems = plan["problems"].as_array().unwrap();
        let fields = |privilege: &str| {
            let some = problems.iter().filter(|one| one["message"].as_str().unwrap().contains(privilege));
            some.map(|one| one["field"].as_str().unwrap()).collect::<Vec<_>>()
        };
        let all = ["source.table", "source.related[0].table", "source.related[0].related[0].table"];
        assert_eq!(fields(" lacks DELETE "), all, "{kind:?}: {plan}");
        let update: &[&str] = if kind == Kind::Postgres { &all } else { &["target.table"] };
        assert_eq!(fields(" lacks UPDATE "), update, "{kind:?}: {plan}");
    }
}

#[test]
fn what_may_not_be_read_is_named() {
    for (kind, grant) in
        [(Kind::MariaDb, "GRANT SELECT ON DATABASE_NAME.orders TO"), (Kind::Postgres, "GRANT SELECT ON orders TO")]
    {
        let mut job = Job::shop(kind, SHOP, "");
        let database = job.database.url().rsplit_once('/').unwrap().1.to_owned();
        as_user(&mut job, &format!("blind_{database}"), &grant.replace("DATABASE_NAME", &database));
        let plan = job.call(&["plan", &job.name]).expect(2).reply();
        assert_shape(&plan, PLAN);
        let said = plan["problems"].to_string();
        for table in ["order_items", "item_discounts"] {
            assert!(said.contains(table), "{kind:?}: {said}");
        }
    }
}

#[test]
fn with_every_right_there_is_no_problem() {
    for kind in [Kind::MariaDb, Kind::Postgres, Kind::Sqlite] {
        let job = Job::shop(kind, SHOP, "settle = \"0s\"");
        let before = everything(&job);
        let plan = job.reply(&["plan", &job.name]);
        assert_eq!(everything(&job), before, "{kind:?}");
        assert_seen(&job, &plan);
        assert_eq!(plan["problems"], json!([]), "{kind:?}");
        assert_eq!(job.status()["state"], "new", "a plan leaves no trace in the ledger");
        // Nor does it disturb a job that is under way; what exists needs no CREATE any more.
        job.reply(&["run", &job.name, "--max-items", "50"]);
        let status = job.status();
        let plan = job.reply(&["plan", &job.name]);
        assert!(plan["statements"][0]["purpose"] != "create", "{plan}");
        assert_eq!(job.status(), status);
        job.run_to_the_end();
        assert_eq!(job.reply(&["plan", &job.name])["problems"], json!([]));
    }
}

#[test]
fn a_sample_is_looked_for_beyond_the_first_keys() {
    for kind in [Kind::MariaDb, Kind::Postgres, Kind::Sqlite] {
        let mut job = Job::shop(kind, Size { orders: 1200, closed: 0, items: 0, discounts: 0 }, "");
        let warning = json!("no row matches `where` so far, so there is no sample document");
        let plan = job.reply(&["plan", &job.name]);
        assert_eq!(plan["sample_document"], Value::Null, "{kind:?}: {plan}");
        assert!(plan["warnings"].as_array().unwrap().contains(&warning), "{kind:?}: {plan}");
        // Keys have gaps: the last of 1200 is far beyond the thousandth.
        let last = job.database.rows("SELECT id FROM orders ORDER BY id DESC LIMIT 2");
        let ids: Vec<&str> = last.iter().map(|row| row[0].as_deref().unwrap()).collect();
        job.database.execute(&format!("UPDATE orders SET status = 'cancelled' WHERE id IN ({})", ids.join(", ")));
        let plan = job.reply(&["plan", &job.name]);
        assert_eq!(plan["sample_document"]["id"].to_string(), ids[1], "{kind:?}: {plan}");
        assert!(!plan["warnings"].as_array().unwrap().contains(&warning), "{kind:?}: {plan}");
        // Without a condition nothing is said to match it.
        job.define(&shop::migration("").replace("where = ", "# where = "));
        job.database.execute("DELETE FROM orders");
        let plan = job.reply(&["plan", &job.name]);
        assert!(!plan["warnings"].as_array().unwrap().contains(&warning), "{kind:?}: {plan}");
    }
}

#[test]
fn a_plan_of_an_empty_table_says_so() {
    for kind in [Kind::MariaDb, Kind::Postgres, Kind::Sqlite] {
        let job = Job::shop(kind, Size { orders: 0, closed: 0, items: 0, discounts: 0 }, "settle = \"0s\"");
        let plan = job.reply(&["plan", &job.name]);
        assert_shape(&plan, PLAN);
        assert_eq!((&plan["sample_document"], &plan["estimated_total"]), (&Value::Null, &json!(0)), "{kind:?}: {plan}");
        let run = job.reply(&["run", &job.name]);
        assert_eq!((&run["outcome"], &run["moved"]), (&json!("complete"), &json!(0)), "{kind:?}: {run}");
    }
}

#[test]
fn everything_that_is_wrong_is_a_problem() {
    let mut job = Job::shop(Kind::Sqlite, SHOP, "");
    // In the file alone: both at once, without a database.
    job.define(
        &shop::migration("").replace("key = [\"order_id\"]", "key = [\"id\"]").replace("create = true", "create = 1"),
    );
    job.set("SHOP_DATABASE_URL", "sqlite:///nowhere/shop.db");
    let plan = job.call(&["plan", &job.name]).expect(2).reply();
    assert_shape(&plan, PLAN);
    let fields: Vec<_> =
        plan["problems"].as_array().unwrap().iter().map(|one| one["field"].as_str().unwrap()).collect();
    assert_eq!(fields, ["target.create", "target.key[0]"], "{plan}");

    for kind in [Kind::MariaDb, Kind::Postgres, Kind::Sqlite] {
        let mut job = Job::shop(kind, SHOP, "");
        job.database.execute(if kind == Kind::MariaDb {
            "DROP INDEX items_of_order ON order_items"
        } else {
            "DROP INDEX items_of_order"
        });
        job.define(
            &shop::migration("")
                .replace("key = [\"id\"]\nwhere", "key = [\"remark\"]\nwhere")
                .replace("order_id = \"id\"\nstatus", "order_id = \"remark\"\nstatus")
                .replace("table = \"item_discounts\"", "table = \"item_discount\"")
                .replace("status = \"status\"", "status = \"state\""),
        );
        let plan = job.call(&["plan", &job.name]).expect(2).reply();
        assert_shape(&plan, PLAN);
        let problems = plan["problems"].as_array().unwrap();
        let told: Vec<_> = problems
            .iter()
            .map(|one| format!("{}: {}", one["field"].as_str().unwrap(), one["message"].as_str().unwrap()))
            .collect();
        let schema = match kind {
            Kind::MariaDb => job.database.url().rsplit_once('/').unwrap().1,
            Kind::Postgres => "public",
            Kind::Sqlite => "main",
        };
        assert_eq!(
            told,
            [
                "source.key: `remark` takes NULL: rows without a key would never be seen".to_owned(),
                "source.key: no unique index of `orders` has exactly the columns `remark`".to_owned(),
                "source.related[0].on: no index of `order_items` begins with `order_id`".to_owned(),
                format!(
                    "source.related[0].related[0].table: there is no table `item_discount` in `{schema}`, or the database user \
                     may not see it"
                ),
                "target.columns.status: the table `orders` has no column `state`".to_owned(),
            ],
            "{kind:?}"
        );
        // The index is to be run as it stands.
        let hint = problems[2]["hint"].as_str().unwrap().strip_prefix("run: ").unwrap();
        job.database.execute(hint);
        let again = job.call(&["plan", &job.name]).expect(2).reply();
        assert_eq!(again["problems"].as_array().unwrap().len(), 4, "{again}");
    }
}

#[test]
fn limits_that_do_nothing_are_named() {
    let mut job = Job::shop(Kind::Sqlite, SHOP, "shards = 2\nlanes = 3\nsweep_every = \"1h\"");
    let warnings = |job: &Job| job.reply(&["plan", &job.name])["warnings"].to_string();
    let said = warnings(&job);
    assert!(said.contains("`limits.lanes` is 3") && said.contains("`limits.sweep_every`"), "{said}");
    // Each of them does something here.
    let limits = "shards = 2\nlanes = 2\nsweep_every = \"1h\"";
    job.define(&shop::migration(limits).replace("kind = \"rows\"", "kind = \"rows\"\nmode = \"continuous\""));
    let said = warnings(&job);
    assert!(!said.contains("`limits."), "{said}");
}
