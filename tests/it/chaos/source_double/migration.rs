//! What the engine asks of it: slow, and now and then it fails.

use super::tables::{change_cursor, changes};
use super::{After, Keys, LOST, SourceDouble, TOO_MUCH, cursor, is_item, number};
use milkrun::cursor::Cursor;
use milkrun::engine::migration::{Effort, Layout, Migration, Outcome, Range, Read, Recent};
use milkrun::fault::{Class, Fault};
use rand::Rng;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

impl SourceDouble {
    /// One of the keys that are to come may come now.
    fn arrive(&self) {
        let arrives = self.chance.lock().unwrap().random_bool(0.3);
        let next = if arrives { self.tables.lock().unwrap().arrivals.pop() } else { None };
        if let Some(key) = next {
            self.touch(key);
        }
    }

    fn draw(&self) -> Option<u8> {
        let mut chance = self.chance.lock().unwrap();
        let fault =
            (chance.random_range(0..1000) < self.rate.load(Ordering::SeqCst)).then(|| chance.random_range(0..5));
        self.injected.fetch_add(fault.is_some().into(), Ordering::SeqCst);
        fault
    }

    fn random(&self, most_ms: u64) -> Duration {
        Duration::from_millis(self.chance.lock().unwrap().random_range(0..=most_ms))
    }

    async fn work(&self, keys: u64) {
        tokio::time::sleep(self.random(8 + keys)).await;
    }

    /// A read, which can only fail or be slow.
    async fn ask(&self, keys: u64) -> Result<(), Fault> {
        self.work(keys).await;
        match self.draw() {
            None => Ok(()),
            Some(0) => Err(Fault::new(Class::Capacity, "a fault was injected")),
            Some(1) => {
                tokio::time::sleep(self.random(3000)).await;
                Ok(())
            }
            Some(_) => Err(Fault::new(Class::Transient, "a fault was injected")),
        }
    }
}

fn read(ends: &[Cursor], keys: Vec<u64>, found: Vec<Cursor>) -> Option<Read<Keys>> {
    let (scanned, named) = (ends.len() as u64, !found.is_empty());
    ends.last().map(|end| Read { batch: Keys { keys, named }, end: end.clone(), scanned, bytes: scanned * 8, found })
}

impl Migration for SourceDouble {
    type Batch = Keys;

    fn takes_away(&self) -> bool {
        self.after != After::Keep
    }

