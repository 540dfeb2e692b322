//! What makes an invocation fail: what should wake somebody up, and nothing else.

use crate::debug::debug_is_display;
use crate::engine::run::EngineError;
use crate::fault::{Fault, Origin, chain};
use crate::ledger::LedgerError;
use crate::rows::RowsError;
use crate::spec::{FileError, LoadError, ResolveError};
use crate::sql::SqlError;
use std::fmt;

/// A failed invocation. Its kind is the `errorType` of the reply; its Display is the whole cause chain and what to do.
pub enum CommandError {
    /// The event or the arguments.
    Usage(String),
    /// A migration file, or the settings that say where the files are.
    Definition(String),
    /// The ledger.
    Ledger(String),
    /// The database, after retries.
    Database(String),
    /// S3 or Secrets Manager.
    Storage(String),
    /// A bug of milkrun.
    Internal(String),
}

debug_is_display!(CommandError);

impl CommandError {
    /// The `errorType`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Usage(_) => "Usage",
            Self::Definition(_) => "Definition",
            Self::Ledger(_) => "Ledger",
            Self::Database(_) => "Database",
            Self::Storage(_) => "Storage",
            Self::Internal(_) => "Internal",
        }
    }

    /// The error that a deployed function answered.
    pub fn of_kind(kind: &str, message: String) -> Self {
        match kind {
            "Usage" => Self::Usage(message),
            "Definition" => Self::Definition(message),
            "Ledger" => Self::Ledger(message),
            "Database" => Self::Database(message),
            "Storage" => Self::Storage(message),
            _ => Self::Internal(message),
        }
    }

    /// The command line's exit status for it.
    pub fn exit(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Definition(_) => 2,
            _ => 1,
        }
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text)
            | Self::Definition(text)
            | Self::Ledger(text)
            | Self::Database(text)
            | Self::Storage(text)
            | Self::Internal(text) => formatter.write_str(text),
        }
    }
}

impl std::error::Error for CommandError {}

impl From<LedgerError> for CommandError {
    fn from(error: LedgerError) -> Self {
        Self::Ledger(chain(&error))
    }
}

impl From<Fault> for CommandError {
    fn from(fault: Fault) -> Self {
        match fault.origin {
            Origin::Database => Self::Database(fault.explained()),
            Origin::Storage => Self::Storage(fault.explained()),
        }
    }
}

impl From<EngineError> for CommandError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Ledger(error) => error.into(),
            EngineError::Fault(fault) => fault.into(),
        }
    }
}

impl From<SqlError> for CommandError {
    fn from(error: SqlError) -> Self {
        Self::Database(chain(&error))
    }
}

impl From<RowsError> for CommandError {
    fn from(error: RowsError) -> Self {
        match &error {
            RowsError::Problems(_) => Self::Definition(chain(&error)),
            // What says nothing of what to do: its class does.
            RowsError::Sql(sql) if sql.refusal().is_some_and(|refusal| refusal.meaning.hint.is_empty()) => {
                Fault::from(error).into()
            }
            _ => Self::Database(chain(&error)),
        }
    }
}

impl From<FileError> for CommandError {
    fn from(error: FileError) -> Self {
        Self::Definition(error.to_string())
    }
}

impl From<LoadError> for CommandError {
    fn from(error: LoadError) -> Self {
        match &error {
            LoadError::Bucket { .. } => Self::Storage(chain(&error)),
            _ => Self::Definition(chain(&error)),
        }
    }
}

impl From<ResolveError> for CommandError {
    fn from(error: ResolveError) -> Self {
        match &error {
            ResolveError::Secret(_) => Self::Storage(chain(&error)),
            _ => Self::Definition(chain(&error)),
        }
    }
}
