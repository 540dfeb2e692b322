//! A batch: its files are brought into the bucket side by side, what its rows said goes into the journal, and then the rows follow.
//!
//! Whatever was done before a run is killed is found again by the next one: an object is equal, a row points at it. Rows that
//! changed meanwhile are read again.

use super::failure::fault;
use super::fates::Fate;
use super::following::{Lines, Unfollowed, Way};
use super::hosts::Kept;
use super::journal::{self, Line};
use super::row::Row;
use super::storing::left;
use super::update::{Arrived, Stamps};
use super::{Batch, Files, What};
use crate::cursor::Cursor;
use crate::engine::migration::{Aside, Effort, Outcome};
use crate::engine::shelves::Shelf;
use crate::fault::{Class, Fault};
use crate::rows::RowsError;
use crate::rows::mapping::Stretch;
use crate::s3::{Checksum, S3Error};
use bytes::Bytes;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// Why a row that points at its copies is set aside although nobody refused it.
const UNSOUGHT: &str = "whether `after_row` knows of the row cannot be told: the journal is longer than what a run can search; raise the \
    function's time, then `retry`";
/// How often a row that changes under way is read again.
const ROUNDS: u32 = 5;
/// What is kept back of a batch's time to give uploads up and to have the rows follow: a part of it, within these bounds.
const RESERVE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(3));

impl Files {
    pub(super) async fn move_batch(&self, batch: &Batch, effort: &Effort) -> Result<Outcome, Fault> {
        let mut touched = false;
        let moved = Box::pin(self.move_rows(batch, effort, &mut touched)).await;
        // Once a row may have followed, whatever fails later: it is found again, was moved by this batch, and its stores are told.
        moved.map_err(|fault| Fault { uncertain: fault.uncertain || touched, ..fault })
    }

    async fn move_rows(&self, batch: &Batch, effort: &Effort, touched: &mut bool) -> Result<Outcome, Fault> {
        let end = Instant::now() + effort.limit;
        let carried = self.carried.load(Ordering::Relaxed);
        let deadline = end - (effort.limit / 10).clamp(RESERVE.0, RESERVE.1).min(effort.limit / 2);
        let rows = self.rows_of_batch(batch, effort.limit).await?;
        let stamps = Stamps { now: SystemTime::now(), run: &effort.run };
        let mut outcome = Outcome::default();
        // A retry may be for that alone, of a row that followed in an earlier pass.
        let named = matches!(batch.what, What::Keys(_));
        let may_be_untold = !self.hooks.is_empty() && (effort.recovered || named);
        let since = (!named).then_some(batch.pass_started);
        let (mut unfinished, mut again) = (0_usize, Vec::new());
        let mut rounds = 0;
        let mut todo: &[Row] = &rows;
        let mut fresh;
        loop {
            // Whoever moved them may not have come to tell it.
            let there = if may_be_untold { self.there(todo) } else { Vec::new() };
            let Lines { found: untold, unsought } = self.lines_of(&there, since, deadline).await?;
            let fates = self.fates(todo, &stamps, effort, deadline).await?;
            let (mut arrived, mut failed) = (Vec::new(), Vec::new());
            for (row, fate) in todo.iter().zip(fates) {
                match fate {
                    Fate::Nothing { arrived: true } if may_be_untold => {}
                    Fate::Nothing { arrived: true } if effort.recovered => outcome.moved += 1,
                    Fate::Nothing { .. } => outcome.skipped += 1,
                    Fate::Arrived(one) => arrived.push(*one),
                    Fate::Aside(class, message) => {
                        failed.push(row);
                        outcome.aside.push(Aside { key: row.key.clone(), class, message });
                    }
                    Fate::Unfinished => unfinished += 1,
                }
            }
            let told_before = (there.len() - untold.len() - unsought.len()) as u64;
            *(if effort.recovered { &mut outcome.moved } else { &mut outcome.skipped }) += told_before;
            outcome.aside.extend(unsought.into_iter().map(|key| Aside {
                key,
                class: "server",
                message: UNSOUGHT.to_owned(),
            }));
            self.tell_of(&untold.iter().collect::<Vec<_>>(), &mut outcome, end).await?;
            self.keep_journal(&arrived, end).await?;
            *touched |= !arrived.is_empty();
            let overtaken = self.follow(&arrived, &failed, &stamps, end).await?;
            let (overtaken, followed): (Vec<_>, Vec<_>) =
                arrived.iter().enumerate().partition(|(place, _)| overtaken.contains(place));
            again.extend(overtaken.into_iter().map(|(_, one)| one.row.key.clone()));
            let lines: Vec<&Line> = followed.iter().map(|(_, one)| &one.line).collect();
            self.tell_of(&lines, &mut outcome, end).await?;
            if again.is_empty() {
                break;
            }
            rounds += 1;
            if rounds == ROUNDS {
                let message = "the row changed again and again while its files were moved: `retry` when it is at rest";
                let aside = |key| Aside { key, class: "unstable", message: message.to_owned() };
                outcome.aside.extend(again.drain(..).map(aside));
                break;
            }
            // Of those that are gone by now nothing is said: they are no items any more.
            let most = again.len() as u64;
            fresh = self.rows_of(&Stretch::Keys(&again), batch.pass_started, most, left(end)).await?;
            again.clear();
            todo = &fresh;
        }
        self.measured.store(true, Ordering::Relaxed);
        if let Some(hosts) = self.hosts.to_be_kept() {
            // Without it the next run learns it again.
            let _ = self.shelves.save(Shelf::Rate, "", &Kept { hosts }, left(end)).await;
        }
        if unfinished > 0 {
            let further = self.carried.load(Ordering::Relaxed) > carried;
            let (class, message) = if further {
                (
                    Class::Unfinished,
                    "a file is larger than what one run can carry: the next one goes on where this one ends",
                )
            } else if self.left_alone.swap(false, Ordering::Relaxed) {
                (Class::Unfinished, "a host wants to be left alone for longer than the run lasts")
            } else {
                (Class::Capacity, "the files of a batch did not all arrive within what is left of the run")
            };
            // What has arrived is found again, and was moved by this batch.
            return Err(Fault { uncertain: true, ..Fault::new(class, message) });
        }
        Ok(outcome)
    }

