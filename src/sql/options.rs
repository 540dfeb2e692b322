//! Where a database is and how to get in: parsed from a URL or from the JSON that RDS keeps in Secrets Manager.

use super::{Dialect, Make, SqlError};
use serde_json::Value;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Everything that [`super::Session::open`] needs. Its Debug output shows no password.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ConnectOptions {
    /// Which SQL is spoken there; of MySQL and MariaDB the server itself says which it is.
    pub dialect: Dialect,
    /// Which server it is to be taken for, whatever it says itself.
    pub make: Option<Make>,
    /// Host name or address, without brackets. Empty for SQLite.
    pub host: String,
    /// The port.
    pub port: u16,
    /// A Unix domain socket to use instead: MySQL's socket file, or the folder of PostgreSQL's.
    pub socket: Option<PathBuf>,
    /// The database user.
    pub user: String,
    /// Its password.
    pub password: Option<String>,
    /// The database. For MySQL it is the default schema too.
    pub database: Option<String>,
    /// The file of a SQLite database. Empty elsewhere.
    pub path: PathBuf,
    /// A PEM file of certificate authorities to trust besides the system's and those of RDS. On loopback it asks for TLS.
    pub ca: Option<PathBuf>,
}

impl fmt::Debug for ConnectOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ConnectOptions")
            .field("dialect", &self.dialect)
            .field("server", &self.server())
            .field("user", &self.user)
            .field("password", &self.password.as_ref().map(|_| "…"))
            .field("database", &self.database)
            .field("ca", &self.ca)
            .finish_non_exhaustive()
    }
}

