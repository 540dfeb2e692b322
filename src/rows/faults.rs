//! What can go wrong with rows, and how the engine sees it.

use super::carry::Unfit;
use super::key::KeyError;
use crate::debug::debug_is_display;
use crate::fault::{Class, Fault, Origin, chain};
use crate::spec::Problem;

use crate::sql::SqlError;

/// Why rows cannot be read, moved or compared.
#[derive(thiserror::Error)]
pub enum RowsError {
    /// The definition does not fit the database: all that is wrong, at once.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Problems(Vec<Problem>),
    /// The database.
    #[error(transparent)]
    Sql(#[from] SqlError),
    /// A cursor that does not fit the key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A result that does not look as the statement says.
    #[error("the database answered {0} with a result of another shape: this is a bug of milkrun")]
    Shape(&'static str),
    /// Somebody wrote to the same stretch at the same time.
    #[error("somebody else wrote to the same items meanwhile: the batch was rolled back")]
    Overtaken,
    /// The source, or what the target made of it, changed while an item and its related rows were copied one after another.
    #[error(
        "an item or its related rows changed while they were copied, or a trigger of a target changes them: the batch was \
         rolled back"
    )]
    Moving,
    /// More items than were locked: some began to match meanwhile.
    #[error("items began to match while they were moved: the batch was rolled back")]
    Grown,
    /// The target has committed what the source has not: that is found again, and is milkrun's own.
    #[error("the source did not commit what the target has: {0}")]
    Halfway(#[source] SqlError),
    /// A trigger of the source keeps a row.
    #[error(
        "a trigger of the source, or of a related table, keeps rows from being deleted: look at its triggers, and let them pass \
         what milkrun deletes"
    )]
    Undeleted,
    /// Another table refers to a row that was to be deleted.
    #[error(
        "a row of another table{} still refers to it, so it cannot be deleted: delete or change that row, or leave this one out \
         by `where`", .constraint.as_ref().map(|name| format!(" (foreign key `{name}`)")).unwrap_or_default()
    )]
    Referred {
        /// The foreign key, where the server names it.
        constraint: Option<String>,
    },
    /// A trigger of the target dropped a row, or changed its key.
    #[error(
        "the target takes the row without an error and does not keep it, or keeps it under another key: \
         look at the target's triggers, and let them pass what milkrun inserts"
    )]
    Swallowed,
    /// `verify` was to rewrite what differs, where related rows are copied too.
    #[error(
        "`overwrite` does not reach the tables that related rows are copied to: mend these by hand, or delete the item's \
         targets and `repair`"
    )]
    Overwrite,
    /// A document or a row above `max_item`.
    #[error("a document or row of {bytes} bytes is larger than max_item ({max_item} bytes)")]
    TooLarge {
        /// Whose.
        key: Box<crate::cursor::Cursor>,
        /// Its bytes.
        bytes: u64,
        /// What is allowed.
        max_item: u64,
    },
    /// The source's `where` has no answer for some row: division by zero, a text that is no number.
    #[error(
        "`where` or a value of the source that it reads cannot be computed (error {code}): correct the row, or write \
         `where` so that it has an answer for every row of the table, as with NULLIF or CASE"
    )]
    Condition {
        /// The database's code.
        code: String,
    },
    /// Related rows of one item that are more than a batch may hold, or one that is larger than an item may be.
    #[error(
        "a related row is larger than max_item, or those of one item are more than the {bytes} bytes that a batch may hold: raise \
         `max_item` or the function's memory"
    )]
    Crowded {
        /// Whose.
        key: Box<crate::cursor::Cursor>,
        /// What a batch may hold.
        bytes: u64,
    },
    /// A value that the target's column cannot hold as it is.
    #[error(
        "the value for the column `{column}` of the target {why}: correct the row, or give the column a type that holds it"
    )]
    Unfit {
        /// The target's column.
        column: String,
        /// Why not.
        why: Unfit,
    },
    /// A duplicate key, before it is known of what.
    #[error("a key exists in the target already")]
    Taken {
        /// The index, where the server names it.
        constraint: Option<String>,
        /// How many targets were there before.
        before: usize,
        /// Of these.
        keys: Vec<crate::cursor::Cursor>,
        /// Of related rows: of which copy.
        copy: Option<usize>,
    },
    /// A unique index of the target other than by what is there already.
    #[error(
        "a unique index{} of the target refuses the row, though no target with its key exists: \
         correct the row, or the target's index", .constraint.as_ref().map(|name| format!(" `{name}`")).unwrap_or_default()
    )]
    Duplicate {
        /// The index, where the server names it.
        constraint: Option<String>,
    },
}

debug_is_display!(RowsError);

impl RowsError {
    /// Decides what happens next.
    pub fn class(&self) -> Class {
        match self {
            Self::Problems(_) | Self::Overwrite | Self::Key(_) | Self::Shape(_) | Self::Condition { .. } => {
                Class::Fatal
            }
            Self::Sql(sql) | Self::Halfway(sql) => sql.class(),
            Self::Overtaken | Self::Moving | Self::Grown | Self::Taken { .. } => Class::Transient,
            Self::TooLarge { .. } | Self::Crowded { .. } => Class::TooLarge,
            Self::Swallowed | Self::Undeleted | Self::Referred { .. } | Self::Duplicate { .. } | Self::Unfit { .. } => {
                Class::Poison
            }
        }
    }

    /// What the target's commit was refused with. Keys are asked for when they are inserted: a unique index that waits for the commit is
    /// another one, and would refuse the row again.
    pub(super) fn of_commit(error: SqlError) -> Self {
        if error.is_duplicate() {
            Self::Duplicate { constraint: error.constraint().map(ToOwned::to_owned) }
        } else {
            Self::Sql(error)
        }
    }

    /// The user or the password is wrong: the secret may have been rotated.
    pub fn is_authentication(&self) -> bool {
        matches!(self, Self::Sql(sql) if sql.is_authentication())
    }
}

impl From<RowsError> for Fault {
    fn from(error: RowsError) -> Self {
        let class = error.class();
        let message = chain(&error);
        // The session went away, perhaps with the reply to a commit on its way; or somebody else wrote the same items.
        let uncertain = match &error {
            RowsError::Sql(sql) => sql.is_lost() || sql.is_duplicate(),
            RowsError::Overtaken | RowsError::Halfway(_) => true,
            _ => false,
        };
        let advised = match &error {
            RowsError::Sql(sql) | RowsError::Halfway(sql) => {
                sql.refusal().is_some_and(|refusal| !refusal.meaning.hint.is_empty())
            }
            RowsError::Condition { .. }
            | RowsError::Duplicate { .. }
            | RowsError::Swallowed
            | RowsError::Undeleted
            | RowsError::Referred { .. }
            | RowsError::Unfit { .. } => true,
            _ => false,
        };
        let key = if let RowsError::TooLarge { key, .. } = error { Some(*key) } else { None };
        Self { class, message, uncertain, key, advised, origin: Origin::Database, source: None }
    }
}
