//! Asking for a URL, over as many hops as its server wants, each of them checked like the first.

use super::connect::{Connector, Names, SystemNames};
use super::{Body, Guard, HttpError, roots};
use bytes::Bytes;
use http_body_util::Empty;
use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_RANGE,
    LOCATION, RANGE, RETRY_AFTER, TRANSFER_ENCODING, USER_AGENT,
};
use hyper::{Request, Response, StatusCode, Uri, body::Incoming};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::error::Error as StdError;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// Redirects that are followed, at most.
const HOPS: usize = 5;
/// Bytes that the head of an answer may have.
const HEAD: usize = 64 << 10;
/// Bytes of a tag, at most.
const LONGEST_TAG: usize = 1000;
/// No server has a reason to be waited for any longer.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// How long things may take, and how much may come.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Until there is a connection.
    pub connect: Duration,
    /// From the request to the head of its answer, the connection included.
    pub first_byte: Duration,
    /// Between two pieces of a body; also what the least rate is measured over.
    pub idle: Duration,
    /// Bytes per second, at least.
    pub least_rate: u64,
    /// Bytes of a body, at most.
    pub max_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_byte: Duration::from_secs(20),
            idle: Duration::from_secs(10),
            least_rate: 1024,
            max_bytes: 5 << 30,
        }
    }
}

/// Going on where an earlier answer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resume {
    /// The first byte that is wanted.
    pub from: u64,
    /// The strong tag of what was read before: of anything else the whole is sent.
    pub etag: String,
}

/// An answer whose status says that it is what was asked for.
pub struct Answer {
    /// Its head.
    pub headers: HeaderMap,
    /// The place of the body's first byte: 0, unless a range was asked for and given.
    pub from: u64,
    /// The length of the whole, where the server says it.
    pub length: Option<u64>,
    /// Whether the body says itself where it ends; otherwise it ends with its connection, as one does that broke off.
    pub ends: bool,
    /// A tag that changes with every byte, where there is one.
    pub etag: Option<String>,
    /// Its bytes.
    pub body: Body,
}

/// A client for whatever rows point at.
#[derive(Clone)]
pub struct Fetcher {
    client: Client<HttpsConnector<Connector>, Empty<Bytes>>,
    guard: Arc<Guard>,
    headers: HeaderMap,
    limits: Limits,
}

impl Fetcher {
    /// A client that contacts what `guard` admits. `headers` go along to the host that a row names, over https or where it is one that
    /// may be private, and to no other. Reads the system's
    /// certificates: not for a thread that others wait for.
    pub fn new(guard: Guard, headers: HeaderMap, limits: Limits) -> Result<Self, HttpError> {
        Self::with_names(guard, headers, limits, Arc::new(SystemNames))
    }

    /// The same with a resolver of one's own.
    pub fn with_names(
        guard: Guard,
        headers: HeaderMap,
        limits: Limits,
        names: Arc<dyn Names>,
    ) -> Result<Self, HttpError> {
        let guard = Arc::new(guard);
        let connector = Connector { guard: guard.clone(), names, limit: limits.connect };
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(roots::config()?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(20))
            .http1_max_buf_size(HEAD)
            .build(connector);
        Ok(Self { client, guard, headers, limits })
    }

    /// Asks for a URL, or for what is left of it. An answer that is not 200, or not 206 for a range, is an error.
    pub async fn get(&self, url: &str, resume: Option<&Resume>) -> Result<Answer, HttpError> {
        let first = Url::parse(url).map_err(|_| HttpError::Url("it cannot be read as one"))?;
        let mut url = first.clone();
        for _ in 0..=HOPS {
            self.guard.admit(&url)?;
            let request = self.request(&url, url.origin() == first.origin(), resume)?;
            let late = |_| HttpError::Late { what: "no answer", limit: self.limits.first_byte };
            let answer = tokio::time::timeout(self.limits.first_byte, self.client.request(request)).await;
            let answer = answer.map_err(late)?.map_err(|error| cause(&error))?;
            match answer.status() {
                StatusCode::OK | StatusCode::PARTIAL_CONTENT => return self.accept(answer, resume),
                StatusCode::MOVED_PERMANENTLY
                | StatusCode::FOUND
                | StatusCode::SEE_OTHER
                | StatusCode::TEMPORARY_REDIRECT
                | StatusCode::PERMANENT_REDIRECT => url = next(&url, &answer)?,
                status => {
                    let retry_after = retry_after(answer.headers());
                    return Err(HttpError::Status { status: status.as_u16(), retry_after });
                }
            }
        }
        Err(HttpError::Redirect("the server redirects without end"))
    }

