//! `driftd reference`: what a model is compared with, and what is known of how much that varies.

use super::accept::{self, AcceptArguments};
use super::output;
use super::suggest::{self, SuggestArguments};
use crate::config::load;
use crate::monitor::reference::Reference;
use crate::store::{ModelStore, Store};
use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

#[derive(clap::Args)]
pub struct ReferenceArguments {
    #[command(subcommand)]
    command: ReferenceCommand,
}

#[derive(clap::Subcommand)]
enum ReferenceCommand {
    /// Make a closed window the reference of a model, through the running daemon; it wins over the
    /// configured path until that holds something else
    Accept(AcceptArguments),
    /// Write rules of quality that a reference itself keeps, to read and to change
    Suggest(SuggestArguments),
    /// Forget how much features have varied from window to window; the next windows are judged as
    /// the first ones were. The daemon must have stopped
    ResetHistory(ResetArguments),
}

#[derive(clap::Args)]
struct ResetArguments {
    /// Name of the model
    model: String,
    /// Version of the model; all of them without
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// Only of this feature
    #[arg(long, value_name = "NAME")]
    feature: Option<String>,
    /// Configuration file, which names the state
    #[arg(long, default_value = "config/driftd.toml", value_name = "FILE")]
    config: PathBuf,
}

pub fn run(arguments: ReferenceArguments) -> Result<ExitCode> {
    match arguments.command {
        ReferenceCommand::Accept(arguments) => accept::run(&arguments),
        ReferenceCommand::Suggest(arguments) => suggest::run(&arguments),
        ReferenceCommand::ResetHistory(arguments) => reset_history(&arguments),
    }
}

fn reset_history(arguments: &ResetArguments) -> Result<ExitCode> {
    let mut state = load(&arguments.config)?.state;
    let path = state.path.take();
    let path = path.context("the configuration names no state; see state.path")?;
    if !path.exists() {
        bail!("there is no state {} yet", path.display());
    }
    state.path = Some(path);
    let store = Arc::new(Store::open(&state)?);
    let all = store.models()?;
    let is_wanted = |(name, version, _): &&(String, String, ModelStore)| {
        *name == arguments.model && arguments.version.as_ref().is_none_or(|own| own == version)
    };
    let models: Vec<_> = all.iter().filter(is_wanted).collect();
    if models.is_empty() {
        let known: Vec<String> =
            all.iter().map(|(name, version, _)| format!("{name:?} version {version:?}")).collect();
        bail!("the state has no such model; it has: {}", known.join(", "));
    }
    let mut text = String::new();
    for (name, version, model) in models {
        let index = match &arguments.feature {
            None => None,
            Some(feature) => Some(index_of(model, feature)?),
        };
        let windows = model.reset_history(index)?;
        let what =
            arguments.feature.as_ref().map_or_else(String::new, |own| format!(" of {own:?}"));
        text += &format!("{name:?} version {version:?}: {windows} windows forgotten{what}\n");
    }
    output::write(None, text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// The place of a feature in the reference that windows are compared with.
fn index_of(model: &ModelStore, feature: &str) -> Result<usize> {
    let reference = Reference::from_chunks(&model.reference_profile()?)?;
    let names: Vec<&str> = reference.features.iter().map(|own| own.grid.name.as_str()).collect();
    names.iter().position(|name| *name == feature).with_context(|| {
        format!("the reference has no feature {feature:?}; it has: {}", names.join(", "))
    })
}
