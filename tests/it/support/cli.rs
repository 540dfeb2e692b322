//! The real `milkrun`, as an operator runs it.

use super::child::{Owned, signal};
use serde_json::Value;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::JoinHandle;

/// How it is called: the environment of a program that has nothing but what it is given.
#[derive(Clone, Debug)]
pub struct Cli {
    /// Working directory.
    pub folder: PathBuf,
    /// Environment beyond PATH.
    pub environment: Vec<(String, String)>,
}

/// What became of a call.
#[derive(Debug)]
pub struct Finished {
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// A call that has not ended.
#[derive(Debug)]
pub struct Running {
    child: Owned,
    stdout: JoinHandle<String>,
    stderr: JoinHandle<String>,
}

impl Cli {
    /// In a folder, with an environment.
    pub fn new(folder: &Path, environment: &[(&str, &str)]) -> Self {
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { folder: folder.to_owned(), environment }
    }

    /// The same, with one more variable.
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut with = self.clone();
        with.environment.retain(|(known, _)| known != name);
        with.environment.push((name.to_owned(), value.to_owned()));
        with
    }

    /// Runs it to its end.
    pub fn run(&self, arguments: &[&str]) -> Finished {
        self.spawn(arguments).wait()
    }

    /// Starts it.
    pub fn spawn(&self, arguments: &[&str]) -> Running {
        let mut command = Command::new(env!("CARGO_BIN_EXE_milkrun"));
        command.args(arguments).current_dir(&self.folder).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = Owned::spawn(&mut command);
        let stdout = collect(child.pipes().stdout.take().expect("asked for"));
        let stderr = collect(child.pipes().stderr.take().expect("asked for"));
        Running { child, stdout, stderr }
    }
}

fn collect(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // Also what was said before a pipe broke is worth having.
        let _ = pipe.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

impl Running {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        self.child.ended().is_none()
    }

    /// Sends a signal by name: `KILL`, `TERM`, `INT`, `STOP`, `CONT`. False if it was over already.
    pub fn signal(&mut self, name: &str) -> bool {
        self.is_running() && signal(self.pid(), name)
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Finished {
        let status = self.child.wait();
        let stdout = self.stdout.join().expect("a reader does not panic");
        let stderr = self.stderr.join().expect("a reader does not panic");
        Finished { code: status.code(), stdout, stderr }
    }
}

impl Finished {
    /// Each line of standard output as JSON, as `--json` promises.
    pub fn replies(&self) -> Vec<Value> {
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}\n{self:?}"));
        self.stdout.lines().map(parse).collect()
    }

    /// The last reply.
    pub fn reply(&self) -> Value {
        self.replies().pop().unwrap_or_else(|| panic!("no reply: {self:?}"))
    }

    /// Asserts the exit code, showing everything if it is another.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "\nstdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }
}
