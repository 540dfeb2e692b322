//! Database URLs, taken apart. No message here quotes a URL: part of it may be a password.

use super::problem::nearest;
use crate::secret::Secret;
use crate::sql::Dialect;
use std::net::IpAddr;
use std::path::PathBuf;

const SCHEMES: [(&str, Dialect); 5] = [
    ("mysql", Dialect::MySql),
    ("mariadb", Dialect::MySql),
    ("postgres", Dialect::Postgres),
    ("postgresql", Dialect::Postgres),
    ("sqlite", Dialect::Sqlite),
];

/// What a URL says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum DatabaseUrl {
    /// A server.
    Server(ServerUrl),
    /// A SQLite file, relative to the working directory or absolute.
    File(PathBuf),
}

/// A server's URL, percent-decoded, with the port filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServerUrl {
    pub(super) dialect: Dialect,
    pub(super) host: String,
    pub(super) port: u16,
    /// A Unix domain socket to use instead of host and port.
    pub(super) socket: Option<PathBuf>,
    pub(super) user: String,
    pub(super) password: Option<Secret>,
    pub(super) database: String,
}

/// What is wrong with a URL, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}; {hint}")]
pub struct UrlError {
    /// What is wrong, to be read after the name of where the URL stands. It never quotes the URL.
    pub message: String,
    /// What to write instead.
    pub hint: String,
}

fn wrong(message: impl Into<String>, hint: impl Into<String>) -> UrlError {
    UrlError { message: message.into(), hint: hint.into() }
}

/// The port on which a server of this dialect listens unless told otherwise.
pub(super) fn default_port(dialect: Dialect) -> u16 {
    if dialect == Dialect::Postgres { 5432 } else { 3306 }
}

/// Whether a connection to this host stays on this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl DatabaseUrl {
    /// Takes a URL apart.
    pub(super) fn parse(url: &str) -> Result<Self, UrlError> {
        let form = "write `mysql://USER@HOST/DATABASE`, `postgres://USER@HOST/DATABASE` or `sqlite://PATH`";
        let Some((scheme, rest)) = url.split_once("://") else { return Err(wrong("is not a database URL", form)) };
        let Some((_, dialect)) = SCHEMES.iter().find(|(name, _)| *name == scheme) else {
            // Only what looks like a scheme is repeated.
            let plain = scheme.len() <= 12 && scheme.chars().all(|character| character.is_ascii_alphanumeric());
            let name = if plain { format!(" `{scheme}`") } else { String::new() };
            let hint = match nearest(scheme, SCHEMES.iter().map(|(name, _)| *name)) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => "`mysql`, `mariadb`, `postgres`, `postgresql` and `sqlite` are known".to_owned(),
            };
            return Err(wrong(format!("has an unknown URL scheme{name}"), hint));
        };
        let (place, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        if *dialect == Dialect::Sqlite {
            understood(parameters, None)?;
            file(place)
        } else {
            let socket = understood(parameters, Some("socket"))?;
            server(*dialect, place, socket)
        }
    }
}

/// The value of the one parameter that is `known`; any other is refused by name.
fn understood(parameters: &str, known: Option<&str>) -> Result<Option<String>, UrlError> {
    let mut value = None;
    for parameter in parameters.split('&').filter(|part| !part.is_empty()) {
        match parameter.split_once('=') {
            Some((name, text)) if Some(name) == known => value = Some(decoded(text)?),
            _ => return Err(refused(parameter.split('=').next().unwrap_or_default())),
        }
    }
    Ok(value)
}

fn refused(name: &str) -> UrlError {
    if !name.chars().all(|character| character.is_ascii_alphanumeric() || "_-.".contains(character)) {
        // A stray `?`, perhaps out of a password.
        return wrong("has something behind a `?` that is no parameter", "write a `?` inside the URL as `%3F`");
    }
    let lower = name.to_lowercase();
    let hint = if lower.contains("ssl") || lower.contains("tls") || lower.contains("verify") {
        "leave it out: beyond loopback TLS is always required and verified; the long form takes a `ca`"
    } else if lower.contains("password") {
        "leave it out: the long form takes a `password = \"$NAME\"`"
    } else {
        "leave it out: milkrun sets its sessions up by itself; a server takes `socket=PATH` alone"
    };
    wrong(format!("has the URL parameter `{name}`"), hint)
}

fn file(place: &str) -> Result<DatabaseUrl, UrlError> {
    let path = decoded(place)?;
    match path.as_str() {
        "" | "/" => Err(wrong("names no file", "write `sqlite://shop.db` or `sqlite:///var/shop.db`")),
        ":memory:" => Err(wrong("is a database in memory, which every connection sees empty", "write `sqlite://PATH`")),
        _ => Ok(DatabaseUrl::File(PathBuf::from(path))),
    }
}

