//! The command line.

use clap::Parser;
use milkrun::cli::{self, Arguments};
use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    milkrun::observe::log::init_terminal();
    ExitCode::from(match Arguments::try_parse() {
        Ok(arguments) => Box::pin(cli::run(arguments)).await,
        Err(refusal) => cli::refuse(&refusal),
    })
}
