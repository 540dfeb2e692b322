//! A batch or a read has failed: what the error policy says is done about it.

use super::chance::fraction;
use super::dead;
use super::hold::hold;
use super::lease::Kept;
use super::migration::{Aside, Migration, Outcome};
use super::report::StoppedBy;
use super::run::EngineError;
use super::stretch::in_time;
use super::walk::{Walk, Walked};
use crate::cursor::Cursor;
use crate::fault::{Action, Fault, chain};
use std::time::Duration;

/// What follows from a fault.
pub(super) enum Mended {
    /// Try again, perhaps with less.
    Again,
    /// The walk is over.
    Over(Walked),
    /// The batch was this one item, and this is what becomes of it.
    Single {
        /// The item set aside, or nothing if it was none.
        outcome: Outcome,
        /// How often it was tried.
        attempts: u32,
    },
}

/// What has failed.
pub(super) struct Failed {
    /// Keys that it looked at.
    pub(super) wide: u64,
    /// The one item that it held.
    pub(super) single: Option<Cursor>,
    /// Its last key.
    pub(super) end: Option<Cursor>,
}

impl<M: Migration> Walk<'_, M> {
    /// Does what the error policy says.
    pub(super) async fn mend(&mut self, fault: Fault, failed: Failed) -> Result<Mended, EngineError> {
        let action = fault.class.action();
        let Failed { wide, single, end } = failed;
        let divisible = wide > 1 && single.is_none();
        // What milkrun itself is about to mend warns nobody, and what pauses the migration is said once: by the pause.
        tracing::info!(migration = %self.run.migration, class = ?fault.class, keys = wide, "{}", chain(&fault));
        match action {
            Action::Retry if self.wait(self.commit_time).await => {
                self.failing = Some(fault);
                Ok(Mended::Again)
            }
            Action::Retry => Ok(Mended::Over(Walked::Failed(fault))),
            Action::Bisect if divisible => {
                self.narrow.bad(wide);
                Ok(Mended::Again)
            }
            Action::Halve | Action::HalveAndWait if divisible => {
                self.narrow.too_much(wide, end);
                let kept = self.lease.write(|it| it.tuner.shrink(wide / 2), self.run.budget.call()).await?;
                Ok(or_fenced(kept))
            }
            Action::HalveAndWait => {
                self.locked = true;
                // What is less than a quarter of the run would be too little to find out more.
                let free = self.wait(self.run.budget.total() / 4).await;
                Ok(if free { Mended::Again } else { Mended::Over(Walked::Stopped(StoppedBy::Time)) })
            }
            // The statement's time was up before that of a lock, of which some servers count whole seconds.
            Action::Halve if self.locked => Ok(Mended::Over(Walked::Stopped(StoppedBy::Time))),
            Action::Halve => self.out_of_time_alone(fault, single).await,
            Action::Bisect => self.refuse(fault, single, 1).await,
            Action::Pause => Ok(Mended::Over(Walked::Paused(StoppedBy::Error, explain(&fault)))),
            Action::Stop => Ok(Mended::Over(Walked::Stopped(StoppedBy::Fence))),
        }
    }

    /// Waits a while, longer each time; false if less than `least` would be left of the run.
    async fn wait(&mut self, least: Duration) -> bool {
        let wait = self.backoff.mul_f64(0.5 + fraction());
        self.backoff = (self.backoff * 2).min(Duration::from_secs(3));
        let enough = self.run.budget.remaining() > wait + least;
        if enough {
            self.run.stop.sleep(wait).await;
        }
        enough
    }

    /// A single item did not get done. At the end of a run that says nothing; with a whole run's time it counts.
    async fn out_of_time_alone(&mut self, fault: Fault, single: Option<Cursor>) -> Result<Mended, EngineError> {
        // While half of the run is left it is tried once more, with nothing else before it.
        let again = self.run.budget.elapsed() < self.run.budget.total() / 2 && self.lease.checkpoint().timeouts == 0;
        let kept = self.lease.write(|it| it.timeouts += 1, self.run.budget.call()).await?;
        let timeouts = self.lease.checkpoint().timeouts;
        match or_fenced(kept) {
            Mended::Again if again => Ok(Mended::Again),
            Mended::Again if timeouts >= self.run.limits.max_attempts => self.refuse(fault, single, timeouts).await,
            Mended::Again => Ok(Mended::Over(Walked::Stopped(StoppedBy::Time))),
            over => Ok(over),
        }
    }

    /// Sets the single item aside. Without one there is nothing to go on without: a person has to look.
    async fn refuse(&mut self, fault: Fault, single: Option<Cursor>, attempts: u32) -> Result<Mended, EngineError> {
        let Some(key) = single else { return Ok(Mended::Over(Walked::Paused(StoppedBy::Error, explain(&fault)))) };
        let aside = Aside { key: self.run.kind.item_at(&key), class: dead::class_of(&fault), message: explain(&fault) };
        self.set_aside(aside, attempts).await
    }

    /// What becomes of a single item that cannot be moved: a dead letter, or nothing at all if `where` does not match it.
    pub(super) async fn set_aside(&mut self, aside: Aside, attempts: u32) -> Result<Mended, EngineError> {
        if self.letters.is_none() {
            let (run, range) = (self.run, self.range());
            let asked = in_time(&run.budget, run.kind.is_item(&range, &aside.key, run.budget.remaining()));
            match hold(self.lease, run.budget.call(), asked).await? {
                None => return Ok(Mended::Over(Walked::Stopped(StoppedBy::Fence))),
                Some(Ok(true)) => {}
                Some(Ok(false)) => {
                    let key = run.show(&aside.key);
                    tracing::warn!(migration = %run.migration, key, "passed over, since it is no item: {}", aside.message);
                    return Ok(Mended::Single { outcome: Outcome::default(), attempts });
                }
                Some(Err(fault)) if fault.class.action() == Action::Pause => {
                    return Ok(Mended::Over(Walked::Paused(StoppedBy::Error, explain(&fault))));
                }
                // Nobody can say now; the next run asks again.
                Some(Err(fault)) => return Ok(Mended::Over(Walked::Failed(fault))),
            }
        }
        Ok(Mended::Single { outcome: Outcome { aside: vec![aside], ..Outcome::default() }, attempts })
    }
}

