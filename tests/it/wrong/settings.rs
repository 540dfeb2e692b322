//! What is wrong with the ledger and with the other settings.

use super::{RUN, SHOP, fails};
use crate::support::child::free_port;
use crate::support::job::Job;
use crate::support::servers::Kind;

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
