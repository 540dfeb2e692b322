//! S3. Nothing here knows a migration.

mod acl;
mod bucket;
mod checksum;
mod copy;
mod error;
mod fault;
mod list;
mod mark;
mod open;
mod partition;
mod read;
mod rules;
mod session;
mod stream;
mod upload;
mod write;

pub use acl::{Acl, Grant, Grantee, Grants};
pub use bucket::Facts;
pub use checksum::{Checksum, Crc64, is_md5, tag_of_parts};
pub use copy::{Along, Origin};
pub use error::S3Error;
pub use fault::fault;
pub use list::{Bucket, Listed, Listing, decoded};
pub use open::OpenUpload;
pub use read::{Got, Head};
pub use rules::Aging;
pub use stream::{Streamed, streamed};
pub use upload::{Part, Upload};
pub use write::{Object, Over, Stored};

use crate::pace::Pace;
use aws_config::sts::AssumeRoleProvider;
use aws_config::{Region, SdkConfig};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::SharedCredentialsProvider;
use aws_sdk_s3::config::retry::RetryConfig;
use session::{Once, Session};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// Before a call is sent again by another session, at most.
const PAUSE: Duration = Duration::from_millis(50);

/// An S3 client.
#[derive(Clone)]
pub struct S3 {
    client: Client,
    /// How many requests in a second it bears.
    pace: Arc<Pace>,
    /// It has said something, whatever it was.
    answered: Arc<AtomicBool>,
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
        let session = Session::default();
        builder = builder.identity_cache(session.clone()).retry_classifier(session);
        Self { client: Client::from_conf(builder.build()), pace: Arc::default(), answered: Arc::default() }
    }

    /// The same for a bucket that is somewhere else: in another region, on another server, another role's. The role is assumed by the
    /// first call, within that call's limit, and again by whichever call finds its session over.
    pub async fn elsewhere(
        config: &SdkConfig,
        region: Option<&str>,
        endpoint: Option<&str>,
        role: Option<&str>,
    ) -> Self {
        let mut builder = config.to_builder();
        if let Some(region) = region {
            builder = builder.region(Region::new(region.to_owned()));
        }
        if let Some(endpoint) = endpoint {
            builder = builder.endpoint_url(endpoint);
        }
        if let Some(role) = role {
            let assumed = AssumeRoleProvider::builder(role).session_name("milkrun").configure(config).build().await;
            builder = builder.credentials_provider(SharedCredentialsProvider::new(assumed));
        }
        Self::new(&builder.build())
    }
}

impl S3 {
    /// The same, but no call is tried again by the SDK: whoever asks wants to know that a reply was lost. A call whose session is over was
    /// not done, and is sent again by another session.
    #[must_use]
    pub fn asked_once(&self) -> Self {
        let retry = RetryConfig::standard().with_max_attempts(2).with_initial_backoff(PAUSE);
        let config = self.client.config().to_builder().retry_config(retry).retry_classifier(Once);
        Self { client: Client::from_conf(config.build()), ..self.clone() }
    }

    /// How many requests in a second it bears, over all clones of this.
    pub fn pace(&self) -> &Pace {
        &self.pace
    }

    /// Whether anything was ever heard of it: what is silent from the beginning is not merely slow.
    pub fn has_answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }

    /// A call, once it is its turn, within `limit`.
    fn within<T>(
        &self,
        (place, action): (&str, &'static str),
        limit: Duration,
        call: impl Future<Output = Result<T, S3Error>>,
    ) -> impl Future<Output = Result<T, S3Error>> {
        // Boxed: the SDK's futures are too large to be moved about.
        let call = Box::pin(call);
        async move {
            let late = || S3Error::Late { place: place.to_owned(), action, limit };
            let deadline = Instant::now() + limit;
            if !self.pace.turn(deadline).await {
                return Err(late());
            }
            let done = tokio::time::timeout_at(deadline, call).await.unwrap_or_else(|_| Err(late()));
            if !matches!(done, Err(S3Error::Late { .. } | S3Error::Unreachable { .. })) {
                self.answered.store(true, Ordering::Relaxed);
            }
            match &done {
                Ok(_) => self.pace.answered(),
                Err(S3Error::Busy { .. }) => self.pace.refused(None),
                Err(_) => {}
            }
            done
        }
    }
}

/// `s3://bucket/key`.
fn place(bucket: &str, key: &str) -> String {
    format!("s3://{bucket}/{key}")
}
