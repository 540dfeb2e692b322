//! One handler for Lambda and command line alike: an event becomes a [`Command`], a command becomes a reply.

mod caught;
mod clients;
mod error;
mod event;
mod forecast;
mod idle;
mod kind;
mod open;
mod page;
mod payload;
mod pin;
mod plan;
mod reply;
mod retry;
mod rollback;
mod run;
mod select;
mod settings;
mod shelves;
mod stages;
mod status;
mod switch;
mod throttle;
mod verify;

pub use error::CommandError;
pub use event::{COMMANDS, Command, RunEvent, StatusEvent};
pub use payload::Payload;
pub use settings::{Settings, duration, megabytes};

use crate::engine::budget::Budget;
use crate::engine::lease::{Clock, Terms, system_clock};
use crate::engine::run::Observer;
use crate::engine::stop::Stop;
use crate::ledger::{self, Ledger};
use crate::observe::topic::Topic;
use crate::s3::S3;
use crate::secret::SecretStore;
use crate::spec::{Databases, Definition, FileError, Limits, Migrations};
use aws_config::{BehaviorVersion, SdkConfig};
use caught::caught;
use open::Kept;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, OnceCell};
use tokio::time::Instant;

/// What an invocation may use, and who it is.
#[derive(Clone)]
pub struct Invocation {
    /// Its id: the request id of Lambda, or a nonce.
    pub id: String,
    /// How long it may take.
    pub time: Duration,
    /// Its memory, in MB.
    pub memory_mb: u64,
    /// The wish to stop.
    pub stop: Stop,
    /// Told of each commit.
    pub observer: Observer,
}

impl Invocation {
    /// An invocation that nobody watches and nobody stops.
    pub fn new(id: impl Into<String>, time: Duration, memory_mb: u64) -> Self {
        Self { id: id.into(), time, memory_mb, stop: Stop::default(), observer: Arc::new(|_, _| ()) }
    }
}

/// AWS's configuration, looked up when something needs it: a machine without AWS never waits for it.
#[derive(Clone, Default)]
pub struct Aws {
    config: Arc<OnceCell<SdkConfig>>,
}

impl Aws {
    /// The configuration. Behaviour is pinned by version: a new one is a decision, with a line in the changelog.
    pub async fn config(&self) -> SdkConfig {
        self.config
            .get_or_init(|| async { aws_config::defaults(BehaviorVersion::v2026_01_12()).load().await })
            .await
            .clone()
    }
}

/// Everything that outlives an invocation.
pub struct Handler {
    ledger: Arc<dyn Ledger>,
    migrations: Migrations,
    databases: Databases,
    aws: Aws,
    clock: Clock,
    margin_ms: i64,
    /// Who hears of stages.
    topic: Option<Topic>,
    /// The database sessions of the last migration, for the next run of the same.
    kept: Mutex<Option<Kept>>,
}

impl Handler {
    /// Makes the clients and opens a ledger file; calls nothing else.
    pub async fn new(settings: &Settings, aws: &Aws) -> Result<Self, CommandError> {
        let ledger = ledger::open(&settings.ledger, || aws.config()).await?;
        let migrations = Migrations::at(&settings.migrations, async || S3::new(&aws.config().await)).await?;
        let lazily = aws.clone();
        let secrets = SecretStore::lazy(move || {
            let aws = lazily.clone();
            async move { aws.config().await }
        });
        let topic = match &settings.topic {
            Some(arn) => Some(Topic::new(&aws.config().await, arn)),
            None => None,
        };
        Ok(Self {
            ledger,
            migrations,
            databases: Databases::new(secrets),
            aws: aws.clone(),
            clock: system_clock(),
            margin_ms: settings.margin_ms,
            topic,
            kept: Mutex::new(None),
        })
    }

    /// Carries out what an event asks for. A panic is an error like any other.
    pub async fn handle(&self, event: &Value, invocation: &Invocation) -> Result<Value, CommandError> {
        let command = Command::parse(event)?;
        caught(Box::pin(self.carry_out(command, invocation))).await
    }

