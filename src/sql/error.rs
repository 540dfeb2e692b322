//! What can go wrong with a database. Servers quote values of rows in their texts, so no text of theirs is ever kept:
//! only codes, names, and what we know about the codes.

use super::class::{self, Meaning};
use crate::debug::debug_is_display;
use crate::fault::Class;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a database did not do what was asked. Its Debug output is its Display output.
#[derive(thiserror::Error)]
pub enum SqlError {
    /// User or password are wrong. The caller may read the secret again, once.
    #[error("{server} refused the user `{user}` (error {code}): {hint}")]
    Authentication {
        /// Which server.
        server: String,
        /// As whom.
        user: String,
        /// The server's error code.
        code: String,
        /// What to do.
        hint: &'static str,
    },
    /// The server cannot be reached.
    #[error("{server} cannot be reached: {message}")]
    Unreachable {
        /// Which server.
        server: String,
        /// Why, and what to do.
        message: String,
        /// The system's error.
        #[source]
        source: Option<io::Error>,
    },
    /// No encrypted connection to a server that we can be sure of.
    #[error("{server} offers no connection that can be trusted: {message}")]
    Tls {
        /// Which server.
        server: String,
        /// Why, and what to do.
        message: String,
    },
    /// The server answers, but takes no session of ours: an unknown database, too many connections.
    #[error("{server} refused the connection (error {code}, {what}): {hint}")]
    Refused {
        /// Which server.
        server: String,
        /// The server's error code.
        code: String,
        /// What the code means.
        what: String,
        /// What to do.
        hint: String,
        /// Whether it may pass by itself.
        class: Class,
    },
    /// The SQLite file cannot be used.
    #[error("the SQLite database `{path}` {message}")]
    File {
        /// As it was given.
        path: PathBuf,
        /// Why, and what to do.
        message: String,
    },
    /// A server that milkrun was not built for.
    #[error("{server} is {found}: milkrun needs {needed}")]
    Unsupported {
        /// Which server.
        server: String,
        /// What it says it is.
        found: String,
        /// What would do.
        needed: &'static str,
    },
    /// The server refused a statement.
    #[error(transparent)]
    Statement(Box<Refusal>),
    /// The server neither answered nor stopped the statement in time. The session is lost.
    #[error("the database did not answer within {} ms", limit.as_millis())]
    Timeout {
        /// How long was waited.
        limit: Duration,
    },
    /// The connection broke. The session is lost.
    #[error("the connection to the database broke: {what}")]
    Lost {
        /// What was seen of it.
        what: &'static str,
        /// The system's error, if there is one.
        #[source]
        source: Option<io::Error>,
    },
    /// The session was lost before, or a call on it was abandoned: open another.
    #[error("the session with the database was lost before: it has to be opened again")]
    Abandoned,
    /// A statement of the open transaction failed, so that it can only be rolled back.
    #[error("the transaction has failed and was not rolled back: this is a bug of milkrun")]
    Spoiled,
    /// A result that milkrun cannot read: a mistake in one of its own statements.
    #[error("column {column} of a result is {found}, not text: this is a bug of milkrun")]
    Unreadable {
        /// Counted from 1.
        column: usize,
        /// The type of it.
        found: String,
    },
    /// A value that a statement cannot carry.
    #[error("a value of a statement cannot be sent: {0}")]
    Unsendable(&'static str),
}

debug_is_display!(SqlError);

/// What a server said about a statement, less its text.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
pub struct Refusal {
    /// The error number, SQLSTATE or extended result code.
    pub code: String,
    /// What the code means.
    pub meaning: Meaning,
    /// The table concerned, where the server names it apart from values.
    pub table: Option<String>,
    /// The column concerned, likewise.
    pub column: Option<String>,
    /// The constraint or index concerned, likewise.
    pub constraint: Option<String>,
}

debug_is_display!(Refusal);

impl Refusal {
    /// A refusal of which nothing but the code is known.
    pub fn new(code: impl Into<String>, meaning: Meaning) -> Self {
        Self { code: code.into(), meaning, table: None, column: None, constraint: None }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the database refused a statement: {} (error {}", self.meaning.what, self.code)?;
        for (word, name) in [("table", &self.table), ("column", &self.column), ("constraint", &self.constraint)] {
            if let Some(name) = name {
                write!(formatter, ", {word} `{name}`")?;
            }
        }
        formatter.write_str(")")?;
        if !self.meaning.hint.is_empty() {
            write!(formatter, ": {}", self.meaning.hint)?;
        }
        Ok(())
    }
}

impl SqlError {
    /// Decides what happens next.
    pub fn class(&self) -> Class {
        match self {
            Self::Authentication { .. }
            | Self::Tls { .. }
            | Self::File { .. }
            | Self::Unsupported { .. }
            | Self::Spoiled
            | Self::Unreadable { .. }
            | Self::Unsendable(_) => Class::Fatal,
            Self::Unreachable { .. } | Self::Lost { .. } | Self::Abandoned => Class::Transient,
            Self::Timeout { .. } => Class::Capacity,
            Self::Refused { class, .. } => *class,
            Self::Statement(refusal) => refusal.meaning.class,
        }
    }

