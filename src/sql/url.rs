//! Database URLs, taken apart. No message here quotes a URL: part of it may be a password.

use super::{ConnectOptions, Dialect};
use crate::debug::debug_is_display;
use crate::hint::nearest;
use crate::secret::Secret;
use std::path::PathBuf;

const SCHEMES: [(&str, Dialect); 5] = [
    ("mysql", Dialect::MySql),
    ("mariadb", Dialect::MySql),
    ("postgres", Dialect::Postgres),
    ("postgresql", Dialect::Postgres),
    ("sqlite", Dialect::Sqlite),
];

/// What is wrong with a URL, and what to write instead.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}; {hint}")]
pub struct UrlError {
    /// What is wrong, to be read after the name of where the URL stands. It never quotes the URL.
    pub message: String,
    /// What to write instead.
    pub hint: String,
}

debug_is_display!(UrlError);

fn wrong(message: impl Into<String>, hint: impl Into<String>) -> UrlError {
    UrlError { message: message.into(), hint: hint.into() }
}

impl ConnectOptions {
    /// Reads `mysql://`, `mariadb://`, `postgres://`, `postgresql://` and `sqlite://` URLs, percent-decoded, with the port
    /// filled in. The one parameter known is a server's `socket`.
    pub fn from_url(url: &str) -> Result<Self, UrlError> {
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

fn file(place: &str) -> Result<ConnectOptions, UrlError> {
    let path = decoded(place)?;
    match path.as_str() {
        "" | "/" => Err(wrong("names no file", "write `sqlite://shop.db` or `sqlite:///var/shop.db`")),
        ":memory:" => Err(wrong("is a database in memory, which every connection sees empty", "write `sqlite://PATH`")),
        _ => Ok(ConnectOptions::sqlite(path)),
    }
}

fn server(dialect: Dialect, place: &str, socket: Option<String>) -> Result<ConnectOptions, UrlError> {
    let empty = ConnectOptions::empty(dialect);
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
        Some((host, "")) => (host, None),
        Some((host, rest)) => match rest.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None => {
                return Err(wrong("has something behind the `]` of its host that is no port", "write `[HOST]:PORT`"));
            }
        },
        None => at.split_once(':').map_or((at, None), |(host, port)| (host, Some(port))),
    };
    let port = match port {
        None => empty.port,
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
    Ok(ConnectOptions {
        host: decoded(host)?,
        port,
        socket: socket.map(PathBuf::from),
        user,
        password: Some(password).filter(|password| !password.is_empty()).map(Secret::new),
        database,
        ..empty
    })
}

fn decoded(text: &str) -> Result<String, UrlError> {
    let stray = || wrong("has a `%` that begins no character", "write a `%` as `%25`");
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('%') {
        let hex = after.get(..2).filter(|digits| digits.chars().all(|digit| digit.is_ascii_hexdigit()));
        hex.ok_or_else(stray)?;
        rest = after;
    }
    let plain = urlencoding::decode(text).map_err(|_| stray())?;
    // The protocols of the servers end texts with it.
    if plain.contains('\0') {
        return Err(wrong("has a NUL character", "leave the `%00` out"));
    }
    Ok(plain.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> ConnectOptions {
        ConnectOptions::from_url(url).unwrap_or_else(|error| panic!("{url}: {error}"))
    }

    #[test]
    fn servers() {
        let full = parsed("mariadb://sh%40p:p%2Fw%3A%25@db.example:3307/my%20shop");
        assert_eq!((full.dialect, full.host.as_str(), full.port), (Dialect::MySql, "db.example", 3307));
        assert_eq!((full.user.as_str(), full.database.as_str()), ("sh@p", "my shop"));
        assert_eq!(full.password.as_ref().map(Secret::expose), Some("p/w:%"));
        let short = parsed("postgresql://u@[::1]/shop?socket=%2Ftmp");
        assert_eq!(short.dialect, Dialect::Postgres);
        assert_eq!((short.host.as_str(), short.port, short.password), ("::1", 5432, None));
        assert_eq!(short.socket, Some(PathBuf::from("/tmp")));
        assert_eq!(parsed("mysql://root:@h/shop").password, None);
        assert_eq!(parsed("mysql://u@[::1]:3307/shop").port, 3307);
        // An `@` in a password is understood where that is possible without doubt.
        assert_eq!(parsed("mysql://u:a@b@h/shop").password.as_ref().map(Secret::expose), Some("a@b"));
    }

    #[test]
    fn files() {
        for (url, path) in [
            ("sqlite://shop.db", "shop.db"),
            ("sqlite://data/my%20shop.db", "data/my shop.db"),
            ("sqlite:///var/shop.db", "/var/shop.db"),
        ] {
            assert_eq!(parsed(url), ConnectOptions::sqlite(path), "{url}");
        }
    }

    #[test]
    fn refusals_say_what_to_write_and_never_quote_what_may_be_a_password() {
        let encode =
            "write `/`, `@`, `:`, `?`, `#` and `%` in user and password as `%2F`, `%40`, `%3A`, `%3F`, `%23` and `%25`";
        let form = "write `mysql://USER@HOST/DATABASE`, `postgres://USER@HOST/DATABASE` or `sqlite://PATH`";
        let place = "write `USER@HOST/DATABASE` behind `://`";
        let known = "`mysql`, `mariadb`, `postgres`, `postgresql` and `sqlite` are known";
        for (url, message, hint) in [
            ("mysql://u:hun/ter2@h/shop", "has a port that is no number", encode),
            (
                "mysql://u:hun?ter2@h/shop",
                "has something behind a `?` that is no parameter",
                "write a `?` inside the URL as `%3F`",
            ),
            ("mysql://u:hunter2@h", "names no database", "end it with `/` and the database's name"),
            ("mysql://u:hunter2@h:x/shop", "has a port that is no number", encode),
            (
                "mysql://u:hunter2@[::1]3306/shop",
                "has something behind the `]` of its host that is no port",
                "write `[HOST]:PORT`",
            ),
            ("mysql://u:hunter2%@h/shop", "has a `%` that begins no character", "write a `%` as `%25`"),
            ("mysql://u:hunter2%00@h/shop", "has a NUL character", "leave the `%00` out"),
            ("mysql://u:hunter2@/shop", "names no host", place),
            ("mysql://h/shop", "names no user", place),
            ("mysql://u@h/d/hunter2@x", "has an `@` behind the host", encode),
            ("mysqll://u:hunter2@h/shop", "has an unknown URL scheme `mysqll`", "did you mean `mysql`?"),
            ("oracle://u:hunter2@h/shop", "has an unknown URL scheme `oracle`", known),
            ("u:hunter2://h/shop", "has an unknown URL scheme", known),
            ("u:hunter2@h/shop", "is not a database URL", form),
            ("shop.db", "is not a database URL", form),
            (
                "mysql://u:hunter2@h/shop?ssl-mode=hunter2",
                "has the URL parameter `ssl-mode`",
                "leave it out: beyond loopback TLS is always required and verified; the long form takes a `ca`",
            ),
            (
                "mysql://u:hunter2@h/shop?charset=hunter2",
                "has the URL parameter `charset`",
                "leave it out: milkrun sets its sessions up by itself; a server takes `socket=PATH` alone",
            ),
            ("sqlite://", "names no file", "write `sqlite://shop.db` or `sqlite:///var/shop.db`"),
            (
                "sqlite://:memory:",
                "is a database in memory, which every connection sees empty",
                "write `sqlite://PATH`",
            ),
        ] {
            let Err(error) = ConnectOptions::from_url(url) else { panic!("{url}") };
            assert_eq!((error.message.as_str(), error.hint.as_str()), (message, hint), "{url}");
            assert!(!error.to_string().contains("ter2"), "{url}: {error}");
        }
    }
}
