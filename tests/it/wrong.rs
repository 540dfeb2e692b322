//! What is wrong outside of the migration files: the database, the ledger, the settings, the arguments, the events. Each says
//! what to do, word for word, and none shows a row's value, a password or the login of a URL.

use crate::support::child::free_port;
use crate::support::job::Job;
use crate::support::servers::Kind;
use crate::support::shop::{self, Size};
use serde_json::{Value, json};
use std::io::Write;
use std::net::TcpListener;

const SHOP: Size = Size { orders: 20, closed: 10, items: 1, discounts: 1 };

/// What must not be seen in any output.
const SECRETS: [&str; 3] = ["hunter2", "O'Brien", "4000000"];

/// A call that fails: its exit status, and the whole message, on stderr and with `--json` on stdout alike.
#[track_caller]
fn fails(job: &Job, arguments: &[&str], code: i32, kind: &str, message: &str) {
    let machines = job.call(arguments);
    let people = job.cli().run(arguments);
    for text in [&machines.stdout, &machines.stderr, &people.stdout, &people.stderr] {
        assert!(SECRETS.iter().all(|secret| !text.contains(secret)), "{text}");
    }
    let reply = machines.expect(code).reply();
    assert_eq!(reply, json!({"errorType": kind, "errorMessage": message}), "\n{reply:#}\n");
    let people = people.expect(code);
    assert_eq!(people.stdout, "");
    assert!(people.stderr.ends_with(&format!("error: {message}\n")), "{}", people.stderr);
}

const RUN: &[&str] = &["run", "orders-history", "--time-limit", "500ms"];

#[test]
fn databases_that_take_no_session() {
    for (kind, name) in [(Kind::MariaDb, "MySQL"), (Kind::Postgres, "PostgreSQL")] {
        let mut job = Job::shop(kind, SHOP, "");
        let url = job.database.url().to_owned();
        let (scheme, rest) = url.split_once("://").unwrap();
        let (host, database) = rest.split_once('@').unwrap().1.split_once('/').unwrap();
        let (user, code) = ("pw_wrong", if kind == Kind::MariaDb { "1045" } else { "28P01" });
        job.database.execute(&match kind {
            Kind::MariaDb => format!("CREATE USER {user}@'%' IDENTIFIED BY 'right'"),
            _ => format!("CREATE ROLE {user} LOGIN PASSWORD 'right'"),
        });
        job.set("SHOP_DATABASE_URL", &format!("{scheme}://{user}:hunter2@{host}/{database}"));
        fails(
            &job,
            RUN,
            1,
            "Database",
            &format!(
                "{name} at {host} refused the user `{user}` (error {code}): check the user and the password in the URL or the secret"
            ),
        );

        job.set("SHOP_DATABASE_URL", &url.replace(database, "nowhere"));
        let code = if kind == Kind::MariaDb { "1049" } else { "3D000" };
        fails(
            &job,
            RUN,
            1,
            "Database",
            &format!(
                "{name} at {host} refused the connection (error {code}, there is no database `nowhere`): create it, or correct the name at the end of the URL"
            ),
        );

        let port = free_port();
        job.set("SHOP_DATABASE_URL", &format!("{scheme}://shop:hunter2@127.0.0.1:{port}/shop"));
        fails(
            &job,
            RUN,
            1,
            "Database",
            &format!(
                "{name} at 127.0.0.1:{port} cannot be reached: nothing listens there: check host and port, and that the server runs: Connection refused (os error 111)"
            ),
        );
        // Beyond loopback nothing goes over a line that is not encrypted.
        job.set("SHOP_DATABASE_URL", &url.replace("127.0.0.1", "127.1"));
        let port = host.rsplit_once(':').unwrap().1;
        fails(
            &job,
            RUN,
            1,
            "Database",
            &format!(
                "{name} at 127.1:{port} offers no connection that can be trusted: server does not support TLS; beyond loopback TLS is required: switch it on at the server"
            ),
        );
    }
}

