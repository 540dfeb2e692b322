//! Where a database is and how to get in.

use super::{Dialect, Make};
use crate::secret::Secret;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Everything that [`super::Session::open`] needs. Its Debug output shows no password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectOptions {
    /// Which SQL is spoken there; of MySQL and MariaDB the server itself says which it is.
    pub dialect: Dialect,
    /// Which server it is to be taken for, whatever it says itself.
    pub make: Option<Make>,
    /// Host name or address, without brackets; may be empty if there is a socket. Empty for SQLite.
    pub host: String,
    /// The port.
    pub port: u16,
    /// A Unix domain socket to use instead: MySQL's socket file, or the folder of PostgreSQL's.
    pub socket: Option<PathBuf>,
    /// The database user. Empty for SQLite.
    pub user: String,
    /// Its password.
    pub password: Option<Secret>,
    /// The database; for MySQL it is the default schema too. Empty for SQLite.
    pub database: String,
    /// The file of a SQLite database, relative to the working directory or absolute. Empty elsewhere.
    pub path: PathBuf,
    /// A PEM file of certificate authorities to trust besides the system's and those of RDS. On loopback it asks for TLS.
    pub ca: Option<PathBuf>,
}

impl ConnectOptions {
    /// The usual port of the dialect's servers, and nothing else yet.
    pub fn empty(dialect: Dialect) -> Self {
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
            database: String::new(),
            path: PathBuf::new(),
            ca: None,
        }
    }

    /// A SQLite file.
    pub fn sqlite(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), ..Self::empty(Dialect::Sqlite) }
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

    /// Whether both are one database, whoever logs in: the same server and database, or the same file.
    pub fn same_place(&self, other: &Self) -> bool {
        if self.dialect != other.dialect {
            return false;
        }
        if self.dialect == Dialect::Sqlite {
            let canonical = (self.path.canonicalize(), other.path.canonicalize());
            return self.path == other.path || matches!(canonical, (Ok(one), Ok(two)) if one == two);
        }
        self.host.eq_ignore_ascii_case(&other.host)
            && (self.port, &self.socket, &self.database) == (other.port, &other.socket, &other.database)
    }

    /// Whether both log in alike there: the same user and password, trusting the same authority.
    pub fn same_login(&self, other: &Self) -> bool {
        (&self.user, &self.password, &self.ca) == (&other.user, &other.password, &other.ca)
    }

    /// The SQLite file.
    pub(super) fn file(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_what_stays_on_the_machine() {
        for (host, expected) in [
            ("localhost", true),
            ("LOCALHOST", true),
            ("127.0.0.1", true),
            ("127.8.0.1", true),
            ("[::1]", true),
            ("[::ffff:127.0.0.1]", true),
            ("localhost.example.com", false),
            ("db.localhost.example", false),
            ("10.0.0.1", false),
            ("127.example.com", false),
            ("[::2]", false),
            ("shop", false),
        ] {
            let options = ConnectOptions::from_url(&format!("mysql://u@{host}/d")).unwrap();
            assert_eq!(options.is_loopback(), expected, "{host}");
            assert_eq!(options.is_verified(), !expected, "{host}");
            assert!(options.with_ca(Some("ca.pem".into())).is_verified());
        }
        assert!(ConnectOptions::from_url("mysql://u@shop/d?socket=/run/db").unwrap().is_loopback());
        assert!(ConnectOptions::sqlite("shop.db").is_loopback());
    }

    #[test]
    fn one_place_is_one_whoever_logs_in() {
        let of = |url: &str| ConnectOptions::from_url(url).unwrap();
        let shop = of("mysql://u:tiger@db/shop");
        assert!(shop.same_place(&of("mariadb://v@DB:3306/shop")));
        for other in ["mysql://u:tiger@db/other", "mysql://u@db2/shop", "mysql://u@db:3307/shop", "sqlite://shop"] {
            assert!(!shop.same_place(&of(other)), "{other}");
        }
        assert!(!shop.same_place(&of("mysql://u@db/shop?socket=/run/db")));
        let folder = tempfile::tempdir().unwrap();
        let (file, other) = (folder.path().join("shop.db"), folder.path().join("./shop.db"));
        std::fs::write(&file, "").unwrap();
        assert!(ConnectOptions::sqlite(&file).same_place(&ConnectOptions::sqlite(other)));
        assert!(!ConnectOptions::sqlite(file).same_place(&ConnectOptions::sqlite(folder.path().join("other.db"))));
    }

    #[test]
    fn a_login_is_user_password_and_authority() {
        let of = |url: &str| ConnectOptions::from_url(url).unwrap();
        let shop = of("mysql://u:tiger@db/shop");
        assert!(shop.same_login(&of("mariadb://u:tiger@db:3306/shop")));
        for other in ["mysql://v:tiger@db/shop", "mysql://u:lion@db/shop", "mysql://u@db/shop"] {
            assert!(!shop.same_login(&of(other)), "{other}");
        }
        assert!(!shop.same_login(&shop.clone().with_ca(Some("ca.pem".into()))));
    }

    #[test]
    fn debug_shows_no_password() {
        let options = ConnectOptions::from_url("mysql://shop:p%40ss@db/shop").unwrap();
        assert!(!format!("{options:?} {options:#?}").contains("p@ss"), "{options:?}");
    }
}