    fn request(&self, url: &Url, at_home: bool, resume: Option<&Resume>) -> Result<Request<Empty<Bytes>>, HttpError> {
        let mut plain = url.clone();
        plain.set_fragment(None);
        let uri: Uri = plain.as_str().parse().map_err(|_| HttpError::Url("it holds what no request can"))?;
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("milkrun/", env!("CARGO_PKG_VERSION"))));
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        // Bytes as they are: what a server compresses on the way has neither its length nor its digest.
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        // In clear they would be anybody's on the way, and whoever writes a row may write `http`.
        if at_home && (url.scheme() == "https" || self.guard.names(url)) {
            headers.extend(self.headers.clone());
        }
        if let Some(resume) = resume {
            let etag = HeaderValue::from_str(&resume.etag).map_err(|_| HttpError::Url("its tag cannot be sent"))?;
            headers.insert(RANGE, format_range(resume.from)?);
            headers.insert(IF_RANGE, etag);
        }
        Ok(request)
    }

    fn accept(&self, answer: Response<Incoming>, resume: Option<&Resume>) -> Result<Answer, HttpError> {
        let status = answer.status();
        let (head, incoming) = answer.into_parts();
        let promised = number(&head.headers, &CONTENT_LENGTH);
        let etag = strong(&head.headers);
        let (from, length) = match (status, resume) {
            (StatusCode::OK, _) => (0, promised),
            (_, Some(resume)) if etag.as_ref() == Some(&resume.etag) => match range(&head.headers) {
                Some((from, length)) if from == resume.from => (from, length),
                _ => return Err(HttpError::Status { status: status.as_u16(), retry_after: None }),
            },
            // A part that nobody asked for, or of something else.
            _ => return Err(HttpError::Status { status: status.as_u16(), retry_after: None }),
        };
        if length.is_some_and(|length| length > self.limits.max_bytes) {
            return Err(HttpError::TooLarge { most: self.limits.max_bytes });
        }
        // Of a part the end of the whole is what counts: a server may send less of it than was asked for.
        let rest = length.map(|length| {
            length.checked_sub(from).ok_or(HttpError::Status { status: status.as_u16(), retry_after: None })
        });
        let promised = rest.transpose()?.or(promised);
        let ends = promised.is_some() || is_chunked(&head.headers);
        let limits = Limits { max_bytes: self.limits.max_bytes.saturating_sub(from), ..self.limits };
        Ok(Answer { from, length, ends, etag, body: Body::new(incoming, limits, promised), headers: head.headers })
    }
}

fn format_range(from: u64) -> Result<HeaderValue, HttpError> {
    HeaderValue::try_from(format!("bytes={from}-")).map_err(|_| HttpError::Url("its range cannot be sent"))
}

/// Where a redirect leads.
fn next(from: &Url, answer: &Response<Incoming>) -> Result<Url, HttpError> {
    let location = answer.headers().get(LOCATION).and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
    let next = location.and_then(|location| from.join(location).ok());
    let next = next.ok_or(HttpError::Redirect("the server redirects to nowhere"))?;
    if from.scheme() == "https" && next.scheme() == "http" {
        return Err(HttpError::Blocked("its server redirects from https to http".to_owned()));
    }
    Ok(next)
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

/// Whether a body comes in chunks, the last of which says that it is.
fn is_chunked(headers: &HeaderMap) -> bool {
    let last = headers.get_all(TRANSFER_ENCODING).iter().next_back().and_then(|value| value.to_str().ok());
    let coding = last.and_then(|codings| codings.rsplit(',').next());
    coding.is_some_and(|coding| coding.trim().eq_ignore_ascii_case("chunked"))
}

/// A tag, unless it is one that stands for more than one sequence of bytes, or longer than anybody's is: it is kept in the ledger, and
/// sent back.
fn strong(headers: &HeaderMap) -> Option<String> {
    let tag = headers.get(ETAG)?.to_str().ok()?;
    let is_usual = (2..=LONGEST_TAG).contains(&tag.len());
    (is_usual && tag.starts_with('"') && tag.ends_with('"')).then(|| tag.to_owned())
}

/// First byte and length of the whole, as `bytes 100-199/200` says them.
fn range(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let (range, length) = headers.get(CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes ")?.split_once('/')?;
    Some((range.split_once('-')?.0.parse().ok()?, length.parse().ok()))
}

/// Seconds or a date; nothing else.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds).min(LONGEST_WAIT));
    }
    let at = time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc2822).ok()?;
    let wait = Duration::try_from(at - time::OffsetDateTime::now_utc()).unwrap_or_default();
    Some(wait.min(LONGEST_WAIT))
}

/// What the connector said, if it was the connector. Of other errors the kind alone: their texts may name the host.
pub(super) fn cause(error: &hyper_util::client::legacy::Error) -> HttpError {
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    let mut kind = io::ErrorKind::Other;
    while let Some(source) = next {
        match source.downcast_ref::<HttpError>() {
            Some(HttpError::Blocked(why)) => return HttpError::Blocked(why.clone()),
            Some(HttpError::Late { what, limit }) => return HttpError::Late { what, limit: *limit },
            Some(HttpError::Name(error)) => return HttpError::Name(error.kind().into()),
            _ => {}
        }
        if let Some(error) = source.downcast_ref::<io::Error>() {
            if error.get_ref().is_some_and(<dyn StdError + Send + Sync>::is::<rustls::Error>) {
                return HttpError::Untrusted;
            }
            kind = error.kind();
        }
        next = source.source();
    }
    let told = Box::new(io::Error::from(kind));
    if error.is_connect() { HttpError::Unreachable(told) } else { HttpError::Malformed(told) }
}
