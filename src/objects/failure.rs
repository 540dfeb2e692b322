//! Whose refusal it was.

use crate::fault::Fault;
use crate::s3::S3Error;

/// Which of the two buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Source,
    Target,
}

impl Side {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Target => "target",
        }
    }
}

/// What a side's refusal means for the migration.
pub(super) fn fault(side: Side, error: &S3Error) -> Fault {
    crate::s3::fault(side.word(), error)
}
