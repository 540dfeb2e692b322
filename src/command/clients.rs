//! What files are fetched with and stored with, besides the database.

use super::Handler;
use super::error::CommandError;
use crate::engine::budget::Budget;
use crate::fault::chain;
use crate::files::Outside;
use crate::http::{Fetcher, Guard, Limits, Poster};
use crate::objects::Objects;
use crate::s3::S3;
use crate::secret::Secret;
use crate::spec::{BucketRef, FilesDefinition, ObjectsDefinition, TextRef};
use aws_config::SdkConfig;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use std::net::SocketAddr;
use std::time::Duration;

/// Where the runtime that carries this process listens: nobody's rows lead there.
const RUNTIME: [&str; 2] = ["AWS_LAMBDA_RUNTIME_API", "AWS_XRAY_DAEMON_ADDRESS"];

impl Handler {
    /// The bucket and the guarded client of a definition.
    pub(super) async fn clients(&self, definition: &FilesDefinition, budget: &Budget) -> Result<Outside, CommandError> {
        let limit = budget.call();
        let (http, target) = (&definition.source.http, &definition.target);
        let wrong = |message: String| CommandError::Definition(format!("{}.toml: {message}", definition.name));
        let guard = Guard::new(&http.allow_hosts, &http.allow_addresses)
            .map_err(|error| wrong(format!("source.http: {error}")))?;
        let guard = guard.never(RUNTIME.iter().filter_map(|name| address(&std::env::var(name).ok()?)));
        let unsendable = |place: &str| wrong(format!("{place}: its value holds what no header can"));
        let headers = self.headers(&http.headers, limit).await?;
        let headers = headers.map_err(|name| unsendable(&format!("source.http.headers.{name}")))?;
        let mut hooks = Vec::new();
        for (place, hook) in target.hooks.iter().enumerate() {
            let url = self.databases.text(&hook.url, limit).await?;
            let headers = self.headers(&hook.headers, limit).await?;
            let headers = headers.map_err(|name| unsendable(&format!("after_row[{place}].headers.{name}")))?;
            hooks.push((place, url, headers));
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
        let made = tokio::task::spawn_blocking(move || {
            let fetcher = Fetcher::new(guard, headers, limits);
            let poster = |(place, url, headers): (_, Secret, _)| (place, Poster::new(url.expose(), headers));
            (fetcher, hooks.into_iter().map(poster).collect::<Vec<_>>())
        });
        let (fetcher, posters) = made.await.map_err(|error| CommandError::Internal(chain(&error)))?;
        let fetcher = fetcher.map_err(|error| CommandError::Internal(chain(&error)))?;
        let mut hooks = Vec::new();
        for (place, poster) in posters {
            hooks.push(poster.map_err(|error| wrong(format!("after_row[{place}].webhook: {}", chain(&error))))?);
        }
        let aws = self.aws.config().await;
        let s3 =
            S3::elsewhere(&aws, target.region.as_deref(), target.endpoint.as_deref(), target.role.as_deref()).await;
        Ok(Outside { s3, fetcher, hooks })
    }

    /// Both buckets of a definition, each as its own role sees it.
    pub(super) async fn buckets(&self, definition: &ObjectsDefinition) -> Objects {
        let aws = self.aws.config().await;
        let (source, target) = (&definition.source.place, &definition.target.place);
        Objects::new(definition, there(&aws, source).await, there(&aws, target).await)
    }

    /// What goes along with each request; otherwise the name of the header whose value cannot.
    async fn headers(
        &self,
        written: &[(String, TextRef)],
        limit: Duration,
    ) -> Result<Result<HeaderMap, String>, CommandError> {
        let mut headers = HeaderMap::new();
        for (name, reference) in written {
            let secret = self.databases.text(reference, limit).await?;
            let value = HeaderValue::from_str(secret.expose().trim()).map(|mut value| {
                value.set_sensitive(true);
                value
            });
            let (Ok(known), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), value) else {
                return Ok(Err(name.clone()));
            };
            headers.insert(known, value);
        }
        Ok(Ok(headers))
    }
}

/// A bucket as its role sees it.
async fn there(aws: &SdkConfig, place: &BucketRef) -> S3 {
    S3::elsewhere(aws, place.region.as_deref(), place.endpoint.as_deref(), place.role.as_deref()).await
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
