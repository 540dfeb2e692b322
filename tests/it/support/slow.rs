//! A TCP proxy before a database: each thing that the client says is passed on later, is counted, and can be cut off.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The proxy; it ends with its owner.
#[derive(Debug)]
pub struct Slow {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    server: SocketAddr,
    delay_ms: AtomicU64,
    flights: AtomicU64,
    over: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

impl Slow {
    /// Starts one before `server`, delaying each flight of bytes from the client: a statement, or a step of one.
    pub fn start(server: SocketAddr, delay: Duration) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let shared = Arc::new(Shared {
            server,
            delay_ms: AtomicU64::new(milliseconds(delay)),
            flights: AtomicU64::new(0),
            over: AtomicBool::new(false),
            open: Mutex::new(Vec::new()),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if accepting.over.load(Ordering::SeqCst) {
                    break;
                }
                let shared = Arc::clone(&accepting);
                std::thread::spawn(move || join(&shared, client));
            }
        });
        Self { address, shared }
    }

    /// One before the server of a database URL, and the URL that leads through it.
    pub fn before(url: &str, delay: Duration) -> (Self, String) {
        let (scheme, rest) = url.split_once("://").expect("a URL");
        let (authority, path) = rest.split_once('/').expect("a URL with a database");
        let (user, host) = authority.rsplit_once('@').map_or(("", authority), |(user, host)| (user, host));
        let port: u16 = host.rsplit_once(':').expect("a URL with a port").1.parse().expect("a port");
        let slow = Self::start(SocketAddr::from(([127, 0, 0, 1], port)), delay);
        let at = if user.is_empty() { String::new() } else { format!("{user}@") };
        let through = format!("{scheme}://{at}{}/{path}", slow.address);
        (slow, through)
    }

    /// Where it listens, as the endpoint of an AWS service.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Changes the delay, also of connections that are open.
    pub fn set_delay(&self, delay: Duration) {
        self.shared.delay_ms.store(milliseconds(delay), Ordering::SeqCst);
    }

    /// How many flights of bytes clients have sent.
    pub fn flights(&self) -> u64 {
        self.shared.flights.load(Ordering::SeqCst)
    }

    /// Cuts every connection that is open; new ones are accepted. Says how many there were.
    pub fn drop_connections(&self) -> usize {
        let open = std::mem::take(&mut *self.shared.open.lock().expect("no panic while adding"));
        // A connection has two ends; one that is over by itself cannot be cut any more.
        open.iter().filter(|end| end.shutdown(Shutdown::Both).is_ok()).count().div_ceil(2)
    }
}

impl Drop for Slow {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        self.drop_connections();
        // Wakes the thread that accepts, so that it sees that it is over.
        drop(TcpStream::connect(self.address));
    }
}

fn join(shared: &Arc<Shared>, client: TcpStream) {
    let Ok(server) = TcpStream::connect(shared.server) else { return };
    let ends = [&client, &server].map(|end| {
        end.set_nodelay(true).expect("a socket takes an option");
        end.try_clone().expect("a socket can be shared")
    });
    {
        let mut open = shared.open.lock().expect("no panic while adding");
        open.retain(|end| end.peer_addr().is_ok());
        open.extend(ends);
    }
    let (mut replies, mut back) = (server.try_clone().expect("shared"), client.try_clone().expect("shared"));
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut replies, &mut back);
        let _ = back.shutdown(Shutdown::Both);
        let _ = replies.shutdown(Shutdown::Both);
    });
    let (mut client, mut server) = (client, server);
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = client.read(&mut bytes) {
        shared.flights.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(shared.delay_ms.load(Ordering::SeqCst)));
        if server.write_all(&bytes[..length]).is_err() {
            break;
        }
    }
    let _ = server.shutdown(Shutdown::Both);
    let _ = client.shutdown(Shutdown::Both);
}

fn milliseconds(delay: Duration) -> u64 {
    u64::try_from(delay.as_millis()).expect("a delay of less than an age")
}
