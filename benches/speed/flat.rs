//! Whether a migration is as quick at its end as at its beginning: narrow rows copied within one MariaDB, the rate of the last tenth
//! over that of the first, and the peak memory against that of a thousandth of the rows. Beside it the usual way, pages by OFFSET.

use super::ready::make_durable;
use super::timed::timed;
use crate::support::database::Database;
use crate::support::job::Job;
use crate::support::servers::Kind;
use serde_json::Value;
use std::process::Command;
use std::time::{Duration, Instant};

const ROWS: i64 = 15_000_000;
const PAGE: i64 = 10_000;
const SLOWER_AT_MOST: f64 = 0.10;
const MORE_MIB_AT_MOST: u64 = 6;
const FINISHED_MS_AT_MOST: u64 = 50;

const MIGRATION: &str = r#"
name = "readings-archive"
kind = "rows"
[source]
database = "$SHOP_DATABASE_URL"
table = "readings"
key = ["id"]
[target]
database = "$SHOP_DATABASE_URL"
table = "readings_archive"
key = ["id"]
create = true
[target.columns]
id = "id"
sensor = "sensor"
value = "value"
[limits]
# The run in which the last row is moved does not begin to sweep: its time is that of rows alone.
settle = "1s"
"#;

/// Seconds and rows of one stretch of a job.
type Stretch = (f64, f64);

pub(crate) fn compare() -> bool {
    let small = job(ROWS / 1000);
    let peak_small = whole(&small, ROWS / 1000).1;
    let job = job(ROWS);
    let (replies, peak) = whole(&job, ROWS);
    let rates = tenths(&replies);
    println!("\nFlat: {ROWS} narrow rows, {} runs", replies.len());
    let shown: Vec<String> = rates.iter().map(|rate| format!("{rate:.0}")).collect();
    println!("rows/s within batches, tenth by tenth: {}", shown.join(" "));
    let (first, last) = (rates[0], rates[rates.len() - 1]);
    let even = (last / first - 1.0).abs() <= SLOWER_AT_MOST;
    println!("last tenth over first: {:.2}, promised within {SLOWER_AT_MOST}: {}", last / first, verdict(even));
    let lean = peak.abs_diff(peak_small) <= MORE_MIB_AT_MOST * 1024;
    println!(
        "peak memory: {} MiB, {} MiB for {} rows, promised within {MORE_MIB_AT_MOST}: {}",
        peak / 1024,
        peak_small / 1024,
        ROWS / 1000,
        verdict(lean)
    );
    let finished = finished(&job);
    let quick = finished <= FINISHED_MS_AT_MOST;
    println!(
        "a run of the finished migration: {finished} ms, promised at most {FINISHED_MS_AT_MOST}: {}",
        verdict(quick)
    );
    offset(&job.database);
    even && lean && quick
}

fn verdict(kept: bool) -> &'static str {
    if kept { "kept" } else { "MISSED" }
}

fn job(rows: i64) -> Job {
    let mut job = Job::new(Kind::MariaDb);
    make_durable(&job.database);
    job.database.execute(&format!(
        "CREATE TABLE readings (id BIGINT PRIMARY KEY, sensor INT NOT NULL, value DOUBLE NOT NULL) ENGINE=InnoDB;
         INSERT INTO readings SELECT seq, seq % 1000, seq / 7 FROM seq_1_to_{rows};
         ANALYZE TABLE readings"
    ));
    job.define(MIGRATION);
    job
}

/// All of it, in runs of five seconds; each run's reply, and the peak memory in KiB.
fn whole(job: &Job, rows: i64) -> (Vec<Value>, u64) {
    let cli = job.cli();
    let mut command = Command::new(env!("CARGO_BIN_EXE_milkrun"));
    command.args(["--json", "run", &job.name, "--until-done", "--time-limit", "5s"]).current_dir(&cli.folder);
    command.envs(cli.environment.iter().map(|(name, value)| (name, value)));
    let (took, printed) = timed(&command, job);
    let replies: Vec<Value> = printed.lines().map(|line| serde_json::from_str(line).expect("a reply")).collect();
    let last = replies.last().expect("there is a reply");
    assert!(last["outcome"] == "complete" && last["progress"]["moved"] == rows, "{last}");
    (replies, took.peak_kib.expect("it was measured"))
}

/// Rows per second within batches, over each tenth of the rows.
fn tenths(replies: &[Value]) -> Vec<f64> {
    let number = |reply: &Value, name: &str| reply[name].as_f64().unwrap_or_default();
    let stretches: Vec<Stretch> =
        replies.iter().map(|reply| (number(reply, "batch_ms") / 1000.0, number(reply, "moved"))).collect();
    let tenth = stretches.iter().map(|stretch| stretch.1).sum::<f64>() / 10.0;
    let mut rates = Vec::new();
    let (mut seconds, mut rows) = (0.0, 0.0);
    for (mut took, mut moved) in stretches {
        // A run that reaches into the next tenth counts in both by its share.
        while moved > 0.0 {
            let part = moved.min(tenth - rows);
            let share = took * part / moved;
            (seconds, rows) = (seconds + share, rows + part);
            (took, moved) = (took - share, moved - part);
            if rows >= tenth * 0.999_999 {
                rates.push(rows / seconds);
                (seconds, rows) = (0.0, 0.0);
            }
        }
    }
    rates
}

/// What a run of a migration that is complete takes within the function, in milliseconds: the median of eleven invocations.
fn finished(job: &Job) -> u64 {
    let emulator = job.lambda(30, 1024);
    let mut took: Vec<u64> = (0..12)
        .map(|_| {
            let started = Instant::now();
            let reply = emulator.invoke(&job.event()).reply();
            assert_eq!(reply["outcome"], "complete", "{reply}");
            u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX)
        })
        .skip(1)
        .collect();
    took.sort_unstable();
    took[took.len() / 2]
}

/// The same copy in pages by OFFSET, a few pages from each tenth, since all of them would take hours.
fn offset(database: &Database) {
    database.execute("CREATE TABLE readings_paged LIKE readings");
    let rates: Vec<String> = (0..10)
        .map(|tenth| {
            let started = Instant::now();
            for page in 0..3 {
                let offset = ROWS / 10 * tenth + page * PAGE;
                database.execute(&format!(
                    "INSERT INTO readings_paged SELECT * FROM readings ORDER BY id LIMIT {PAGE} OFFSET {offset}"
                ));
            }
            let took: Duration = started.elapsed() / 3;
            format!("{:.0}", f64::from(i32::try_from(PAGE).expect("few")) / took.as_secs_f64())
        })
        .collect();
    println!("for comparison, pages of {PAGE} by OFFSET, rows/s tenth by tenth: {}", rates.join(" "));
}
