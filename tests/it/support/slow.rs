//! A TCP proxy before a database: each thing that the client says is passed on later, is counted, and can be cut off.

use super::loopback::Loopback;
use super::relay::{Fate, by_way_of, connect, relay, server_of};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The proxy; it ends with its owner.
#[derive(Debug)]
pub struct Slow {
    proxy: Loopback,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    server: SocketAddr,
    delay_ms: AtomicU64,
    flights: AtomicU64,
    open: Mutex<Vec<TcpStream>>,
}

impl Slow {
    /// Starts one before `server`, delaying each flight of bytes from the client: a statement, or a step of one.
    pub fn start(server: SocketAddr, delay: Duration) -> Self {
        let shared = Arc::new(Shared {
            server,
            delay_ms: AtomicU64::new(milliseconds(delay)),
            flights: AtomicU64::new(0),
            open: Mutex::new(Vec::new()),
        });
        let joining = Arc::clone(&shared);
        let proxy = Loopback::serving(move |client| {
            joining.join(&client);
        });
        Self { proxy, shared }
    }

    /// One before the server of a database URL, and the URL that leads through it.
    pub fn before(url: &str, delay: Duration) -> (Self, String) {
        let slow = Self::start(server_of(url), delay);
        let through = by_way_of(slow.proxy.address, url);
        (slow, through)
    }

    /// Where it listens, as the endpoint of an AWS service.
    pub fn url(&self) -> String {
        self.proxy.url()
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
        self.proxy.close();
        self.drop_connections();
    }
}

impl Shared {
    /// `None`: the server is not there.
    fn join(&self, client: &TcpStream) -> Option<()> {
        let server = connect(client, self.server)?;
        let ends = [client, &server].map(|end| end.try_clone().expect("a socket can be shared"));
        {
            let mut open = self.open.lock().expect("no panic while adding");
            open.retain(|end| end.peer_addr().is_ok());
            open.extend(ends);
        }
        let up = |_: &[u8]| {
            self.flights.fetch_add(1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(self.delay_ms.load(Ordering::SeqCst)));
            Fate::Arrives
        };
        relay(client, &server, up, |_| Fate::Arrives);
        Some(())
    }
}

fn milliseconds(delay: Duration) -> u64 {
    u64::try_from(delay.as_millis()).expect("a delay of less than an age")
}
