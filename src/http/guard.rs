//! What may be contacted: names by an allow-list, addresses by what they are.

use super::HttpError;
use super::address::{plain, special};
use std::net::{IpAddr, SocketAddr};
use url::{Host, Url};

/// A list that cannot be used as it is written.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum GuardError {
    /// Not a host: names, `*.` before a name, or an address.
    #[error("`{0}` is no host: write a name like `files.example.com`, or `*.example.com` for all below it")]
    Host(String),
    /// Not a host with a port.
    #[error("`{0}` is no host with a port: write `host:port`, as in `127.0.0.1:8081`")]
    Address(String),
}

/// What may be contacted.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    hosts: Vec<Pattern>,
    /// Those that may have an address outside of the public internet.
    private: Vec<(Host, u16)>,
    /// Those that are never contacted, whatever else is written.
    never: Vec<SocketAddr>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    Exactly(Host),
    /// Names that end in this, a dot before it.
    Below(String),
}

impl Guard {
    /// Only `hosts` are contacted (`*.` stands for any number of labels, one at least), only at public addresses, and only at the
    /// ports 80 and 443; `private` names exact hosts and ports to which the last two do not apply.
    pub fn new(hosts: &[String], private: &[String]) -> Result<Self, GuardError> {
        let pattern = |text: &String| {
            let wrong = || GuardError::Host(text.clone());
            match text.strip_prefix("*.") {
                Some(rest) => match host(rest) {
                    Some(Host::Domain(name)) => Ok(Pattern::Below(format!(".{name}"))),
                    _ => Err(wrong()),
                },
                None => host(text).map(Pattern::Exactly).ok_or_else(wrong),
            }
        };
        let place = |text: &String| {
            let (name, port) = text.rsplit_once(':')?;
            Some((host(name)?, port.parse().ok().filter(|port| *port > 0)?))
        };
        Ok(Self {
            hosts: hosts.iter().map(pattern).collect::<Result<_, _>>()?,
            private: private
                .iter()
                .map(|text| place(text).ok_or_else(|| GuardError::Address(text.clone())))
                .collect::<Result<_, _>>()?,
            never: Vec::new(),
        })
    }

    /// These addresses are refused also where `private` names them: those of the runtime that carries this process.
    #[must_use]
    pub fn never(mut self, addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        self.never.extend(addresses);
        self
    }

    /// Whether a URL may be asked for, as far as the URL itself says.
    pub fn admit(&self, url: &Url) -> Result<(), HttpError> {
        let blocked = |why: &str| Err(HttpError::Blocked(why.to_owned()));
        if !matches!(url.scheme(), "http" | "https") {
            return blocked("its scheme is neither http nor https");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return blocked("it holds a user or a password: use `headers`");
        }
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
            return blocked("it has no host");
        };
        let host = host.to_owned();
        if !self.hosts.iter().any(|pattern| pattern.matches(&host)) {
            return blocked("its host is not in `allow_hosts`");
        }
        if !matches!(port, 80 | 443) && !self.is_private(&host, port) {
            return blocked("its port is neither 80 nor 443, and `allow_addresses` does not name it");
        }
        Ok(())
    }

    /// Of the addresses that a host has been found to have, those that may be connected to. One that may not refuses them all:
    /// nobody needs a name that means two worlds.
    pub fn choose(&self, host: &str, port: u16, found: &[IpAddr]) -> Result<Vec<SocketAddr>, HttpError> {
        let private = self::host(host).is_some_and(|host| self.is_private(&host, port));
        for address in found {
            let address = plain(*address);
            if self.never.iter().any(|never| is_same(*never, SocketAddr::new(address, port))) {
                return Err(HttpError::Blocked("its address is that of the runtime itself".to_owned()));
            }
            if let Some(what) = special(address).filter(|_| !private) {
                return Err(HttpError::Blocked(format!("its address is not of the public internet ({what})")));
            }
        }
        Ok(found.iter().map(|address| SocketAddr::new(*address, port)).collect())
    }

    /// Whether this host and port are among those that may be private.
    pub(super) fn names(&self, url: &Url) -> bool {
        let place = url.host().zip(url.port_or_known_default());
        place.is_some_and(|(host, port)| self.is_private(&host.to_owned(), port))
    }

    fn is_private(&self, host: &Host, port: u16) -> bool {
        self.private.iter().any(|(name, at)| name == host && *at == port)
    }
}

impl Pattern {
    fn matches(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::Exactly(ours), _) => ours == host,
            (Self::Below(end), Host::Domain(name)) => name.len() > end.len() && name.ends_with(end.as_str()),
            (Self::Below(_), _) => false,
        }
    }
}

/// A host in the spelling that a URL's host is compared in. Brackets around IPv6 are optional.
fn host(text: &str) -> Option<Host> {
    if let Ok(address) = text.trim_start_matches('[').trim_end_matches(']').parse() {
        return Some(match address {
            IpAddr::V4(address) => Host::Ipv4(address),
            IpAddr::V6(address) => Host::Ipv6(address),
        });
    }
    // By way of a URL: of names in other contexts the rules for numbers and for letters beyond ASCII differ.
    let url = Url::parse(&format!("https://{text}/")).ok()?;
    let plain = url.path() == "/" && url.port().is_none() && url.username().is_empty() && url.query().is_none();
    (plain && !text.contains(['/', '@', ':', '#', '?', '*'])).then(|| url.host().map(|host| host.to_owned())).flatten()
}

