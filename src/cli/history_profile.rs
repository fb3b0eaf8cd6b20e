//! `driftd history profile`: what closed windows counted, as a profile.

use super::{options, output};
use crate::config::load;
use crate::monitor::reference::CurrentProfile;
use crate::store::closed_windows::Query;
use crate::store::{ModelStore, Store};
use crate::time::Timestamp;
use anyhow::{Context, Result, anyhow, bail};
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
    let profile = added(&store, &window, &query)?;
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

/// The sum of windows that have no rows in common, on one grid.
fn added(store: &ModelStore, window: &str, query: &Query) -> Result<CurrentProfile> {
    let windows = store.windows_with_profile(window, query)?;
    let mut sum: Option<CurrentProfile> = None;
    let (mut end, mut n) = (None, 0);
    for (figures, id) in windows {
        // A daemon that closes a window meanwhile may drop the oldest.
        let Some(profile) = store.window_profile(id, window)? else { continue };
        n += 1;
        if figures.start.is_some() && figures.start < end {
            bail!("windows {window:?} overlap, and rows would count twice; say fewer of them");
        }
        end = figures.end;
        match &mut sum {
            None => sum = Some(profile),
            Some(sum) if sum.names == profile.names => {
                let other = |_| anyhow!("the reference has changed between windows {window:?}");
                sum.pane.merge(&profile.pane).map_err(other)?;
            }
            Some(_) => bail!("the features have changed between windows {window:?}"),
        }
    }
    let sum = sum.with_context(|| {
        format!(
            "no window {window:?} of that time has a profile; the last state.profiles_max have \
             one, of those that closed since that is set"
        )
    })?;
    let ended = end.map(|end| format!(", the last of which ended {end}"));
    eprintln!("{n} windows {window:?}, {} rows{}", sum.pane.rows, ended.unwrap_or_default());
    Ok(sum)
}
