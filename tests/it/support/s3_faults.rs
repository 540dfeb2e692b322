//! An HTTP proxy before S3 that refuses with `SlowDown`, answers a copy with an error inside of a success, loses replies, and delivers writes late
//! and twice, by a seeded plan; which refuses what it is told to refuse; and which counts the copies that the server has made.

use super::fault_plan::FaultPlan;
use super::http_exchange::{Reply, Request, Upstream, proxy};
use super::loopback::Loopback;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum S3Fault {
    /// It is answered with 503 `SlowDown` and never arrives.
    SlowDown,
    /// It is answered with 200 and an error inside, and never arrives: only copies and completions are.
    Inside,
    /// It is done, and the connection is cut instead of a reply.
    LoseReply,
    /// The connection is cut, and only later it arrives.
    Late,
    /// It is done and answered; a copy arrives later.
    Twice,
}

const FAULTS: [S3Fault; 5] = [S3Fault::SlowDown, S3Fault::Inside, S3Fault::LoseReply, S3Fault::Late, S3Fault::Twice];

/// Requests that are refused, by the beginning of their first line and by a part of it, or by a header: with this status and this code.
type Refusal = (&'static str, String, &'static str, &'static str);

/// The proxy; it ends with its owner.
pub struct S3Faults {
    proxy: Loopback,
    shared: Arc<Shared>,
}

struct Shared {
    server: Upstream,
    plan: FaultPlan<S3Fault>,
    copies: AtomicU64,
    refused: Mutex<Vec<Refusal>>,
    /// Requests of which the next one's reply is lost, by the beginning of their first line and by a part of it.
    lost: Mutex<Vec<(&'static str, String)>>,
    /// First lines of requests that give something an ACL, each with the headers that do.
    acls: Mutex<Vec<(String, Vec<String>)>>,
}

impl S3Faults {
    /// One before the endpoint `http://127.0.0.1:PORT`; so many of a hundred requests go wrong.
    pub fn before(endpoint: &str, seed: u64, rate: u64) -> Self {
        let shared = Arc::new(Shared {
            server: Upstream::at(endpoint),
            plan: FaultPlan::new(&FAULTS, seed, rate, 20..400),
            copies: AtomicU64::new(0),
            refused: Mutex::default(),
            lost: Mutex::default(),
            acls: Mutex::default(),
        });
        let replying = Arc::clone(&shared);
        Self { proxy: proxy(move |request| replying.reply(request)), shared }
    }

    /// The endpoint that leads through it.
    pub fn url(&self) -> String {
        self.proxy.url()
    }

    /// From now on nothing goes wrong any more; what is late arrives before this returns.
    pub fn calm(&self) {
        self.shared.plan.calm();
    }

    /// From now on such requests are refused as what is not allowed: their first line begins so, and holds this, or they have this header.
    pub fn forbid(&self, method: &'static str, part: &str) {
        self.refuse(method, part, "403 Forbidden", "AccessDenied");
    }

    /// The same, with a status and a code of one's own.
    pub fn refuse(&self, method: &'static str, part: &str, status: &'static str, code: &'static str) {
        self.refused().push((method, part.to_owned(), status, code));
    }

    /// The reply to the next such request is lost: it is done, and the connection is cut.
    pub fn lose_reply(&self, method: &'static str, part: &str) {
        self.shared.lost.lock().expect("no panic while adding").push((method, part.to_owned()));
    }

    /// Whether each request whose reply was to be lost has come.
    pub fn has_lost_all(&self) -> bool {
        self.shared.lost.lock().expect("no panic while looking").is_empty()
    }

    /// From now on nothing is refused any more.
    pub fn allow_all(&self) {
        self.refused().clear();
    }

    fn refused(&self) -> std::sync::MutexGuard<'_, Vec<Refusal>> {
        self.shared.refused.lock().expect("no panic while adding")
    }

    /// How many faults of each kind there were.
    pub fn injected(&self) -> Vec<(S3Fault, u64)> {
        self.shared.plan.injected()
    }

    /// The requests so far that would give something an ACL: their first line, and the headers that say it, in lower case.
    pub fn acls(&self) -> Vec<(String, Vec<String>)> {
        self.shared.acls.lock().expect("no panic while adding").clone()
    }

    /// How many copies the server has made.
    pub fn copies(&self) -> u64 {
        self.shared.copies.load(Ordering::SeqCst)
    }
}

impl Shared {
    /// What comes of a request. `None`: the connection is cut.
    fn reply(self: &Arc<Self>, request: Request) -> Option<Reply> {
        let line = request.line();
        let gives = |field: &String| field.starts_with("x-amz-acl:") || field.starts_with("x-amz-grant-");
        let acl: Vec<String> = request.fields().map(str::to_ascii_lowercase).filter(gives).collect();
        if !acl.is_empty() {
            self.acls.lock().expect("no panic while adding").push((line.to_owned(), acl));
        }
        let refused = self.refused.lock().expect("no panic while looking").clone();
        let has = |name: &str| request.header(name).is_some();
        let rule =
            refused.iter().find(|(method, part, ..)| line.starts_with(method) && (line.contains(part) || has(part)));
        if let Some((method, _, status, code)) = rule {
            // The answer to HEAD has no body.
            return Some(error(status, if *method == "HEAD " { "" } else { code }));
        }
        if self.is_to_be_lost(line) {
            self.pass(&request);
            return None;
        }
        let (fault, pause) = self.plan.draw(|fault| match fault {
            S3Fault::Inside => is_answered_early(&request),
            // A read that nobody waits for harms nobody.
            S3Fault::Late | S3Fault::Twice => ["PUT ", "POST ", "DELETE "].iter().any(|verb| line.starts_with(verb)),
            S3Fault::SlowDown | S3Fault::LoseReply => true,
        });
        match fault {
            Some(S3Fault::SlowDown) => Some(error("503 Slow Down", "SlowDown")),
            Some(S3Fault::Inside) => Some(error("200 OK", "InternalError")),
            Some(S3Fault::LoseReply) => {
                self.pass(&request);
                None
            }
            Some(S3Fault::Late) => {
                self.later(request, pause);
                None
            }
            other => {
                let reply = self.pass(&request)?;
                if other == Some(S3Fault::Twice) {
                    self.later(request, pause);
                }
                Some(reply)
            }
        }
    }

    fn is_to_be_lost(&self, line: &str) -> bool {
        let mut lost = self.lost.lock().expect("no panic while looking");
        let at = lost.iter().position(|(method, part)| line.starts_with(method) && line.contains(part.as_str()));
        at.map(|at| lost.swap_remove(at)).is_some()
    }

    fn later(self: &Arc<Self>, request: Request, pause: Duration) {
        let shared = Arc::clone(self);
        self.plan.later(pause, move || {
            shared.pass(&request);
        });
    }

    fn pass(&self, request: &Request) -> Option<Reply> {
        let reply = self.server.forward(request)?;
        if reply.is_ok() && request.header("x-amz-copy-source").is_some() {
            self.copies.fetch_add(1, Ordering::SeqCst);
        }
        Some(reply)
    }
}

/// Copies and completions take long, so that S3 begins its answer before it knows what comes of them.
fn is_answered_early(request: &Request) -> bool {
    let line = request.line();
    request.header("x-amz-copy-source").is_some() || line.starts_with("POST ") && line.contains("uploadId=")
}

/// An error as S3 tells it, the last reply of its connection. Without a code there is no body.
pub(super) fn error(status: &str, code: &str) -> Reply {
    let body = if code.is_empty() {
        String::new()
    } else {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>a fault was injected</Message></Error>"
        )
    };
    Reply::new(status, "application/xml", &body, true)
}
