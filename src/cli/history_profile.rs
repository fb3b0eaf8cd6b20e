//! `driftd history profile`: what closed windows counted, as a profile.

use super::{options, output};
use crate::config::load;
use crate::store::added_windows::AddedWindows;
use crate::store::closed_windows::Query;
use crate::store::{ModelStore, Store};
use crate::time::Timestamp;
use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// Which windows, and where their profile goes.
#[derive(clap::Args)]
pub struct HistoryProfileArguments {
    /// Configuration file; paths in it are relative to it
    #[arg(long, default_value = "config/driftd.toml", value_name = "FILE")]
    config: PathBuf,
    /// The model, where there are more
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Its version, where there are more
    #[arg(long, value_name = "VERSION")]
    model_version: Option<String>,
    /// The window, where there are more
    #[arg(long, value_name = "NAME")]
    window: Option<String>,
    /// All windows that end at or after this time, added up [default: the last window alone]
    #[arg(long, value_name = "TIME", value_parser = options::time)]
    from: Option<Timestamp>,
    /// Windows that end before this time; without --from the last of them
    #[arg(long, value_name = "TIME", value_parser = options::time)]
    to: Option<Timestamp>,
    /// Where the profile goes
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
}

pub fn run(arguments: &HistoryProfileArguments) -> Result<ExitCode> {
    let config = load(&arguments.config)?;
    let path = config.state.path.context("the configuration names no state; see state.path")?;
    let store = Arc::new(Store::open_read_only(&path)?);
    let mut models = store.models()?;
    models.retain(|(model, version, _)| {
        let is = |wanted: &Option<String>, own| wanted.as_ref().is_none_or(|wanted| wanted == own);
        is(&arguments.model, model) && is(&arguments.model_version, version)
    });
    let named = |(model, version, _): &(String, String, ModelStore)| format!("{model} {version}");
    let (_, _, store) = only("model", "--model and --model-version", models, named)?;
    let mut windows = store.window_names()?;
    windows.retain(|name| arguments.window.as_ref().is_none_or(|wanted| wanted == name));
    let window = only("window", "--window", windows, Clone::clone)?;
    let limit = arguments.from.is_none().then_some(1);
    let query = Query { from: arguments.from, to: arguments.to, limit };
    let AddedWindows { profile, windows, end, .. } = store.added_windows(&window, &query)?;
    let ended = end.map(|end| format!(", the last of which ended {end}")).unwrap_or_default();
    eprintln!("{windows} windows {window:?}, {} rows{ended}", profile.pane.rows);
    output::write(Some(&arguments.output), &profile.to_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// The one that there is.
fn only<T>(what: &str, how: &str, mut all: Vec<T>, name: impl Fn(&T) -> String) -> Result<T> {
    match all.len() {
        0 => bail!("the state has no such {what}"),
        1 => Ok(all.remove(0)),
        _ => {
            let names = all.iter().map(name).collect::<Vec<_>>().join(", ");
            bail!("which {what}? Say it with {how}; there are: {names}")
        }
    }
}
