//! Pass after pass: what was put back first, then what is open, then what is due.

use super::checkpoint::Counters;
use super::chunk::Chunk;
use super::ended::Ended;
use super::lanes::{Held, Taken};
use super::lease::Kept;
use super::letters::Reading;
use super::migration::Migration;
use super::report::{Outcome, StoppedBy};
use super::run::{EngineError, Run};
use super::shards::{self, Offer};
use super::state::{self, State, Stored};
use super::walk::{Walk, Walked};

impl<M: Migration> Run<'_, M> {
    /// Pass after pass, as long as there is something to do. What is still held in the end is in `lead`.
    pub(super) async fn passes(
        &self,
        lead: &mut Option<Held>,
        mut stored: Stored,
        chunk: &Chunk,
    ) -> Result<Ended, EngineError> {
        let begun = stored.state.clone();
        // Somebody else may have opened the first pass while this run was on its way to the lease under which it would have.
        if stored.state.pass > 0
            && let Some(ended) = self.change_shard(lead, &stored, chunk).await?
        {
            return Ok(ended);
        }
        if let Some(held) = lead.as_mut() {
            if let Some(walked) = self.check_in(held, &stored.state).await? {
                let walked = self.heed(walked, &stored).await?;
                let ended = Ended::of_walks(vec![walked], &stored, chunk, false)?;
                return Ok(ended.unwrap_or_else(|| Ended::fenced(stored)));
            }
            // The holder of the first shard takes the dead letters that were put back before anything else.
            if held.shard == 0 && held.lease.checkpoint().life == begun.life {
                stored = match Box::pin(self.letters(held, stored, chunk)).await? {
                    Ok(stored) => stored,
                    Err(ended) => return Ok(*ended),
                };
            }
        }
        loop {
            if lead.is_none() {
                *lead = self.another(&stored.state, chunk).await?;
            }
            let Some(mut held) = lead.take() else {
                return Ok(Ended::new(Outcome::More, StoppedBy::End, stored.state));
            };
            if !stored.state.open {
                if held.shard != 0 && stored.state.complete {
                    // Only dead letters are left to do, and those are the first shard's.
                    *lead = Some(held);
                    return Ok(self.waits_for_others(stored));
                }
                if let Some(due) = self.sweeps.due(&stored.state)
                    && due > (self.terms.clock)()
                {
                    *lead = Some(held);
                    let outcome = self.sweeps.waiting(&stored.state);
                    return Ok(Ended { until: Some(due), ..Ended::new(outcome, StoppedBy::End, stored.state) });
                }
                let opened = self.open_pass(&mut held.lease, &stored).await;
                *lead = Some(held);
                let Some(opened) = opened? else { return Ok(Ended::fenced(stored)) };
                stored = opened;
                if let Some(ended) = Ended::between(&stored, &begun) {
                    return Ok(ended);
                }
                if let Some(ended) = self.change_shard(lead, &stored, chunk).await? {
                    return Ok(ended);
                }
                continue;
            }
            let pass = stored.state.pass;
            let (walks, last) = self.lanes(held, &stored, chunk).await?;
            *lead = last;
            if let Some(ended) = Ended::of_walks(walks, &stored, chunk, lead.is_some())? {
                if let Some(held) = lead.take() {
                    self.leave(held, StoppedBy::End, false, chunk).await;
                }
                return Ok(ended);
            }
            stored = match self.all_done(&stored, lead.as_ref()).await? {
                Some(counted) => match self.before_closing(lead.as_mut(), &stored, counted.items()).await? {
                    Ok(found) => self.close_pass(stored, found).await?,
                    Err(ended) => return Ok(*ended),
                },
                // Others hold the rest, or have gone on.
                None => state::load(&*self.ledger, &self.migration, self.budget.call()).await?,
            };
            if let Some(ended) = Ended::between(&stored, &begun) {
                return Ok(ended);
            }
            if self.sweeps.is_idle(&stored.state) && !stored.state.has_retry() {
                let until = self.sweeps.due(&stored.state);
                return Ok(Ended { until, ..Ended::new(Outcome::Idle, StoppedBy::End, stored.state) });
            }
            if self.stop.is_set() {
                return Ok(Ended::new(Outcome::More, StoppedBy::Signal, stored.state));
            }
            if self.budget.remaining() < self.budget.total() / 20 {
                return Ok(Ended::new(Outcome::More, StoppedBy::Time, stored.state));
            }
            if (stored.state.pass, stored.state.open) == (pass, true) {
                return Ok(self.waits_for_others(stored));
            }
        }
    }

    /// A shard for what comes next, after all lanes have given theirs back.
    async fn another(&self, state: &State, chunk: &Chunk) -> Result<Option<Held>, EngineError> {
        let shards = shards::all(&*self.ledger, &self.migration, self.budget.call()).await?;
        let Offer::Free(numbers) = shards::offer(state, &shards, self.shard, (self.terms.clock)()) else {
            return Ok(None);
        };
        let Taken::Ours(held) = self.take(numbers).await? else { return Ok(None) };
        chunk.enter(held.shard, held.lease.checkpoint());
        Ok(Some(*held))
    }

    /// The shards that are left are held by others. One that was told to work on this shard alone has nothing to do until
    /// the pass is over.
    fn waits_for_others(&self, stored: Stored) -> Ended {
        let until = self.shard.map(|_| (self.terms.clock)().saturating_add(1000));
        Ended { until, ..Ended::new(Outcome::More, StoppedBy::End, stored.state) }
    }

    /// A run that was told to work on one shard alone opens the first pass under the lease of the first one, and then takes
    /// its own. `Some`: it does not get it.
    async fn change_shard(
        &self,
        lead: &mut Option<Held>,
        stored: &Stored,
        chunk: &Chunk,
    ) -> Result<Option<Ended>, EngineError> {
        let Some(only) = self.shard.filter(|only| lead.as_ref().is_some_and(|held| held.shard != *only)) else {
            return Ok(None);
        };
        if let Some(held) = lead.take() {
            self.leave(held, StoppedBy::End, false, chunk).await;
        }
        if only >= stored.state.shards() {
            return Ok(Some(self.waits_for_others(stored.clone())));
        }
        match self.take([only]).await? {
            Taken::Ours(held) => {
                chunk.enter(only, held.lease.checkpoint());
                *lead = Some(*held);
                Ok(None)
            }
            Taken::Held(until) => {
                let ended = Ended::new(Outcome::More, StoppedBy::End, stored.state.clone());
                Ok(Some(Ended { until: Some(until), ..ended }))
            }
            Taken::None => Ok(Some(self.waits_for_others(stored.clone()))),
        }
    }

    /// Whether every shard of the pass has walked to its end, and what was counted in them.
    async fn all_done(&self, stored: &Stored, lead: Option<&Held>) -> Result<Option<Counters>, EngineError> {
        let state = &stored.state;
        if state.shards() == 1 {
            let ours =
                |held: &Held| (held.lease.checkpoint().life, held.lease.checkpoint().pass) == (state.life, state.pass);
            return Ok(lead.filter(|held| ours(held)).map(|held| held.lease.checkpoint().in_pass));
        }
        // Whoever is the last to write `done` reads after it, and so sees that of all the others.
        let shards = shards::all(&*self.ledger, &self.migration, self.budget.call()).await?;
        let mut sum = Counters::default();
        for number in 0..state.shards() {
            match shards.iter().find(|shard| shard.number == number) {
                Some(shard) if shard.is_done(state) => sum.add(&shard.checkpoint.in_pass),
                _ => return Ok(None),
            }
        }
        Ok(Some(sum))
    }

    /// Takes the dead letters that were put back before anything else. `Err`: the run ends here.
    async fn letters(
        &self,
        held: &mut Held,
        stored: Stored,
        chunk: &Chunk,
    ) -> Result<Result<Stored, Box<Ended>>, EngineError> {
        let over = |ended| Ok(Err(Box::new(ended)));
        let (life, asked, pin) = (stored.state.life, stored.state.retry, stored.state.pin.clone());
        let bound = stored.state.bound.clone().or(stored.state.covered.clone());
        let left_behind = !held.lease.checkpoint().retrying.is_empty();
        if !stored.state.has_retry() && !left_behind {
            return Ok(Ok(stored));
        }
        if let Some(bound) = bound {
            let reading = Some(Reading::new());
            let mut walk = Walk::new(self, held, stored.state.clone(), (None, bound), reading, chunk);
            let walked = walk.walk().await?;
            if !matches!(walked, Walked::Stopped(StoppedBy::Fence)) && walk.leave_letters().await? == Kept::Fenced {
                return over(Ended::fenced(stored));
            }
            let some_left = walk.letters.as_ref().is_some_and(|reading| reading.left);
            let walked = self.heed(walked, &stored).await?;
            if let Some(ended) = Ended::of_walks(vec![walked], &stored, chunk, false)? {
                return over(ended);
            }
            if some_left {
                // They are counted, or gone, once another shard's holder has come so far; then the request is carried out.
                return Ok(Ok(stored));
            }
        }
        // A request that came meanwhile is greater, and not carried out yet.
        let stored = state::update(&*self.ledger, &self.migration, stored, self.budget.call(), |state| {
            let ours = state.life == life && state.retried < asked;
            if ours {
                state.retried = asked;
            }
            ours
        })
        .await?;
        if stored.state.life != life {
            return over(Ended::fenced(stored));
        }
        if let Some(ended) = Ended::if_paused(&stored) {
            return over(ended);
        }
        if stored.state.pin != pin {
            return over(Ended::new(Outcome::More, StoppedBy::Pause, stored.state));
        }
        if self.sweeps.is_complete(&stored.state) {
            return over(Ended::complete_or_more(stored));
        }
        Ok(Ok(stored))
    }
}
