//! What is wrong with the database: its address, its login, what is in it.

use super::{RUN, SHOP, fails};
use crate::support::child::free_port;
use crate::support::job::Job;
use crate::support::loopback::Loopback;
use crate::support::servers::Kind;
use crate::support::shop::{self, Size};
use serde_json::json;
use std::io::Write;

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
    let server = Loopback::serving(|mut client| {
        let message = b"Host 'hunter2' is not allowed to connect to this MariaDB server";
        let mut packet = vec![u8::try_from(message.len() + 3).unwrap(), 0, 0, 0, 0xff];
        packet.extend(1130_u16.to_le_bytes());
        packet.extend(message);
        let _ = client.write_all(&packet);
    });
    let port = server.address.port();
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
            "the environment's variable `SHOP_DATABASE_URL` is set, but empty: set it to a database URL, as in `mysql://USER:PASSWORD@HOST/DATABASE`",
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
