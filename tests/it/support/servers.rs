//! One server of each kind for the whole test process, and in it a place of its own for each test.

use super::database::Database;
use std::path::Path;

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

static COUNTER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);

/// The URL of an empty database that no other test knows.
pub fn fresh_database(kind: Kind, folder: &Path) -> String {
    // WIRE
    let name = format!("t{}_{}", std::process::id(), COUNTER.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    match kind {
        Kind::MariaDb => {
            Database::connect("mysql://root@127.0.0.1:33917/").execute(&format!("CREATE DATABASE {name}"));
            format!("mysql://root@127.0.0.1:33917/{name}")
        }
        Kind::Postgres => {
            Database::connect("postgres://postgres@127.0.0.1:33918/postgres")
                .execute(&format!("CREATE DATABASE {name}"));
            format!("postgres://postgres@127.0.0.1:33918/{name}")
        }
        Kind::Sqlite => {
            let url = format!("sqlite://{}/shop.db", folder.display());
            drop(Database::connect(&url));
            url
        }
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
