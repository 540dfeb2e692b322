//! What can go wrong with a request. URLs are values of rows: no message shows one, or a part of it.

use crate::debug::debug_is_display;
use std::error::Error as StdError;
use std::time::Duration;

/// What can go wrong with a request.
#[derive(thiserror::Error)]
pub enum HttpError {
    /// It is no URL that could be asked for.
    #[error("it is no URL: {0}")]
    Url(&'static str),
    /// Its host or its address may not be contacted.
    #[error("{0}")]
    Blocked(String),
    /// The server answered with another status than was wanted.
    #[error("the server answered {status}")]
    Status {
        /// The status.
        status: u16,
        /// How long the server asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// More redirects than anybody needs, or one that leads nowhere.
    #[error("{0}")]
    Redirect(&'static str),
    /// It is larger than it may be.
    #[error("it is larger than {most} bytes")]
    TooLarge {
        /// The most that may come.
        most: u64,
    },
    /// What came is shorter or longer than what the server had promised.
    #[error("the server promised {promised} bytes and sent {sent}")]
    Length {
        /// What the server had said.
        promised: u64,
        /// What had come until then.
        sent: u64,
    },
    /// Nothing came for too long, or too little.
    #[error("{what} within {limit:?}")]
    Late {
        /// What did not come.
        what: &'static str,
        /// How long it had.
        limit: Duration,
    },
    /// The name of its host could not be resolved.
    #[error("the name of its host could not be resolved")]
    Name(#[source] std::io::Error),
    /// No connection, or none that is safe.
    #[error("no connection to its host")]
    Unreachable(#[source] Box<dyn StdError + Send + Sync>),
    /// Its server has no certificate that can be trusted, for its name.
    #[error("its server's certificate cannot be trusted")]
    Untrusted,
    /// The answer is none, or broke off.
    #[error("the answer broke off or is malformed")]
    Malformed(#[source] Box<dyn StdError + Send + Sync>),
    /// Certificates cannot be loaded.
    #[error("no connection can be made safe")]
    Tls(#[source] Box<dyn StdError + Send + Sync>),
}

debug_is_display!(HttpError);

impl HttpError {
    /// Whether the same request may succeed a little later.
    pub fn passes(&self) -> bool {
        match self {
            Self::Status { status, .. } => matches!(status, 408 | 420 | 425 | 429 | 500 | 502..=504 | 520..=527),
            Self::Length { .. } | Self::Late { .. } | Self::Name(_) | Self::Unreachable(_) | Self::Malformed(_) => true,
            Self::Url(_)
            | Self::Blocked(_)
            | Self::Redirect(_)
            | Self::TooLarge { .. }
            | Self::Untrusted
            | Self::Tls(_) => false,
        }
    }

    /// Whether the server asks for fewer requests.
    pub fn slows(&self) -> bool {
        matches!(self, Self::Status { status: 420 | 429 | 503, .. })
    }
}
