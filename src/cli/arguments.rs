//! What can be written on the command line.

use super::key::read;
use crate::command::{CommandError, duration, megabytes};
use clap::{Args, Parser, Subcommand};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// Data migrations that run on a schedule, one chunk at a time.
#[derive(Clone, Debug, Parser)]
#[command(name = "milkrun", version, about, max_term_width = 110, after_help = AFTER)]
pub struct Arguments {
    /// Where the migration files are. The help is a text of its own: in a doc comment the URL would be a link.
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        help = "Folder or s3://BUCKET/PREFIX of the migration files [default: $MILKRUN_MIGRATIONS, then `migrations`]"
    )]
    pub(super) migrations: Option<String>,
    /// Which ledger.
    #[arg(
        long,
        global = true,
        value_name = "URL",
        help = "sqlite://PATH or dynamodb://TABLE [default: $MILKRUN_LEDGER, then sqlite://milkrun.db]"
    )]
    pub(super) ledger: Option<String>,
    /// Invoke this deployed function instead of working in this process: it has its own files, ledger, time and memory.
    #[arg(long, global = true, value_name = "NAME")]
    pub(super) function: Option<String>,
    /// Print each reply as one line of JSON on stdout, and nothing else there.
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// What each run may take [default: 30s].
    #[arg(long, global = true, value_name = "TIME", value_parser = time)]
    time_limit: Option<Duration>,
    /// The memory that each run may take [default: 1024MB].
    #[arg(long = "memory-limit", global = true, value_name = "SIZE", value_parser = memory)]
    memory_limit_mb: Option<u64>,
    #[command(subcommand)]
    command: What,
}

const AFTER: &str = "\
Exit status, the first that applies: 130 or 143 interrupted; 2 wrong usage, event or migration file, or a plan with \
problems; 1 an invocation failed; 4 busy, paused or fenced; 3 dead letters, conflicts or mismatches need a person; 0.";

fn time(text: &str) -> Result<Duration, String> {
    duration(text)
        .filter(|time| !time.is_zero())
        .ok_or_else(|| "write a time of at least 1ms, such as 30s, 500ms or 15m".to_owned())
}

fn memory(text: &str) -> Result<u64, String> {
    megabytes(text).ok_or_else(|| "write a size of at least 1MB, such as 1024MB or 1GB".to_owned())
}

#[derive(Clone, Debug, Subcommand)]
enum What {
    /// Move one chunk; with --until-done chunk after chunk until the migration is complete or idle, or needs a person.
    Run(Run),
    /// Look at everything, change nothing: problems, statements, query plans, a sample document, estimates.
    Plan(One),
    /// Progress, rate, ETA, dead letters, leases: of one migration or of all.
    Status(Maybe),
    /// Stop at the next batch boundary.
    Pause(Pause),
    /// Go on after a pause.
    Resume(Resume),
    /// List dead letters and conflicts.
    Failed(Failed),
    /// Put dead letters back: all of them, those of one class, or one. The next run takes them first.
    Retry(Retry),
    /// Compare source and target as far as the migration came; mend the target if told so.
    Verify(Verify),
    /// Forget a migration's progress.
    Reset(Reset),
    /// Put back what rows said before their files were moved, wherever they still say what milkrun wrote. Pauses the migration.
    Rollback(Rollback),
    /// Print the JSON Schema of migration files.
    Schema,
}

#[derive(Clone, Debug, Args)]
struct One {
    /// Its name.
    migration: String,
}

#[derive(Clone, Debug, Args)]
struct Maybe {
    /// Its name.
    migration: Option<String>,
}

#[derive(Clone, Debug, Args)]
struct Run {
    /// Its name [default: the runnable one that waited longest].
    migration: Option<String>,
    /// Run after run until it is complete, idle, or needs a person.
    #[arg(long)]
    until_done: bool,
    /// Stop after so many items.
    #[arg(long, value_name = "N")]
    max_items: Option<u64>,
    /// This shard alone.
    #[arg(long, value_name = "SHARD")]
    shard: Option<String>,
}

#[derive(Clone, Debug, Args)]
struct Pause {
    /// Its name.
    migration: String,
    /// Why.
    #[arg(long)]
    reason: Option<String>,
    /// Who [default: $USER].
    #[arg(long)]
    by: Option<String>,
}

#[derive(Clone, Debug, Args)]
struct Resume {
    /// Its name.
    migration: String,
    /// The digest of the changed definition, as `status` shows it.
    #[arg(long, value_name = "DIGEST")]
    accept: Option<String>,
    /// Who [default: $USER].
    #[arg(long)]
    by: Option<String>,
}

#[derive(Clone, Debug, Args)]
struct Failed {
    /// Its name.
    migration: String,
    /// Dead letters on a page.
    #[arg(long, default_value_t = 100)]
    limit: u32,
    /// The `next` of the page before.
    #[arg(long)]
    next: Option<String>,
    /// Those of this class alone. The help is a text of its own: in a doc comment it would be markup.
    #[arg(long, value_name = "CLASS", help = "Those of this class alone: conflict, poison, too_large, gone …")]
    class: Option<String>,
}

