//! The progress bar on a terminal: items, rate, time to go.

use crate::engine::checkpoint::Checkpoint;
use crate::engine::run::Observer;
use crate::engine::state::State;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use serde_json::Value;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

const LOOK: &str = "{msg} [{bar:30}] {human_pos}/{human_len} {rate}/s ETA {eta}";

#[derive(Clone)]
pub(super) struct Bar {
    bar: ProgressBar,
}

impl Bar {
    pub(super) fn new(watched: bool) -> Self {
        let target = if watched { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(0), target);
        if let Ok(style) = ProgressStyle::with_template(LOOK) {
            let rate = |state: &ProgressState, out: &mut dyn Write| {
                // Nobody reads the fraction of an order.
                let _ = write!(out, "{:.0}", state.per_sec());
            };
            bar.set_style(style.with_key("rate", rate).progress_chars("=> "));
        }
        Self { bar }
    }

    /// Follows each commit of a run in this process.
    pub(super) fn observer(&self) -> Observer {
        let bar = self.bar.clone();
        Arc::new(move |checkpoint: &Checkpoint, state: &State| {
            let items = checkpoint.passed();
            show(&bar, items, state.expected.items, if state.pass > 1 { "sweeping" } else { "moving" });
        })
    }

    /// Follows the replies of a run somewhere else, and those of `verify`.
    pub(super) fn follow(&self, reply: &Value) {
        let count = |value: &Value| value.as_u64().unwrap_or(0);
        let progress = &reply["progress"];
        if progress.is_object() {
            let items = ["moved", "skipped", "conflicts", "failed"].iter().map(|name| count(&progress[*name])).sum();
            show(&self.bar, items, count(&progress["estimated_total"]), "moving");
        } else if reply["checked"].is_u64() {
            show(&self.bar, count(&reply["checked"]), 0, "verifying");
        }
    }

    /// A line above the bar.
    pub(super) fn say(&self, line: &str) {
        if self.bar.is_hidden() { super::eprint(line) } else { self.bar.println(line) }
    }

    pub(super) fn wait(&self, why: &str, time: Duration) {
        if time >= Duration::from_secs(1) {
            self.bar.set_message(format!("waiting {}s ({why})", time.as_secs()));
            self.bar.tick();
        }
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn show(bar: &ProgressBar, items: u64, expected: u64, what: &'static str) {
    // An estimate that was too low is no reason to show more than all.
    bar.set_length(expected.max(items));
    bar.set_message(what);
    bar.set_position(items);
}
