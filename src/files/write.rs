//! A batch: its files are brought into the bucket side by side, what its rows said goes into the journal, and then the rows follow.
//!
//! Whatever was done before a run is killed is found again by the next one: an object is equal, a row points at it. Rows that
//! changed meanwhile are read again.

use super::failure::fault;
use super::fates::Fate;
use super::journal;
use super::row::Row;
use super::storing::left;
use super::update::{Arrived, Stamps};
use super::{Batch, Files};
use crate::engine::migration::{Aside, Effort, Outcome};
use crate::fault::{Class, Fault};
use crate::rows::RowsError;
use crate::rows::mapping::Stretch;
use crate::s3::{Checksum, Object, S3Error};
use bytes::Bytes;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// How often a row that changes under way is read again.
const ROUNDS: u32 = 5;
/// What is kept back of a batch's time to give uploads up and to have the rows follow: a part of it, within these bounds.
const RESERVE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(3));

impl Files {
    pub(super) async fn move_batch(&self, batch: &Batch, effort: &Effort) -> Result<Outcome, Fault> {
        let end = Instant::now() + effort.limit;
        let carried = self.carried.load(Ordering::Relaxed);
        let deadline = end - (effort.limit / 10).clamp(RESERVE.0, RESERVE.1).min(effort.limit / 2);
        let rows = self.rows_of_batch(batch, effort.limit).await?;
        let stamps = Stamps { now: SystemTime::now(), run: &effort.run };
        let mut outcome = Outcome::default();
        let (mut unfinished, mut again) = (0_usize, Vec::new());
        let mut rounds = 0;
        let mut todo: &[Row] = &rows;
        let mut fresh;
        loop {
            let fates = self.fates(todo, &stamps, effort, deadline).await?;
            let (mut arrived, mut failed) = (Vec::new(), Vec::new());
            for (row, fate) in todo.iter().zip(fates) {
                match fate {
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
            self.keep_journal(&arrived, end).await?;
            let overtaken = self.follow(&arrived, &failed, &stamps, end).await?;
            for (place, one) in arrived.iter().enumerate() {
                if overtaken.contains(&place) {
                    again.push(one.row.key.clone());
                } else {
                    outcome.moved += 1;
                    outcome.bytes += one.line.files.iter().map(|file| file.bytes).sum::<u64>();
                }
            }
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
        if unfinished > 0 {
            let further = self.carried.load(Ordering::Relaxed) > carried;
            let (class, message) = if further {
                (
                    Class::Unfinished,
                    "a file is larger than what one run can carry: the next one goes on where this one ends",
                )
            } else {
                (Class::Capacity, "the files of a batch did not all arrive within what is left of the run")
            };
            // What has arrived is found again, and was moved by this batch.
            return Err(Fault { uncertain: true, ..Fault::new(class, message) });
        }
        Ok(outcome)
    }

    /// Keeps what rows say before they are changed.
    async fn keep_journal(&self, arrived: &[Arrived<'_>], end: Instant) -> Result<(), Fault> {
        let lines: Vec<_> = arrived.iter().map(|one| one.line.clone()).collect();
        let bodies = journal::bodies(&lines).map_err(|_| {
            Fault::new(Class::Fatal, "a line of the journal cannot be written: this is a bug of milkrun")
        })?;
        for body in bodies {
            let object = Object {
                bucket: self.definition.target.bucket.clone(),
                key: journal::fresh_key(&self.definition),
                content_type: Some("application/x-ndjson".to_owned()),
                kms_key: self.definition.target.kms_key.clone(),
                ..Object::default()
            };
            let body = Bytes::from(body);
            match self.s3.put(&object, body.clone(), Checksum::of(&body), left(end)).await {
                // Its key is nobody else's: the reply to the first attempt was lost.
                Ok(()) | Err(S3Error::Exists { .. }) => {}
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
