//! A database server of the test process's own, which dies with it, however it ends.

use super::child::free_port;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};

/// Starts a server and outlives it, in a shell out of reach of the terminal's signals. Its standard input is a pipe
/// that closes when the test process is gone, by a panic, Ctrl-C or `kill -9` alike.
const GUARD: &str = r#"
trap '' INT TERM HUP
prepare "$1" "$2" >"$1/log" 2>&1 </dev/null || { cat "$1/log"; exit 1; }
while ! ready "$1" "$2"; do
  kill -0 "$server" 2>/dev/null || { cat "$1/log"; exit 1; }
  sleep 0.05
done
echo ready
cat >/dev/null
kill -9 "$server"
wait
rm -rf "$1"
"#;

/// What keeps a server alive.
pub(crate) struct Server {
    /// Its folder.
    pub(crate) folder: PathBuf,
    /// Its port on loopback.
    pub(crate) port: u16,
    _alive: ChildStdin,
}

impl Server {
    /// Starts a server. `functions` are two shell functions of a folder and a port: `prepare` leaves the server's process
    /// in `$server`, `ready` says whether it answers.
    pub(crate) fn start(name: &str, functions: &str) -> Self {
        let port = free_port();
        let folder = std::env::temp_dir().join(format!("milkrun-{name}-{}-{port}", std::process::id()));
        std::fs::create_dir(&folder).expect("a new folder");
        #[expect(clippy::zombie_processes, reason = "it outlives this process by design")]
        let mut shell = Command::new("sh")
            .arg("-c")
            .arg(format!("{functions}\n{GUARD}"))
            .arg("sh")
            .arg::<&Path>(&folder)
            .arg(port.to_string())
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh starts");
        let alive = shell.stdin.take().expect("a pipe was asked for");
        let mut said = String::new();
        let mut output = BufReader::new(shell.stdout.take().expect("a pipe was asked for"));
        while !said.ends_with("ready\n") {
            assert!(output.read_line(&mut said).expect("text") > 0, "{name} did not start:\n{said}");
        }
        Self { folder, port, _alive: alive }
    }
}
