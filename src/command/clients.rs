//! What files are fetched with and stored with, besides the database.

use super::Handler;
use super::error::CommandError;
use crate::engine::budget::Budget;
use crate::fault::chain;
use crate::http::{Fetcher, Guard, Limits};
use crate::s3::S3;
use crate::spec::FilesDefinition;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use std::net::SocketAddr;

/// Where the runtime that carries this process listens: nobody's rows lead there.
const RUNTIME: [&str; 2] = ["AWS_LAMBDA_RUNTIME_API", "AWS_XRAY_DAEMON_ADDRESS"];

impl Handler {
    /// The bucket and the guarded client of a definition.
    pub(super) async fn clients(
        &self,
        definition: &FilesDefinition,
        budget: &Budget,
    ) -> Result<(S3, Fetcher), CommandError> {
        let limit = budget.call();
        let (http, target) = (&definition.source.http, &definition.target);
        let wrong = |message: String| CommandError::Definition(format!("{}.toml: {message}", definition.name));
        let guard = Guard::new(&http.allow_hosts, &http.allow_addresses)
            .map_err(|error| wrong(format!("source.http: {error}")))?;
        let guard = guard.never(RUNTIME.iter().filter_map(|name| address(&std::env::var(name).ok()?)));
        let mut headers = HeaderMap::new();
        for (name, reference) in &http.headers {
            let secret = self.databases.header(reference, limit).await?;
            let unsendable = || wrong(format!("source.http.headers.{name}: its value holds what no header can"));
            let value = HeaderValue::from_str(secret.expose().trim()).map(|mut value| {
                value.set_sensitive(true);
                value
            });
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unsendable())?;
            headers.insert(name, value.map_err(|_| unsendable())?);
        }
        // A server that is waited for twice leaves time for others.
        let usual = Limits::default();
        let limits = Limits {
            connect: usual.connect.min(budget.total() / 6),
            first_byte: usual.first_byte.min(budget.total() / 4),
            idle: usual.idle.min(budget.total() / 4),
            max_bytes: http.max_bytes,
            ..usual
        };
        // Certificates are read from the disk.
        let made = tokio::task::spawn_blocking(move || Fetcher::new(guard, headers, limits)).await;
        let fetcher = made
            .map_err(|error| CommandError::Internal(chain(&error)))?
            .map_err(|error| CommandError::Internal(chain(&error)))?;
        let aws = self.aws.config().await;
        let s3 =
            S3::elsewhere(&aws, target.region.as_deref(), target.endpoint.as_deref(), target.role.as_deref()).await;
        Ok((s3, fetcher))
    }
}

/// An address as the runtime writes it.
fn address(text: &str) -> Option<SocketAddr> {
    text.replace("localhost", "127.0.0.1").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runtimes_address_is_understood() {
        assert_eq!(address("127.0.0.1:9001"), Some(SocketAddr::from(([127, 0, 0, 1], 9001))));
        assert_eq!(address("localhost:9001"), Some(SocketAddr::from(([127, 0, 0, 1], 9001))));
        assert_eq!(address("169.254.100.1:9001").map(|it| it.port()), Some(9001));
        assert_eq!(address(""), None);
    }
}
