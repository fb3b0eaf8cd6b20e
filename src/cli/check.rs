//! `driftd check`: compare once.

use super::progress::{Watched, bar};
use super::settings::{ConfigChoice, Settings, load_reference};
use super::{DRIFT, output};
use crate::export::page::openmetrics;
use crate::ingest::inputs::{self, Input};
use crate::monitor::count::count;
use crate::monitor::figures::{Statistics, WindowFigures, WindowVerdict};
use crate::monitor::reference::{Profile, Reference};
use crate::monitor::score::{WindowLabel, score};
use crate::monitor::snapshot::{ModelSnapshot, ReferenceFigures, Snapshot, WindowSnapshot};
use crate::monitor::table::{Table, rows};
use crate::report::Report;
use crate::report::json::json;
use crate::report::table::table;
use crate::window::pane::{Pane, PaneKey};
use crate::window::plan::{Plan, Run};
use anyhow::{Result, anyhow};
use clap::ValueEnum;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

#[derive(clap::Args)]
pub struct CheckArguments {
    /// What the model was trained on: Parquet file, directory, glob or .profile
    #[arg(long, value_name = "REF")]
    reference: PathBuf,
    /// What it sees now: Parquet files, directories, globs or .profile; all are one window
    #[arg(required = true, value_name = "CURRENT")]
    current: Vec<PathBuf>,
    /// One window per file instead
    #[arg(long)]
    each: bool,
    #[command(flatten)]
    config: ConfigChoice,
    /// What to write
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Write to a file instead of standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people; coloured on a terminal
    Table,
    /// Everything, schema 1
    Json,
    /// For promtool and textfile collectors
    Openmetrics,
}

pub fn run(arguments: CheckArguments) -> Result<ExitCode> {
    let settings = arguments.config.settings()?;
    let reference = load_reference(&arguments.reference, &settings.reference)?;
    let windows = windows(&reference, &arguments, &settings)?;
    let reports: Vec<Report<'_>> = windows
        .iter()
        .map(|figures| Report {
            model: &settings.model,
            version: &settings.version,
            reference_rows: Some(reference.rows),
            figures,
        })
        .collect();
    let text = match arguments.format {
        Format::Table => table(&reports, arguments.output.is_none()),
        Format::Json => json(&reports),
        Format::Openmetrics => {
            openmetrics(Arc::new(snapshot(&reference, &settings, &windows)), &settings.export)
        }
    };
    output::write(arguments.output.as_deref(), text.as_bytes())?;
    let has_drift = windows.iter().any(|window| window.verdict() == WindowVerdict::Drifted);
    Ok(if has_drift { ExitCode::from(DRIFT) } else { ExitCode::SUCCESS })
}

/// The rows of all inputs as one window, or as a window per file.
fn windows(
    reference: &Reference,
    arguments: &CheckArguments,
    settings: &Settings,
) -> Result<Vec<WindowFigures>> {
    let close = |name: &str, slot: usize, pane: &Pane| {
        let label = WindowLabel { window: name.to_owned(), slot: slot as u64, closed: None };
        score(reference, pane, &settings.drift, label).map_err(|error| anyhow!("{name}: {error}"))
    };
    let mut all = Pane::new(reference.grids());
    let mut windows = Vec::new();
    for path in files(&arguments.current)? {
        let pane = pane(reference, &path)?;
        if arguments.each {
            windows.push(close(&path.to_string_lossy(), windows.len(), &pane)?);
        } else {
            all.merge(&pane).map_err(|error| anyhow!("{}: {error}", path.display()))?;
        }
    }
    if !arguments.each {
        windows.push(close("check", 0, &all)?);
    }
    Ok(windows)
}

fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        match inputs::resolve(path)? {
            Input::Profile(path) => files.push(path),
            Input::Parquet(paths) => files.extend(paths),
        }
    }
    Ok(files)
}

/// The counts of one file or profile.
pub fn pane(reference: &Reference, path: &Path) -> Result<Pane> {
    if let Input::Profile(path) = inputs::resolve(path)? {
        return match inputs::read_profile(&path)? {
            Profile::Current(current) => {
                current.check(reference).map_err(|error| error.context(path.display()))?;
                Ok(current.pane)
            }
            Profile::Reference(_) => Err(anyhow!(
                "{}: a reference profile cannot be the current data; count it with \
                 driftd profile --grid REFERENCE",
                path.display()
            )),
        };
    }
    let table = inputs::open(path)?;
    let bar = bar("current", table.row_groups().len() * reference.features.len());
    let counted = count_whole(reference, &Watched { table: &table, bar: &bar });
    bar.finish_and_clear();
    Ok(counted.map_err(|error| error.context(path.display()))?)
}

fn count_whole(reference: &Reference, table: &dyn Table) -> crate::error::Result<Pane> {
    let key = PaneKey(vec![0]);
    let n_rows = rows(table);
    let runs = if n_rows > 0 { vec![Run { rows: n_rows, pane: key.clone() }] } else { Vec::new() };
    let plan = Plan { runs, cursors: Vec::new(), completed: Vec::new() };
    let mut panes = count(reference, table, &plan)?;
    Ok(panes.0.remove(&key).unwrap_or_else(|| Pane::new(reference.grids())))
}

fn snapshot(reference: &Reference, settings: &Settings, windows: &[WindowFigures]) -> Snapshot {
    let features = reference.features.iter().map(|feature| {
        (feature.grid.name.clone(), Statistics::of(&feature.grid, &feature.profile))
    });
    let figures = ReferenceFigures { rows: reference.rows, features: features.collect() };
    let windows = windows
        .iter()
        .map(|figures| WindowSnapshot::resumed(&figures.window, Some(figures.clone())));
    let model = ModelSnapshot {
        name: settings.model.clone(),
        version: settings.version.clone(),
        reference: Some(Arc::new(figures)),
        windows: windows.collect(),
    };
    Snapshot { generation: 0, models: vec![Arc::new(model)] }
}
