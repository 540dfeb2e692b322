//! An HTTP proxy before a local AWS that ends sessions: some bear so many requests, and are told from then on that they are over, as S3 tells
//! it. It counts them by their access keys. And it lets nobody assume a role, if it is told so.

use super::http_exchange::{Reply, Request, Upstream, proxy};
use super::loopback::Loopback;
use super::s3_faults::error;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// How STS says no.
const DENIED: &str = "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
    <Code>AccessDenied</Code><Message>not authorized to perform sts:AssumeRole</Message></Error></ErrorResponse>";

/// The proxy; it ends with its owner.
pub struct Sessions {
    proxy: Loopback,
    shared: Arc<Shared>,
}

struct Shared {
    server: Upstream,
    /// Sessions that end, of those that come first.
    ending: usize,
    /// Requests that such a one bears.
    most: u64,
    /// Requests of each session, in the order in which they first came.
    begun: Mutex<Vec<(String, u64)>>,
    refused: AtomicU64,
    shut: AtomicBool,
}

impl Sessions {
    /// One before the endpoint `http://127.0.0.1:PORT`; the first so many sessions bear so many requests each.
    pub fn before(endpoint: &str, ending: usize, most: u64) -> Self {
        let shared = Arc::new(Shared {
            server: Upstream::at(endpoint),
            ending,
            most,
            begun: Mutex::default(),
            refused: AtomicU64::new(0),
            shut: AtomicBool::new(false),
        });
        let replying = Arc::clone(&shared);
        Self { proxy: proxy(move |request| replying.reply(&request)), shared }
    }

    /// The endpoint that leads through it.
    pub fn url(&self) -> String {
        self.proxy.url()
    }

    /// From now on nobody may assume a role.
    pub fn shut(&self) {
        self.shared.shut.store(true, Ordering::SeqCst);
    }

    /// How many sessions there were.
    pub fn begun(&self) -> usize {
        self.shared.begun.lock().expect("no panic while counting").len()
    }

    /// How many requests were told that their session is over.
    pub fn refused(&self) -> u64 {
        self.shared.refused.load(Ordering::SeqCst)
    }
}

impl Shared {
    /// What comes of a request. `None`: the connection to the server broke.
    fn reply(&self, request: &Request) -> Option<Reply> {
        let asks = request.body.starts_with(b"Action=AssumeRole");
        if asks && self.shut.load(Ordering::SeqCst) {
            return Some(Reply::new("403 Forbidden", "text/xml", DENIED, true));
        }
        if session(request).is_some_and(|key| self.is_over(key)) {
            self.refused.fetch_add(1, Ordering::SeqCst);
            // The answer to HEAD has no body, and so no code.
            let code = if request.line().starts_with("HEAD ") { "" } else { "ExpiredToken" };
            return Some(error("400 Bad Request", code));
        }
        self.server.forward(request)
    }

    /// Counts a request of a session, and whether that has borne all that it may.
    fn is_over(&self, key: &str) -> bool {
        let mut begun = self.begun.lock().expect("no panic while counting");
        let place = begun.iter().position(|(known, _)| known == key).unwrap_or_else(|| {
            begun.push((key.to_owned(), 0));
            begun.len() - 1
        });
        begun[place].1 += 1;
        place < self.ending && begun[place].1 > self.most
    }
}

/// The access key of a request that is signed by a session.
fn session(request: &Request) -> Option<&str> {
    request.header("x-amz-security-token")?;
    request.header("authorization")?.split_once("Credential=")?.1.split('/').next()
}
