//! `--until-done` plays the schedule: invocation after invocation, waiting out what passes by itself.

use super::end::{aside, status};
use super::{Session, human, next, print};
use crate::command::CommandError;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashSet};
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// What the runs of one command line added up to.
#[derive(Default)]
struct Totals {
    runs: u64,
    counts: [u64; 4],
    /// Dead letters by migration, as the last reply of each counts them.
    aside: BTreeMap<String, u64>,
}

const COUNTED: [&str; 4] = ["moved", "skipped", "conflicts", "failed"];

impl Session<'_> {
    /// Carries out an event, once or until it is done; the exit status.
    pub(super) async fn go(&self, event: Value) -> Result<u8, CommandError> {
        let command = event["command"].as_str().unwrap_or_default().to_owned();
        let bare = event["migration"].is_null();
        let mut totals = Totals::default();
        let mut worst = 0;
        let mut waits = 0;
        let mut rested = HashSet::from([Value::Null.to_string()]);
        let result = loop {
            let reply = match self.call(&event).await {
                Ok(reply) => reply,
                Err(error) => break Err(error),
            };
            self.tell(&reply);
            self.bar.follow(&reply);
            totals.add(&reply);
            // A bare run goes on to other migrations: what needs a person in one of them still does, also in one that only rests.
            if bare && matches!(reply["outcome"].as_str(), Some("complete" | "idle")) {
                worst = worst.max(status(&command, &reply));
            }
            if !self.asked.until_done() || self.stop.is_set() {
                break Ok(reply);
            }
            let wait = match reply["outcome"].as_str() {
                // A rate in debt lets nothing be moved for a while, and says so at once.
                Some("more") if reply["stopped_by"] == "rate" && reply["batches"] == 0 => {
                    Some(until(&reply).unwrap_or(UNKNOWN).max(least(waits)))
                }
                Some("more") => until(&reply).map(|until| until.max(least(waits))),
                Some("busy" | "fenced") => Some(until(&reply).unwrap_or(UNKNOWN).max(least(waits))),
                Some("complete") if bare && command == "run" => None,
                // One that goes on for ever has done what there is: others may not. Found idle again, it would be asked for ever.
                Some("idle") if bare && command == "run" && rested.insert(reply["migration"].to_string()) => None,
                _ => break Ok(reply),
            };
            waits = if wait.is_some() { waits + 1 } else { 0 };
            if let Some(wait) = wait {
                self.bar.wait(reply["outcome"].as_str().unwrap_or_default(), wait);
                self.stop.sleep(wait).await;
            }
            if self.stop.is_set() {
                break Ok(reply);
            }
        };
        self.bar.finish();
        let reply = result?;
        if !self.asked.json {
            Box::pin(self.conclude(&event, &reply, &totals)).await;
        }
        Ok(match status(&command, &reply) {
            0 => worst,
            code => code,
        })
    }

    async fn conclude(&self, event: &Value, reply: &Value, totals: &Totals) {
        match event["command"].as_str().unwrap_or_default() {
            "run" => {
                self.explain(reply).await;
                for (name, count) in totals.aside.iter().filter(|(_, count)| **count > 0) {
                    self.bar.say(&next::dead_letters(&self.asked.again(), name, *count));
                }
                print(&totals.line(reply));
            }
            "verify" => {
                self.explain(reply).await;
                self.list(reply, &["missing", "different", "extra"]);
                let mends = Box::pin(self.mends(reply["migration"].as_str().unwrap_or_default())).await;
                for line in next::differences(&self.asked.again(), event, reply, mends) {
                    self.bar.say(&line);
                }
                print(&verified(reply));
            }
            "rollback" => {
                self.explain(reply).await;
                self.list(reply, &["changed", "gone"]);
                print(&rolled_back(reply));
            }
            "plan" => print(&human::plan(reply)),
            _ => print(&human::text(reply)),
        }
    }
}

impl Session<'_> {
    /// Why it ended as it did, who wanted that, and when it makes sense to come back.
    async fn explain(&self, reply: &Value) {
        if let Some(reason) = reply["reason"].as_str() {
            self.bar.say(reason);
        }
        if let Some(line) = self.who_paused(reply).await {
            self.bar.say(&line);
        }
        if let Some(until) = reply["until"].as_str() {
            let why = match reply["outcome"].as_str() {
                Some("busy") if reply["migration"].is_null() => "everything that is left to do waits or is held",
                Some("busy") => "another run holds it",
                Some("idle") => "there is nothing to do; the next sweep waits",
                _ => "the pass is over, and `settle` is not",
            };
            self.bar.say(&format!("{why} until {until}"));
        }
    }

    /// Who has paused it, which a run's reply does not say, and how it goes on.
    async fn who_paused(&self, reply: &Value) -> Option<String> {
        if reply["outcome"] != "paused" || self.stop.is_set() {
            return None;
        }
        let event = json!({"command": "status", "migration": reply["migration"]});
        let status = Box::pin(self.call(&event)).await.ok()?;
        next::paused(&self.asked.again(), &status)
    }

    /// The examples of a reply, and how many more its counts of these names have.
    fn list(&self, reply: &Value, counts: &[&str]) {
        let examples = reply["examples"].as_array().map(Vec::as_slice).unwrap_or_default();
        for example in examples {
            self.bar.say(&format!("{}: {}", example["kind"].as_str().unwrap_or_default(), example["key"]));
        }
        let all: u64 = counts.iter().filter_map(|name| reply[*name].as_u64()).sum();
        if let Some(line) = next::more(all, examples.len()) {
            self.bar.say(&line);
        }
    }
}

