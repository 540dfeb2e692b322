//! The commit: what became of a batch is made durable, and what was learned from it.

use super::checkpoint::{self, Counters};
use super::failpoint::{Point, reach};
use super::hold::hold;
use super::lease::Kept;
use super::letters;
use super::migration::{Migration, Outcome};
use super::run::EngineError;
use super::stretch::Ready;
use super::walk::Walk;
use std::time::Duration;
use tokio::time::Instant;

impl<M: Migration> Walk<'_, M> {
    /// Makes the batch's outcome durable: cursor and counters, with the next announcement.
    pub(super) async fn commit(
        &mut self,
        ready: Ready<M::Batch>,
        outcome: Outcome,
        took: Duration,
        ahead: Option<&Ready<M::Batch>>,
    ) -> Result<Kept, EngineError> {
        let run = self.run;
        let conflicts = outcome.aside.iter().filter(|aside| aside.class == "conflict").count();
        let mut batch = Counters {
            moved: outcome.moved,
            skipped: outcome.skipped,
            conflicts: u64::try_from(conflicts).unwrap_or(u64::MAX),
            failed: u64::try_from(outcome.aside.len() - conflicts).unwrap_or(u64::MAX),
            bytes: outcome.bytes,
            batches: 1,
            scanned: if ready.end.is_some() { ready.scanned } else { 0 },
        };
        let passed = batch.items();
        // This very batch may have been applied before its one item was set aside.
        let itself = ready.end.is_some() && self.lease.checkpoint().interrupted == ready.end;
        let (inside, at_its_end) =
            (ready.recovered && ready.end.is_some() || itself, ready.passes_interrupted || itself);
        // What a killed run had moved and taken away is lacking at the end of what it had announced.
        if inside {
            batch.moved += self.lease.checkpoint().clone().pass_interrupted(passed, at_its_end);
        }
        // Where it may have to wait for its turn, a batch is announced only then: who is killed while it waits has done nothing.
        let announced =
            ahead.filter(|_| !run.is_rated() && !run.throttle.is_set()).and_then(|next| self.announcement(next));
        let leaving = ahead.and_then(|next| next.leaving);
        let target = run.budget.batch_time(run.limits.batch_time);
        let (commit_time, capped) = (self.commit_time, self.narrow.cap().is_some());
        let began = Instant::now();
        reach(Point::BeforeCommit).await;
        let kept = self
            .lease
            .write(
                |it| {
                    (it.announced, it.leaving) = (announced, leaving);
                    (it.kills, it.alone, it.timeouts) = (0, None, 0);
                    (it.recording, it.in_flight) = (None, Vec::new());
                    if !ready.letters.is_empty() {
                        letters::count(it, &ready.letters, &outcome, &batch);
                        return;
                    }
                    if ready.end.is_some() {
                        it.cursor = ready.end;
                        it.tuner.observe(ready.scanned, took + commit_time, outcome.bytes);
                        if !capped {
                            it.tuner.settle(ready.scanned, target, run.limits.max_batch);
                        }
                        it.interrupted_keys.retain(|key| !outcome.aside.iter().any(|aside| aside.key == *key));
                    } else {
                        it.interrupted_keys.retain(|key| !ready.found.contains(key));
                    }
                    if inside {
                        it.pass_interrupted(passed, at_its_end);
                    }
                    it.counters.add(&batch);
                    it.in_pass.add(&batch);
                },
                run.budget.call(),
            )
            .await?;
        reach(Point::AfterCommit).await;
        // A slow commit is remembered, a quick one only slowly believed.
        self.commit_time = began.elapsed().max(self.commit_time.mul_f64(0.9));
        if kept == Kept::Yes {
            self.recorded = Vec::new();
            self.chunk.count(self.shard, &batch, self.lease.checkpoint());
            if self.letters.is_none() {
                self.chunk.judge(&batch, &outcome);
            } else {
                let settled = self.lease.checkpoint().settled.clone();
                let (letters, now) = (letters::of(run, &self.state), (run.terms.clock)());
                reach(Point::LettersCounted).await;
                match hold(self.lease, run.budget.call(), letters.settle(settled, now)).await? {
                    Some(done) => done?,
                    None => return Ok(Kept::Fenced),
                }
                reach(Point::LettersDeleted).await;
            }
            for aside in &outcome.aside {
                let key = run.show(&aside.key);
                tracing::info!(migration = %run.migration, class = aside.class, key, "set aside");
            }
            let known = self.chunk.checkpoints();
            let passed = checkpoint::passed(known.iter().filter(|it| it.life == self.state.life));
            (run.observer)(passed, &self.state);
        }
        Ok(kept)
    }
}