#[test]
fn a_server_that_refuses_the_host() {
    let mut job = Job::shop(Kind::Sqlite, SHOP, "");
    let server = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = server.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut client in server.incoming().flatten() {
            let message = b"Host 'hunter2' is not allowed to connect to this MariaDB server";
            let mut packet = vec![u8::try_from(message.len() + 3).unwrap(), 0, 0, 0, 0xff];
            packet.extend(1130_u16.to_le_bytes());
            packet.extend(message);
            let _ = client.write_all(&packet);
        }
    });
    job.set("SHOP_DATABASE_URL", &format!("mysql://shop:hunter2@127.0.0.1:{port}/shop"));
    fails(
        &job,
        RUN,
        1,
        "Database",
        &format!(
            "MySQL at 127.0.0.1:{port} refused the user `shop` (error 1130): the server does not let this user in from here: check its grants, pg_hba.conf or user@host"
        ),
    );
}

#[test]
fn addresses_that_lead_nowhere() {
    let mut job = Job::shop(Kind::Sqlite, SHOP, "");
    for (url, code, kind, message) in [
        (
            "",
            2,
            "Definition",
            "the environment has no variable `SHOP_DATABASE_URL`: set it to a database URL, as in `mysql://USER:PASSWORD@HOST/DATABASE`",
        ),
        (
            "mysql:/shop:hunter2@host/shop",
            2,
            "Definition",
            "`$SHOP_DATABASE_URL` is not a database URL; write `mysql://USER@HOST/DATABASE`, `postgres://USER@HOST/DATABASE` or `sqlite://PATH`",
        ),
        (
            "oracle://shop:hunter2@host/shop",
            2,
            "Definition",
            "`$SHOP_DATABASE_URL` has an unknown URL scheme `oracle`; `mysql`, `mariadb`, `postgres`, `postgresql` and `sqlite` are known",
        ),
        (
            "mysql://shop:hunter2@host",
            2,
            "Definition",
            "`$SHOP_DATABASE_URL` names no database; end it with `/` and the database's name",
        ),
        (
            "mysql://shop:hun%ter2@host/shop",
            2,
            "Definition",
            "`$SHOP_DATABASE_URL` has a `%` that begins no character; write a `%` as `%25`",
        ),
        (
            "sqlite://gone.db",
            1,
            "Database",
            "the SQLite database `gone.db` does not exist: check the path, which is relative to the working directory unless it begins with sqlite:///",
        ),
        (
            "sqlite://migrations/orders-history.toml",
            1,
            "Database",
            "the SQLite database `migrations/orders-history.toml` is no SQLite database: check the path",
        ),
    ] {
        job.set("SHOP_DATABASE_URL", url);
        fails(&job, RUN, code, kind, message);
    }
}

#[test]
fn tables_that_are_not_there() {
    for kind in [Kind::MariaDb, Kind::Postgres, Kind::Sqlite] {
        let job = Job::shop(kind, SHOP, "");
        job.database.execute("DROP TABLE orders; DROP TABLE item_discounts");
        let schema = match kind {
            Kind::MariaDb => job.database.url().rsplit_once('/').unwrap().1,
            Kind::Postgres => "public",
            Kind::Sqlite => "main",
        };
        let missing = |field: &str, table: &str| {
            format!(
                "orders-history.toml: {field}: there is no table `{table}` in `{schema}`, or the database user may not see it; correct the name (or `schema`), or grant the user SELECT on it"
            )
        };
        let message =
            [missing("source.table", "orders"), missing("source.related[0].related[0].table", "item_discounts")]
                .join("\n");
        fails(&job, RUN, 2, "Definition", &message);
    }
}

#[test]
fn a_schema_that_is_not_there() {
    let mut job = Job::shop(Kind::Postgres, SHOP, "");
    let file =
        shop::migration("").replace("table = \"order_history\"", "schema = \"attic\"\ntable = \"order_history\"");
    assert!(file.contains("attic"));
    job.define(&file);
    let planned = job.call(&["plan", &job.name]).expect(2).reply();
    let problem = json!({
        "field": "target.schema",
        "message": "there is no schema `attic`",
        "hint": "run: CREATE SCHEMA \"attic\", or name one that is there",
    });
    assert_eq!(planned["problems"], json!([problem]));
}

