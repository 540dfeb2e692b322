//! HTTP as far as servers and proxies of the tests need it: a request is read whole, passed on over a connection of its own, and replied to.

use super::loopback::Loopback;
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

/// A request, as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) body: Vec<u8>,
    /// The first line, and the fields.
    head: Vec<String>,
}

impl Request {
    /// The next one of a connection. `None`: there is none.
    pub(super) fn read(connection: &mut impl BufRead) -> Option<Self> {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if connection.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if line.trim().is_empty() {
                break;
            }
            head.push(line.trim_end_matches(['\r', '\n']).to_owned());
        }
        let path = head.first()?.split(' ').nth(1)?.to_owned();
        let mut request = Self { path, body: Vec::new(), head };
        let length = request.header("content-length").map_or(Ok(0), str::parse::<usize>).ok()?;
        request.body = vec![0; length];
        connection.read_exact(&mut request.body).ok()?;
        Some(request)
    }

    /// Its first line.
    pub(super) fn line(&self) -> &str {
        &self.head[0]
    }

    /// The other lines of its head.
    pub(super) fn fields(&self) -> impl Iterator<Item = &str> {
        self.head[1..].iter().map(String::as_str)
    }

    /// A field of its head.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields().filter_map(|field| field.split_once(':'));
        fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

/// What a client gets.
#[derive(Debug)]
pub(crate) struct Reply {
    bytes: Vec<u8>,
    /// The connection closes after it.
    last: bool,
}

impl Reply {
    /// A reply of the proxy's own.
    pub(super) fn new(status: &str, content_type: &str, body: &str, last: bool) -> Self {
        let length = body.len();
        let close = if last { "connection: close\r\n" } else { "" };
        let head =
            format!("HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n{close}\r\n");
        Self { bytes: (head + body).into_bytes(), last }
    }

    /// The same with one more field.
    pub(crate) fn with(mut self, field: &str) -> Self {
        let line = self.bytes.windows(2).position(|two| two == b"\r\n").expect("a first line");
        let rest = self.bytes.split_off(line);
        self.bytes.extend(format!("\r\n{field}").bytes().chain(rest));
        self
    }

    /// The same, whose last byte is another one.
    pub(crate) fn altered(mut self) -> Self {
        if let Some(last) = self.bytes.last_mut() {
            *last ^= 1;
        }
        self
    }

    /// Whether the server has done what it was asked for.
    pub(super) fn is_ok(&self) -> bool {
        self.bytes.starts_with(b"HTTP/1.1 200")
    }
}

/// The server behind a proxy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Upstream(SocketAddr);

impl Upstream {
    /// That at the endpoint `http://127.0.0.1:PORT`.
    pub(crate) fn at(endpoint: &str) -> Self {
        Self(endpoint.trim_start_matches("http://").parse().expect("an address"))
    }

    /// Passes a request on over a connection of its own; the whole reply, after which the client's closes, too: it says so.
    pub(crate) fn forward(self, request: &Request) -> Option<Reply> {
        let mut server = TcpStream::connect(self.0).ok()?;
        server.set_nodelay(true).ok()?;
        let is_passed_on = |line: &&String| !line.to_ascii_lowercase().starts_with("connection:");
        let head = request.head.iter().filter(is_passed_on);
        let head: String = head.flat_map(|line| [line.as_str(), "\r\n"]).collect();
        server.write_all(format!("{head}connection: close\r\n\r\n").as_bytes()).ok()?;
        server.write_all(&request.body).ok()?;
        let mut bytes = Vec::new();
        server.read_to_end(&mut bytes).ok()?;
        Some(Reply { bytes, last: true })
    }
}

/// Starts a proxy that replies to each request so. `None`: it cuts the connection instead.
pub(crate) fn proxy(reply: impl Fn(Request) -> Option<Reply> + Send + Sync + 'static) -> Loopback {
    Loopback::serving(move |client| {
        let (mut requests, mut back) = (BufReader::new(&client), &client);
        while let Some(Reply { bytes, last }) = Request::read(&mut requests).and_then(&reply) {
            if back.write_all(&bytes).is_err() || last {
                break;
            }
        }
    })
}