    /// The rows that point at their copies already.
    fn there(&self, rows: &[Row]) -> Vec<Cursor> {
        let is_there = |row: &&Row| {
            let links = row.links(&self.definition.source, &self.columns, &self.naming);
            links.is_ok_and(|links| !links.is_empty() && links.iter().all(|link| link.arrived))
        };
        rows.iter().filter(is_there).map(|row| row.key.clone()).collect()
    }

    /// Tells who follows of rows that have, and counts them. Somebody who cannot be reached is no row's fault.
    async fn tell_of(&self, lines: &[&Line], outcome: &mut Outcome, end: Instant) -> Result<(), Fault> {
        let mut untold = self.tell(lines, Way::There, end).await;
        for (place, line) in lines.iter().enumerate() {
            match untold.remove(&place) {
                None => {
                    outcome.moved += 1;
                    outcome.bytes += line.files.iter().map(|file| file.bytes).sum::<u64>();
                }
                Some(Unfollowed::Away(fault)) => return Err(Fault { uncertain: true, ..fault }),
                Some(Unfollowed::Refused(message)) => {
                    outcome.aside.push(Aside { key: line.key.clone(), class: "server", message });
                }
            }
        }
        Ok(())
    }

    /// Keeps what rows say before they are changed.
    async fn keep_journal(&self, arrived: &[Arrived<'_>], end: Instant) -> Result<(), Fault> {
        let lines: Vec<_> = arrived.iter().map(|one| one.line.clone()).collect();
        let bodies = journal::bodies(&lines).map_err(|_| {
            Fault::new(Class::Fatal, "a line of the journal cannot be written: this is a bug of milkrun")
        })?;
        for body in bodies {
            let object = self.note(journal::fresh_key(&self.definition, journal::JOURNAL));
            let body = Bytes::from(body);
            match self.s3.put(&object, body.clone(), Checksum::of(&body), left(end)).await {
                // Its key is nobody else's: the reply to the first attempt was lost.
                Ok(_) | Err(S3Error::Exists { .. }) => {}
                Err(error) => return Err(Fault { uncertain: true, ..fault(&error) }),
            }
        }
        Ok(())
    }

    /// Has the rows follow. A lock or a lost connection is no reason to fetch everything again.
    async fn follow(
        &self,
        arrived: &[Arrived<'_>],
        failed: &[&Row],
        stamps: &Stamps<'_>,
        end: Instant,
    ) -> Result<Vec<usize>, Fault> {
        let mut wait = Duration::from_millis(50);
        let mut unsure = false;
        loop {
            let error = match self.change(arrived, failed, stamps, left(end)).await {
                Ok(overtaken) if unsure => return self.settle(arrived, overtaken, end).await,
                Ok(overtaken) => return Ok(overtaken),
                Err(error) => error,
            };
            unsure |= matches!(&error, RowsError::Sql(sql) if sql.is_lost());
            if !error.class().passes() || Instant::now() + wait * 2 >= end {
                return Err(Fault { uncertain: true, ..Fault::from(error) });
            }
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
    }

    /// After a commit whose reply was lost a row that does not say what it said before may have been changed by us: then it says
    /// what we wrote.
    async fn settle(&self, arrived: &[Arrived<'_>], overtaken: Vec<usize>, end: Instant) -> Result<Vec<usize>, Fault> {
        let keys: Vec<_> = overtaken.iter().filter_map(|place| Some(arrived.get(*place)?.row.key.clone())).collect();
        if keys.is_empty() {
            return Ok(overtaken);
        }
        let rows = self.rows_by_key(&keys, left(end)).await?;
        let ours = |place: &usize| {
            let Some(one) = arrived.get(*place) else { return false };
            let now = rows.iter().find(|row| row.key == one.row.key);
            now.is_some_and(|now| {
                one.changes
                    .iter()
                    .all(|(at, text)| now.values.get(*at).is_some_and(|value| value.as_ref() == Some(text)))
            })
        };
        Ok(overtaken.into_iter().filter(|place| !ours(place)).collect())
    }
}
