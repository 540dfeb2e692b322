//! What arrives: counted, bounded, and never waited for without end.

use super::HttpError;
use super::fetch::Limits;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use std::error::Error as _;
use std::io;
use std::time::Duration;
use tokio::time::Instant;

/// The bytes of an answer, as the server sent them: nothing is decompressed.
pub struct Body {
    incoming: Incoming,
    limits: Limits,
    /// What the server has promised.
    promised: Option<u64>,
    /// What has come.
    sent: u64,
    /// How long was waited for how many bytes since the rate was measured last: what a reader does in between is no fault of the
    /// server's.
    waited: (Duration, u64),
}

impl Body {
    pub(super) fn new(incoming: Incoming, limits: Limits, promised: Option<u64>) -> Self {
        Self { incoming, limits, promised, sent: 0, waited: (Duration::ZERO, 0) }
    }

    /// What has come so far, in bytes.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// The next bytes; `None` at the end, which is as far as the server had promised.
    pub async fn next(&mut self) -> Result<Option<Bytes>, HttpError> {
        loop {
            let idle = self.limits.idle;
            let late = |_| HttpError::Late { what: "no more bytes came", limit: idle };
            let since = Instant::now();
            let frame = tokio::time::timeout(idle, self.incoming.frame()).await.map_err(late)?;
            self.waited.0 += since.elapsed();
            let frame = match frame {
                Some(frame) => frame.map_err(|error| self.broken(error))?,
                None => return self.end(),
            };
            // Trailers say nothing that is needed.
            let Ok(bytes) = frame.into_data() else { continue };
            self.sent += bytes.len() as u64;
            self.waited.1 += bytes.len() as u64;
            if self.sent > self.limits.max_bytes {
                return Err(HttpError::TooLarge { most: self.limits.max_bytes });
            }
            self.check_rate()?;
            if !bytes.is_empty() {
                return Ok(Some(bytes));
            }
        }
    }

    fn end(&self) -> Result<Option<Bytes>, HttpError> {
        match self.promised {
            Some(promised) if promised != self.sent => Err(HttpError::Length { promised, sent: self.sent }),
            _ => Ok(None),
        }
    }

    /// A body that ends too soon is told as such, whatever the client makes of it.
    fn broken(&self, error: hyper::Error) -> HttpError {
        let ended = |error: &hyper::Error| {
            let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
            error.is_incomplete_message() || source.is_some_and(|source| source.kind() == io::ErrorKind::UnexpectedEof)
        };
        match self.promised {
            Some(promised) if ended(&error) => HttpError::Length { promised, sent: self.sent },
            _ => HttpError::Malformed(Box::new(error)),
        }
    }

    /// One byte in each idle time would be a file that never ends.
    fn check_rate(&mut self) -> Result<(), HttpError> {
        let ((waited, bytes), window) = (self.waited, self.limits.idle);
        if waited < window {
            return Ok(());
        }
        if bytes < self.limits.least_rate.saturating_mul(window.as_secs().max(1)) {
            return Err(HttpError::Late { what: "too few bytes came", limit: window });
        }
        self.waited = (Duration::ZERO, 0);
        Ok(())
    }
}
