//! Whose refusal it was.

use crate::fault::{Class, Fault};
use crate::s3::S3Error;
use std::time::Duration;

/// A call that was given less did not show that its server does not answer.
const FAIR: Duration = Duration::from_millis(500);

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

/// The same of a listing. The end of a run that leaves it no time is no failure of its server's: the next run asks again.
pub(super) fn unlisted(side: Side, error: &S3Error) -> Fault {
    let fault = fault(side, error);
    match error {
        S3Error::Late { limit, .. } if *limit < FAIR => Fault { class: Class::Unfinished, ..fault },
        _ => fault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_that_the_end_of_a_run_cuts_short_fails_nothing() {
        let late = |millis| {
            let limit = Duration::from_millis(millis);
            unlisted(Side::Source, &S3Error::Late { place: "s3://b/".to_owned(), action: "s3:ListBucket", limit }).class
        };
        assert_eq!((late(300), late(500)), (Class::Unfinished, Class::Transient));
    }
}