impl ConnectOptions {
    /// A SQLite file.
    pub fn sqlite(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), ..Self::empty(Dialect::Sqlite) }
    }

    /// Reads `mysql://`, `mariadb://`, `postgres://`, `postgresql://` and `sqlite://` URLs. User, password and database
    /// may be percent-encoded. The one parameter known is `socket`. No message shows the URL: it may hold a password.
    pub fn from_url(url: &str) -> Result<Self, SqlError> {
        let (scheme, rest) =
            url.split_once("://").ok_or_else(|| wrong("is no URL: write mysql://user@host/database"))?;
        match scheme.to_ascii_lowercase().as_str() {
            "mysql" | "mariadb" => Self::network(Dialect::MySql, rest),
            "postgres" | "postgresql" => Self::network(Dialect::Postgres, rest),
            "sqlite" => {
                let path = decoded(rest, "path")?;
                if path.is_empty() || path.contains('?') {
                    return Err(wrong("names no plain file: write sqlite://shop.db or sqlite:///var/shop.db"));
                }
                Ok(Self::sqlite(path))
            }
            _ => Err(wrong("begins with none of mysql://, mariadb://, postgres://, postgresql:// and sqlite://")),
        }
    }

    /// Reads what Secrets Manager holds: a URL, or the JSON object that RDS keeps (`engine`, `host`, `port`, `username`,
    /// `password`, `dbname`).
    pub fn from_secret(secret: &str) -> Result<Self, SqlError> {
        let secret = secret.trim();
        if !secret.starts_with('{') {
            return Self::from_url(secret);
        }
        let Ok(Value::Object(fields)) = serde_json::from_str::<Value>(secret) else {
            return Err(wrong("in the secret is neither a URL nor a JSON object"));
        };
        let text =
            |name: &str| fields.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
        let needed = |name: &str| {
            text(name).ok_or_else(|| {
                wrong(&format!("in the secret has no `{name}`: RDS keeps engine, host, username and password there"))
            })
        };
        let engine = needed("engine")?;
        let dialect = match engine.as_str() {
            "mysql" | "mariadb" | "aurora" | "aurora-mysql" => Dialect::MySql,
            "postgres" | "postgresql" | "aurora-postgresql" => Dialect::Postgres,
            _ => {
                return Err(wrong(
                    "in the secret has an `engine` that is none of mysql, mariadb, aurora-mysql, postgres and aurora-postgresql",
                ));
            }
        };
        let mut options = Self::empty(dialect);
        options.host = needed("host")?;
        options.user = needed("username")?;
        options.password = Some(needed("password")?);
        options.database = text("dbname").or_else(|| text("database"));
        options.port = match fields.get("port") {
            None | Some(Value::Null) => options.port,
            Some(Value::String(port)) => {
                port.parse().map_err(|_| wrong("in the secret has a `port` that is no port"))?
            }
            Some(port) => port
                .as_u64()
                .and_then(|port| u16::try_from(port).ok())
                .ok_or_else(|| wrong("in the secret has a `port` that is no port"))?,
        };
        options.checked()
    }

    /// The same with this password.
    #[must_use]
    pub fn with_password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// The same, trusting this PEM file besides.
    #[must_use]
    pub fn with_ca(mut self, ca: Option<PathBuf>) -> Self {
        self.ca = ca;
        self
    }

    /// The server as messages name it: make, host and port, or the file.
    pub fn server(&self) -> String {
        let make = match self.dialect {
            Dialect::Sqlite => return format!("SQLite {}", self.path.display()),
            Dialect::MySql => "MySQL",
            Dialect::Postgres => "PostgreSQL",
        };
        match &self.socket {
            Some(socket) => format!("{make} at {}", socket.display()),
            None if self.host.contains(':') => format!("{make} at [{}]:{}", self.host, self.port),
            None => format!("{make} at {}:{}", self.host, self.port),
        }
    }

    /// The connection does not leave the machine, so that it needs no encryption.
    pub fn is_loopback(&self) -> bool {
        self.dialect == Dialect::Sqlite
            || self.socket.is_some()
            || self.host.eq_ignore_ascii_case("localhost")
            || self.host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
    }

    /// The connection is encrypted and the server's certificate verified: beyond loopback, and wherever an authority is
    /// named. A Unix socket needs neither.
    pub fn is_verified(&self) -> bool {
        self.dialect != Dialect::Sqlite && self.socket.is_none() && (!self.is_loopback() || self.ca.is_some())
    }

    fn empty(dialect: Dialect) -> Self {
        Self {
            dialect,
            make: None,
            host: String::new(),
            port: match dialect {
                Dialect::MySql => 3306,
                Dialect::Postgres => 5432,
                Dialect::Sqlite => 0,
            },
            socket: None,
            user: String::new(),
            password: None,
            database: None,
            path: PathBuf::new(),
            ca: None,
        }
    }

    fn network(dialect: Dialect, rest: &str) -> Result<Self, SqlError> {
        let mut options = Self::empty(dialect);
        let (rest, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, place) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = match login.split_once(':') {
            Some((user, password)) => (user, Some(decoded(password, "password")?)),
            None => (login, None),
        };
        options.user = decoded(user, "user")?;
        options.password = password;
        options.database = Some(decoded(database, "database")?).filter(|name| !name.is_empty());
        let (host, port) = match place.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']').ok_or_else(|| wrong("has an unclosed ["))?;
                (host, port.strip_prefix(':').unwrap_or(port))
            }
            None => place.split_once(':').unwrap_or((place, "")),
        };
        options.host = decoded(host, "host")?;
        if !port.is_empty() {
            options.port = port.parse().map_err(|_| {
                wrong("has a port that is no number up to 65535, or an unencoded `:`, `/` or `@` in its password")
            })?;
        }
        for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
            match parameter.split_once('=') {
                Some(("socket", socket)) => options.socket = Some(PathBuf::from(decoded(socket, "socket")?)),
                Some(("ssl-mode" | "sslmode" | "ssl-ca" | "sslrootcert", _)) => {
                    return Err(wrong(
                        "has parameters for TLS: it is always verified beyond loopback; name an authority with `ca`",
                    ));
                }
                _ => return Err(wrong("has a parameter that is not known: only `socket` is")),
            }
        }
        options.checked()
    }

    fn checked(self) -> Result<Self, SqlError> {
        let example =
            if self.dialect == Dialect::MySql { "mysql://shop@host/shop" } else { "postgres://shop@host/shop" };
        if self.host.is_empty() && self.socket.is_none() {
            return Err(wrong(&format!("names no host: write {example}")));
        }
        if self.user.is_empty() {
            return Err(wrong(&format!("names no user: write {example}")));
        }
        if self.database.is_none() {
            return Err(wrong(&format!("names no database: write {example}")));
        }
        Ok(self)
    }

    /// The SQLite file.
    pub(super) fn file(&self) -> &Path {
        &self.path
    }
}

