//! The command line: the same commands over the same handler, in process or against a deployed function.

mod arguments;
mod bar;
mod end;
mod human;
mod key;
mod next;
mod remote;
mod repeat;

pub use arguments::Arguments;

use crate::command::{Aws, CommandError, Handler, Invocation, Settings};
use crate::engine::lease::nonce;
use crate::engine::stop::Stop;
use arguments::Asked;
use bar::Bar;
use end::Interrupted;
use remote::Remote;
use serde_json::{Value, json};
use std::io::{IsTerminal, Write};
use std::pin::pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Carries out a command line; the exit status.
pub async fn run(arguments: Arguments) -> u8 {
    let stop = Stop::default();
    let heard = AtomicU8::new(0);
    let mut work = pin!(carry_out(&arguments, &stop, &heard));
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return work.await;
    };
    loop {
        let code = tokio::select! {
            code = &mut work => return code,
            _ = interrupt.recv() => 130,
            _ = terminate.recv() => 143,
        };
        heard.store(code, Ordering::Relaxed);
        stop.set();
    }
}

/// Arguments that mean nothing, or ask for help; the exit status. With `--json` there is a reply all the same.
pub fn refuse(refusal: &clap::Error) -> u8 {
    if refusal.use_stderr() && std::env::args_os().any(|argument| argument == "--json") {
        let text = refusal.to_string();
        let lines = text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:"));
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with("For more information"));
        let message = lines.collect::<Vec<_>>().join("; ");
        let message = message.trim_start_matches("error: ");
        print(&json!({"errorType": "Usage", "errorMessage": message}).to_string());
    }
    // A closed terminal is nobody's loss.
    let _ = refusal.print();
    u8::try_from(refusal.exit_code()).unwrap_or(2)
}

/// What a look at a migration file may take.
const LOOK: Duration = Duration::from_secs(5);

/// Where commands go.
enum Place {
    Here(Box<Handler>),
    There(Remote),
}

/// Everything that a command line works with.
struct Session<'a> {
    place: Place,
    asked: &'a Arguments,
    stop: &'a Stop,
    bar: Bar,
}

async fn carry_out(arguments: &Arguments, stop: &Stop, heard: &AtomicU8) -> u8 {
    let interrupted = || match heard.load(Ordering::Relaxed) {
        0 => None,
        code => Some(Interrupted(code)),
    };
    let result = match arguments.asked() {
        Ok(Asked::Schema) => {
            let schema = crate::spec::schema();
            print(&if arguments.json { schema.to_string() } else { format!("{schema:#}") });
            return 0;
        }
        Ok(Asked::Event(event)) => session(arguments, stop, event).await,
        Err(error) => Err(error),
    };
    match result {
        Ok(code) => interrupted().map_or(code, |interrupted| interrupted.0),
        Err(error) => {
            if arguments.json {
                print(&json!({"errorType": error.kind(), "errorMessage": error.to_string()}).to_string());
            }
            eprint(&format!("error: {error}"));
            interrupted().map_or(error.exit(), |interrupted| interrupted.0)
        }
    }
}

async fn session(arguments: &Arguments, stop: &Stop, event: Value) -> Result<u8, CommandError> {
    let aws = Aws::default();
    let place = if let Some(function) = &arguments.function {
        Place::There(Remote::new(&aws.config().await, function.clone()))
    } else {
        let settings = Settings::read(
            |name| arguments.setting(name).or_else(|| std::env::var(name).ok()),
            Some("sqlite://milkrun.db"),
            "migrations",
        )?;
        Place::Here(Box::new(Handler::new(&settings, &aws).await?))
    };
    let watched = std::io::stderr().is_terminal() && !arguments.json;
    let session = Session { place, asked: arguments, stop, bar: Bar::new(watched) };
    session.go(event).await
}

impl Session<'_> {
    /// One invocation.
    async fn call(&self, event: &Value) -> Result<Value, CommandError> {
        match &self.place {
            // It cannot be stopped from here, and nobody who asks to stop waits a quarter of an hour for that.
            Place::There(remote) => tokio::select! {
                biased;
                reply = remote.invoke(event) => reply,
                () = self.stop.asked() => Err(remote.unawaited()),
            },
            Place::Here(handler) => {
                let invocation = Invocation {
                    stop: self.stop.clone(),
                    observer: self.bar.observer(),
                    ..Invocation::new(nonce(), self.asked.time_limit(), self.asked.memory_limit_mb())
                };
                handler.handle(event, &invocation).await
            }
        }
    }

    /// Whether `verify` can mend a migration; where nobody says of which kind it is, that it can.
    async fn mends(&self, name: &str) -> bool {
        match &self.place {
            Place::There(_) => true,
            Place::Here(handler) => handler.mends(name, LOOK).await,
        }
    }

    /// A reply on stdout, as it was asked for.
    fn tell(&self, reply: &Value) {
        if self.asked.json {
            print(&reply.to_string());
        }
    }
}

/// A closed stdout is nobody's loss.
fn print(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

fn eprint(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
