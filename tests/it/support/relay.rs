//! Bytes between a client and a server, both ways at a time: the frame of the proxies that know no messages.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

/// What becomes of a flight of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is passed on.
    Arrives,
    /// The connection is cut instead.
    CutBefore,
    /// It is passed on, and nothing after it; when the connection is cut is up to the other way.
    CutAfter,
}

/// The server's end of a client's connection; neither end waits to fill its packets. `None`: nobody is there.
pub(super) fn connect(client: &TcpStream, server: SocketAddr) -> Option<TcpStream> {
    let server = TcpStream::connect(server).ok()?;
    client.set_nodelay(true).ok()?;
    server.set_nodelay(true).ok()?;
    Some(server)
}

/// Passes on what the client says as `up` decides and what the server says as `down` does, until the connection is over.
pub(super) fn relay(
    client: &TcpStream,
    server: &TcpStream,
    up: impl FnMut(&[u8]) -> Fate,
    down: impl FnMut(&[u8]) -> Fate + Send,
) {
    std::thread::scope(|scope| {
        scope.spawn(|| pass(server, client, down));
        pass(client, server, up);
    });
}

fn pass(mut from: &TcpStream, mut to: &TcpStream, mut decide: impl FnMut(&[u8]) -> Fate) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut bytes) {
        let flight = &bytes[..length];
        let fate = decide(flight);
        if fate == Fate::CutBefore || to.write_all(flight).is_err() {
            break;
        }
        if fate == Fate::CutAfter {
            return;
        }
    }
    cut([to, from]);
}

/// Cuts both ends of a connection.
pub(super) fn cut(ends: [&TcpStream; 2]) {
    for end in ends {
        let _ = end.shutdown(Shutdown::Both);
    }
}

/// The server of a database URL, which is on loopback.
pub(super) fn server_of(url: &str) -> SocketAddr {
    let port: u16 = host_of(url).rsplit_once(':').expect("a URL with a port").1.parse().expect("a port");
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// The same database by way of another address.
pub(super) fn by_way_of(address: SocketAddr, url: &str) -> String {
    url.replacen(host_of(url), &address.to_string(), 1)
}

/// The host and the port of a database URL.
fn host_of(url: &str) -> &str {
    let (_, rest) = url.split_once("://").expect("a URL");
    let (authority, _) = rest.split_once('/').expect("a URL with a database");
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}
