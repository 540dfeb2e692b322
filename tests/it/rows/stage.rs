//! A database of its own for one test, and a migration over it.

use crate::support::database::{Database, TextRow};
use crate::support::mariadb::mariadb;
use crate::support::postgres::postgres;
use milkrun::cursor::Cursor;
use milkrun::engine::migration::{Comparison, Effort, Migration, Outcome, Range, Repair};
use milkrun::fault::Fault;
use milkrun::rows::{Rows, RowsError};
use milkrun::spec::{RowsDefinition, parse};
use milkrun::sql::ConnectOptions;
use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

/// A kind of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    MariaDb,
    Postgres,
    Sqlite,
}

/// All of them.
pub(super) const KINDS: [Kind; 3] = [Kind::Sqlite, Kind::MariaDb, Kind::Postgres];

/// Long enough for any call here.
pub(super) const LIMIT: Duration = Duration::from_secs(30);

/// An empty database that no other test knows.
pub(super) struct Stage {
    pub(super) kind: Kind,
    pub(super) database: Database,
    pub(super) options: ConnectOptions,
    pub(super) runtime: tokio::runtime::Runtime,
    _folder: tempfile::TempDir,
}

static COUNTER: AtomicU32 = AtomicU32::new(0);

impl Stage {
    pub(super) fn new(kind: Kind) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let name = format!("rows_{}", COUNTER.fetch_add(1, Ordering::Relaxed));
        let url = match kind {
            Kind::MariaDb => {
                Database::connect(&mariadb().url("")).execute(&format!("CREATE DATABASE {name} CHARACTER SET utf8mb4"));
                mariadb().url(&name)
            }
            Kind::Postgres => {
                Database::connect(&postgres().url("postgres")).execute(&format!("CREATE DATABASE {name}"));
                postgres().url(&name)
            }
            Kind::Sqlite => format!("sqlite://{}/shop.db", folder.path().display()),
        };
        let database = Database::connect(&url);
        if kind == Kind::MariaDb {
            database.execute("SET SESSION sql_mode = 'STRICT_ALL_TABLES', time_zone = '+00:00'");
        }
        let options = ConnectOptions::from_url(&url).expect("a URL");
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        Self { kind, database, options, runtime, _folder: folder }
    }

    /// Runs statements; of `{a|b|c}` the part for SQLite, MariaDB or PostgreSQL.
    pub(super) fn execute(&self, sql: &str) {
        self.database.execute(&self.choose(sql));
    }

    pub(super) fn rows(&self, sql: &str) -> Vec<TextRow> {
        self.database.rows(&self.choose(sql))
    }

    pub(super) fn one(&self, sql: &str) -> String {
        self.rows(sql).remove(0).remove(0).expect("a value")
    }

    pub(super) fn choose(&self, sql: &str) -> String {
        let place = KINDS.iter().position(|kind| *kind == self.kind).expect("known");
        let mut chosen = String::new();
        let mut rest = sql;
        while let Some((before, after)) = rest.split_once("{{") {
            let (inside, after) = after.split_once("}}").expect("closed");
            chosen.push_str(before);
            chosen.push_str(inside.split("||").nth(place).expect("a part for each database").trim());
            rest = after;
        }
        chosen + rest
    }

    /// The definition in this TOML, less `name`, `kind` and the databases.
    pub(super) fn definition(&self, source: &str, target: &str) -> RowsDefinition {
        self.limited(source, target, "")
    }

    #[allow(clippy::unused_self, reason = "a test says where its definition is for")]
    pub(super) fn limited(&self, source: &str, target: &str, limits: &str) -> RowsDefinition {
        // Only to be equal: the sessions are given by hand.
        let text = format!(
            "name = \"m\"\nkind = \"rows\"\n[source]\ndatabase = \"$SHOP\"\n{source}\n[target]\ndatabase = \"$SHOP\"\n{target}\n[limits]\n{limits}\n"
        );
        parse("m", &text).unwrap_or_else(|error| panic!("{error}\nin: {text}")).into_rows().expect("rows")
    }

    pub(super) fn open(&self, definition: &RowsDefinition) -> Rows {
        self.try_open(definition).unwrap_or_else(|error| panic!("{error}"))
    }

    pub(super) fn try_open(&self, definition: &RowsDefinition) -> Result<Rows, RowsError> {
        self.run(Rows::open(definition, &self.options, LIMIT))
    }

    pub(super) fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Creates the target, and walks the whole source in batches of `size`.
    pub(super) fn move_all(&self, definition: &RowsDefinition, size: u64) -> Outcome {
        let rows = self.open(definition);
        self.run(async {
            rows.prepare(LIMIT).await.expect("the target");
            walk(&rows, size, &effort()).await.expect("a walk")
        })
    }

    pub(super) fn verify_all(&self, definition: &RowsDefinition, size: u64) -> Comparison {
        self.repair_all(definition, size, None)
    }

    pub(super) fn repair_all(&self, definition: &RowsDefinition, size: u64, repair: Option<&Repair>) -> Comparison {
        let rows = self.open(definition);
        self.run(compare(&rows, size, repair))
    }
}

/// Compares everything, in stretches of `size`.
pub(super) async fn compare(rows: &Rows, size: u64, repair: Option<&Repair>) -> Comparison {
    let mut sum = Comparison::default();
    let Some(range) = range(rows).await else { return sum };
    let mut after: Option<Cursor> = None;
    while let Some(read) = rows.verify(&range, after.as_ref(), size, repair, LIMIT).await.expect("a stretch") {
        sum.checked += read.batch.checked;
        sum.equal += read.batch.equal;
        sum.missing += read.batch.missing;
        sum.different += read.batch.different;
        sum.extra += read.batch.extra;
        sum.repaired += read.batch.repaired;
        sum.examples.extend(read.batch.examples);
        after = Some(read.end);
    }
    sum
}

pub(super) fn effort() -> Effort {
    Effort { limit: LIMIT, recovered: false, fresh: false, run: "run-1".into() }
}

pub(super) async fn range(rows: &Rows) -> Option<Range> {
    let bound = rows.bound(None, LIMIT).await.expect("a bound")?;
    Some(Range { bound, pass_started: SystemTime::now(), since: None, open_end: true, sample: None })
}

/// One pass.
pub(super) async fn walk(rows: &Rows, size: u64, effort: &Effort) -> Result<Outcome, Fault> {
    let mut sum = Outcome::default();
    let Some(range) = range(rows).await else { return Ok(sum) };
    let mut after: Option<Cursor> = None;
    let mut batches = 0;
    while let Some(read) = Box::pin(rows.read(&range, after.as_ref(), size, LIMIT)).await? {
        assert!(read.scanned <= size, "{} keys of {size}", read.scanned);
        let outcome = Box::pin(rows.write(&read.batch, effort)).await?;
        sum.moved += outcome.moved;
        sum.skipped += outcome.skipped;
        sum.bytes += outcome.bytes;
        sum.aside.extend(outcome.aside);
        after = Some(read.end);
        batches += 1;
        assert!(batches < 100_000, "it goes round in circles");
    }
    Ok(sum)
}
