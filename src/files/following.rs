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
    /// It cannot be reached, or wants to be left alone: no row fares better.
    Away(Fault),
    /// It refuses this row; why.
    Refused(String),
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
        let (mut next, mut under_way, mut untold) = (0, FuturesUnordered::new(), HashMap::new());
        loop {
            while under_way.len() < AT_ONCE
                && next < usize::MAX
                && let (place, hook) = (next / hooks.max(1), next % hooks.max(1))
                && let (Some(line), Some(poster)) = (lines.get(place), self.hooks.get(hook))
            {
                next += 1;
                let (key, body) = self.said(line, way);
                under_way.push(Box::pin(async move { (place, hook, post(poster, &key, body, end).await) }));
            }
            let Some((place, hook, told)) = under_way.next().await else { return untold };
            let Err(error) = told else { continue };
            let which = if hooks > 1 { format!("after_row[{hook}]") } else { "after_row".to_owned() };
            let why = chain(&error);
            let unfollowed = if is_away(&error) {
                let message = format!("`{which}` does not answer: {why}");
                let fault = Fault { origin: Origin::Storage, ..Fault::new(Class::Transient, message) };
                // Nobody else has to wait for the same.
                next = usize::MAX;
                Unfollowed::Away(fault)
            } else {
                let went = match way {
                    Way::There => "points at its copies",
                    Way::Back => "was put back",
                };
                Unfollowed::Refused(format!("the row {went}, but {which} does not follow: {why}"))
            };
            if !matches!(untold.get(&place), Some(Unfollowed::Away(_))) {
                untold.insert(place, unfollowed);
            }
        }
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

/// Whether it is not this row that somebody does not want to hear of.
fn is_away(error: &HttpError) -> bool {
    match error {
        HttpError::Status { status, retry_after } => matches!(status, 429 | 503) && retry_after.is_some(),
        error => error.passes() || matches!(error, HttpError::Untrusted | HttpError::Tls(_)),
    }
}

/// POSTs until somebody answers, or refuses for good.
async fn post(poster: &Poster, key: &str, body: String, end: Instant) -> Result<(), HttpError> {
    // So that who never answers is asked more than once.
    let call = (left(end) / 3).min(CALL);
    let (mut wait, mut attempts) = (WAIT.0, 0);
    loop {
        let limit = call.min(left(end));
        let error = match poster.post(key, body.clone(), limit).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        attempts += 1;
        let pause = match &error {
            HttpError::Status { retry_after: Some(wait), .. } => *wait,
            _ => wait.mul_f64(0.5 + rand::random::<f64>()),
        };
        if !error.passes() || attempts == ATTEMPTS || Instant::now() + pause + call / 2 >= end {
            return Err(error);
        }
        tokio::time::sleep(pause).await;
        wait = (wait * 2).min(WAIT.1);
    }
}
