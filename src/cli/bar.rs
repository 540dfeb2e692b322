//! The progress bar on a terminal: items, rate, time to go.

use crate::engine::run::Observer;
use crate::engine::state::State;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use serde_json::Value;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const LOOK: &str = "{msg} [{bar:30}] {human_pos}/{human_len} {rate}/s ETA {eta}";

#[derive(Clone)]
pub(super) struct Bar {
    bar: ProgressBar,
    /// The next position is where things stand, not what was done since the last one: at the start, and after a wait.
    afresh: Arc<AtomicBool>,
}

impl Bar {
    pub(super) fn new(watched: bool) -> Self {
        let target = if watched { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(0), target);
        if let Ok(style) = ProgressStyle::with_template(LOOK) {
            let rate = |state: &ProgressState, out: &mut dyn Write| {
                // Nobody reads the fraction of an order.
                let rate = Some(state.per_sec()).filter(|rate| rate.is_finite());
                let _ = write!(out, "{:.0}", rate.unwrap_or_default());
            };
            bar.set_style(style.with_key("rate", rate).progress_chars("=> "));
        }
        Self { bar, afresh: Arc::new(AtomicBool::new(true)) }
    }

    /// Follows each commit of a run in this process.
    pub(super) fn observer(&self) -> Observer {
        let bar = self.clone();
        Arc::new(move |items: u64, state: &State| {
            bar.show(items, state.expected.items, if state.pass > 1 { "sweeping" } else { "moving" });
        })
    }

    /// Follows the replies of a run somewhere else, and those of `verify`.
    pub(super) fn follow(&self, reply: &Value) {
        let count = |value: &Value| value.as_u64().unwrap_or(0);
        let progress = &reply["progress"];
        if progress.is_object() {
            let items = ["moved", "skipped", "conflicts", "failed"].iter().map(|name| count(&progress[*name])).sum();
            self.show(items, count(&progress["estimated_total"]), "moving");
        } else if reply["checked"].is_u64() {
            self.show(count(&reply["checked"]), 0, "verifying");
        }
    }

    /// A line above the bar.
    pub(super) fn say(&self, line: &str) {
        if self.bar.is_hidden() { super::eprint(line) } else { self.bar.println(line) }
    }

    pub(super) fn wait(&self, why: &str, time: Duration) {
        self.afresh.store(true, Ordering::Relaxed);
        if time >= Duration::from_secs(1) {
            self.bar.set_message(format!("waiting {}s ({why})", time.as_secs()));
            self.bar.tick();
        }
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn show(&self, items: u64, expected: u64, what: &'static str) {
        // An estimate that was too low is no reason to show more than all.
        self.bar.set_length(expected.max(items));
        self.bar.set_message(what);
        self.bar.set_position(items);
        if self.afresh.swap(false, Ordering::Relaxed) {
            // In this order: a reset forgets how fast it went, not how far it came.
            self.bar.tick();
            self.bar.reset_eta();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_was_done_before_makes_nobody_quicker() {
        let bar = Bar::new(false);
        let reply = |moved: u64| json!({"progress": {"moved": moved, "estimated_total": 1_000_000}});
        // A resumed job, then one that another run has brought on during a wait: ten items in each, in ten milliseconds or more.
        for before in [500_000, 900_000] {
            bar.follow(&reply(before));
            std::thread::sleep(Duration::from_millis(10));
            bar.follow(&reply(before + 10));
            bar.bar.tick();
            let rate = bar.bar.per_sec();
            assert!(rate > 0.0 && rate <= 1001.0, "{rate}");
            bar.wait("busy", Duration::ZERO);
        }
    }
}
