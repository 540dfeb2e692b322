//! Child processes that never outlive the test process, however it ends.
//!
//! A shell that ignores the terminal's signals reads from a pipe which processes to end; the pipe closes when the test
//! process is gone, by a panic, Ctrl-C or `kill -9` alike, and then it ends those that are still there, and theirs.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Mutex, OnceLock};

const UNDERTAKER: &str = r#"
trap '' INT TERM HUP
watched=' '
while read -r verb pid; do
  case $verb in
    watch) watched="$watched$pid " ;;
    # One that is not watched any more would double the list.
    forget) case "$watched" in *" $pid "*) watched="${watched%% $pid *} ${watched#* $pid }" ;; esac ;;
  esac
done
for pid in $watched; do
  kill -9 $(cat /proc/$pid/task/*/children 2>/dev/null) $pid 2>/dev/null
done
"#;

fn tell(line: &str) {
    static PIPE: OnceLock<Mutex<ChildStdin>> = OnceLock::new();
    let pipe = PIPE.get_or_init(|| {
        #[expect(clippy::zombie_processes, reason = "it outlives this process by design")]
        let mut shell = Command::new("sh")
            .args(["-c", UNDERTAKER])
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh starts");
        Mutex::new(shell.stdin.take().expect("a pipe was asked for"))
    });
    pipe.lock().expect("nobody panics while telling").write_all(line.as_bytes()).expect("the shell reads");
}

/// A child that dies with its owner.
#[derive(Debug)]
pub struct Owned(Child);

impl Owned {
    /// Starts it, in a process group of its own so that Ctrl-C reaches the tests alone.
    pub fn spawn(command: &mut Command) -> Self {
        let child = command.process_group(0).spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        tell(&format!("watch {}\n", child.id()));
        Self(child)
    }

    /// Its process id; valid until it was waited for.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// The processes that it has started.
    pub fn children(&self) -> Vec<u32> {
        children(self.pid())
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        let status = self.0.wait().expect("a child can be waited for");
        tell(&format!("forget {}\n", self.pid()));
        status
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().expect("a child can be asked")
    }

    /// Access to its pipes.
    pub fn pipes(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        if self.ended().is_none() {
            for child in self.children() {
                signal(child, "KILL");
            }
            signal(self.pid(), "KILL");
        }
        self.wait();
    }
}

/// The processes that a process has started.
pub fn children(pid: u32) -> Vec<u32> {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let mut children = Vec::new();
    for thread in threads.flatten() {
        let listed = std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        children.extend(listed.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
    }
    children
}

/// Sends a signal by name; false if the process is gone.
pub fn signal(pid: u32, name: &str) -> bool {
    // The shell's builtin: no package beyond the shell is needed, and there is no unsafe call.
    Command::new("sh")
        .args(["-c", &format!("kill -{name} {pid}")])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Peak resident memory of a living process, in KiB.
pub fn peak_memory_kib(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// A port of loopback that nobody listens on. Not one of those that the system gives to outgoing connections, of which there are
/// many meanwhile: a server that takes seconds to start would find it taken.
pub fn free_port() -> u16 {
    loop {
        let port = rand::random_range(12_000..32_000);
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
