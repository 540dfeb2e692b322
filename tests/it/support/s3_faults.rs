//! An HTTP proxy before S3 that refuses with `SlowDown`, answers a copy with an error inside of a success, loses replies, and delivers writes late
//! and twice, by a seeded plan; which refuses what it is told to refuse; and which counts the copies that the server has made.

use super::fault_proxy::{Request, forward, read_request};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
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
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    server: SocketAddr,
    chance: Mutex<StdRng>,
    /// Faults in a hundred requests.
    rate: AtomicU64,
    injected: [AtomicU64; FAULTS.len()],
    copies: AtomicU64,
    late: Mutex<Vec<JoinHandle<()>>>,
    refused: Mutex<Vec<Refusal>>,
    /// First lines of requests that give something an ACL, each with the headers that do.
    acls: Mutex<Vec<(String, Vec<String>)>>,
    over: AtomicBool,
}

impl S3Faults {
    /// One before the endpoint `http://127.0.0.1:PORT`; so many of a hundred requests go wrong.
    pub fn before(endpoint: &str, seed: u64, rate: u64) -> Self {
        let server = endpoint.trim_start_matches("http://").parse().expect("an address");
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let shared = Arc::new(Shared {
            server,
            chance: Mutex::new(StdRng::seed_from_u64(seed)),
            rate: AtomicU64::new(rate),
            injected: Default::default(),
            copies: AtomicU64::new(0),
            late: Mutex::default(),
            refused: Mutex::default(),
            acls: Mutex::default(),
            over: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if accepting.over.load(Ordering::SeqCst) {
                    break;
                }
                let shared = Arc::clone(&accepting);
                std::thread::spawn(move || while shared.exchange(&client).is_some() {});
            }
        });
        Self { address, shared }
    }

    /// The endpoint that leads through it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on nothing goes wrong any more; what is late arrives before this returns.
    pub fn calm(&self) {
        self.shared.rate.store(0, Ordering::SeqCst);
        let late = std::mem::take(&mut *self.shared.late.lock().expect("no panic while adding"));
        for one in late {
            one.join().expect("it does not panic");
        }
    }

    /// From now on such requests are refused as what is not allowed: their first line begins so, and holds this, or they have this header.
    pub fn forbid(&self, method: &'static str, part: &str) {
        self.refuse(method, part, "403 Forbidden", "AccessDenied");
    }

    /// The same, with a status and a code of one's own.
    pub fn refuse(&self, method: &'static str, part: &str, status: &'static str, code: &'static str) {
        self.refused().push((method, part.to_owned(), status, code));
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
        FAULTS
            .into_iter()
            .zip(&self.shared.injected)
            .map(|(fault, count)| (fault, count.load(Ordering::SeqCst)))
            .collect()
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

impl Drop for S3Faults {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
    }
}

impl Shared {
    /// One request of a client. `None`: its connection is at its end.
    fn exchange(self: &Arc<Self>, mut client: &TcpStream) -> Option<()> {
        let request = read_request(client)?;
        let line = request.head.lines().next().unwrap_or_default();
        let headers: Vec<String> = request.head.lines().skip(1).map(str::to_ascii_lowercase).collect();
        let acl =
            headers.iter().filter(|header| header.starts_with("x-amz-acl:") || header.starts_with("x-amz-grant-"));
        let acl: Vec<String> = acl.cloned().collect();
        if !acl.is_empty() {
            self.acls.lock().expect("no panic while adding").push((line.to_owned(), acl));
        }
        let refused = self.refused.lock().expect("no panic while looking").clone();
        let has = |name: &str| headers.iter().any(|header| header.split(':').next() == Some(name));
        let rule =
            refused.iter().find(|(method, part, ..)| line.starts_with(method) && (line.contains(part) || has(part)));
        if let Some((method, _, status, code)) = rule {
            // The answer to HEAD has no body.
            answer(client, status, if *method == "HEAD " { "" } else { code });
            return None;
        }
        let writes = ["PUT ", "POST ", "DELETE "].iter().any(|method| request.head.starts_with(method));
        let (fault, pause) = self.draw(writes, is_answered_early(&request));
        match fault {
            Some(S3Fault::SlowDown) => {
                answer(client, "503 Slow Down", "SlowDown");
                None
            }
            Some(S3Fault::Inside) => {
                answer(client, "200 OK", "InternalError");
                None
            }
            Some(S3Fault::LoseReply) => {
                self.pass(&request)?;
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
                client.write_all(&reply).ok()?;
                // The reply said that this connection closes.
                None
            }
        }
    }

    fn draw(&self, writes: bool, early: bool) -> (Option<S3Fault>, Duration) {
        let mut chance = self.chance.lock().expect("no panic while drawing");
        let pause = Duration::from_millis(chance.random_range(20..400));
        let place = chance.random_range(0..FAULTS.len());
        let goes_wrong = chance.random_range(0..100) < self.rate.load(Ordering::SeqCst);
        let fault = FAULTS[place];
        let matters = match fault {
            S3Fault::Inside => early,
            // A read that nobody waits for harms nobody.
            S3Fault::Late | S3Fault::Twice => writes,
            S3Fault::SlowDown | S3Fault::LoseReply => true,
        };
        if !goes_wrong || !matters {
            return (None, pause);
        }
        self.injected[place].fetch_add(1, Ordering::SeqCst);
        (Some(fault), pause)
    }

    fn later(self: &Arc<Self>, request: Request, pause: Duration) {
        let shared = Arc::clone(self);
        let thread = std::thread::spawn(move || {
            std::thread::sleep(pause);
            shared.pass(&request);
        });
        self.late.lock().expect("no panic while adding").push(thread);
    }

    fn pass(&self, request: &Request) -> Option<Vec<u8>> {
        let reply = forward(self.server, request)?;
        let copies = request.head.to_ascii_lowercase().contains("\nx-amz-copy-source:");
        if copies && reply.starts_with(b"HTTP/1.1 200") {
            self.copies.fetch_add(1, Ordering::SeqCst);
        }
        Some(reply)
    }
}

/// Copies and completions take long, so that S3 begins its answer before it knows what comes of them.
fn is_answered_early(request: &Request) -> bool {
    let line = request.head.lines().next().unwrap_or_default();
    request.head.to_ascii_lowercase().contains("\nx-amz-copy-source:")
        || line.starts_with("POST ") && line.contains("uploadId=")
}

/// Without a code there is no body.
pub(super) fn answer(mut client: &TcpStream, status: &str, code: &str) {
    let body = if code.is_empty() {
        String::new()
    } else {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>a fault was injected</Message></Error>"
        )
    };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/xml\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let _ = client.write_all(format!("{head}{body}").as_bytes());
}
