//! S3. Nothing here knows a migration.

use crate::debug::debug_is_display;
use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata;
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

/// What can go wrong with S3. It names buckets and keys, never what objects hold.
#[derive(thiserror::Error)]
pub enum S3Error {
    /// The bucket or the object is not there.
    #[error("{place} does not exist: correct the name, and check the region")]
    Missing {
        /// `s3://bucket/key`.
        place: String,
    },
    /// It may not be read.
    #[error("{place} may not be read: allow `{action}` on it")]
    Denied {
        /// `s3://bucket/key`.
        place: String,
        /// The IAM action that is needed.
        action: &'static str,
        /// What S3 said.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The object is larger than what the caller can take.
    #[error("{place} is larger than {most} bytes")]
    TooLarge {
        /// `s3://bucket/key`.
        place: String,
        /// The most that was asked for.
        most: usize,
    },
    /// S3 did not answer in time.
    #[error("{place} could not be read within {limit:?}: inside a VPC, S3 needs a gateway endpoint")]
    Late {
        /// `s3://bucket/key`.
        place: String,
        /// How long it had.
        limit: Duration,
    },
    /// Anything else: no network, no credentials, a body that broke off.
    #[error("{place} could not be read: check region, credentials and network")]
    Unreachable {
        /// `s3://bucket/key`.
        place: String,
        /// What the SDK said.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
}

debug_is_display!(S3Error);

/// An S3 client.
#[derive(Clone)]
pub struct S3 {
    client: Client,
}

impl fmt::Debug for S3 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("S3").finish_non_exhaustive()
    }
}

impl S3 {
    /// A client for the account and region of `config`. Nothing is called before it is used.
    pub fn new(config: &SdkConfig) -> Self {
        let mut builder = aws_sdk_s3::config::Builder::from(config);
        // An endpoint of one's own seldom answers to `bucket.host`.
        let own = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        if config.endpoint_url().is_some() || own("AWS_ENDPOINT_URL_S3") || own("AWS_ENDPOINT_URL") {
            builder = builder.force_path_style(true);
        }
        Self { client: Client::from_conf(builder.build()) }
    }

    /// The keys directly under `prefix` (up to the next `/`), in the order of their bytes, all pages of them, within `limit`.
    pub async fn list(&self, bucket: &str, prefix: &str, limit: Duration) -> Result<Vec<String>, S3Error> {
        let place = format!("s3://{bucket}/{prefix}");
        let all = async {
            let mut keys = Vec::new();
            let listing = self.client.list_objects_v2().bucket(bucket).prefix(prefix).delimiter("/");
            let mut pages = listing.into_paginator().send();
            while let Some(page) = pages.next().await {
                let page = page.map_err(|error| refusal(&place, "s3:ListBucket", error))?;
                keys.extend(page.contents.unwrap_or_default().into_iter().filter_map(|object| object.key));
            }
            Ok(keys)
        };
        within(&place, limit, all).await
    }

    /// An object's bytes, up to `most` of them; more is an error, found before more than that is held. Within `limit`.
    pub async fn get(&self, bucket: &str, key: &str, most: usize, limit: Duration) -> Result<Vec<u8>, S3Error> {
        let place = format!("s3://{bucket}/{key}");
        let whole = async {
            let call = self.client.get_object().bucket(bucket).key(key).send().await;
            let mut body = call.map_err(|error| refusal(&place, "s3:GetObject", error))?.body;
            let mut bytes = Vec::new();
            while let Some(chunk) = body.next().await {
                let broken = |source| S3Error::Unreachable { place: place.clone(), source: Box::new(source) };
                let chunk = chunk.map_err(broken)?;
                if bytes.len() + chunk.len() > most {
                    return Err(S3Error::TooLarge { place: place.clone(), most });
                }
                bytes.extend_from_slice(&chunk);
            }
            Ok(bytes)
        };
        within(&place, limit, whole).await
    }
}

async fn within<T>(place: &str, limit: Duration, call: impl Future<Output = Result<T, S3Error>>) -> Result<T, S3Error> {
    let late = |_| S3Error::Late { place: place.to_owned(), limit };
    // Boxed: the SDK's futures are too large to be moved about.
    tokio::time::timeout(limit, Box::pin(call)).await.map_err(late)?
}

fn refusal<E>(place: &str, action: &'static str, error: E) -> S3Error
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    let place = place.to_owned();
    match error.code() {
        Some("NoSuchBucket" | "NoSuchKey") => S3Error::Missing { place },
        Some("AccessDenied") => S3Error::Denied { place, action, source: Box::new(error) },
        _ => S3Error::Unreachable { place, source: Box::new(error) },
    }
}
