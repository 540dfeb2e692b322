//! A proxy before any server of HTTP that cuts some connections: before the request arrives, within it, or within its answer.

use super::loopback::Loopback;
use super::relay::cut;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::io::Read as _;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The proxy; it ends with its owner.
pub struct LossyProxy {
    /// Where it listens.
    pub address: SocketAddr,
    cut: Arc<AtomicU64>,
    _proxy: Loopback,
}

impl LossyProxy {
    /// One before a server; so many of a hundred connections are cut, after up to so many bytes.
    pub fn before(server: SocketAddr, seed: u64, percent: u32, bytes: u64) -> Self {
        let cut = Arc::new(AtomicU64::new(0));
        let (count, mut chance) = (Arc::clone(&cut), StdRng::seed_from_u64(seed));
        // Drawn in the order in which they come.
        let proxy = Loopback::accepting(move |client| {
            let (falls, up, after) =
                (chance.random_range(0..100) < percent, chance.random_bool(0.5), chance.random_range(0..bytes));
            let [up, down] = match (falls, up) {
                (false, _) => [u64::MAX, u64::MAX],
                (true, true) => [after, u64::MAX],
                (true, false) => [u64::MAX, after],
            };
            let count = Arc::clone(&count);
            std::thread::spawn(move || {
                let Ok(server) = TcpStream::connect(server) else { return };
                std::thread::scope(|scope| {
                    scope.spawn(|| pass(&server, &client, down, &count));
                    pass(&client, &server, up, &count);
                });
            });
        });
        Self { address: proxy.address, cut, _proxy: proxy }
    }

    /// Connections that were cut.
    pub fn cut(&self) -> u64 {
        self.cut.load(Ordering::SeqCst)
    }
}

/// Passes bytes on, up to so many; then both connections are gone. Not by `relay`: it cuts within a flight, too.
fn pass(from: &TcpStream, mut to: &TcpStream, limit: u64, count: &AtomicU64) {
    if std::io::copy(&mut from.take(limit), &mut to).is_ok_and(|passed| passed == limit) {
        count.fetch_add(1, Ordering::SeqCst);
    }
    cut([from, to]);
}
