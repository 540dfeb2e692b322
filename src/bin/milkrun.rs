//! The command line.

use clap::Parser;
use milkrun::cli::{self, Arguments};
use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    milkrun::observe::log::init_terminal();
    ExitCode::from(Box::pin(cli::run(Arguments::parse())).await)
}
