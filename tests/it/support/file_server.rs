//! A web server, of files or of anything else, that says exactly what a test wants, well-behaved or not, byte for byte.

use super::http_exchange::Request;
use super::loopback::Loopback;
use std::io::{BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};

/// What a server does with one request. `false`: the connection is closed.
type Handler = dyn Fn(&Request, &mut TcpStream) -> std::io::Result<bool> + Send + Sync;

/// A running server; it ends with the value.
pub(crate) struct FileServer {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Request>>>,
    connections: Arc<Mutex<Vec<TcpStream>>>,
    _listener: Loopback,
}

impl FileServer {
    /// Starts one that answers by `handler`.
    pub(crate) fn start(
        handler: impl Fn(&Request, &mut TcpStream) -> std::io::Result<bool> + Send + Sync + 'static,
    ) -> Self {
        let (asked, connections) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
        let (log, open, handler) = (asked.clone(), connections.clone(), Arc::new(handler));
        // Counted as they come, also those that say nothing.
        let listener = Loopback::accepting(move |stream| {
            open.lock().unwrap().push(stream.try_clone().unwrap());
            let (log, handler) = (log.clone(), handler.clone());
            std::thread::spawn(move || serve(stream, &log, &*handler));
        });
        Self { address: listener.address, asked, connections, _listener: listener }
    }

    /// `http://127.0.0.1:PORT` and this path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What it was asked for so far.
    pub(crate) fn asked(&self) -> Vec<Request> {
        self.asked.lock().unwrap().clone()
    }

    /// How many connections it was given.
    pub(crate) fn connections(&self) -> usize {
        self.connections.lock().unwrap().len()
    }
}

impl Drop for FileServer {
    fn drop(&mut self) {
        for stream in self.connections.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn serve(mut stream: TcpStream, log: &Mutex<Vec<Request>>, handler: &Handler) {
    let mut requests = BufReader::new(stream.try_clone().unwrap());
    while let Some(request) = Request::read(&mut requests) {
        log.lock().unwrap().push(request.clone());
        if !handler(&request, &mut stream).unwrap_or(false) {
            let _ = stream.shutdown(Shutdown::Both);
            return;
        }
    }
}

/// A whole answer with its length.
pub(crate) fn answer(stream: &mut impl Write, status: &str, head: &str, body: &[u8]) -> std::io::Result<bool> {
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\n{head}\r\n", body.len())?;
    stream.write_all(body)?;
    Ok(true)
}
