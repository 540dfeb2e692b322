//! A checked migration: what a file means once every field of it has been understood.

use super::files::{FilesSource, FilesTarget};
use super::filter::{Piece, pieces};
use super::objects::{ObjectsSource, ObjectsTarget};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// One migration, of whatever kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Definition {
    /// Rows with their related rows become records.
    Rows(Box<RowsDefinition>),
    /// Files that rows point at move into S3, and the rows follow.
    Files(Box<FilesDefinition>),
    /// A bucket is copied into another one.
    Objects(Box<ObjectsDefinition>),
}

/// A migration of kind `rows`.
pub type RowsDefinition = Defined<Source, Target>;
/// A migration of kind `files`.
pub type FilesDefinition = Defined<FilesSource, FilesTarget>;
/// A migration of kind `objects`.
pub type ObjectsDefinition = Defined<ObjectsSource, ObjectsTarget>;

/// A migration: from where, to where, and what every kind has.
#[derive(Clone, Debug, PartialEq)]
pub struct Defined<S, T> {
    /// The file's stem.
    pub name: String,
    /// When it is finished.
    pub mode: Mode,
    /// From where.
    pub source: S,
    /// To where.
    pub target: T,
    /// How fast and how much.
    pub limits: Limits,
    /// What has to be asked before more is moved.
    pub throttle: Option<Throttle>,
    /// SHA-256 (lower-case hex) of what `[source]`, `[target]` and `kind` mean: a change has to be accepted.
    pub digest: String,
    /// SHA-256 of the part of it that cannot be accepted, only `reset`: kind, databases, tables, keys, buckets.
    pub identity: String,
    /// Of each field that takes part in `digest`, by its place in the file, a short digest: which of them were changed.
    pub fields: BTreeMap<String, String>,
}

/// What all kinds have, of whichever it is.
macro_rules! each {
    ($definition:expr, $it:ident => $what:expr) => {
        match $definition {
            Self::Rows($it) => $what,
            Self::Files($it) => $what,
            Self::Objects($it) => $what,
        }
    };
}

impl Definition {
    /// The file's stem.
    pub fn name(&self) -> &str {
        each!(self, it => &it.name)
    }

    /// When it is finished.
    pub fn mode(&self) -> Mode {
        each!(self, it => it.mode)
    }

    /// How fast and how much.
    pub fn limits(&self) -> &Limits {
        each!(self, it => &it.limits)
    }

    /// What has to be asked before more is moved.
    pub fn throttle(&self) -> Option<&Throttle> {
        each!(self, it => it.throttle.as_ref())
    }

    /// The digest of what it means.
    pub fn digest(&self) -> &str {
        each!(self, it => &it.digest)
    }

    /// The digest of the part of it that cannot be accepted, only `reset`.
    pub fn identity(&self) -> &str {
        each!(self, it => &it.identity)
    }

    /// A short digest of each field that takes part in the digest, by its place in the file.
    pub fn fields(&self) -> &BTreeMap<String, String> {
        each!(self, it => &it.fields)
    }

    /// The table that is walked; `None`: it is a bucket.
    pub fn table(&self) -> Option<&Source> {
        match self {
            Self::Rows(rows) => Some(&rows.source),
            Self::Files(files) => Some(&files.source.table),
            Self::Objects(_) => None,
        }
    }

    /// The migration, if it is one of kind `rows`.
    pub fn into_rows(self) -> Option<RowsDefinition> {
        match self {
            Self::Rows(rows) => Some(*rows),
            Self::Files(_) | Self::Objects(_) => None,
        }
    }

    /// The migration, if it is one of kind `files`.
    pub fn into_files(self) -> Option<FilesDefinition> {
        match self {
            Self::Files(files) => Some(*files),
            Self::Rows(_) | Self::Objects(_) => None,
        }
    }
}

/// What moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Rows with their related rows.
    Rows,
    /// Files that rows point at.
    Files,
    /// Objects of a bucket.
    Objects,
}

/// When a migration is finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// When a sweep finds nothing more.
    Once,
    /// Never: it keeps sweeping on the schedule.
    Continuous,
}

/// `[source]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// The database.
    pub database: DatabaseRef,
    /// `None`: `public`, or the URL's database.
    pub schema: Option<String>,
    /// The table; a dot is part of the name.
    pub table: String,
    /// The key's columns, in order.
    pub key: Vec<String>,
    /// The predicate over the table alone (as `t`), checked: balanced, no comments, no clock, no randomness, no parameters
    /// but `:pass_started`. `None`: every row.
    pub filter: Option<String>,
    /// The column that says when a row changed last. `None`: sweeps look at everything.
    pub changed: Option<Changed>,
    /// Columns that must not travel, also in related tables.
    pub exclude: Vec<String>,
    /// Related tables, in the order in which they stand.
    pub related: Vec<Related>,
}

impl Source {
    /// The column that sweeps go by, if there is one and it tells them all that there is to find: where `where` names
    /// `:pass_started` a row comes to match by time alone.
    pub fn walked_by_changes(&self) -> Option<&Changed> {
        let timed = self.filter.as_ref().is_some_and(|filter| pieces(filter).contains(&Piece::PassStarted));
        self.changed.as_ref().filter(|_| !timed)
    }
}

/// `changed` and `overlap`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The column.
    pub column: String,
    /// So much before the sweep before began, the next one begins to look: for clocks that disagree, and for transactions
    /// that were long.
    pub overlap: Duration,
}

