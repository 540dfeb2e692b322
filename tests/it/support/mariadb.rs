//! One MariaDB for the whole test process.

use super::server::Server;
use std::path::PathBuf;
use std::sync::OnceLock;

pub(super) const FUNCTIONS: &str = r#"
prepare() {
  as=
  # A server that starts clears its temporary folder: in a shared one, of other servers' tables too.
  mkdir "$1/tmp"
  export TMPDIR="$1/tmp"
  if [ "$(id -u)" = 0 ]; then chown mysql "$1" "$1/tmp"; as=--user=mysql; fi
  mariadb-install-db --no-defaults $as --datadir="$1/data" --auth-root-authentication-method=normal --skip-test-db || return 1
  mariadbd --no-defaults $as --datadir="$1/data" --socket="$1/s.sock" --port="$2" --bind-address=127.0.0.1 \
    --innodb-flush-log-at-trx-commit=2 --innodb-buffer-pool-size=128M --performance-schema=OFF --skip-name-resolve &
  server=$!
}
ready() { [ -S "$1/s.sock" ]; }
"#;

/// A running MariaDB.
pub(crate) struct MariaDb(Server);

/// The server, started at the first call.
pub(crate) fn mariadb() -> &'static MariaDb {
    static SERVER: OnceLock<MariaDb> = OnceLock::new();
    SERVER.get_or_init(|| MariaDb(Server::start("mariadb", FUNCTIONS)))
}

/// One more, for a test that changes what holds for the whole server.
pub(crate) fn own_mariadb() -> MariaDb {
    MariaDb(Server::start("mariadb", FUNCTIONS))
}

/// One more that keeps a binary log for replicas, or, with another number, is going to be one.
pub(crate) fn replicating_mariadb(number: u32) -> MariaDb {
    let options = format!("--log-bin=bin --server-id={number} --performance-schema=OFF");
    MariaDb(Server::start("mariadb", &FUNCTIONS.replace("--performance-schema=OFF", &options)))
}

impl MariaDb {
    /// Its port on loopback.
    pub(crate) fn port(&self) -> u16 {
        self.0.port
    }

    /// Its Unix socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.0.folder.join("s.sock")
    }

    /// A database in it, as root without a password.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("mysql://root@127.0.0.1:{}/{database}", self.port())
    }
}