#[test]
fn ledgers() {
    let mut job = Job::shop(Kind::Sqlite, SHOP, "");
    for (ledger, message) in [
        (
            "milkrun.db",
            "the ledger's setting has no `://`: write dynamodb://TABLE or sqlite://PATH (sqlite:///PATH is absolute)",
        ),
        (
            "mysql://shop:hunter2@host/ledger",
            "a ledger cannot be kept in `mysql://`: write dynamodb://TABLE or sqlite://PATH (sqlite:///PATH is absolute)",
        ),
        (
            "dynamodb://",
            "the ledger's table needs a name of 3 to 255 letters, digits, `_`, `-` or `.`: write dynamodb://TABLE or sqlite://PATH (sqlite:///PATH is absolute)",
        ),
        (
            "sqlite://",
            "the ledger's path is empty: write dynamodb://TABLE or sqlite://PATH (sqlite:///PATH is absolute)",
        ),
        (
            "sqlite://nowhere/ledger.db",
            "the ledger sqlite://nowhere/ledger.db cannot be reached: there is no folder nowhere: make it, or set MILKRUN_LEDGER",
        ),
        (
            "sqlite://migrations/orders-history.toml",
            "the ledger sqlite://migrations/orders-history.toml refused open: the file is not a SQLite database: name another one in MILKRUN_LEDGER (file is not a database)",
        ),
        (
            "dynamodb://no-such-table",
            "the ledger dynamodb://no-such-table refused GetItem: ResourceNotFoundException: Cannot do operations on a non-existent table; create the table, or set MILKRUN_LEDGER; the region counts too",
        ),
    ] {
        job.set("MILKRUN_LEDGER", ledger);
        let arguments = if ledger.starts_with("dynamodb") { &["run", "orders-history"] } else { RUN };
        fails(&job, arguments, 1, "Ledger", message);
    }
    let port = free_port();
    job.set("MILKRUN_LEDGER", "dynamodb://ledger");
    job.set("AWS_ENDPOINT_URL_DYNAMODB", &format!("http://127.0.0.1:{port}"));
    for arguments in [&["status"][..], &["run", "orders-history"]] {
        fails(
            &job,
            arguments,
            1,
            "Ledger",
            "the ledger dynamodb://ledger cannot be reached: dispatch failure: io error: client error (Connect): tcp connect error: Connection refused (os error 111); look at the network and AWS_ENDPOINT_URL_DYNAMODB; a function in a VPC needs the gateway endpoint",
        );
    }
    job.set("MILKRUN_LEDGER", "sqlite://ledger.db");
    job.set("MILKRUN_LEASE_MARGIN", "soon");
    fails(&job, RUN, 2, "Usage", "`MILKRUN_LEASE_MARGIN` is `soon`, but has to be a time such as `2s` or `500ms`");
    job.set("MILKRUN_LEASE_MARGIN", "2s");
    job.set("MILKRUN_MIGRATIONS", "nowhere");
    fails(
        &job,
        RUN,
        2,
        "Definition",
        "the folder of migrations `nowhere` cannot be read: correct the setting `MILKRUN_MIGRATIONS` (on the command line also `--migrations`): No such file or directory (os error 2)",
    );
}