fn or_fenced(kept: Kept) -> Mended {
    match kept {
        Kept::Yes => Mended::Again,
        Kept::Fenced => Mended::Over(Walked::Stopped(StoppedBy::Fence)),
    }
}

/// A fault in words: what went wrong, what to do about it.
fn explain(fault: &Fault) -> String {
    fault.explained()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cursor::KeyPart;
    use crate::engine::migration::{Effort, Range, Read};
    use crate::engine::report;
    use crate::engine::run::Run;
    use crate::fault::Class;
    use crate::ledger::Sqlite;
    use crate::spec::Limits;
    use std::sync::Arc;

    fn place(number: u64) -> Cursor {
        Cursor(vec![KeyPart::Int(number.to_string())])
    }

    fn item(number: &str) -> Cursor {
        Cursor(vec![KeyPart::Text(number.to_owned())])
    }

    /// Nine places, each with an item of another name, of which the third cannot be moved.
    struct Places;

    impl Migration for Places {
        type Batch = Vec<u64>;

        async fn bound(&self, _: Option<&Cursor>, _: Duration) -> Result<Option<Cursor>, Fault> {
            Ok(Some(place(9)))
        }

        async fn read(
            &self,
            range: &Range,
            after: Option<&Cursor>,
            size: u64,
            _: Duration,
        ) -> Result<Option<Read<Vec<u64>>>, Fault> {
            let number = |cursor: &Cursor| cursor.0[0].text().parse::<u64>().unwrap();
            let start = after.map_or(0, number);
            let end = number(&range.bound).min(start + size);
            let batch = (start + 1..=end).collect();
            let read = Read { batch, end: place(end), scanned: end - start, bytes: 0, found: Vec::new() };
            Ok((end > start).then_some(read))
        }

        async fn sweep(
            &self,
            range: &Range,
            after: Option<&Cursor>,
            _: u64,
            _: Duration,
        ) -> Result<Option<Read<Vec<u64>>>, Fault> {
            let end = range.bound.clone();
            let read = Read { batch: vec![3], end, scanned: 9, bytes: 0, found: vec![item("3")] };
            Ok(after.is_none().then_some(read))
        }

        fn fetch(&self, _: &Range, keys: &[Cursor]) -> Vec<u64> {
            keys.iter().map(|_| 3).collect()
        }

        async fn write(&self, batch: &Vec<u64>, _: &Effort) -> Result<Outcome, Fault> {
            if batch.contains(&3) {
                return Err(Fault::new(Class::Poison, "it is the third"));
            }
            Ok(Outcome { moved: batch.len() as u64, ..Outcome::default() })
        }

        async fn is_item(&self, _: &Range, key: &Cursor, _: Duration) -> Result<bool, Fault> {
            Ok(*key == item("3"))
        }

        fn item_at(&self, place: &Cursor) -> Cursor {
            item(place.0[0].text())
        }
    }

    #[tokio::test]
    async fn a_letter_names_the_item_and_not_the_place_where_it_was_found() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Arc::new(Sqlite::open(&folder.path().join("ledger.db")).unwrap());
        let limits = Limits { settle: Duration::ZERO, stop_when_failed: 10_000, ..Limits::default() };
        let run = Run::new("m", &Places, &limits, ledger.clone(), Duration::from_secs(30), 1024);
        let report = run.chunk().await.unwrap();
        assert_eq!((report.outcome, report.counters.moved), (report::Outcome::Complete, 8));
        let letters = dead::Letters { ledger, migration: "m".to_owned(), life: 0 };
        let (letters, _) = letters.page(None).await.unwrap();
        // The sweep has known it by that name, too.
        let named: Vec<_> = letters.iter().map(|(_, letter)| (&letter.cursor, letter.class.as_str())).collect();
        assert_eq!(named, [(&item("3"), "poison")]);
    }
}
