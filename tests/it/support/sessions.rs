//! An HTTP proxy before a local AWS that ends sessions: some bear so many requests, and are told from then on that they are over, as S3 tells
//! it. It counts them by their access keys. And it lets nobody assume a role, if it is told so.

use super::fault_proxy::{forward, read_request};
use super::s3_faults::answer;
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// How STS says no.
const DENIED: &str = "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
    <Code>AccessDenied</Code><Message>not authorized to perform sts:AssumeRole</Message></Error></ErrorResponse>";

/// The proxy; it ends with its owner.
pub struct Sessions {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    server: SocketAddr,
    /// Sessions that end, of those that come first.
    ending: usize,
    /// Requests that such a one bears.
    most: u64,
    /// Requests of each session, in the order in which they first came.
    begun: Mutex<Vec<(String, u64)>>,
    refused: AtomicU64,
    shut: AtomicBool,
    over: AtomicBool,
}

impl Sessions {
    /// One before the endpoint `http://127.0.0.1:PORT`; the first so many sessions bear so many requests each.
    pub fn before(endpoint: &str, ending: usize, most: u64) -> Self {
        let server = endpoint.trim_start_matches("http://").parse().expect("an address");
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let shared = Arc::new(Shared {
            server,
            ending,
            most,
            begun: Mutex::default(),
            refused: AtomicU64::new(0),
            shut: AtomicBool::new(false),
            over: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if accepting.over.load(Ordering::SeqCst) {
                    break;
                }
                let shared = Arc::clone(&accepting);
                // One request a connection.
                std::thread::spawn(move || shared.exchange(&client));
            }
        });
        Self { address, shared }
    }

    /// The endpoint that leads through it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
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

impl Drop for Sessions {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
    }
}

impl Shared {
    /// One request of a client; `None`: there was none, or its connection broke.
    fn exchange(&self, mut client: &TcpStream) -> Option<()> {
        let request = read_request(client)?;
        let asks = request.body.starts_with(b"Action=AssumeRole");
        if asks && self.shut.load(Ordering::SeqCst) {
            let head = format!(
                "HTTP/1.1 403 Forbidden\r\ncontent-type: text/xml\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                DENIED.len()
            );
            return client.write_all(format!("{head}{DENIED}").as_bytes()).ok();
        }
        if session(&request.head).is_some_and(|key| self.is_over(key)) {
            self.refused.fetch_add(1, Ordering::SeqCst);
            // The answer to HEAD has no body, and so no code.
            let code = if request.head.starts_with("HEAD ") { "" } else { "ExpiredToken" };
            answer(client, "400 Bad Request", code);
            return Some(());
        }
        let reply = forward(self.server, &request)?;
        client.write_all(&reply).ok()
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
fn session(head: &str) -> Option<&str> {
    head.to_ascii_lowercase().contains("\nx-amz-security-token:").then_some(())?;
    head.split_once("Credential=")?.1.split('/').next()
}
