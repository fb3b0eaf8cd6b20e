//! `driftd profile`: a reference profile, or counts on the grid of one.

use super::counting::{Counting, current_profile, grids, pane};
use super::options::{CheckOptions, ConfigChoice, load_reference};
use super::output;
use super::profile_pipe::profile_pipe;
use crate::monitor::reference::{Profile, Reference};
use crate::monitor::table::Table;
use crate::schema::column_changes::ColumnChanges;
use crate::source::inputs::{self, Input};
use crate::window::pane::Pane;
use anyhow::{Result, anyhow, bail};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The name of standard input.
const PIPE: &str = "-";

#[derive(clap::Args)]
pub struct ProfileArguments {
    /// Parquet files, directories or globs; with --grid files of other formats too; or - alone for
    /// an Arrow IPC stream on standard input
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    /// Where the profile goes; - is standard output
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Count on the grid of this reference profile, so that the result merges with others
    #[arg(long, value_name = "PROFILE")]
    grid: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigChoice,
}

pub fn run(arguments: ProfileArguments) -> Result<ExitCode> {
    let settings = arguments.config.settings()?;
    if arguments.inputs.iter().any(|path| path.as_os_str() == PIPE) {
        if arguments.inputs.len() > 1 {
            bail!("- is standard input, and stands alone");
        }
        let profile = profile_pipe(arguments.grid.as_deref(), &settings, &arguments.config)?;
        output::write(Some(&arguments.output), &profile.to_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let files = files_of(&arguments.inputs)?;
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
    let reference = grids(grid, settings)?;
    let counting = Counting::new(&reference, settings, files, false)?;
    let (mut all, mut changes) = (Pane::new(reference.grids()), ColumnChanges::default());
    for file in files {
        all.merge(&pane(&reference, file, &counting, &mut changes, &mut None)?)
            .map_err(|error| anyhow!("{}: {error}", file.display()))?;
    }
    if !changes.is_empty() {
        eprintln!("driftd: {changes}");
    }
    Ok(current_profile(&reference, all))
}