/// Whether both lead to the same socket: an address that means all interfaces, or this machine, is reached by every one of them.
fn is_same(never: SocketAddr, asked: SocketAddr) -> bool {
    let here = |address: IpAddr| address.is_loopback() || address.is_unspecified();
    never.port() == asked.port() && (never.ip() == asked.ip() || here(never.ip()) && here(asked.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(hosts: &[&str], private: &[&str]) -> Guard {
        let owned = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        Guard::new(&owned(hosts), &owned(private)).unwrap()
    }

    fn admits(guard: &Guard, url: &str) -> bool {
        guard.admit(&Url::parse(url).unwrap()).is_ok()
    }

    #[test]
    fn only_hosts_that_are_listed_are_contacted() {
        let guard = guard(&["files.example.com", "*.cdn.example", "bücher.example"], &[]);
        for url in [
            "https://files.example.com/a",
            "https://FILES.example.com:443/",
            "http://files.example.com/",
            "https://a.cdn.example/",
            "https://a.b.cdn.example/x?y#z",
            "https://xn--bcher-kva.example/",
            "https://BÜCHER.example/",
        ] {
            assert!(admits(&guard, url), "{url}");
        }
        for url in [
            "https://example.com/",
            "https://files.example.com.evil.test/",
            "https://evilfiles.example.com/",
            "https://cdn.example/",
            "https://evilcdn.example/",
            "https://files.example.com:8443/",
            "https://files.example.com@evil.test/",
            "https://user:pw@files.example.com/",
            "ftp://files.example.com/",
            "https://127.0.0.1/",
            "https://files.example.com./",
        ] {
            assert!(!admits(&guard, url), "{url}");
        }
    }

    #[test]
    fn an_address_is_the_same_in_every_spelling() {
        let guard = guard(&["127.0.0.1", "::1"], &["127.0.0.1:8081", "[::1]:8081"]);
        for url in ["http://127.0.0.1:8081/", "http://2130706433:8081/", "http://0x7f.1:8081/", "http://[::1]:8081/"] {
            assert!(admits(&guard, url), "{url}");
        }
        assert!(!admits(&guard, "http://127.0.0.1:8082/"));
        assert!(!admits(&guard, "http://[::ffff:127.0.0.1]:8081/"));
        let loopback = ["127.0.0.1".parse().unwrap()];
        assert_eq!(guard.choose("127.0.0.1", 8081, &loopback).unwrap(), ["127.0.0.1:8081".parse().unwrap()]);
        // The port that was not named is as private as it ever was.
        let error = guard.choose("127.0.0.1", 80, &loopback).unwrap_err();
        assert_eq!(error.to_string(), "its address is not of the public internet (this machine)");
    }

    #[test]
    fn one_private_address_refuses_a_name() {
        let guard = guard(&["files.example.com"], &["127.0.0.1:443"]);
        let (public, private) = ("93.184.216.34".parse().unwrap(), "10.0.0.1".parse().unwrap());
        assert_eq!(guard.choose("files.example.com", 443, &[public]).unwrap().len(), 1);
        assert!(guard.choose("files.example.com", 443, &[public, private]).is_err());
        assert!(guard.choose("files.example.com", 443, &["::ffff:10.0.0.1".parse().unwrap()]).is_err());
        assert!(
            guard.choose("files.example.com", 443, &["127.0.0.1".parse().unwrap()]).is_err(),
            "listed for another host"
        );
    }

    #[test]
    fn the_runtime_is_never_contacted() {
        let listed = guard(&["127.0.0.1"], &["127.0.0.1:9001", "localhost:9001"]);
        let guard = listed.never(["127.0.0.1:9001".parse().unwrap(), "169.254.100.1:9001".parse().unwrap()]);
        for address in [
            "127.0.0.1",
            "127.0.0.2",
            "0.0.0.0",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.100.1",
            "64:ff9b::a9fe:6401",
        ] {
            for host in ["127.0.0.1", "localhost", "files.example.com"] {
                let error = guard.choose(host, 9001, &[address.parse().unwrap()]).unwrap_err();
                assert_eq!(error.to_string(), "its address is that of the runtime itself", "{host} {address}");
            }
        }
        assert!(guard.choose("127.0.0.1", 9001, &["127.0.0.1".parse().unwrap()]).is_err());
    }

    #[test]
    fn a_list_that_means_nothing_is_refused() {
        let new = |hosts: &str, private: &str| {
            Guard::new(&[hosts.to_owned()], &[private.to_owned()]).map(drop).map_err(|error| error.to_string())
        };
        for hosts in [
            "*",
            "*.*.example.com",
            "https://example.com",
            "example.com/path",
            "a b",
            "",
            "example.com:80",
            "*.10.0.0.1",
        ] {
            assert!(new(hosts, "127.0.0.1:80").unwrap_err().contains("is no host"), "{hosts}");
        }
        for private in ["127.0.0.1", "127.0.0.1:0", "127.0.0.1:x", ":80", "10.0.0.0/8:80"] {
            assert!(new("example.com", private).unwrap_err().contains("host:port"), "{private}");
        }
    }
}
