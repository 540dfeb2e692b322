//! The pin: a migration's progress belongs to one definition, and a changed one pauses it until it is accepted.

use super::error::CommandError;
use super::kind::Kind;
use super::shelves::InLedger;
use super::status::current;
use super::{Handler, Invocation};
use crate::engine::budget::Budget;
use crate::engine::report::Report;
use crate::engine::state::{self, Pin, State, Stored};
use crate::spec::Definition;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What opening the database under the pinned definition came to.
pub(super) enum Opened {
    /// It is open, and the state is pinned to what was found there.
    Yes(Box<(Stored, Kind)>),
    /// The definition has changed: the migration is paused.
    Paused(Box<Report>),
}

enum Pinned {
    Yes(Box<Stored>),
    Changed(Box<Report>),
}

impl Handler {
    /// The database under the pinned definition, or the pause that a change of it has led to.
    pub(super) async fn open_pinned(
        &self,
        definition: &Definition,
        stored: Stored,
        invocation: &Invocation,
        budget: &Budget,
    ) -> Result<Opened, CommandError> {
        let mut kind = if stored.state.is_pinned_to(definition.digest()) {
            Box::pin(self.open(definition, budget, &invocation.stop)).await?
        } else {
            // The database says which columns go with the changed definition, so that one digest accepts both. It may not answer:
            // the migration is paused all the same, and time has to be left for that.
            let some = Budget::new(budget.remaining() / 2, budget.memory_mb());
            match Box::pin(self.open(definition, &some, &invocation.stop)).await {
                Ok(kind) => kind,
                Err(error) => {
                    tracing::warn!(migration = %definition.name(), "{error}");
                    let reason = changed(definition, &stored);
                    return Ok(Opened::Paused(Box::new(self.pause(definition, stored, &reason, budget).await?)));
                }
            }
        };
        match self.pin(definition, &kind, stored, budget).await? {
            Pinned::Yes(stored) => {
                kind.pinned_as(stored.state.pin.as_ref().map(Pin::digest));
                kind.hold_at_most(budget, definition.limits());
                let kept = || {
                    let (ledger, migration) = (self.ledger.clone(), definition.name().to_owned());
                    Arc::new(InLedger { ledger, migration })
                };
                match &mut kind {
                    Kind::Rows(_) => {}
                    Kind::Files(files) => files.carry_over(kept(), budget.call()).await,
                    Kind::Objects(objects) => objects.carry_over(kept(), budget.call()).await,
                }
                Ok(Opened::Yes(Box::new((*stored, kind))))
            }
            Pinned::Changed(report) => {
                self.keep(definition, kind).await;
                Ok(Opened::Paused(report))
            }
        }
    }

    /// Pauses a migration whose definition has become another one altogether.
    pub(super) async fn another(
        &self,
        definition: &Definition,
        stored: &Stored,
        budget: &Budget,
    ) -> Result<Option<Report>, CommandError> {
        if stored.state.pin.as_ref().is_none_or(|pin| pin.identity == definition.identity()) {
            return Ok(None);
        }
        let reason = changed(definition, stored);
        self.pause(definition, stored.clone(), &reason, budget).await.map(Some)
    }

    /// Pins the definition at the first run; at later ones compares the source's columns with it.
    async fn pin(
        &self,
        definition: &Definition,
        kind: &Kind,
        stored: Stored,
        budget: &Budget,
    ) -> Result<Pinned, CommandError> {
        let mut now = current(&stored.state, definition);
        now.columns = kind.columns_digest();
        let name = definition.name();
        match &stored.state.pin {
            Some(pin) if *pin == now && !stored.state.relearn => Ok(Pinned::Yes(Box::new(stored))),
            Some(pin) if stored.state.relearn && pin.file == now.file => {
                let stored = state::update(&*self.ledger, name, stored, budget.call(), |state| {
                    match &mut state.pin {
                        Some(pin) if state.relearn && pin.file == now.file => pin.learn(now.columns.clone()),
                        _ => return false,
                    }
                    state.relearn = false;
                    true
                })
                .await?;
                // Somebody may have accepted another one meanwhile.
                Box::pin(self.pin(definition, kind, stored, budget)).await
            }
            Some(pin) => {
                let (met, same_file) = (pin.clone(), pin.file == now.file);
                let stored = state::update(&*self.ledger, name, stored, budget.call(), |state| {
                    let ours = state.pin.as_ref() == Some(&met);
                    if ours {
                        state.proposed = Some(now.clone());
                    }
                    ours
                })
                .await?;
                if stored.state.pin.as_ref() != Some(&met) {
                    // Somebody has accepted another one while the database was opened, or has begun anew.
                    return Box::pin(self.pin(definition, kind, stored, budget)).await;
                }
                let reason = if same_file {
                    format!(
                        "the columns of the source have changed since the definition was pinned: look at what changed, then {}",
                        accepting(name, &now.digest())
                    )
                } else {
                    changed(definition, &stored)
                };
                Ok(Pinned::Changed(Box::new(self.pause(definition, stored, &reason, budget).await?)))
            }
            None => {
                let stored = state::update(&*self.ledger, name, stored, budget.call(), |state| {
                    let fresh = state.pin.is_none();
                    if fresh {
                        state.pin = Some(Pin { first_columns: now.columns.clone(), ..now.clone() });
                        state.fields.clone_from(definition.fields());
                    }
                    fresh
                })
                .await?;
                // Somebody else may have pinned another one.
                Box::pin(self.pin(definition, kind, stored, budget)).await
            }
        }
    }
}

