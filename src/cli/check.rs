//! `driftd check`: compare once.

use super::compared::{Compared, compare};
use super::judging::JudgingArguments;
use super::options::{CheckOptions, ConfigChoice};
use super::{DRIFT, FAILURE, UNJUDGED, output};
use crate::export::exposition;
use crate::export::page::page;
use crate::export::push::{group_url, push};
use crate::judge::drift_config::VariationConfig;
use crate::monitor::figures::{ReferenceFigures, WindowFigures, WindowVerdict};
use crate::monitor::snapshot::{ModelSnapshot, Snapshot, WindowSnapshot};
use crate::net::http_client::without_user;
use crate::report::Report;
use crate::report::html::html;
use crate::report::json::json;
use crate::report::junit::junit;
use crate::report::markdown::markdown;
use crate::report::table::table;
use crate::totals::Totals;
use anyhow::{Context, Result};
use clap::ValueEnum;
use reqwest::Url;
use std::path::PathBuf;
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
    /// Push what was found to this Pushgateway too, such as http://localhost:9091: in place of what
    /// the group of the model held, see --model; an address that ends with a group,
    /// /metrics/job/…, is taken as it is. With --each the label window is the name of the file
    #[arg(long, value_name = "URL")]
    push: Option<String>,
    /// Exit with status 3 when nothing could be judged
    #[arg(long)]
    strict: bool,
    /// Write to a file instead of standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write a file in another format too, such as junit=report.xml; may be repeated
    #[arg(long, value_name = "FORMAT=FILE", value_parser = format_and_file)]
    also: Vec<(Format, PathBuf)>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people; coloured on a terminal
    Table,
    /// Everything, schema 2
    Json,
    /// A page to look at, in one file
    Html,
    /// For a comment on a pull request
    Markdown,
    /// JUnit's XML, which CI servers show: a test per feature and rule
    Junit,
    /// Prometheus' text format 0.0.4, for the textfile collector of node_exporter
    Prometheus,
    /// OpenMetrics 1.0, for promtool
    Openmetrics,
}

fn format_and_file(text: &str) -> Result<(Format, PathBuf), String> {
    let wanted = || "a format and a file, such as junit=report.xml".to_owned();
    let parts = text.split_once('=').filter(|(_, file)| !file.is_empty());
    let (format, file) = parts.ok_or_else(wanted)?;
    let unknown = |_| {
        let known = Format::value_variants().iter().filter_map(ValueEnum::to_possible_value);
        let known: Vec<String> = known.map(|own| own.get_name().to_owned()).collect();
        format!("no format {format:?}; there are: {}", known.join(", "))
    };
    Ok((Format::from_str(format, false).map_err(unknown)?, file.into()))
}

pub fn run(arguments: CheckArguments) -> Result<ExitCode> {
    let mut settings = arguments.config.settings()?;
    arguments.judging.apply(&mut settings.drift);
    // Whoever compares once has no windows to learn from.
    if settings.drift.variation == VariationConfig::Learned {
        settings.drift.variation = VariationConfig::Rows;
    }
    let push = arguments.push.as_ref();
    let group = push.map(|url| group_url(url, &settings.model, &settings.version)).transpose()?;
    let path = arguments.reference.as_ref().or(settings.reference_path.as_ref());
    let path = path.context("name the reference with --reference")?;
    let inputs = std::iter::once(path).chain(&arguments.current);
    arguments.config.check_columns(inputs.map(PathBuf::as_path))?;
    let compared = compare(path, &arguments.current, arguments.each, &settings)?;
    let Compared { reference, windows, changes, unreadable } = &compared;
    let reports: Vec<Report<'_>> = windows
        .iter()
        .map(|figures| Report {
            model: &settings.model,
            version: &settings.version,
            reference: Some(&**reference),
            figures,
            has_bins: true,
            shown: settings.export.values,
            predictions: &settings.reference.columns.predictions,
        })
        .collect();
    let samples = |format: exposition::Format| {
        let snapshot = snapshot(Arc::clone(reference), &settings, windows);
        page(&snapshot, &settings.export, settings.external_url.as_deref(), format)
    };
    let text = |format: Format, for_terminal: bool| match format {
        Format::Table => {
            let for_terminal = for_terminal && wants_colour();
            let told = if changes.is_empty() { String::new() } else { format!("{changes}\n") };
            (table(&reports, for_terminal) + &told).into_bytes()
        }
        Format::Json => json(&reports).into_bytes(),
        Format::Html => html(&reports).into_bytes(),
        Format::Markdown => markdown(&reports).into_bytes(),
        Format::Junit => junit(&reports).into_bytes(),
        Format::Prometheus => samples(exposition::Format::Text),
        Format::Openmetrics => samples(exposition::Format::OpenMetrics),
    };
    output::write(
        arguments.output.as_deref(),
        &text(arguments.format, arguments.output.is_none()),
    )?;
    for (format, path) in &arguments.also {
        output::write(Some(path), &text(*format, false))?;
    }
    if let Some(group) = &group {
        push_samples(group, samples(exposition::Format::Text))?;
    }
    unreadable.iter().for_each(|error| eprintln!("driftd: {error:#}"));
    Ok(status(windows, !unreadable.is_empty(), arguments.strict))
}

/// What the README's table of statuses says.
fn status(windows: &[WindowFigures], is_unreadable: bool, is_strict: bool) -> ExitCode {
    let any = |verdict| windows.iter().any(|window| window.verdict() == verdict);
    let is_broken = windows.iter().any(|window| window.broken_rules().next().is_some());
    match () {
        () if is_unreadable => ExitCode::from(FAILURE),
        () if any(WindowVerdict::Drifted) || is_broken => ExitCode::from(DRIFT),
        () if is_strict && !any(WindowVerdict::Ok) => ExitCode::from(UNJUDGED),
        () => ExitCode::SUCCESS,
    }
}

fn push_samples(group: &Url, page: Vec<u8>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(push(group, page))?;
    let group = without_user(group.clone());
    eprintln!("pushed; to remove it: curl -X DELETE '{group}'");
    Ok(())
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
        accepted: None,
        totals: Totals::default(),
    };
    Snapshot { generation: 0, models: vec![Arc::new(model)] }
}

/// See no-color.org; the table finds out by itself whether it is shown on a terminal.
fn wants_colour() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !is_set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}
