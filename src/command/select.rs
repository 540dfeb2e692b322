//! Which migration a bare `run` takes: of those that are runnable, the one that waited longest.

use super::Handler;
use super::error::CommandError;
use crate::engine::report::Outcome;
use crate::engine::shards::{self, Offer};
use crate::engine::state::{self, Phase};
use crate::engine::sweeps::Sweeps;
use crate::fault::chain;
use crate::ledger::{LedgerError, item};
use crate::spec::Definition;
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// What a bare `run` comes to.
pub(super) enum Selected {
    /// This one.
    Run(Box<Definition>),
    /// None: all that could run are held or have to wait (`busy`, with until when), or there is none (`idle`).
    Nothing(Outcome, Option<u64>),
}

/// How a migration stands.
enum Standing {
    /// Paused or complete.
    Over {
        /// Something of it has still to be told.
        is_unheard: bool,
    },
    /// It has nothing to do, which is something else than waiting for something: asked by name it is `idle`, and not `more` until then. Were a
    /// bare run `busy` with it, `--until-done` would wait for its next sweep, and the one after, for ever.
    Rests,
    /// Until then.
    Waits(u64),
    /// It ran last, or was tried, at this time.
    Runnable(u64),
}

impl Handler {
    /// Selects. A bad file is logged and passed over; if no file is good, the run fails. Those of the others of which something has still to
    /// be told are added to `unheard`.
    pub(super) async fn select(
        &self,
        limit: Duration,
        unheard: &mut Vec<Definition>,
    ) -> Result<Selected, CommandError> {
        let all = self.migrations.all(limit).await?;
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for (_, parsed) in all {
            match parsed {
                Ok(definition) => good.push(definition),
                Err(error) => {
                    tracing::error!("{error}");
                    bad.push(error.to_string());
                }
            }
        }
        if good.is_empty() {
            let place = self.migrations.place();
            return Err(CommandError::Definition(if bad.is_empty() {
                format!(
                    "there is no migration in `{place}`: put a `*.toml` file there, or correct `MILKRUN_MIGRATIONS`"
                )
            } else {
                format!("no migration in `{place}` is valid:\n{}", bad.join("\n"))
            }));
        }
        let now = (self.clock)();
        let mut runnable = Vec::new();
        let mut waiting: Option<u64> = None;
        let mut unreadable = None;
        for definition in good {
            match self.standing_of(&definition, now, limit).await {
                Ok(Standing::Over { is_unheard }) => unheard.extend(Some(definition).filter(|_| is_unheard)),
                Ok(Standing::Rests) => {}
                Ok(Standing::Waits(until)) => waiting = Some(waiting.map_or(until, |other| other.min(until))),
                Ok(Standing::Runnable(ran)) => runnable.push((ran, definition.name().to_owned(), definition)),
                // As a bad file does, it fails only its own runs.
                Err(error @ (LedgerError::Newer { .. } | LedgerError::Record { .. })) => {
                    tracing::error!(migration = definition.name(), "{}", chain(&error));
                    unreadable = unreadable.or(Some(error));
                }
                Err(error) => return Err(error.into()),
            }
        }
        runnable.sort_by(|one, two| (one.0, &one.1).cmp(&(two.0, &two.1)));
        Ok(match runnable.into_iter().next() {
            Some((_, _, definition)) => Selected::Run(Box::new(definition)),
            None if waiting.is_some() => Selected::Nothing(Outcome::Busy, waiting),
            None => match unreadable {
                Some(error) => return Err(error.into()),
                None => Selected::Nothing(Outcome::Idle, None),
            },
        })
    }

    /// What the ledger says of a migration.
    async fn standing_of(&self, definition: &Definition, now: u64, limit: Duration) -> Result<Standing, LedgerError> {
        let state = state::load(&*self.ledger, definition.name(), limit).await?.state;
        let sweeps = Sweeps::of(definition);
        if state.phase() == Phase::Paused || state.phase() == Phase::Complete && sweeps.is_complete(&state) {
            return Ok(Standing::Over { is_unheard: self.is_unheard(&state) });
        }
        let shards = shards::all(&*self.ledger, definition.name(), limit).await?;
        let held = match shards::offer(&state, &shards, None, now) {
            Offer::Held(until) => Some(until),
            Offer::Free(_) => None,
        };
        // Dead letters that were put back wait for nothing.
        let due = sweeps.due(&state).filter(|_| !state.has_retry());
        if held.is_none() && due.is_some_and(|due| due > now) && sweeps.waiting(&state) == Outcome::Idle {
            return Ok(Standing::Rests);
        }
        if let Some(until) = held.or(due).filter(|&until| until > now) {
            return Ok(Standing::Waits(until));
        }
        let ours = shards.iter().filter(|shard| shard.checkpoint.life == state.life);
        let ran = ours.filter_map(|shard| shard.checkpoint.run.as_ref()).map(|run| run.at).max().unwrap_or(0);
        Ok(Standing::Runnable(ran.max(self.last_tried(definition.name(), limit).await?)))
    }

    /// When the last run that left a record began, in Unix milliseconds: also one that failed before it got as far as a lease, or it
    /// would be taken again and again, and nothing else would ever run.
    async fn last_tried(&self, name: &str, limit: Duration) -> Result<u64, LedgerError> {
        let last = self.ledger.list(name, item::RUN, None, 1, true, limit).await?.records.into_iter().next();
        let began = last.as_ref().and_then(|record| record.body.get("started")?.as_str());
        let began = began.and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok());
        Ok(began.and_then(|time| u64::try_from(time.unix_timestamp_nanos() / 1_000_000).ok()).unwrap_or(0))
    }
}
