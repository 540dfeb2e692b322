//! A TCP proxy before a database that cuts connections by a seeded plan: before a statement arrives, and after it was done but
//! before its reply. A COMMIT is cut more often than anything else.

use super::loopback::Loopback;
use super::relay::{Fate, by_way_of, connect, relay, server_of};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// The proxy; it ends with its owner.
pub struct Severed {
    shared: Arc<Shared>,
    _proxy: Loopback,
}

struct Shared {
    server: SocketAddr,
    chance: Mutex<StdRng>,
    /// Cuts in a thousand flights, and in a hundred commits.
    rates: [AtomicU64; 2],
    /// Cuts that are still to come, at most.
    left: AtomicU64,
    cuts: Cuts,
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
        Self::limited(url, seed, [flights, commits], u64::MAX)
    }

    /// One that cuts the first so many commits, and nothing else.
    pub fn at_commits(url: &str, most: u64) -> (Self, String) {
        Self::limited(url, 1, [0, 100], most)
    }

    fn limited(url: &str, seed: u64, rates: [u64; 2], most: u64) -> (Self, String) {
        let shared = Arc::new(Shared {
            server: server_of(url),
            chance: Mutex::new(StdRng::seed_from_u64(seed)),
            rates: rates.map(AtomicU64::new),
            left: AtomicU64::new(most),
            cuts: Cuts::default(),
        });
        let joining = Arc::clone(&shared);
        let proxy = Loopback::serving(move |client| {
            joining.join(&client);
        });
        let through = by_way_of(proxy.address, url);
        (Self { shared, _proxy: proxy }, through)
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

impl Shared {
    /// `None`: the server is not there.
    fn join(&self, client: &TcpStream) -> Option<()> {
        let server = connect(client, self.server)?;
        let deaf = AtomicBool::new(false);
        let up = |flight: &[u8]| {
            let fate = self.fate(flight);
            deaf.store(fate == Fate::CutAfter, Ordering::SeqCst);
            fate
        };
        // The server has answered what was to be cut after it.
        let down = |_: &[u8]| if deaf.load(Ordering::SeqCst) { Fate::CutBefore } else { Fate::Arrives };
        relay(client, &server, up, down);
        Some(())
    }

    fn fate(&self, flight: &[u8]) -> Fate {
        // The text of a statement stands as it is in both protocols; a COMMIT is a short one.
        let commits = flight.len() < 40 && flight.windows(6).any(|word| word.eq_ignore_ascii_case(b"commit"));
        let mut chance = self.chance.lock().expect("no panic while drawing");
        let [flights, of_commits] = [0, 1].map(|place: usize| self.rates[place].load(Ordering::SeqCst));
        let cut =
            if commits { chance.random_range(0..100) < of_commits } else { chance.random_range(0..1000) < flights };
        let left = self.left.load(Ordering::SeqCst);
        if !cut || left == 0 {
            return Fate::Arrives;
        }
        self.left.store(left - 1, Ordering::SeqCst);
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
