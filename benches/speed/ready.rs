//! What has to be so before anything is timed.

use crate::support::database::Database;
use crate::support::job::Job;
use std::time::{Duration, Instant};

/// How long a server may take to read its settings again.
const RELOAD: Duration = Duration::from_secs(10);

/// Nothing was moved yet: milkrun's progress is forgotten and the tables are empty.
pub(crate) fn afresh(job: &Job, tables: &[&str]) {
    job.cli().run(&["--json", "reset", &job.name, "--confirm", &job.name]).expect(0);
    for table in tables {
        if exists(&job.database, table) {
            job.database.execute(&format!("TRUNCATE TABLE {table}"));
        }
    }
    settle(&job.database);
}

fn exists(database: &Database, table: &str) -> bool {
    let schema = if database.is_mariadb() { "DATABASE()" } else { "current_schema()" };
    database.number(&format!(
        "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = {schema} AND table_name = '{table}'"
    )) > 0
}

/// What was written before is out of the way.
pub(crate) fn settle(database: &Database) {
    if database.is_postgres() {
        database.execute("CHECKPOINT");
    }
}

/// A commit is on disk when it returns, also where the tests' servers are set up to be quick.
pub(crate) fn make_durable(database: &Database) {
    if database.is_mariadb() {
        database.execute("SET GLOBAL innodb_flush_log_at_trx_commit = 1");
        // A server that does nothing else is given memory and a log that hold the work: with the small ones that it starts with all
        // sides wait for the disk alone. Where the log cannot be changed while it runs, it stays.
        database.execute("SET GLOBAL innodb_buffer_pool_size = 1073741824");
        database.try_execute("SET GLOBAL innodb_log_file_size = 1073741824");
        // What one would set for such a statement: rows of the source are not locked.
        database.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED");
    } else {
        // A setting of the database beats one of the server's command line, for sessions that begin from now on.
        let name = database.rows("SELECT current_database()")[0][0].clone().unwrap_or_default();
        database.execute(&format!("ALTER DATABASE {name} SET synchronous_commit = on"));
        database.execute("SET synchronous_commit = on");
        database.try_execute("ALTER SYSTEM SET fsync = on");
        database.try_execute("SELECT pg_reload_conf()");
        let until = Instant::now() + RELOAD;
        while database.rows("SHOW fsync")[0][0].as_deref() != Some("on") {
            assert!(Instant::now() < until, "commits would not be durable");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// The server's own name and version.
pub(crate) fn version(database: &Database) -> String {
    let version = database.rows("SELECT VERSION()")[0][0].clone().unwrap_or_default();
    let short = version.split(" on ").next().unwrap_or_default().to_owned();
    if database.is_mariadb() { format!("MariaDB {short}") } else { short }
}