impl Totals {
    fn add(&mut self, reply: &Value) {
        self.runs += 1;
        for (count, name) in self.counts.iter_mut().zip(COUNTED) {
            *count += reply[name].as_u64().unwrap_or(0);
        }
        if let Some(name) = reply["migration"].as_str().filter(|_| reply["progress"].is_object()) {
            self.aside.insert(name.to_owned(), aside(reply));
        }
    }

    fn line(&self, reply: &Value) -> String {
        let name = reply["migration"].as_str().unwrap_or("milkrun");
        let outcome = reply["outcome"].as_str().unwrap_or_default();
        let counts: Vec<String> =
            self.counts.iter().zip(COUNTED).map(|(count, name)| format!("{count} {name}")).collect();
        // Always in the plural: scripts look for it.
        format!("{name}: {outcome}, {}, {} runs", counts.join(", "), self.runs)
    }
}

fn verified(reply: &Value) -> String {
    let count = |name: &str| reply[name].as_u64().unwrap_or(0);
    let repaired = if count("repaired") > 0 { format!(", {} repaired", count("repaired")) } else { String::new() };
    let sample = reply["sample"].as_str().map_or_else(String::new, |share| format!(", a sample of {share}"));
    format!(
        "{}: {}, {} checked, {} equal, {} missing, {} different, {} extra{repaired}{sample}",
        reply["migration"].as_str().unwrap_or_default(),
        reply["outcome"].as_str().unwrap_or_default(),
        count("checked"),
        count("equal"),
        count("missing"),
        count("different"),
        count("extra"),
    )
}

fn rolled_back(reply: &Value) -> String {
    let count = |name: &str| reply[name].as_u64().unwrap_or(0);
    format!(
        "{}: {}, {} rolled back, {} were so before, {} changed since, {} gone",
        reply["migration"].as_str().unwrap_or_default(),
        reply["outcome"].as_str().unwrap_or_default(),
        count("rolled_back"),
        count("unchanged"),
        count("changed"),
        count("gone"),
    )
}

/// How long to wait where no reply says until when: a function without room does not know.
const UNKNOWN: Duration = Duration::from_millis(500);

/// The least wait after so many in a row. It grows, for `until` may lie behind a clock that is ahead, and a function is
/// not asked in vain many times a second.
fn least(waits: u32) -> Duration {
    Duration::from_millis(20 << waits.min(9))
}

/// How long until the time that a reply names. Looked at anew at the latest after a minute: another run may be quicker.
fn until(reply: &Value) -> Option<Duration> {
    let at = OffsetDateTime::parse(reply["until"].as_str()?, &Rfc3339).ok()?;
    let left = at - OffsetDateTime::now_utc();
    Some(Duration::try_from(left).unwrap_or_default().min(Duration::from_mins(1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nobody_is_asked_in_vain_many_times_a_second() {
        // A clock that is a minute ahead: every `until` is over already.
        assert_eq!(until(&json!({"until": "2020-01-01T00:00:00Z"})), Some(Duration::ZERO));
        assert_eq!(until(&json!({"until": "9999-01-01T00:00:00Z"})), Some(Duration::from_mins(1)));
        assert_eq!(until(&json!({"outcome": "busy"})), None);
        assert_eq!((least(0), least(4)), (Duration::from_millis(20), Duration::from_millis(320)));
        let asked: Duration = (0..20).map(least).sum();
        assert!(least(100) == least(9) && asked > Duration::from_mins(2), "{asked:?}");
    }

    #[test]
    fn the_last_line_says_that_not_all_was_looked_at() {
        let mut reply = json!({"migration": "photos", "outcome": "complete", "checked": 20, "equal": 20});
        let all = "photos: complete, 20 checked, 20 equal, 0 missing, 0 different, 0 extra";
        assert_eq!(verified(&reply), all);
        reply["sample"] = json!("1%");
        assert_eq!(verified(&reply), format!("{all}, a sample of 1%"));
    }

    #[test]
    fn the_last_line_says_it_all() {
        let mut totals = Totals::default();
        for moved in [40_000, 32_884, 0] {
            totals.add(&json!({"moved": moved, "skipped": 0, "conflicts": 0, "failed": 0}));
        }
        let reply = json!({"migration": "orders-history", "outcome": "complete"});
        assert_eq!(
            totals.line(&reply),
            "orders-history: complete, 72884 moved, 0 skipped, 0 conflicts, 0 failed, 3 runs"
        );
    }
}
