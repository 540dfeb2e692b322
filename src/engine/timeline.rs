//! Time that is given out: the ledger item `rate`, from which every run, lane and shard of a migration reserves the
//! stretches in which it may work at the migration's rate. Stretches follow each other and never overlap, so whatever is
//! done in each at the rate adds up to no more than the rate; one that nobody uses is lost.
//!
//! The item holds two times by the clock of whoever wrote it last: `until`, the end of what is given out, and `at`, when
//! it wrote that. A reader's clock may differ by an hour, so its own observations have the last word: if by its clock the
//! item was not written between its last two looks, it was written at the later one at the latest, and what reached
//! `until - at` ahead then is over that long after.

use super::lease::{Clock, nonce};
use super::patience::swap_until_answered;
use crate::ledger::{Ledger, LedgerError, Record, Swap, item};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio::time::Instant;

/// The body of the item, in Unix milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Given {
    until: u64,
    at: u64,
}

impl Given {
    fn from_record(record: &Record) -> Result<Self, LedgerError> {
        serde_json::from_value(record.body.clone().into()).map_err(|error| LedgerError::Record {
            migration: record.migration.clone(),
            item: record.item.clone(),
            message: format!("cannot be read as a rate: {error}"),
        })
    }

    /// When what is given out ends, for somebody whose clock says `wall` now, and who last saw an older record at `before`.
    fn ends(self, wall: u64, now: Instant, before: Option<Instant>) -> Instant {
        let ahead = Duration::from_millis(self.until.saturating_sub(self.at));
        let written = wall.checked_sub(self.at).and_then(|ago| now.checked_sub(Duration::from_millis(ago)));
        match written {
            Some(written) if before.is_none_or(|before| written >= before) => (written + ahead).max(now),
            None if before.is_none() && wall >= self.at => now,
            _ => now + ahead,
        }
    }
}

/// The record as it was last seen.
#[derive(Debug)]
struct Known {
    record: Option<Record>,
    /// It was the present one at this moment.
    seen: Instant,
    /// From here on nothing is given out yet.
    free: Instant,
}

/// Whose time it is, and where that is written.
pub(super) struct Place<'a> {
    pub(super) ledger: &'a dyn Ledger,
    pub(super) migration: &'a str,
    pub(super) clock: &'a Clock,
    /// How long a call to the ledger may take.
    pub(super) call: Duration,
}

/// What became of the wish for some of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reserved {
    /// It is one's own from this moment on.
    From(Instant),
    /// Nothing so near is free; ask again at this moment.
    NotYet(Instant),
    /// Nothing will be free in time.
    Never,
}

/// What one run knows of it.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    known: Option<Known>,
}

impl Timeline {
    /// Reserves the next `span` that is free, by one conditional write, unless it begins after `latest`, or further ahead than
    /// `near`: who waits long for what it has reserved may be killed or replaced before, and then it is lost.
    pub(super) async fn reserve(
        &mut self,
        place: &Place<'_>,
        span: Duration,
        latest: Instant,
        near: Duration,
    ) -> Result<Reserved, LedgerError> {
        let Place { ledger, migration, clock, call } = place;
        let mut known = match self.known.take() {
            Some(known) => known,
            None => see(ledger.get(migration, &item::rate(), *call).await?, clock(), None)?,
        };
        loop {
            let now = Instant::now();
            let begins = known.free.max(now);
            if begins > latest || begins > now + near {
                self.known = Some(known);
                return Ok(if begins > latest { Reserved::Never } else { Reserved::NotYet(begins - near) });
            }
            let ends = begins + span;
            let wall = clock();
            let given = Given { until: wall.saturating_add(millis(ends - now)), at: wall };
            let record = Record {
                migration: (*migration).to_owned(),
                item: item::rate(),
                seq: known.record.as_ref().map_or(0, |record| record.seq) + 1,
                epoch: 0,
                owner: None,
                stamp: nonce(),
                expires: None,
                body: match serde_json::to_value(given) {
                    Ok(serde_json::Value::Object(body)) => body,
                    _ => serde_json::Map::new(),
                },
            };
            match swap_until_answered(*ledger, &record, known.record.as_ref(), *call).await? {
                Swap::Done => {
                    self.known = Some(Known { record: Some(record), seen: now, free: ends });
                    return Ok(Reserved::From(begins));
                }
                Swap::Lost(other) => known = see(other, clock(), Some(known.seen))?,
            }
        }
    }
}

fn see(record: Option<Record>, wall: u64, before: Option<Instant>) -> Result<Known, LedgerError> {
    let now = Instant::now();
    let given = record.as_ref().map(Given::from_record).transpose()?.unwrap_or_default();
    Ok(Known { record, seen: now, free: given.ends(wall, now, before) })
}

/// Rounded up: a reservation is never shorter than it says.
fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_micros().div_ceil(1000)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn clocks_that_agree_are_believed() {
        let now = Instant::now();
        let given = Given { until: 12_000, at: 10_000 };
        assert_eq!(given.ends(10_500, now, None), now + SECOND * 3 / 2);
        assert_eq!(given.ends(10_500, now, Some(now - SECOND)), now + SECOND * 3 / 2);
        assert_eq!(given.ends(60_000, now, None), now, "long over");
    }

    #[tokio::test(start_paused = true)]
    async fn clocks_that_disagree_by_an_hour_neither_block_nor_let_through_what_was_seen_to_be_given() {
        let now = Instant::now();
        let given = Given { until: 3_602_000, at: 3_600_000 };
        assert_eq!(given.ends(0, now, None), now + SECOND * 2, "a writer ahead keeps nobody waiting for an hour");
        let given = Given { until: 2_000, at: 0 };
        assert_eq!(given.ends(3_600_000, now, Some(now - SECOND / 2)), now + SECOND * 2, "a reader ahead waits");
    }
}
