//! A proxy before any server of HTTP that cuts some connections: before the request arrives, within it, or within its answer.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// The proxy; it ends with its owner.
pub struct LossyProxy {
    /// Where it listens.
    pub address: SocketAddr,
    over: Arc<AtomicBool>,
    cut: Arc<AtomicU64>,
}

impl LossyProxy {
    /// One before a server; so many of a hundred connections are cut, after up to so many bytes.
    pub fn before(server: SocketAddr, seed: u64, percent: u32, bytes: u64) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let (over, cut) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (ended, count) = (over.clone(), cut.clone());
        let chance = Mutex::new(StdRng::seed_from_u64(seed));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(client) = stream else { return };
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                let (falls, up, after) = {
                    let mut chance = chance.lock().expect("no panic while it is held");
                    (chance.random_range(0..100) < percent, chance.random_bool(0.5), chance.random_range(0..bytes))
                };
                let Ok(upstream) = TcpStream::connect(server) else { continue };
                let count = count.clone();
                let limits = match (falls, up) {
                    (false, _) => [u64::MAX, u64::MAX],
                    (true, true) => [after, u64::MAX],
                    (true, false) => [u64::MAX, after],
                };
                for ((from, to), limit) in [(&client, &upstream), (&upstream, &client)].into_iter().zip(limits) {
                    let (from, to) = (from.try_clone().expect("a socket"), to.try_clone().expect("a socket"));
                    let count = count.clone();
                    std::thread::spawn(move || pass(from, to, limit, &count));
                }
            }
        });
        Self { address, over, cut }
    }

    /// Connections that were cut.
    pub fn cut(&self) -> u64 {
        self.cut.load(Ordering::SeqCst)
    }
}

impl Drop for LossyProxy {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // It looks up when somebody comes.
        drop(TcpStream::connect(self.address));
    }
}

/// Passes bytes on, up to so many; then both connections are gone.
fn pass(mut from: TcpStream, mut to: TcpStream, limit: u64, count: &AtomicU64) {
    let (mut left, mut buffer) = (limit, vec![0; 16 << 10]);
    loop {
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            count.fetch_add(1, Ordering::SeqCst);
            break;
        }
        match from.read(&mut buffer[..most]) {
            Ok(0) | Err(_) => break,
            Ok(length) => {
                if to.write_all(&buffer[..length]).is_err() {
                    break;
                }
                left -= length as u64;
            }
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
