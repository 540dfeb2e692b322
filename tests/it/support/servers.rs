//! One server of each kind for the whole test process, and in it a place of its own for each test.
//!
//! `MILKRUN_TEST_MYSQL=mysql://root@127.0.0.1:3306` takes a server that is there already, of another make or version, instead of
//! starting one; `MILKRUN_TEST_POSTGRES` likewise. Databases are left behind in it.

use super::database::Database;
use super::mariadb::mariadb;
use super::postgres::postgres;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

/// A kind of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// MariaDB.
    MariaDb,
    /// PostgreSQL.
    Postgres,
    /// SQLite: a file in the test's folder.
    Sqlite,
}

/// The URL of an empty database that no other test knows.
pub fn fresh_database(kind: Kind, folder: &Path) -> String {
    static DATABASES: AtomicU32 = AtomicU32::new(0);
    let name = format!("job_{}_{}", std::process::id(), DATABASES.fetch_add(1, Ordering::Relaxed));
    let maintenance = match kind {
        Kind::MariaDb => "",
        Kind::Postgres => "postgres",
        Kind::Sqlite => {
            let url = format!("sqlite://{}/shop.db", folder.display());
            // milkrun creates no database: the file has to be there.
            drop(Database::connect(&url));
            return url;
        }
    };
    Database::connect(&url(kind, maintenance)).execute(&format!("CREATE DATABASE {name}"));
    url(kind, &name)
}

/// A database of the server that is named in the environment, or else of this process's own.
fn url(kind: Kind, database: &str) -> String {
    let variable = if kind == Kind::Postgres { "MILKRUN_TEST_POSTGRES" } else { "MILKRUN_TEST_MYSQL" };
    match std::env::var(variable) {
        Ok(server) => format!("{server}/{database}"),
        Err(_) if kind == Kind::Postgres => postgres().url(database),
        Err(_) => mariadb().url(database),
    }
}

/// The endpoint of DynamoDB Local, and an empty ledger table in it that no other test knows.
pub fn fresh_ledger() -> (String, String) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let endpoint = super::dynamodb::dynamodb().await;
        let table = endpoint.new_table().await;
        (endpoint.url, table)
    })
}