#[test]
fn arguments() {
    let job = Job::shop(Kind::Sqlite, SHOP, "");
    let folder = job.folder().join("migrations").display().to_string();
    for (arguments, message) in [
        (
            &["run", "order-history"][..],
            "there is no migration `order-history` in `{folder}`: did you mean `orders-history`?",
        ),
        (
            &["run", "orders-history", "--max-items", "0"],
            "`max_items` is 0, so nothing could move: leave it out, or write at least 1",
        ),
        (&["run", "--shard", "0000"], "`shard` belongs to one migration: name it in `migration`"),
        (
            &["run", "orders-history", "--shard", "0001"],
            "there is no shard `0001`: `orders-history` has 1, up to `0000`; `shards` in `[limits]` says into how many the first pass is cut",
        ),
        (
            &["--ledger", "foo", "status"],
            "`--ledger`: the ledger's setting has no `://`: write dynamodb://TABLE or sqlite://PATH (sqlite:///PATH is absolute)",
        ),
        (
            &["retry", "orders-history", "--class", "conflicts"],
            "there is no class `conflicts` of dead letters: use one of `conflict`, `poison`, `too_large`, `killed`, `gone`, `forbidden`, `blocked`, `wrong_type`, `mismatch`, `unstable`, `timeout`, `server`, `archived`; did you mean `conflict`?",
        ),
        (
            &["retry", "orders-history", "--key", "[\"17\"]"],
            "there is no dead letter with the key [\"17\"]: write it as `failed` shows it, in full where `log_keys` is false",
        ),
        (
            &["retry", "orders-history", "--key", "[17]", "--class", "poison"],
            "`class` and `key` cannot stand together: a key names one dead letter whatever its class",
        ),
        (
            &["rollback", "orders-history"],
            "`rollback` is for migrations of kind `files`, and `orders-history` is of kind `rows`: what it copied is in its target",
        ),
        (&["failed", "orders-history", "--limit", "0"], "`limit` is 0, but has to be between 1 and 1000"),
        (
            &["failed", "orders-history", "--next", "move#0000"],
            "`next` is none that `failed` gave for this migration as it is now: pass on the `next` of the page before, whole, or leave it out to begin anew",
        ),
    ] {
        let kind = if arguments.get(1) == Some(&"order-history") { "Definition" } else { "Usage" };
        fails(&job, arguments, 2, kind, &message.replace("{folder}", &folder));
    }
    // What is no command line at all: the parser's words, and with --json a reply all the same.
    for (arguments, message) in [
        (&["runn"][..], "unrecognized subcommand 'runn'; tip: a similar subcommand exists: 'run'"),
        (
            &["run", "--max-item", "3"],
            "unexpected argument '--max-item' found; tip: a similar argument exists: '--max-items'",
        ),
        (&["run", "--max-items", "many"], "invalid value 'many' for '--max-items <N>': invalid digit found in string"),
        (&["plan"], "the following required arguments were not provided:; <MIGRATION>"),
        (
            &["run", "--time-limit", "soon"],
            "invalid value 'soon' for '--time-limit <TIME>': write a time such as 30s, 500ms or 15m",
        ),
        (
            &["run", "--memory-limit", "0"],
            "invalid value '0' for '--memory-limit <SIZE>': write a size such as 1024MB or 1GB",
        ),
    ] {
        let refused = job.call(arguments).expect(2);
        assert_eq!(refused.reply(), json!({"errorType": "Usage", "errorMessage": message}));
        assert!(refused.stderr.starts_with("error: "), "{refused:?}");
    }
}

