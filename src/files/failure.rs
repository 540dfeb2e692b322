//! Why a file did not arrive, and whose fault it is: its own, then it is set aside with its class; the bucket's, then nothing more
//! is moved; or nobody's, since the time is up.

use super::content::WrongType;
use super::naming::Unnamable;
use crate::fault::{Class, Fault, chain};
use crate::http::HttpError;
use crate::s3::S3Error;
use std::time::Duration;

/// Why a file did not arrive.
#[derive(Debug)]
pub(super) enum Failure {
    /// The file's own fault.
    File {
        /// The class of its dead letter.
        class: &'static str,
        /// Without a value of the row.
        message: String,
        /// The same request may succeed a little later.
        passes: bool,
        /// Its server asks to be left alone, perhaps for so long.
        slows: Option<Slow>,
    },
    /// The bucket's: no file fares better.
    Storage(Fault),
    /// The time is up: the next run goes on.
    Time,
}

/// A server asks for fewer requests.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slow {
    /// How long it wants to be left alone.
    pub(super) alone: Option<Duration>,
}

impl Failure {
    /// A fault of the file that does not pass by itself.
    pub(super) fn file(class: &'static str, message: impl Into<String>) -> Self {
        Self::File { class, message: message.into(), passes: false, slows: None }
    }

    /// What the bucket's refusal means for a file: of its key alone, or of all.
    pub(super) fn of_bucket(error: &S3Error) -> Self {
        match error {
            S3Error::Refused { code, .. } if error.is_no_key() => Self::file(
                "poison",
                format!(
                    "the target's server does not take such a key: {code}: give it another one by the key's template"
                ),
            ),
            error => Self::Storage(fault(error)),
        }
    }

    /// Whether the same request may succeed a little later.
    pub(super) fn passes(&self) -> bool {
        match self {
            Self::File { passes, .. } => *passes,
            Self::Storage(fault) => fault.class == Class::Transient,
            Self::Time => false,
        }
    }
}

impl From<HttpError> for Failure {
    fn from(error: HttpError) -> Self {
        let class = match &error {
            HttpError::Url(_) => "poison",
            HttpError::Blocked(_) => "blocked",
            HttpError::Status { status: 404 | 410, .. } => "gone",
            HttpError::Status { status: 401 | 402 | 403 | 407 | 451, .. } => "forbidden",
            HttpError::TooLarge { .. } => "too_large",
            HttpError::Late { .. } => "timeout",
            HttpError::Status { .. }
            | HttpError::Redirect(_)
            | HttpError::Length { .. }
            | HttpError::Name(_)
            | HttpError::Unreachable(_)
            | HttpError::Untrusted
            | HttpError::Malformed(_)
            | HttpError::Tls(_) => "server",
        };
        let slows = match &error {
            HttpError::Status { retry_after, .. } if error.slows() => Some(Slow { alone: *retry_after }),
            _ => None,
        };
        Self::File { class, passes: error.passes(), slows, message: chain(&error) }
    }
}

impl From<WrongType> for Failure {
    fn from(error: WrongType) -> Self {
        Self::file("wrong_type", error.to_string())
    }
}

impl From<Unnamable> for Failure {
    fn from(error: Unnamable) -> Self {
        Self::file("poison", error.to_string())
    }
}

impl From<S3Error> for Failure {
    fn from(error: S3Error) -> Self {
        Self::of_bucket(&error)
    }
}

/// What the bucket's refusal means for the migration.
pub(super) fn fault(error: &S3Error) -> Fault {
    crate::s3::fault("target", error)
}