fn wrong(message: &str) -> SqlError {
    SqlError::Address(message.to_owned())
}

fn decoded(text: &str, part: &str) -> Result<String, SqlError> {
    let plain =
        urlencoding::decode(text).map_err(|_| wrong(&format!("has a {part} that is not UTF-8 once decoded")))?;
    if plain.contains('\0') {
        return Err(wrong(&format!("has a NUL byte in its {part}")));
    }
    Ok(plain.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let options = ConnectOptions::from_url("mariadb://shop:p%40ss%2F@db.example.com:3307/my%20shop").unwrap();
        assert_eq!(options.dialect, Dialect::MySql);
        assert_eq!((options.host.as_str(), options.port), ("db.example.com", 3307));
        assert_eq!((options.user.as_str(), options.password.as_deref()), ("shop", Some("p@ss/")));
        assert_eq!(options.database.as_deref(), Some("my shop"));
        assert!(!options.is_loopback());
        assert!(!format!("{options:?}").contains("p@ss"));

        let options = ConnectOptions::from_url("postgresql://u@[::1]/d?socket=%2Ftmp").unwrap();
        assert_eq!((options.host.as_str(), options.port), ("::1", 5432));
        assert_eq!(options.socket.as_deref(), Some(Path::new("/tmp")));

        assert_eq!(ConnectOptions::from_url("sqlite://shop.db").unwrap().path, PathBuf::from("shop.db"));
        assert_eq!(ConnectOptions::from_url("sqlite:///var/shop.db").unwrap().path, PathBuf::from("/var/shop.db"));
    }

    #[test]
    fn loopback_is_what_stays_on_the_machine() {
        for (host, expected) in [
            ("localhost", true),
            ("127.0.0.1", true),
            ("127.8.0.1", true),
            ("[::1]", true),
            ("[::ffff:127.0.0.1]", true),
            ("localhost.example.com", false),
            ("10.0.0.1", false),
            ("127.example.com", false),
        ] {
            let options = ConnectOptions::from_url(&format!("mysql://u@{host}/d")).unwrap();
            assert_eq!(options.is_loopback(), expected, "{host}");
            assert_eq!(options.is_verified(), !expected, "{host}");
            assert!(options.with_ca(Some("ca.pem".into())).is_verified());
        }
    }

    #[test]
    fn secrets_of_rds() {
        let options = ConnectOptions::from_secret(
            r#"{"engine":"postgres","host":"h","port":6000,"username":"u","password":"p","dbname":"d"}"#,
        )
        .unwrap();
        assert_eq!((options.dialect, options.port), (Dialect::Postgres, 6000));
        assert_eq!(ConnectOptions::from_secret(" mysql://u:p@h/d\n").unwrap().host, "h");
        let error = ConnectOptions::from_secret(r#"{"engine":"oracle","host":"h","username":"u","password":"tiger"}"#);
        assert!(!error.unwrap_err().to_string().contains("tiger"));
    }

    #[test]
    fn wrong_urls_say_what_to_write_and_show_no_password() {
        for (url, part) in [
            ("shop.db", "is no URL"),
            ("oracle://u:tiger@h/d", "begins with none"),
            ("mysql://u:tiger@/d", "names no host"),
            ("mysql://h/d", "names no user"),
            ("mysql://u:tiger@h", "names no database"),
            ("mysql://u:tiger@h:x/d", "port"),
            ("mysql://u:ti/ger@h/d", "port"),
            ("mysql://u:tiger@h/d?ssl-mode=disabled", "always verified"),
            ("mysql://u:tiger@h/d?tiger=1", "only `socket`"),
            ("sqlite://", "no plain file"),
        ] {
            let message = ConnectOptions::from_url(url).unwrap_err().to_string();
            assert!(message.contains(part), "{url}: {message}");
            assert!(!message.contains("tiger") && !message.contains("ger@"), "{message}");
        }
    }
}
