//! Telling something to an address that the operator has written down: nothing of it comes of a row, so the guard has no say.

use super::fetch::{cause, retry_after};
use super::{HttpError, roots};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT};
use hyper::{Method, Request, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;
use url::{Host, Url};

/// Bytes of an answer that are read so that its connection serves again.
const ANSWER: usize = 64 << 10;
/// How long they are waited for.
const GOODBYE: Duration = Duration::from_secs(1);

/// Somebody who is told things by POST.
#[derive(Clone)]
pub struct Poster {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    uri: Uri,
    headers: HeaderMap,
}

impl fmt::Debug for Poster {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Its address may be a secret.
        formatter.debug_struct("Poster").finish_non_exhaustive()
    }
}

impl Poster {
    /// A client for `url`, which has to be https unless it leads to this machine. `headers` go along each time. Reads the system's
    /// certificates: not for a thread that others wait for.
    pub fn new(url: &str, mut headers: HeaderMap) -> Result<Self, HttpError> {
        let url = Url::parse(url.trim()).map_err(|_| HttpError::Url("it cannot be read as one"))?;
        match url.scheme() {
            "https" => {}
            "http" if is_here(&url) => {}
            "http" => return Err(HttpError::Url("beyond this machine it has to be https")),
            _ => return Err(HttpError::Url("its scheme is neither http nor https")),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(HttpError::Url("it holds a user or a password: use `headers`"));
        }
        let uri = url.as_str().parse().map_err(|_| HttpError::Url("it holds what no request can"))?;
        headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(concat!("milkrun/", env!("CARGO_PKG_VERSION"))));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(roots::config()?).https_or_http().enable_http1().build();
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(20))
            .build(connector);
        Ok(Self { client, uri, headers })
    }

    /// POSTs JSON, within `limit`. Any answer but 2xx is an error: a redirect too, since a POST that is sent elsewhere may become something
    /// else.
    pub async fn post(&self, key: &str, body: String, limit: Duration) -> Result<(), HttpError> {
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        let key = HeaderValue::from_str(key).map_err(|_| HttpError::Url("its key cannot be sent"))?;
        request.headers_mut().insert("idempotency-key", key);
        let late = |_| HttpError::Late { what: "no answer", limit };
        let answer = tokio::time::timeout(limit, self.client.request(request)).await.map_err(late)?;
        let answer = answer.map_err(|error| cause(&error))?;
        let (status, retry_after) = (answer.status(), retry_after(answer.headers()));
        // What it says is of no interest, only that its connection serves again.
        let rest = Limited::new(answer.into_body(), ANSWER).collect();
        let _ = tokio::time::timeout(limit.min(GOODBYE), rest).await;
        if status.is_success() {
            return Ok(());
        }
        Err(HttpError::Status { status: status.as_u16(), retry_after })
    }
}

fn is_here(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_in_clear_stays_on_this_machine() {
        let new = |url| Poster::new(url, HeaderMap::new()).map(drop).map_err(|error| error.to_string());
        for good in ["https://hooks.example.com/a?b", "http://127.0.0.1:8080/", "http://localhost/x", "http://[::1]:1/"]
        {
            assert_eq!(new(good), Ok(()), "{good}");
        }
        for bad in
            ["http://hooks.example.com/", "ftp://127.0.0.1/", "hooks.example.com", "https://u:p@hooks.example.com/"]
        {
            assert!(new(bad).unwrap_err().starts_with("it is no URL: "), "{bad}");
        }
    }
}
