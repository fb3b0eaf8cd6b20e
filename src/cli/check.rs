//! `driftd check`: compare once.

use super::judging::JudgingArguments;
use super::options::{CheckOptions, ConfigChoice, load_reference};
use super::progress::bar;
use super::{DRIFT, FAILURE, UNJUDGED, output};
use crate::export::page::openmetrics;
use crate::format::file_format::OpenedTable;
use crate::format::line_schema::LineSchema;
use crate::judge::drift_config::VariationConfig;
use crate::monitor::clustered_table::ClusteredTable;
use crate::monitor::figures::{ReferenceFigures, WindowFigures, WindowVerdict};
use crate::monitor::reference::{Profile, Reference};
use crate::monitor::renamed_table::RenamedTable;
use crate::monitor::score::{WindowLabel, score};
use crate::monitor::snapshot::{ModelSnapshot, Snapshot, WindowSnapshot};
use crate::monitor::table::{ProgressTable, Table, rows};
use crate::monitor::whole::count_whole;
use crate::profile::feature::FeatureGrid;
use crate::report::Report;
use crate::report::html::html;
use crate::report::json::json;
use crate::report::table::table;
use crate::schema::column_changes::ColumnChanges;
use crate::schema::columns::ColumnsConfig;
use crate::source::inputs::{self, Input};
use crate::totals::Totals;
use crate::window::pane::Pane;
use crate::window::sampling::SamplingConfig;
use anyhow::{Context, Result, anyhow, bail};
use clap::ValueEnum;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

#[derive(clap::Args)]
pub struct CheckArguments {
    /// What the model was trained on: Parquet file, directory, glob or .profile; by default what
    /// the configuration names
    #[arg(long, value_name = "REF", required_unless_present = "config")]
    reference: Option<PathBuf>,
    /// What it sees now: Parquet, Arrow, CSV or lines of JSON, as files, directories, globs, or
    /// .profile; all are one window
    #[arg(required = true, value_name = "CURRENT")]
    current: Vec<PathBuf>,
    /// One window per file instead
    #[arg(long)]
    each: bool,
    #[command(flatten)]
    config: ConfigChoice,
    #[command(flatten)]
    judging: JudgingArguments,
    /// What to write
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Exit with status 3 when nothing could be judged
    #[arg(long)]
    strict: bool,
    /// Write to a file instead of standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people; coloured on a terminal
    Table,
    /// Everything, schema 2
    Json,
    /// A page to look at, in one file
    Html,
    /// For promtool and textfile collectors
    Openmetrics,
}

pub fn run(arguments: CheckArguments) -> Result<ExitCode> {
    let mut settings = arguments.config.settings()?;
    arguments.judging.apply(&mut settings.drift);
    // Whoever compares once has no windows to learn from.
    if settings.drift.variation == VariationConfig::Learned {
        settings.drift.variation = VariationConfig::Rows;
    }
    let path = arguments.reference.as_ref().or(settings.reference_path.as_ref());
    let path = path.context("name the reference with --reference")?;
    let inputs = std::iter::once(path).chain(&arguments.current);
    arguments.config.check_columns(inputs.map(PathBuf::as_path))?;
    let reference = load_reference(path, &settings)?;
    if reference.rows == 0 || reference.features.is_empty() {
        let (path, rows, features) = (path.display(), reference.rows, reference.features.len());
        bail!(
            "reference {path}: {rows} rows, {features} features; nothing can be compared with it"
        );
    }
    let reference_figures = Arc::new(ReferenceFigures::of(&reference, false));
    let compared = Some(reference_figures.content);
    let mut changes = ColumnChanges::default();
    let compared = (&reference, compared);
    let (windows, unreadable) = windows(compared, &arguments, &settings, &mut changes)?;
    let reports: Vec<Report<'_>> = windows
        .iter()
        .map(|figures| Report {
            model: &settings.model,
            version: &settings.version,
            reference: Some(&*reference_figures),
            figures,
            has_bins: true,
            shown: settings.export.values,
            predictions: &settings.reference.columns.predictions,
        })
        .collect();
    let text = match arguments.format {
        Format::Table => {
            let for_terminal = arguments.output.is_none() && wants_colour();
            let told = if changes.is_empty() { String::new() } else { format!("{changes}\n") };
            (table(&reports, for_terminal) + &told).into_bytes()
        }
        Format::Json => json(&reports).into_bytes(),
        Format::Html => html(&reports).into_bytes(),
        Format::Openmetrics => {
            let snapshot = snapshot(Arc::clone(&reference_figures), &settings, &windows);
            openmetrics(&snapshot, &settings.export)
        }
    };
    output::write(arguments.output.as_deref(), &text)?;
    unreadable.iter().for_each(|error| eprintln!("driftd: {error:#}"));
    let any = |verdict| windows.iter().any(|window| window.verdict() == verdict);
    Ok(match () {
        () if !unreadable.is_empty() => ExitCode::from(FAILURE),
        () if any(WindowVerdict::Drifted) => ExitCode::from(DRIFT),
        () if arguments.strict && !any(WindowVerdict::Ok) => ExitCode::from(UNJUDGED),
        () => ExitCode::SUCCESS,
    })
}

