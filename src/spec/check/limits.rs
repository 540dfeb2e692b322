//! `[limits]`, with the defaults filled in.

use crate::spec::definition::Limits;
use crate::spec::file::{Bytes, LimitsSection};
use crate::spec::problem::{Path, Problems};
use crate::spec::{schema, units};
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

const DAY: Duration = Duration::from_hours(24);

pub(super) fn check(path: &Path, written: LimitsSection, problems: &mut Problems) -> Option<Limits> {
    let mut fields = Fields { path, problems };
    let default = Limits::default();
    let millisecond = Duration::from_millis(1);
    let batch_time =
        fields.duration("batch_time", written.batch_time, default.batch_time, millisecond..=minutes(15), "1ms to 15m");
    let max_batch = fields.number("max_batch", written.max_batch, default.max_batch, 1..=1_000_000);
    let max_item = fields.size("max_item", written.max_item, default.max_item, 1 << 10..=1 << 30, "1 KB to 1 GB");
    let shards = fields.number("shards", written.shards, default.shards, 1..=Limits::MOST_SHARDS);
    let lanes = fields.number("lanes", written.lanes, default.lanes, 1..=Limits::MOST_LANES);
    let items_per_second =
        fields.number("items_per_second", written.items_per_second, default.items_per_second, 0..=1_000_000_000);
    let bytes_per_second = fields.rate("bytes_per_second", written.bytes_per_second, default.bytes_per_second);
    let max_attempts = fields.number("max_attempts", written.max_attempts, default.max_attempts, 1..=1_000);
    let stop_when_failed =
        fields.percentage("stop_when_failed", written.stop_when_failed, default.stop_when_failed, 0..=10_000);
    let settle = fields.duration("settle", written.settle, default.settle, Duration::ZERO..=DAY * 365, "0s to 365d");
    let max_sweeps = fields.number("max_sweeps", written.max_sweeps, default.max_sweeps, 1..=1_000);
    let sweep_every = fields.duration(
        "sweep_every",
        written.sweep_every,
        default.sweep_every,
        Duration::from_secs(1)..=DAY * 365,
        "1s to 365d",
    );
    let second = Duration::from_secs(1);
    let lease = fields.duration("lease", written.lease, default.lease, second..=minutes(15), "1s to 15m");
    Some(Limits {
        batch_time: batch_time?,
        max_batch: max_batch?,
        max_item: max_item?,
        shards: shards?,
        lanes: lanes?,
        items_per_second: items_per_second?,
        bytes_per_second: bytes_per_second?,
        max_attempts: max_attempts?,
        stop_when_failed: stop_when_failed?,
        settle: settle?,
        max_sweeps: max_sweeps?,
        sweep_every: sweep_every?,
        lease: lease?,
        log_keys: written.log_keys.unwrap_or(default.log_keys),
    })
}

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

struct Fields<'a> {
    path: &'a Path,
    problems: &'a mut Problems,
}

impl Fields<'_> {
    fn duration(
        &mut self,
        name: &str,
        written: Option<String>,
        default: Duration,
        range: RangeInclusive<Duration>,
        in_words: &str,
    ) -> Option<Duration> {
        let Some(text) = written else { return Some(default) };
        let form = "a whole number with `ms`, `s`, `m`, `h` or `d`";
        self.measured(name, &text, units::duration(&text), &range, ("a duration", form, in_words))
    }

    fn size(
        &mut self,
        name: &str,
        written: Option<String>,
        default: u64,
        range: RangeInclusive<u64>,
        in_words: &str,
    ) -> Option<u64> {
        let Some(text) = written else { return Some(default) };
        let form = "a whole number with `B`, `KB`, `MB` or `GB`";
        self.measured(name, &text, units::bytes(&text), &range, ("a size", form, in_words))
    }

    /// Bytes in a second: a size, or a number of bytes.
    fn rate(&mut self, name: &str, written: Option<Bytes>, default: u64) -> Option<u64> {
        const MOST: i64 = 1 << 40;
        match written {
            Some(Bytes::Size(text)) => self.size(name, Some(text), default, 0..=MOST.unsigned_abs(), "0 to 1024 GB"),
            Some(Bytes::Number(number)) => self.number(name, Some(number), default, 0..=MOST.unsigned_abs()),
            None => Some(default),
        }
    }

    fn percentage(
        &mut self,
        name: &str,
        written: Option<String>,
        default: u32,
        range: RangeInclusive<u32>,
    ) -> Option<u32> {
        let Some(text) = written else { return Some(default) };
        let form = "a number with at most two digits behind the point and `%`";
        self.measured(name, &text, units::percentage(&text), &range, ("a percentage", form, "0% to 100%"))
    }

    fn measured<T: PartialOrd>(
        &mut self,
        name: &str,
        text: &str,
        value: Option<T>,
        range: &RangeInclusive<T>,
        (what, form, in_words): (&str, &str, &str),
    ) -> Option<T> {
        let path = self.path.key(name);
        let example = schema::example(&path);
        match value {
            None => {
                let said = if text.is_empty() { "is empty".to_owned() } else { format!("`{text}` is not {what}") };
                self.problems.add(&path, said, format!("{example}: {form}"));
            }
            Some(value) if range.contains(&value) => return Some(value),
            Some(_) => self.problems.add(&path, format!("`{text}` is out of range"), format!("write {in_words}")),
        }
        None
    }

    fn number<T: TryFrom<i64> + PartialOrd + Display>(
        &mut self,
        name: &str,
        written: Option<i64>,
        default: T,
        range: RangeInclusive<T>,
    ) -> Option<T> {
        let Some(number) = written else { return Some(default) };
        let value = T::try_from(number).ok().filter(|value| range.contains(value));
        if value.is_none() {
            let hint = format!("write {} to {}", range.start(), range.end());
            self.problems.add(&self.path.key(name), format!("`{number}` is out of range"), hint);
        }
        value
    }
}
