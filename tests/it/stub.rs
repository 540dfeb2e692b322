//! A web server of a few lines on loopback, which plays an AWS service with answers that a test writes down.

use crate::support::file_server::{self, FileServer};
use crate::support::http_exchange::Request;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};

/// The server; it ends with the value.
pub(crate) struct Stub(FileServer);

impl Stub {
    /// Serves `answer`: status and body for each request.
    pub(crate) fn start(answer: impl Fn(&Request) -> (u16, Vec<u8>) + Send + Sync + 'static) -> Self {
        Self(FileServer::start(move |request, stream| {
            let (status, body) = answer(request);
            file_server::answer(stream, &format!("{status} X"), "", &body)
        }))
    }

    /// What was asked so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.0.asked()
    }

    /// A configuration whose every service is this server.
    pub(crate) fn config(&self) -> SdkConfig {
        let credentials = Credentials::new("key", "secret", None, None, "test");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .endpoint_url(self.0.url(""))
            .build()
    }
}
