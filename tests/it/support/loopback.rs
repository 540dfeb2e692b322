//! A port on loopback and the thread that listens at it: the frame of every server and proxy that the tests write themselves.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// A listener; it ends with its owner.
#[derive(Debug)]
pub struct Loopback {
    /// Where it listens.
    pub address: SocketAddr,
    over: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl Loopback {
    /// Takes each connection in the thread that listens: one after another, in the order in which they come.
    pub fn accepting(mut take: impl FnMut(TcpStream) + Send + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let over = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&over);
        let accepting = std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if ended.load(Ordering::SeqCst) {
                    break;
                }
                take(client);
            }
        });
        Self { address, over, accepting: Some(accepting) }
    }

    /// Serves each connection in a thread of its own.
    pub fn serving(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let serve = Arc::new(serve);
        Self::accepting(move |client| {
            let serve = Arc::clone(&serve);
            std::thread::spawn(move || serve(client));
        })
    }

    /// Where it listens, as an endpoint.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Takes no connection any more; those that it has taken go on.
    pub fn close(&mut self) {
        let Some(accepting) = self.accepting.take() else { return };
        self.over.store(true, Ordering::SeqCst);
        // It looks up when somebody comes.
        if TcpStream::connect(self.address).is_ok() {
            let _ = accepting.join();
        }
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        self.close();
    }
}
