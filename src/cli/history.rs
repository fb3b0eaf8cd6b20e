//! `driftd history`: closed windows out of the state, and `driftd replay`: past files again.

use super::judging::JudgingArguments;
use super::output;
use crate::config::load;
use crate::daemon::replay::replay;
use crate::export::ExportConfig;
use crate::export::history::History;
use crate::profile::instants;
use crate::report::history::{Past, windows};
use crate::store::closed_windows::Query;
use crate::store::{ModelStore, Store};
use crate::time::Timestamp;
use anyhow::{Context, Result, anyhow, bail};
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
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<Timestamp>,
    /// Only windows that end before this time
    #[arg(long, value_name = "TIME", value_parser = time)]
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
}

fn time(text: &str) -> Result<Timestamp> {
    let time = instants::parse(text, None);
    time.ok_or_else(|| anyhow!("no time such as 2026-01-31, 2026-01-31T12:00:00Z or 1769817600"))
}

pub fn run(arguments: HistoryArguments) -> Result<ExitCode> {
    let HistoryCommand::Export(arguments) = arguments.command;
    let config = load(&arguments.config)?;
    let path = config.state.path.context("the configuration names no state; see state.path")?;
    let store = Arc::new(Store::open_read_only(&path)?);
    let mut past = Vec::new();
    for (model, version, store) in store.models()? {
        if arguments.model.as_ref().is_none_or(|wanted| *wanted == model) {
            arguments.collect(&model, &version, &store, &mut past)?;
        }
    }
    arguments.write(past, &config.export)
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
    let mut past = Vec::new();
    for mut model in config.models {
        judging.apply(&mut model.model.drift);
        let (name, version) = (model.model.name.clone(), model.model.version.clone());
        let store = replay(model, config.state.memory_max)?;
        arguments.collect(&name, &version, &store, &mut past)?;
    }
    arguments.write(past, &config.export)
}

impl PastArguments {
    /// Appends the windows that are asked for.
    fn collect(
        &self,
        model: &str,
        version: &str,
        store: &ModelStore,
        past: &mut Vec<Past>,
    ) -> Result<()> {
        let query = Query { from: self.from, to: self.to, limit: None };
        past.extend(Past::of(model, version, store.past(self.window.as_deref(), &query)?));
        Ok(())
    }

    fn write(&self, past: Vec<Past>, export: &ExportConfig) -> Result<ExitCode> {
        let text = match self.format {
            Format::Json => windows(&past),
            Format::Openmetrics => {
                let mut history = History::default();
                past.into_iter().for_each(|Past { model, version, figures }| {
                    history.add(&model, &version, figures);
                });
                history.openmetrics(export)
            }
        };
        output::write(self.output.as_deref(), text.as_bytes())?;
        Ok(ExitCode::SUCCESS)
    }
}
