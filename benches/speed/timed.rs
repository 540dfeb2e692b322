//! Whole commands, with what they took as the operating system accounts for it.

use crate::support::child::Owned;
use crate::support::job::Job;
use serde_json::Value;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What one side took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Took {
    /// From its start to its end.
    pub(crate) wall: Duration,
    /// Processor time of the client, all of its processes together; `None` where the work is the server's alone.
    pub(crate) cpu: Option<Duration>,
    /// Peak resident memory of the largest of its processes, in KiB.
    pub(crate) peak_kib: Option<u64>,
    /// Of milkrun: the time within batches, as its runs report it, without connecting, looking at the schema, estimating and the
    /// closing sweep.
    pub(crate) chunks: Option<Duration>,
}

/// Runs a command to its end under GNU time; what it took, and what it printed. It has to succeed.
pub(crate) fn timed(command: &Command, job: &Job) -> (Took, String) {
    let account = job.folder().join("account");
    let mut time = Command::new("/usr/bin/time");
    time.args(["-f", "%U %S %M", "-o"]).arg(&account).arg(command.get_program()).args(command.get_args());
    time.current_dir(command.get_current_dir().unwrap_or(job.folder()));
    for (name, value) in command.get_envs() {
        time.env(name, value.unwrap_or_default());
    }
    let printed = job.folder().join("printed");
    let file = std::fs::File::create(&printed).expect("a file");
    time.stdin(Stdio::null()).stdout(file.try_clone().expect("a file")).stderr(Stdio::inherit());
    let started = Instant::now();
    let status = Owned::spawn(&mut time).wait();
    let wall = started.elapsed();
    let printed = std::fs::read_to_string(&printed).expect("text");
    assert!(status.success(), "{command:?}: {status}\n{printed}");
    let account = std::fs::read_to_string(&account).expect("an account");
    let figures: Vec<&str> = account.lines().last().unwrap_or_default().split(' ').collect();
    let seconds = |at: usize| figures[at].parse::<f64>().expect("seconds");
    let cpu = Duration::from_secs_f64(seconds(0) + seconds(1));
    let took = Took { wall, cpu: Some(cpu), peak_kib: Some(figures[2].parse().expect("KiB")), chunks: None };
    (took, printed)
}

/// Run after run of milkrun until its migration is complete, from nothing.
pub(crate) fn milkrun(job: &Job, moved: i64) -> Took {
    let cli = job.cli();
    let mut command = Command::new(env!("CARGO_BIN_EXE_milkrun"));
    command.args(["--json", "run", &job.name, "--until-done"]).current_dir(&cli.folder);
    command.envs(cli.environment.iter().map(|(name, value)| (name, value)));
    let (mut took, printed) = timed(&command, job);
    let replies: Vec<Value> = printed.lines().map(|line| serde_json::from_str(line).expect("a reply")).collect();
    let last = replies.last().expect("there is a reply");
    assert!(last["outcome"] == "complete" && last["progress"]["moved"] == moved, "{last}");
    let chunks = replies.iter().filter_map(|reply| reply["batch_ms"].as_u64()).sum();
    took.chunks = Some(Duration::from_millis(chunks));
    took
}