    async fn recent(&self, since: SystemTime, _limit: Duration) -> Result<Option<Recent>, Fault> {
        self.ask(1).await?;
        let since = u64::try_from(since.duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap();
        let tables = self.tables.lock().unwrap();
        if tables.changed.is_none() {
            return Ok(None);
        }
        let last = changes(&tables).max().filter(|(at, _)| *at > since);
        Ok(Some(Recent { bound: last.map(change_cursor) }))
    }

    async fn count(&self, batch: &Keys, _limit: Duration) -> Result<Option<u64>, Fault> {
        self.ask(1).await?;
        let tables = self.tables.lock().unwrap();
        Ok(Some(batch.keys.iter().filter(|key| tables.source.contains(key)).count() as u64))
    }

    async fn bound(&self, least: Option<&Cursor>, _limit: Duration) -> Result<Option<Cursor>, Fault> {
        self.ask(1).await?;
        if least.is_some() && !self.restless {
            // What appears from here on, the last sweep need not find.
            self.tables.lock().unwrap().arrivals.clear();
        }
        let newest = self.tables.lock().unwrap().source.last().copied();
        tokio::time::sleep(Duration::from_millis(self.late_ms.load(Ordering::SeqCst))).await;
        Ok(newest.max(least.map(number)).map(cursor))
    }

    async fn lay_out(
        &self,
        bound: &Cursor,
        pass_started: SystemTime,
        parts: u32,
        limit: Duration,
    ) -> Result<Layout, Fault> {
        let expected = self.estimate(pass_started, limit).await;
        if parts < 2 {
            return Ok(Layout { expected, cuts: Vec::new() });
        }
        self.ask(1).await?;
        let mut cuts = self.cuts.lock().unwrap();
        if cuts.is_empty() {
            let keys: Vec<u64> = (10..number(bound)).step_by(10).collect();
            let size = (keys.len() / parts as usize).max(1);
            *cuts = keys.chunks(size).take(parts as usize - 1).map(|chunk| *chunk.last().unwrap()).collect();
        }
        Ok(Layout { expected, cuts: cuts.iter().copied().map(cursor).collect() })
    }

    async fn read(
        &self,
        range: &Range,
        after: Option<&Cursor>,
        size: u64,
        _limit: Duration,
    ) -> Result<Option<Read<Keys>>, Fault> {
        let answered = |left: u64| left.checked_sub(1);
        if self.reads.fetch_update(Ordering::SeqCst, Ordering::SeqCst, answered).is_err() {
            std::future::pending::<()>().await;
        }
        self.ask(size.min(20)).await?;
        let keys = self.keys(range, after, size);
        if self.after == After::Keep {
            self.arrive();
        }
        let ends: Vec<Cursor> = keys.iter().copied().map(cursor).collect();
        Ok(read(&ends, keys.into_iter().filter(|&key| is_item(key)).collect(), Vec::new()))
    }

    async fn sweep(
        &self,
        range: &Range,
        after: Option<&Cursor>,
        size: u64,
        _limit: Duration,
    ) -> Result<Option<Read<Keys>>, Fault> {
        self.ask(size.min(20)).await?;
        let (keys, ends): (Vec<u64>, Vec<Cursor>) = match range.since {
            Some(since) => {
                let changes = self.changes(range, since, after, size);
                changes.into_iter().map(|one| (one.1, change_cursor(one))).unzip()
            }
            None => self.keys(range, after, size).into_iter().map(|key| (key, cursor(key))).unzip(),
        };
        if self.restless {
            self.arrive();
        }
        let batch: Vec<u64> = keys.into_iter().filter(|&key| self.wanted(key)).collect();
        let found = batch.iter().copied().map(cursor).collect();
        Ok(read(&ends, batch, found))
    }

    fn fetch(&self, _range: &Range, keys: &[Cursor]) -> Keys {
        Keys { keys: keys.iter().map(number).collect(), named: true }
    }

    async fn write(&self, batch: &Keys, effort: &Effort) -> Result<Outcome, Fault> {
        let Keys { keys: batch, named } = batch;
        self.work(batch.len() as u64).await;
        let _locked = if self.takes_away() { Some(self.locks.lock().await) } else { None };
        let unknown = || Fault { uncertain: true, ..Fault::new(Class::Transient, "a fault was injected") };
        let planned = self.next.lock().unwrap().pop_front();
        let fault = planned.unwrap_or_else(|| self.draw());
        match fault {
            Some(0) => return Err(Fault::new(Class::Transient, "a fault was injected")),
            Some(TOO_MUCH) => return Err(Fault::new(Class::Capacity, "a fault was injected")),
            // It commits when nobody waits for it any more.
            Some(2) => {
                let ((moves, _), tables, wait) = (self.judge(batch)?, self.clone(), self.random(3000));
                tokio::spawn(async move {
                    tokio::time::sleep(wait).await;
                    let _locked = tables.locks.lock().await;
                    let there = tables.judge(&moves).map_or(Vec::new(), |(there, _)| there);
                    tables.insert(&there);
                    let both = tables.chance.lock().unwrap().random_bool(0.5);
                    if both {
                        tables.take_apart(&there);
                    }
                });
                self.work(5).await;
                return Err(unknown());
            }
            Some(3) => tokio::time::sleep(self.random(3000)).await,
            _ => {}
        }
        let (fit, aside) = self.judge(batch)?;
        let gone = if *named && effort.recovered { self.vanished(batch) } else { 0 };
        let new = self.insert(&fit);
        if self.after == After::DeleteApart {
            self.work(3).await;
            if self.draw() == Some(0) {
                return Err(unknown());
            }
            self.take_apart(&fit);
        }
        // What comes from here on is the reply to the commit.
        self.work(3).await;
        if fault == Some(LOST) {
            return Err(unknown());
        }
        let all = fit.len() as u64;
        let moved = if effort.recovered { all } else { new };
        Ok(Outcome { moved: moved + gone, skipped: all - moved, aside, bytes: all * 8 })
    }

    async fn is_item(&self, _range: &Range, key: &Cursor, _limit: Duration) -> Result<bool, Fault> {
        self.ask(1).await?;
        Ok(is_item(number(key)) && self.tables.lock().unwrap().source.contains(&number(key)))
    }
}
