//! One PostgreSQL for the whole test process.

use super::server::Server;
use std::sync::OnceLock;

pub(super) const FUNCTIONS: &str = r#"
prepare() {
  for bin in /usr/lib/postgresql/*/bin; do PATH="$bin:$PATH"; done
  as=
  if [ "$(id -u)" = 0 ]; then chown postgres "$1"; as='setpriv --reuid=postgres --regid=postgres --init-groups'; fi
  cd "$1"
  $as initdb -D "$1/data" -A trust -U postgres -E UTF8 --locale=C --no-sync || return 1
  # Two users need a password.
  printf '%s\n' 'local all all trust' 'host all pw_reader,pw_wrong 127.0.0.1/32 scram-sha-256' 'host all all 127.0.0.1/32 trust' \
    'host replication all 127.0.0.1/32 trust' \
    >"$1/data/pg_hba.conf"
  # Sessions of milkrun's commit for good; nobody pulls this server's plug. In the file, where a benchmark can still overrule it.
  printf '%s\n' 'fsync = off' >>"$1/data/postgresql.conf"
  $as postgres -D "$1/data" -p "$2" -c listen_addresses=127.0.0.1 -c unix_socket_directories="$1" \
    -c synchronous_commit=off -c max_connections=200 &
  server=$!
}
ready() { pg_isready -q -h 127.0.0.1 -p "$2"; }
"#;

/// A running PostgreSQL.
pub(crate) struct Postgres(Server);

/// The server, started at the first call.
pub(crate) fn postgres() -> &'static Postgres {
    static SERVER: OnceLock<Postgres> = OnceLock::new();
    SERVER.get_or_init(|| Postgres(Server::start("postgres", FUNCTIONS)))
}

/// A server of one test alone, and one that replicates from it.
pub(crate) fn replicating_postgres() -> (Postgres, Postgres) {
    let primary = Postgres(Server::start("postgres-primary", FUNCTIONS));
    let made = r#"initdb -D "$1/data" -A trust -U postgres -E UTF8 --locale=C --no-sync"#;
    let copied = format!(r#"pg_basebackup -h 127.0.0.1 -p {} -U postgres -D "$1/data" -R --no-sync"#, primary.port());
    let functions = FUNCTIONS.replace(made, &copied);
    assert_ne!(functions, FUNCTIONS);
    (primary, Postgres(Server::start("postgres-standby", &functions)))
}

impl Postgres {
    /// Its port on loopback.
    pub(crate) fn port(&self) -> u16 {
        self.0.port
    }

    /// A database in it, as the superuser.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port())
    }
}
