//! MariaDB and PostgreSQL with a certificate for 127.0.0.1 alone, each with an authority of its own.

use super::server::Server;
use std::path::PathBuf;

const CERTIFY: &str = r#"
certify() {
  openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj "/CN=authority of port $2" -keyout "$1/ca.key" -out "$1/ca.pem" &&
  openssl req -newkey rsa:2048 -nodes -subj "/CN=server" -keyout "$1/server.key" -out "$1/server.csr" &&
  echo subjectAltName=IP:127.0.0.1 >"$1/names" &&
  openssl x509 -req -in "$1/server.csr" -CA "$1/ca.pem" -CAkey "$1/ca.key" -CAcreateserial -days 30 -extfile "$1/names" -out "$1/server.pem"
}
"#;

/// A server that speaks TLS.
pub(crate) struct TlsServer {
    server: Server,
    login: &'static str,
}

impl TlsServer {
    /// MariaDB.
    pub(crate) fn mariadb() -> Self {
        let options = r#"--ssl-ca="$1/ca.pem" --ssl-cert="$1/server.pem" --ssl-key="$1/server.key""#;
        let functions = super::mariadb::FUNCTIONS.replace("--skip-name-resolve", options);
        Self::start("mariadb", "mysql", "mysql://root", &functions)
    }

    /// PostgreSQL.
    pub(crate) fn postgres() -> Self {
        let options =
            r#"-c ssl=on -c ssl_cert_file="$1/server.pem" -c ssl_key_file="$1/server.key" -c max_connections"#;
        let functions = super::postgres::FUNCTIONS.replace("-c max_connections", options);
        Self::start("postgres", "postgres", "postgres://postgres", &functions)
    }

    fn start(name: &str, owner: &str, login: &'static str, functions: &str) -> Self {
        let prepared = format!(
            "{CERTIFY}\n{}",
            functions.replace(
                "  as=\n",
                &format!(
                    "  certify \"$1\" \"$2\" || return 1\n  [ \"$(id -u)\" != 0 ] || chown {owner} \"$1/server.key\"\n  as=\n"
                )
            )
        );
        Self { server: Server::start(&format!("{name}-tls"), &prepared), login }
    }

    /// The database that is there from the start, by this name of the host.
    pub(crate) fn url(&self, host: &str) -> String {
        format!(
            "{}@{host}:{}/{}",
            self.login,
            self.server.port,
            if self.login.starts_with('m') { "mysql" } else { "postgres" }
        )
    }

    /// Its authority.
    pub(crate) fn authority(&self) -> PathBuf {
        self.server.folder.join("ca.pem")
    }
}
