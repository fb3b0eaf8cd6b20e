//! `driftd state`: look at a state, or copy it.

use super::{FAILURE, output};
use crate::store::Store;
use anyhow::{Result, bail};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

#[derive(clap::Args)]
pub struct StateArguments {
    #[command(subcommand)]
    command: StateCommand,
}

#[derive(clap::Subcommand)]
enum StateCommand {
    /// Read everything there is, and say what is damaged; exit status 2 when anything is
    Check { file: PathBuf },
    /// Write a copy of a state as it is in this moment, also while driftd runs
    Backup { file: PathBuf, to: PathBuf },
}

pub fn run(arguments: StateArguments) -> Result<ExitCode> {
    match arguments.command {
        StateCommand::Check { file } => check(&file),
        StateCommand::Backup { file, to } => {
            if to.exists() {
                bail!("{} is there already; a backup overwrites nothing", to.display());
            }
            Store::open_read_only(&file)?.back_up(&to)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn check(file: &std::path::Path) -> Result<ExitCode> {
    let found = Arc::new(Store::open_read_only(file)?).check()?;
    let mut text = format!(
        "{}: {} models, {} counts of open panes, {} closed windows\n",
        file.display(),
        found.models,
        found.counts,
        found.windows
    );
    for fault in &found.faults {
        text += &format!("damaged: {fault}\n");
    }
    if found.faults.is_empty() {
        text += "the state is good\n";
    } else {
        text += "restore a copy of the state, or move it away to start anew\n";
    }
    output::write(None, text.as_bytes())?;
    Ok(if found.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FAILURE) })
}
