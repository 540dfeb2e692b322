//! A TCP proxy before a database that cuts connections by a seeded plan: before a statement arrives, and after it was done but
//! before its reply. A COMMIT is cut more often than anything else.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// The proxy; it ends with its owner.
pub struct Severed {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    server: SocketAddr,
    chance: Mutex<StdRng>,
    /// Cuts in a thousand flights, and in a hundred commits.
    rates: [AtomicU64; 2],
    cuts: Cuts,
    over: AtomicBool,
}

#[derive(Debug, Default)]
struct Cuts {
    before: AtomicU64,
    after: AtomicU64,
    commits_lost: AtomicU64,
    commits_unanswered: AtomicU64,
}

/// How often it has cut.
#[derive(Clone, Copy, Debug)]
pub struct Count {
    /// Before a statement arrived.
    pub before: u64,
    /// After a statement had arrived, before its reply.
    pub after: u64,
    /// Before a COMMIT arrived.
    pub commits_lost: u64,
    /// After the server had acknowledged a COMMIT, before the client heard of it.
    pub commits_unanswered: u64,
}

impl Severed {
    /// One before the server of a database URL, and the URL that leads through it.
    pub fn before(url: &str, seed: u64, flights: u64, commits: u64) -> (Self, String) {
        let (scheme, rest) = url.split_once("://").expect("a URL");
        let (authority, path) = rest.split_once('/').expect("a URL with a database");
        let (user, host) = authority.rsplit_once('@').expect("a URL with a user");
        let port: u16 = host.rsplit_once(':').expect("a URL with a port").1.parse().expect("a port");
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let shared = Arc::new(Shared {
            server: SocketAddr::from(([127, 0, 0, 1], port)),
            chance: Mutex::new(StdRng::seed_from_u64(seed)),
            rates: [AtomicU64::new(flights), AtomicU64::new(commits)],
            cuts: Cuts::default(),
            over: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if accepting.over.load(Ordering::SeqCst) {
                    break;
                }
                let shared = Arc::clone(&accepting);
                std::thread::spawn(move || shared.join(client));
            }
        });
        (Self { address, shared }, format!("{scheme}://{user}@{address}/{path}"))
    }

    /// How often it has cut so far.
    pub fn count(&self) -> Count {
        let Cuts { before, after, commits_lost, commits_unanswered } = &self.shared.cuts;
        let read = |number: &AtomicU64| number.load(Ordering::SeqCst);
        Count {
            before: read(before),
            after: read(after),
            commits_lost: read(commits_lost),
            commits_unanswered: read(commits_unanswered),
        }
    }
}

impl Drop for Severed {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
    }
}

/// What becomes of a flight of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Arrives,
    CutBefore,
    CutAfter,
}

impl Shared {
    fn join(&self, mut client: TcpStream) -> Option<()> {
        let mut server = TcpStream::connect(self.server).ok()?;
        client.set_nodelay(true).ok()?;
        server.set_nodelay(true).ok()?;
        let (mut replies, mut back) = (server.try_clone().ok()?, client.try_clone().ok()?);
        let deaf = Arc::new(AtomicBool::new(false));
        let hears_no_more = Arc::clone(&deaf);
        let reader = std::thread::spawn(move || {
            let mut bytes = vec![0; 64 * 1024];
            while let Ok(length @ 1..) = replies.read(&mut bytes) {
                // The server has answered what was to be cut after it.
                if hears_no_more.load(Ordering::SeqCst) || back.write_all(&bytes[..length]).is_err() {
                    break;
                }
            }
            let _ = back.shutdown(Shutdown::Both);
            let _ = replies.shutdown(Shutdown::Both);
        });
        let mut bytes = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = client.read(&mut bytes) {
            let flight = &bytes[..length];
            match self.fate(flight) {
                Fate::Arrives => {}
                Fate::CutBefore => break,
                Fate::CutAfter => deaf.store(true, Ordering::SeqCst),
            }
            if server.write_all(flight).is_err() {
                break;
            }
            if deaf.load(Ordering::SeqCst) {
                // The reader ends with the server's reply.
                let _ = reader.join();
                return None;
            }
        }
        let _ = server.shutdown(Shutdown::Both);
        let _ = client.shutdown(Shutdown::Both);
        Some(())
    }

    fn fate(&self, flight: &[u8]) -> Fate {
        // The text of a statement stands as it is in both protocols; a COMMIT is a short one.
        let commits = flight.len() < 40 && flight.windows(6).any(|word| word.eq_ignore_ascii_case(b"commit"));
        let mut chance = self.chance.lock().expect("no panic while drawing");
        let [flights, of_commits] = [0, 1].map(|place: usize| self.rates[place].load(Ordering::SeqCst));
        let cut =
            if commits { chance.random_range(0..100) < of_commits } else { chance.random_range(0..1000) < flights };
        if !cut {
            return Fate::Arrives;
        }
        let cuts = &self.cuts;
        let [before, after] =
            if commits { [&cuts.commits_lost, &cuts.commits_unanswered] } else { [&cuts.before, &cuts.after] };
        // The kind of which there was none yet comes first.
        let (fate, counted) = match [before, after].map(|count| count.load(Ordering::SeqCst) == 0) {
            [true, false] => (Fate::CutBefore, before),
            [false, true] => (Fate::CutAfter, after),
            _ if chance.random_bool(0.5) => (Fate::CutBefore, before),
            _ => (Fate::CutAfter, after),
        };
        counted.fetch_add(1, Ordering::SeqCst);
        fate
    }
}
