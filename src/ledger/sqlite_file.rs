//! The file of the SQLite ledger: how it comes to be, and what its errors mean.

use super::LedgerError;
use rusqlite::{Connection, ErrorCode, MAIN_DB, OpenFlags};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Opening waits so long for other processes that are making the very same file.
const PATIENCE: Duration = Duration::from_secs(10);
/// SQLite does not wait by itself when two connections change the journal mode.
const PAUSE: Duration = Duration::from_millis(10);

/// STRICT, so that a column holds what it says; no rowid, so that a record is found in one step.
const TABLE: &str = "CREATE TABLE IF NOT EXISTS ledger (
    migration TEXT NOT NULL,
    item TEXT NOT NULL,
    v INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    owner TEXT,
    stamp TEXT NOT NULL,
    expires INTEGER,
    body TEXT NOT NULL,
    PRIMARY KEY (migration, item)
) WITHOUT ROWID, STRICT";
const OURS: &str = "SELECT count(*) = 9 FROM pragma_table_info('ledger')
    WHERE name IN ('migration', 'item', 'v', 'seq', 'epoch', 'owner', 'stamp', 'expires', 'body')";
const INDEX: &str = "CREATE INDEX IF NOT EXISTS ledger_expires ON ledger (expires) WHERE expires IS NOT NULL";

/// Where the ledger is.
pub(super) struct File {
    path: PathBuf,
}

impl File {
    pub(super) fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    fn name(&self) -> String {
        format!("sqlite://{}", self.path.display())
    }

    pub(super) fn refused(&self, operation: &'static str, message: String) -> LedgerError {
        LedgerError::Refused { ledger: self.name(), operation, message }
    }

    /// Somebody else has it; `waited`: how long it really was.
    pub(super) fn busy(&self, waited: Duration) -> LedgerError {
        let message = format!("another process kept it locked for {:.1} s; try again", waited.as_secs_f64());
        LedgerError::Unreachable { ledger: self.name(), message }
    }

    /// What an error of SQLite's means after so long, and what to do about it.
    pub(super) fn explain(&self, operation: &'static str, waited: Duration, error: &rusqlite::Error) -> LedgerError {
        let hint = match error.sqlite_error_code() {
            _ if contended(error) => return self.busy(waited),
            Some(ErrorCode::NotADatabase) => "the file is not a SQLite database: name another one in MILKRUN_LEDGER",
            Some(ErrorCode::DatabaseCorrupt) => "the file is damaged: restore it from a backup",
            Some(ErrorCode::ReadOnly) => READ_ONLY,
            Some(ErrorCode::CannotOpen) => "the file cannot be opened: look at its permissions and those of its folder",
            Some(ErrorCode::DiskFull) => "the disk is full",
            _ => return self.refused(operation, error.to_string()),
        };
        self.refused(operation, format!("{hint} ({error})"))
    }
}

const READ_ONLY: &str = "the file is read-only: let this user write it, its folder too";

/// A connection to the file, which is made if it is missing. Two processes may do this at once.
pub(super) fn open(file: &File) -> Result<Connection, LedgerError> {
    let folder = file.path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        let message = format!("there is no folder {}: make it, or set MILKRUN_LEDGER", folder.display());
        return Err(LedgerError::Unreachable { ledger: file.name(), message });
    }
    if file.path.is_dir() {
        return Err(file.refused("open", "it is a folder: name a file in it".to_owned()));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let begun = Instant::now();
    let connection = Connection::open_with_flags(&file.path, flags)
        .map_err(|error| file.explain("open", begun.elapsed(), &error))?;
    prepare(file, &connection, PATIENCE)?;
    Ok(connection)
}

fn prepare(file: &File, connection: &Connection, patience: Duration) -> Result<(), LedgerError> {
    let begun = Instant::now();
    let explain = |error: rusqlite::Error| file.explain("open", begun.elapsed(), &error);
    // SQLite quietly opens a file that it must not write.
    if connection.is_readonly(MAIN_DB).map_err(explain)? {
        return Err(file.refused("open", READ_ONLY.to_owned()));
    }
    let end = begun + patience;
    loop {
        match settle(connection, end) {
            Ok(true) => return Ok(()),
            Ok(false) => {
                let message = "its table `ledger` is somebody else's: name another file in MILKRUN_LEDGER";
                return Err(file.refused("open", message.to_owned()));
            }
            Err(error) if contended(&error) && Instant::now() < end => std::thread::sleep(PAUSE),
            Err(error) => return Err(explain(error)),
        }
    }
}