fn changed(definition: &Definition, stored: &Stored) -> String {
    let now = current(&stored.state, definition);
    let places = differing(definition, &stored.state);
    if stored.state.pin.as_ref().is_some_and(|pin| pin.identity != now.identity) {
        let places = in_brackets(&places);
        return format!(
            "the definition has changed in its kind, database, key, table or target, which cannot be accepted{places}: undo the \
             change and `resume`, or `reset` the migration"
        );
    }
    let places = after_a_comma(&places);
    format!(
        "the definition has changed since it was pinned{places}: undo the change and `resume`, or {}",
        accepting(definition.name(), &now.digest())
    )
}

/// The fields in which a definition differs from the pinned one, as a message names them. Nothing where the ledger does not say what was
/// pinned field by field.
fn differing(definition: &Definition, state: &State) -> String {
    let (pinned, now) = (&state.fields, definition.fields());
    if pinned.is_empty() {
        return String::new();
    }
    if pinned.get("kind") != now.get("kind") {
        return "`kind`".to_owned();
    }
    let places: BTreeSet<&String> = pinned.keys().chain(now.keys()).collect();
    let changed = places.into_iter().filter(|place| pinned.get(*place) != now.get(*place));
    changed.map(|place| format!("`{place}`")).collect::<Vec<_>>().join(", ")
}

fn after_a_comma(places: &str) -> String {
    if places.is_empty() { String::new() } else { format!(", in {places}") }
}

fn in_brackets(places: &str) -> String {
    if places.is_empty() { String::new() } else { format!(" (changed: {places})") }
}

/// What `resume` has to say where the next run will pause the migration again, or may: nobody has accepted what had changed. `met`: what a
/// run had found instead of the pinned definition.
pub(super) fn unaccepted(definition: &Definition, state: &State, met: Option<&Pin>) -> Option<String> {
    let (pin, now, name) = (state.pin.as_ref()?, current(state, definition), definition.name());
    if pin.identity != now.identity {
        return Some(format!(
            "the next run pauses the migration again: the definition is still another one in its kind, database, key, table or target, \
             which cannot be accepted; undo the change, or `milkrun reset {name} --confirm {name}`"
        ));
    }
    if pin.file != now.file {
        return Some(format!(
            "the next run pauses the migration again: the definition still is not the pinned one; undo the change, or accept it by {}",
            accepting(name, &now.digest())
        ));
    }
    let columns = met.is_some_and(|met| met.file == pin.file && met.columns != pin.columns) && !state.relearn;
    columns.then(|| {
        "the columns of the source had changed when a run looked last: unless that was undone, the next run pauses the migration \
         again, and names the digest to accept"
            .to_owned()
    })
}

/// What `plan` has to say about a definition that is not the pinned one, over a source with these columns.
pub(super) fn foretold(definition: &Definition, columns: Option<String>, stored: &Stored) -> Option<Foretold> {
    let pin = stored.state.pin.as_ref()?;
    let now = current(&stored.state, definition);
    if pin.identity != now.identity {
        return Some(Foretold::Another(format!(
            "the definition has changed in its kind, database, key, table or target since it was pinned, which cannot be accepted{}",
            in_brackets(&differing(definition, &stored.state))
        )));
    }
    if pin.file != now.file {
        return Some(Foretold::Changed(format!(
            "the definition has changed since it was pinned{}: a run will pause the migration, unless the change is undone or \
             accepted before, by {}",
            after_a_comma(&differing(definition, &stored.state)),
            accepting(definition.name(), &now.digest())
        )));
    }
    let columns = columns.filter(|columns| *columns != pin.columns && !stored.state.relearn)?;
    let digest = Pin { columns, ..now }.digest();
    Some(Foretold::Changed(format!(
        "the columns of the source have changed since the definition was pinned: the next run will pause the migration; look at \
         what changed, then accept it by {}",
        accepting(definition.name(), &digest)
    )))
}