/// The rows of all inputs as one window; or a window per file, and what could not be read.
fn windows(
    (reference, compared): (&Reference, Option<u128>),
    arguments: &CheckArguments,
    settings: &CheckOptions,
    changes: &mut ColumnChanges,
) -> Result<(Vec<WindowFigures>, Vec<anyhow::Error>)> {
    let close = |name: &str, slot: usize, pane: &Pane| {
        let (window, slot) = (name.to_owned(), slot as u64);
        let label = WindowLabel { window, slot, compared, ..WindowLabel::default() };
        score(reference, pane, &[], &[], &settings.drift, label)
            .map(|scored| scored.figures)
            .map_err(|error| anyhow!("{name}: {error}"))
    };
    let files = files(&arguments.current)?;
    let counting = Counting::new(reference, settings, &files, arguments.each)?;
    let mut all = Pane::new(reference.grids());
    let (mut windows, mut unreadable) = (Vec::new(), Vec::new());
    for path in files {
        let pane = match pane(reference, &path, &counting, changes) {
            Ok(pane) => pane,
            // One bad file must not hide the others.
            Err(error) if arguments.each => {
                unreadable.push(error);
                continue;
            }
            Err(error) => return Err(error),
        };
        if arguments.each {
            windows.push(close(&path.to_string_lossy(), windows.len(), &pane)?);
        } else {
            all.merge(&pane).map_err(|error| anyhow!("{}: {error}", path.display()))?;
        }
    }
    if !arguments.each {
        windows.push(close("check", 0, &all)?);
    }
    Ok((windows, unreadable))
}

fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        match inputs::resolve(path)? {
            Input::Profile(path) => files.push(path),
            Input::Files(found) => files.extend(found.into_iter().map(|file| file.path)),
        }
    }
    Ok(files)
}

/// How files are counted: what is sampled, of how large a window, how large pages may be, and what
/// names clusters.
pub struct Counting<'a> {
    sampling: Option<&'a SamplingConfig>,
    /// None where each file is a window.
    window_rows: Option<u64>,
    page_bytes_max: u64,
    /// The column that names the cluster of each row.
    cluster: Option<&'a str>,
    /// The columns of files that are features.
    columns: ColumnsConfig,
    /// What rows without types are read for.
    lines: Arc<LineSchema>,
}

impl Counting<'_> {
    /// The rows of all `files` are one window, unless `each` is one.
    pub fn new<'a>(
        reference: &Reference,
        settings: &'a CheckOptions,
        files: &[PathBuf],
        each: bool,
    ) -> Result<Counting<'a>> {
        let CheckOptions { sampling, page_bytes_max, .. } = settings;
        let (sampling, page_bytes_max) = (sampling.as_ref(), *page_bytes_max);
        let columns = &settings.reference.columns;
        let key = sampling.and_then(|config| config.key.as_ref());
        let lines = Arc::new(inputs::line_schema(reference, columns, key));
        let is_capped = sampling.is_some_and(|config| config.rows_max.is_some());
        let mut window_rows = None;
        if is_capped && !each {
            for path in files {
                if let Input::Files(_) = inputs::resolve(path)? {
                    let opened = inputs::open_rows(path, page_bytes_max, &lines)?;
                    *window_rows.get_or_insert(0) += rows(&*opened.table);
                }
            }
        }
        let cluster = settings.reference.columns.cluster.as_deref();
        let columns = settings.reference.columns_of_logs(sampling);
        Ok(Counting { sampling, window_rows, page_bytes_max, cluster, columns, lines })
    }
}

/// The counts of one file or profile.
pub fn pane(
    reference: &Reference,
    path: &Path,
    counting: &Counting<'_>,
    changes: &mut ColumnChanges,
) -> Result<Pane> {
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
    let opened = inputs::open_rows(path, counting.page_bytes_max, &counting.lines)?;
    tell_rejected(path, &opened);
    let table = RenamedTable::new(&*opened.table, &counting.columns.renaming, reference);
    let wanted: Vec<_> = reference.grids().map(FeatureGrid::wanted).collect();
    changes.add(ColumnChanges::of(table.schema(), &wanted, &counting.columns));
    let bar = bar("current", table.row_groups().len() * reference.features.len());
    let on_read = || {
        bar.inc(1);
        Ok(())
    };
    let table = ProgressTable { table: &table, on_read: &on_read };
    let counted = ClusteredTable::new(&table, counting.cluster)
        .and_then(|table| count_whole(reference, &table, counting.sampling, counting.window_rows));
    bar.finish_and_clear();
    Ok(counted.map_err(|fault| fault.context(path.display()))?)
}

/// Says which lines of a file are no rows.
fn tell_rejected(path: &Path, opened: &OpenedTable) {
    if let Some((reason, line)) = &opened.first_rejected {
        let (path, lines, reason) = (path.display(), opened.rejected.sum(), reason.name());
        eprintln!("driftd: {path}: {lines} lines are no rows; the first is {reason}: {line}");
    }
}

fn snapshot(
    reference: Arc<ReferenceFigures>,
    settings: &CheckOptions,
    windows: &[WindowFigures],
) -> Snapshot {
    let windows = windows
        .iter()
        .map(|figures| WindowSnapshot::resumed(&figures.window, Some(figures.clone())));
    let model = ModelSnapshot {
        name: settings.model.clone(),
        version: settings.version.clone(),
        reference: Some(reference),
        windows: windows.collect(),
        predictions: Vec::new(),
        totals: Totals::default(),
    };
    Snapshot { generation: 0, models: vec![Arc::new(model)] }
}

/// See no-color.org; the table finds out by itself whether it is shown on a terminal.
fn wants_colour() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !is_set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}
