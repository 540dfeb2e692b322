//! An HTTP proxy before DynamoDB that loses requests and replies, delivers writes late and twice, is slow and throttles, by a
//! seeded plan; and which keeps account of every checkpoint that the server has accepted.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpFault {
    /// It is answered with 500 and never arrives.
    Reject,
    /// It is answered as if the table were at its capacity.
    Throttle,
    /// It is done, and the connection is cut instead of a reply.
    LoseReply,
    /// The connection is cut, and only later it arrives.
    Late,
    /// It is done and answered; a copy arrives later.
    Twice,
    /// It is done and answered when the client may wait no longer.
    Slow,
}

const FAULTS: [HttpFault; 6] =
    [HttpFault::Reject, HttpFault::Throttle, HttpFault::LoseReply, HttpFault::Late, HttpFault::Twice, HttpFault::Slow];

/// A write that the server has accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The record.
    pub item: String,
    /// Its sequence number.
    pub seq: u64,
    /// Its epoch.
    pub epoch: u64,
    /// Life, pass and the one integer of the cursor's key.
    pub place: (u64, u64, u64),
    /// The stamp, which tells one write from another.
    pub stamp: String,
}

/// The proxy; it ends with its owner.
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    server: SocketAddr,
    chance: Mutex<StdRng>,
    /// Faults in a hundred requests.
    rate: AtomicU64,
    injected: [AtomicU64; FAULTS.len()],
    accepted: Mutex<Vec<Accepted>>,
    late: Mutex<Vec<JoinHandle<()>>>,
    over: AtomicBool,
}

impl FaultProxy {
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
            accepted: Mutex::default(),
            late: Mutex::default(),
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

    /// How many faults of each kind there were.
    pub fn injected(&self) -> Vec<(HttpFault, u64)> {
        FAULTS
            .into_iter()
            .zip(&self.shared.injected)
            .map(|(fault, count)| (fault, count.load(Ordering::SeqCst)))
            .collect()
    }

    /// What the server has accepted of this record, by sequence number.
    pub fn accepted(&self, item: &str) -> Vec<Accepted> {
        let mut all = self.shared.accepted.lock().expect("no panic while adding").clone();
        all.retain(|accepted| accepted.item == item);
        all.sort_by_key(|accepted| accepted.seq);
        all
    }

    /// Asserts that no sequence number was accepted twice, and that neither epoch nor (life, pass, cursor) ever moved back.
    #[track_caller]
    pub fn assert_forward(&self) {
        let accepted = self.accepted("move#0000");
        assert!(accepted.len() > 2, "nothing was seen: {accepted:?}");
        for pair in accepted.windows(2) {
            let forward = pair[0].seq < pair[1].seq && pair[0].epoch <= pair[1].epoch && pair[0].place <= pair[1].place;
            assert!(forward, "moved back:\n{:?}\n{:?}", pair[0], pair[1]);
        }
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
    }
}