/// What became of the pinned definition, before a run has met it.
pub(super) enum Foretold {
    /// It can be accepted.
    Changed(String),
    /// It is that of another migration altogether.
    Another(String),
}

/// How a changed definition is accepted, by event and on the command line.
fn accepting(name: &str, digest: &str) -> String {
    format!("`resume` with \"accept\": \"{digest}\" (`milkrun resume {name} --accept {digest}`)")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Aws, Settings, switch};
    use crate::engine::report::{Outcome, StoppedBy};
    use crate::spec::parse;
    use aws_config::{BehaviorVersion, SdkConfig};
    use std::path::Path;
    use std::time::Duration;
    use tokio::sync::OnceCell;

    const FILE: &str = r#"
name = "m"
kind = "objects"
[source]
bucket = "from-here"
region = "eu-central-1"
[target]
bucket = "to-there"
region = "eu-central-1"
[copy]
tags = "keep"
"#;

    /// Over a ledger and no migration in this folder.
    async fn handler(folder: &Path) -> Handler {
        let settings = Settings {
            ledger: format!("sqlite://{}", folder.join("ledger.db").display()),
            migrations: folder.display().to_string(),
            margin_ms: 0,
            topic: None,
        };
        let config = SdkConfig::builder().behavior_version(BehaviorVersion::v2026_01_12()).build();
        let aws = Aws { config: Arc::new(OnceCell::new_with(Some(config))) };
        Handler::new(&settings, &aws).await.unwrap()
    }

    fn definition(file: &str) -> Definition {
        parse("m", file).unwrap_or_else(|error| panic!("{error}"))
    }

    async fn kind(handler: &Handler, definition: &Definition) -> Kind {
        let Definition::Objects(objects) = definition else { panic!("of another kind") };
        Kind::Objects(Box::new(handler.buckets(objects).await))
    }

    #[tokio::test]
    async fn a_definition_that_was_accepted_while_a_run_was_on_its_way_pauses_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let handler = handler(folder.path()).await;
        let (old, new) = (definition(FILE), definition(&FILE.replace("keep", "drop")));
        let kind = kind(&handler, &new).await;
        let budget = Budget::new(Duration::from_secs(30), 1024);
        let load = async || state::load(&*handler.ledger, "m", budget.call()).await.unwrap();
        let first = handler.pin(&old, &kind, load().await, &budget).await.unwrap();
        assert!(matches!(first, Pinned::Yes(_)));

        let known = load().await;
        let digest = current(&known.state, &new).digest();
        let ledger = &*handler.ledger;
        switch::resume(ledger, &new, Some(digest), None, &handler.clock, budget.call()).await.unwrap();
        let met = handler.pin(&new, &kind, known, &budget).await.unwrap();
        assert!(matches!(met, Pinned::Yes(_)));
        let state = load().await.state;
        assert_eq!((state.paused, state.proposed), (None, None));
        assert!(state.pin.is_some_and(|pin| pin.file == new.digest()));
    }

    #[tokio::test]
    async fn a_pause_that_came_too_late_is_not_answered() {
        let folder = tempfile::tempdir().unwrap();
        let handler = handler(folder.path()).await;
        let (old, other) = (definition(FILE), definition(&FILE.replace("to-there", "to-elsewhere")));
        let kind = kind(&handler, &old).await;
        let budget = Budget::new(Duration::from_secs(30), 1024);
        let load = async || state::load(&*handler.ledger, "m", budget.call()).await.unwrap();
        let first = handler.pin(&old, &kind, load().await, &budget).await.unwrap();
        assert!(matches!(first, Pinned::Yes(_)));

        // A person was quicker, and has a reason of their own.
        let known = load().await;
        let (reason, by) = (Some("the shop is on fire".to_owned()), Some("ann".to_owned()));
        switch::pause(&*handler.ledger, "m", reason, by, &handler.clock, budget.call()).await.unwrap();
        let met = handler.another(&other, &known, &budget).await.unwrap().unwrap();
        assert_eq!((met.outcome, met.reason.as_deref()), (Outcome::Paused, Some("the shop is on fire")));

        // What is begun anew is pinned to nothing that could have changed.
        switch::reset(&handler.ledger, "m", None, &handler.clock, budget.call()).await.unwrap();
        let met = handler.another(&other, &known, &budget).await.unwrap().unwrap();
        assert_eq!((met.outcome, met.stopped_by, met.reason), (Outcome::More, Some(StoppedBy::Pause), None));
        assert_eq!(load().await.state.paused, None);
    }
}
