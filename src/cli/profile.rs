//! `driftd profile`: a reference profile, or counts on the grid of one.

use super::check::{Counting, pane};
use super::options::{CheckOptions, ConfigChoice, load_reference};
use super::output;
use crate::monitor::reference::{CurrentProfile, Profile, Reference};
use crate::monitor::table::Table;
use crate::schema::column_changes::ColumnChanges;
use crate::source::inputs::{self, Input, read_profile};
use crate::window::pane::Pane;
use anyhow::{Result, anyhow, bail};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(clap::Args)]
pub struct ProfileArguments {
    /// Parquet files, directories or globs
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    /// Where the profile goes
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Count on the grid of this reference profile, so that the result merges with others
    #[arg(long, value_name = "PROFILE")]
    grid: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigChoice,
}

pub fn run(arguments: ProfileArguments) -> Result<ExitCode> {
    let files = files_of(&arguments.inputs)?;
    let settings = arguments.config.settings()?;
    arguments.config.check_columns(files.iter().map(PathBuf::as_path))?;
    let profile = match &arguments.grid {
        Some(grid) => current(grid, &files, &settings)?,
        None if files.len() == 1 => Profile::Reference(load_reference(&files[0], &settings)?),
        None => {
            let tables = files.iter().map(|file| inputs::open(file, settings.page_bytes_max));
            let tables = tables.collect::<Result<Vec<_>, _>>()?;
            let tables: Vec<&dyn Table> = tables.iter().map(|table| table as &dyn Table).collect();
            Profile::Reference(Reference::build(&tables, &settings.reference, &|| {})?)
        }
    };
    output::write(Some(&arguments.output), &profile.to_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn files_of(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        match inputs::resolve(path)? {
            Input::Files(found) => files.extend(found.into_iter().map(|file| file.path)),
            Input::Profile(path) => bail!(
                "{} is a profile already; profiles are added with driftd merge",
                path.display()
            ),
        }
    }
    Ok(files)
}

fn current(grid: &Path, files: &[PathBuf], settings: &CheckOptions) -> Result<Profile> {
    let Profile::Reference(reference) = read_profile(grid)? else {
        bail!("{}: only a reference profile has a grid", grid.display());
    };
    let reference = reference.select(&settings.reference)?;
    let counting = Counting::new(&reference, settings, files, false)?;
    let (mut all, mut changes) = (Pane::new(reference.grids()), ColumnChanges::default());
    for file in files {
        all.merge(&pane(&reference, file, &counting, &mut changes)?)
            .map_err(|error| anyhow!("{}: {error}", file.display()))?;
    }
    if !changes.is_empty() {
        eprintln!("driftd: {changes}");
    }
    let names = reference.grids().map(|grid| grid.name.clone()).collect();
    Ok(Profile::Current(CurrentProfile { names, pane: all }))
}
