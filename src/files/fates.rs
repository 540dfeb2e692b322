//! The files of a batch's rows, brought into the bucket side by side, and what that makes of each row.

use super::Files;
use super::failure::Failure;
use super::journal::Moved;
use super::row::{Link, Row};
use super::transfer::Job;
use super::update::{Arrived, Stamps};
use crate::engine::migration::Effort;
use crate::fault::Fault;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::time::Instant;

/// What became of a row's files.
pub(super) enum Fate<'a> {
    /// There is nothing to be moved; whether it has files at all.
    Nothing { arrived: bool },
    /// All are there.
    Arrived(Box<Arrived<'a>>),
    /// One did not arrive.
    Aside(&'static str, String),
    /// The time is up.
    Unfinished,
}

impl Files {
    /// Moves the files of rows; what became of each row.
    pub(super) async fn fates<'a>(
        &self,
        rows: &'a [Row],
        stamps: &Stamps<'_>,
        effort: &Effort,
        deadline: Instant,
    ) -> Result<Vec<Fate<'a>>, Fault> {
        let all_links: Vec<_> =
            rows.iter().map(|row| row.links(&self.definition.source, &self.columns, &self.naming)).collect();
        // Where one file of a row did not arrive, the others need not either.
        let lost: Vec<AtomicBool> = rows.iter().map(|_| AtomicBool::new(false)).collect();
        let mut jobs = Vec::new();
        for (place, (row, links)) in rows.iter().zip(&all_links).enumerate() {
            let Ok(links) = links else { continue };
            for link in links.iter().filter(|link| !link.arrived) {
                let twin = jobs.iter().rev().take_while(|(at, _): &&(usize, Job<'_>)| *at == place);
                let is_twin = |(_, job): &(usize, Job<'_>)| self.is_same_file(job.link, link);
                let has_twin = !self.naming.numbers() && twin.into_iter().any(is_twin);
                if !has_twin {
                    jobs.push((place, Job { row, link, links, run: &effort.run, recovered: effort.recovered }));
                }
            }
        }
        let side_by_side = usize::try_from(self.definition.source.http.concurrency).unwrap_or(1);
        let mut done: Vec<Vec<(Link, Moved)>> = rows.iter().map(|_| Vec::new()).collect();
        let mut wrong: Vec<Option<(&'static str, String)>> = rows.iter().map(|_| None).collect();
        let mut late = vec![false; rows.len()];
        let (mut waiting, mut under_way) = (jobs.into_iter(), FuturesUnordered::new());
        let mut storage = None;
        loop {
            while under_way.len() < side_by_side
                && let Some((place, job)) = waiting.next()
            {
                // Boxed: they are too large to be moved about.
                under_way.push(Box::pin(self.bring_one(place, job, &lost, deadline)));
            }
            let Some((place, link, brought)) = under_way.next().await else { break };
            match brought {
                Ok(moved) => {
                    if let Some(done) = done.get_mut(place) {
                        done.push((link, moved));
                    }
                }
                Err(Failure::Time) => {
                    if let Some(late) = late.get_mut(place) {
                        *late = true;
                    }
                }
                Err(Failure::File { class, message, .. }) => {
                    if let Some(wrong) = wrong.get_mut(place) {
                        wrong.get_or_insert((class, format!("file {} of the row: {message}", link.number)));
                    }
                }
                // Nothing else fares better, but what is under way is not left behind half done.
                Err(Failure::Storage(fault)) => {
                    for lost in &lost {
                        lost.store(true, Ordering::Relaxed);
                    }
                    storage = storage.or(Some(fault));
                }
            }
        }
        drop(under_way);
        if let Some(fault) = storage {
            return Err(Fault { uncertain: true, ..fault });
        }
        let mut fates = Vec::with_capacity(rows.len());
        for (((row, links), done), (wrong, late)) in
            rows.iter().zip(&all_links).zip(done).zip(wrong.into_iter().zip(late))
        {
            fates.push(match (links, wrong) {
                (Err(error), _) => Fate::Aside("poison", error.to_string()),
                (_, Some((class, message))) => Fate::Aside(class, message),
                _ if late => Fate::Unfinished,
                (Ok(links), None) if links.iter().all(|link| link.arrived) => {
                    Fate::Nothing { arrived: !links.is_empty() }
                }
                (Ok(links), None) => self.fate_of_arrived(row, links, &done, stamps, effort),
            });
        }
        Ok(fates)
    }

    /// Moves one file, unless another one of its row is lost already.
    async fn bring_one(
        &self,
        place: usize,
        job: Job<'_>,
        lost: &[AtomicBool],
        deadline: Instant,
    ) -> (usize, Link, Result<Moved, Failure>) {
        let lost = lost.get(place);
        if lost.is_some_and(|lost| lost.load(Ordering::Relaxed)) {
            return (place, job.link.clone(), Err(Failure::Time));
        }
        let brought = self.bring(job, deadline).await;
        if let (Err(_), Some(lost)) = (&brought, lost) {
            lost.store(true, Ordering::Relaxed);
        }
        (place, job.link.clone(), brought)
    }

    /// All files of a row are there: also those that stand in it more than once.
    fn fate_of_arrived<'a>(
        &self,
        row: &'a Row,
        links: &[Link],
        done: &[(Link, Moved)],
        stamps: &Stamps<'_>,
        effort: &Effort,
    ) -> Fate<'a> {
        debug_assert_eq!(stamps.run, effort.run);
        let mut files = Vec::new();
        for link in links.iter().filter(|link| !link.arrived) {
            let own = done.iter().find(|(other, _)| other == link);
            let Some((_, moved)) = own.or_else(|| done.iter().find(|(other, _)| self.is_same_file(other, link))) else {
                return Fate::Unfinished;
            };
            files.push((link.clone(), moved.clone()));
        }
        Fate::Arrived(Box::new(self.arrived(row, files, stamps.run)))
    }
}
