//! `driftd run`: the daemon.

use crate::config::load;
use crate::daemon;
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(clap::Args)]
pub struct RunArguments {
    /// Configuration file; paths in it are relative to it
    #[arg(long, default_value = "config/driftd.toml", value_name = "FILE")]
    config: PathBuf,
    /// TLS, users, headers and a rate limit, in the format of Prometheus' exporters; read again
    /// when it changes
    #[arg(long = "web.config.file", value_name = "FILE")]
    web_config: Option<PathBuf>,
}

pub fn run(arguments: RunArguments) -> Result<ExitCode> {
    let config = load(&arguments.config)?;
    let runtime = daemon::runtime().context("cannot start the runtime")?;
    let outcome = runtime.block_on(daemon::run(config, &arguments.config, arguments.web_config));
    // What did not end in time must not hold up the end of the process.
    runtime.shutdown_background();
    outcome?;
    Ok(ExitCode::SUCCESS)
}
