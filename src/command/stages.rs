//! Stages: what a migration has come to, told to a topic once. What was told stands in the state, written after it was: a run that is killed in
//! between has it told again by the next one.

use super::Handler;
use super::error::CommandError;
use super::reply::{VERSION, instant};
use crate::engine::state::{self, Phase, State, Told};
use crate::fault::chain;
use crate::spec::Definition;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;

/// Less time than this is not worth a call; more than this none gets.
const LEAST: Duration = Duration::from_millis(100);
const MOST: Duration = Duration::from_secs(3);

impl Handler {
    /// Tells what is new of a migration before `end`, with the reply that it came with. Never a reason to fail: what was not heard, or
    /// what there was no time for, is told by the next one. Whether nothing is left to be told.
    pub(super) async fn tell(&self, command: &str, reply: &Value, end: Instant) -> bool {
        let Some(limit) = share(end) else { return false };
        let name = reply.get("migration").and_then(Value::as_str);
        let Some(name) = name.filter(|_| self.topic.is_some()) else { return true };
        self.tell_all(name, command, reply, limit).await.unwrap_or_else(|error| {
            tracing::warn!(migration = name, "a stage could not be told: {}", chain(&error));
            false
        })
    }

    /// Tells what nobody has heard of migrations that a bare run passes over, with their status: of one that is paused or complete no run
    /// comes any more that would. Where the topic hears nothing, the others wait for the next run, too.
    pub(super) async fn tell_late(&self, unheard: Vec<Definition>, end: Instant) {
        for definition in unheard {
            let Some(limit) = share(end) else { return };
            let name = definition.name().to_owned();
            let heard = match self.status(&name, &Ok(definition), limit).await {
                Ok(status) => self.tell("run", &status, end).await,
                Err(error) => {
                    tracing::warn!(migration = name, "a stage could not be told: {}", chain(&error));
                    false
                }
            };
            if !heard {
                return;
            }
        }
    }

    /// Whether there is a topic, and something that it has not heard of this migration.
    pub(super) fn is_unheard(&self, state: &State) -> bool {
        self.topic.is_some() && !untold(state).is_empty()
    }

    async fn tell_all(&self, name: &str, command: &str, reply: &Value, limit: Duration) -> Result<bool, CommandError> {
        if let Some(stage) = verified(command, reply) {
            self.publish(name, stage, reply, limit).await;
        }
        let stored = state::load(&*self.ledger, name, limit).await?;
        let told = now_told(&stored.state);
        if told == stored.state.told {
            return Ok(true);
        }
        for stage in untold(&stored.state) {
            if !self.publish(name, stage, reply, limit).await {
                return Ok(false);
            }
        }
        let life = stored.state.life;
        state::update(&*self.ledger, name, stored, limit, |state| {
            // In a new life all of it is news again.
            let news = state.life == life && state.told != told;
            if news {
                state.told = told;
            }
            news
        })
        .await?;
        Ok(true)
    }

    /// Whether the topic has heard it.
    async fn publish(&self, name: &str, stage: &str, reply: &Value, limit: Duration) -> bool {
        let Some(topic) = &self.topic else { return true };
        let at = instant((self.clock)());
        let message = json!({"v": VERSION, "migration": name, "stage": stage, "at": at, "reply": reply}).to_string();
        match topic.tell(name, stage, message, limit).await {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(migration = name, stage, "{}", chain(&error));
                false
            }
        }
    }
}

/// How long one call may take of what is left until then; `None`: too little is.
fn share(end: Instant) -> Option<Duration> {
    let limit = end.saturating_duration_since(Instant::now()) / 4;
    (limit >= LEAST).then(|| limit.min(MOST))
}

/// What a verification came to, if it is over.
fn verified(command: &str, reply: &Value) -> Option<&'static str> {
    if command != "verify" || reply.get("outcome").and_then(Value::as_str) != Some("complete") {
        return None;
    }
    let count = |name: &str| reply.get(name).and_then(Value::as_u64).unwrap_or(0);
    let wrong = count("missing") + count("different") + count("extra");
    Some(if wrong == count("repaired") { "verified" } else { "mismatches" })
}

/// What is true of a state, as it is remembered once it was told.
fn now_told(state: &State) -> Told {
    Told {
        started: state.pass > 0,
        passes: ended(state),
        complete: state.phase() == Phase::Complete,
        paused_at: state.paused.as_ref().map_or(0, |pause| pause.at),
    }
}

/// Stages that nobody was told of, in the order in which they came.
fn untold(state: &State) -> Vec<&'static str> {
    let (now, told) = (now_told(state), &state.told);
    let news = [
        (now.started && !told.started, "started"),
        (now.passes > told.passes, "pass done"),
        (now.complete && !told.complete, "complete"),
        (now.paused_at > 0 && now.paused_at != told.paused_at, "paused"),
    ];
    news.into_iter().filter(|(is_new, _)| *is_new).map(|(_, stage)| stage).collect()
}

/// Passes that have ended.
fn ended(state: &State) -> u32 {
    state.pass - u32::from(state.open && state.pass > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::state::Pause;
    use crate::engine::sweeps::Sweeps;
    use crate::spec::Limits;

    #[test]
    fn each_stage_is_news_once() {
        let sweeps = Sweeps::once(&Limits::default());
        let mut state = State::default();
        let news = |state: &mut State| {
            let news = untold(state);
            state.told = now_told(state);
            news
        };
        assert_eq!(news(&mut state), Vec::<&str>::new());
        state.open_pass(None, 1);
        assert_eq!(news(&mut state), ["started"]);
        assert_eq!(news(&mut state), Vec::<&str>::new());
        state.close_pass(0, &sweeps, 2);
        assert_eq!(news(&mut state), ["pass done"]);
        state.paused = Some(Pause { reason: "r".into(), by: "b".into(), at: 7 });
        assert_eq!(news(&mut state), ["paused"]);
        state.paused = Some(Pause { reason: "r".into(), by: "b".into(), at: 8 });
        assert_eq!(news(&mut state), ["paused"]);
        state.paused = None;
        assert_eq!(news(&mut state), Vec::<&str>::new());
        state.open_pass(None, 3);
        state.close_pass(0, &sweeps, 4);
        assert_eq!(news(&mut state), ["pass done", "complete"]);
        // What `retry` puts back is done again, and complete again.
        state.retry = 1;
        assert_eq!(news(&mut state), Vec::<&str>::new());
        state.retried = 1;
        assert_eq!(news(&mut state), ["complete"]);
    }

    #[test]
    fn a_verification_is_told_when_it_is_over() {
        let reply = |outcome: &str, missing: u32, repaired: u32| json!({"outcome": outcome, "missing": missing, "repaired": repaired});
        assert_eq!(verified("verify", &reply("complete", 0, 0)), Some("verified"));
        assert_eq!(verified("verify", &reply("complete", 3, 3)), Some("verified"));
        assert_eq!(verified("verify", &reply("complete", 3, 1)), Some("mismatches"));
        assert_eq!(verified("verify", &reply("more", 3, 1)), None);
        assert_eq!(verified("run", &reply("complete", 0, 0)), None);
    }
}