/// Makes what is missing; false if the table is not milkrun's. Nothing is waited for beyond `end`.
fn settle(connection: &Connection, end: Instant) -> rusqlite::Result<bool> {
    let wait_to_the_end = || connection.busy_timeout(end.saturating_duration_since(Instant::now()));
    wait_to_the_end()?;
    connection.execute_batch(TABLE)?;
    if !connection.query_row(OURS, [], |row| row.get::<_, bool>(0))? {
        return Ok(false);
    }
    wait_to_the_end()?;
    connection.execute_batch(INDEX)?;
    wait_to_the_end()?;
    // Write-ahead logging lets readers and a writer pass each other; FULL makes an acknowledged commit outlive a power cut.
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(true)
}

fn contended(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(path: &Path) -> String {
        open(&File::at(path)).unwrap_err().to_string().replace(&path.display().to_string(), "FILE")
    }

    #[test]
    fn a_missing_folder_is_named_and_not_made() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("none");
        let error = open(&File::at(&folder.join("ledger.db"))).unwrap_err().to_string();
        assert!(error.contains(&format!("there is no folder {}: make it", folder.display())), "{error}");
        assert!(!folder.exists());
    }

    #[test]
    fn what_is_no_ledger_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("text.db");
        std::fs::write(&path, "no database, but long enough to be looked at as one".repeat(10)).unwrap();
        assert_eq!(
            refusal(&path),
            "the ledger sqlite://FILE refused open: the file is not a SQLite database: name another one in \
             MILKRUN_LEDGER (file is not a database)"
        );
        assert_eq!(refusal(home.path()), "the ledger sqlite://FILE refused open: it is a folder: name a file in it");

        let path = home.path().join("books.db");
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE ledger (account TEXT, expires TEXT)").unwrap();
        assert_eq!(
            refusal(&path),
            "the ledger sqlite://FILE refused open: its table `ledger` is somebody else's: name another file in \
             MILKRUN_LEDGER"
        );
    }

    #[test]
    fn a_file_that_may_only_be_read_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("ledger.db");
        drop(open(&File::at(&path)).unwrap());
        // Opened for reading, as SQLite itself does when the permissions ask for it: root has every permission.
        let connection = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        let error = prepare(&File::at(&path), &connection, PATIENCE).unwrap_err().to_string();
        assert!(
            error.ends_with("refused open: the file is read-only: let this user write it, its folder too"),
            "{error}"
        );
    }

    #[test]
    fn a_file_that_stays_locked_is_given_up_after_the_time_that_is_named() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("ledger.db");
        let holder = Connection::open(&path).unwrap();
        holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
        let connection = Connection::open(&path).unwrap();
        let begun = Instant::now();
        let error = prepare(&File::at(&path), &connection, Duration::from_millis(200)).unwrap_err().to_string();
        let took = begun.elapsed().as_secs_f64();
        let named = error.split_once("kept it locked for ").and_then(|(_, rest)| rest.strip_suffix(" s; try again"));
        let named: f64 = named.unwrap_or_else(|| panic!("{error}")).parse().unwrap();
        assert!((0.2..took + 0.05).contains(&named), "{took}: {error}");
        holder.execute_batch("ROLLBACK").unwrap();
        prepare(&File::at(&path), &connection, PATIENCE).unwrap();
    }

    #[test]
    fn many_make_the_same_file_at_once() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("ledger.db");
        std::thread::scope(|scope| {
            let opened: Vec<_> = (0..16).map(|_| scope.spawn(|| open(&File::at(&path)))).collect();
            for connection in opened {
                connection.join().unwrap().unwrap();
            }
        });
        let mode: String =
            open(&File::at(&path)).unwrap().query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
        assert_eq!(mode, "wal");
    }
}
