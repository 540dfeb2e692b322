//! `bootstrap`: the Lambda function. Clients are made in the init phase; databases are connected at first use.

use lambda_runtime::{Context, Diagnostic, Error, LambdaEvent, service_fn};
use milkrun::command::{Aws, CommandError, Handler, Invocation, Payload, Settings};
use milkrun::observe::log;
use serde_json::Value;
use std::fmt;
use std::time::{Duration, SystemTime};

// One thread: below 1,769 MB a function has less than one processor.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    log::init_function();
    let beside = std::env::current_exe().ok().and_then(|exe| exe.parent().map(|folder| folder.join("migrations")));
    let migrations = beside.map_or_else(|| "migrations".to_owned(), |folder| folder.display().to_string());
    let handler = async {
        let settings = Settings::read(|name| std::env::var(name).ok(), None, &migrations)?;
        Handler::new(&settings, &Aws::default()).await
    };
    // A setting that is wrong fails each invocation with its message, rather than the init phase without one.
    let handler = handler.await;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Payload>| {
        let answer = match &handler {
            Ok(handler) => match event.payload.event() {
                Ok(asked) => Box::pin(handler.handle(asked, &invocation(&event.context))).await,
                Err(error) => Err(error),
            },
            Err(error) => Err(CommandError::of_kind(error.kind(), error.to_string())),
        };
        answer.map_err(|error| Failed::of(error, &event))
    }))
    .await
}

fn invocation(context: &Context) -> Invocation {
    let left = context.deadline().duration_since(SystemTime::now()).unwrap_or(Duration::from_millis(100));
    let memory = u64::try_from(context.env_config.memory).unwrap_or(128);
    Invocation::new(context.request_id.clone(), left, memory)
}

/// A failed invocation, as Lambda reports it: `errorType` and `errorMessage`.
struct Failed(CommandError);

impl fmt::Debug for Failed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, formatter)
    }
}

impl Failed {
    /// Logs it, with the run and the migration that it is about.
    fn of(error: CommandError, event: &LambdaEvent<Payload>) -> Self {
        let asked = event.payload.event().ok();
        let migration = asked.and_then(|asked| asked.get("migration")).and_then(Value::as_str);
        tracing::error!(error_type = error.kind(), migration, run = event.context.request_id, "{error}");
        Self(error)
    }
}

impl From<Failed> for Diagnostic {
    fn from(failed: Failed) -> Self {
        Self { error_type: failed.0.kind().to_owned(), error_message: failed.0.to_string() }
    }
}
