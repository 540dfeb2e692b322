//! Connections to the very addresses that were checked: a name is resolved once for each of them, by us.

use super::{Guard, HttpError};
use async_trait::async_trait;
use hyper::Uri;
use hyper_util::rt::TokioIo;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tower_service::Service;

/// Whoever knows the addresses of names.
#[async_trait]
pub trait Names: Send + Sync {
    /// The addresses of a name.
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The system's resolver.
#[derive(Clone, Copy, Debug)]
pub struct SystemNames;

#[async_trait]
impl Names for SystemNames {
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// Connects to what the guard admits.
#[derive(Clone)]
pub(super) struct Connector {
    pub(super) guard: Arc<Guard>,
    pub(super) names: Arc<dyn Names>,
    /// What the attempts may take together.
    pub(super) limit: Duration,
}

impl Connector {
    async fn connect(self, uri: Uri) -> Result<TokioIo<TcpStream>, HttpError> {
        let host = uri.host().unwrap_or_default();
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
        let attempts = async {
            let found = match host.trim_start_matches('[').trim_end_matches(']').parse() {
                Ok(address) => vec![address],
                Err(_) => self.names.addresses(host).await.map_err(HttpError::Name)?,
            };
            let mut last = io::Error::new(io::ErrorKind::NotFound, "it has no address");
            for address in self.guard.choose(host, port, &found)? {
                match TcpStream::connect(address).await {
                    Ok(stream) => {
                        // Requests are small and waited for.
                        let _ = stream.set_nodelay(true);
                        return Ok(TokioIo::new(stream));
                    }
                    Err(error) => last = error,
                }
            }
            Err(HttpError::Unreachable(Box::new(last)))
        };
        let late = |_| HttpError::Late { what: "no connection", limit: self.limit };
        tokio::time::timeout(self.limit, attempts).await.map_err(late)?
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, HttpError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), HttpError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}