    /// Carries out a command.
    pub async fn carry_out(&self, command: Command, invocation: &Invocation) -> Result<Value, CommandError> {
        let limit = (invocation.time / 3).min(Duration::from_secs(10));
        let end = Instant::now() + invocation.time;
        let ledger = &*self.ledger;
        match command {
            Command::Run(event) => {
                let mut unheard = Vec::new();
                let ran = Box::pin(self.run(event, invocation, &mut unheard)).await;
                if let Ok(reply) = &ran {
                    self.tell("run", reply, end).await;
                }
                self.tell_late(unheard, end).await;
                ran
            }
            Command::Verify(event) => {
                let reply = Box::pin(self.verify(&event, invocation)).await?;
                self.tell("verify", &reply, end).await;
                Ok(reply)
            }
            Command::Rollback(event) => {
                let reply = Box::pin(self.rollback(&event, invocation)).await?;
                self.tell("rollback", &reply, end).await;
                Ok(reply)
            }
            Command::Plan(event) => Box::pin(self.plan(&event.migration, invocation)).await,
            Command::Status(StatusEvent { migration: Some(name) }) => {
                let file = self.migrations.one(&name, limit).await?;
                self.status(&name, &file, limit).await
            }
            Command::Status(StatusEvent { migration: None }) => self.status_of_all(limit).await,
            Command::Failed(event) => {
                let file = self.migrations.one(&event.migration, limit).await?;
                status::failed(ledger, &event, &file, limit).await
            }
            // A file that is wrong fails its runs alone: whoever mends it wants to pause first, or to begin anew.
            Command::Pause(event) => {
                let file = self.migrations.one(&event.migration, limit).await?;
                switch::pause(ledger, &event.migration, event.reason, event.by, &self.clock, limit).await?;
                let reply = self.status(&event.migration, &file, limit).await?;
                self.tell("pause", &reply, end).await;
                Ok(reply)
            }
            Command::Retry(event) => {
                let file = self.migrations.one(&event.migration, limit).await?;
                self.retry(&event, &file, invocation, limit).await
            }
            Command::Resume(event) => {
                let definition = self.definition(&event.migration, limit).await?;
                let hint = switch::resume(ledger, &definition, event.accept, event.by, &self.clock, limit).await?;
                let mut reply = self.status(&event.migration, &Ok(definition), limit).await?;
                if let Some(hint) = hint {
                    reply["hint"] = json!(hint);
                }
                Ok(reply)
            }
            Command::Reset(event) => {
                let file = self.migrations.one(&event.migration, limit).await?;
                switch::reset(&self.ledger, &event.migration, event.by, &self.clock, limit).await?;
                self.status(&event.migration, &file, limit).await
            }
        }
    }

    async fn definition(&self, name: &str, limit: Duration) -> Result<Definition, CommandError> {
        Ok(self.migrations.one(name, limit).await??)
    }

    async fn status(
        &self,
        name: &str,
        file: &Result<Definition, FileError>,
        limit: Duration,
    ) -> Result<Value, CommandError> {
        Ok(status::of(&*self.ledger, name, file, (self.clock)(), limit).await?)
    }

    async fn status_of_all(&self, limit: Duration) -> Result<Value, CommandError> {
        let mut all = Vec::new();
        for (name, file) in self.migrations.all(limit).await? {
            all.push(match status::of(&*self.ledger, &name, &file, (self.clock)(), limit).await {
                Ok(reply) => reply,
                Err(error) => status::unreadable(&name, &file, &error).ok_or(error)?,
            });
        }
        Ok(json!({"v": reply::VERSION, "migration": null, "migrations": all}))
    }

    fn terms(&self, limits: &Limits, budget: &Budget) -> Terms {
        let time = u64::try_from(budget.left().as_millis()).unwrap_or(u64::MAX);
        Terms {
            lease: limits.lease,
            margin_ms: self.margin_ms,
            deadline_ms: (self.clock)().saturating_add(time),
            clock: Arc::clone(&self.clock),
        }
    }
}
