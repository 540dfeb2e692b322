//! Second stores follow once a row has (`[[after_row]]`): each is told what the row said and what it says now, until it answers that it
//! knows.
//!
//! A store may be told twice, after a run that was killed and by `retry`; the key of a call is the same each time. What there is to
//! tell of a row that followed before is read from the journal.

use super::Files;
use super::journal::{self, Line};
use super::storing::left;
use crate::cursor::Cursor;
use crate::digest;
use crate::fault::{Class, Fault, Origin, chain};
use crate::http::{HttpError, Poster};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// Calls side by side.
const AT_ONCE: usize = 8;
/// One call, at most.
const CALL: Duration = Duration::from_secs(10);
/// How often a store is asked that refuses for the moment.
const ATTEMPTS: u32 = 5;
/// Between two attempts.
const WAIT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// How far clocks may disagree about when a line was written.
const SKEW: Duration = Duration::from_mins(15);

/// Which way a row went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// To the new place.
    There,
    /// It was rolled back.
    Back,
}

/// Why a store does not follow.
#[derive(Debug)]
pub(super) enum Unfollowed {
    /// It cannot be reached, or wants to be left alone; or there was no time for all: no row's fault.
    Away(Fault),
    /// It refuses this row; why.
    Refused(String),
}

/// How one row's calls to one store ended.
enum Told {
    Yes,
    /// It answered, and does not want to.
    No(HttpError),
    /// It did not answer, in all the time that a call has, or wants to be left alone for longer than there is.
    Silent(HttpError),
    /// The time was over before that could be said.
    Cut,
}

/// What the journal says of some rows.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// Of each the last line that says something which the row says now, of the columns that do.
    pub(super) found: Vec<Line>,
    /// Those for which there was no time to look.
    pub(super) unsought: Vec<Cursor>,
}

impl Files {
    /// Tells every store of these rows; those that could not be told, by their places.
    pub(super) async fn tell(&self, lines: &[&Line], way: Way, end: Instant) -> HashMap<usize, Unfollowed> {
        let hooks = self.hooks.len();
        // So that who never answers is asked more than once.
        let call = (left(end) / 3).min(CALL);
        let (mut next, mut under_way, mut untold) = (0, FuturesUnordered::new(), HashMap::new());
        let (mut answered, mut silent) = (vec![false; hooks], Vec::new());
        loop {
            let hopeless = silent.len() >= AT_ONCE && !answered.contains(&true);
            while under_way.len() < AT_ONCE
                && !hopeless
                && let (place, hook) = (next / hooks.max(1), next % hooks.max(1))
                && let (Some(line), Some(poster)) = (lines.get(place), self.hooks.get(hook))
            {
                next += 1;
                let (key, body) = self.said(line, way);
                under_way.push(Box::pin(async move { (place, hook, post(poster, &key, body, call, end).await) }));
            }
            let Some((place, hook, told)) = under_way.next().await else { break };
            if let (Told::Yes | Told::No(_), Some(answered)) = (&told, answered.get_mut(hook)) {
                *answered = true;
            }
            match told {
                Told::Yes => {}
                Told::No(error) => {
                    untold.entry(place).or_insert_with(|| Unfollowed::Refused(self.refusal(hook, way, &error)));
                }
                Told::Silent(error) => silent.push((place, hook, error)),
                Told::Cut => {
                    let why = "who follows a row could not be told of all within what is left of the run";
                    untold.insert(place, Unfollowed::Away(untold_of(Class::Capacity, why.to_owned())));
                }
            }
        }
        for (place, hook, error) in silent {
            // Who answers others has something against this row, or is overwhelmed by it.
            let unfollowed = if answered.get(hook) == Some(&true) && !asks_for_patience(&error) {
                Unfollowed::Refused(self.refusal(hook, way, &error))
            } else {
                let why = format!("`{}` does not answer: {}", self.hook(hook), chain(&error));
                Unfollowed::Away(untold_of(Class::Transient, why))
            };
            if !matches!(untold.get(&place), Some(Unfollowed::Away(_))) {
                untold.insert(place, unfollowed);
            }
        }
        untold
    }

