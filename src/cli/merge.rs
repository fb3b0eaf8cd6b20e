//! `driftd merge`: add profiles.

use super::output;
use crate::monitor::reference::{CurrentProfile, Profile};
use crate::source::inputs::read_profile;
use anyhow::{Result, anyhow, bail};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(clap::Args)]
pub struct MergeArguments {
    /// Profiles made with `driftd profile --grid`, all on the same grid
    #[arg(required = true, value_name = "PROFILE")]
    profiles: Vec<PathBuf>,
    /// Where the sum goes; - is standard output
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
}

pub fn run(arguments: MergeArguments) -> Result<ExitCode> {
    let mut merged: Option<CurrentProfile> = None;
    for path in &arguments.profiles {
        let Profile::Current(current) = read_profile(path)? else {
            bail!(
                "{}: a reference profile fixes a grid and does not add; profile all files of the \
                 reference at once",
                path.display()
            );
        };
        match &mut merged {
            None => merged = Some(current),
            Some(sum) => sum
                .pane
                .merge(&current.pane)
                .map_err(|error| anyhow!("{}: {error}", path.display()))?,
        }
    }
    let merged = merged.expect("the arguments name at least one");
    output::write(Some(&arguments.output), &merged.to_bytes())?;
    Ok(ExitCode::SUCCESS)
}
