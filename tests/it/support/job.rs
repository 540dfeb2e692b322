//! A migration set up to be run for real: a database of its own with a shop in it, a ledger table of its own, and the
//! environment that `milkrun` and `bootstrap` need to find both.

use super::cli::{Cli, Finished};
use super::database::Database;
use super::history::{self, Source};
use super::rie::{Function, Rie};
use super::servers::{self, Kind};
use super::shop::{self, Size};
use serde_json::Value;
use std::path::Path;
use tempfile::TempDir;

/// The job.
pub struct Job {
    /// The migration's name.
    pub name: String,
    /// The database itself, past any proxy.
    pub database: Database,
    /// Where its history is, if not in the same database.
    pub other: Option<Database>,
    /// What its history has to hold.
    pub source: Option<Source>,
    folder: TempDir,
    environment: Vec<(String, String)>,
}

impl Job {
    /// An empty database of a kind, a ledger in DynamoDB Local, and no migration yet.
    pub fn new(kind: Kind) -> Self {
        Self::over(|folder| servers::fresh_database(kind, folder))
    }

    /// As `new`, over the empty database whose URL this gives; it is told the job's folder.
    pub fn over(database: impl FnOnce(&Path) -> String) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("migrations")).expect("a folder in it");
        let url = database(folder.path());
        let (endpoint, table) = servers::fresh_ledger();
        let migrations = folder.path().join("migrations").display().to_string();
        let environment = [
            ("SHOP_DATABASE_URL", url.as_str()),
            ("MILKRUN_LEDGER", &format!("dynamodb://{table}")),
            ("MILKRUN_MIGRATIONS", &migrations),
            ("AWS_ENDPOINT_URL_DYNAMODB", &endpoint),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        Self { name: String::new(), database: Database::connect(&url), other: None, source: None, folder, environment }
    }

    /// A shop with its migration, and the ledger in a file beside it: for what is the same with every ledger.
    pub fn shop(kind: Kind, size: Size, limits: &str) -> Self {
        let mut job = Self::new(kind).with_shop(size, limits);
        job.set("MILKRUN_LEDGER", "sqlite://ledger.db");
        job
    }

    /// Puts a shop into the database, and its migration into the folder.
    #[must_use]
    pub fn with_shop(mut self, size: Size, limits: &str) -> Self {
        shop::load(&self.database, size);
        self.source = Some(shop::closed(&self.database));
        self.define(&shop::migration(limits));
        self
    }

    /// The same whose history goes to another database, with the ledger in DynamoDB Local.
    pub fn between(source: Kind, target: Kind, size: Size, limits: &str) -> Self {
        let mut job = Self::new(source);
        let folder = job.folder().join("other");
        std::fs::create_dir(&folder).expect("a folder");
        let url = servers::fresh_database(target, &folder);
        job.set("HISTORY_DATABASE_URL", &url);
        job.other = Some(Database::connect(&url));
        shop::load(&job.database, size);
        job.source = Some(shop::closed(&job.database));
        job.define(&shop::migration_to("HISTORY", limits));
        shop::create_history(job.history());
        job
    }

    /// The database that its history is in.
    pub fn history(&self) -> &Database {
        self.other.as_ref().unwrap_or(&self.database)
    }

    /// A call of the command line with `--json`.
    pub fn call(&self, arguments: &[&str]) -> Finished {
        self.cli().run(&[&["--json"], arguments].concat())
    }

    /// Its reply, after the exit status 0.
    #[track_caller]
    pub fn reply(&self, arguments: &[&str]) -> Value {
        self.call(arguments).expect(0).reply()
    }

    /// Takes a migration file away.
    pub fn remove(&self, name: &str) {
        std::fs::remove_file(self.folder.path().join(format!("migrations/{name}.toml"))).expect("it was there");
    }

    /// Writes the migration file, or writes it anew: limits apply from the next run.
    pub fn define(&mut self, definition: &str) {
        let table: toml::Table = definition.parse().expect("a migration file is TOML");
        table["name"].as_str().expect("it has a name").clone_into(&mut self.name);
        let path = self.folder.path().join("migrations").join(format!("{}.toml", self.name));
        std::fs::write(path, definition).expect("a file");
    }

    /// Sets a variable for whatever is started from now on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// A variable as it is set now.
    pub fn variable(&self, name: &str) -> &str {
        let found = self.environment.iter().find(|(known, _)| known == name);
        &found.unwrap_or_else(|| panic!("{name} is not set")).1
    }

    /// Where files of this job may go.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The command line.
    pub fn cli(&self) -> Cli {
        Cli { folder: self.folder.path().to_owned(), environment: self.environment.clone() }
    }

    /// The function under the emulator.
    pub fn lambda(&self, timeout_s: u64, memory_mb: u64) -> Rie {
        let environment = self.environment.clone();
        Rie::start(self.folder.path(), &Function { timeout_s, memory_mb, environment })
    }

    /// The event of a run.
    pub fn event(&self) -> Value {
        serde_json::json!({"command": "run", "migration": self.name})
    }

    /// One run of the command line, with `time` for it.
    pub fn run_once(&self, time: &str) -> Finished {
        self.cli().run(&["--json", "run", &self.name, "--time-limit", time])
    }

    /// Runs until complete, undisturbed; the last reply.
    #[track_caller]
    pub fn run_to_the_end(&self) -> Value {
        let arguments = ["--json", "run", &self.name, "--until-done", "--time-limit", "30s"];
        let reply = self.cli().run(&arguments).expect(0).reply();
        assert_eq!(reply["outcome"], "complete", "{reply}");
        reply
    }

    /// The reply of `status`.
    #[track_caller]
    pub fn status(&self) -> Value {
        self.cli().run(&["--json", "status", &self.name]).expect(0).reply()
    }

    /// Everything is there exactly once and right: by this harness's own comparison, by the counters, and by `verify`.
    #[track_caller]
    pub fn assert_complete(&self) {
        let source = self.source.as_ref().expect("the test says what is right");
        let expected = history::expected(&self.database, source);
        history::assert_equal(&expected, history::actual(self.history(), "order_history", "order_id"));

        let status = self.status();
        assert_eq!(status["state"], "complete", "{status}");
        let progress = ["moved", "skipped", "conflicts", "failed"].map(|name| status["progress"][name].as_u64());
        let items = Some(expected.len() as u64);
        assert_eq!(progress, [items, Some(0), Some(0), Some(0)], "{status}");

        let verified = self.cli().run(&["--json", "verify", &self.name]).expect(0).reply();
        let found = ["checked", "equal", "missing", "different", "extra"].map(|name| verified[name].as_u64());
        assert_eq!(found, [items, items, Some(0), Some(0), Some(0)], "{verified}");
    }

    /// What takes part in a comparison of two histories, byte for byte.
    pub fn fingerprint(&self, source_column: &str) -> Vec<super::database::TextRow> {
        let columns = format!("order_id, {source_column}, document, digest");
        history::fingerprint(self.history(), "order_history", &columns)
    }
}

/// Whether the tests are to run at their full length: `make full`.
pub fn full() -> bool {
    std::env::var_os("MILKRUN_FULL").is_some_and(|value| value == "1")
}