/// `[[source.related]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Related {
    /// The array's name in the document.
    pub name: String,
    /// `None`: as the source.
    pub schema: Option<String>,
    /// The table.
    pub table: String,
    /// The order inside the array.
    pub key: Vec<String>,
    /// Child column = parent column.
    pub on: Vec<(String, String)>,
    /// Columns of this table that must not travel: its own `exclude` and the source's.
    pub exclude: Vec<String>,
    /// What is related to it in turn.
    pub related: Vec<Related>,
    /// Where its rows are copied to, each as a row of its own; `None`: they travel in the document alone.
    pub target: Option<RelatedTarget>,
}

/// `[source.related.target]`: a table of the target's database.
#[derive(Clone, Debug, PartialEq)]
pub struct RelatedTarget {
    /// `None`: as the target.
    pub schema: Option<String>,
    /// The table.
    pub table: String,
    /// A unique index of it, fed by exactly the related table's key, in any order.
    pub key: Vec<String>,
    /// Create the table if it is missing.
    pub create: bool,
    /// Target column and what fills it, in the file's order: never the document or its digest.
    pub columns: Vec<(String, ColumnValue)>,
}

/// `[target]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// The database.
    pub database: DatabaseRef,
    /// `None`: `public`, or the URL's database.
    pub schema: Option<String>,
    /// The table.
    pub table: String,
    /// A unique index of it, fed by exactly the source key, in any order.
    pub key: Vec<String>,
    /// What becomes of the source row.
    pub after: After,
    /// Create the table if it is missing.
    pub create: bool,
    /// Target column and what fills it, in the file's order.
    pub columns: Vec<(String, ColumnValue)>,
}

/// What becomes of a source row that was moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// It stays.
    Keep,
    /// It is deleted with its related rows, once its copy was read back equal.
    Delete,
}

/// `[throttle]`: nothing moves while it says no, or nothing.
#[derive(Clone, Debug, PartialEq)]
pub enum Throttle {
    /// While a replica is further behind.
    Lag {
        /// The replica.
        replica: DatabaseRef,
        /// How far it may be behind.
        most: Duration,
    },
    /// While a query answers a greater number.
    Query {
        /// `None`: the source's.
        database: Option<DatabaseRef>,
        /// One SELECT of one number, checked.
        query: String,
        /// How great it may be.
        most: f64,
    },
}

/// What fills a target column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ColumnValue {
    /// A source column, by name.
    Column(String),
    /// `$document`: the row and its related rows as JSON.
    Document,
    /// `$now`: the batch's time.
    Now,
    /// `$run`: the invocation's id.
    Run,
    /// `$digest`: SHA-256 of the document, whether or not it is written itself.
    Digest,
    /// `$definition`: the definition's digest.
    Definition,
}

/// Where a database is. Equal references mean the same database.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum DatabaseRef {
    /// `"$NAME"`: a URL in the environment.
    Env(String),
    /// `"secret:…"`: a URL, or the JSON that RDS keeps.
    Secret(SecretRef),
    /// A literal URL, without a password, or the long form.
    Url {
        /// Without a password.
        url: String,
        /// Where the password is.
        password: Option<PasswordRef>,
        /// PEM file of a certificate authority to trust besides the system's.
        ca: Option<PathBuf>,
    },
}

/// Where a password is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PasswordRef {
    /// `"$NAME"`.
    Env(String),
    /// `"secret:ARN#field"`.
    Secret(SecretRef),
}

/// `secret:NAME-OR-ARN`, or `secret:NAME-OR-ARN#field` for one field of a JSON secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SecretRef {
    /// Name or ARN.
    pub id: String,
    /// The JSON field, if one is named.
    pub field: Option<String>,
}

/// `[limits]`, all with their defaults filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// What a batch should take.
    pub batch_time: Duration,
    /// Source keys scanned per batch, at most.
    pub max_batch: u64,
    /// Bytes of a document or of a copied row, at most.
    pub max_item: u64,
    /// Shards into which the first pass is cut, at most.
    pub shards: u32,
    /// Of these a run works on so many side by side.
    pub lanes: u32,
    /// Items moved in a second, at most, over all runs and shards; 0: unlimited.
    pub items_per_second: u64,
    /// Bytes moved in a second, likewise.
    pub bytes_per_second: u64,
    /// A batch of one whose holder was killed this many times in a row is set aside.
    pub max_attempts: u32,
    /// Conflicts and failures among a run's items at which the breaker pauses the migration, in hundredths of a percent;
    /// 10,000: never.
    pub stop_when_failed: u32,
    /// Least time between the end of a pass and the sweep that may complete the migration.
    pub settle: Duration,
    /// Sweeps before `once` completes with something left.
    pub max_sweeps: u32,
    /// From the beginning of one sweep of a continuous migration to that of the next, at least.
    pub sweep_every: Duration,
    /// How long an acquisition or a commit holds the shard.
    pub lease: Duration,
    /// Whether keys appear in logs, replies of `failed` and messages; hashed if not.
    pub log_keys: bool,
}

impl Limits {
    /// The numbers of shards have four digits, and where they end stands in one record.
    pub const MOST_SHARDS: u32 = 1000;
    /// Each lane has a connection that reads and one that writes.
    pub const MOST_LANES: u32 = 64;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            batch_time: Duration::from_secs(1),
            max_batch: 10_000,
            max_item: 8 << 20,
            shards: 1,
            lanes: 1,
            items_per_second: 0,
            bytes_per_second: 0,
            max_attempts: 3,
            stop_when_failed: 1000,
            settle: Duration::from_secs(10),
            max_sweeps: 3,
            sweep_every: Duration::from_hours(24),
            lease: Duration::from_secs(30),
            log_keys: true,
        }
    }
}