#[test]
fn events() {
    let job = Job::shop(Kind::Sqlite, SHOP, "");
    let emulator = job.lambda(10, 256);
    for (event, message) in [
        (
            json!(null),
            r#"the event is null, but has to be an object such as {"command": "run", "migration": "orders-history"}"#,
        ),
        (
            json!("run"),
            r#"the event is a string, but has to be an object such as {"command": "run", "migration": "orders-history"}"#,
        ),
        (
            json!([{"command": "run"}]),
            r#"the event is an array, but has to be an object such as {"command": "run", "migration": "orders-history"}"#,
        ),
        (
            json!({}),
            r#"the event has no `command`: write {"command": "run", "migration": "orders-history"}, with one of `run`, `plan`, `status`, `pause`, `resume`, `failed`, `retry`, `verify`, `rollback`, `reset`"#,
        ),
        (
            json!({"command": 7}),
            "`command` is a number, but has to be one of `run`, `plan`, `status`, `pause`, `resume`, `failed`, `retry`, `verify`, `rollback`, `reset`",
        ),
        (
            json!({"command": "stats"}),
            "there is no command `stats`: use one of `run`, `plan`, `status`, `pause`, `resume`, `failed`, `retry`, `verify`, `rollback`, `reset`; did you mean `status`?",
        ),
        (
            json!({"command": "everything"}),
            "there is no command `everything`: use one of `run`, `plan`, `status`, `pause`, `resume`, `failed`, `retry`, `verify`, `rollback`, `reset`",
        ),
        (
            json!({"command": "run", "migraton": "orders-history"}),
            "run: there is no field `migraton`: it takes `migration`, `max_items`, `shard`; did you mean `migration`?",
        ),
        (
            json!({"command": "run", "migration": ["orders-history"]}),
            "run: `migration`: invalid type: list, expected a string",
        ),
        (
            json!({"command": "run", "max_items": 0}),
            "`max_items` is 0, so nothing could move: leave it out, or write at least 1",
        ),
        (
            json!({"command": "run", "max_items": -1}),
            "run: `max_items`: invalid value: integer `-1`, expected a whole number, not below 0",
        ),
        (
            json!({"command": "run", "max_items": "10"}),
            r#"run: `max_items`: invalid type: string "10", expected a whole number, not below 0"#,
        ),
        (json!({"command": "status", "max_items": 10}), "status: there is no field `max_items`: it takes `migration`"),
        (json!({"command": "plan"}), "plan: missing field `migration`"),
        (
            json!({"command": "resume", "migration": "orders-history", "accept": true}),
            "resume: `accept`: invalid type: boolean `true`, expected a string",
        ),
        (
            json!({"command": "reset", "migration": "orders-history", "confirm": "orders"}),
            r#"`reset` forgets all progress of `orders-history`: repeat its name as `"confirm": "orders-history"`, on the command line `--confirm orders-history`"#,
        ),
        (
            json!({"command": "retry", "migration": "orders-history", "key": "17"}),
            r#"retry: `key`: invalid type: string "17", expected a list"#,
        ),
        (
            json!({"command": "rollback", "migration": "orders-history"}),
            "`rollback` is for migrations of kind `files`, and `orders-history` is of kind `rows`: what it copied is in its target",
        ),
        (
            json!({"command": "verify", "migration": "orders-history", "repair": "yes"}),
            "verify: `repair`: invalid type: string \"yes\", expected a boolean",
        ),
        (
            json!({"command": "failed", "migration": "orders-history", "limit": 5000}),
            "`limit` is 5000, but has to be between 1 and 1000",
        ),
        (
            json!({"detail-type": "Object Created", "source": "aws.s3", "detail": {}}),
            r#"an EventBridge event of the source `aws.s3` (`Object Created`) says nothing to milkrun: send a scheduled event, or {"command": "run", "migration": "orders-history"}"#,
        ),
    ] {
        let answer: Value = serde_json::from_str(&emulator.invoke(&event).body).unwrap();
        assert_eq!(answer["errorType"], "Usage", "{event}: {answer}");
        assert_eq!(answer["errorMessage"], message, "{event}");
    }
    // After all that it still works.
    assert_eq!(emulator.invoke(&job.event()).reply()["moved"], 10);
}

#[test]
fn a_target_that_vanishes_pauses_the_run_until_it_is_back() {
    for (kind, code) in [(Kind::MariaDb, "1146"), (Kind::Postgres, "42P01"), (Kind::Sqlite, "1")] {
        let shop = Size { orders: 3000, closed: 1500, items: 0, discounts: 0 };
        let mut job = Job::shop(kind, shop, "settle = \"0s\"\nmax_batch = 2");
        let mut running = job.cli().spawn(&["--json", "run", &job.name, "--until-done"]);
        let since = std::time::Instant::now();
        while job.status()["progress"]["moved"].as_u64().unwrap() < 3 {
            assert!(running.is_running() && since.elapsed().as_secs() < 20);
        }
        job.database.execute("ALTER TABLE order_history RENAME TO put_away");
        let paused = running.wait().expect(4).reply();
        assert_eq!(
            (&paused["outcome"], &paused["stopped_by"]),
            (&json!("paused"), &json!("error")),
            "{kind:?}: {paused}"
        );
        let reason = paused["reason"].as_str().unwrap();
        assert!(reason.contains(&format!("(error {code}")), "{kind:?}: {reason}");
        assert!(reason.ends_with("; then `resume`"), "{kind:?}: {reason}");
        assert_eq!(job.status()["reason"], reason);
        job.database.execute("ALTER TABLE put_away RENAME TO order_history");
        job.reply(&["resume", &job.name]);
        job.define(&shop::migration("settle = \"0s\""));
        job.run_to_the_end();
        job.assert_complete();
    }
}
