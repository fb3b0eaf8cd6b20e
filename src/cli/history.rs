//! `driftd history`: closed windows out of the state, and `driftd replay`: past files again.

use super::history_profile::{self, HistoryProfileArguments};
use super::judging::JudgingArguments;
use super::{options, output};
use crate::config::load;
use crate::daemon::replay::replay;
use crate::drift::{MEASURES, Measure};
use crate::export::ExportConfig;
use crate::export::history::History;
use crate::export::history_parquet::HistoryParquet;
use crate::monitor::figures::WindowFigures;
use crate::quality::rule::{Check, Rule};
use crate::report::history::{Past, windows};
use crate::store::closed_windows::Query;
use crate::store::{ModelStore, Store};
use crate::time::Timestamp;
use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

#[derive(clap::Args)]
pub struct HistoryArguments {
    #[command(subcommand)]
    command: HistoryCommand,
}

#[derive(clap::Subcommand)]
enum HistoryCommand {
    /// Write the closed windows of the state; the daemon may be running
    Export(PastArguments),
    /// Write what closed windows counted as a profile, to judge it again or to add it to others
    Profile(HistoryProfileArguments),
}

#[derive(clap::Args)]
pub struct ReplayArguments {
    #[command(flatten)]
    past: PastArguments,
    #[command(flatten)]
    judging: JudgingArguments,
}

/// Which windows of which models, and how to write them.
#[derive(clap::Args)]
pub struct PastArguments {
    /// Configuration file; paths in it are relative to it
    #[arg(long, default_value = "config/driftd.toml", value_name = "FILE")]
    config: PathBuf,
    /// Only this model
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Only this window
    #[arg(long, value_name = "NAME")]
    window: Option<String>,
    /// Only windows that end at or after this time: ISO 8601, or seconds since 1970
    #[arg(long, value_name = "TIME", value_parser = options::time)]
    from: Option<Timestamp>,
    /// Only windows that end before this time
    #[arg(long, value_name = "TIME", value_parser = options::time)]
    to: Option<Timestamp>,
    /// What to write
    #[arg(long, value_enum, default_value_t = Format::Openmetrics)]
    format: Format,
    /// Write to a file instead of standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// With timestamps, for `promtool tsdb create-blocks-from openmetrics`
    Openmetrics,
    /// What each window came to
    Json,
    /// A row per window and feature
    Parquet,
}

pub fn run(arguments: HistoryArguments) -> Result<ExitCode> {
    let arguments = match arguments.command {
        HistoryCommand::Export(arguments) => arguments,
        HistoryCommand::Profile(arguments) => return history_profile::run(&arguments),
    };
    let config = load(&arguments.config)?;
    let path = config.state.path.context("the configuration names no state; see state.path")?;
    let store = Arc::new(Store::open_read_only(&path)?);
    let mut models = store.models()?;
    models.retain(|(model, ..)| arguments.model.as_ref().is_none_or(|wanted| wanted == model));
    arguments.write(&models, &config.export)
}

/// Counts what the sources hold as if it came now, into a state of its own.
pub fn run_replay(arguments: ReplayArguments) -> Result<ExitCode> {
    let ReplayArguments { past: arguments, judging } = arguments;
    let mut config = load(&arguments.config)?;
    if let Some(wanted) = &arguments.model {
        let known: Vec<String> = config.models.iter().map(|m| m.model.name.clone()).collect();
        config.models.retain(|model| model.model.name == *wanted);
        if config.models.is_empty() {
            bail!("no model {wanted:?}; there are: {}", known.join(", "));
        }
    }
    let mut models = Vec::new();
    for mut model in config.models {
        judging.apply(&mut model.model.drift);
        // What is counted again is old.
        let is_of_now = |rule: &Rule| matches!(rule.check, Check::Fresh { .. });
        model.model.drift.rules.retain(|rule| !is_of_now(rule));
        let (name, version) = (model.model.name.clone(), model.model.version.clone());
        models.push((name, version, replay(model, config.state.memory_max)?));
    }
    arguments.write(&models, &config.export)
}

/// Measures that any of some models has figures of.
fn measures(models: &Models) -> Vec<&'static dyn Measure> {
    let known: Vec<_> = models.iter().flat_map(|(.., store)| store.measures()).collect();
    MEASURES.iter().copied().filter(|own| known.contains(own)).collect()
}

/// Models with what the state has of them.
type Models = [(String, String, ModelStore)];

impl PastArguments {
    fn write(&self, models: &Models, export: &ExportConfig) -> Result<ExitCode> {
        let bytes = match self.format {
            Format::Json => self.json(models)?.into_bytes(),
            Format::Openmetrics => {
                let mut history = History::default();
                self.each_window(models, |model, version, figures| {
                    history.add(model, version, figures);
                    Ok(())
                })?;
                history.openmetrics(export).into_bytes()
            }
            Format::Parquet => {
                let mut history = HistoryParquet::new(Vec::new(), measures(models));
                self.each_window(models, |model, version, figures| {
                    Ok(history.add(model, version, &figures)?)
                })?;
                history.finish()?
            }
        };
        output::write(self.output.as_deref(), &bytes)?;
        Ok(ExitCode::SUCCESS)
    }

    fn query(&self) -> Query {
        Query { from: self.from, to: self.to, limit: None }
    }

    fn json(&self, models: &Models) -> Result<String> {
        let mut past = Vec::new();
        for (model, version, store) in models {
            past.extend(Past::of(
                model,
                version,
                store.past(self.window.as_deref(), &self.query())?,
            ));
        }
        Ok(windows(&past))
    }

    /// Calls `f` with the windows that are asked for, name by name and oldest first.
    fn each_window(
        &self,
        models: &Models,
        mut f: impl FnMut(&str, &str, WindowFigures) -> Result<()>,
    ) -> Result<()> {
        for (model, version, store) in models {
            let names = store.window_names()?.into_iter();
            for name in names.filter(|name| self.window.as_ref().is_none_or(|own| own == name)) {
                let mut done = Ok(());
                store.each_window(&name, &self.query(), &mut |figures| {
                    if done.is_ok() {
                        done = f(model, version, figures);
                    }
                })?;
                done?;
            }
        }
        Ok(())
    }
}
