//! The real `bootstrap` under AWS's own Lambda runtime interface emulator: real deadlines, a real SIGKILL at the timeout.

use super::child::{Owned, free_port, peak_memory_kib, signal};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// An emulator with its function; both end with their owner.
#[derive(Debug)]
pub struct Rie {
    child: Owned,
    port: u16,
    log: PathBuf,
    /// The emulator takes one invocation at a time and crashes at a second one.
    one_at_a_time: Mutex<()>,
    timeout: Duration,
}

/// How a function is configured.
#[derive(Clone, Debug)]
pub struct Function {
    /// The timeout, in seconds.
    pub timeout_s: u64,
    /// The memory size; told to the function, not enforced.
    pub memory_mb: u64,
    /// Its environment beyond PATH.
    pub environment: Vec<(String, String)>,
}

/// What came back from an invocation.
#[derive(Clone, Debug)]
pub struct Invoked {
    /// The HTTP status; 200 also when the handler failed or the function timed out.
    pub status: u16,
    /// The body.
    pub body: String,
    /// From the request to the answer.
    pub took: Duration,
}

impl Rie {
    /// Starts the emulator in `folder`, where its log goes too. The function itself starts at the first invocation.
    pub fn start(folder: &Path, function: &Function) -> Self {
        Self::start_with(folder, function, Path::new(env!("CARGO_BIN_EXE_bootstrap")))
    }

    /// As `start`, with another program as the function.
    pub fn start_with(folder: &Path, function: &Function, program: &Path) -> Self {
        let log = folder.join(format!("rie-{}.log", free_port()));
        // Between asking for a free port and using it somebody else may take it.
        for _ in 0..5 {
            let (port, api) = (free_port(), free_port());
            let lines = std::fs::File::create(&log).expect("a log file");
            let mut command = Command::new(emulator());
            command
                .args(["--runtime-interface-emulator-address", &format!("127.0.0.1:{port}")])
                .args(["--runtime-api-address", &format!("127.0.0.1:{api}")])
                .arg(program)
                .current_dir(folder)
                .env_clear()
                .env("PATH", std::env::var_os("PATH").unwrap_or_default())
                .env("AWS_LAMBDA_FUNCTION_TIMEOUT", function.timeout_s.to_string())
                .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", function.memory_mb.to_string())
                .env("AWS_LAMBDA_FUNCTION_NAME", "milkrun")
                .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
                .envs(function.environment.iter().map(|(name, value)| (name, value)))
                .stdin(Stdio::null())
                .stdout(lines.try_clone().expect("a file can be shared"))
                .stderr(lines);
            let mut child = Owned::spawn(&mut command);
            if listens(&mut child, port) {
                let timeout = Duration::from_secs(function.timeout_s);
                return Self { child, port, log, one_at_a_time: Mutex::new(()), timeout };
            }
        }
        panic!("the emulator does not start: {}", std::fs::read_to_string(&log).unwrap_or_default());
    }

    /// Invokes the function and waits for its answer; a second caller waits for the first.
    pub fn invoke(&self, event: &Value) -> Invoked {
        let _turn = self.one_at_a_time.lock();
        let mut patience = 10;
        loop {
            let started = Instant::now();
            let (status, body) = match self.post(&event.to_string()) {
                Ok(answer) => answer,
                // One that has not begun anything yet may not be ready, whatever its port says.
                Err(_) if patience > 0 && !self.log().contains("START") => {
                    patience -= 1;
                    std::thread::sleep(Duration::from_millis(300));
                    continue;
                }
                Err(error) => panic!("the emulator is gone: {error}\n{}", self.log()),
            };
            // After a kill the emulator may give up before it has started the function, which has seen nothing then.
            if !body.contains("ErrGateCanceled") {
                return Invoked { status, body, took: started.elapsed() };
            }
        }
    }

    /// Where it plays Lambda's own API; its one function is called `function`.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn post(&self, body: &str) -> std::io::Result<(u16, String)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(self.timeout + Duration::from_secs(20)))?;
        // HTTP/1.0: the answer comes unchunked, and its end is the end of the stream.
        write!(
            stream,
            "POST /2015-03-31/functions/function/invocations HTTP/1.0\r\nHost: localhost\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let malformed = || std::io::Error::other(format!("no HTTP answer: {answer}"));
        let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(malformed)?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(malformed)?;
        Ok((status, body.to_owned()))
    }

    /// The function's process, if it is alive: there is none before the first invocation, nor after a kill.
    pub fn bootstrap_pid(&self) -> Option<u32> {
        self.child.children().into_iter().find(|pid| {
            let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            !state.is_empty() && !state.contains(") Z ")
        })
    }

    /// Kills the function's process; false if there is none.
    pub fn kill_bootstrap(&self) -> bool {
        self.bootstrap_pid().is_some_and(|pid| signal(pid, "KILL"))
    }

    /// Peak resident memory of the function's process, in KiB.
    pub fn peak_memory_kib(&self) -> Option<u64> {
        peak_memory_kib(self.bootstrap_pid()?)
    }

    /// Everything that emulator and function have written.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// The function's log lines that are JSON.
    pub fn log_lines(&self) -> Vec<Value> {
        self.log().lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }
}

impl Invoked {
    /// The reply of an invocation that succeeded.
    #[track_caller]
    pub fn reply(&self) -> Value {
        let reply: Value = serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        assert!(self.status == 200 && reply.get("errorType").is_none(), "the invocation failed: {self:?}");
        reply
    }

    /// The reply, or `None` if the function was killed or failed.
    pub fn reply_if_any(&self) -> Option<Value> {
        let reply: Value = serde_json::from_str(&self.body).ok()?;
        (self.status == 200 && reply.is_object() && reply.get("errorType").is_none()).then_some(reply)
    }

    /// Whether the platform ended it.
    pub fn timed_out(&self) -> bool {
        self.body.contains("Task timed out")
    }
}

/// Waits until somebody listens; false if the child has ended instead.
fn listens(child: &mut Owned, port: u16) -> bool {
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(10) {
        if child.ended().is_some() {
            return false;
        }
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

/// Where `make setup` puts what no package manager keeps.
fn tools() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").expect("HOME is set"));
    std::env::var_os("MILKRUN_TOOLS").map_or_else(|| home().join(".cache/milkrun"), PathBuf::from)
}

/// Where `make setup` has put the emulator: by itself, or inside the SAM command line, which brings it.
fn emulator() -> PathBuf {
    let tools = tools();
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
    let name = format!("aws-lambda-rie-{architecture}");
    let mut places = vec![tools.join("rie"), tools.join(&name)];
    if let Ok(versions) = std::fs::read_dir(tools.join("sam/lib")) {
        let inside = |version: std::fs::DirEntry| version.path().join("site-packages/samcli/local/rapid").join(&name);
        places.extend(versions.flatten().map(inside));
    }
    places
        .iter()
        .find(|place| place.is_file())
        .cloned()
        .unwrap_or_else(|| panic!("the Lambda emulator is missing, run `make setup`; looked for it in {places:?}"))
}