/// A request as it came.
pub(super) struct Request {
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl Shared {
    /// One request of a client. `None`: its connection is at its end.
    fn exchange(self: &Arc<Self>, mut client: &TcpStream) -> Option<()> {
        let request = read_request(client)?;
        let writes = request.head.contains("DynamoDB_20120810.PutItem");
        let (fault, pause) = self.draw(writes);
        match fault {
            Some(HttpFault::Reject) => answer(client, 500, "com.amazonaws.dynamodb.v20120810#InternalServerError"),
            Some(HttpFault::Throttle) => {
                answer(client, 400, "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException")
            }
            Some(HttpFault::LoseReply) => {
                self.forward(&request)?;
                None
            }
            Some(HttpFault::Late) => {
                self.later(request, pause);
                None
            }
            other => {
                if other == Some(HttpFault::Slow) {
                    std::thread::sleep(pause * 2);
                }
                let reply = self.forward(&request)?;
                if other == Some(HttpFault::Twice) {
                    self.later(request, pause);
                }
                client.write_all(&reply).ok()?;
                // The reply said that this connection closes.
                None
            }
        }
    }

    fn draw(&self, writes: bool) -> (Option<HttpFault>, Duration) {
        let mut chance = self.chance.lock().expect("no panic while drawing");
        let pause = Duration::from_millis(chance.random_range(20..600));
        // A read that nobody waits for harms nobody.
        let matters = |place: &usize| writes || !matches!(FAULTS[*place], HttpFault::Late | HttpFault::Twice);
        let mut place = chance.random_range(0..FAULTS.len());
        let goes_wrong = chance.random_range(0..100) < self.rate.load(Ordering::SeqCst);
        // Those of which there was none yet come first: few requests are enough for every kind.
        let is_missing = |place: &usize| self.injected[*place].load(Ordering::SeqCst) == 0;
        if let Some(missing) = (0..FAULTS.len()).filter(matters).find(is_missing) {
            place = missing;
        }
        if !goes_wrong || !matters(&place) {
            return (None, pause);
        }
        self.injected[place].fetch_add(1, Ordering::SeqCst);
        (Some(FAULTS[place]), pause)
    }

    fn later(self: &Arc<Self>, request: Request, pause: Duration) {
        let shared = Arc::clone(self);
        let thread = std::thread::spawn(move || {
            std::thread::sleep(pause);
            shared.forward(&request);
        });
        self.late.lock().expect("no panic while adding").push(thread);
    }

    /// Passes a request on; the whole reply.
    fn forward(&self, request: &Request) -> Option<Vec<u8>> {
        let reply = forward(self.server, request)?;
        if reply.starts_with(b"HTTP/1.1 200") && request.head.contains("DynamoDB_20120810.PutItem") {
            self.note(&request.body);
        }
        Some(reply)
    }

    fn note(&self, body: &[u8]) {
        let body: Value = serde_json::from_slice(body).expect("a request is JSON");
        let item = &body["Item"];
        let text = |value: &Value| value["S"].as_str().unwrap_or_default().to_owned();
        let number = |name: &str| item[name]["N"].as_str().map_or(0, |digits| digits.parse().expect("an integer"));
        let cursor = &item["cursor"]["L"][0]["M"]["int"]["S"];
        let cursor = cursor.as_str().map_or(0, |digits| digits.parse().expect("an integer"));
        self.accepted.lock().expect("no panic while adding").push(Accepted {
            item: text(&item["item"]),
            seq: number("seq"),
            epoch: number("epoch"),
            place: (number("life"), number("pass"), cursor),
            stamp: text(&item["stamp"]),
        });
    }
}

/// Passes a request on over a connection of its own; the whole reply.
pub(super) fn forward(server: SocketAddr, request: &Request) -> Option<Vec<u8>> {
    let mut server = TcpStream::connect(server).ok()?;
    server.set_nodelay(true).ok()?;
    let head: String = request
        .head
        .lines()
        .filter(|line| !line.is_empty() && !line.to_ascii_lowercase().starts_with("connection:"))
        .flat_map(|line| [line, "\r\n"])
        .collect();
    server.write_all(format!("{head}connection: close\r\n\r\n").as_bytes()).ok()?;
    server.write_all(&request.body).ok()?;
    let mut reply = Vec::new();
    server.read_to_end(&mut reply).ok()?;
    Some(reply)
}

/// The next request of a connection; `None`: there is none.
pub(super) fn read_request(client: &TcpStream) -> Option<Request> {
    let mut client = BufReader::new(client);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if client.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    client.read_exact(&mut body).ok()?;
    Some(Request { head, body })
}

fn answer(mut client: &TcpStream, status: u16, kind: &str) -> Option<()> {
    let body = format!("{{\"__type\":\"{kind}\",\"message\":\"a fault was injected\"}}");
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    client.write_all(head.as_bytes()).ok()
}