fn server(dialect: Dialect, place: &str, socket: Option<String>) -> Result<DatabaseUrl, UrlError> {
    let encode =
        "write `/`, `@`, `:`, `?`, `#` and `%` in user and password as `%2F`, `%40`, `%3A`, `%3F`, `%23` and `%25`";
    let (authority, database) = place.split_once('/').unwrap_or((place, ""));
    let (user, at) = match authority.rsplit_once('@') {
        Some((user, at)) => (Some(user), at),
        None => (None, authority),
    };
    let (user, password) = match user.map(|user| user.split_once(':').unwrap_or((user, ""))) {
        Some((user, password)) => (decoded(user)?, decoded(password)?),
        None => (String::new(), String::new()),
    };
    let (host, port) = match at.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => at.split_once(':').map_or((at, None), |(host, port)| (host, Some(port))),
    };
    let port = match port {
        None => default_port(dialect),
        Some(port) => port.parse().map_err(|_| wrong("has a port that is no number", encode))?,
    };
    if host.is_empty() && socket.is_none() {
        return Err(wrong("names no host", "write `USER@HOST/DATABASE` behind `://`"));
    }
    if database.contains('@') {
        return Err(wrong("has an `@` behind the host", encode));
    }
    if user.is_empty() {
        return Err(wrong("names no user", "write `USER@HOST/DATABASE` behind `://`"));
    }
    let database = decoded(database.trim_end_matches('/'))?;
    if database.is_empty() {
        return Err(wrong("names no database", "end it with `/` and the database's name"));
    }
    Ok(DatabaseUrl::Server(ServerUrl {
        dialect,
        host: decoded(host)?,
        port,
        socket: socket.map(PathBuf::from),
        user,
        password: Some(password).filter(|password| !password.is_empty()).map(Secret::new),
        database,
    }))
}

fn decoded(text: &str) -> Result<String, UrlError> {
    let stray = || wrong("has a `%` that begins no character", "write a `%` as `%25`");
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('%') {
        let hex = after.get(..2).filter(|digits| digits.chars().all(|digit| digit.is_ascii_hexdigit()));
        hex.ok_or_else(stray)?;
        rest = after;
    }
    urlencoding::decode(text).map(std::borrow::Cow::into_owned).map_err(|_| stray())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server_of(url: &str) -> ServerUrl {
        match DatabaseUrl::parse(url) {
            Ok(DatabaseUrl::Server(server)) => server,
            other => panic!("{url}: {other:?}"),
        }
    }

    #[test]
    fn servers() {
        let full = server_of("mariadb://sh%40p:p%2Fw%3A%25@db.example:3307/my%20shop");
        assert_eq!((full.dialect, full.host.as_str(), full.port), (Dialect::MySql, "db.example", 3307));
        assert_eq!((full.user.as_str(), full.database.as_str()), ("sh@p", "my shop"));
        assert_eq!(full.password.as_ref().map(Secret::expose), Some("p/w:%"));
        let short = server_of("postgresql://u@[::1]/shop?socket=%2Ftmp");
        assert_eq!((short.host.as_str(), short.port, short.password), ("::1", 5432, None));
        assert_eq!(short.socket, Some(PathBuf::from("/tmp")));
        assert_eq!(server_of("mysql://root:@h/shop").password, None);
        // An `@` in a password is understood where that is possible without doubt.
        assert_eq!(server_of("mysql://u:a@b@h/shop").password.as_ref().map(Secret::expose), Some("a@b"));
    }

    #[test]
    fn files() {
        let path = |url| match DatabaseUrl::parse(url) {
            Ok(DatabaseUrl::File(path)) => path,
            other => panic!("{url}: {other:?}"),
        };
        assert_eq!(path("sqlite://shop.db"), PathBuf::from("shop.db"));
        assert_eq!(path("sqlite://data/my%20shop.db"), PathBuf::from("data/my shop.db"));
        assert_eq!(path("sqlite:///var/shop.db"), PathBuf::from("/var/shop.db"));
    }

    #[test]
    fn refusals_never_quote_what_may_be_a_password() {
        let urls = [
            "mysql://u:hun/ter2@h/shop",
            "mysql://u:hun?ter2@h/shop",
            "mysql://u:hunter2@h",
            "mysql://u:hunter2%@h/shop",
            "mysql://u:hunter2@/shop",
            "mysqll://u:hunter2@h/shop",
            "u:hunter2@h/shop",
            "mysql://u:hunter2@h/shop?ssl-mode=hunter2",
            "sqlite://",
            "sqlite://:memory:",
        ];
        for url in urls {
            let Err(error) = DatabaseUrl::parse(url) else { panic!("{url}") };
            assert!(!error.to_string().contains("ter2"), "{url}: {error}");
        }
    }

    #[test]
    fn loopback() {
        for host in ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "::1"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["db.localhost.example", "10.0.0.1", "::2", "shop"] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