#[derive(Clone, Debug, Args)]
struct Retry {
    /// Its name.
    migration: String,
    /// Those of this class alone. The helps are texts of their own: in a doc comment they would be markup.
    #[arg(
        long,
        value_name = "CLASS",
        help = "Those of this class alone, as `failed` shows it: conflict, poison, too_large, gone …"
    )]
    class: Option<String>,
    /// This one alone.
    #[arg(
        long,
        value_name = "KEY",
        allow_hyphen_values = true,
        value_parser = key,
        help = "This one alone, as `failed` shows it: 17, or as JSON: '[\"17\"]'"
    )]
    key: Option<Key>,
    /// Who [default: $USER].
    #[arg(long)]
    by: Option<String>,
}

/// The parts of a key.
#[derive(Clone, Debug)]
struct Key(Vec<String>);

fn key(text: &str) -> Result<Key, String> {
    read(text)
        .map(Key)
        .ok_or_else(|| r#"write it as `failed` shows it, such as 17, or as a list such as '["17"]'"#.to_owned())
}

#[derive(Clone, Debug, Args)]
struct Verify {
    /// Its name.
    migration: String,
    /// Insert what is missing
    #[arg(long)]
    repair: bool,
    /// Insert what is missing, and rewrite what differs; nothing is ever deleted
    #[arg(long)]
    overwrite: bool,
    /// Of files: look at about this share alone, such as 1%; at another one with each verification
    #[arg(long, value_name = "SHARE")]
    sample: Option<String>,
    /// Read every object on both sides, and compare their bytes: for migrations of kind objects
    #[arg(long)]
    full: bool,
}

#[derive(Clone, Debug, Args)]
struct Reset {
    /// Its name.
    migration: String,
    /// Its name again.
    #[arg(long, value_name = "MIGRATION")]
    confirm: Option<String>,
    /// Who [default: $USER].
    #[arg(long)]
    by: Option<String>,
}

#[derive(Clone, Debug, Args)]
struct Rollback {
    /// Its name.
    migration: String,
    /// Who [default: $USER].
    #[arg(long)]
    by: Option<String>,
}

/// What a command line asks for.
pub(super) enum Asked {
    /// An event for the handler.
    Event(Value),
    /// The JSON Schema.
    Schema,
}

impl Arguments {
    /// The event that it stands for.
    pub(super) fn asked(&self) -> Result<Asked, CommandError> {
        self.check_function()?;
        if let Some(ledger) = &self.ledger {
            crate::ledger::check(ledger).map_err(|error| CommandError::Usage(format!("`--ledger`: {error}")))?;
        }
        let user = || std::env::var("USER").ok().filter(|user| !user.is_empty());
        let event = match self.command.clone() {
            What::Schema => return Ok(Asked::Schema),
            What::Run(Run { migration, max_items, shard, .. }) => {
                json!({"command": "run", "migration": migration, "max_items": max_items, "shard": shard})
            }
            What::Plan(One { migration }) => json!({"command": "plan", "migration": migration}),
            What::Status(Maybe { migration }) => json!({"command": "status", "migration": migration}),
            What::Pause(Pause { migration, reason, by }) => {
                json!({"command": "pause", "migration": migration, "reason": reason, "by": by.or_else(user)})
            }
            What::Resume(Resume { migration, accept, by }) => {
                json!({"command": "resume", "migration": migration, "accept": accept, "by": by.or_else(user)})
            }
            What::Failed(Failed { migration, limit, next, class }) => {
                json!({"command": "failed", "migration": migration, "limit": limit, "next": next, "class": class})
            }
            What::Retry(Retry { migration, class, key, by }) => {
                let key = key.map(|key| key.0);
                json!({"command": "retry", "migration": migration, "class": class, "key": key, "by": by.or_else(user)})
            }
            What::Verify(Verify { migration, repair, overwrite, sample, full }) => {
                let full = full.then_some(true);
                json!({
                    "command": "verify", "migration": migration, "repair": repair, "overwrite": overwrite, "sample": sample,
                    "full": full
                })
            }
            What::Reset(Reset { migration, confirm, by }) => {
                json!({"command": "reset", "migration": migration, "confirm": confirm, "by": by.or_else(user)})
            }
            What::Rollback(Rollback { migration, by }) => {
                json!({"command": "rollback", "migration": migration, "by": by.or_else(user)})
            }
        };
        let fields: Map<String, Value> = match event {
            Value::Object(fields) => fields.into_iter().filter(|(_, value)| !value.is_null()).collect(),
            _ => Map::new(),
        };
        let event = Value::Object(fields);
        // What is wrong with it is said before anything is opened.
        crate::command::Command::parse(&event)?;
        Ok(Asked::Event(event))
    }

    /// A deployed function takes none of what is said of this process. Not left to clap, which compares only options that stand
    /// on the same side of the command.
    fn check_function(&self) -> Result<(), CommandError> {
        let ours = [
            ("--migrations", self.migrations.is_some(), "`MILKRUN_MIGRATIONS`"),
            ("--ledger", self.ledger.is_some(), "`MILKRUN_LEDGER`"),
            ("--time-limit", self.time_limit.is_some(), "timeout"),
            ("--memory-limit", self.memory_limit_mb.is_some(), "memory"),
        ];
        match ours.iter().find(|(_, given, _)| *given && self.function.is_some()) {
            None => Ok(()),
            Some((option, _, own)) => Err(CommandError::Usage(format!(
                "`{option}` cannot stand beside `--function`, since a deployed function has its own {own}: leave one of them out"
            ))),
        }
    }

    /// How `milkrun` is called again for the same place.
    pub(super) fn again(&self) -> String {
        let places = [("--function", &self.function), ("--migrations", &self.migrations), ("--ledger", &self.ledger)];
        let given = places.iter().filter_map(|(option, value)| Some((option, value.as_deref()?)));
        given.fold("milkrun".to_owned(), |call, (option, value)| format!("{call} {option} {}", quoted(value)))
    }

    /// What each run may take.
    pub(super) fn time_limit(&self) -> Duration {
        self.time_limit.unwrap_or(Duration::from_secs(30))
    }

    /// The memory that each run may take, in MB.
    pub(super) fn memory_limit_mb(&self) -> u64 {
        self.memory_limit_mb.unwrap_or(1024)
    }

    /// Whether to repeat until there is nothing left to do.
    pub(super) fn until_done(&self) -> bool {
        matches!(
            &self.command,
            What::Run(Run { until_done: true, .. }) | What::Verify(_) | What::Retry(_) | What::Rollback(_)
        )
    }

    /// An option that stands for a setting: it beats the environment.
    pub(super) fn setting(&self, name: &str) -> Option<String> {
        match name {
            "MILKRUN_LEDGER" => self.ledger.clone(),
            "MILKRUN_MIGRATIONS" => self.migrations.clone(),
            _ => None,
        }
    }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:=@%+,".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn options_may_stand_before_and_after_the_command() {
        let arguments = Arguments::try_parse_from([
            "milkrun",
            "--json",
            "run",
            "orders-history",
            "--until-done",
            "--time-limit",
            "2s",
            "--memory-limit",
            "256MB",
            "--ledger",
            "sqlite://x.db",
        ])
        .unwrap();
        assert!(arguments.json && arguments.until_done());
        assert_eq!((arguments.time_limit(), arguments.memory_limit_mb()), (Duration::from_secs(2), 256));
        assert_eq!(arguments.setting("MILKRUN_LEDGER").as_deref(), Some("sqlite://x.db"));
        assert_eq!(arguments.again(), "milkrun --ledger sqlite://x.db");
        let Ok(Asked::Event(event)) = arguments.asked() else { panic!("no event") };
        assert_eq!(event, json!({"command": "run", "migration": "orders-history"}));
    }

    #[test]
    fn a_share_is_passed_on_as_it_was_written() {
        let words = ["milkrun", "--function", "f", "verify", "photos", "--sample", "2.5%"];
        let Ok(Asked::Event(event)) = Arguments::try_parse_from(words).unwrap().asked() else { panic!("no event") };
        let asked =
            json!({"command": "verify", "migration": "photos", "repair": false, "overwrite": false, "sample": "2.5%"});
        assert_eq!(event, asked);
    }

    #[test]
    fn a_deployed_function_takes_no_settings_of_this_process() {
        for (option, value) in [
            ("--time-limit", "30s"),
            ("--memory-limit", "1024MB"),
            ("--ledger", "sqlite://x.db"),
            ("--migrations", "m"),
        ] {
            for words in [
                ["milkrun", "--function", "f", "run", option, value],
                ["milkrun", option, value, "run", "--function", "f"],
                ["milkrun", option, value, "--function", "f", "run"],
            ] {
                let Err(error) = Arguments::try_parse_from(words).unwrap().asked() else { panic!("{words:?}") };
                assert_eq!(error.kind(), "Usage");
                let text = error.to_string();
                assert!(text.starts_with(&format!("`{option}` cannot stand beside `--function`")), "{text}");
            }
        }
        let plain = Arguments::try_parse_from(["milkrun", "--function", "f", "run"]).unwrap();
        assert!(plain.asked().is_ok());
        assert_eq!(plain.again(), "milkrun --function f");
        let spaced = Arguments::try_parse_from(["milkrun", "--migrations", "my 'm", "status"]).unwrap();
        assert_eq!(spaced.again(), r"milkrun --migrations 'my '\''m'");
        assert_eq!((plain.time_limit(), plain.memory_limit_mb()), (Duration::from_secs(30), 1024));
    }
}