    fn hook(&self, place: usize) -> String {
        if self.hooks.len() > 1 { format!("after_row[{place}]") } else { "after_row".to_owned() }
    }

    fn refusal(&self, hook: usize, way: Way, error: &HttpError) -> String {
        let went = match way {
            Way::There => "points at its copies",
            Way::Back => "was put back",
        };
        format!("the row {went}, but {} does not follow: {}", self.hook(hook), chain(error))
    }

    /// A call's key, and what it says: of the columns of URLs those that changed.
    fn said(&self, line: &Line, way: Way) -> (String, String) {
        let before: Value = line.new.keys().map(|name| (name.clone(), json!(line.old.get(name)))).collect();
        let after = json!(line.new);
        let (old, new) = match way {
            Way::There => (before, after),
            Way::Back => (after, before),
        };
        let said = json!({ "migration": self.definition.name, "key": line.key.texts(), "old": old, "new": new });
        let said = said.to_string();
        // The same texts may come again, after a rollback or because the application went back: that is another change.
        (digest::sha256(format!("{} {said}", line.run)), said)
    }

    /// The lines of rows that point at their copies already, of those written `since` then, if that is known. A row of which there is none
    /// was never moved by this migration, or says something else throughout by now.
    pub(super) async fn lines_of(
        &self,
        keys: &[Cursor],
        since: Option<SystemTime>,
        end: Instant,
    ) -> Result<Lines, Fault> {
        let mut wanted: HashSet<&Cursor> = keys.iter().collect();
        let mut lines = Lines::default();
        if wanted.is_empty() || self.hooks.is_empty() {
            return Ok(lines);
        }
        let folder = journal::folder(&self.definition);
        let rows = self.rows_by_key(keys, left(end)).await?;
        let objects = self.journal_now(left(end)).await?;
        let since = since.and_then(|since| since.checked_sub(SKEW)?.duration_since(UNIX_EPOCH).ok());
        let first = since.map(|since| format!("{folder}{:014}", since.as_millis())).unwrap_or_default();
        for object in objects.iter().rev().take_while(|key| **key >= first) {
            if wanted.is_empty() {
                break;
            }
            if Instant::now() >= end {
                lines.unsought = wanted.into_iter().cloned().collect();
                break;
            }
            for mut line in self.journal_lines(object, left(end)).await?.into_iter().rev() {
                if !line.is_of(&self.definition) {
                    continue;
                }
                let Some(row) = rows.iter().find(|row| row.key == line.key) else { continue };
                // What the application has written since is its own affair.
                line.new.retain(|name, text| row.value(&self.columns, name) == Some(text.as_str()));
                if !line.new.is_empty() && wanted.remove(&line.key) {
                    lines.found.push(line);
                }
            }
        }
        Ok(lines)
    }
}

fn untold_of(class: Class, message: String) -> Fault {
    Fault { origin: Origin::Storage, uncertain: true, ..Fault::new(class, message) }
}

/// Whether somebody says for how long to be left alone.
fn asks_for_patience(error: &HttpError) -> bool {
    matches!(error, HttpError::Status { status: 429 | 503, retry_after: Some(_) })
}

/// POSTs until somebody answers, or refuses for good. Each call has `call` to be answered.
async fn post(poster: &Poster, key: &str, body: String, call: Duration, end: Instant) -> Told {
    let (mut wait, mut attempts) = (WAIT.0, 0);
    loop {
        if Instant::now() + call > end {
            return Told::Cut;
        }
        let error = match poster.post(key, body.clone(), call).await {
            Ok(()) => return Told::Yes,
            Err(error) => error,
        };
        attempts += 1;
        let pause = match &error {
            HttpError::Status { retry_after: Some(wait), .. } => *wait,
            _ => wait.mul_f64(0.5 + rand::random::<f64>()),
        };
        if !error.passes() || attempts == ATTEMPTS || Instant::now() + pause + call > end {
            let has_answered = matches!(error, HttpError::Status { .. }) && !asks_for_patience(&error);
            return if has_answered { Told::No(error) } else { Told::Silent(error) };
        }
        tokio::time::sleep(pause).await;
        wait = (wait * 2).min(WAIT.1);
    }
}