    /// The server's code: an error number, a SQLSTATE or SQLite's extended result code.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Authentication { code, .. } | Self::Refused { code, .. } => Some(code),
            Self::Statement(refusal) => Some(&refusal.code),
            _ => None,
        }
    }

    /// The constraint or index concerned, where the server names it apart from values.
    pub fn constraint(&self) -> Option<&str> {
        self.refusal().and_then(|refusal| refusal.constraint.as_deref())
    }

    /// The column concerned, where the server names it apart from values.
    pub fn column(&self) -> Option<&str> {
        self.refusal().and_then(|refusal| refusal.column.as_deref())
    }

    /// What the server said about a statement.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Statement(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// The user or the password is wrong: the secret may have been rotated, so it is worth reading again once.
    pub fn is_authentication(&self) -> bool {
        matches!(self, Self::Authentication { .. })
    }

    /// The session cannot be used any more.
    pub fn is_lost(&self) -> bool {
        matches!(self, Self::Timeout { .. } | Self::Lost { .. } | Self::Abandoned)
    }

    /// A key that already exists.
    pub fn is_duplicate(&self) -> bool {
        self.refusal().is_some_and(|refusal| {
            matches!(refusal.code.as_str(), "1062" | "1022" | "1169" | "1586" | "23505" | "1555" | "2067" | "2579")
        })
    }

    /// A text holds a character that a type does not take: `\u0000`, which PostgreSQL's jsonb has not.
    pub fn is_untranslatable(&self) -> bool {
        self.refusal().is_some_and(|refusal| refusal.code == "22P05")
    }

    /// Somebody else made the same thing at the same moment: PostgreSQL says so of the table, of its type, or of the key of its
    /// catalog, whichever it comes upon first.
    pub fn is_made_already(&self) -> bool {
        matches!(self.code(), Some("42P07" | "42710"))
    }

    /// The server takes no writes: it was the writer, or never is.
    pub fn is_read_only(&self) -> bool {
        let codes = ["1290", "1836", "1792", "3100", "3101", "1047", "25006"];
        self.refusal().is_some_and(|refusal| codes.contains(&refusal.code.as_str()))
    }

    /// The database user may not do this with a table or column.
    pub fn is_forbidden(&self) -> bool {
        self.refusal().is_some_and(|refusal| matches!(refusal.code.as_str(), "1142" | "1143" | "42501"))
    }

    /// The statement is no SQL of this database.
    pub fn is_syntax(&self) -> bool {
        self.refusal().is_some_and(|refusal| matches!(refusal.code.as_str(), "1064" | "1149" | "42601"))
    }

    /// The error that a warning of MySQL or MariaDB is, where no warning may be.
    pub fn of_warning(dialect: super::Dialect, code: u32) -> Self {
        Self::Statement(Box::new(Refusal::new(code.to_string(), class::warning(dialect, code))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_is_display_and_names_what_is_known() {
        let mut refusal = Refusal::new("1406", class::mysql(1406, Some("22001")));
        refusal.column = Some("note".into());
        let error = SqlError::Statement(Box::new(refusal));
        assert_eq!(
            error.to_string(),
            "the database refused a statement: the target does not take a value (error 1406, column `note`): \
             correct the row, or give the target column a type that holds it"
        );
        assert_eq!(format!("{error:?}"), error.to_string());
        assert_eq!((error.class(), error.code(), error.column()), (Class::Poison, Some("1406"), Some("note")));
    }
}
