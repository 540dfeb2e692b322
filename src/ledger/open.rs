//! From the setting to the ledger that it names.

use super::{DynamoDb, Ledger, LedgerError, Sqlite};
use aws_config::SdkConfig;
use std::path::PathBuf;
use std::sync::Arc;

/// What `MILKRUN_LEDGER` may say.
const FORMS: &str = "write dynamodb://TABLE or sqlite://PATH (sqlite:///PATH is absolute)";

/// The ledger that `setting` names: `dynamodb://TABLE`, or `sqlite://PATH` relative to the working directory
/// (`sqlite:///PATH` is absolute).
///
/// A SQLite file is opened, and made if it is missing. A DynamoDB table is first asked for by the first call; `aws` loads
/// its configuration and is not called for SQLite.
pub async fn open<F, C>(setting: &str, aws: F) -> Result<Arc<dyn Ledger>, LedgerError>
where
    F: FnOnce() -> C,
    C: Future<Output = SdkConfig>,
{
    match parse(setting)? {
        Place::Table(table) => Ok(Arc::new(DynamoDb::new(&aws().await, table))),
        Place::File(path) => {
            let opened = tokio::task::spawn_blocking(move || Sqlite::open(&path)).await;
            let ledger = opened.map_err(|source| LedgerError::Stopped { task: "opening the ledger", source })?;
            Ok(Arc::new(ledger?))
        }
    }
}

/// Whether a setting names a ledger, without opening it.
pub fn check(setting: &str) -> Result<(), LedgerError> {
    parse(setting).map(drop)
}

#[derive(Debug, PartialEq)]
enum Place {
    Table(String),
    File(PathBuf),
}

/// Errors show no more of the setting than its scheme: it may be the URL of something else, with its password.
fn parse(setting: &str) -> Result<Place, LedgerError> {
    let refuse = |what: String| Err(LedgerError::Setting(format!("{what}: {FORMS}")));
    match setting.split_once("://") {
        Some(("dynamodb", table)) if is_table(table) => Ok(Place::Table(table.to_owned())),
        Some(("dynamodb", _)) => {
            refuse("the ledger's table needs a name of 3 to 255 letters, digits, `_`, `-` or `.`".to_owned())
        }
        Some(("sqlite", "")) => refuse("the ledger's path is empty".to_owned()),
        Some(("sqlite", ":memory:")) => refuse("a ledger has to outlive its run, so it needs a file".to_owned()),
        Some(("sqlite", path)) if path.contains('?') => refuse("the ledger's path takes no parameters".to_owned()),
        Some(("sqlite", path)) => Ok(Place::File(PathBuf::from(path))),
        Some((scheme, _)) => refuse(format!("a ledger cannot be kept in `{scheme}://`")),
        None if setting.is_empty() => refuse("no ledger is named".to_owned()),
        None => refuse("the ledger's setting has no `://`".to_owned()),
    }
}

/// DynamoDB's own rule for names.
fn is_table(name: &str) -> bool {
    (3..=255).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_names_a_table_or_a_file() {
        assert_eq!(parse("dynamodb://milk-run_2.0").unwrap(), Place::Table("milk-run_2.0".into()));
        assert_eq!(parse("sqlite://milkrun.db").unwrap(), Place::File("milkrun.db".into()));
        assert_eq!(parse("sqlite:///var/milkrun.db").unwrap(), Place::File("/var/milkrun.db".into()));
    }

    #[test]
    fn anything_else_is_told_what_to_write_and_never_repeated() {
        for (setting, message) in [
            ("", "no ledger is named"),
            ("milkrun.db", "the ledger's setting has no `://`"),
            ("mysql://shop:hunter2@host/shop", "a ledger cannot be kept in `mysql://`"),
            ("dynamodb://", "the ledger's table needs a name of 3 to 255 letters, digits, `_`, `-` or `.`"),
            ("dynamodb://a/b", "the ledger's table needs a name of 3 to 255 letters, digits, `_`, `-` or `.`"),
            ("sqlite://", "the ledger's path is empty"),
            ("sqlite://:memory:", "a ledger has to outlive its run, so it needs a file"),
            ("sqlite://a.db?mode=ro", "the ledger's path takes no parameters"),
        ] {
            let error = parse(setting).unwrap_err().to_string();
            assert_eq!(error, format!("{message}: {FORMS}"), "{setting}");
        }
    }
}
